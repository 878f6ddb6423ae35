//! Where the daemon listens: text, then an address.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use thiserror::Error;

/// Where the daemon listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListenAddress {
    /// A Unix socket in the file system. Its mode is 0600, or 0666 when other users may connect; either way the daemon
    /// looks at the user id of each peer.
    Unix(PathBuf),
    /// A Unix socket in the abstract name space, for `adb forward tcp:N localabstract:NAME`. It has no permissions, so
    /// the user id of the peer is all there is.
    UnixAbstract(String),
    /// A TCP port, TLS only: any app on the device can connect to it, and no kernel tells who it is.
    Tcp(SocketAddr),
}

/// Text that is no address to listen on.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ListenAddressError {
    /// TCP without saying so, or without a numeric address.
    #[error(
        "{0:?}: to listen on TCP, give tcp:ADDRESS:PORT with a numeric address, such as tcp:127.0.0.1:50051 or \
         tcp:[::1]:50051, and --keys; or use unix:PATH, or unix-abstract:NAME with `adb forward`"
    )]
    Tcp(String),
    /// No form at all.
    #[error("{0:?} is no address: use unix:PATH, unix-abstract:NAME or tcp:ADDRESS:PORT")]
    Unknown(String),
    /// The path or name is missing, or too long for the kernel.
    #[error("{0:?}: the path or name must have 1 to {LONGEST_NAME} bytes")]
    Length(String),
}

/// `sun_path` has 108 bytes, one of them for the NUL at the end, or at the beginning.
const LONGEST_NAME: usize = 107;

impl FromStr for ListenAddress {
    type Err = ListenAddressError;

    fn from_str(text: &str) -> Result<Self, ListenAddressError> {
        let (scheme, rest) = text.split_once(':').ok_or_else(|| ListenAddressError::Unknown(text.to_owned()))?;
        let checked = || {
            let fits = (1..=LONGEST_NAME).contains(&rest.len());
            if fits { Ok(rest) } else { Err(ListenAddressError::Length(text.to_owned())) }
        };
        match scheme {
            "unix" => Ok(Self::Unix(PathBuf::from(checked()?))),
            "unix-abstract" => Ok(Self::UnixAbstract(checked()?.to_owned())),
            "tcp" => rest.parse().map(Self::Tcp).map_err(|_| ListenAddressError::Tcp(text.to_owned())),
            "http" | "https" | "tcp+tls" => Err(ListenAddressError::Tcp(text.to_owned())),
            _ if rest.parse::<u16>().is_ok() => Err(ListenAddressError::Tcp(text.to_owned())),
            _ => Err(ListenAddressError::Unknown(text.to_owned())),
        }
    }
}

impl std::fmt::Display for ListenAddress {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unix(path) => write!(formatter, "unix:{}", path.display()),
            Self::UnixAbstract(name) => write!(formatter, "unix-abstract:{name}"),
            Self::Tcp(address) => write!(formatter, "tcp:{address}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        for (text, address) in [
            ("unix:/run/x.sock", ListenAddress::Unix("/run/x.sock".into())),
            ("unix-abstract:candord", ListenAddress::UnixAbstract("candord".to_owned())),
            ("tcp:127.0.0.1:50051", ListenAddress::Tcp(([127, 0, 0, 1], 50_051).into())),
            ("tcp:[::1]:1", ListenAddress::Tcp((std::net::Ipv6Addr::LOCALHOST, 1).into())),
        ] {
            assert_eq!(text.parse(), Ok(address.clone()));
            assert_eq!(address.to_string(), text);
        }
        for text in ["tcp:localhost:50051", "tcp:50051", "127.0.0.1:50051", "http://localhost", "tcp+tls:127.0.0.1:1"] {
            assert_eq!(text.parse::<ListenAddress>(), Err(ListenAddressError::Tcp(text.to_owned())));
        }
        for text in ["/run/x.sock", "", "vsock:3:x"] {
            assert_eq!(text.parse::<ListenAddress>(), Err(ListenAddressError::Unknown(text.to_owned())));
        }
        let long = format!("unix:/{}", "x".repeat(LONGEST_NAME));
        for text in ["unix:", "unix-abstract:", long.as_str()] {
            assert_eq!(text.parse::<ListenAddress>(), Err(ListenAddressError::Length(text.to_owned())));
        }
    }
}
