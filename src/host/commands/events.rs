//! `candor events`: what a recording holds, or what a running session sees.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::event_filter::FilterArguments;
use super::event_line::EventLines;
use super::terminal::{BAD, FAINT, output_error, say, stdout, stdout_width, styled};
use super::{CommandError, Exit};
use crate::event::{Event, EventFilter, StreamEntry};
use crate::host::client::{Address, DaemonClient, StreamWish};
use crate::host::recording::{RecordingCondition, RecordingReader, write_line};
use crate::personal_data::{DataType, read_by, severity};

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
    /// Of a session: begin with this event
    #[arg(long, value_name = "SEQUENCE", default_value_t = 0, hide_default_value = true)]
    from: u64,
    /// Of a session: rather leave events out than fall behind; what is left out is said
    #[arg(long)]
    drop: bool,
    /// Of a session: only who did what, when, and how it ended
    #[arg(long)]
    light: bool,
}

/// Which events are shown. Gaps, the header and the end always are.
#[derive(Debug, Args)]
struct Filter {
    #[command(flatten)]
    fields: FilterArguments,
    /// Only events that name this text: in a path, a host name, an address (upper and lower case are equal)
    #[arg(long, value_name = "TEXT")]
    grep: Option<String>,
}

/// A filter, ready to be applied.
struct Taking {
    filter: EventFilter,
    data_types: Vec<DataType>,
    grep: Option<String>,
}

impl Taking {
    fn new(filter: &Filter) -> Result<Self, CommandError> {
        let grep = filter.grep.as_ref().map(|text| text.to_lowercase());
        let filter = filter.fields.filter()?;
        let data_types = filter.data_types.iter().filter_map(|name| DataType::find(name)).collect();
        Ok(Self { filter, data_types, grep })
    }

    fn takes(&self, event: &Event, facts: impl FnOnce() -> String) -> bool {
        self.filter.fits_by_fields(event)
            && (self.data_types.is_empty()
                || read_by(event).types.iter().any(|read| self.data_types.iter().any(|broad| read.is_within(*broad))))
            && self.filter.minimum_severity.is_none_or(|least| severity(event) >= least)
            && self.grep.as_ref().is_none_or(|text| facts().to_lowercase().contains(text))
    }
}

/// Prints entries in the wanted form.
struct Printer<'a> {
    command: &'a EventsCommand,
    taking: Taking,
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
        let taking = Taking::new(&command.filter)?;
        Ok(Self { command, taking, lines: EventLines::default(), width: stdout_width(), out })
    }

    fn print(&mut self, entry: &StreamEntry) -> Result<(), CommandError> {
        self.lines.learn(entry);
        if let StreamEntry::Event(event) = entry
            && !self.taking.takes(event, || self.lines.facts(event))
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
    if command.from > 0 || command.drop || command.light {
        let message = format!(
            "--from, --drop and --light are for a session, and {} is a recording (or does not exist)",
            command.source.display()
        );
        return Err(CommandError::new(Exit::Usage, message));
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
    let mut printer = Printer::start(command)?;
    // Applied on the device, where what is left out costs least; names of addresses come from DNS answers, which the text form
    // shows beside them and so needs even where they are not asked for.
    let filter =
        if command.format == EventsFormat::Ndjson { printer.taking.filter.clone() } else { EventFilter::default() };
    let wish = StreamWish { from_sequence: command.from, filter, drop_when_slow: command.drop, light: command.light };
    let mut stream = client.stream_with(session, &wish).await?;
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
