//! `candor run` and `candor replay`: with a daemon inside this process.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;
use tokio::runtime::Runtime;

use super::check::{CheckOptions, check_recording, read_ontology, read_source};
use super::embedded::{PrivateDaemon, StartEmbedded};
use super::launch::Launch;
use super::record::{RecordOptions, SessionOptions, Target, record_to};
use super::terminal::{output_error, say, stdout};
use super::{CommandError, Exit};
use crate::host::declared_terms::DeclaredTerms;

/// `candor run`.
#[derive(Debug, Args)]
pub(super) struct RunCommand {
    #[command(flatten)]
    check: CheckOptions,
    #[command(flatten)]
    record: RecordOptions,
    /// The program to start, trace and check
    #[arg(last = true, value_name = "COMMAND", required = true)]
    command: Vec<OsString>,
}

/// Traces COMMAND and checks what it did.
pub(super) fn run(runtime: &Runtime, start: StartEmbedded, command: &RunCommand) -> Result<Exit, CommandError> {
    let launch = Launch::prepare(&command.command, command.record.user.as_deref())?;
    // Terms that cannot be used are found out before the program runs, not after.
    let ontology = read_ontology(&command.check.data_types, &command.check.recipients)?;
    let source = read_source(&command.check.terms, "terms")?;
    if let Err(problems) = DeclaredTerms::parse(&source, &ontology) {
        let message = format!("the terms {} cannot be used\n{problems}", source.name);
        return Err(CommandError::new(Exit::BadData, message));
    }
    let raw_captures = command.record.keep_raw.then(|| {
        let beside = command.record.output.as_deref().and_then(std::path::Path::parent);
        match beside {
            Some(directory) if !directory.as_os_str().is_empty() => directory.to_owned(),
            _ => PathBuf::from("."),
        }
    });
    let daemon = PrivateDaemon::start(start, raw_captures, None)?;
    let output = match &command.record.output {
        Some(output) => output.clone(),
        None => daemon.directory().join("run.candor"),
    };
    let recorded = runtime.block_on(record_to(&daemon.address(), Target::Command(launch), &command.record, &output))?;
    recorded.say_summary(&output);
    if command.record.output.is_none() {
        say("the recording is not kept; --output FILE keeps it");
    }
    let mut out = stdout();
    let exit = check_recording(&output, &command.check, &mut out)?;
    out.flush().map_err(output_error)?;
    Ok(exit)
}

/// `candor replay`.
#[derive(Debug, Args)]
pub(super) struct ReplayCommand {
    /// The raw records, as `--keep-raw` kept them
    #[arg(value_name = "FILE.candor-raw")]
    input: PathBuf,
    #[command(flatten)]
    output: ReplayOutput,
}

/// Where a replay goes to.
#[derive(Debug, Args)]
struct ReplayOutput {
    /// The recording to write
    #[arg(long, short, value_name = "FILE")]
    output: PathBuf,
    /// Replace the recording if it exists
    #[arg(long)]
    force: bool,
}

/// Runs raw records through the whole pipeline.
pub(super) fn replay(runtime: &Runtime, start: StartEmbedded, command: &ReplayCommand) -> Result<Exit, CommandError> {
    if let Err(error) = std::fs::File::open(&command.input) {
        return Err(CommandError::new(Exit::NoInput, format!("cannot open {}: {error}", command.input.display())));
    }
    let options = RecordOptions {
        session: SessionOptions::default(),
        user: None,
        output: Some(command.output.output.clone()),
        force: command.output.force,
        label: String::new(),
        phase: None,
        keep_raw: false,
        duration: None,
        // The daemon is part of this process.
        reconnect: std::time::Duration::ZERO,
        linger: std::time::Duration::ZERO,
    };
    let daemon = PrivateDaemon::start(start, None, Some(command.input.clone()))?;
    let recorded = runtime.block_on(record_to(&daemon.address(), Target::Replay, &options, &command.output.output))?;
    recorded.say_summary(&command.output.output);
    Ok(Exit::Ok)
}
