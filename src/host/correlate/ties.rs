//! Which readings a sending may carry: those of the same process, or of one that it started, within a window before it.
//!
//! What was sent is not seen, so this is the weakest tie there is; a report says so. When bytes left a connection is known
//! as far as its totals tell: somewhere between two of them. A reading that falls into that stretch, or into the window
//! before it, is tied.

use std::collections::{HashMap, VecDeque};

use super::correlator::{Correlator, DataKey};
use super::flows::Flow;
use super::limits;
use super::places::Peer;
use super::tally::{Proof, Tally};
use crate::event::ProcessKey;
use crate::host::ontology::TypeId;

/// How long after a reading a sending still counts as following it, when the user does not say.
pub(super) const WINDOW_NS: u64 = 10_000_000_000;

/// One kind of data that a process read, and when it did so last.
#[derive(Debug, Clone)]
struct Reading {
    key: DataKey,
    /// Time and sequence number of the last readings, oldest first.
    latest: VecDeque<(u64, u64)>,
}

/// What each process read lately.
#[derive(Debug, Default)]
pub(super) struct RecentReadings {
    by_process: HashMap<ProcessKey, Vec<Reading>>,
    /// Entries over all processes.
    entries: usize,
    parents: HashMap<ProcessKey, ProcessKey>,
}

impl RecentReadings {
    /// Notes who started a process.
    pub(super) fn started(&mut self, child: ProcessKey, parent: ProcessKey) {
        if child != parent && self.parents.len() < limits::READERS {
            self.parents.insert(child, parent);
        }
    }

    /// Notes a reading, of the process and of those that started it: a program that is run to read something hands it to
    /// whoever ran it. Says whether there was room.
    pub(super) fn read(&mut self, process: ProcessKey, key: DataKey, time_ns: u64, sequence: u64) -> bool {
        let mut room = true;
        let mut reader = Some(process);
        for _ in 0..limits::ANCESTORS {
            let Some(one) = reader else { break };
            room &= self.note(one, key, time_ns, sequence);
            reader = self.parents.get(&one).copied();
        }
        room
    }

    fn note(&mut self, process: ProcessKey, key: DataKey, time_ns: u64, sequence: u64) -> bool {
        let full = self.entries >= limits::RECENT_READINGS;
        let readings = match self.by_process.get_mut(&process) {
            Some(readings) => readings,
            None if full => return false,
            None => self.by_process.entry(process).or_default(),
        };
        let reading = match readings.iter().position(|reading| reading.key == key) {
            Some(index) => readings.get_mut(index),
            None if full => return false,
            None => {
                self.entries += 1;
                readings.push(Reading { key, latest: VecDeque::new() });
                readings.last_mut()
            }
        };
        if let Some(reading) = reading {
            if reading.latest.len() >= limits::LATEST_READINGS {
                reading.latest.pop_front();
            }
            reading.latest.push_back((time_ns, sequence));
        }
        true
    }

    /// Adds to `tied` what this process read in the window before, or during, the stretch in which it sent something.
    pub(super) fn tie(
        &self,
        process: ProcessKey,
        from_ns: u64,
        to_ns: u64,
        window_ns: u64,
        tied: &mut Vec<TiedReading>,
    ) {
        let earliest = from_ns.saturating_sub(window_ns);
        for reading in self.by_process.get(&process).into_iter().flatten() {
            let known = tied.iter().position(|entry| entry.data_type == reading.key.data_type);
            let index = known.unwrap_or(tied.len());
            // The same reading is within reach of several sendings of one connection. What was new at an earlier one was no
            // farther from it than it is now.
            let newest = tied.get(index).map_or(0, |entry| entry.newest);
            let first_new = reading.latest.partition_point(|(_, sequence)| *sequence <= newest);
            let new = reading.latest.range(first_new..);
            let mut within = new.filter(|(time, _)| (earliest..=to_ns).contains(time)).copied().peekable();
            if within.peek().is_none() {
                continue;
            }
            if known.is_none() && tied.len() < limits::TIED_TYPES {
                tied.push(TiedReading::new(reading.key.data_type));
            }
            let Some(entry) = tied.get_mut(index) else { continue };
            for (time_ns, sequence) in within {
                entry.add(sequence, from_ns.saturating_sub(time_ns));
            }
        }
    }
}

/// The readings of one data type that are tied to one connection.
#[derive(Debug, Clone)]
pub(super) struct TiedReading {
    pub(super) data_type: TypeId,
    /// The first of them.
    pub(super) sequences: Vec<u64>,
    pub(super) count: u64,
    newest: u64,
    /// The shortest time from reading to sending.
    pub(super) delay_ns: u64,
}

impl TiedReading {
    fn new(data_type: TypeId) -> Self {
        Self { data_type, sequences: Vec::new(), count: 0, newest: 0, delay_ns: u64::MAX }
    }

    fn add(&mut self, sequence: u64, delay_ns: u64) {
        self.delay_ns = self.delay_ns.min(delay_ns);
        if sequence <= self.newest {
            return;
        }
        self.newest = sequence;
        self.count = self.count.saturating_add(1);
        if self.sequences.len() < limits::EVIDENCE_PER_TUPLE {
            self.sequences.push(sequence);
        }
    }
}

/// Data that may have gone to a destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct FlowKey {
    pub(super) data_type: TypeId,
    pub(super) destination: u32,
    pub(super) actor: u32,
    pub(super) phase: u16,
}

/// What is known of it.
#[derive(Debug, Clone)]
pub(super) struct FlowTally {
    /// The connections.
    pub(super) sends: Tally,
    /// The readings that are tied to them, each once for each connection, and the first of their numbers.
    pub(super) reads: u64,
    pub(super) read_events: Vec<u64>,
    pub(super) delay_ns: u64,
}

impl Correlator<'_> {
    /// Ties what the process read lately to a connection on which it sent something just now.
    pub(super) fn tie(&mut self, process: ProcessKey, handle: u64, now_ns: u64) {
        let window_ns = self.options.window_ns.unwrap_or(WINDOW_NS);
        if let Some(flow) = self.flows.get_mut(process, handle)
            && !flow.inbound
        {
            let from_ns = flow.sent_since_ns.min(now_ns);
            self.recent.tie(process, from_ns, now_ns, window_ns, &mut flow.tied);
            flow.sent_since_ns = now_ns;
        }
    }

    /// Counts the data that may have gone out on a connection whose other end is settled.
    pub(super) fn count_ties(
        &mut self,
        tied: &[TiedReading],
        key: super::correlator::ContactKey,
        sent: &Flow,
        peer: &Peer<'_>,
        proof: impl Fn() -> Proof,
    ) {
        if tied.is_empty() {
            if self.untied.len() >= limits::TUPLES && !self.untied.contains_key(&key) {
                self.coverage.overflow("recipients by actor and phase");
                return;
            }
            let tally = self.untied.entry(key).or_insert_with(Tally::new);
            count(tally, peer, sent, &proof);
            return;
        }
        for reading in tied {
            let flow = FlowKey {
                data_type: reading.data_type,
                destination: key.destination,
                actor: key.actor,
                phase: key.phase,
            };
            if self.data_flows.len() >= limits::TUPLES && !self.data_flows.contains_key(&flow) {
                self.coverage.overflow("data types by recipient, actor and phase");
                continue;
            }
            let entry = self.data_flows.entry(flow).or_insert_with(|| FlowTally {
                sends: Tally::new(),
                reads: 0,
                read_events: Vec::new(),
                delay_ns: u64::MAX,
            });
            count(&mut entry.sends, peer, sent, &proof);
            entry.reads = entry.reads.saturating_add(reading.count);
            entry.delay_ns = entry.delay_ns.min(reading.delay_ns);
            for sequence in &reading.sequences {
                if entry.read_events.len() < limits::EVIDENCE_PER_TUPLE && !entry.read_events.contains(sequence) {
                    entry.read_events.push(*sequence);
                }
            }
        }
    }
}

fn count(tally: &mut Tally, peer: &Peer<'_>, sent: &Flow, proof: impl Fn() -> Proof) {
    tally.add(sent.proof.time_ns, peer, proof);
    tally.carried(sent);
}
