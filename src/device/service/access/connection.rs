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

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt as _;
    use tokio::time::{Duration, Instant};

    use super::super::{AccessOptions, Identity, MOST_FAILURES, MOST_STRANGERS};
    use super::*;

    fn access() -> Arc<Access> {
        Access::new(AccessOptions::default()).unwrap()
    }

    fn anonymous() -> Identity {
        Identity::Anonymous { from: "127.0.0.1:1".to_owned() }
    }

    fn connection(access: &Arc<Access>, identity: Identity) -> (Connection, Arc<Peer>, UnixStream) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let peer = Peer::admit(access, identity).unwrap();
        (Connection::new(Stream::Unix(ours), Arc::clone(&peer), Arc::clone(access)), peer, theirs)
    }

    fn malformed(access: &Access) -> u64 {
        access.refusals.counts().find(|(refusal, _)| *refusal == Refusal::Malformed).unwrap().1
    }

    #[tokio::test(start_paused = true)]
    async fn a_stranger_has_to_go_after_a_while_and_a_client_stays() {
        let access = access();
        let began = Instant::now();
        for identity in [anonymous(), Identity::User { user_id: 4_000_000, process_id: None }, Identity::Unknown] {
            let (mut connection, _peer, _theirs) = connection(&access, identity);
            assert_eq!(connection.read(&mut [0; 1]).await.unwrap(), 0);
        }
        assert_eq!(began.elapsed().as_secs(), 30);
        // Whoever shows the token in time stays, and so does root.
        let (mut trusted, peer, _theirs) = connection(&access, anonymous());
        assert!(peer.trust(&access));
        let (mut root, _peer, _theirs) = connection(&access, Identity::User { user_id: 0, process_id: Some(1) });
        for connection in [&mut trusted, &mut root] {
            tokio::time::timeout(Duration::from_secs(3600), connection.read(&mut [0; 1])).await.unwrap_err();
        }
    }

    #[tokio::test]
    async fn places_are_given_back() {
        let access = access();
        let strangers: Vec<_> = (0..MOST_STRANGERS).map(|_| Peer::admit(&access, anonymous()).unwrap()).collect();
        assert!(Peer::admit(&access, anonymous()).is_none());
        // Root is no stranger; and one who has shown the token is none any more.
        let root = Peer::admit(&access, Identity::User { user_id: 0, process_id: None }).unwrap();
        assert!(strangers[0].trust(&access));
        assert_eq!(access.status().connections, 2);
        let last = Peer::admit(&access, anonymous()).unwrap();
        assert!(Peer::admit(&access, anonymous()).is_none());
        drop((strangers, root, last));
        assert_eq!(access.status().connections, 0);
        assert_eq!(access.strangers.available_permits(), MOST_STRANGERS);
    }

    #[tokio::test]
    async fn who_guesses_is_cut_off() {
        let access = access();
        let (mut connection, peer, mut theirs) = connection(&access, anonymous());
        tokio::io::AsyncWriteExt::write_all(&mut theirs, &[1; 100]).await.unwrap();
        for _ in 1..MOST_FAILURES {
            peer.fail(MOST_FAILURES);
        }
        assert_eq!(connection.read(&mut [0; 1]).await.unwrap(), 1);
        peer.fail(MOST_FAILURES);
        assert_eq!(connection.read(&mut [0; 1]).await.unwrap(), 0);
    }

    #[tokio::test]
    async fn noise_is_counted_and_silence_is_not() {
        let access = access();
        let root = || Identity::User { user_id: 0, process_id: None };
        let (silent, _peer, _theirs) = connection(&access, root());
        drop(silent);
        assert_eq!(malformed(&access), 0);
        let (mut noisy, _peer, mut theirs) = connection(&access, root());
        tokio::io::AsyncWriteExt::write_all(&mut theirs, b"hello").await.unwrap();
        assert_eq!(noisy.read(&mut [0; 9]).await.unwrap(), 5);
        drop(noisy);
        assert_eq!(malformed(&access), 1);
    }
}
