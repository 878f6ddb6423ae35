//! `candor info`: the device and what can be seen of it.

use anstyle::Style;
use clap::{Args, ValueEnum};

use super::terminal::{BAD, FAINT, GOOD, STRONG, Table, WARN, harmless, output_error, stdout, stdout_width};
use super::{CommandError, Exit};
use crate::event::ProbeState;
use crate::host::client::{AccessReport, Address, DaemonClient, DeviceDescription};

/// A form of a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum ListFormat {
    /// For reading in a terminal
    Text,
    /// For programs
    Json,
}

/// `candor info`.
#[derive(Debug, Args)]
pub(super) struct InfoCommand {
    /// How to print it
    #[arg(long, value_enum, default_value_t = ListFormat::Text)]
    format: ListFormat,
}

/// What `candor info --format json` prints.
#[derive(serde::Serialize)]
struct Description {
    #[serde(flatten)]
    description: DeviceDescription,
    /// Missing when the daemon does not tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    access: Option<AccessReport>,
}

/// Prints the device's description.
pub(super) async fn info(address: &Address, command: &InfoCommand) -> Result<Exit, CommandError> {
    let mut client = DaemonClient::connect(address).await?;
    let description = client.device().await?;
    let access = client.access().await?;
    let mut out = stdout();
    if command.format == ListFormat::Json {
        print_json(&mut out, &Description { description, access })?;
        return Ok(Exit::Ok);
    }
    let device = &description.device;
    let facts = [
        ("device", &device.name),
        ("kernel", &format!("{} {}", device.kernel_release, device.architecture)),
        ("kernel BTF", &if device.kernel_btf { "yes".to_owned() } else { "no".to_owned() }),
        ("boot id", &device.boot_id),
        ("candord", &device.daemon_version),
        ("clock", &wall_time(description.now.wall_ns)),
    ];
    for (name, value) in facts {
        writeln!(out, "{STRONG}{name:<11}{STRONG:#}{}", harmless(value)).map_err(output_error)?;
    }
    if let Some(access) = &access {
        let refusals: Vec<_> =
            access.refusals.iter().map(|refusal| format!("{} {}", refusal.count, refusal.reason)).collect();
        let refused = if refusals.is_empty() { "nothing".to_owned() } else { refusals.join(", ") };
        writeln!(out, "{STRONG}{:<11}{STRONG:#}{}", "refused", harmless(&refused)).map_err(output_error)?;
    }
    writeln!(out).map_err(output_error)?;
    let mut table = Table::new(&["FAMILY", "PROBE", "STATE", "REASON"]);
    for status in &description.probes {
        let style = match status.state {
            ProbeState::Attached => GOOD,
            ProbeState::Partial => WARN,
            ProbeState::Unsupported | ProbeState::Absent => FAINT,
            ProbeState::Denied => BAD,
        };
        table.row([
            (status.family.name().to_owned(), Style::new()),
            (status.probe.name().to_owned(), Style::new()),
            (status.state.name().to_owned(), style),
            (status.reason.clone(), Style::new()),
        ]);
    }
    // Reasons are what a reader looks for here, so they are not cut.
    table.print(&mut out, None).map_err(output_error)?;
    out.flush().map_err(output_error)?;
    Ok(Exit::Ok)
}

/// `candor apps`.
#[derive(Debug, Args)]
pub(super) struct AppsCommand {
    /// Only packages whose name contains this
    #[arg(value_name = "PART")]
    part: Option<String>,
    /// How to print them
    #[arg(long, value_enum, default_value_t = ListFormat::Text)]
    format: ListFormat,
}

/// Prints the device's packages.
pub(super) async fn apps(address: &Address, command: &AppsCommand) -> Result<Exit, CommandError> {
    let mut list = DaemonClient::connect(address).await?.packages().await?;
    if let Some(part) = &command.part {
        list.packages.retain(|entry| entry.package.contains(part.as_str()));
    }
    let mut out = stdout();
    if command.format == ListFormat::Json {
        print_json(&mut out, &list)?;
        return Ok(Exit::Ok);
    }
    let mut table = Table::new(&["PACKAGE", "UID", "VERSION"]);
    for entry in &list.packages {
        let version = entry.version_code.map_or_else(String::new, |version| version.to_string());
        table.row([
            (entry.package.clone(), STRONG),
            (entry.user_id.to_string(), Style::new()),
            (version, Style::new()),
        ]);
    }
    table.print(&mut out, stdout_width()).map_err(output_error)?;
    if list.packages.is_empty() && command.part.is_none() && list.read_error.is_empty() {
        writeln!(out, "the device has no list of packages; it may not run Android").map_err(output_error)?;
    }
    if !list.read_error.is_empty() {
        writeln!(out, "{BAD}the list could not be read{BAD:#}: {}", harmless(&list.read_error))
            .map_err(output_error)?;
    }
    if list.bad_lines > 0 {
        writeln!(out, "{WARN}{} lines could not be understood{WARN:#}", list.bad_lines).map_err(output_error)?;
    }
    out.flush().map_err(output_error)?;
    Ok(Exit::Ok)
}

/// Prints a value as JSON, with a line end.
pub(super) fn print_json(out: &mut dyn std::io::Write, value: &impl serde::Serialize) -> Result<(), CommandError> {
    serde_json::to_writer_pretty(&mut *out, value).map_err(|error| output_error(error.into()))?;
    writeln!(out).map_err(output_error)?;
    out.flush().map_err(output_error)
}

/// A wall-clock time in UTC, to the second.
pub(super) fn wall_time(wall_ns: u64) -> String {
    i64::try_from(wall_ns / 1_000_000_000)
        .ok()
        .and_then(|seconds| jiff::Timestamp::from_second(seconds).ok())
        .map_or_else(|| "unknown".to_owned(), |time| time.to_string())
}

/// `candor sessions`.
#[derive(Debug, Args)]
pub(super) struct SessionsCommand {
    /// How to print them
    #[arg(long, value_enum, default_value_t = ListFormat::Text)]
    format: ListFormat,
}

/// Prints the daemon's sessions.
pub(super) async fn sessions(address: &Address, command: &SessionsCommand) -> Result<Exit, CommandError> {
    let rows = DaemonClient::connect(address).await?.sessions().await?;
    let mut out = stdout();
    if command.format == ListFormat::Json {
        print_json(&mut out, &rows)?;
        return Ok(Exit::Ok);
    }
    let mut table = Table::new(&["SESSION", "STATE", "STARTED", "EVENTS", "LOST", "PHASE", "TRACES", "LABEL"]);
    for row in rows {
        let (state, style) = match &row.end {
            None => ("running", GOOD),
            Some(end) => (end.reason.name(), FAINT),
        };
        // User ids that stand for packages are in the selection too; the names say more.
        let packages = row.selection.packages.iter().map(|name| harmless(name));
        let users = row.selection.user_ids.iter().map(|id| format!("uid {id}"));
        let trees = row.selection.process_trees.iter().map(|id| format!("pid {id}"));
        let traces: Vec<String> = packages.chain(users).chain(trees).collect();
        let state = if row.owned { format!("{state}, owned") } else { state.to_owned() };
        table.row([
            (row.session_id, STRONG),
            (state, style),
            (wall_time(row.started.wall_ns), Style::new()),
            (row.events.to_string(), Style::new()),
            (row.dropped.to_string(), if row.dropped == 0 { Style::new() } else { BAD }),
            (row.phase, Style::new()),
            (traces.join(", "), Style::new()),
            (row.label, Style::new()),
        ]);
    }
    table.print(&mut out, stdout_width()).map_err(output_error)?;
    out.flush().map_err(output_error)?;
    Ok(Exit::Ok)
}
