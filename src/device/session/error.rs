//! Why a session cannot do what was asked.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use crate::device::event_bus::{OutOfRange, WatchError};
use crate::event::{FilterError, PhaseError, SelectionError};

/// Why a session cannot do what was asked.
#[derive(Debug, Error)]
pub enum SessionError {
    /// No session of this id.
    #[error("there is no session {0:?}; list the sessions to see what there is")]
    NotFound(String),
    /// The selection means nothing.
    #[error("{0}")]
    Selection(#[from] SelectionError),
    /// The selection names a process that does not exist.
    #[error("process {0} of the selection does not exist; it may have ended, or be in another pid namespace")]
    NoSuchProcess(u32),
    /// The selection names a package that the device does not have.
    #[error(
        "the device has no package {package:?}{}; candor apps lists what it has, and --await-install waits for one",
        why(.read_error)
    )]
    UnknownPackage {
        /// The package.
        package: String,
        /// Why the device's list could not be read; empty when it was.
        read_error: String,
    },
    /// A phase name is malformed.
    #[error("{0}")]
    Phase(#[from] PhaseError),
    /// A text is longer than it may be.
    #[error("the {field} is {length} bytes long; at most {limit} are taken")]
    TooLong {
        /// Which field.
        field: &'static str,
        /// Its length, in bytes.
        length: usize,
        /// The longest taken, in bytes.
        limit: usize,
    },
    /// No probe that traces works here.
    #[error("no probe works here, so nothing can be traced: {0}")]
    NoProbe(String),
    /// Every slot is taken.
    #[error("{limit} sessions are running, which is the limit; stop one first")]
    TooManySessions {
        /// The limit.
        limit: usize,
    },
    /// The session has ended.
    #[error("session {0} has ended")]
    Ended(String),
    /// Only the owner may.
    #[error(
        "session {session_id} is owned, and {}: only who has the token that its start returned may mark or stop it (candor \
         --owner FILE)",
        if *.shown { "this is not its owner's token" } else { "no owner's token was shown" }
    )]
    NotOwner {
        /// The session.
        session_id: String,
        /// Whether a token was shown.
        shown: bool,
    },
    /// The system gives no random numbers.
    #[error("cannot make a token for the session's owner: {0}")]
    NoRandomNumbers(io::Error),
    /// A later sequence number than there is was asked for.
    #[error("{0}")]
    OutOfRange(#[from] OutOfRange),
    /// A filter is malformed.
    #[error("{0}")]
    Filter(#[from] FilterError),
    /// A watch means nothing.
    #[error("{0}")]
    Watch(#[from] WatchError),
    /// Raw records are to be kept and nobody said where.
    #[error("the daemon was started without a directory for raw captures; start it with --raw-captures DIR")]
    NoCaptureDirectory,
    /// The raw capture cannot be created.
    #[error("cannot create the raw capture {}: {source}", path.display())]
    Capture {
        /// Its path.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The daemon replays a capture, and that is done once.
    #[error("the capture was already replayed as session {0}; start the daemon again to replay it once more")]
    AlreadyReplayed(String),
    /// Phases of a replayed session come from the capture.
    #[error("session {0} is replayed; its phases come from the capture")]
    Replayed(String),
    /// The daemon shuts down.
    #[error("the daemon shuts down")]
    ShuttingDown,
    /// A part of the daemon ended that should not have.
    #[error("{0} has ended unexpectedly; the daemon's log says why")]
    Broken(&'static str),
}

fn why(read_error: &str) -> String {
    if read_error.is_empty() { String::new() } else { format!(" (its list could not be read: {read_error})") }
}
