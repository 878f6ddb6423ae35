//! What `candord` does with its settings.
//!
//! * **In:** [`Settings`]. **Out:** a running daemon, or text; and an exit status.
//! * **May import:** `clock`, `daemon`, `doctor`, `keys`, `settings`, `event`, `tokio`, `tracing-subscriber`.
//! * **Test it:** `cargo test --test candord_command_line`.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::path::Path;

use anyhow::Context as _;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::device::clock;
use crate::device::daemon::{self, Daemon, DaemonError, DaemonOptions};
use crate::device::decode_lines::decode_lines;
use crate::device::doctor::{self, DoctorOptions};
use crate::device::keys::{self, KeysError};
use crate::device::settings::{Format, Settings, Verb};
use crate::event::{Family, ProbeState, ProbeStatus};

/// Everything is attached; or the daemon was told to end.
const EXIT_OK: u8 = 0;
/// `decode`: some lines were not understood.
const EXIT_BAD_LINES: u8 = 1;
/// `decode`: reading or writing failed.
const EXIT_INPUT_OUTPUT: u8 = 74;
/// `probes`, `doctor`: not everything can be traced.
const EXIT_NOT_ALL_ATTACHED: u8 = 2;

/// Does what the settings say and returns the exit status.
///
/// # Errors
///
/// When it cannot be done; [`exit_code`] gives the exit status of the error.
pub fn run(settings: Settings) -> anyhow::Result<u8> {
    // A level alone is meant for our own log: at "debug" the HTTP/2 library writes down every frame.
    let directives = match settings.log.parse::<tracing::Level>() {
        Ok(level) => format!("warn,candor={level}"),
        Err(_) => settings.log.clone(),
    };
    // Targets and levels alone: filters by the fields of spans would bring a library of regular expressions onto the device.
    let filter = directives.parse::<Targets>().with_context(|| format!("--log {}", settings.log))?;
    let colours = io::IsTerminal::is_terminal(&io::stderr());
    let lines = tracing_subscriber::fmt::layer().with_writer(io::stderr).with_ansi(colours);
    tracing_subscriber::registry().with(lines).with(filter).init();
    match settings.verb {
        Verb::Serve(options) => serve(*options),
        Verb::Probes(options, format) => {
            let statuses = daemon::probe_statuses(&options, Path::new("/"));
            let text = match format {
                Format::Text => text(&statuses),
                Format::Json => json(&statuses).context("cannot write the statuses as JSON")?,
            };
            io::stdout().write_all(text.as_bytes()).context("cannot write to stdout")?;
            Ok(if every_family_attached(&statuses) { EXIT_OK } else { EXIT_NOT_ALL_ATTACHED })
        }
        Verb::Doctor(options, format) => doctor_report(options, format),
        Verb::Keys(options) => {
            let made = keys::make(&options, clock::anchor().wall_ns)?;
            let text: String = made.iter().map(|path| format!("{}\n", path.display())).collect();
            io::stdout().write_all(text.as_bytes()).context("cannot write to stdout")?;
            Ok(EXIT_OK)
        }
        Verb::Decode => match decode_lines(io::stdin().lock(), io::stdout().lock()) {
            Ok(0) => Ok(EXIT_OK),
            Ok(_) => Ok(EXIT_BAD_LINES),
            Err(error) => {
                tracing::error!(%error, "reading or writing failed");
                Ok(EXIT_INPUT_OUTPUT)
            }
        },
    }
}

/// The exit status of an error of [`run`].
#[must_use]
pub fn exit_code(error: &anyhow::Error) -> u8 {
    const SOFTWARE: u8 = 70;
    const USAGE: u8 = 64;
    if error.is::<tracing_subscriber::filter::ParseError>() {
        return USAGE;
    }
    if let Some(error) = error.downcast_ref::<KeysError>() {
        return error.exit_code();
    }
    error.downcast_ref::<DaemonError>().map_or(SOFTWARE, DaemonError::exit_code)
}

fn doctor_report(options: DoctorOptions, format: Format) -> anyhow::Result<u8> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let report = runtime.context("cannot start the runtime")?.block_on(doctor::examine(options));
    let text = match format {
        Format::Text => doctor::text(&report),
        Format::Json => serde_json::to_string_pretty(&report).context("cannot write the report as JSON")? + "\n",
    };
    io::stdout().write_all(text.as_bytes()).context("cannot write to stdout")?;
    Ok(if report.nothing_missing() { EXIT_OK } else { EXIT_NOT_ALL_ATTACHED })
}

fn serve(options: DaemonOptions) -> anyhow::Result<u8> {
    // Two threads: the work is done by the pipeline's own, and a device has better uses for its memory.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    runtime.block_on(async {
        // Before the socket exists: a signal that comes at once must not leave the socket behind.
        let mut interrupt = signal(SignalKind::interrupt()).context("cannot take SIGINT")?;
        let mut terminate = signal(SignalKind::terminate()).context("cannot take SIGTERM")?;
        let daemon = Daemon::start(options).await?;
        let name = tokio::select! {
            _ = interrupt.recv() => "SIGINT",
            _ = terminate.recv() => "SIGTERM",
        };
        tracing::info!(signal = name, "shutting down: sessions are ended and streams finish");
        daemon.shutdown().await;
        tracing::info!("done");
        Ok(EXIT_OK)
    })
}

/// Whether some probe sees everything of each family. Not each probe: one that samples `/proc` is partial by nature.
fn every_family_attached(statuses: &[ProbeStatus]) -> bool {
    let done = |status: &ProbeStatus| matches!(status.state, ProbeState::Attached | ProbeState::Absent);
    Family::TRACED.iter().all(|family| statuses.iter().any(|status| status.family == *family && done(status)))
}

fn text(statuses: &[ProbeStatus]) -> String {
    let mut text = String::new();
    for status in statuses {
        let (probe, family, state) = (status.probe.name(), status.family.name(), status.state.name());
        let _ = write!(text, "{probe:<20} {family:<8} {state}");
        // A reason may have several lines: what the kernel's verifier said.
        for (index, line) in status.reason.lines().enumerate() {
            let _ = if index == 0 { write!(text, "  {line}") } else { write!(text, "\n{:42}{line}", "") };
        }
        text.push('\n');
    }
    text
}

fn json(statuses: &[ProbeStatus]) -> serde_json::Result<String> {
    serde_json::to_string_pretty(statuses).map(|text| text + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::ProbeId;

    #[test]
    fn json_is_what_a_parser_reads_back() {
        let statuses = vec![
            ProbeStatus {
                probe: ProbeId::EbpfKernelObjects,
                family: Family::File,
                state: ProbeState::Denied,
                reason: "load \"file_open\":\n\tback\\slash \u{1}é".to_owned(),
            },
            ProbeStatus {
                probe: ProbeId::Procfs,
                family: Family::Socket,
                state: ProbeState::Attached,
                reason: String::new(),
            },
        ];
        assert_eq!(serde_json::from_str::<Vec<ProbeStatus>>(&json(&statuses).unwrap()).unwrap(), statuses);
        assert_eq!(text(&statuses[1..]), "procfs               socket   attached\n",);
    }
}
