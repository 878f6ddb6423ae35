//! The beginnings of streams whose first message is not whole yet.
//!
//! What is remembered is bounded three ways: flows, bytes of one flow and bytes in all. A flow that has to make room is
//! handed back so that what it holds can still be told, and is counted.

use std::collections::{BTreeMap, HashMap};

use super::observation::Observation;
use crate::event::{Direction, Endpoint, EventBody, FidelityReason, Outcome, ProcessKey};

/// Most flows that are remembered at a time.
pub const MOST_FLOWS: usize = 4096;
/// Most bytes of one flow. A ClientHello with post-quantum key shares has about 2 KiB.
pub const MOST_FLOW_BYTES: usize = 16 * 1024;
/// Most bytes of all flows together.
pub const MOST_BYTES: usize = 4 * 1024 * 1024;
/// Most pieces of one flow: each makes the parser begin again, and a traced app chooses how small they are.
pub const MOST_PIECES: u32 = 64;

/// One direction of one socket of one process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct FlowKey {
    pub(crate) process: ProcessKey,
    /// The handle; where it is not known, the descriptor has to do.
    pub(crate) handle: u64,
    pub(crate) descriptor: Option<i32>,
    pub(crate) direction: Direction,
}

impl FlowKey {
    pub(crate) fn new(process: ProcessKey, handle: u64, descriptor: i32, direction: Direction) -> Self {
        Self { process, handle, descriptor: (handle == 0).then_some(descriptor), direction }
    }
}

/// Who acted and when: an observation without its body.
#[derive(Debug, Clone)]
pub(crate) struct Act {
    pub(crate) sessions: u64,
    pub(crate) time_ns: u64,
    pub(crate) process: ProcessKey,
    pub(crate) thread_id: u32,
    pub(crate) user_id: u32,
    pub(crate) comm: String,
    pub(crate) hints: Vec<FidelityReason>,
}

impl Act {
    pub(crate) fn observe(self, outcome: Outcome, body: EventBody) -> Observation {
        let Self { sessions, time_ns, process, thread_id, user_id, comm, mut hints } = self;
        hints.sort_unstable();
        hints.dedup();
        Observation { sessions, time_ns, process, thread_id, user_id, comm, hints, outcome, body }
    }
}

/// What the bytes of a flow are expected to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// The first message of a client.
    FirstMessage,
    /// DNS messages with their lengths.
    Dns,
    /// A question to the system's resolver, or its answer.
    Resolver,
}

/// The bytes of a flow that no message was made of yet.
#[derive(Debug)]
pub(crate) struct Flow {
    pub(crate) key: FlowKey,
    pub(crate) purpose: Purpose,
    /// The first record with bytes of the message at hand: a message is told with the time of its beginning.
    pub(crate) act: Act,
    pub(crate) remote: Option<Endpoint>,
    /// Where `bytes` begins in the stream.
    start: u64,
    pub(crate) bytes: Vec<u8>,
    pieces: u32,
}

/// What became of a piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Appended {
    /// It follows on what was there, or was there already.
    Whole,
    /// Bytes in between are missing, or the flow has reached its bounds: nothing more can be added.
    Broken,
}

impl Flow {
    pub(crate) fn new(key: FlowKey, purpose: Purpose, act: Act, remote: Option<Endpoint>) -> Self {
        Self { key, purpose, act, remote, start: 0, bytes: Vec::new(), pieces: 0 }
    }

    pub(crate) fn append(&mut self, offset: u64, piece: &[u8]) -> Appended {
        let end = self.start.saturating_add(self.bytes.len() as u64);
        let Some(known) = end.checked_sub(offset) else { return Appended::Broken };
        let new = usize::try_from(known).ok().and_then(|known| piece.get(known..)).unwrap_or_default();
        let room = MOST_FLOW_BYTES.saturating_sub(self.bytes.len());
        self.bytes.extend_from_slice(new.get(..room).unwrap_or(new));
        self.pieces = self.pieces.saturating_add(1);
        if new.len() > room || self.pieces >= MOST_PIECES { Appended::Broken } else { Appended::Whole }
    }

    /// Whether the piece begins the stream anew: a socket whose end was not seen, and whose name is used again.
    pub(crate) fn is_restart(&self, offset: u64) -> bool {
        offset == 0 && self.start.saturating_add(self.bytes.len() as u64) > 0
    }

    /// Forgets the first `count` bytes: a message was made of them. What follows belongs to `act`.
    pub(crate) fn consume(&mut self, count: usize, act: &Act) {
        let count = count.min(self.bytes.len());
        self.bytes.drain(..count);
        self.start = self.start.saturating_add(count as u64);
        self.act = act.clone();
        self.pieces = 0;
    }
}

/// All flows, the least recently used first.
#[derive(Debug, Default)]
pub(crate) struct StreamPrefixes {
    flows: HashMap<FlowKey, (u64, Flow)>,
    by_age: BTreeMap<u64, FlowKey>,
    next_age: u64,
    bytes: usize,
    evicted: u64,
}

impl StreamPrefixes {
    /// Takes a flow out.
    pub(crate) fn take(&mut self, key: &FlowKey) -> Option<Flow> {
        let (age, flow) = self.flows.remove(key)?;
        self.by_age.remove(&age);
        self.bytes = self.bytes.saturating_sub(flow.bytes.len());
        Some(flow)
    }

    /// Puts a flow in, or back. What had to make room is appended to `evicted`.
    pub(crate) fn put(&mut self, flow: Flow, evicted: &mut Vec<Flow>) {
        evicted.extend(self.take(&flow.key));
        while self.flows.len() >= MOST_FLOWS || self.bytes.saturating_add(flow.bytes.len()) > MOST_BYTES {
            let Some(oldest) = self.by_age.first_key_value().map(|(_, key)| *key) else { break };
            evicted.extend(self.take(&oldest));
            self.evicted = self.evicted.saturating_add(1);
        }
        let age = self.next_age;
        self.next_age = self.next_age.saturating_add(1);
        self.bytes = self.bytes.saturating_add(flow.bytes.len());
        self.by_age.insert(age, flow.key);
        self.flows.insert(flow.key, (age, flow));
    }

    /// Takes out every flow of a process that has ended, in the order of their age.
    pub(crate) fn take_process(&mut self, process: ProcessKey) -> Vec<Flow> {
        if self.flows.is_empty() {
            return Vec::new();
        }
        let keys: Vec<FlowKey> = self.by_age.values().filter(|key| key.process == process).copied().collect();
        keys.iter().filter_map(|key| self.take(key)).collect()
    }

    /// Flows that had to make room before their first message was whole.
    pub(crate) fn evicted(&self) -> u64 {
        self.evicted
    }

    pub(crate) fn len(&self) -> usize {
        self.flows.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flow(handle: u64, bytes: &[u8]) -> Flow {
        let process = ProcessKey::new(1, 0);
        let act =
            Act { sessions: 1, time_ns: 0, process, thread_id: 1, user_id: 0, comm: String::new(), hints: Vec::new() };
        let mut flow = Flow::new(FlowKey::new(process, handle, 3, Direction::Sent), Purpose::FirstMessage, act, None);
        flow.append(0, bytes);
        flow
    }

    #[test]
    fn pieces_join_where_they_meet() {
        let mut flow = flow(1, b"abc");
        assert_eq!(flow.append(3, b"def"), Appended::Whole);
        assert_eq!(flow.append(2, b"cdefg"), Appended::Whole, "an overlap adds only what is new");
        assert_eq!(flow.append(1, b"bc"), Appended::Whole);
        assert_eq!(flow.bytes, b"abcdefg");
        assert_eq!(flow.append(8, b"i"), Appended::Broken, "byte 7 is missing");
        assert_eq!(flow.bytes, b"abcdefg");
        let act = flow.act.clone();
        flow.consume(3, &act);
        assert_eq!(flow.append(7, b"h"), Appended::Whole);
        assert_eq!(flow.bytes, b"defgh");
    }

    #[test]
    fn one_flow_is_bounded() {
        let mut long = flow(1, b"");
        assert_eq!(long.append(0, &vec![0; MOST_FLOW_BYTES + 1]), Appended::Broken);
        assert_eq!(long.bytes.len(), MOST_FLOW_BYTES);
        let mut many = flow(2, b"");
        let whole = (0..MOST_PIECES).filter(|piece| many.append(u64::from(*piece), b"x") == Appended::Whole).count();
        assert_eq!(whole, 62, "the empty piece of the beginning counts, and the last one is refused");
    }

    #[test]
    fn all_flows_are_bounded_and_the_oldest_makes_room() {
        let mut flows = StreamPrefixes::default();
        let mut evicted = Vec::new();
        for handle in 0..=MOST_FLOWS as u64 {
            flows.put(flow(handle + 1, b"x"), &mut evicted);
        }
        assert_eq!(evicted.iter().map(|flow| flow.key.handle).collect::<Vec<_>>(), [1]);
        assert_eq!((flows.evicted(), flows.len()), (1, MOST_FLOWS));

        let mut flows = StreamPrefixes::default();
        let mut evicted = Vec::new();
        let big = vec![0; MOST_FLOW_BYTES];
        for handle in 0..=(MOST_BYTES / MOST_FLOW_BYTES) as u64 {
            flows.put(flow(handle + 1, &big), &mut evicted);
        }
        assert_eq!(evicted.len(), 1);
        assert_eq!(flows.bytes, MOST_BYTES);
        assert_eq!(flows.take_process(ProcessKey::new(1, 0)).len(), MOST_BYTES / MOST_FLOW_BYTES);
        assert_eq!((flows.bytes, flows.by_age.len()), (0, 0));
    }
}
