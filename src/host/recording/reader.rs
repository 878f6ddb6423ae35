//! Reads a recording.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, SyncSender, TryRecvError, channel, sync_channel};
use std::thread;

use prost::Message as _;

use super::frame::{self, FileHeader, Packed, Scanned, Scanner, Unpacker};
use super::sequence::SequenceCheck;
use super::{Damage, LooksLike, RecordingCondition, RecordingError};
use crate::event::StreamEntry;
use crate::wire::proto;

/// Reads a recording in bounded memory: an iterator over its entries, in order, that skips what is damaged.
///
/// After the last entry, [`RecordingReader::condition`] says how whole the recording was.
pub struct RecordingReader {
    scanner: Scanner<Box<dyn Read + Send>>,
    decoder: Decoder,
    told: std::vec::IntoIter<Told<()>>,
    entries: std::vec::IntoIter<StreamEntry>,
    progress: Progress,
    ended: bool,
}

/// How far a recording was read, and how whole it was so far. Frames may be decoded beside each other; what is in them is
/// judged here, in the order of the file.
#[derive(Default)]
struct Progress {
    /// Where the frame of the entries that come is.
    frame: (u64, u64),
    sequence: SequenceCheck,
    condition: RecordingCondition,
}

/// A frame with its entries, each as far as it could be understood; or why the frame holds none.
struct Decoded<F> {
    offset: u64,
    length: u64,
    entries: Result<Entries<F>, Undecoded>,
}

/// The entries of a frame. What is told of them lies apart, so that whoever is content with that need not fetch the entries
/// themselves, which another processor has just written.
struct Entries<F> {
    told: Vec<Told<F>>,
    /// Those that were understood.
    entries: Vec<StreamEntry>,
}

impl<F> Default for Entries<F> {
    fn default() -> Self {
        Self { told: Vec::new(), entries: Vec::new() }
    }
}

/// What is told of one entry.
enum Told<F> {
    /// An event of this number, and what was found out about it.
    Event(u64, F),
    /// Another entry.
    Other(F),
    /// It could not be understood.
    Broken(String),
}

/// Why a frame has no entries.
enum Undecoded {
    /// It cannot be decompressed.
    Unreadable(String),
    /// What is in it is no message.
    NoMessage(String),
}

/// The one way from a frame of the file to entries. Memory is used again for the next frame.
struct Decoder {
    unpacker: Unpacker,
    bytes: Vec<u8>,
    message: proto::StreamEventsResponse,
}

impl Decoder {
    fn new() -> io::Result<Self> {
        Ok(Self { unpacker: Unpacker::new()?, bytes: Vec::new(), message: proto::StreamEventsResponse::default() })
    }

    /// Decodes a frame; `look` is given each entry, and whether it is the frame's first. `spare` is filled.
    fn decode<F>(
        &mut self,
        packed: &Packed,
        spare: Entries<F>,
        look: &mut impl FnMut(bool, &StreamEntry) -> F,
    ) -> Decoded<F> {
        let entries = self.entries(packed, spare, look);
        Decoded { offset: packed.offset, length: packed.length, entries }
    }

    fn entries<F>(
        &mut self,
        packed: &Packed,
        spare: Entries<F>,
        look: &mut impl FnMut(bool, &StreamEntry) -> F,
    ) -> Result<Entries<F>, Undecoded> {
        self.unpacker.unpack(packed, &mut self.bytes).map_err(Undecoded::Unreadable)?;
        self.message.entries.clear();
        self.message
            .merge(self.bytes.as_slice())
            .map_err(|error| Undecoded::NoMessage(format!("a frame holds no stream message: {error}")))?;
        let Entries { mut told, mut entries } = spare;
        told.clear();
        entries.clear();
        for entry in self.message.entries.drain(..) {
            told.push(match StreamEntry::try_from(entry) {
                Ok(entry) => {
                    let found = look(entries.is_empty(), &entry);
                    let sequence = if let StreamEntry::Event(event) = &entry { Some(event.sequence) } else { None };
                    entries.push(entry);
                    match sequence {
                        Some(sequence) => Told::Event(sequence, found),
                        None => Told::Other(found),
                    }
                }
                Err(error) => Told::Broken(format!("an entry could not be understood: {error}")),
            });
        }
        Ok(Entries { told, entries })
    }
}

impl Progress {
    /// The entries of the next frame; none when it holds none.
    fn frame<F>(&mut self, decoded: Decoded<F>) -> Entries<F> {
        let Decoded { offset, length, entries } = decoded;
        self.frame = (offset, length);
        match entries {
            Ok(entries) => return entries,
            Err(Undecoded::Unreadable(reason)) => self.condition.add_damage(Damage { offset, length, reason }),
            Err(Undecoded::NoMessage(reason)) => self.damaged_frame(reason),
        }
        Entries::default()
    }

    /// Whether the next entry of the current frame counts. `entry` is it, unless it is broken.
    fn counts<F>(&mut self, told: &Told<F>, entry: Option<&StreamEntry>) -> bool {
        match (told, entry) {
            (Told::Broken(reason), _) => {
                self.damaged_frame(reason.clone());
                return false;
            }
            _ if self.condition.complete => {
                self.damaged_frame("entries follow the end of the stream and were left out".to_owned());
                return false;
            }
            (Told::Event(sequence, _), _) => self.sequence.event(*sequence, &mut self.condition),
            (Told::Other(_), Some(entry)) => self.sequence.follow(entry, &mut self.condition),
            (Told::Other(_), None) => return false,
        }
        true
    }

    /// Gives the entries of a frame that count to `each`.
    fn hand_over<F>(&mut self, frame: &Entries<F>, each: &mut impl FnMut(&StreamEntry, &F)) {
        let mut entries = frame.entries.iter();
        for told in &frame.told {
            let entry = if matches!(told, Told::Broken(_)) { None } else { entries.next() };
            if self.counts(told, entry)
                && let (Told::Event(_, found) | Told::Other(found), Some(entry)) = (told, entry)
            {
                each(entry, found);
            }
        }
    }

    fn damaged_frame(&mut self, reason: String) {
        let (offset, length) = self.frame;
        // One report for each frame: the next bad entry of the same frame adds nothing that a reader could act on.
        if self.condition.damage.last().is_none_or(|last| last.offset != offset) {
            self.condition.add_damage(Damage { offset, length, reason });
        }
    }
}

impl std::fmt::Debug for RecordingReader {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("RecordingReader").field("condition", &self.progress.condition).finish_non_exhaustive()
    }
}

impl RecordingReader {
    /// Opens a recording.
    ///
    /// # Errors
    ///
    /// When the file cannot be opened, is not a recording, or has a format of the future.
    pub fn open(path: &Path) -> Result<Self, RecordingError> {
        let open_error = |source| RecordingError::Open { path: path.to_owned(), source };
        let file = File::open(path).map_err(open_error)?;
        if file.metadata().map_err(open_error)?.is_dir() {
            return Err(RecordingError::NotARecording { path: path.to_owned(), found: LooksLike::Directory });
        }
        Self::from_reader(Box::new(file), path)
    }

    /// Reads a recording from anything that can be read; `path` is for messages only.
    ///
    /// # Errors
    ///
    /// As [`Self::open`].
    pub fn from_reader(input: Box<dyn Read + Send>, path: &Path) -> Result<Self, RecordingError> {
        let mut scanner = Scanner::new(input);
        let decoder = Decoder::new().map_err(|source| RecordingError::Open { path: path.to_owned(), source })?;
        let mut progress = Progress::default();
        read_file_header(&mut scanner, path.to_owned(), &mut progress.condition)?;
        let (told, entries) = (Vec::new().into_iter(), Vec::new().into_iter());
        Ok(Self { scanner, decoder, told, entries, progress, ended: false })
    }

    /// How whole the recording is, as far as it was read; final when the iterator has ended.
    #[must_use]
    pub fn condition(&self) -> &RecordingCondition {
        &self.progress.condition
    }

    /// Gives every entry to `each`, in order, while other threads decompress and decode what comes next; then says how whole
    /// the recording is. The same entries and the same condition as by iterating, and memory is bounded as well.
    ///
    /// Each of the threads makes itself a look by `looks`, which is given each of its entries, and whether it is the
    /// first of a stretch that nothing came before; what it gives goes to `each`. The calling thread decodes too, whenever it
    /// would have to wait.
    ///
    /// # Errors
    ///
    /// When a thread cannot be started, or breaks off.
    pub fn read_beside<F: Send, L: FnMut(bool, &StreamEntry) -> F + Send>(
        self,
        looks: impl Fn() -> L,
        mut each: impl FnMut(&StreamEntry, &F),
    ) -> io::Result<RecordingCondition> {
        let Self { mut scanner, mut progress, decoder, .. } = self;
        let helpers = thread::available_parallelism().map_or(1, usize::from).clamp(1, MOST_THREADS) - 1;
        let (give, take) = channel::<Job<F>>();
        let jobs = Mutex::new(take);
        thread::scope(|scope| {
            let mut threads = Vec::new();
            for _ in 0..helpers {
                let mut helper = Helper::new(Decoder::new()?, looks());
                let jobs = &jobs;
                threads.push(thread::Builder::new().name("decode".to_owned()).spawn_scoped(scope, move || {
                    // The lock is free again before the job is done.
                    while let Ok(job) = jobs.lock().map_err(drop).and_then(|jobs| jobs.recv().map_err(drop)) {
                        helper.does(job);
                    }
                })?);
            }
            let mut own = Helper::new(decoder, looks());
            let next_job = || jobs.try_lock().ok()?.try_recv().ok();
            // In the order of the file: damage at its place, and where the entries of a frame will come from.
            let mut coming: VecDeque<Result<Receiver<Done<F>>, Damage>> = VecDeque::new();
            let mut scanned = true;
            loop {
                while scanned && coming.len() < FRAMES_AHEAD * (helpers + 1) {
                    match scanner.next() {
                        None => scanned = false,
                        Some(Scanned::Damage(damage)) => coming.push_back(Err(damage)),
                        Some(Scanned::Frame(packed)) => {
                            let (done, receive) = sync_channel(1);
                            // The other end is `jobs`, which outlives this.
                            let _ = give.send(Job { packed, done });
                            coming.push_back(Ok(receive));
                        }
                    }
                }
                let done = match coming.pop_front() {
                    None => break,
                    Some(Err(damage)) => {
                        progress.condition.add_damage(damage);
                        continue;
                    }
                    Some(Ok(receive)) => loop {
                        match receive.try_recv() {
                            Ok(done) => break Some(done),
                            Err(TryRecvError::Disconnected) => break None,
                            Err(TryRecvError::Empty) => {}
                        }
                        match next_job() {
                            Some(job) => own.does(job),
                            None => break receive.recv().ok(),
                        }
                    },
                };
                // A thread that broke off is found out below.
                let Some(Done { decoded, spare }) = done else { break };
                let frame = progress.frame(decoded);
                progress.hand_over(&frame, &mut each);
                // When the thread is through already, what is given back is freed here.
                let _ = spare.send(frame);
            }
            // Whoever waits for more learns that there is none.
            drop(give);
            // Every one is waited for.
            let broken = threads.into_iter().map(|thread| thread.join()).filter(Result::is_err).count();
            if broken == 0 { Ok(()) } else { Err(io::Error::other("reading the recording broke off unexpectedly")) }
        })?;
        progress.sequence.finish(&mut progress.condition);
        Ok(progress.condition)
    }
}

/// Threads that decode, with the calling one: more do not help, because the entries are looked at by one.
const MOST_THREADS: usize = 5;
/// Frames on their way for each of them. A frame is a quarter of a megabyte, and ten times that when decoded.
const FRAMES_AHEAD: usize = 4;

/// A frame to decode, and who waits for it.
struct Job<F> {
    packed: Packed,
    done: SyncSender<Done<F>>,
}

/// A frame that is decoded, and who is glad of its memory afterwards.
struct Done<F> {
    decoded: Decoded<F>,
    spare: Sender<Entries<F>>,
}

/// A thread's means to decode.
struct Helper<F, L> {
    decoder: Decoder,
    look: L,
    give_back: Sender<Entries<F>>,
    /// What a thread has allocated it frees fastest itself, and fills again.
    given_back: Receiver<Entries<F>>,
}

impl<F, L: FnMut(bool, &StreamEntry) -> F> Helper<F, L> {
    fn new(decoder: Decoder, look: L) -> Self {
        let (give_back, given_back) = channel();
        Self { decoder, look, give_back, given_back }
    }

    fn does(&mut self, Job { packed, done }: Job<F>) {
        let spare = self.given_back.try_iter().last().unwrap_or_default();
        let decoded = self.decoder.decode(&packed, spare, &mut self.look);
        // Nobody waits any more when the reading broke off.
        let _ = done.send(Done { decoded, spare: self.give_back.clone() });
    }
}

/// Reads the file header, or finds out what the file is instead.
fn read_file_header(
    scanner: &mut Scanner<Box<dyn Read + Send>>,
    path: PathBuf,
    condition: &mut RecordingCondition,
) -> Result<(), RecordingError> {
    let held = scanner.peek(frame::FILE_HEADER_LENGTH + frame::FRAME_HEADER_LENGTH);
    match frame::read_file_header(held) {
        FileHeader::Good => {}
        FileHeader::OtherFormat(found) => return Err(RecordingError::UnknownFormat { path, found }),
        // The file header alone is damaged when a frame begins where the first one belongs.
        FileHeader::Bad if held.get(frame::FILE_HEADER_LENGTH..).is_some_and(frame::frame_begins) => {
            condition.add_damage(Damage {
                offset: 0,
                length: frame::FILE_HEADER_LENGTH as u64,
                reason: "the file header is damaged".to_owned(),
            });
        }
        FileHeader::Bad => return Err(RecordingError::NotARecording { path, found: looks_like(held) }),
    }
    scanner.consume(frame::FILE_HEADER_LENGTH);
    Ok(())
}

fn looks_like(bytes: &[u8]) -> LooksLike {
    if bytes.is_empty() {
        LooksLike::Empty
    } else if bytes.trim_ascii_start().starts_with(b"{") {
        LooksLike::Json
    } else {
        LooksLike::Unknown
    }
}

impl Iterator for RecordingReader {
    type Item = StreamEntry;

    fn next(&mut self) -> Option<StreamEntry> {
        loop {
            if self.ended {
                return None;
            }
            if let Some(told) = self.told.next() {
                let entry = if matches!(told, Told::Broken(_)) { None } else { self.entries.next() };
                if self.progress.counts(&told, entry.as_ref()) && entry.is_some() {
                    return entry;
                }
                continue;
            }
            match self.scanner.next() {
                None => {
                    self.ended = true;
                    self.progress.sequence.finish(&mut self.progress.condition);
                }
                Some(Scanned::Damage(damage)) => self.progress.condition.add_damage(damage),
                Some(Scanned::Frame(packed)) => {
                    let decoded = self.decoder.decode(&packed, Entries::default(), &mut |_, _| ());
                    let Entries { told, entries } = self.progress.frame(decoded);
                    (self.told, self.entries) = (told.into_iter(), entries.into_iter());
                }
            }
        }
    }
}
