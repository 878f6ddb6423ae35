//! The client's entry point: hands the command line to [`candor::host::commands`], and joins in the daemon where the build
//! has one.

use std::process::ExitCode;

use candor::host::commands::{self, CommandError, EmbeddedDaemon, EmbeddedRequest, Exit};

/// See `Cargo.toml` for why not the C library's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    #[cfg(feature = "device")]
    if let Some(status) = self_test_helper() {
        return status;
    }
    #[cfg(feature = "device")]
    if let Some(status) = candor::device::probe::ptrace::run_tracer(std::env::args_os()) {
        return ExitCode::from(status);
    }
    commands::main(std::env::args_os(), start_embedded).into()
}

#[cfg(not(feature = "device"))]
fn start_embedded(_request: EmbeddedRequest) -> Result<Box<dyn EmbeddedDaemon>, CommandError> {
    Err(CommandError::new(
        Exit::Unavailable,
        "this build of candor has no daemon inside; record with a daemon (candor record), then candor check",
    ))
}

/// What the daemon inside starts this program for, before its command line is looked at: never typed by anybody.
#[cfg(feature = "device")]
fn self_test_helper() -> Option<ExitCode> {
    let words: Vec<_> = std::env::args_os().skip(1).collect();
    let (verb, rest) = words.split_first()?;
    (verb == candor::device::self_test::HELPER_VERB).then(|| candor::device::self_test::run_helper(rest).into())
}

/// A daemon and the runtime it lives in.
#[cfg(feature = "device")]
struct Embedded {
    runtime: tokio::runtime::Runtime,
    daemon: candor::device::daemon::Daemon,
}

#[cfg(feature = "device")]
impl EmbeddedDaemon for Embedded {
    fn shutdown(self: Box<Self>) {
        let Self { runtime, daemon } = *self;
        runtime.block_on(daemon.shutdown());
    }
}

#[cfg(feature = "device")]
fn start_embedded(request: EmbeddedRequest) -> Result<Box<dyn EmbeddedDaemon>, CommandError> {
    use candor::device::daemon::{Daemon, DaemonOptions, ListenAddress, ProbeSource};

    let options = DaemonOptions {
        listen: ListenAddress::Unix(request.socket),
        probes: request.replay.map_or_else(ProbeSource::default, ProbeSource::Replay),
        raw_captures: request.raw_captures,
        self_test: Some(candor::device::self_test::THIS_PROGRAM.into()),
        ..DaemonOptions::default()
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime
        .map_err(|error| CommandError::new(Exit::Internal, format!("cannot start the daemon's runtime: {error}")))?;
    let daemon = runtime
        .block_on(Daemon::start(options))
        .map_err(|error| CommandError::new(Exit::from_code(error.exit_code()), error.to_string()))?;
    Ok(Box::new(Embedded { runtime, daemon }))
}
