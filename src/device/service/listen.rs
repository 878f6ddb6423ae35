//! Listening sockets. Who may stay is `access`'s to say.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::fs::{DirBuilderExt as _, FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::os::unix::net as std_net;
use std::path::{Path, PathBuf};

use thiserror::Error;
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

use super::ListenAddress;
use super::access::TlsError;

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
    /// TCP without TLS.
    #[error(
        "{0}: listening on TCP without TLS is refused, also on loopback: any app of the device can connect to a TCP port, \
         and reads and forges what others send over it. Make keys once with `candord keys --out DIRECTORY` and add \
         --keys DIRECTORY; or listen on unix:PATH, or on unix-abstract:NAME with `adb forward`, where the kernel says who \
         connects"
    )]
    Unprotected(SocketAddr),
    /// Certificates, keys or the token cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
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
    socket: Socket,
    /// Device and inode of our socket file.
    file: Option<(PathBuf, u64, u64)>,
}

enum Socket {
    Unix(UnixListener),
    Tcp(TcpListener),
}

/// A connection that nobody has judged yet.
pub(super) enum Arrival {
    Unix(UnixStream),
    Tcp(TcpStream, SocketAddr),
}

impl Listener {
    /// Listens. `mode` is that of a socket in the file system. Must be called within a runtime.
    pub(super) fn bind(address: &ListenAddress, mode: u32) -> Result<Self, ListenError> {
        match address {
            ListenAddress::Unix(path) => Self::bind_path(address, path, mode),
            ListenAddress::UnixAbstract(name) => Self::bind_abstract(address, name),
            ListenAddress::Tcp(socket) => Self::bind_tcp(address, *socket),
        }
    }

    /// The port, which the system chose when 0 was asked for.
    pub(super) fn tcp_address(&self) -> Option<SocketAddr> {
        match &self.socket {
            Socket::Tcp(listener) => listener.local_addr().ok(),
            Socket::Unix(_) => None,
        }
    }

    fn bind_path(address: &ListenAddress, path: &Path, mode: u32) -> Result<Self, ListenError> {
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
        let placed = fs::set_permissions(&hidden, fs::Permissions::from_mode(mode))
            .and_then(|()| fs::symlink_metadata(&hidden))
            .and_then(|made| fs::rename(&hidden, path).map(|()| made));
        let made = match placed {
            Ok(made) => made,
            Err(error) => {
                let _ = fs::remove_file(&hidden);
                return Err(failed("cannot create the socket with its mode")(error));
            }
        };
        let file = Some((path.to_owned(), made.dev(), made.ino()));
        let listener = into_tokio(listener).map_err(failed("cannot listen on the socket"))?;
        Ok(Self { socket: Socket::Unix(listener), file })
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
        Ok(Self { socket: Socket::Unix(listener), file: None })
    }

    fn bind_tcp(address: &ListenAddress, socket: SocketAddr) -> Result<Self, ListenError> {
        let failed = |source: io::Error| match source.kind() {
            io::ErrorKind::AddrInUse => ListenError::Taken { address: address.clone() },
            _ => ListenError::System {
                path: PathBuf::from(address.to_string()),
                action: "cannot listen on the port",
                source,
            },
        };
        let listener = std::net::TcpListener::bind(socket).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let listener = TcpListener::from_std(listener).map_err(failed)?;
        Ok(Self { socket: Socket::Tcp(listener), file: None })
    }

    /// The next connection, whoever it is from.
    pub(super) async fn accept(&self) -> io::Result<Arrival> {
        match &self.socket {
            Socket::Unix(listener) => listener.accept().await.map(|(stream, _)| Arrival::Unix(stream)),
            Socket::Tcp(listener) => listener.accept().await.map(|(stream, from)| Arrival::Tcp(stream, from)),
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

    #[tokio::test]
    async fn only_the_socket_of_a_dead_daemon_is_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("new/candord.sock");
        let address = ListenAddress::Unix(path.clone());

        let first = Listener::bind(&address, 0o600).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o600);
        assert!(matches!(Listener::bind(&address, 0o600), Err(ListenError::Taken { .. })));
        drop(first);
        assert!(!path.exists(), "the socket is removed with the listener");

        // A daemon that was killed leaves its socket behind.
        drop(std_net::UnixListener::bind(&path).unwrap());
        assert!(path.exists());
        let third = Listener::bind(&address, 0o666).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o666);
        drop(third);

        fs::write(&path, "no socket").unwrap();
        assert!(matches!(Listener::bind(&address, 0o600), Err(ListenError::NotASocket(_))));
        assert_eq!(fs::read(&path).unwrap(), b"no socket");
    }

    #[tokio::test]
    async fn an_abstract_name_is_taken_once() {
        let name = format!("candor-test-{}", std::process::id());
        let address = ListenAddress::UnixAbstract(name.clone());
        let listener = Listener::bind(&address, 0o600).unwrap();
        assert!(matches!(Listener::bind(&address, 0o600), Err(ListenError::Taken { .. })));
        let socket = std_net::SocketAddr::from_abstract_name(&name).unwrap();
        let _client = std_net::UnixStream::connect_addr(&socket).unwrap();
        listener.accept().await.unwrap();
    }
}
