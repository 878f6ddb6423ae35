//! Where a daemon listens.

use std::fmt;
use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixStream};
use std::path::PathBuf;
use std::str::FromStr;

use thiserror::Error;

use crate::wire::DEFAULT_SOCKET_PATH;

/// Where a daemon listens: `unix:PATH`, `unix-abstract:NAME`, or an absolute path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// A Unix socket in the file system.
    Path(PathBuf),
    /// A Unix socket in the abstract name space, without the leading zero byte.
    Abstract(String),
}

/// An address that is not understood.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0:?} is no daemon address; give unix:/path/to/socket or unix-abstract:NAME")]
pub struct AddressError(String);

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
        let path = text.strip_prefix("unix:").unwrap_or(text);
        // A bare relative path is refused: it is more often a mistyped scheme than a socket.
        if path.is_empty() || (path == text && !path.starts_with('/')) {
            return Err(AddressError(text.to_owned()));
        }
        Ok(Self::Path(PathBuf::from(path)))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => write!(formatter, "unix:{}", path.display()),
            Self::Abstract(name) => write!(formatter, "unix-abstract:{name}"),
        }
    }
}

impl Address {
    /// Opens a connection. A Unix socket answers at once, so this does not need to be asynchronous; and unlike the
    /// transport's own error, the system's says which of the reasons it is.
    pub(super) fn open(&self) -> io::Result<UnixStream> {
        let stream = match self {
            Self::Path(path) => UnixStream::connect(path)?,
            Self::Abstract(name) => UnixStream::connect_addr(&SocketAddr::from_abstract_name(name)?)?,
        };
        stream.set_nonblocking(true)?;
        Ok(stream)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_printed() {
        for (text, expected) in [
            ("unix:/run/a.sock", Address::Path("/run/a.sock".into())),
            ("/run/a.sock", Address::Path("/run/a.sock".into())),
            ("unix:a.sock", Address::Path("a.sock".into())),
            ("unix-abstract:candord", Address::Abstract("candord".to_owned())),
        ] {
            let address: Address = text.parse().unwrap();
            assert_eq!(address, expected);
            assert_eq!(address.to_string().parse::<Address>().unwrap(), expected);
        }
    }

    #[test]
    fn other_texts_are_refused_with_the_way_out() {
        for text in ["", "unix:", "unix-abstract:", "localhost:50051", "a.sock"] {
            let message = text.parse::<Address>().unwrap_err().to_string();
            assert!(message.contains("unix:/path/to/socket"), "{message}");
        }
    }
}
