//! How whole a recording is. Verdicts depend on it.

use serde::Serialize;

/// How whole a recording is, known when it has been read to its end.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct RecordingCondition {
    /// The stream's end was recorded. Without it, the recording is truncated: what happened later is not known.
    pub complete: bool,
    /// The session's header was not found, or was not the first entry: nothing is known of the device and its probes.
    pub header_missing: bool,
    /// Stretches of the file that could not be read, in order.
    pub damage: Vec<Damage>,
    /// Stretches that could not be read and are not in `damage`, because the list is kept short ([`MOST_DAMAGE`]).
    pub more_damage: u64,
    /// Events that were numbered, are not in the recording, and are not explained by a gap of the stream; in order.
    pub missing: Vec<SequenceRange>,
    /// Missing ranges that are not in `missing`, because the list is kept short ([`MOST_DAMAGE`]).
    pub more_missing: u64,
    /// Events whose number was not higher than that of an event before them.
    pub out_of_order: u64,
}

/// How many stretches [`RecordingCondition`] lists; more are only counted, so that a hostile file cannot fill the memory.
pub const MOST_DAMAGE: usize = 1000;

impl RecordingCondition {
    /// Whether every entry that was ever recorded was read, in order, and the stream had ended.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.complete
            && !self.header_missing
            && self.damage.is_empty()
            && self.more_damage == 0
            && self.missing.is_empty()
            && self.more_missing == 0
            && self.out_of_order == 0
    }

    /// What is wrong, one sentence each, for people. Empty when the recording is whole.
    #[must_use]
    pub fn complaints(&self) -> Vec<String> {
        let mut complaints = Vec::new();
        if self.header_missing {
            complaints.push("The session's header is missing: device, probes and start are not known.".to_owned());
        }
        for damage in &self.damage {
            complaints.push(format!(
                "Damaged at byte {}, {} bytes could not be read: {}.",
                damage.offset, damage.length, damage.reason
            ));
        }
        if self.more_damage > 0 {
            complaints.push(format!("{} more damaged stretches are not listed.", self.more_damage));
        }
        for range in &self.missing {
            complaints.push(if range.first == range.last {
                format!("Event {} is missing.", range.first)
            } else {
                format!("Events {} to {} are missing.", range.first, range.last)
            });
        }
        if self.more_missing > 0 {
            complaints.push(format!("{} more ranges of missing events are not listed.", self.more_missing));
        }
        if self.out_of_order > 0 {
            complaints.push(format!("{} events are out of order.", self.out_of_order));
        }
        if !self.complete {
            complaints.push(
                "Truncated: the end of the session was not recorded, what happened later is not known.".to_owned(),
            );
        }
        complaints
    }

    pub(super) fn add_damage(&mut self, damage: Damage) {
        if self.damage.len() < MOST_DAMAGE {
            self.damage.push(damage);
        } else {
            self.more_damage = self.more_damage.saturating_add(1);
        }
    }

    pub(super) fn add_missing(&mut self, range: SequenceRange) {
        if self.missing.len() < MOST_DAMAGE {
            self.missing.push(range);
        } else {
            self.more_missing = self.more_missing.saturating_add(1);
        }
    }
}

/// A stretch of a recording that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Damage {
    /// Offset of its first byte.
    pub offset: u64,
    /// Its length in bytes.
    pub length: u64,
    /// What is wrong, in words for a person.
    pub reason: String,
}

/// Consecutive sequence numbers, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct SequenceRange {
    /// The lowest.
    pub first: u64,
    /// The highest.
    pub last: u64,
}
