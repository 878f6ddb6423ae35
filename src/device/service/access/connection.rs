//! A connection with its peer, as the server reads and writes it.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::Sleep;
use tokio_rustls::server::TlsStream;
use tonic::transport::server::Connected;

use super::{Access, Peer, Refusal, STRANGERS_STAY};

/// What bytes come over.
#[derive(Debug)]
pub(in crate::device::service) enum Stream {
    Unix(UnixStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// A connection with its peer. A stranger's ends by itself.
#[derive(Debug)]
pub(in crate::device::service) struct Connection {
    stream: Stream,
    peer: Arc<Peer>,
    access: Arc<Access>,
    /// When a stranger has to go.
    stay: Option<Pin<Box<Sleep>>>,
    received: bool,
}

impl Connection {
    pub(in crate::device::service) fn new(stream: Stream, peer: Arc<Peer>, access: Arc<Access>) -> Self {
        let stay = (!peer.is_trusted()).then(|| Box::pin(tokio::time::sleep(STRANGERS_STAY)));
        Self { stream, peer, access, stay, received: false }
    }

    /// Whether the peer has to go now.
    fn is_over(&mut self, context: &mut Context<'_>) -> bool {
        if self.peer.is_expelled() {
            return true;
        }
        let Some(stay) = &mut self.stay else { return false };
        if self.peer.is_trusted() {
            self.stay = None;
            return false;
        }
        stay.as_mut().poll(context).is_ready()
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // What never became a request was no HTTP/2. Somebody who said nothing at all has not tried.
        let refused_before = self.peer.refused.is_some();
        if self.received && !refused_before && self.peer.requests.load(Ordering::Relaxed) == 0 {
            let peer = self.peer.identity.to_string();
            self.access.refusals.count(Refusal::Malformed, &peer, "the connection ended without a request");
        }
    }
}

impl Connected for Connection {
    type ConnectInfo = Arc<Peer>;

    fn connect_info(&self) -> Arc<Peer> {
        Arc::clone(&self.peer)
    }
}

impl AsyncRead for Connection {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.is_over(context) {
            // As if the peer had gone: the server cleans up in the usual way.
            return Poll::Ready(Ok(()));
        }
        let before = buffer.filled().len();
        let read = match &mut this.stream {
            Stream::Unix(stream) => Pin::new(stream).poll_read(context, buffer),
            Stream::Tls(stream) => Pin::new(stream).poll_read(context, buffer),
        };
        this.received |= buffer.filled().len() > before;
        read
    }
}

impl AsyncWrite for Connection {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.get_mut().stream {
            Stream::Unix(stream) => Pin::new(stream).poll_write(context, bytes),
            Stream::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.get_mut().stream {
            Stream::Unix(stream) => Pin::new(stream).poll_write_vectored(context, slices),
            Stream::Tls(stream) => Pin::new(stream).poll_write_vectored(context, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match &self.stream {
            Stream::Unix(stream) => stream.is_write_vectored(),
            Stream::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().stream {
            Stream::Unix(stream) => Pin::new(stream).poll_flush(context),
            Stream::Tls(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().stream {
            Stream::Unix(stream) => Pin::new(stream).poll_shutdown(context),
            Stream::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}
