//! `candor import`: a recording from text.

use std::fs::File;
use std::io::BufReader;
use std::path::PathBuf;

use clap::Args;

use super::terminal::{counted, say};
use super::{CommandError, Exit};
use crate::event::StreamEntry;
use crate::host::recording::{NdjsonReader, RecordingWriter};

/// `candor import`.
#[derive(Debug, Args)]
pub(super) struct ImportCommand {
    /// The text: one JSON object a line, as `candor events --format ndjson` writes it
    #[arg(value_name = "FILE.ndjson")]
    input: PathBuf,
    /// The recording to write
    #[arg(long, short, value_name = "FILE")]
    output: PathBuf,
    /// Replace the recording if it exists
    #[arg(long)]
    force: bool,
    /// Nothing is missing at the end: add an `end` line if there is none. Without this, such a text makes a truncated
    /// recording
    #[arg(long)]
    complete: bool,
}

/// Imports the text. A text with an error leaves no recording behind.
pub(super) fn import(command: &ImportCommand) -> Result<Exit, CommandError> {
    let file = File::open(&command.input).and_then(|file| {
        if file.metadata()?.is_dir() { Err(std::io::ErrorKind::IsADirectory.into()) } else { Ok(file) }
    });
    let file = file.map_err(|error| {
        CommandError::new(Exit::NoInput, format!("cannot open {}: {error}", command.input.display()))
    })?;
    let mut writer = RecordingWriter::create(&command.output, command.force)?;
    let result = copy(command, file, &mut writer);
    if let Err(error) = result {
        drop(writer);
        let _ = std::fs::remove_file(&command.output);
        return Err(error);
    }
    let complete = matches!(result, Ok(true));
    let written = writer.finish()?;
    say(format!("imported {} into {}", counted(written.events, "event"), command.output.display()));
    if !complete {
        say("there is no `end` line, so the recording is truncated; --complete says that nothing is missing");
    }
    Ok(Exit::Ok)
}

/// Whether the end was among the entries.
fn copy(command: &ImportCommand, file: File, writer: &mut RecordingWriter) -> Result<bool, CommandError> {
    let mut complete = false;
    for entry in NdjsonReader::new(BufReader::new(file), &command.input, command.complete) {
        let entry = entry?;
        complete |= matches!(entry, StreamEntry::End(_));
        writer.entry(&entry)?;
    }
    Ok(complete)
}
