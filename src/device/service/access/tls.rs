//! TLS: certificates from files, and handshakes.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use thiserror::Error;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{self, ServerConfig, version};
use tokio_rustls::server::TlsStream;

use super::{Identity, Refusal};
use crate::credential_files::{CredentialFileError, authorities, certificates, content, private_key, read_secret};
use crate::device::token::{SHORTEST_TOKEN, Token};

/// How long a handshake may take. The peer may be far away, and the device slow.
const LONGEST_HANDSHAKE: Duration = Duration::from_secs(10);
/// How long a peer whose handshake failed is listened to, so that it can read why.
const LONGEST_LINGER: Duration = Duration::from_secs(1);

/// The daemon's own certificate, and what clients must have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsOptions {
    /// The daemon's certificate, PEM, with those that lead to its authority.
    pub certificate: PathBuf,
    /// Its key, PEM; readable by its owner only.
    pub key: PathBuf,
    /// What clients must have.
    pub proof: ClientProof,
}

/// How a client over TCP proves that it may connect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientProof {
    /// By a certificate of this authority (PEM).
    Certificate(PathBuf),
    /// By the token in this file, which is readable by its owner only.
    Token(PathBuf),
    /// By one of the two. A token that is sent must be right, certificate or not.
    Either {
        /// The authority.
        authority: PathBuf,
        /// The file of the token.
        token: PathBuf,
    },
}

impl ClientProof {
    fn authority(&self) -> Option<&Path> {
        match self {
            Self::Certificate(authority) | Self::Either { authority, .. } => Some(authority),
            Self::Token(_) => None,
        }
    }

    fn token(&self) -> Option<&Path> {
        match self {
            Self::Token(token) | Self::Either { token, .. } => Some(token),
            Self::Certificate(_) => None,
        }
    }
}

/// Why certificates, keys or the token cannot be used.
#[derive(Debug, Error)]
pub enum TlsError {
    /// A file.
    #[error("{}{}", .0, way_out(.0))]
    File(#[from] CredentialFileError),
    /// Certificate and key are no pair, or the like.
    #[error("the certificate {} cannot be used with the key {}: {source}", certificate.display(), key.display())]
    Pair {
        /// The certificate.
        certificate: PathBuf,
        /// The key.
        key: PathBuf,
        /// What the library said.
        source: rustls::Error,
    },
}

/// What a listener on TCP needs.
pub(super) struct TlsServer {
    acceptor: TlsAcceptor,
    /// Clients without a certificate need this one.
    pub(super) token: Option<Token>,
}

impl std::fmt::Debug for TlsServer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("TlsServer").field("token", &self.token).finish_non_exhaustive()
    }
}

/// A handshake that failed.
#[derive(Debug)]
pub(in crate::device::service) struct Failure {
    pub(in crate::device::service) refusal: Refusal,
    pub(in crate::device::service) detail: String,
}

impl TlsServer {
    pub(super) fn load(options: &TlsOptions) -> Result<Self, TlsError> {
        let certificates = certificates(&options.certificate)?;
        let key = private_key(&options.key)?;
        let provider = Arc::new(ring::default_provider());
        let pair =
            |source| TlsError::Pair { certificate: options.certificate.clone(), key: options.key.clone(), source };
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[&version::TLS13])
            .map_err(pair)?;
        let token = options.proof.token().map(read_token).transpose()?;
        let builder = match options.proof.authority() {
            None => builder.with_no_client_auth(),
            Some(path) => {
                let mut verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(authorities(path)?), provider);
                if token.is_some() {
                    verifier = verifier.allow_unauthenticated();
                }
                let verifier = verifier.build().map_err(|error| content(path, format!("no authority: {error}")))?;
                builder.with_client_cert_verifier(verifier)
            }
        };
        let mut config = builder.with_single_cert(certificates, key).map_err(pair)?;
        config.alpn_protocols = vec![b"h2".to_vec()];
        // Nothing is gained by resuming: clients keep their connection.
        config.send_tls13_tickets = 0;
        Ok(Self { acceptor: TlsAcceptor::from(Arc::new(config)), token })
    }

    /// Shakes hands. Says who is there, or why it failed; then the peer has been told.
    pub(super) async fn handshake(
        &self,
        stream: TcpStream,
        from: SocketAddr,
    ) -> Result<(TlsStream<TcpStream>, Identity), Failure> {
        let _ = stream.set_nodelay(true);
        let accepting = self.acceptor.accept(stream).into_fallible();
        let accepted = tokio::time::timeout(LONGEST_HANDSHAKE, accepting).await.map_err(|_elapsed| Failure {
            refusal: Refusal::FailedHandshake,
            detail: format!("no handshake within {} s", LONGEST_HANDSHAKE.as_secs()),
        })?;
        let stream = match accepted {
            Ok(stream) => stream,
            Err((error, stream)) => {
                let failure = Failure { refusal: refusal(&error), detail: error.to_string() };
                linger(stream).await;
                return Err(failure);
            }
        };
        let from = from.to_string();
        let identity = match stream.get_ref().1.peer_certificates().and_then(<[_]>::first) {
            Some(certificate) => Identity::Certificate { fingerprint: fingerprint(certificate), from },
            None => Identity::Anonymous { from },
        };
        Ok((stream, identity))
    }
}

/// Waits until the peer has read why. Closing with something unread would make the system drop what is on its way.
async fn linger(mut stream: TcpStream) {
    let reading = async {
        let _ = stream.shutdown().await;
        let mut unread = [0; 4096];
        while stream.read(&mut unread).await.is_ok_and(|count| count > 0) {}
    };
    let _ = tokio::time::timeout(LONGEST_LINGER, reading).await;
}

fn refusal(error: &io::Error) -> Refusal {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(rustls::Error::NoCertificatesPresented) => Refusal::NoCertificate,
        Some(rustls::Error::InvalidCertificate(_)) => Refusal::WrongCertificate,
        _ => Refusal::FailedHandshake,
    }
}

/// The first half of the SHA-256 of a certificate, for the log.
fn fingerprint(certificate: &CertificateDer<'_>) -> String {
    Sha256::digest(certificate.as_ref()).iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

/// Files that are not there are made by a command of this program.
fn way_out(error: &CredentialFileError) -> &'static str {
    match error {
        CredentialFileError::Read { .. } => "; `candord keys` makes certificates, keys and a token",
        CredentialFileError::Exposed { .. } | CredentialFileError::Content { .. } => "",
    }
}

fn read_token(path: &Path) -> Result<Token, CredentialFileError> {
    let text = read_secret(path)?;
    let token = std::str::from_utf8(&text).ok().and_then(Token::new);
    token.ok_or_else(|| {
        content(path, format!("no token: one line of at least {SHORTEST_TOKEN} printable characters without spaces"))
    })
}
