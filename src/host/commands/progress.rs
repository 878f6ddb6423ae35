//! The live line while recording, on standard error; nothing when that is not a terminal.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::terminal::{counted, grouped};
use crate::event::SessionEndReason;
use crate::wire::proto::{self, event::Body, stream_entry::Entry};

/// What was received so far.
#[derive(Debug, Clone, Default)]
pub(super) struct Received {
    /// Events.
    pub(super) events: u64,
    /// Lost, over all stages, as far as the stream said.
    pub(super) dropped: u64,
    /// The phase.
    pub(super) phase: String,
    /// Why the session ended, when it has.
    pub(super) end: Option<SessionEndReason>,
    /// The end has come, whether or not its reason is known to this version.
    pub(super) ended: bool,
}

impl Received {
    /// Counts the entries of a message. It looks at the wire's own form: what is recorded need not be understood.
    pub(super) fn count(&mut self, message: &proto::StreamEventsResponse) {
        for entry in &message.entries {
            match &entry.entry {
                Some(Entry::Header(header)) => self.phase.clone_from(&header.initial_phase),
                Some(Entry::Event(event)) => {
                    self.events = self.events.saturating_add(1);
                    if let Some(Body::PhaseMark(mark)) = &event.body {
                        self.phase.clone_from(&mark.phase);
                    }
                }
                Some(Entry::Totals(totals)) => self.dropped = dropped(totals),
                Some(Entry::End(end)) => {
                    self.ended = true;
                    self.dropped = end.totals.as_ref().map_or(self.dropped, dropped);
                    self.end = crate::event::SessionEnd::try_from(end.clone()).ok().map(|end| end.reason);
                }
                Some(Entry::Gap(_) | Entry::SelfTest(_) | Entry::ClockChange(_)) | None => {}
            }
        }
    }
}

fn dropped(totals: &proto::Totals) -> u64 {
    let all = totals.stages.iter().flat_map(|stage| stage.dropped.values());
    all.fold(0, |sum, count| sum.saturating_add(*count))
}

/// The live line.
#[derive(Debug)]
pub(super) struct Progress {
    bar: ProgressBar,
    started: Instant,
    last: (Instant, u64),
    rate: f64,
}

impl Progress {
    /// Begins to show it.
    pub(super) fn start() -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        // The template is a constant; should it ever be wrong, the default style is shown.
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}") {
            bar.set_style(style);
        }
        let now = Instant::now();
        Self { bar, started: now, last: (now, 0), rate: 0.0 }
    }

    /// How long it has been shown.
    pub(super) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// Shows what was received.
    pub(super) fn update(&mut self, received: &Received) {
        let (since, events) = self.last;
        let passed = since.elapsed();
        if passed >= Duration::from_millis(500) {
            #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
            let rate = received.events.saturating_sub(events) as f64 / passed.as_secs_f64();
            self.rate = rate;
            self.last = (Instant::now(), received.events);
        }
        self.bar.set_message(format!(
            "{}  {:.0}/s  {} lost  phase {}  {}",
            counted(received.events, "event"),
            self.rate,
            grouped(received.dropped),
            super::terminal::harmless(&received.phase),
            minutes(self.elapsed()),
        ));
        self.bar.tick();
    }

    /// Says something above the line.
    pub(super) fn say(&self, message: &str) {
        self.bar.suspend(|| super::terminal::say(message));
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// A time as minutes and seconds.
pub(super) fn minutes(elapsed: Duration) -> String {
    format!("{:02}:{:02}", elapsed.as_secs() / 60, elapsed.as_secs() % 60)
}
