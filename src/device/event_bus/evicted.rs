//! What is remembered of entries that are no longer held: enough to describe the gap, in bounded memory.

use std::collections::VecDeque;

use crate::event::Family;

/// How many chunks are kept. When there are more, neighbours are merged, so a description gets coarser with age but
/// never wrong.
const MOST_CHUNKS: usize = 512;

/// A run of evicted events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Chunk {
    first: u64,
    last: u64,
    from_ns: u64,
    to_ns: u64,
    /// One bit for each family, in the order of [`Family::ALL`].
    families: u8,
}

impl Chunk {
    fn merge(&mut self, next: &Self) {
        self.last = self.last.max(next.last);
        self.from_ns = self.from_ns.min(next.from_ns);
        self.to_ns = self.to_ns.max(next.to_ns);
        self.families |= next.families;
    }
}

/// The description of a run of missing events. It covers at least those asked for, and may be wider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Description {
    pub(super) from_ns: u64,
    pub(super) to_ns: u64,
    pub(super) families: Vec<Family>,
}

/// Every eviction so far.
#[derive(Debug)]
pub(super) struct Evicted {
    chunks: VecDeque<Chunk>,
    /// A chunk takes further events until it covers this many.
    chunk_events: u64,
}

impl Evicted {
    pub(super) fn new() -> Self {
        Self { chunks: VecDeque::new(), chunk_events: 64 }
    }

    /// The highest sequence number that is gone; 0 when none is.
    pub(super) fn last(&self) -> u64 {
        self.chunks.back().map_or(0, |chunk| chunk.last)
    }

    /// Adds one event; sequence numbers come in rising order.
    pub(super) fn push(&mut self, sequence: u64, time_ns: u64, family: Family) {
        let families = bit(family);
        let event = Chunk { first: sequence, last: sequence, from_ns: time_ns, to_ns: time_ns, families };
        match self.chunks.back_mut() {
            Some(chunk) if sequence.saturating_sub(chunk.first) < self.chunk_events => chunk.merge(&event),
            _ => self.chunks.push_back(event),
        }
        if self.chunks.len() > MOST_CHUNKS {
            self.coarsen();
        }
    }

    fn coarsen(&mut self) {
        self.chunk_events = self.chunk_events.saturating_mul(2);
        let mut merged: VecDeque<Chunk> = VecDeque::with_capacity(MOST_CHUNKS);
        for chunk in self.chunks.drain(..) {
            match merged.back_mut() {
                Some(last) if chunk.last.saturating_sub(last.first) < self.chunk_events => last.merge(&chunk),
                _ => merged.push_back(chunk),
            }
        }
        self.chunks = merged;
    }

    /// Describes the events `first..=last`.
    pub(super) fn describe(&self, first: u64, last: u64) -> Description {
        let mut whole: Option<Chunk> = None;
        for chunk in self.chunks.iter().filter(|chunk| chunk.first <= last && chunk.last >= first) {
            match &mut whole {
                Some(whole) => whole.merge(chunk),
                None => whole = Some(*chunk),
            }
        }
        // Nothing known means any time and any family: a gap may claim too much, never too little.
        whole.map_or(Description { from_ns: 0, to_ns: u64::MAX, families: Vec::new() }, |whole| Description {
            from_ns: whole.from_ns,
            to_ns: whole.to_ns,
            families: Family::ALL.iter().copied().filter(|family| whole.families & bit(*family) != 0).collect(),
        })
    }
}

fn bit(family: Family) -> u8 {
    match family {
        Family::Process => 1,
        Family::File => 2,
        Family::Socket => 4,
        Family::Session => 8,
        Family::Provider => 16,
        Family::Service => 32,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_covers_what_was_asked_for() {
        let mut evicted = Evicted::new();
        assert_eq!(evicted.last(), 0);
        for sequence in 1..=100_000 {
            let family = if sequence <= 50_000 { Family::File } else { Family::Socket };
            evicted.push(sequence, sequence * 10, family);
        }
        assert_eq!(evicted.last(), 100_000);
        assert!(evicted.chunks.len() <= MOST_CHUNKS);

        let whole = evicted.describe(1, 100_000);
        assert_eq!((whole.from_ns, whole.to_ns), (10, 1_000_000));
        assert_eq!(whole.families, [Family::File, Family::Socket]);

        let part = evicted.describe(70_000, 70_010);
        assert!(part.from_ns <= 700_000 && part.to_ns >= 700_100, "{part:?}");
        assert!(part.to_ns - part.from_ns <= 10 * 2 * evicted.chunk_events, "{part:?}");
        assert_eq!(part.families, [Family::Socket]);
    }

    #[test]
    fn nothing_known_claims_everything() {
        assert_eq!(Evicted::new().describe(1, 2), Description { from_ns: 0, to_ns: u64::MAX, families: Vec::new() });
    }
}
