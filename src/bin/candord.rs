//! The daemon: `candord`. Thin: everything is in `candor::device`.

use std::io::Write as _;
use std::process::ExitCode;

use candor::device::command_line;
use candor::device::self_test::{HELPER_VERB, run_helper};
use candor::device::settings::{Arguments, Settings};
use clap::Parser as _;

/// The command line is wrong, as in the BSD `sysexits.h`.
const EXIT_USAGE: u8 = 64;

fn main() -> ExitCode {
    // Before the command line is looked at: these verbs are the daemon's own, and never typed by anybody.
    let words: Vec<_> = std::env::args_os().skip(1).collect();
    if let Some((verb, rest)) = words.split_first()
        && verb == HELPER_VERB
    {
        return ExitCode::from(run_helper(rest));
    }
    if let Some(status) = candor::device::probe::ptrace::run_tracer(std::env::args_os()) {
        return ExitCode::from(status);
    }
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            let status = if error.use_stderr() { EXIT_USAGE } else { 0 };
            let _ = error.print();
            return ExitCode::from(status);
        }
    };
    let settings = match Settings::try_from(arguments) {
        Ok(settings) => settings,
        Err(error) => return fail(&error.to_string(), EXIT_USAGE),
    };
    match command_line::run(settings) {
        Ok(status) => ExitCode::from(status),
        Err(error) => fail(&format!("{error:#}"), command_line::exit_code(&error)),
    }
}

fn fail(message: &str, status: u8) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "candord: {message}");
    ExitCode::from(status)
}
