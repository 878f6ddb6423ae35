//! Bounded counting: how often, when, where, with the first events as evidence.

use super::flows::Flow;
use super::limits::{CODE_PER_TUPLE, EVIDENCE_PER_TUPLE};
use super::observed::ActingCode;
use super::periodicity::Intervals;
use super::places::{Place, Places};
use crate::event::{CodeConfidence, CodeOrigin, Event, Fidelity, Outcome};

/// How many one-second buckets make the sliding minute.
const BUCKETS: u64 = 60;
const NANOSECONDS: u64 = 1_000_000_000;

/// Counts acts in a sliding minute, in one-second buckets.
///
/// The window is the current second and the 59 before it, so it never holds more than a true minute would: a rate is
/// never overstated. Keeping every time stamp was rejected, because memory would follow the app's appetite.
#[derive(Debug, Clone)]
pub(super) struct RateMeter {
    buckets: [u32; BUCKETS as usize],
    newest: u64,
    in_window: u32,
    pub(super) peak: u32,
    /// Most in any one second.
    pub(super) peak_second: u32,
}

impl RateMeter {
    pub(super) fn new() -> Self {
        Self { buckets: [0; BUCKETS as usize], newest: 0, in_window: 0, peak: 0, peak_second: 0 }
    }

    fn bucket(&mut self, second: u64) -> Option<&mut u32> {
        self.buckets.get_mut(usize::try_from(second % BUCKETS).unwrap_or(0))
    }

    /// Counts one act and tells how many there were in the minute up to it.
    pub(super) fn count(&mut self, time_ns: u64) -> u32 {
        let second = time_ns / NANOSECONDS;
        if second > self.newest {
            if second - self.newest >= BUCKETS {
                self.buckets = [0; BUCKETS as usize];
                self.in_window = 0;
            } else {
                for expired in self.newest + 1..=second {
                    let freed = self.bucket(expired).map_or(0, std::mem::take);
                    self.in_window = self.in_window.saturating_sub(freed);
                }
            }
            self.newest = second;
        }
        // Events of different processors can be a little out of order; what is older than the window is in no rate.
        if self.newest - second < BUCKETS {
            if let Some(bucket) = self.bucket(second) {
                *bucket = bucket.saturating_add(1);
                let in_second = *bucket;
                self.peak_second = self.peak_second.max(in_second);
            }
            self.in_window = self.in_window.saturating_add(1);
        }
        self.peak = self.peak.max(self.in_window);
        self.in_window
    }
}

/// One event kept as evidence.
#[derive(Debug, Clone)]
pub(super) struct Proof {
    pub(super) sequence: u64,
    pub(super) time_ns: u64,
    pub(super) kind: &'static str,
    pub(super) pid: u32,
    pub(super) what: String,
    pub(super) outcome: Outcome,
    pub(super) hints: Vec<&'static str>,
}

impl Proof {
    pub(super) fn of(event: &Event, what: String) -> Self {
        Self {
            sequence: event.sequence,
            time_ns: event.time_ns,
            kind: event.kind().name(),
            pid: event.process.key.pid,
            what,
            outcome: event.outcome,
            hints: match &event.fidelity {
                Fidelity::Faithful => Vec::new(),
                Fidelity::Hint(reasons) => reasons.iter().map(|reason| reason.name()).collect(),
            },
        }
    }
}

/// What was done, counted.
#[derive(Debug, Clone)]
pub(super) struct Tally {
    pub(super) count: u64,
    pub(super) first_ns: u64,
    pub(super) last_ns: u64,
    pub(super) rate: RateMeter,
    pub(super) intervals: Intervals,
    pub(super) places: Places,
    pub(super) evidence: Vec<Proof>,
    pub(super) bytes_in: u64,
    pub(super) bytes_out: u64,
    pub(super) code: Code,
}

/// Whose code acted, counted. What there is no room for is not listed.
#[derive(Debug, Clone, Default)]
pub(super) struct Code(Vec<ActingCode>);

impl Code {
    /// Counts one act of the code; of what claims nothing, nothing.
    pub(super) fn add(&mut self, origin: Option<&CodeOrigin>) {
        let Some(origin) = origin.filter(|origin| origin.confidence != CodeConfidence::Leaf) else { return };
        let known = self.0.iter_mut().find(|code| {
            (code.confidence, &code.file, &code.build_id) == (origin.confidence, &origin.file, &origin.build_id)
        });
        if let Some(code) = known {
            code.connections = code.connections.saturating_add(1);
        } else if self.0.len() < CODE_PER_TUPLE {
            let CodeOrigin { file, build_id, confidence, .. } = origin.clone();
            self.0.push(ActingCode { file, build_id, confidence, connections: 1 });
        }
    }

    /// The most frequent first, then by name.
    pub(super) fn listed(&self) -> Vec<ActingCode> {
        let mut listed = self.0.clone();
        listed.sort_by(|left, right| right.connections.cmp(&left.connections).then_with(|| left.cmp(right)));
        listed
    }
}

impl Tally {
    pub(super) fn new() -> Self {
        Self {
            count: 0,
            first_ns: u64::MAX,
            last_ns: 0,
            rate: RateMeter::new(),
            intervals: Intervals::default(),
            places: Places::default(),
            evidence: Vec::new(),
            bytes_in: 0,
            bytes_out: 0,
            code: Code::default(),
        }
    }

    /// Counts one act at `place`; `proof` is made only when it is kept.
    pub(super) fn add<P: Place + ?Sized>(&mut self, time_ns: u64, place: &P, proof: impl FnOnce() -> Proof) {
        self.count = self.count.saturating_add(1);
        self.intervals.act(time_ns);
        self.first_ns = self.first_ns.min(time_ns);
        self.last_ns = self.last_ns.max(time_ns);
        self.rate.count(time_ns);
        self.places.add(place);
        if self.evidence.len() < EVIDENCE_PER_TUPLE {
            self.evidence.push(proof());
        }
    }

    /// Adds what went over a connection that was counted.
    pub(super) fn carried(&mut self, flow: &Flow) {
        self.bytes_out = self.bytes_out.saturating_add(flow.bytes_sent);
        self.bytes_in = self.bytes_in.saturating_add(flow.bytes_received);
        self.code.add(flow.code.as_deref());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minute_slides_and_is_never_overstated() {
        let mut meter = RateMeter::new();
        for second in 0..120 {
            meter.count(second * NANOSECONDS);
        }
        assert_eq!(meter.peak, 60);
        assert_eq!(meter.count(1_000 * NANOSECONDS), 1);
        assert_eq!(meter.count(1_059 * NANOSECONDS), 2);
        assert_eq!(meter.count(1_060 * NANOSECONDS), 2);
        // A little out of order still counts; far out of order does not.
        assert_eq!(meter.count(1_058 * NANOSECONDS), 3);
        assert_eq!(meter.count(5 * NANOSECONDS), 3);
    }
}
