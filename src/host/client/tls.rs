//! TLS to a daemon: what the client shows, and whom it trusts.

use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{self, ClientConfig, version};
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::{Request, Status};

use crate::credential_files::{CredentialFileError, authorities, certificates, content, private_key, read_secret};

/// Files with what a daemon behind TLS is asked for and must be shown.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Credentials {
    /// The certificate of the authority that the daemon's must come from.
    pub authority: Option<PathBuf>,
    /// The client's certificate.
    pub certificate: Option<PathBuf>,
    /// Its key.
    pub key: Option<PathBuf>,
    /// The token.
    pub token: Option<PathBuf>,
}

/// Why the client has nothing to show, or nobody to trust.
#[derive(Debug, Error)]
pub enum CredentialsError {
    /// Nobody to trust.
    #[error(
        "tcp+tls needs --ca (or CANDOR_CA): the ca.pem that `candord keys` made together with the daemon's certificate; \
         without it anybody could pose as the daemon"
    )]
    NoAuthority,
    /// Half a pair.
    #[error("--cert and --key belong together: give both (or CANDOR_CERT and CANDOR_KEY)")]
    HalfAPair,
    /// A file.
    #[error(transparent)]
    File(#[from] CredentialFileError),
}

/// Everything that was read from the files.
#[derive(Clone)]
pub(super) struct Trust {
    connector: TlsConnector,
    name: ServerName<'static>,
    pub(super) bearer: Bearer,
    pub(super) complaint: Complaint,
}

impl Trust {
    /// Connects and shakes hands.
    pub(super) async fn connect(&self, host: &str, port: u16) -> io::Result<Attentive> {
        if let Some(error) = self.complaint.is_final() {
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, error));
        }
        let stream = TcpStream::connect((host, port)).await?;
        stream.set_nodelay(true)?;
        let stream = self.connector.connect(self.name.clone(), stream).await?;
        Ok(Attentive { stream, complaint: self.complaint.clone() })
    }

    /// Reads the files.
    pub(super) fn read(host: &str, credentials: &Credentials) -> Result<Self, CredentialsError> {
        let Some(authority) = &credentials.authority else { return Err(CredentialsError::NoAuthority) };
        let roots = authorities(authority)?;
        let name = ServerName::try_from(host.to_owned())
            .map_err(|error| content(Path::new(host), format!("not a name that a certificate can have: {error}")))?;
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(&[&version::TLS13])
            .map_err(|error| content(authority, error.to_string()))?
            .with_root_certificates(roots);
        let mut config = match (&credentials.certificate, &credentials.key) {
            (None, None) => builder.with_no_client_auth(),
            (Some(certificate), Some(key)) => {
                let private = private_key(key)?;
                builder.with_client_auth_cert(certificates(certificate)?, private).map_err(|error| {
                    content(certificate, format!("cannot be used with the key {}: {error}", key.display()))
                })?
            }
            (Some(_), None) | (None, Some(_)) => return Err(CredentialsError::HalfAPair),
        };
        config.alpn_protocols = vec![b"h2".to_vec()];
        let bearer = match &credentials.token {
            None => Bearer::default(),
            Some(path) => Bearer(Some(token(path)?)),
        };
        Ok(Self { connector: TlsConnector::from(Arc::new(config)), name, bearer, complaint: Complaint::default() })
    }
}

/// What TLS had to say against the last connection. In TLS 1.3 a client has done its part of the handshake before the
/// daemon has looked at its certificate: the refusal comes when the first answer is awaited, and the layers above the
/// connection drop it.
#[derive(Debug, Clone, Default)]
pub(super) struct Complaint(Arc<Mutex<Option<rustls::Error>>>);

impl Complaint {
    /// What it was, if there was one.
    pub(super) fn get(&self) -> Option<rustls::Error> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether the same would come of trying again.
    fn is_final(&self) -> Option<rustls::Error> {
        self.get()
            .filter(|error| matches!(error, rustls::Error::AlertReceived(_) | rustls::Error::InvalidCertificate(_)))
    }

    fn note<T>(&self, result: &Poll<io::Result<T>>) {
        if let Poll::Ready(Err(error)) = result
            && let Some(error) = cause(error)
        {
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(error.clone());
        }
    }
}

/// A connection that keeps in mind what TLS had to say against it.
#[derive(Debug)]
pub(super) struct Attentive {
    stream: TlsStream<TcpStream>,
    complaint: Complaint,
}

impl AsyncRead for Attentive {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let result = Pin::new(&mut this.stream).poll_read(context, buffer);
        this.complaint.note(&result);
        result
    }
}

impl AsyncWrite for Attentive {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let result = Pin::new(&mut this.stream).poll_write(context, bytes);
        this.complaint.note(&result);
        result
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let result = Pin::new(&mut this.stream).poll_flush(context);
        this.complaint.note(&result);
        result
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}

/// Puts the token, if there is one, into every request.
#[derive(Clone, Default)]
pub(super) struct Bearer(Option<MetadataValue<Ascii>>);

impl std::fmt::Debug for Bearer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(if self.0.is_some() { "Bearer(not shown)" } else { "Bearer(none)" })
    }
}

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(token) = &self.0 {
            request.metadata_mut().insert("authorization", token.clone());
        }
        Ok(request)
    }
}

/// What the TLS library says is wrong, wherever in the causes of an error it stands.
pub(super) fn cause<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a rustls::Error> {
    let mut error = Some(error);
    // Errors of libraries may be anything: also a ring.
    for _ in 0..16 {
        let this = error?;
        if let Some(found) = this.downcast_ref::<rustls::Error>() {
            return Some(found);
        }
        // An error of the system hides the one it was made of from `source`, which gives that one's source.
        let inner = this.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        error = match inner {
            Some(inner) => Some(inner),
            None => this.source(),
        };
    }
    None
}

fn token(path: &Path) -> Result<MetadataValue<Ascii>, CredentialFileError> {
    let text = String::from_utf8(read_secret(path)?).unwrap_or_default();
    let text = text.trim();
    let header = format!("Bearer {text}").parse::<MetadataValue<Ascii>>().ok().filter(|_| !text.is_empty());
    let mut header = header.ok_or_else(|| content(path, "no token: one line of printable characters".to_owned()))?;
    header.set_sensitive(true);
    Ok(header)
}
