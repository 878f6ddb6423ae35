//! `candor check`: a recording against declared terms.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::{CommandError, Exit};

/// What to check against and how to show it; shared by `check` and `run`.
#[derive(Debug, Clone, Args)]
pub struct CheckOptions {
    /// The app's declared terms, a TOML file
    #[arg(long, value_name = "FILE")]
    pub terms: PathBuf,
    /// How to print the report
    #[arg(long, value_enum, default_value_t = ReportFormat::Text)]
    pub format: ReportFormat,
    /// Also write the report as a self-contained HTML file
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
}

/// A form of the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ReportFormat {
    /// For reading in a terminal
    Text,
    /// For programs; the same recording and terms give the same bytes
    Json,
}

/// Checks one recording and prints the report to `out`.
///
/// # Errors
///
/// When the recording or the terms cannot be read, or a report cannot be written.
pub fn check_recording(_recording: &Path, _options: &CheckOptions, _out: &mut dyn Write) -> Result<Exit, CommandError> {
    Err(CommandError::new(Exit::Internal, "not written yet"))
}
