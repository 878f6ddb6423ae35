//! Why somebody or something was turned away: the one table, and its counters.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use super::rate::Bucket;

/// Why a connection or a request was turned away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// The peer of a Unix socket has a user id that is not allowed.
    WrongUser,
    /// The kernel did not say who the peer of a Unix socket is.
    UnknownUser,
    /// TLS: a certificate is required, and the client showed none.
    NoCertificate,
    /// TLS: the client's certificate does not come from the authority that is trusted here, or is out of date.
    WrongCertificate,
    /// TLS: the handshake failed otherwise, or took too long. The client may not have trusted us.
    FailedHandshake,
    /// Neither certificate nor token.
    MissingToken,
    /// The token is another one.
    WrongToken,
    /// More connections than are taken at a time.
    TooManyConnections,
    /// More requests a second than are taken.
    TooFast,
    /// A message longer than is taken.
    TooLarge,
    /// What was sent is no HTTP/2, or no message of the method.
    Malformed,
    /// A message that can be read and has no meaning.
    Invalid,
    /// A method that is not offered.
    UnknownMethod,
    /// The service had no room: too many sessions.
    NoRoom,
    /// A session is owned, and the token shown was not its owner's.
    WrongOwner,
}

impl Refusal {
    /// Every reason, in the order in which they are told.
    pub const ALL: &[Self] = &[
        Self::WrongUser,
        Self::UnknownUser,
        Self::NoCertificate,
        Self::WrongCertificate,
        Self::FailedHandshake,
        Self::MissingToken,
        Self::WrongToken,
        Self::TooManyConnections,
        Self::TooFast,
        Self::TooLarge,
        Self::Malformed,
        Self::Invalid,
        Self::UnknownMethod,
        Self::NoRoom,
        Self::WrongOwner,
    ];

    /// Its name on the wire and in the log.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::WrongUser => "wrong_user",
            Self::UnknownUser => "unknown_user",
            Self::NoCertificate => "no_certificate",
            Self::WrongCertificate => "wrong_certificate",
            Self::FailedHandshake => "failed_handshake",
            Self::MissingToken => "missing_token",
            Self::WrongToken => "wrong_token",
            Self::TooManyConnections => "too_many_connections",
            Self::TooFast => "too_fast",
            Self::TooLarge => "too_large",
            Self::Malformed => "malformed",
            Self::Invalid => "invalid",
            Self::UnknownMethod => "unknown_method",
            Self::NoRoom => "no_room",
            Self::WrongOwner => "wrong_owner",
        }
    }
}

/// Lines of refusals that are logged in a second; more would let anybody fill the disk.
const LOGGED_PER_SECOND: u32 = 5;
const LOGGED_AT_ONCE: u32 = 20;

/// How often each reason came up, and what of it was logged.
#[derive(Debug)]
pub(in crate::device::service) struct Refusals {
    counts: Vec<(Refusal, AtomicU64)>,
    log: Mutex<Log>,
}

#[derive(Debug)]
struct Log {
    bucket: Bucket,
    /// Not logged since the last line.
    silent: u64,
}

impl Refusals {
    pub(super) fn new() -> Self {
        let counts = Refusal::ALL.iter().map(|refusal| (*refusal, AtomicU64::new(0))).collect();
        let bucket = Bucket::new(LOGGED_PER_SECOND, LOGGED_AT_ONCE, Instant::now());
        Self { counts, log: Mutex::new(Log { bucket, silent: 0 }) }
    }

    /// Counts a refusal, and logs it unless there were too many.
    pub(in crate::device::service) fn count(&self, refusal: Refusal, peer: &str, detail: &str) {
        if let Some((_, count)) = self.counts.iter().find(|(listed, _)| *listed == refusal) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        let silent = {
            let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
            if !log.bucket.take(Instant::now()) {
                log.silent = log.silent.saturating_add(1);
                return;
            }
            std::mem::take(&mut log.silent)
        };
        // Debug formatting: what a peer sent must not be able to write lines of its own.
        tracing::warn!(reason = refusal.name(), peer, ?detail, not_logged_before = silent, "refused");
    }

    /// Every reason with its count, also those that never came up.
    pub(in crate::device::service) fn counts(&self) -> impl Iterator<Item = (Refusal, u64)> + '_ {
        self.counts.iter().map(|(refusal, count)| (*refusal, count.load(Ordering::Relaxed)))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_reason_has_a_name_and_a_counter_of_its_own() {
        let names: BTreeSet<_> = Refusal::ALL.iter().map(|refusal| refusal.name()).collect();
        assert_eq!((names.len(), Refusal::ALL.len()), (15, 15));
        let refusals = Refusals::new();
        for (times, refusal) in Refusal::ALL.iter().enumerate() {
            for _ in 0..times {
                refusals.count(*refusal, "test", "");
            }
        }
        let counts: Vec<_> = refusals.counts().collect();
        let expected: Vec<_> = Refusal::ALL.iter().copied().zip(0..).collect();
        assert_eq!(counts, expected);
    }

    #[test]
    fn a_flood_is_counted_and_hardly_logged() {
        let refusals = Refusals::new();
        for _ in 0..10_000 {
            refusals.count(Refusal::WrongUser, "test", "");
        }
        assert!(refusals.counts().any(|counted| counted == (Refusal::WrongUser, 10_000)));
        assert!(refusals.log.lock().unwrap().silent >= 9_000);
    }
}
