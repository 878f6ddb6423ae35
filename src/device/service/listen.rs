//! Where the daemon listens, and who may connect.

use std::fs;
use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::fs::{DirBuilderExt as _, FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::os::unix::net as std_net;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use thiserror::Error;
use tokio::net::{UnixListener, UnixStream};

/// Where the daemon listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListenAddress {
    /// A Unix socket in the file system, mode 0600: who may open it is the file system's business.
    Unix(PathBuf),
    /// A Unix socket in the abstract name space, for `adb forward tcp:N localabstract:NAME`. It has no permissions, so
    /// the daemon looks at the user id of each peer: root, and the daemon's own.
    UnixAbstract(String),
}

/// Text that is no address to listen on.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ListenAddressError {
    /// TCP is not offered yet.
    #[error(
        "{0:?}: listening on TCP is refused, because any app on the device can connect to a TCP port, also on loopback; \
         it will come together with TLS. Use unix:PATH, or unix-abstract:NAME with `adb forward`"
    )]
    Tcp(String),
    /// Neither form.
    #[error("{0:?} is no address: use unix:PATH or unix-abstract:NAME")]
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
            "tcp" | "http" | "https" => Err(ListenAddressError::Tcp(text.to_owned())),
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
        }
    }
}

/// Why the daemon cannot listen.
#[derive(Debug, Error)]
pub enum ListenError {
    /// Another daemon is there.
    #[error("{address}: socket taken: another daemon answers there; stop it, or listen elsewhere with --listen")]
    Taken {
        /// The address.
        address: ListenAddress,
    },
    /// Something else is there.
    #[error("{}: a file that is not a socket is there; remove it, or listen elsewhere with --listen", .0.display())]
    NotASocket(PathBuf),
    /// The description of the services is damaged: the build is.
    #[error("the descriptors in this build are damaged: {0}")]
    Descriptors(tonic_reflection::server::Error),
    /// The system refused.
    #[error("{}: {action}: {source}", path.display())]
    System {
        /// The file concerned.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

/// A listening socket. A socket file is removed when this is dropped, unless another daemon has replaced it.
pub(super) struct Listener {
    listener: UnixListener,
    address: ListenAddress,
    /// Ours; `None` when the system does not tell, and when the file system decides who may connect.
    own_user_id: Option<u32>,
    /// Device and inode of our socket file.
    file: Option<(PathBuf, u64, u64)>,
}

impl Listener {
    /// Listens. Must be called within a runtime.
    pub(super) fn bind(address: &ListenAddress) -> Result<Self, ListenError> {
        match address {
            ListenAddress::Unix(path) => Self::bind_path(address, path),
            ListenAddress::UnixAbstract(name) => Self::bind_abstract(address, name),
        }
    }

    fn bind_path(address: &ListenAddress, path: &Path) -> Result<Self, ListenError> {
        let failed = |action| move |source| ListenError::System { path: path.to_owned(), action, source };
        if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            // Only what is missing gets this mode; an existing directory is left as it is.
            fs::DirBuilder::new()
                .recursive(true)
                .mode(0o755)
                .create(parent)
                .map_err(failed("cannot create the directory of the socket"))?;
        }
        match fs::symlink_metadata(path) {
            Ok(there) if !there.file_type().is_socket() => return Err(ListenError::NotASocket(path.to_owned())),
            Ok(_) => match std_net::UnixStream::connect(path) {
                // A full queue of connections means that somebody listens too.
                Ok(_) => return Err(ListenError::Taken { address: address.clone() }),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return Err(ListenError::Taken { address: address.clone() });
                }
                Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                    tracing::info!(path = %path.display(), "replacing the socket of a daemon that is gone");
                    fs::remove_file(path).map_err(failed("cannot replace the socket of a daemon that is gone"))?;
                }
                Err(error) => return Err(failed("cannot find out whether a daemon answers at the socket")(error)),
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed("cannot look at the socket")(error)),
        }
        // Bound under another name and renamed when its mode is set: between `bind` and `chmod` the socket would be open
        // to whoever the umask lets in. Changing the umask instead would change it for every thread.
        let mut hidden = path.as_os_str().to_owned();
        hidden.push(".new");
        let hidden = PathBuf::from(hidden);
        let _ = fs::remove_file(&hidden);
        let listener = std_net::UnixListener::bind(&hidden).map_err(failed("cannot create the socket"))?;
        let placed = fs::set_permissions(&hidden, fs::Permissions::from_mode(0o600))
            .and_then(|()| fs::symlink_metadata(&hidden))
            .and_then(|made| fs::rename(&hidden, path).map(|()| made));
        let made = match placed {
            Ok(made) => made,
            Err(error) => {
                let _ = fs::remove_file(&hidden);
                return Err(failed("cannot create the socket with mode 0600")(error));
            }
        };
        let file = Some((path.to_owned(), made.dev(), made.ino()));
        let listener = into_tokio(listener).map_err(failed("cannot listen on the socket"))?;
        Ok(Self { listener, address: address.clone(), own_user_id: None, file })
    }

    fn bind_abstract(address: &ListenAddress, name: &str) -> Result<Self, ListenError> {
        let failed = |source: io::Error| match source.kind() {
            io::ErrorKind::AddrInUse => ListenError::Taken { address: address.clone() },
            _ => ListenError::System {
                path: PathBuf::from(format!("@{name}")),
                action: "cannot listen on the abstract socket",
                source,
            },
        };
        let socket = std_net::SocketAddr::from_abstract_name(name).map_err(failed)?;
        let listener = std_net::UnixListener::bind_addr(&socket).map_err(failed)?;
        let listener = into_tokio(listener).map_err(failed)?;
        // A socket knows the other end: with both ends ours, that is us.
        let own_user_id = UnixStream::pair().and_then(|(end, _other)| end.peer_cred()).ok().map(|own| own.uid());
        Ok(Self { listener, address: address.clone(), own_user_id, file: None })
    }

    /// The next connection of a peer that may connect.
    pub(super) async fn accept(&self) -> io::Result<UnixStream> {
        loop {
            let (stream, _) = self.listener.accept().await?;
            if matches!(self.address, ListenAddress::Unix(_)) {
                return Ok(stream);
            }
            match stream.peer_cred() {
                Ok(peer) if peer.uid() == 0 || Some(peer.uid()) == self.own_user_id => return Ok(stream),
                Ok(peer) => tracing::warn!(user_id = peer.uid(), pid = peer.pid(), "refused a peer that is not root"),
                Err(error) => tracing::warn!(%error, "refused a peer that does not say who it is"),
            }
        }
    }
}

fn into_tokio(listener: std_net::UnixListener) -> io::Result<UnixListener> {
    listener.set_nonblocking(true)?;
    UnixListener::from_std(listener)
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Some((path, device, inode)) = &self.file
            && fs::symlink_metadata(path).is_ok_and(|there| there.dev() == *device && there.ino() == *inode)
        {
            let _ = fs::remove_file(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        assert_eq!("unix:/run/x.sock".parse(), Ok(ListenAddress::Unix("/run/x.sock".into())));
        assert_eq!("unix-abstract:candord".parse(), Ok(ListenAddress::UnixAbstract("candord".to_owned())));
        for text in ["tcp:127.0.0.1:50051", "127.0.0.1:50051", "http://localhost"] {
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

    #[tokio::test]
    async fn only_the_socket_of_a_dead_daemon_is_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("new/candord.sock");
        let address = ListenAddress::Unix(path.clone());

        let first = Listener::bind(&address).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o600);
        assert!(matches!(Listener::bind(&address), Err(ListenError::Taken { .. })));
        drop(first);
        assert!(!path.exists(), "the socket is removed with the listener");

        // A daemon that was killed leaves its socket behind.
        drop(std_net::UnixListener::bind(&path).unwrap());
        assert!(path.exists());
        let third = Listener::bind(&address).unwrap();
        drop(third);

        fs::write(&path, "no socket").unwrap();
        assert!(matches!(Listener::bind(&address), Err(ListenError::NotASocket(_))));
        assert_eq!(fs::read(&path).unwrap(), b"no socket");
    }

    #[tokio::test]
    async fn an_abstract_name_is_taken_once() {
        let name = format!("candor-test-{}", std::process::id());
        let address = ListenAddress::UnixAbstract(name.clone());
        let listener = Listener::bind(&address).unwrap();
        assert!(matches!(Listener::bind(&address), Err(ListenError::Taken { .. })));
        let socket = std_net::SocketAddr::from_abstract_name(&name).unwrap();
        let _client = std_net::UnixStream::connect_addr(&socket).unwrap();
        listener.accept().await.unwrap();
    }
}
