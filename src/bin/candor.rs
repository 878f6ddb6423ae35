//! The client's entry point: hands the command line to [`candor::host::commands`], and joins in the daemon where the build
//! has one.

use std::process::ExitCode;

use candor::host::commands::{self, CommandError, EmbeddedDaemon, EmbeddedRequest, Exit};

fn main() -> ExitCode {
    commands::main(std::env::args_os(), start_embedded).into()
}

#[cfg(not(feature = "device"))]
fn start_embedded(_request: EmbeddedRequest) -> Result<Box<dyn EmbeddedDaemon>, CommandError> {
    Err(CommandError::new(
        Exit::Unavailable,
        "this build of candor has no daemon inside; record with a daemon (candor record), then candor check",
    ))
}

#[cfg(feature = "device")]
fn start_embedded(_request: EmbeddedRequest) -> Result<Box<dyn EmbeddedDaemon>, CommandError> {
    Err(CommandError::new(Exit::Internal, "the daemon is not joined in yet"))
}
