//! The server: the listener, the services, and their end.

use std::io;
use std::time::Duration;

use tokio::net::UnixStream;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio_stream::wrappers::ReceiverStream;
use tonic_health::ServingStatus;

use super::listen::Listener;
use super::rpc::Rpc;
use super::{ListenAddress, ListenError};
use crate::device::session::SessionManager;
use crate::wire::FILE_DESCRIPTORS;
use crate::wire::proto::candor_service_server::{CandorServiceServer, SERVICE_NAME};

/// Requests are small; a selection of every user id of a device has room in this.
const LARGEST_REQUEST: usize = 256 * 1024;
/// What clients take by default. Batches are far smaller.
const LARGEST_RESPONSE: usize = 4 << 20;
/// Calls of one connection at a time.
const MOST_STREAMS: u32 = 64;
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
    health: tonic_health::server::HealthReporter,
    stop: watch::Sender<bool>,
    accepting: JoinHandle<()>,
    serving: JoinHandle<Result<(), tonic::transport::Error>>,
}

impl Server {
    /// Listens and serves. The socket takes connections when this returns. Must be called within a runtime.
    ///
    /// # Errors
    ///
    /// When the address cannot be listened on.
    pub async fn start(address: &ListenAddress, sessions: SessionManager) -> Result<Self, ListenError> {
        let listener = Listener::bind(address)?;
        let (health, health_service) = tonic_health::server::health_reporter();
        health.set_service_status(SERVICE_NAME, ServingStatus::Serving).await;
        let service = CandorServiceServer::new(Rpc { sessions: sessions.clone() })
            .max_decoding_message_size(LARGEST_REQUEST)
            .max_encoding_message_size(LARGEST_RESPONSE);
        let (stop, stopped) = watch::channel(false);
        let (connections, incoming) = mpsc::channel(1);
        let accepting = tokio::spawn(accept(listener, connections, stopped.clone()));
        let mut stopped = stopped;
        let serving = tonic::transport::Server::builder()
            .max_concurrent_streams(MOST_STREAMS)
            .http2_keepalive_interval(Some(KEEPALIVE))
            .add_service(service)
            .add_service(health_service)
            .add_service(reflection().build_v1().map_err(ListenError::Descriptors)?)
            .add_service(reflection().build_v1alpha().map_err(ListenError::Descriptors)?)
            .serve_with_incoming_shutdown(ReceiverStream::new(incoming), async move {
                let _ = stopped.wait_for(|stop| *stop).await;
            });
        Ok(Self { sessions, health, stop, accepting, serving: tokio::spawn(serving) })
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
    connections: mpsc::Sender<io::Result<UnixStream>>,
    mut stopped: watch::Receiver<bool>,
) {
    loop {
        let accepted = tokio::select! {
            _ = stopped.wait_for(|stop| *stop) => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok(stream) => {
                if connections.send(Ok(stream)).await.is_err() {
                    return;
                }
            }
            // Too many open files, or a peer that went at once: neither is a reason to stop serving the others.
            Err(error) => {
                tracing::warn!(%error, "cannot take a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
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
