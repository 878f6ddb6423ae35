//! The directory of all spools: taking it, and finding what a daemon before us left there.

use std::collections::VecDeque;
use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use nix::fcntl::{Flock, FlockArg, OFlag};
use nix::unistd::geteuid;
use prost::Message as _;
use thiserror::Error;

use super::missing::{self, MissingRange};
use super::segment::SegmentFile;
use super::session_files::{Segment, SessionFiles, frames, segment_name, segment_number};
use super::session_writer::{HEADER_NAME, MISSING_NAME, SessionBounds, SessionWriter, read_one};
use crate::event::{Phase, SessionEnd, SessionHeader, StreamEntry, Totals};
use crate::frames::{KIND_SPOOL_MISSING, KIND_STREAM_MESSAGES};
use crate::wire::proto;

const LOCK_NAME: &str = "lock";

/// Why a directory is not used for spools.
#[derive(Debug, Error)]
pub enum SpoolDirectoryError {
    /// The system refused.
    #[error("cannot use {} as the directory of spools: {source}", path.display())]
    System {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It is a symbolic link, or no directory.
    #[error(
        "{} is a symbolic link or no directory: whoever made it chooses where events are written. Name the directory itself",
        path.display()
    )]
    NotADirectory {
        /// The path.
        path: PathBuf,
    },
    /// It belongs to somebody else.
    #[error("{} belongs to user id {owner}, and events are written only where nobody else may: name another directory", path.display())]
    Owner {
        /// The directory.
        path: PathBuf,
        /// Its owner.
        owner: u32,
    },
    /// Others may look into it.
    #[error("{}: mode {mode:04o} lets other users in; run: chmod 700 {}", path.display(), path.display())]
    Exposed {
        /// The directory.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// Another daemon uses it.
    #[error("{} is in use by another candord: name another --spool-directory, or use --spool-in-memory", path.display())]
    Taken {
        /// The directory.
        path: PathBuf,
    },
}

/// A directory of spools that is ours alone.
#[derive(Debug)]
pub struct SpoolDirectory {
    path: PathBuf,
    /// The directory by our descriptor of it, so that nobody can put another one into its place afterwards.
    root: PathBuf,
    _directory: File,
    _lock: Flock<File>,
    bounds: SessionBounds,
}

/// A session that a daemon before us left.
#[derive(Debug)]
pub struct FoundSession {
    /// Its header.
    pub header: SessionHeader,
    /// Its files, to be gone on with.
    pub writer: SessionWriter,
    /// Events numbered, as far as the files tell.
    pub events: u64,
    /// The index after its last entry.
    pub next_index: u64,
    /// The time of its last event; 0 when there is none.
    pub last_ns: u64,
    /// The phase of its last event.
    pub phase: Option<Phase>,
    /// The last account in the files.
    pub totals: Option<Totals>,
    /// Its end; `None`: the daemon went before the session ended.
    pub end: Option<SessionEnd>,
    /// What was known to be missing.
    pub missing: Vec<MissingRange>,
}

impl SpoolDirectory {
    /// Takes a directory; makes it when it is missing.
    ///
    /// # Errors
    ///
    /// When it cannot be made, is no directory, is not ours alone, or is taken by another daemon.
    pub fn open(shown: &Path, bounds: SessionBounds) -> Result<Self, SpoolDirectoryError> {
        let system = |source| SpoolDirectoryError::System { path: shown.to_owned(), source };
        if let Err(error) = fs::symlink_metadata(shown)
            && error.kind() == io::ErrorKind::NotFound
        {
            DirBuilder::new().recursive(true).mode(0o700).create(shown).map_err(system)?;
        }
        let flags = OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let directory = File::options().read(true).custom_flags(flags.bits()).open(shown);
        let directory = directory.map_err(|source| match source.raw_os_error() {
            Some(code) if code == nix::errno::Errno::ELOOP as i32 || code == nix::errno::Errno::ENOTDIR as i32 => {
                SpoolDirectoryError::NotADirectory { path: shown.to_owned() }
            }
            _ => system(source),
        })?;
        let metadata = directory.metadata().map_err(system)?;
        if metadata.uid() != geteuid().as_raw() {
            return Err(SpoolDirectoryError::Owner { path: shown.to_owned(), owner: metadata.uid() });
        }
        let mode = metadata.mode() & 0o7777;
        if mode & 0o077 != 0 {
            return Err(SpoolDirectoryError::Exposed { path: shown.to_owned(), mode });
        }
        let root = PathBuf::from(format!("/proc/self/fd/{}", directory.as_raw_fd()));
        let lock = File::options()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .custom_flags(OFlag::O_NOFOLLOW.bits())
            .open(root.join(LOCK_NAME))
            .map_err(system)?;
        let lock = Flock::lock(lock, FlockArg::LockExclusiveNonblock).map_err(|(_, errno)| match errno {
            nix::errno::Errno::EWOULDBLOCK => SpoolDirectoryError::Taken { path: shown.to_owned() },
            other => system(other.into()),
        })?;
        Ok(Self { path: shown.to_owned(), root, _directory: directory, _lock: lock, bounds })
    }

    /// Its path, as it was given.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes the files of a session.
    ///
    /// # Errors
    ///
    /// When they cannot be made.
    pub fn create(&self, header: &SessionHeader) -> io::Result<SessionWriter> {
        SessionWriter::create(&self.root.join(&header.session_id), header, self.bounds)
    }

    /// What a daemon before us left, oldest first. What cannot be read is left alone and said in the log. `wall_ns` is the
    /// time now, in nanoseconds since 1970: it tells how old the files are. From here on their age is counted by a clock
    /// that nobody sets.
    ///
    /// # Errors
    ///
    /// When the directory itself cannot be read.
    pub fn find(&self, wall_ns: u64) -> Result<Vec<FoundSession>, SpoolDirectoryError> {
        let system = |source| SpoolDirectoryError::System { path: self.path.clone(), source };
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.root).map_err(system)? {
            let entry = entry.map_err(system)?;
            // Ours are directories; a symbolic link is none.
            if !entry.file_type().map_err(system)?.is_dir() {
                continue;
            }
            match find_session(&entry.path(), self.bounds, wall_ns) {
                Ok(session) => found.push(session),
                Err(error) => {
                    tracing::warn!(directory = %self.path.display(), session = ?entry.file_name(), %error, "a spool cannot be read and is left alone");
                }
            }
        }
        found.sort_by_key(|session| (session.header.started.wall_ns, session.header.started.boot_ns));
        Ok(found)
    }
}

fn find_session(path: &Path, bounds: SessionBounds, wall_ns: u64) -> io::Result<FoundSession> {
    let bad = |what: String| io::Error::new(io::ErrorKind::InvalidData, what);
    let message = read_one(&path.join(HEADER_NAME), KIND_STREAM_MESSAGES)?;
    let message = proto::StreamEventsResponse::decode(&message[..]).map_err(|error| bad(error.to_string()))?;
    let header = message.entries.into_iter().next().map(StreamEntry::try_from);
    let Some(Ok(StreamEntry::Header(header))) = header else {
        return Err(bad("its header is none".to_owned()));
    };
    if path.file_name().and_then(|name| name.to_str()) != Some(header.session_id.as_str()) {
        return Err(bad(format!("it holds session {}", header.session_id)));
    }
    // Losing the description loses no hole: those are seen in the numbers.
    let missing = read_one(&path.join(MISSING_NAME), KIND_SPOOL_MISSING).map(|bytes| missing::decode(&bytes));

    let mut numbers: Vec<u64> = Vec::new();
    for entry in fs::read_dir(path)? {
        numbers.extend(entry?.file_name().to_str().and_then(segment_number));
    }
    numbers.sort_unstable();
    let next_segment = numbers.last().map_or(1, |last| last + 1);
    let mut segments = VecDeque::new();
    let mut last = Last::default();
    for number in numbers {
        if let Some(segment) = find_segment(path, number, wall_ns, &mut last)? {
            segments.push_back(segment);
        }
    }
    let Last { events, next_index, last_ns, phase, totals, end } = last;
    let writer = SessionWriter::after(Arc::new(SessionFiles::new(path.to_owned(), segments)), bounds, next_segment);
    let missing = missing.unwrap_or_default();
    Ok(FoundSession { header: *header, writer, events, next_index, last_ns, phase, totals, end, missing })
}

/// What the last frames say.
#[derive(Default)]
struct Last {
    events: u64,
    next_index: u64,
    last_ns: u64,
    phase: Option<Phase>,
    totals: Option<Totals>,
    end: Option<SessionEnd>,
}

/// Reads where the entries of a segment belong, without reading them; but for the last frames, which tell how the session
/// stood. A torn last frame is cut off, because that is what a daemon that was killed leaves.
fn find_segment(path: &Path, number: u64, wall_ns: u64, last: &mut Last) -> io::Result<Option<Segment>> {
    let path = path.join(segment_name(number));
    let metadata = fs::symlink_metadata(&path)?;
    if !metadata.is_file() {
        return Ok(None);
    }
    let file = SegmentFile::new(File::open(&path)?, metadata.len());
    if !file.is_ours()? {
        tracing::warn!(path = %path.display(), "this is no segment of a spool, or one of another version");
        return Ok(None);
    }
    let frames = frames(&file)?;
    let mut segment = Segment::new(number, last.next_index);
    for frame in &frames {
        segment.add(&frame.place, frame.end());
        last.next_index = last.next_index.max(frame.place.next_index());
        last.events = last.events.max(frame.place.last_sequence());
        last.last_ns = last.last_ns.max(frame.place.to_ns);
    }
    let written = metadata.modified().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok()).unwrap_or_default();
    segment.found(Duration::from_nanos(wall_ns).saturating_sub(written));
    // The newest frame that has an account, and the newest that has an event.
    let (mut totals, mut phase) = (None, None);
    for frame in frames.iter().rev() {
        let Ok(entries) = file.entries(frame)? else { continue };
        for placed in entries.iter().rev() {
            match &*placed.entry {
                StreamEntry::End(end) if last.end.is_none() => last.end = Some((**end).clone()),
                StreamEntry::Totals(of) if totals.is_none() => totals = Some((**of).clone()),
                StreamEntry::Event(event) if phase.is_none() => phase = Some(event.phase.clone()),
                _ => {}
            }
        }
        if totals.is_some() && phase.is_some() {
            break;
        }
    }
    last.totals = totals.or(last.totals.take());
    last.phase = phase.or(last.phase.take());
    Ok(Some(segment))
}
