//! The account of one session.

use std::collections::BTreeMap;

use super::Interpretation;
use crate::device::event_bus::SpoolAccount;
use crate::event::{LossTotals, ProgramCounters, Stage, StageTotals, Totals};

/// Counts acts through the stages.
///
/// The unit is an act. A record tells of one act; where it tells of several it counts as that many, at every stage it
/// has passed, and where it tells of none it counts as one that was filtered. A record that was lost before it could be
/// read counts as one. With this unit what leaves a stage is what enters the next, and the last number is the number of
/// events a reader gets. Counting records, as a probe does, was rejected: the chain would break where one record makes
/// two events, and the break would look like loss.
#[derive(Debug, Clone, Default)]
pub(super) struct Accounts {
    /// Acts that reached the decoder.
    read: u64,
    undecoded: BTreeMap<&'static str, u64>,
    /// Records without an act.
    silent: u64,
    /// Acts that attribution made no event of.
    unattributed: u64,
    lost: BTreeMap<String, u64>,
    pub(super) programs: Vec<ProgramCounters>,
}

impl Accounts {
    /// A record was interpreted and made `events` events.
    pub(super) fn interpreted(&mut self, interpretation: Interpretation, events: usize) {
        // An attributor never makes more events than it was given acts; were it to, the account must still add up.
        let acts = interpretation.observations.max(events);
        self.silent += u64::from(acts == 0);
        self.unattributed += (acts - events) as u64;
        self.read += acts.max(1) as u64;
    }

    /// A record could not be decoded; it had made `events` events before that showed.
    pub(super) fn undecoded(&mut self, reason: &'static str, events: usize) {
        let count = self.undecoded.entry(reason).or_default();
        *count = count.saturating_add(1);
        self.read += 1 + events as u64;
    }

    /// The daemon made an event itself: it is an act that passed every stage.
    pub(super) fn marked(&mut self) {
        self.read += 1;
    }

    /// The probe lost records.
    pub(super) fn lost(&mut self, reason: &str, count: u64) {
        if count == 0 {
            return;
        }
        match self.lost.get_mut(reason) {
            Some(total) => *total = total.saturating_add(count),
            None => {
                self.lost.insert(reason.to_owned(), count);
            }
        }
    }

    /// Everything lost before the spool.
    pub(super) fn dropped(&self) -> u64 {
        self.lost.values().chain(self.undecoded.values()).fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// The account of a session that was cut off: what it was when it was last written down, and the events that are there
    /// beyond that. Those passed every stage; what else there was between the two is not known.
    pub(super) fn continued(last: Option<Totals>, events: u64) -> Totals {
        let mut totals = last.unwrap_or_default();
        let more = events.saturating_sub(totals.events);
        for stage in [Stage::Probe, Stage::Reader, Stage::Decode, Stage::Attribute, Stage::Spool] {
            let account = totals.loss.stages.entry(stage).or_default();
            account.produced = account.produced.saturating_add(more);
            account.delivered = account.delivered.saturating_add(more);
        }
        totals.events = totals.events.max(events);
        totals
    }

    /// The account as readers get it.
    pub(super) fn totals(&self, time_ns: u64, spool: SpoolAccount) -> Totals {
        let mut probe = StageTotals { delivered: self.read, ..StageTotals::default() };
        for (reason, count) in &self.lost {
            probe.drop_for(reason, *count);
        }
        probe.produced = probe.delivered.saturating_add(probe.dropped_total());
        let reader = StageTotals { produced: self.read, delivered: self.read, ..StageTotals::default() };
        let mut decode = StageTotals { produced: self.read, filtered: self.silent, ..StageTotals::default() };
        for (reason, count) in &self.undecoded {
            decode.drop_for(reason, *count);
        }
        decode.delivered = self.read.saturating_sub(self.silent).saturating_sub(decode.dropped_total());
        let attribute = StageTotals {
            produced: decode.delivered,
            delivered: decode.delivered.saturating_sub(self.unattributed),
            filtered: self.unattributed,
            ..StageTotals::default()
        };
        let mut held = StageTotals {
            produced: spool.events,
            delivered: spool.events.saturating_sub(spool.dropped_unread.total()),
            ..StageTotals::default()
        };
        for (reason, count) in spool.dropped_unread.by_reason() {
            held.drop_for(reason, count);
        }
        let stages = BTreeMap::from([
            (Stage::Probe, probe),
            (Stage::Reader, reader),
            (Stage::Decode, decode),
            (Stage::Attribute, attribute),
            (Stage::Spool, held),
        ]);
        Totals { time_ns, events: spool.events, loss: LossTotals { stages, programs: self.programs.clone() } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::event_bus::Dropped;
    use crate::device::spool_files::DropReason;

    #[test]
    fn what_leaves_a_stage_enters_the_next() {
        let mut accounts = Accounts::default();
        accounts.interpreted(Interpretation { observations: 1 }, 1);
        accounts.interpreted(Interpretation { observations: 3 }, 3);
        accounts.interpreted(Interpretation { observations: 0 }, 0);
        accounts.interpreted(Interpretation { observations: 2 }, 1);
        accounts.undecoded("short_record", 0);
        accounts.undecoded("bad_segment", 2);
        accounts.marked();
        accounts.lost("ring_full", 7);
        accounts.lost("ring_full", 0);
        // 1 + 3 + 0 + 1 + 0 + 2 + 1 events.
        let mut dropped_unread = Dropped::default();
        dropped_unread.add(DropReason::Full, 2);
        let totals = accounts.totals(5, SpoolAccount { events: 8, dropped_unread });
        let stage = |stage: Stage| totals.loss.stages[&stage].clone();
        for pair in [Stage::Probe, Stage::Reader, Stage::Decode, Stage::Attribute, Stage::Spool].windows(2) {
            assert_eq!(stage(pair[0]).delivered, stage(pair[1]).produced, "{pair:?} of {totals:?}");
        }
        for (name, stage) in &totals.loss.stages {
            assert!(stage.is_balanced(), "{name:?} of {totals:?}");
        }
        assert_eq!(stage(Stage::Probe).produced, 19);
        assert_eq!(stage(Stage::Decode).filtered, 1);
        assert_eq!(stage(Stage::Decode).dropped_total(), 2);
        assert_eq!(stage(Stage::Attribute).filtered, 1);
        assert_eq!(stage(Stage::Spool).delivered, 6);
        assert_eq!(totals.loss.dropped_total(), 7 + 2 + 2);

        // Cut off when three more events were there.
        let continued = Accounts::continued(Some(totals), 11);
        assert_eq!((continued.events, continued.loss.stages[&Stage::Spool].produced), (11, 11));
        for pair in [Stage::Probe, Stage::Reader, Stage::Decode, Stage::Attribute, Stage::Spool].windows(2) {
            assert_eq!(continued.loss.stages[&pair[0]].delivered, continued.loss.stages[&pair[1]].produced, "{pair:?}");
        }
        assert!(continued.loss.stages.values().all(StageTotals::is_balanced), "{continued:?}");
    }
}
