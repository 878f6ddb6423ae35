//! A daemon inside this process, for `run` and `replay`.
//!
//! `host` never imports `device`, so the binary passes in how to start one.

use std::path::{Path, PathBuf};

use super::{CommandError, Exit};
use crate::host::client::Address;

/// What the embedded daemon shall be.
#[derive(Debug, Clone)]
pub struct EmbeddedRequest {
    /// Where it listens.
    pub socket: PathBuf,
    /// Where it may keep raw records.
    pub raw_captures: Option<PathBuf>,
    /// The capture it replays instead of tracing.
    pub replay: Option<PathBuf>,
}

/// A daemon that runs in this process.
pub trait EmbeddedDaemon: Send {
    /// Ends it: every probe is detached when this returns.
    fn shutdown(self: Box<Self>);
}

/// Starts a daemon; its socket is listening when this returns. Called outside any asynchronous runtime.
pub type StartEmbedded = fn(EmbeddedRequest) -> Result<Box<dyn EmbeddedDaemon>, CommandError>;

/// A daemon in this process with its private socket. Both end with it.
pub(super) struct PrivateDaemon {
    daemon: Option<Box<dyn EmbeddedDaemon>>,
    directory: TemporaryDirectory,
}

const SOCKET_NAME: &str = "candord.sock";

impl PrivateDaemon {
    pub(super) fn start(
        start: StartEmbedded,
        raw_captures: Option<PathBuf>,
        replay: Option<PathBuf>,
    ) -> Result<Self, CommandError> {
        let directory = TemporaryDirectory::create()?;
        let socket = directory.path().join(SOCKET_NAME);
        let daemon = start(EmbeddedRequest { socket, raw_captures, replay })?;
        Ok(Self { daemon: Some(daemon), directory })
    }

    pub(super) fn address(&self) -> Address {
        Address::Path(self.directory.path().join(SOCKET_NAME))
    }

    /// A directory that only this user may enter and that ends with the daemon.
    pub(super) fn directory(&self) -> &Path {
        self.directory.path()
    }
}

impl Drop for PrivateDaemon {
    fn drop(&mut self) {
        if let Some(daemon) = self.daemon.take() {
            daemon.shutdown();
        }
    }
}

/// A directory that only this user may enter, removed in the end.
pub(super) struct TemporaryDirectory(PathBuf);

impl TemporaryDirectory {
    pub(super) fn create() -> Result<Self, CommandError> {
        let template = std::env::temp_dir().join("candor-XXXXXX");
        nix::unistd::mkdtemp(&template).map(Self).map_err(|error| {
            let parent = template.parent().unwrap_or(&template);
            CommandError::new(
                Exit::CannotCreate,
                format!(
                    "cannot create a directory in {}: {} (TMPDIR names another place)",
                    parent.display(),
                    error.desc()
                ),
            )
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for TemporaryDirectory {
    fn drop(&mut self) {
        // Nobody is left to tell; the system clears the directory for temporary files.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
