//! Who may connect, and how much they may ask.
//!
//! * **In:** connections whose other end nobody has looked at yet. **Out:** requests of peers that may make them; everybody
//!   else gets a refusal with its reason, which is counted and logged.
//! * **May import:** what the service may; `tokio_rustls`, `sha2` and `subtle` beyond it. Nothing of sessions.
//! * **Test it:** `cargo test --lib service::access`, and `tests/access_*.rs` end to end.
//!
//! A peer of a Unix socket is judged by the user id that the kernel vouches for, a peer over TCP by certificate or token
//! inside TLS. One gate in front of every method (reflection and health too) asks the same questions of each request.

mod connection;
mod gate;
mod peer;
mod rate;
mod refusal;
mod tls;
mod token;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio_rustls::server::TlsStream;

use crate::wire::proto;
pub(super) use connection::{Connection, Stream};
pub(super) use gate::Gate;
pub(super) use peer::{Identity, Peer};
use rate::Rates;
pub use refusal::Refusal;
pub(super) use refusal::Refusals;
pub(super) use tls::Failure;
use tls::TlsServer;
pub use tls::{ClientProof, TlsError, TlsOptions};

/// The user `shell` of Android: who adb is on the device, also for the sockets that `adb forward` opens.
pub const SHELL_USER_ID: u32 = 2000;

/// Peers that have not shown yet that they may connect, or that may not and are being told so. Any app of the device can
/// be such a peer: they share a few places, so that they cannot take those of others.
pub(super) const MOST_STRANGERS: usize = 16;
/// How long a stranger may stay.
pub(super) const STRANGERS_STAY: Duration = Duration::from_secs(10);
/// Requests without a right token on one connection, before it is closed.
const MOST_FAILURES: u64 = 8;

/// Who may connect, and how much they may ask.
#[derive(Debug, Clone, Default)]
pub struct AccessOptions {
    /// Users of this machine that may connect beside root and the daemon's own.
    pub users: BTreeSet<u32>,
    /// How clients over TCP prove who they are; without it the daemon does not listen on TCP.
    pub tls: Option<TlsOptions>,
    /// How much.
    pub limits: AccessLimits,
}

/// How much clients may ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AccessLimits {
    /// Connections at a time.
    pub connections: u32,
    /// Calls of one connection at a time.
    pub streams: u32,
    /// Bytes of one request.
    pub message_bytes: u32,
    /// Requests a second: of one user id, of all that have a certificate, of all that have the token.
    pub requests_per_second: u32,
}

impl Default for AccessLimits {
    /// Requests are small; a selection of every user id of a device has room in a quarter of a MiB.
    fn default() -> Self {
        Self { connections: 64, streams: 64, message_bytes: 256 * 1024, requests_per_second: 500 }
    }
}

/// The state of the gate, shared by all connections.
#[derive(Debug)]
pub(super) struct Access {
    limits: AccessLimits,
    users: BTreeSet<u32>,
    /// Ours; `None` when the system does not tell.
    own_user_id: Option<u32>,
    tls: Option<TlsServer>,
    pub(super) refusals: Refusals,
    connections: Arc<Semaphore>,
    strangers: Arc<Semaphore>,
    rates: Mutex<Rates>,
    connections_total: AtomicU64,
    requests: AtomicU64,
}

impl Access {
    /// Whether certificates, keys and token can be used.
    pub(super) fn check(options: &AccessOptions) -> Result<(), TlsError> {
        options.tls.as_ref().map_or(Ok(()), |tls| TlsServer::load(tls).map(drop))
    }

    /// Reads certificates and token where there are any.
    pub(super) fn new(options: AccessOptions) -> Result<Arc<Self>, TlsError> {
        let AccessOptions { users, tls, limits } = options;
        // A socket knows the other end: with both ends ours, that is us.
        let own = tokio::net::UnixStream::pair().and_then(|(end, _other)| end.peer_cred());
        let places = |count: u32| usize::try_from(count).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS);
        Ok(Arc::new(Self {
            limits,
            users,
            own_user_id: own.ok().map(|own| own.uid()),
            tls: tls.map(|options| TlsServer::load(&options)).transpose()?,
            refusals: Refusals::new(),
            connections: Arc::new(Semaphore::new(places(limits.connections))),
            strangers: Arc::new(Semaphore::new(MOST_STRANGERS)),
            rates: Mutex::new(Rates::new(limits.requests_per_second)),
            connections_total: AtomicU64::new(0),
            requests: AtomicU64::new(0),
        }))
    }

    /// Shakes hands with a peer over TCP. That there is something to do it with was seen to at the start.
    pub(super) async fn handshake(
        &self,
        stream: TcpStream,
        from: SocketAddr,
    ) -> Result<(TlsStream<TcpStream>, Identity), Failure> {
        match &self.tls {
            Some(tls) => tls.handshake(stream, from).await,
            None => Err(Failure { refusal: Refusal::FailedHandshake, detail: "TLS is not set up".to_owned() }),
        }
    }

    pub(super) fn limits(&self) -> &AccessLimits {
        &self.limits
    }

    /// Whether users beside root and our own may connect, so that the socket's file must be open to them.
    pub(super) fn has_other_users(&self) -> bool {
        !self.users.is_empty()
    }

    fn allows_user(&self, user_id: u32) -> bool {
        user_id == 0 || Some(user_id) == self.own_user_id || self.users.contains(&user_id)
    }

    /// Who may connect to a Unix socket, in words.
    fn allowed_users(&self) -> String {
        let mut users = vec!["root".to_owned()];
        users.extend(self.own_user_id.filter(|own| *own != 0).map(|own| format!("{own} (who started it)")));
        users.extend(self.users.iter().map(|user| match *user {
            SHELL_USER_ID => "2000 (shell)".to_owned(),
            user => user.to_string(),
        }));
        users.join(", ")
    }

    /// For clients: who was let in, and what was refused.
    pub(super) fn status(&self) -> proto::AccessStatus {
        let places = u64::from(self.limits.connections);
        let free = u64::try_from(self.connections.available_permits()).unwrap_or(u64::MAX);
        proto::AccessStatus {
            connections: places.saturating_sub(free),
            connections_total: self.connections_total.load(Ordering::Relaxed),
            requests_total: self.requests.load(Ordering::Relaxed),
            refusals: self
                .refusals
                .counts()
                .map(|(refusal, count)| proto::RefusalCount { reason: refusal.name().to_owned(), count })
                .collect(),
            limits: Some(proto::AccessLimits {
                connections: self.limits.connections,
                streams_per_connection: self.limits.streams,
                message_bytes: self.limits.message_bytes,
                requests_per_second: self.limits.requests_per_second,
            }),
        }
    }
}
