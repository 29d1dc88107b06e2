//! The binary: parses the command line, hands the verb its runtime, and turns
//! an error into one line and an exit code.

use std::process::ExitCode;

use actix_web::rt::signal::unix::{SignalKind, signal};
use addressbook::allocator;
use addressbook::cli::{CommandLine, LogLevel, Verb};
use addressbook::command::{self, CommandError};
use addressbook::logging;

/// Its errors are what strangers send it.
const PARSER: &str = "actix_http";

/// The signal of a file that grows beyond its limit, on every Linux but MIPS (signal(7)).
const SIGXFSZ: i32 = 25;

const TOKEN_GIVEN: &str = "a token does not belong on the command line, \
    name the key by its id: the 12 letters and digits after abk_";

fn main() -> ExitCode {
    let Ok(command_line) = CommandLine::read() else {
        eprintln!("addressbook: {TOKEN_GIVEN}");
        return ExitCode::FAILURE;
    };
    if let Verb::Serve(arguments) = &command_line.verb {
        logging::start(arguments.log, PARSER);
        allocator::begin_again_with_settings();
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
        Verb::Healthcheck(arguments) => command::healthcheck(&arguments),
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
    logging::start(LogLevel::Error, PARSER);
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
