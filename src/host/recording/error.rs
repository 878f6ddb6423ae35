//! Why a recording cannot be written or opened.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

/// Why a recording cannot be written or opened. Damage inside one is not an error: see [`super::RecordingCondition`].
#[derive(Debug, Error)]
pub enum RecordingError {
    /// The output exists.
    #[error("{} exists already; choose another name, or give --force to replace it", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// The output cannot be created.
    #[error("cannot create the recording {}: {source}", path.display())]
    Create {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Writing failed on the way.
    #[error(
        "writing the recording {} failed: {source}{}; {kept_events} events in {kept_bytes} bytes were kept and stay \
         readable, as a truncated recording",
        path.display(),
        way_out(source)
    )]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
        /// Events in the whole frames that were written.
        kept_events: u64,
        /// The length of the file's readable part.
        kept_bytes: u64,
    },
    /// The input does not exist or may not be read.
    #[error("cannot open the recording {}: {source}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The input is not a recording.
    #[error("{} is not a Candor recording{}", path.display(), hint(found))]
    NotARecording {
        /// The file.
        path: PathBuf,
        /// What it looks like instead.
        found: LooksLike,
    },
    /// The input has a format of the future.
    #[error(
        "{} has recording format {found}, and this version of candor reads format {}; use the version that wrote it, or \
         a newer one",
        path.display(),
        super::FORMAT_NUMBER
    )]
    UnknownFormat {
        /// The file.
        path: PathBuf,
        /// Its format number.
        found: u16,
    },
}

/// What a file that is not a recording looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LooksLike {
    /// Nothing is in it.
    Empty,
    /// A directory.
    Directory,
    /// JSON text, perhaps a recording written by hand.
    Json,
    /// A capture of raw records.
    RawCapture,
    /// Anything else.
    Unknown,
}

fn hint(found: &LooksLike) -> &'static str {
    match found {
        LooksLike::Empty => ": it is empty",
        LooksLike::Directory => ": it is a directory",
        LooksLike::Json => ": it looks like JSON; `candor import FILE -o OUT.candor` makes a recording of NDJSON",
        LooksLike::RawCapture => {
            ": it looks like a capture of raw records; `candor replay FILE -o OUT.candor` makes a recording of it"
        }
        LooksLike::Unknown => "",
    }
}

fn way_out(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => " (make room, or record to another file system)",
        _ => "",
    }
}
