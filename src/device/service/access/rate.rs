//! How many a second: token buckets.

use std::collections::HashMap;
use std::time::Instant;

/// A bucket that fills at a steady rate, and from which each request takes one.
#[derive(Debug, Clone)]
pub(super) struct Bucket {
    per_second: f64,
    most: f64,
    content: f64,
    filled_at: Instant,
}

impl Bucket {
    /// A full bucket.
    pub(super) fn new(per_second: u32, most: u32, now: Instant) -> Self {
        Self { per_second: f64::from(per_second), most: f64::from(most), content: f64::from(most), filled_at: now }
    }

    /// Takes one, if there is one.
    pub(super) fn take(&mut self, now: Instant) -> bool {
        let passed = now.saturating_duration_since(self.filled_at).as_secs_f64();
        self.filled_at = now;
        self.content = (self.content + passed * self.per_second).min(self.most);
        let there = self.content >= 1.0;
        if there {
            self.content -= 1.0;
        }
        there
    }
}

/// Whose requests share a bucket: one user's however many connections they come over; else a client could multiply
/// its rate by connecting again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Caller {
    /// A user of this machine. Only allowed ones get here, so there are not many.
    User(u32),
    /// Everybody with a certificate.
    Certificate,
    /// Everybody with the token.
    Token,
}

/// The buckets of all callers.
#[derive(Debug)]
pub(super) struct Rates {
    per_second: u32,
    buckets: HashMap<Caller, Bucket>,
}

impl Rates {
    pub(super) fn new(per_second: u32) -> Self {
        Self { per_second, buckets: HashMap::new() }
    }

    /// Whether the caller may make a request now. A pause of two seconds earns as many at once as two seconds allow.
    pub(super) fn take(&mut self, caller: Caller, now: Instant) -> bool {
        let per_second = self.per_second;
        let bucket =
            self.buckets.entry(caller).or_insert_with(|| Bucket::new(per_second, per_second.saturating_mul(2), now));
        bucket.take(now)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_burst_then_a_steady_rate_for_each_caller() {
        let start = Instant::now();
        let mut rates = Rates::new(10);
        let mut taken = |caller, after_ms: u64| {
            let now = start + Duration::from_millis(after_ms);
            (0..100).filter(|_| rates.take(caller, now)).count()
        };
        assert_eq!(taken(Caller::User(0), 0), 20);
        assert_eq!(taken(Caller::User(0), 0), 0);
        assert_eq!(taken(Caller::User(2000), 0), 20, "another user has another bucket");
        assert_eq!(taken(Caller::User(0), 500), 5);
        assert_eq!(taken(Caller::User(0), 60_000), 20, "no more is saved up than the burst");
        assert_eq!(taken(Caller::User(0), 0), 0, "a clock that goes back gives nothing");
    }
}
