//! `candor diff`: what one version of an app does that another did not.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::check::read_source;
use super::terminal::{output_error, stdout};
use super::{CommandError, Exit};
use crate::host::correlate::regression::{Difference, Report, Tolerance};
use crate::host::report;

/// `candor diff`.
#[derive(Debug, Args)]
pub(super) struct DiffCommand {
    /// The report to compare with: a file that `candor check --format json` wrote
    #[arg(value_name = "BASE.json")]
    base: PathBuf,
    /// The report to compare
    #[arg(value_name = "NEW.json")]
    new: PathBuf,
    /// By how many per cent a count may differ
    #[arg(long, value_name = "PERCENT", default_value_t = Tolerance::default().percent)]
    tolerance: u32,
    /// How to print the difference
    #[arg(long, value_enum, default_value_t = DiffFormat::Text)]
    format: DiffFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum DiffFormat {
    /// For reading in a terminal
    Text,
    /// For programs: one object
    Json,
}

/// Reads a JSON report.
pub(super) fn read_report(path: &Path, what: &str) -> Result<Report, CommandError> {
    let bad = |why: String| {
        let message = format!(
            "the {what} {} is no report that can be compared: {why}; `candor check RECORDING --terms FILE --format json` \
             writes one",
            path.display()
        );
        CommandError::new(Exit::BadData, message)
    };
    let source = read_source(path, what)?;
    // A recording's first byte is no text, so it is refused above; an NDJSON one ends here.
    let report: Report = serde_json::from_str(&source.text).map_err(|error| bad(error.to_string()))?;
    report.validated().map_err(|error| bad(error.to_string()))
}

/// Compares two reports.
pub(super) fn diff(command: &DiffCommand) -> Result<Exit, CommandError> {
    let base = read_report(&command.base, "baseline")?;
    let new = read_report(&command.new, "report")?;
    if base.package() != new.package() {
        let message = format!(
            "{} is of {}, and {} is of {}: two versions of one app are compared",
            command.base.display(),
            base.package(),
            command.new.display(),
            new.package()
        );
        return Err(CommandError::new(Exit::BadData, message));
    }
    let tolerance = Tolerance { percent: command.tolerance, ..Tolerance::default() };
    let difference = Difference::between(&base, &new, tolerance);
    let mut out = stdout();
    match command.format {
        DiffFormat::Text => report::difference(&difference, &mut out),
        DiffFormat::Json => serde_json::to_writer_pretty(&mut out, &difference)
            .map_err(std::io::Error::from)
            .and_then(|()| out.write_all(b"\n")),
    }
    .and_then(|()| out.flush())
    .map_err(output_error)?;
    Ok(if difference.has_new() {
        Exit::Violations
    } else if difference.doubts.is_empty() {
        Exit::Ok
    } else {
        Exit::CannotTell
    })
}
