//! `candor schema`: the forms of what Candor writes, for those who read it by program.

use clap::{Args, ValueEnum};

use super::terminal::{self, output_error};
use super::{CommandError, Exit};
use crate::host::report;

/// Options of `candor schema`.
#[derive(Debug, Args)]
pub(super) struct SchemaCommand {
    /// Of what
    #[arg(value_enum, default_value_t = SchemaOf::Report)]
    of: SchemaOf,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum SchemaOf {
    /// The JSON report of `candor check --format json`
    Report,
}

/// Prints it.
///
/// # Errors
///
/// When standard output refuses it.
pub(super) fn schema(command: &SchemaCommand) -> Result<Exit, CommandError> {
    let text = match command.of {
        SchemaOf::Report => report::json_schema(),
    }
    .map_err(|error| CommandError::new(Exit::Internal, error.to_string()))?;
    let mut out = terminal::stdout();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(output_error)?;
    Ok(Exit::Ok)
}
