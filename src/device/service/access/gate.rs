//! The gate in front of every method.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::task::{Context, Poll};
use std::time::Instant;

use tonic::body::Body;
use tonic::codegen::Service;
use tonic::codegen::http::{HeaderMap, Request, Response, header};
use tonic::{Code, Status};
use tower_layer::Layer;

use super::rate::Caller;
use super::{Access, Identity, MOST_FAILURES, Peer, Refusal, token};

/// What the library says of a message that is too long for us.
const TOO_LARGE: &str = "Error, decoded message length too large";
/// What the library says of bytes that are no message of the method. Our own internal errors begin otherwise.
const UNREADABLE: &[&str] = &[
    "failed to decode Protobuf message",
    "protocol error",
    "Unexpected EOF",
    "Missing request message",
    "invalid compression flag",
];

/// Puts the gate in front of a service.
#[derive(Debug, Clone)]
pub(in crate::device::service) struct Gate {
    pub(in crate::device::service) access: Arc<Access>,
}

impl<S> Layer<S> for Gate {
    type Service = Gated<S>;

    fn layer(&self, inner: S) -> Gated<S> {
        Gated { access: Arc::clone(&self.access), inner }
    }
}

/// A service behind the gate.
#[derive(Debug, Clone)]
pub(in crate::device::service) struct Gated<S> {
    access: Arc<Access>,
    inner: S,
}

impl<S> Service<Request<Body>> for Gated<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        // Every connection of ours has one: without it nothing is known of the other end.
        let Some(peer) = request.extensions().get::<Arc<Peer>>().cloned() else {
            let refused = Status::internal("the connection has no peer").into_http();
            return Box::pin(std::future::ready(Ok(refused)));
        };
        if let Err(status) = self.access.admit(&peer, request.headers()) {
            return Box::pin(std::future::ready(Ok(status.into_http())));
        }
        let access = Arc::clone(&self.access);
        let answering = self.inner.call(request);
        Box::pin(async move {
            let response = answering.await?;
            access.note(&peer, &response);
            Ok(response)
        })
    }
}

impl Access {
    /// Whether this request of this peer may pass.
    fn admit(&self, peer: &Peer, headers: &HeaderMap) -> Result<(), Status> {
        peer.requests.fetch_add(1, Ordering::Relaxed);
        if let Some(refusal) = peer.refused {
            return Err(self.explain(refusal, peer));
        }
        let caller = match &peer.identity {
            Identity::User { user_id, .. } => Caller::User(*user_id),
            Identity::Certificate { .. } => {
                // It need not send one; but a wrong one is a mistake that somebody should hear of.
                if headers.contains_key(header::AUTHORIZATION) {
                    self.check_token(peer, headers)?;
                }
                Caller::Certificate
            }
            Identity::Anonymous { .. } => {
                self.check_token(peer, headers)?;
                if !peer.trust(self) {
                    return Err(self.refuse(Refusal::TooManyConnections, peer));
                }
                Caller::Token
            }
            Identity::Unknown => return Err(self.explain(Refusal::UnknownUser, peer)),
        };
        let free = self.rates.lock().unwrap_or_else(PoisonError::into_inner).take(caller, Instant::now());
        if !free {
            return Err(self.refuse(Refusal::TooFast, peer));
        }
        self.requests.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    fn check_token(&self, peer: &Peer, headers: &HeaderMap) -> Result<(), Status> {
        let mut sent = headers.get_all(header::AUTHORIZATION).iter();
        let refusal = match (sent.next(), sent.next()) {
            (None, _) => Refusal::MissingToken,
            // Of two, one would be left unlooked at.
            (Some(_), Some(_)) => Refusal::WrongToken,
            (Some(one), None) => {
                let expected = self.tls.as_ref().and_then(|tls| tls.token.as_ref());
                match (expected, token::bearer(one.as_bytes())) {
                    (Some(expected), Some(sent)) if expected.is(sent) => return Ok(()),
                    // A client with a certificate, of a daemon that knows no token: what it sends means nothing here.
                    (None, _) => return Ok(()),
                    (Some(_), _) => Refusal::WrongToken,
                }
            }
        };
        peer.fail(MOST_FAILURES);
        Err(self.refuse(refusal, peer))
    }

    fn refuse(&self, refusal: Refusal, peer: &Peer) -> Status {
        self.refusals.count(refusal, &peer.identity.to_string(), "");
        self.explain(refusal, peer)
    }

    /// What the peer is told: the thing and the way out.
    fn explain(&self, refusal: Refusal, peer: &Peer) -> Status {
        let limits = &self.limits;
        match refusal {
            Refusal::WrongUser => Status::permission_denied(format!(
                "{} may not use this daemon; allowed are: {}. Start candord with --allow-uid to let others in",
                match &peer.identity {
                    Identity::User { user_id, .. } => format!("user id {user_id}"),
                    other => other.to_string(),
                },
                self.allowed_users()
            )),
            Refusal::UnknownUser => Status::permission_denied("the kernel does not tell who is connecting"),
            Refusal::MissingToken => Status::unauthenticated(
                "a client certificate or a token is required: give --cert and --key, or --token-file \
                 (in gRPC: the header `authorization: Bearer TOKEN`)",
            ),
            Refusal::WrongToken => Status::unauthenticated(
                "this is not the token that candord was started with: use the file `token` that `candord keys` made for it",
            ),
            Refusal::TooManyConnections => Status::resource_exhausted(format!(
                "this daemon takes {} connections at a time (--max-connections): close others, or try again later",
                limits.connections
            )),
            Refusal::TooFast => Status::resource_exhausted(format!(
                "this daemon takes {} requests a second from one client (--max-requests-per-second): try again in a second",
                limits.requests_per_second
            )),
            // The others are refused by the handshake, the library or the service, each in its own words.
            other => Status::permission_denied(other.name()),
        }
    }

    /// Counts what was refused behind the gate.
    fn note(&self, peer: &Peer, response: &Response<Body>) {
        // An answer has its status after the body; what comes without a body was refused.
        let Some(status) = Status::from_header_map(response.headers()) else { return };
        let message = status.message();
        let refusal = match status.code() {
            Code::OutOfRange if message.starts_with(TOO_LARGE) => Refusal::TooLarge,
            Code::Internal if UNREADABLE.iter().any(|known| message.starts_with(known)) => Refusal::Malformed,
            Code::InvalidArgument => Refusal::Invalid,
            Code::Unimplemented => Refusal::UnknownMethod,
            Code::ResourceExhausted => Refusal::NoRoom,
            Code::PermissionDenied => Refusal::WrongOwner,
            _ => return,
        };
        self.refusals.count(refusal, &peer.identity.to_string(), message);
    }
}
