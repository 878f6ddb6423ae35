//! What was lost, where. Totals are cumulative since the session began and are never reset by reading.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A stage of the pipeline at which records can be counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "host", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// The probe's own side: kernel programs and their ring buffer.
    Probe,
    /// The reader that drains the probe into the pipeline.
    Reader,
    /// Raw bytes to observations.
    Decode,
    /// Observations to events.
    Attribute,
    /// The session's spool, from which subscribers read.
    Spool,
    /// One subscriber.
    Subscriber,
}

impl Stage {
    /// Every stage, in the order of the pipeline.
    pub const ALL: &'static [Self] =
        &[Self::Probe, Self::Reader, Self::Decode, Self::Attribute, Self::Spool, Self::Subscriber];

    /// The name used in files and reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Probe => "probe",
            Self::Reader => "reader",
            Self::Decode => "decode",
            Self::Attribute => "attribute",
            Self::Spool => "spool",
            Self::Subscriber => "subscriber",
        }
    }
}

/// The account of one stage. It holds that `produced == delivered + filtered + dropped`, where `dropped` is the sum over
/// its reasons; a test proves it for each stage.
///
/// The unit is the act: a record that makes k events counts k at every stage (and one when it makes none), so that what a
/// stage delivers is what the next one gets, and the last number is the number of events received.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "host", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct StageTotals {
    /// Entered the stage.
    pub produced: u64,
    /// Left it for the next stage.
    pub delivered: u64,
    /// Left out on purpose: not in this session's selection, or merged into a total.
    pub filtered: u64,
    /// Lost, by reason. Reasons are short snake-case words, such as `ring_full`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub dropped: BTreeMap<String, u64>,
}

impl StageTotals {
    /// Everything lost at this stage.
    #[must_use]
    pub fn dropped_total(&self) -> u64 {
        self.dropped.values().fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// Counts `count` lost units under `reason`.
    pub fn drop_for(&mut self, reason: &str, count: u64) {
        if count == 0 {
            return;
        }
        match self.dropped.get_mut(reason) {
            Some(total) => *total = total.saturating_add(count),
            None => {
                self.dropped.insert(reason.to_owned(), count);
            }
        }
    }

    /// Whether the account adds up.
    #[must_use]
    pub fn is_balanced(&self) -> bool {
        let sum = u128::from(self.delivered)
            + u128::from(self.filtered)
            + self.dropped.values().map(|count| u128::from(*count)).sum::<u128>();
        sum == u128::from(self.produced)
    }
}

/// The account of one kernel program: `seen == submitted + filtered + aggregated + lost`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "host", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ProgramCounters {
    /// The program's name.
    pub program: String,
    /// Times it ran on a call it is concerned with.
    pub seen: u64,
    /// Records it handed over.
    pub submitted: u64,
    /// Runs left out on purpose: not a selected app, or nothing to tell.
    pub filtered: u64,
    /// Runs merged into a running total instead of making a record.
    pub aggregated: u64,
    /// Records that found the ring buffer or a map full.
    pub lost: u64,
}

impl ProgramCounters {
    /// Whether the account adds up. Counters of different processors are read one after another, so this holds when the
    /// program rests, not at every instant.
    #[must_use]
    pub fn is_balanced(&self) -> bool {
        u128::from(self.seen)
            == u128::from(self.submitted)
                + u128::from(self.filtered)
                + u128::from(self.aggregated)
                + u128::from(self.lost)
    }
}

/// The account of a whole session.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "host", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct LossTotals {
    /// By stage.
    #[serde(default)]
    pub stages: BTreeMap<Stage, StageTotals>,
    /// By kernel program; these count all sessions of the daemon together, since it started.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub programs: Vec<ProgramCounters>,
}

impl LossTotals {
    /// Everything lost, over all stages.
    #[must_use]
    pub fn dropped_total(&self) -> u64 {
        self.stages.values().fold(0, |sum, stage| sum.saturating_add(stage.dropped_total()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stage_account_adds_up_only_when_it_does() {
        let mut totals = StageTotals { produced: 10, delivered: 6, filtered: 3, ..StageTotals::default() };
        assert!(!totals.is_balanced());
        totals.drop_for("ring_full", 1);
        totals.drop_for("ring_full", 0);
        assert!(totals.is_balanced());
        assert_eq!(totals.dropped_total(), 1);
    }

    #[test]
    fn stage_names_equal_the_serialised_form() {
        for stage in Stage::ALL {
            assert_eq!(serde_json::to_value(stage).unwrap(), stage.name());
        }
    }
}
