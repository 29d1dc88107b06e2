//! The binary: parses the command line, hands the verb its runtime, and turns
//! an error into one line and an exit code.

use std::process::ExitCode;

use addressbook::cli::{CommandLine, LogLevel, Verb};
use addressbook::{command, logging};
use clap::Parser;

/// Its errors are what strangers send it.
const PARSER: &str = "actix_http";

fn main() -> ExitCode {
    let done = match CommandLine::parse().verb {
        Verb::Serve(arguments) => {
            logging::start(arguments.log, PARSER);
            command::serve(&arguments, |server| {
                actix_web::rt::System::new().block_on(server)
            })
        }
        Verb::Key(verb) => {
            logging::start(LogLevel::Error, PARSER);
            command::key(&verb)
        }
        Verb::Healthcheck(arguments) => command::healthcheck(&arguments),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("addressbook: {error}");
            ExitCode::FAILURE
        }
    }
}
