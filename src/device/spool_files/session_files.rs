//! The files of one session: which segments there are, and reading them.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::missing::{DropReason, Families, MissingRange};
use super::place::Place;
use super::segment::{At, FrameAt, Placed, SegmentFile};
use crate::frames::FILE_HEADER_LENGTH;

/// A segment, as far as it is known without reading it.
#[derive(Debug, Clone)]
pub(super) struct Segment {
    pub(super) number: u64,
    /// Bytes up to the end of the last whole frame.
    pub(super) bytes: u64,
    pub(super) first_index: u64,
    pub(super) next_index: u64,
    /// Runs of event numbers that it holds, in order.
    pub(super) runs: Vec<(u64, u64)>,
    pub(super) from_ns: u64,
    pub(super) to_ns: u64,
    pub(super) families: Families,
    /// When the last frame was written, as far as is known.
    written: Instant,
    /// How old it was already when this daemon found it.
    age_when_found: Duration,
}

impl Segment {
    pub(super) fn new(number: u64, first_index: u64) -> Self {
        Self {
            number,
            bytes: FILE_HEADER_LENGTH as u64,
            first_index,
            next_index: first_index,
            runs: Vec::new(),
            from_ns: u64::MAX,
            to_ns: 0,
            families: Families::default(),
            written: Instant::now(),
            age_when_found: Duration::ZERO,
        }
    }

    /// The segment was there before this daemon was.
    pub(super) fn found(&mut self, age: Duration) {
        self.age_when_found = age;
    }

    /// Takes in a frame that ends at `end`.
    pub(super) fn add(&mut self, place: &Place, end: u64) {
        if self.next_index == self.first_index {
            self.first_index = place.first_index;
        }
        self.next_index = place.next_index();
        self.bytes = end;
        self.written = Instant::now();
        if place.events == 0 {
            return;
        }
        let first = place.events_before.saturating_add(1);
        match self.runs.last_mut() {
            Some(last) if last.1.saturating_add(1) == first => last.1 = place.last_sequence(),
            _ => self.runs.push((first, place.last_sequence())),
        }
        self.from_ns = self.from_ns.min(place.from_ns);
        self.to_ns = self.to_ns.max(place.to_ns);
        self.families = self.families.with(place.families);
    }

    fn age(&self) -> Duration {
        self.age_when_found.saturating_add(self.written.elapsed())
    }

    fn missing(&self, reason: DropReason) -> Vec<MissingRange> {
        let range = |&(first, last): &(u64, u64)| MissingRange {
            first,
            last,
            from_ns: self.from_ns,
            to_ns: self.to_ns,
            families: self.families,
            reason,
        };
        self.runs.iter().map(range).collect()
    }
}

#[derive(Debug, Default)]
pub(super) struct Index {
    pub(super) segments: VecDeque<Segment>,
    /// The session's directory is gone.
    removed: bool,
}

/// The files of one session, for readers.
#[derive(Debug)]
pub struct SessionFiles {
    pub(super) path: PathBuf,
    index: Mutex<Index>,
}

/// A place in the files: where the entry with an index is read next. Clones are places of their own.
#[derive(Debug, Clone, Default)]
pub struct Cursor {
    at: Option<CursorAt>,
}

#[derive(Debug, Clone)]
struct CursorAt {
    index: u64,
    segment: u64,
    offset: u64,
    file: SegmentFile,
}

/// What was read.
#[derive(Debug, Default)]
pub struct Read {
    /// Entries, in order; where indices are missing, the entries are.
    pub entries: Vec<Placed>,
    /// Events that were to be there and are damaged.
    pub damaged: Vec<MissingRange>,
}

/// How much the files hold.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Holding {
    /// Bytes.
    pub bytes: u64,
    /// Segments.
    pub segments: u64,
    /// The oldest event; 0 when there is none.
    pub first_sequence: u64,
}

pub(super) fn segment_name(number: u64) -> String {
    format!("{number:08}.spool")
}

pub(super) fn segment_number(name: &str) -> Option<u64> {
    name.strip_suffix(".spool").filter(|digits| digits.len() >= 8)?.parse().ok()
}

impl SessionFiles {
    pub(super) fn new(path: PathBuf, segments: VecDeque<Segment>) -> Self {
        Self { path, index: Mutex::new(Index { segments, removed: false }) }
    }

    pub(super) fn index(&self) -> MutexGuard<'_, Index> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How much there is.
    #[must_use]
    pub fn holding(&self) -> Holding {
        let index = self.index();
        let first = index.segments.iter().find_map(|segment| segment.runs.first());
        Holding {
            bytes: index.segments.iter().map(|segment| segment.bytes).sum(),
            segments: index.segments.len() as u64,
            first_sequence: first.map_or(0, |run| run.0),
        }
    }

    fn open(&self, segment: &Segment) -> io::Result<SegmentFile> {
        let file = File::open(self.path.join(segment_name(segment.number)))?;
        Ok(SegmentFile::new(file, segment.bytes))
    }

    /// Entries from `index` on, until there are about `bytes` of them; empty when no entry from there on is in the files.
    ///
    /// # Errors
    ///
    /// When a segment cannot be read.
    pub fn read(&self, cursor: &mut Cursor, index: u64, bytes: u64) -> io::Result<Read> {
        let mut read = Read::default();
        let mut spent = 0;
        let mut wanted = index;
        loop {
            let segment = self.index().segments.iter().find(|segment| segment.next_index > wanted).cloned();
            let Some(segment) = segment else { return Ok(read) };
            let mut at = match cursor.at.take() {
                Some(mut at) if at.index == wanted && at.segment == segment.number => {
                    at.file.extend(segment.bytes);
                    at
                }
                _ => CursorAt {
                    index: wanted,
                    segment: segment.number,
                    offset: FILE_HEADER_LENGTH as u64,
                    file: self.open(&segment)?,
                },
            };
            loop {
                let frame = match at.file.at(at.offset)? {
                    At::Frame(frame) => frame,
                    At::Damage(next) => {
                        at.offset = next;
                        continue;
                    }
                    At::End => {
                        wanted = wanted.max(segment.next_index);
                        break;
                    }
                };
                at.offset = frame.end();
                if frame.place.next_index() <= wanted {
                    continue;
                }
                spent += frame.end() - frame.offset;
                match at.file.entries(&frame)? {
                    Ok(entries) => read.entries.extend(entries.into_iter().filter(|placed| placed.index >= wanted)),
                    Err(what) => {
                        tracing::warn!(path = %self.path.display(), segment = segment.number, offset = frame.offset, what, "a frame of a spool is damaged");
                        read.damaged.extend(frame.place.missing());
                    }
                }
                wanted = frame.place.next_index();
                at.index = wanted;
                if spent >= bytes && !read.entries.is_empty() {
                    cursor.at = Some(at);
                    return Ok(read);
                }
            }
            // Kept, so that reading goes on where the segment grows.
            at.index = wanted;
            cursor.at = Some(at);
        }
    }

    /// The index of the entry after event number `before`, or of the first one after where that would be; `None` when the
    /// files hold nothing there.
    ///
    /// # Errors
    ///
    /// When a segment cannot be read.
    pub fn index_after(&self, before: u64) -> io::Result<Option<u64>> {
        let has = |segment: &&Segment| segment.runs.last().is_some_and(|run| run.1 >= before);
        let segment = self.index().segments.iter().find(has).cloned();
        let Some(segment) = segment else { return Ok(None) };
        let file = self.open(&segment)?;
        for frame in frames(&file)? {
            if frame.place.last_sequence() < before {
                continue;
            }
            if frame.place.events_before >= before {
                return Ok(Some(frame.place.first_index));
            }
            let Ok(entries) = file.entries(&frame)? else { return Ok(Some(frame.place.first_index)) };
            let skipped =
                entries.iter().find(|placed| placed.events > before || (placed.events == before && !placed.is_event()));
            return Ok(Some(skipped.map_or(frame.place.next_index(), |placed| placed.index)));
        }
        Ok(Some(segment.next_index))
    }

    /// Events up to number `from_sequence`, the newest first: at least `most` of them, when there are so many.
    ///
    /// # Errors
    ///
    /// When a segment cannot be read.
    pub fn read_back(&self, from_sequence: u64, most: usize) -> io::Result<Vec<Placed>> {
        let mut events = Vec::new();
        let segments: Vec<_> = self.index().segments.iter().cloned().collect();
        for segment in segments.iter().rev() {
            if segment.runs.first().is_none_or(|run| run.0 > from_sequence) {
                continue;
            }
            let file = match self.open(segment) {
                Ok(file) => file,
                // It went while we read.
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(events),
                Err(error) => return Err(error),
            };
            for frame in frames(&file)?.iter().rev() {
                if frame.place.events == 0 || frame.place.events_before >= from_sequence {
                    continue;
                }
                let Ok(entries) = file.entries(frame)? else { continue };
                let wanted = |placed: &Placed| placed.is_event() && placed.events <= from_sequence;
                events.extend(entries.into_iter().rev().filter(wanted));
                if events.len() >= most {
                    return Ok(events);
                }
            }
        }
        Ok(events)
    }

    /// Drops the oldest segment, and says what went with it. The newest segment stays.
    ///
    /// # Errors
    ///
    /// When it cannot be removed.
    pub(super) fn drop_oldest(&self, reason: DropReason) -> io::Result<Vec<MissingRange>> {
        let mut index = self.index();
        if index.segments.len() < 2 {
            return Ok(Vec::new());
        }
        let Some(segment) = index.segments.pop_front() else { return Ok(Vec::new()) };
        drop(index);
        remove_file(&self.path.join(segment_name(segment.number)))?;
        Ok(segment.missing(reason))
    }

    /// Whether the oldest segment, not being the newest, is older than this.
    pub(super) fn oldest_is_older(&self, age: Duration) -> bool {
        let index = self.index();
        index.segments.len() > 1 && index.segments.front().is_some_and(|segment| segment.age() > age)
    }

    /// Whether there is something, and all of it is older than this.
    #[must_use]
    pub fn is_older(&self, age: Duration) -> bool {
        self.index().segments.back().is_some_and(|newest| newest.age() > age)
    }

    /// Removes everything, and says what went with it.
    ///
    /// # Errors
    ///
    /// When it cannot be removed.
    pub fn remove(&self, reason: DropReason) -> io::Result<Vec<MissingRange>> {
        let mut index = self.index();
        index.removed = true;
        let segments = std::mem::take(&mut index.segments);
        drop(index);
        fs::remove_dir_all(&self.path).or_else(not_found_is_fine)?;
        Ok(segments.iter().flat_map(|segment| segment.missing(reason)).collect())
    }

    /// Whether the files were removed.
    #[must_use]
    pub fn is_removed(&self) -> bool {
        self.index().removed
    }
}

/// The whole frames of a segment, in order.
pub(super) fn frames(file: &SegmentFile) -> io::Result<Vec<FrameAt>> {
    let mut frames = Vec::new();
    let mut offset = FILE_HEADER_LENGTH as u64;
    loop {
        match file.at(offset)? {
            At::Frame(frame) => {
                offset = frame.end();
                frames.push(frame);
            }
            At::Damage(next) => offset = next,
            At::End => return Ok(frames),
        }
    }
}

pub(super) fn not_found_is_fine(error: io::Error) -> io::Result<()> {
    if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) }
}

fn remove_file(path: &Path) -> io::Result<()> {
    fs::remove_file(path).or_else(not_found_is_fine)
}
