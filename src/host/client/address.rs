//! Where a daemon listens.

use std::fmt;
use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixStream};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};

use super::tls::{Credentials, Trust};
use crate::wire::DEFAULT_SOCKET_PATH;

/// How long a daemon over TCP may take to accept and to shake hands.
const LONGEST_OPENING: Duration = Duration::from_secs(20);

/// Where a daemon listens: `unix:PATH`, `unix-abstract:NAME`, `tcp+tls:HOST:PORT`, or an absolute path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// A Unix socket in the file system.
    Path(PathBuf),
    /// A Unix socket in the abstract name space, without the leading zero byte.
    Abstract(String),
    /// A TCP port, and TLS on it.
    Tls {
        /// A name or an address; its certificate must be for it.
        host: String,
        /// The port.
        port: u16,
        /// What to show and whom to trust.
        credentials: Box<Credentials>,
    },
}

/// An address that is not understood.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0:?} is no daemon address; give unix:/path/to/socket, unix-abstract:NAME or tcp+tls:HOST:PORT")]
pub struct AddressError(String);

/// A connection, of whichever kind.
pub(super) trait Connection: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Connection for T {}

impl Default for Address {
    fn default() -> Self {
        Self::Path(PathBuf::from(DEFAULT_SOCKET_PATH))
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        if let Some(name) = text.strip_prefix("unix-abstract:").filter(|name| !name.is_empty()) {
            return Ok(Self::Abstract(name.to_owned()));
        }
        if let Some(place) = text.strip_prefix("tcp+tls:") {
            return tls(place).ok_or_else(|| AddressError(text.to_owned()));
        }
        let path = text.strip_prefix("unix:").unwrap_or(text);
        // A bare relative path is refused: it is more often a mistyped scheme than a socket.
        if path.is_empty() || (path == text && !path.starts_with('/')) {
            return Err(AddressError(text.to_owned()));
        }
        Ok(Self::Path(PathBuf::from(path)))
    }
}

/// `HOST:PORT`, the host in brackets when it has colons itself.
fn tls(place: &str) -> Option<Address> {
    let (host, port) = place.rsplit_once(':')?;
    let port = port.parse().ok().filter(|port| *port > 0)?;
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let host = bare.or_else(|| (!host.is_empty() && !host.contains([':', '[', ']', '/'])).then_some(host))?;
    Some(Address::Tls { host: host.to_owned(), port, credentials: Box::default() })
}

impl fmt::Display for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => write!(formatter, "unix:{}", path.display()),
            Self::Abstract(name) => write!(formatter, "unix-abstract:{name}"),
            Self::Tls { host, port, .. } if host.contains(':') => write!(formatter, "tcp+tls:[{host}]:{port}"),
            Self::Tls { host, port, .. } => write!(formatter, "tcp+tls:{host}:{port}"),
        }
    }
}

impl Address {
    /// The same place, to be shown these. A Unix socket asks for none: there the kernel says who connects.
    #[must_use]
    pub fn with_credentials(self, given: Credentials) -> Self {
        match self {
            Self::Tls { host, port, .. } => Self::Tls { host, port, credentials: Box::new(given) },
            unix => unix,
        }
    }

    /// Opens a connection. Unlike the transport's own error, the system's says which of the reasons it is.
    pub(super) async fn open(&self, trust: Option<&Trust>) -> io::Result<Box<dyn Connection>> {
        let stream = match self {
            // A Unix socket answers at once.
            Self::Path(path) => UnixStream::connect(path)?,
            Self::Abstract(name) => UnixStream::connect_addr(&SocketAddr::from_abstract_name(name)?)?,
            Self::Tls { host, port, .. } => {
                let opening = open_tls(host, *port, trust);
                return tokio::time::timeout(LONGEST_OPENING, opening).await.unwrap_or_else(|_elapsed| {
                    Err(io::Error::new(
                        io::ErrorKind::TimedOut,
                        format!("no answer within {} s", LONGEST_OPENING.as_secs()),
                    ))
                });
            }
        };
        stream.set_nonblocking(true)?;
        Ok(Box::new(tokio::net::UnixStream::from_std(stream)?))
    }
}

async fn open_tls(host: &str, port: u16, trust: Option<&Trust>) -> io::Result<Box<dyn Connection>> {
    let trust = trust.ok_or_else(|| io::Error::other("no certificates were read"))?;
    Ok(Box::new(trust.connect(host, port).await?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_printed() {
        let tls = |host: &str, port| Address::Tls { host: host.to_owned(), port, credentials: Box::default() };
        for (text, expected) in [
            ("unix:/run/a.sock", Address::Path("/run/a.sock".into())),
            ("/run/a.sock", Address::Path("/run/a.sock".into())),
            ("unix:a.sock", Address::Path("a.sock".into())),
            ("unix-abstract:candord", Address::Abstract("candord".to_owned())),
            ("tcp+tls:localhost:50051", tls("localhost", 50_051)),
            ("tcp+tls:127.0.0.1:1", tls("127.0.0.1", 1)),
            ("tcp+tls:[::1]:65535", tls("::1", 65_535)),
        ] {
            let address: Address = text.parse().unwrap();
            assert_eq!(address, expected);
            assert_eq!(address.to_string().parse::<Address>().unwrap(), expected);
        }
    }

    #[test]
    fn other_texts_are_refused_with_the_way_out() {
        for text in [
            "",
            "unix:",
            "unix-abstract:",
            "localhost:50051",
            "a.sock",
            "tcp+tls:",
            "tcp+tls:host",
            "tcp+tls:host:0",
            "tcp+tls::1",
            "tcp+tls:::1:1",
            "tcp:localhost:1",
        ] {
            // `tcp:` is not a scheme of the client: there is no TCP without TLS.
            let message = text.parse::<Address>().unwrap_err().to_string();
            assert!(message.contains("unix:/path/to/socket"), "{message}");
        }
    }

    #[test]
    fn credentials_are_for_tls() {
        let given = Credentials { authority: Some("ca.pem".into()), ..Credentials::default() };
        let address = "tcp+tls:a:1".parse::<Address>().unwrap().with_credentials(given.clone());
        assert!(matches!(address, Address::Tls { credentials, .. } if *credentials == given));
        assert_eq!(Address::default().with_credentials(given), Address::default());
    }
}
