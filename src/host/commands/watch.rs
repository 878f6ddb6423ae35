//! `candor watch`: tells when something happens in a running session.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, ValueEnum};
use tokio::time::Instant;

use super::event_filter::FilterArguments;
use super::event_line::EventLines;
use super::mark::session_or_only;
use super::record::seconds;
use super::terminal::{BAD, STRONG, WARN, counted, grouped, harmless, output_error, say, stdout, stdout_width, styled};
use super::{CommandError, Exit};
use crate::event::{EventFilter, Phase, StreamEntry, WatchCondition, WatchEndReason, WatchMatch, WatchNews, WatchWhen};
use crate::host::client::{Address, DaemonClient};

/// A form of what is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum WatchFormat {
    /// A line for each match
    Text,
    /// One JSON object a line: a match, a gap, or the end
    Json,
}

/// `candor watch`.
#[derive(Debug, Args)]
pub(super) struct WatchCommand {
    /// The session; may be left out when only one is running
    #[arg(value_name = "SESSION")]
    session: Option<String>,
    /// Tell the first contact with each domain that is not known
    #[arg(long)]
    unknown_domain: bool,
    /// A domain that is known, with everything below it; or a pattern (*.cdn.example); may be given several times
    #[arg(long, value_name = "DOMAIN", requires = "unknown_domain")]
    known: Vec<String>,
    /// A file of known domains, one a line, # begins a comment
    #[arg(long, value_name = "FILE", requires = "unknown_domain")]
    known_file: Option<PathBuf>,
    /// Tell the first reading of each kind of personal data before consent
    #[arg(long)]
    before_consent: bool,
    /// A phase that counts as before consent; may be given several times [default: pre_consent]
    #[arg(long, value_name = "PHASE", requires = "before_consent")]
    consent_phase: Vec<Phase>,
    /// Tell when so many events have come
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// ... within so many seconds
    #[arg(long, value_name = "SECONDS", value_parser = seconds, requires = "count")]
    within: Option<Duration>,
    #[command(flatten)]
    filter: FilterArguments,
    /// Look only at what happens from now on, not at what has happened in the session before
    #[arg(long)]
    from_now: bool,
    /// End after so many matches; otherwise with the session
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    matches: u64,
    /// End after so many seconds
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    timeout: Option<Duration>,
    /// How to print what is told
    #[arg(long, value_enum, default_value_t = WatchFormat::Text)]
    format: WatchFormat,
}

impl WatchCommand {
    /// What to watch for: what was asked for by name, each with the filter; or every event that the filter takes.
    fn conditions(&self) -> Result<Vec<WatchCondition>, CommandError> {
        let filter = self.filter.filter()?;
        let mut conditions = Vec::new();
        let mut add = |id: &str, when| {
            conditions.push(WatchCondition { id: id.to_owned(), filter: filter.clone(), most_matches: 0, when });
        };
        if self.unknown_domain {
            let mut known = self.known.clone();
            if let Some(file) = &self.known_file {
                known.extend(read_domains(file)?);
            }
            add("unknown-domain", WatchWhen::UnknownDomain { known });
        }
        if self.before_consent {
            let phases = self.consent_phase.iter().cloned().collect();
            add("before-consent", WatchWhen::EarlyRead { data_types: BTreeSet::new(), phases });
        }
        if let Some(count) = self.count {
            let within_ms = self.within.map_or(0, |within| u64::try_from(within.as_millis()).unwrap_or(u64::MAX));
            add("count", WatchWhen::Threshold { count, within_ms });
        }
        if conditions.is_empty() {
            if filter == EventFilter::default() {
                let message = "nothing to watch for: give --unknown-domain, --before-consent, --count N, or which events are \
                               meant, such as --data-type contacts (see candor watch --help)";
                return Err(CommandError::new(Exit::Usage, message));
            }
            conditions.push(WatchCondition {
                id: "event".to_owned(),
                filter,
                most_matches: 0,
                when: WatchWhen::EachEvent,
            });
        }
        Ok(conditions)
    }
}

fn read_domains(file: &Path) -> Result<Vec<String>, CommandError> {
    let text = std::fs::read_to_string(file)
        .map_err(|error| CommandError::new(Exit::NoInput, format!("cannot read {}: {error}", file.display())))?;
    let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default().trim());
    Ok(lines.filter(|line| !line.is_empty()).map(str::to_owned).collect())
}

/// Watches until the watch ends or the time is over.
pub(super) async fn watch(address: &Address, command: &WatchCommand) -> Result<Exit, CommandError> {
    let conditions = command.conditions()?;
    let mut client = DaemonClient::connect(address).await?;
    let session = session_or_only(&mut client, command.session.as_deref()).await?;
    let mut news = client.watch(&session, &conditions, command.from_now, command.matches).await?;
    let ends_at = command.timeout.map(|timeout| Instant::now() + timeout);
    let rows = client.sessions().await?;
    let started_ns = rows.iter().find(|row| row.session_id == session).map_or(0, |row| row.started.boot_ns);
    let mut printer = Printer { format: command.format, lines: EventLines::starting_at(started_ns), out: stdout() };
    let (mut matches, mut gaps) = (0_u64, 0_u64);
    let why = loop {
        let told = match ends_at {
            None => news.next().await?,
            Some(at) => match tokio::time::timeout_at(at, news.next()).await {
                Ok(told) => told?,
                Err(_elapsed) => break "the time is over",
            },
        };
        let Some(told) = told else {
            return Err(CommandError::new(Exit::Unavailable, "the daemon went away before the watch had ended"));
        };
        printer.print(&told)?;
        match told {
            WatchNews::Match(_) => matches += 1,
            WatchNews::Gap(_) => gaps += 1,
            WatchNews::End(end) => {
                break match end.reason {
                    WatchEndReason::SessionOver => "the session is over",
                    WatchEndReason::MatchesTold => "every match that was asked for was told",
                };
            }
        }
    };
    let told = if matches == 1 { "1 match".to_owned() } else { format!("{} matches", grouped(matches)) };
    say(format!("{told}, {}; {why}", counted(gaps, "gap")));
    Ok(match (matches, gaps) {
        (0, 0) => Exit::Ok,
        (0, _) => Exit::CannotTell,
        _ => Exit::Violations,
    })
}

struct Printer {
    format: WatchFormat,
    lines: EventLines,
    out: Box<dyn Write>,
}

impl Printer {
    fn print(&mut self, news: &WatchNews) -> Result<(), CommandError> {
        if self.format == WatchFormat::Json {
            serde_json::to_writer(&mut self.out, news).map_err(|error| output_error(error.into()))?;
            writeln!(self.out).map_err(output_error)?;
        } else if let Some(line) = self.line(news) {
            writeln!(self.out, "{line}").map_err(output_error)?;
        }
        // Whoever watches wants to know at once.
        self.out.flush().map_err(output_error)
    }

    fn line(&self, news: &WatchNews) -> Option<String> {
        match news {
            WatchNews::Match(found) => {
                let head = styled(STRONG, &heading(found));
                let event = found.event.clone().map(|event| StreamEntry::Event(Box::new(event)));
                let event = event.and_then(|entry| self.lines.line(&entry, stdout_width()));
                Some(event.map_or_else(|| head.clone(), |event| format!("{head}\n{event}")))
            }
            WatchNews::Gap(gap) => {
                let count = if gap.count == 0 { "an unknown number of".to_owned() } else { gap.count.to_string() };
                let text = format!("{count} events were not seen ({} at stage {})", gap.reason, gap.stage.name());
                Some(styled(BAD, &harmless(&text)))
            }
            WatchNews::End(end) if end.gaps > 0 => {
                Some(styled(WARN, "something was not seen: that nothing was told does not say that nothing happened"))
            }
            WatchNews::End(_) => None,
        }
    }
}

/// What was met, in a few words.
fn heading(found: &WatchMatch) -> String {
    let mut text = found.condition_id.clone();
    if !found.domain.is_empty() {
        text.push_str(&format!("  {}", found.domain));
    }
    if !found.data_types.is_empty() {
        text.push_str(&format!("  {}", found.data_types.join(", ")));
    }
    if found.count > 0 {
        text.push_str(&format!("  {}", counted(found.count, "event")));
    }
    if let Some(severity) = found.severity {
        text.push_str(&format!("  [{}]", severity.name()));
    }
    harmless(&text)
}
