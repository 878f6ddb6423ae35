//! Follows the numbers of a stream: which events are missing without the stream saying so.

use super::condition::{RecordingCondition, SequenceRange};
use crate::event::{Gap, StreamEntry};

/// Follows the entries of one stream in order.
#[derive(Debug, Default)]
pub(super) struct SequenceCheck {
    /// The highest number that was seen or is explained by a gap.
    highest: u64,
    entries: u64,
}

impl SequenceCheck {
    /// Looks at the next entry and notes in `condition` what is missing before it.
    pub(super) fn follow(&mut self, entry: &StreamEntry, condition: &mut RecordingCondition) {
        let first = self.entries == 0;
        self.entries = self.entries.saturating_add(1);
        if first && !matches!(entry, StreamEntry::Header(_)) {
            condition.header_missing = true;
        }
        match entry {
            StreamEntry::Header(_) => {}
            StreamEntry::Event(event) => self.number(event.sequence, condition),
            StreamEntry::Gap(Gap { first_sequence: Some(first), last_sequence: Some(last), .. }) => {
                self.expect_up_to(first.saturating_sub(1), condition);
                self.highest = self.highest.max(*last);
            }
            StreamEntry::Gap(_) | StreamEntry::SelfTest(_) | StreamEntry::ClockChange(_) => {}
            // `totals.events` may be ahead of the events that were sent, so only the final account is binding.
            StreamEntry::Totals(_) => {}
            StreamEntry::End(end) => {
                self.expect_up_to(end.totals.events, condition);
                condition.complete = true;
            }
        }
    }

    /// The same for an event of which no more than the number is at hand.
    pub(super) fn event(&mut self, sequence: u64, condition: &mut RecordingCondition) {
        if self.entries == 0 {
            condition.header_missing = true;
        }
        self.entries = self.entries.saturating_add(1);
        self.number(sequence, condition);
    }

    fn number(&mut self, sequence: u64, condition: &mut RecordingCondition) {
        if sequence <= self.highest {
            condition.out_of_order = condition.out_of_order.saturating_add(1);
        } else {
            self.expect_up_to(sequence - 1, condition);
            self.highest = sequence;
        }
    }

    /// The stream is over.
    pub(super) fn finish(&self, condition: &mut RecordingCondition) {
        if self.entries == 0 {
            condition.header_missing = true;
        }
    }

    fn expect_up_to(&mut self, last: u64, condition: &mut RecordingCondition) {
        if last > self.highest {
            condition.add_missing(SequenceRange { first: self.highest + 1, last });
            self.highest = last;
        }
    }
}
