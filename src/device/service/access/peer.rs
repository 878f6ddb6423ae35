//! The other end of a connection.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::net::unix::UCred;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{Access, Refusal};

/// Who is at the other end, as far as the connection itself proves it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::device::service) enum Identity {
    /// A user of this machine, and the process that connected.
    User { user_id: u32, process_id: Option<i32> },
    /// A peer over TLS whose certificate is trusted: the beginning of its fingerprint.
    Certificate { fingerprint: String, from: String },
    /// A peer over TLS without a certificate, which must have the token.
    Anonymous { from: String },
    /// The kernel does not say who it is.
    Unknown,
}

impl fmt::Display for Identity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User { user_id, process_id: Some(pid) } => write!(formatter, "user id {user_id}, pid {pid}"),
            Self::User { user_id, process_id: None } => write!(formatter, "user id {user_id}"),
            Self::Certificate { fingerprint, from } => write!(formatter, "{from}, certificate {fingerprint}"),
            Self::Anonymous { from } => write!(formatter, "{from}"),
            Self::Unknown => write!(formatter, "a peer that does not say who it is"),
        }
    }
}

/// What is known of a connection's other end. Every request of the connection carries it.
#[derive(Debug)]
pub(in crate::device::service) struct Peer {
    pub(super) identity: Identity,
    /// Why every request is refused.
    pub(super) refused: Option<Refusal>,
    /// Whether it may stay: it is somebody who may connect.
    trusted: AtomicBool,
    /// Whether it is to be cut off.
    expelled: AtomicBool,
    /// Requests that got as far as the gate.
    pub(super) requests: AtomicU64,
    /// Requests without the right token.
    failures: AtomicU64,
    /// Its place among the connections or the strangers.
    place: Mutex<Option<OwnedSemaphorePermit>>,
}

impl Peer {
    /// Gives the other end of a connection its place; `None` when there is none left for it, not even to be told so.
    pub(in crate::device::service) fn admit(access: &Access, identity: Identity) -> Option<Arc<Self>> {
        let place = |places: &Arc<Semaphore>| Arc::clone(places).try_acquire_owned().ok();
        let wrong = match &identity {
            Identity::User { user_id, .. } if access.allows_user(*user_id) => None,
            Identity::User { .. } => Some(Refusal::WrongUser),
            Identity::Unknown => Some(Refusal::UnknownUser),
            Identity::Certificate { .. } | Identity::Anonymous { .. } => None,
        };
        let anonymous = matches!(identity, Identity::Anonymous { .. });
        let mut refused = wrong;
        let mut taken = None;
        if refused.is_none() && !anonymous {
            taken = place(&access.connections);
            if taken.is_none() {
                refused = Some(Refusal::TooManyConnections);
            }
        }
        if let Some(refusal) = refused {
            // Counted for each connection; its requests are not counted again.
            access.refusals.count(refusal, &identity.to_string(), "");
        }
        let trusted = taken.is_some();
        if taken.is_none() {
            taken = place(&access.strangers);
        }
        if taken.is_none() {
            if refused.is_none() {
                access.refusals.count(Refusal::TooManyConnections, &identity.to_string(), "too many strangers");
            }
            return None;
        }
        if trusted {
            access.connections_total.fetch_add(1, Ordering::Relaxed);
            tracing::debug!(peer = %identity, "connected");
        }
        Some(Arc::new(Self {
            identity,
            refused,
            trusted: AtomicBool::new(trusted),
            expelled: AtomicBool::new(false),
            requests: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            place: Mutex::new(taken),
        }))
    }

    /// Who the kernel says is at the other end of a Unix socket.
    pub(in crate::device::service) fn of_socket(credentials: std::io::Result<UCred>) -> Identity {
        credentials.map_or(Identity::Unknown, |peer| Identity::User { user_id: peer.uid(), process_id: peer.pid() })
    }

    pub(super) fn is_trusted(&self) -> bool {
        self.trusted.load(Ordering::Relaxed)
    }

    pub(super) fn is_expelled(&self) -> bool {
        self.expelled.load(Ordering::Relaxed)
    }

    /// It has shown the token. Whether there is a place for it among the connections.
    pub(super) fn trust(&self, access: &Access) -> bool {
        let mut place = self.place.lock().unwrap_or_else(PoisonError::into_inner);
        if self.is_trusted() {
            return true;
        }
        let Ok(taken) = Arc::clone(&access.connections).try_acquire_owned() else { return false };
        *place = Some(taken);
        self.trusted.store(true, Ordering::Relaxed);
        access.connections_total.fetch_add(1, Ordering::Relaxed);
        tracing::debug!(peer = %self.identity, "connected with the token");
        true
    }

    /// It has not shown the token.
    pub(super) fn fail(&self, most: u64) {
        if self.failures.fetch_add(1, Ordering::Relaxed).saturating_add(1) >= most {
            self.expelled.store(true, Ordering::Relaxed);
        }
    }
}
