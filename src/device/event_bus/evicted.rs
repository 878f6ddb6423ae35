//! What is remembered of entries that can no longer be read: enough to describe the gap, in bounded memory.

use crate::device::spool_files::{DropReason, Families, MissingRange};
use crate::event::Family;

/// How many ranges are kept. When there are more, neighbours are merged, so a description gets coarser with age but
/// never wrong.
const MOST_RANGES: usize = 512;
/// How far apart the first and the last event of a range are at first.
const FIRST_SPAN: u64 = 64;

/// Every loss so far.
#[derive(Debug)]
pub(super) struct Evicted {
    /// By their first number. They come in any order: the oldest segment can go after newer events went from memory.
    ranges: Vec<MissingRange>,
    /// A range takes further events until it covers this many.
    span: u64,
    /// Something was added since it was last asked.
    changed: bool,
}

impl Evicted {
    pub(super) fn new() -> Self {
        Self { ranges: Vec::new(), span: FIRST_SPAN, changed: false }
    }

    /// What was known to a daemon before us.
    pub(super) fn found(ranges: Vec<MissingRange>) -> Self {
        let mut evicted = Self::new();
        ranges.iter().for_each(|range| evicted.insert(*range));
        evicted.changed = false;
        evicted
    }

    /// All ranges, when something was added since the last time.
    pub(super) fn take_changed(&mut self) -> Option<Vec<MissingRange>> {
        std::mem::take(&mut self.changed).then(|| self.ranges.clone())
    }

    /// As if something had been added: what was taken could not be kept.
    pub(super) fn set_changed(&mut self) {
        self.changed = true;
    }

    /// Adds one event.
    pub(super) fn push(&mut self, sequence: u64, time_ns: u64, family: Family, reason: DropReason) {
        let families = Families::from(family);
        self.insert(MissingRange {
            first: sequence,
            last: sequence,
            from_ns: time_ns,
            to_ns: time_ns,
            families,
            reason,
        });
    }

    /// Adds a range.
    pub(super) fn insert(&mut self, range: MissingRange) {
        self.changed = true;
        let position = self.ranges.partition_point(|other| other.first <= range.first);
        let before = position.checked_sub(1).and_then(|before| self.ranges.get_mut(before));
        match before {
            Some(before) if joins(before, &range, self.span) => before.merge(&range),
            _ => self.ranges.insert(position, range),
        }
        if self.ranges.len() > MOST_RANGES {
            self.coarsen();
        }
    }

    fn coarsen(&mut self) {
        let mut merged = std::mem::take(&mut self.ranges);
        // Neighbours with one reason first. When that is not enough, the reasons mix: which events are missing stays right.
        for mixing in [false, true] {
            for _ in 0..64 {
                if merged.len() <= MOST_RANGES / 2 {
                    break;
                }
                self.span = self.span.saturating_mul(2);
                let mut next: Vec<MissingRange> = Vec::with_capacity(MOST_RANGES);
                for range in merged {
                    match next.last_mut() {
                        Some(last) if joins(last, &range, self.span) || (mixing && spans(last, &range, self.span)) => {
                            last.merge(&range);
                        }
                        _ => next.push(range),
                    }
                }
                merged = next;
            }
        }
        self.ranges = merged;
    }

    /// Describes the missing events `first..=last`, as one range for each run of one reason. Their numbers are exact;
    /// times and families cover at least the events, and may be wider.
    pub(super) fn describe(&self, first: u64, last: u64) -> Vec<MissingRange> {
        let mut described: Vec<MissingRange> = Vec::new();
        let mut next = first;
        let unknown = |first: u64, last: u64| MissingRange {
            first,
            last,
            from_ns: 0,
            to_ns: u64::MAX,
            families: Families::ANY,
            reason: DropReason::Damaged,
        };
        for range in self.ranges.iter().filter(|range| range.first <= last && range.last >= first) {
            if range.last < next {
                continue;
            }
            if range.first > next {
                described.push(unknown(next, range.first - 1));
            }
            let (from, to) = (range.first.max(next), range.last.min(last));
            match described.last_mut() {
                Some(before) if before.reason == range.reason && before.last.saturating_add(1) == from => {
                    before.merge(&MissingRange { first: from, last: to, ..*range });
                }
                _ => described.push(MissingRange { first: from, last: to, ..*range }),
            }
            next = to.saturating_add(1);
        }
        if next <= last {
            // Nothing known means any time and any family: a gap may claim too much, never too little.
            described.push(unknown(next, last));
        }
        described
    }
}

fn spans(before: &MissingRange, range: &MissingRange, span: u64) -> bool {
    range.last.saturating_sub(before.first) < span
}

fn joins(before: &MissingRange, range: &MissingRange, span: u64) -> bool {
    before.reason == range.reason && spans(before, range, span)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_covers_what_was_asked_for() {
        let mut evicted = Evicted::new();
        for sequence in 1..=100_000 {
            let family = if sequence <= 50_000 { Family::File } else { Family::Socket };
            evicted.push(sequence, sequence * 10, family, DropReason::Full);
        }
        assert!(evicted.ranges.len() <= MOST_RANGES);

        let whole = evicted.describe(1, 100_000);
        assert_eq!(whole.len(), 1, "{whole:?}");
        assert_eq!((whole[0].from_ns, whole[0].to_ns), (10, 1_000_000));
        assert_eq!(whole[0].families.list(), [Family::File, Family::Socket]);

        let part = evicted.describe(70_000, 70_010);
        assert_eq!((part.len(), part[0].first, part[0].last), (1, 70_000, 70_010));
        assert!(part[0].from_ns <= 700_000 && part[0].to_ns >= 700_100, "{part:?}");
        assert!(part[0].to_ns - part[0].from_ns <= 10 * 2 * evicted.span, "{part:?}");
        assert_eq!(part[0].families.list(), [Family::Socket]);
    }

    #[test]
    fn reasons_stay_apart_and_what_is_not_known_claims_everything() {
        let mut evicted = Evicted::new();
        for sequence in 100..200 {
            evicted.push(sequence, sequence, Family::File, DropReason::DiskFull);
        }
        let families = Family::Socket.into();
        evicted.insert(MissingRange { first: 1, last: 50, from_ns: 1, to_ns: 50, families, reason: DropReason::Size });
        let described = evicted.describe(1, 250);
        let short: Vec<_> = described.iter().map(|range| (range.first, range.last, range.reason)).collect();
        assert_eq!(
            short,
            [
                (1, 50, DropReason::Size),
                (51, 99, DropReason::Damaged),
                (100, 199, DropReason::DiskFull),
                (200, 250, DropReason::Damaged)
            ]
        );
        assert_eq!((described[3].from_ns, described[3].to_ns), (0, u64::MAX));
        assert!(described[3].families.list().is_empty());
    }

    #[test]
    fn any_number_of_scattered_losses_stays_bounded_and_covered() {
        let mut evicted = Evicted::new();
        for sequence in (1..=200_000).step_by(40) {
            let reason = DropReason::ALL[usize::try_from(sequence % 3).unwrap()];
            evicted.push(sequence, sequence, Family::File, reason);
        }
        assert!(evicted.ranges.len() <= MOST_RANGES);
        let described = evicted.describe(120_001, 120_001);
        assert!(described[0].from_ns <= 120_001 && described[0].to_ns >= 120_001);
    }
}
