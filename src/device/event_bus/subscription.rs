//! A reader of a spool.

use std::sync::Arc;

use tokio::sync::watch;

use super::Matcher;
use super::spool::{Dropped, Shared};
use crate::device::spool_files::{Cursor, Placed};
use crate::event::{Gap, Stage, StageTotals, StreamEntry, Totals};

/// A position in a spool: the header first, then entries in order, the end last.
///
/// Totals and the end are completed for the reader: what the spool dropped before *this* reader had read it, and what
/// it was given. Events that went after it had read them are not its loss.
#[derive(Debug)]
pub struct Subscription {
    shared: Arc<Shared>,
    changed: watch::Receiver<u64>,
    header_given: bool,
    ended: bool,
    /// Index of the next entry wanted.
    index: u64,
    /// Where that is in the files, while it is no longer in memory.
    cursor: Cursor,
    /// Sequence number of the first event wanted.
    first_sequence: u64,
    /// Sequence number of the next event wanted.
    next_sequence: u64,
    given: u64,
    missed: Dropped,
    matcher: Matcher,
    left_out: u64,
}

impl Subscription {
    pub(super) fn new(shared: Arc<Shared>, index: u64, from_sequence: u64, matcher: Matcher) -> Self {
        let changed = shared.watch();
        Self {
            shared,
            changed,
            header_given: false,
            ended: false,
            index,
            cursor: Cursor::default(),
            first_sequence: from_sequence,
            next_sequence: from_sequence,
            given: 0,
            missed: Dropped::default(),
            matcher,
            left_out: 0,
        }
    }

    /// Waits for entries and returns up to about `bytes` of them (by their cost in memory), at least one. `None` after
    /// the end.
    pub async fn next(&mut self, bytes: usize) -> Option<Vec<Arc<StreamEntry>>> {
        loop {
            if self.ended {
                return None;
            }
            // Marked as seen before looking, so that an append in between wakes us.
            self.changed.borrow_and_update();
            let before = self.index;
            let batch = if self.shared.must_read_files(self.index) {
                self.take_from_files(bytes).await?
            } else {
                self.take(bytes)
            };
            if !batch.is_empty() {
                return Some(batch);
            }
            if self.index != before {
                // Everything was left out by the filter, and there may be more.
                continue;
            }
            if self.changed.changed().await.is_err() {
                return None;
            }
        }
    }

    /// As [`Self::take`], on a thread that may wait for a disk. `None` when that thread broke: the stream then has no end.
    async fn take_from_files(&mut self, bytes: usize) -> Option<Vec<Arc<StreamEntry>>> {
        let (shared, index, mut cursor) = (self.shared.clone(), self.index, self.cursor.clone());
        let read = tokio::task::spawn_blocking(move || {
            let placed = shared.read(&mut cursor, index, bytes);
            (placed, cursor)
        });
        let (placed, cursor) =
            read.await.inspect_err(|error| tracing::error!(%error, "reading a spool failed")).ok()?;
        self.cursor = cursor;
        Some(self.deliver(placed))
    }

    /// As [`Self::next`], without waiting for entries: empty when there is nothing new, or when the filter left it out. May
    /// read files.
    pub fn take(&mut self, bytes: usize) -> Vec<Arc<StreamEntry>> {
        let placed = if self.ended { Vec::new() } else { self.shared.read(&mut self.cursor, self.index, bytes) };
        self.deliver(placed)
    }

    /// Turns what was read into what the reader gets.
    fn deliver(&mut self, placed: Vec<Placed>) -> Vec<Arc<StreamEntry>> {
        let mut batch = Vec::new();
        if !self.header_given {
            self.header_given = true;
            batch.push(self.shared.header());
        }
        for Placed { index, events, entry } in placed {
            let is_event = matches!(*entry, StreamEntry::Event(_));
            let events_before = events.saturating_sub(u64::from(is_event));
            if events_before >= self.next_sequence {
                self.tell_missing(events_before, &mut batch);
            }
            self.index = index + 1;
            // What somebody's filter costs is not paid under the spool's lock.
            match &*entry {
                StreamEntry::Event(event) => {
                    self.next_sequence = event.sequence.saturating_add(1);
                    if self.matcher.takes_event(event) {
                        self.given += 1;
                        batch.push(entry);
                    } else {
                        self.left_out += 1;
                    }
                }
                StreamEntry::Totals(totals) => {
                    let mut totals = totals.clone();
                    self.complete(&mut totals);
                    batch.push(Arc::new(StreamEntry::Totals(totals)));
                }
                StreamEntry::End(end) => {
                    let mut end = end.clone();
                    self.complete(&mut end.totals);
                    batch.push(Arc::new(StreamEntry::End(end)));
                    self.ended = true;
                }
                StreamEntry::Gap(_)
                | StreamEntry::Header(_)
                | StreamEntry::SelfTest(_)
                | StreamEntry::ClockChange(_) => batch.push(entry),
            }
        }
        self.shared.lock().note_read(self.first_sequence, self.next_sequence.saturating_sub(1));
        batch
    }

    /// Tells of events that went before this reader came to them: those up to `last`.
    fn tell_missing(&mut self, last: u64, batch: &mut Vec<Arc<StreamEntry>>) {
        let described = self.shared.lock().evicted.describe(self.next_sequence, last);
        for range in described {
            let count = range.last.saturating_sub(range.first).saturating_add(1);
            self.missed.add(range.reason, count);
            batch.push(Arc::new(StreamEntry::Gap(Gap {
                stage: Stage::Spool,
                reason: range.reason.name().to_owned(),
                count,
                families: range.families.list(),
                first_sequence: Some(range.first),
                last_sequence: Some(range.last),
                from_ns: range.from_ns,
                to_ns: range.to_ns,
            })));
        }
        self.next_sequence = last.saturating_add(1);
    }

    /// Sets the stages that differ from reader to reader.
    fn complete(&self, totals: &mut Totals) {
        let skipped = (self.first_sequence - 1).min(totals.events);
        let mut spool = StageTotals {
            produced: totals.events,
            delivered: totals.events.saturating_sub(self.missed.total()),
            ..StageTotals::default()
        };
        for (reason, count) in self.missed.by_reason() {
            spool.drop_for(reason, count);
        }
        let subscriber = StageTotals {
            produced: spool.delivered,
            delivered: self.given,
            filtered: skipped.saturating_add(self.left_out),
            ..StageTotals::default()
        };
        totals.loss.stages.insert(Stage::Spool, spool);
        totals.loss.stages.insert(Stage::Subscriber, subscriber);
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.subscribers = state.subscribers.saturating_sub(1);
    }
}
