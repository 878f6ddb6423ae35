//! `candor events`: what a recording holds, or what a running session sees.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::builder::PossibleValuesParser;
use clap::{Args, ValueEnum};

use super::event_line::EventLines;
use super::terminal::{BAD, FAINT, output_error, say, stdout, stdout_width, styled};
use super::{CommandError, Exit};
use crate::event::{Event, EventKind, Family, StreamEntry};
use crate::host::client::{Address, DaemonClient};
use crate::host::recording::{RecordingCondition, RecordingReader, write_line};

/// A form of a list of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum EventsFormat {
    /// A table for reading in a terminal
    Text,
    /// One JSON object a line, which `candor import` reads
    Ndjson,
}

/// `candor events`.
#[derive(Debug, Args)]
pub(super) struct EventsCommand {
    /// A recording; or the id of a session, whose events are then shown as they come
    #[arg(value_name = "FILE|SESSION")]
    source: PathBuf,
    /// How to print them
    #[arg(long, value_enum, default_value_t = EventsFormat::Text)]
    format: EventsFormat,
    #[command(flatten)]
    filter: Filter,
}

/// Which events are shown. Gaps, the header and the end always are.
#[derive(Debug, Args)]
struct Filter {
    /// Only events of this family; may be given several times
    #[arg(long, value_parser = PossibleValuesParser::new(Family::ALL.iter().map(|family| family.name())))]
    family: Vec<String>,
    /// Only events of this kind, such as file_open; may be given several times
    #[arg(long, hide_possible_values = true, value_parser = PossibleValuesParser::new(EventKind::ALL.iter().map(|kind| kind.name())))]
    kind: Vec<String>,
    /// Only events of this phase; may be given several times
    #[arg(long)]
    phase: Vec<String>,
    /// Only events that name this text: in a path, a host name, an address (upper and lower case are equal)
    #[arg(long, value_name = "TEXT")]
    grep: Option<String>,
}

impl Filter {
    fn takes(&self, event: &Event, facts: impl FnOnce() -> String) -> bool {
        let one_of = |wanted: &[String], name: &str| wanted.is_empty() || wanted.iter().any(|one| one == name);
        one_of(&self.family, event.family().name())
            && one_of(&self.kind, event.kind().name())
            && one_of(&self.phase, event.phase.as_str())
            && self.grep.as_ref().is_none_or(|text| facts().to_lowercase().contains(&text.to_lowercase()))
    }
}

/// Prints entries in the wanted form.
struct Printer<'a> {
    command: &'a EventsCommand,
    lines: EventLines,
    width: Option<usize>,
    out: Box<dyn Write>,
}

impl<'a> Printer<'a> {
    fn start(command: &'a EventsCommand) -> Result<Self, CommandError> {
        let mut out = stdout();
        if command.format == EventsFormat::Text {
            writeln!(out, "{}", EventLines::headings()).map_err(output_error)?;
        }
        Ok(Self { command, lines: EventLines::default(), width: stdout_width(), out })
    }

    fn print(&mut self, entry: &StreamEntry) -> Result<(), CommandError> {
        self.lines.learn(entry);
        if let StreamEntry::Event(event) = entry
            && !self.command.filter.takes(event, || self.lines.facts(event))
        {
            return Ok(());
        }
        match self.command.format {
            EventsFormat::Ndjson => write_line(&mut self.out, entry),
            EventsFormat::Text => match self.lines.line(entry, self.width) {
                Some(line) => writeln!(self.out, "{line}"),
                None => Ok(()),
            },
        }
        .map_err(output_error)
    }

    fn flush(&mut self) -> Result<(), CommandError> {
        self.out.flush().map_err(output_error)
    }
}

/// Prints the events.
pub(super) async fn events(address: &Address, command: &EventsCommand) -> Result<Exit, CommandError> {
    if let Some(session) = as_session(&command.source) {
        return live(address, command, session).await;
    }
    let mut reader = RecordingReader::open(&command.source)?;
    let mut printer = Printer::start(command)?;
    for entry in reader.by_ref() {
        printer.print(&entry)?;
    }
    printer.flush()?;
    Ok(say_condition(&command.source, reader.condition()))
}

/// The source as the id of a session: no file has that name, and it does not look like a path.
fn as_session(source: &Path) -> Option<&str> {
    let text = source.to_str()?;
    (!text.contains(['/', '.']) && !source.exists()).then_some(text)
}

async fn live(address: &Address, command: &EventsCommand, session: &str) -> Result<Exit, CommandError> {
    let mut client = DaemonClient::connect(address).await.map_err(|error| {
        let message = format!("there is no file {session}, and it is no session that could be looked up: {error}");
        CommandError::new(CommandError::from(error).exit, message)
    })?;
    let mut stream = client.stream(session).await?;
    let mut printer = Printer::start(command)?;
    let mut ended = false;
    while let Some(message) = stream.next().await? {
        for entry in message.entries {
            match StreamEntry::try_from(entry) {
                Ok(entry) => {
                    ended |= matches!(entry, StreamEntry::End(_));
                    printer.print(&entry)?;
                }
                Err(error) => say(styled(BAD, &format!("an entry could not be understood: {error}"))),
            }
        }
        // Whoever watches wants to see each batch at once.
        printer.flush()?;
    }
    if ended {
        return Ok(Exit::Ok);
    }
    Err(CommandError::new(Exit::Unavailable, "the daemon went away before the session had ended"))
}

/// Says what is wrong with a recording, and how that shows in the exit status: a truncated one is no failure, a damaged one is.
pub(super) fn say_condition(path: &Path, condition: &RecordingCondition) -> Exit {
    const MOST_SHOWN: usize = 20;
    let complaints = condition.complaints();
    for complaint in complaints.iter().take(MOST_SHOWN) {
        say(styled(BAD, &format!("{}: {complaint}", path.display())));
    }
    if complaints.len() > MOST_SHOWN {
        say(styled(FAINT, &format!("and {} more", complaints.len() - MOST_SHOWN)));
    }
    let truncated_only = RecordingCondition { complete: true, ..condition.clone() };
    if truncated_only.is_whole() { Exit::Ok } else { Exit::BadData }
}
