//! The binary: parses the command line, hands the verb its runtime, and turns
//! an error into one line and an exit code.

use std::process::ExitCode;

use actix_web::rt::signal::unix::{SignalKind, signal};
use addressbook::allocator;
use addressbook::cli::{CommandLine, ConfigVerb, LogFormat, LogLevel, UsageError, Verb};
use addressbook::command::{self, CommandError};
use addressbook::logging;

/// Its errors are what strangers send it.
const PARSER: &str = "actix_http";

/// The signal of a file that grows beyond its limit, on every Linux but MIPS (signal(7)).
const SIGXFSZ: i32 = 25;

/// Something is wrong with how the program was called.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    let command_line = match CommandLine::read() {
        Ok(command_line) => command_line,
        Err(error) => {
            eprintln!("addressbook: {error}");
            return match error {
                UsageError::TokenGiven => ExitCode::FAILURE,
                UsageError::Settings(_) => ExitCode::from(USAGE),
            };
        }
    };
    if let Verb::Serve(arguments) = &command_line.verb {
        logging::start(arguments.log, arguments.log_format, PARSER);
        allocator::begin_again_with_settings();
        if !command_line.strange_variables.is_empty() {
            let variables = command_line.strange_variables.join(" ");
            log::warn!(variables:%; "no setting has these variables");
        }
    }
    outlive_file_size_limit();
    let done = match command_line.verb {
        Verb::Serve(arguments) => command::serve(&arguments, |server| {
            actix_web::rt::System::new().block_on(server)
        }),
        Verb::Key(verb) => quietly(|| command::key(&verb)),
        Verb::Import(arguments) => quietly(|| command::import(&arguments)),
        Verb::Export(arguments) => quietly(|| command::export(&arguments)),
        Verb::Backup(arguments) => quietly(|| command::backup(&arguments)),
        Verb::Restore(arguments) => quietly(|| command::restore(&arguments)),
        Verb::Check(arguments) => quietly(|| command::check(&arguments)),
        Verb::Migrate(arguments) => quietly(|| command::migrate(&arguments)),
        Verb::Config(ConfigVerb::Show(_)) => command::config(&command_line.settings),
        Verb::Healthcheck(arguments) => command::healthcheck(&arguments),
        Verb::Openapi => quietly(command::openapi),
        Verb::Completions(arguments) => quietly(|| command::completions(&arguments)),
        Verb::Man(arguments) => quietly(|| command::man(&arguments)),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        // As quiet as any other program whose reader has gone.
        Err(error @ CommandError::PipeClosed) => ExitCode::from(error.exit_code()),
        Err(error) => {
            eprintln!("addressbook: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}

/// Does what a verb does that is over in a moment: it logs failures alone.
fn quietly(verb: impl FnOnce() -> Result<(), CommandError>) -> Result<(), CommandError> {
    logging::start(LogLevel::Error, LogFormat::Auto, PARSER);
    verb()
}

/// Has the write fail that would make a file grow beyond its limit, and not the
/// process end. The handler stays when nobody listens to it any more.
fn outlive_file_size_limit() {
    let listening = async { signal(SignalKind::from_raw(SIGXFSZ)).map(drop) };
    if let Err(error) = actix_web::rt::System::new().block_on(listening) {
        log::warn!(error:% = error; "a limit on the size of files would end the process");
    }
}
