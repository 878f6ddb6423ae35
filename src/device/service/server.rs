//! The server: the listener, the services, and their end.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinHandle;
use tokio_stream::wrappers::ReceiverStream;
use tonic_health::ServingStatus;

use super::access::{Access, Connection, Gate, Identity, MOST_STRANGERS, Peer, Refusal, Stream};
use super::listen::{Arrival, Listener};
use super::rpc::Rpc;
use super::{AccessOptions, ListenAddress, ListenError};
use crate::device::session::SessionManager;
use crate::wire::FILE_DESCRIPTORS;
use crate::wire::proto::candor_service_server::{CandorServiceServer, SERVICE_NAME};

/// What clients take by default. Batches are far smaller.
const LARGEST_RESPONSE: usize = 4 << 20;
/// Bytes of the headers of one request: methods have short names and a token has some hundred bytes.
const LARGEST_HEADERS: u32 = 16 * 1024;
/// Modes of the socket's file: for us and root, and for whoever the gate lets through.
const MODE_OWN: u32 = 0o600;
const MODE_OTHERS: u32 = 0o666;
/// How often a silent connection is asked whether anybody is there.
const KEEPALIVE: Duration = Duration::from_secs(60);
/// How long to wait when the system has no room for another connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How long readers may take to fetch the end of their streams when the daemon shuts down.
const LONGEST_FAREWELL: Duration = Duration::from_secs(5);
/// How long connections may then take to close: a client that watches the health service never would.
const LONGEST_CLOSE: Duration = Duration::from_millis(500);

/// A running server.
#[derive(Debug)]
pub struct Server {
    sessions: SessionManager,
    tcp_address: Option<SocketAddr>,
    health: tonic_health::server::HealthReporter,
    stop: watch::Sender<bool>,
    accepting: JoinHandle<()>,
    serving: JoinHandle<Result<(), tonic::transport::Error>>,
}

impl Server {
    /// As [`Server::start_with`], for root and our own user.
    ///
    /// # Errors
    ///
    /// When the address cannot be listened on.
    pub async fn start(address: &ListenAddress, sessions: SessionManager) -> Result<Self, ListenError> {
        Self::start_with(address, AccessOptions::default(), sessions).await
    }

    /// Whether one may listen there at all: for whoever has much to do before it comes to that.
    ///
    /// # Errors
    ///
    /// When TCP is to go without TLS, or certificates, keys or token cannot be used.
    pub fn check(address: &ListenAddress, options: &AccessOptions) -> Result<(), ListenError> {
        if let (ListenAddress::Tcp(port), None) = (address, &options.tls) {
            return Err(ListenError::Unprotected(*port));
        }
        Ok(Access::check(options)?)
    }

    /// Listens and serves. The socket takes connections when this returns. Must be called within a runtime.
    ///
    /// # Errors
    ///
    /// When the address cannot be listened on, certificates or token cannot be used, or TCP is to go without them.
    pub async fn start_with(
        address: &ListenAddress,
        options: AccessOptions,
        sessions: SessionManager,
    ) -> Result<Self, ListenError> {
        Self::check(address, &options)?;
        let access = Access::new(options)?;
        let listener = Listener::bind(address, if access.has_other_users() { MODE_OTHERS } else { MODE_OWN })?;
        let tcp_address = listener.tcp_address();
        let (health, health_service) = tonic_health::server::health_reporter();
        health.set_service_status(SERVICE_NAME, ServingStatus::Serving).await;
        let limits = *access.limits();
        let largest_request = usize::try_from(limits.message_bytes).unwrap_or(usize::MAX);
        let service = CandorServiceServer::new(Rpc { sessions: sessions.clone(), access: Arc::clone(&access) })
            .max_decoding_message_size(largest_request)
            .max_encoding_message_size(LARGEST_RESPONSE);
        let (stop, stopped) = watch::channel(false);
        let (connections, incoming) = mpsc::channel(1);
        let accepting = tokio::spawn(accept(listener, Arc::clone(&access), connections, stopped.clone()));
        let mut stopped = stopped;
        let serving = tonic::transport::Server::builder()
            .max_concurrent_streams(limits.streams)
            .http2_max_header_list_size(LARGEST_HEADERS)
            .http2_keepalive_interval(Some(KEEPALIVE))
            .layer(Gate { access })
            .add_service(service)
            .add_service(health_service)
            .add_service(reflection().build_v1().map_err(ListenError::Descriptors)?)
            .add_service(reflection().build_v1alpha().map_err(ListenError::Descriptors)?)
            .serve_with_incoming_shutdown(ReceiverStream::new(incoming), async move {
                let _ = stopped.wait_for(|stop| *stop).await;
            });
        Ok(Self { sessions, tcp_address, health, stop, accepting, serving: tokio::spawn(serving) })
    }

    /// The address and port, when it listens on TCP: the system chooses a port when 0 is asked for.
    #[must_use]
    pub fn tcp_address(&self) -> Option<SocketAddr> {
        self.tcp_address
    }

    /// Lets readers fetch the ends of their streams, then closes. The sessions must have been ended before.
    pub async fn shutdown(self) {
        self.health.set_service_status(SERVICE_NAME, ServingStatus::NotServing).await;
        self.stop.send_replace(true);
        let _ = self.accepting.await;
        let mut serving = self.serving;
        let farewell = async {
            while self.sessions.subscribers() > 0 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        if tokio::time::timeout(LONGEST_FAREWELL, farewell).await.is_err() {
            tracing::warn!("readers that do not read their streams to the end are cut off");
        }
        match tokio::time::timeout(LONGEST_CLOSE, &mut serving).await {
            Ok(Ok(Ok(()))) => {}
            Ok(Ok(Err(error))) => tracing::error!(%error, "the server failed"),
            Ok(Err(error)) => tracing::error!(%error, "the server task failed"),
            Err(_) => serving.abort(),
        }
    }
}

/// Takes connections until told to stop; then the socket goes, so that the next daemon finds its place free.
async fn accept(
    listener: Listener,
    access: Arc<Access>,
    connections: mpsc::Sender<io::Result<Connection>>,
    mut stopped: watch::Receiver<bool>,
) {
    // Handshakes cost time and memory before anybody has proved anything: there are a few places for them.
    let handshakes = Arc::new(Semaphore::new(MOST_STRANGERS));
    loop {
        let accepted = tokio::select! {
            _ = stopped.wait_for(|stop| *stop) => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok(Arrival::Unix(stream)) => {
                let identity = Peer::of_socket(stream.peer_cred());
                if let Some(connection) = admit(&access, identity, Stream::Unix(stream))
                    && connections.send(Ok(connection)).await.is_err()
                {
                    return;
                }
            }
            Ok(Arrival::Tcp(stream, from)) => {
                let Ok(place) = Arc::clone(&handshakes).try_acquire_owned() else {
                    access.refusals.count(Refusal::TooManyConnections, &from.to_string(), "too many handshakes");
                    continue;
                };
                let (access, connections) = (Arc::clone(&access), connections.clone());
                tokio::spawn(async move {
                    let shaken = access.handshake(stream, from).await;
                    drop(place);
                    match shaken {
                        Ok((stream, identity)) => {
                            if let Some(connection) = admit(&access, identity, Stream::Tls(Box::new(stream))) {
                                let _ = connections.send(Ok(connection)).await;
                            }
                        }
                        Err(failure) => {
                            access.refusals.count(failure.refusal, &from.to_string(), &failure.detail);
                        }
                    }
                });
            }
            // Too many open files, or a peer that went at once: neither is a reason to stop serving the others.
            Err(error) => {
                tracing::warn!(%error, "cannot take a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

fn admit(access: &Arc<Access>, identity: Identity, stream: Stream) -> Option<Connection> {
    Peer::admit(access, identity).map(|peer| Connection::new(stream, peer, Arc::clone(access)))
}

/// Describes every service here, so that grpcurl and clients without generated code work unaided.
fn reflection() -> tonic_reflection::server::Builder<'static> {
    tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(FILE_DESCRIPTORS)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET)
        .include_reflection_service(false)
}
