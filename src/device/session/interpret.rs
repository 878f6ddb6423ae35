//! The way from a raw record to events, as the pipeline sees it.

use std::io;
use std::path::Path;

use crate::device::probe::RawBatch;
use crate::event::{Event, PackageList, Phase, ProbeId, Selection, SessionEnd, SessionHeader};

/// Decoding and attribution of one session's records.
///
/// A trait, so that sessions are tested without a decoder, and so that only `daemon` knows every stage.
pub trait Interpreter: Send {
    /// Turns one record into events, appended to `events` (their sequence and phase are set later). What it cannot
    /// decode it names by a short snake-case reason, as in [`crate::event::StageTotals::dropped`].
    ///
    /// # Errors
    ///
    /// When the record cannot be decoded. Events appended before still count.
    fn interpret(
        &mut self,
        probe: ProbeId,
        record: &[u8],
        events: &mut Vec<Event>,
    ) -> Result<Interpretation, &'static str>;

    /// Turns what is still incomplete into events, because nothing more comes: requests whose reply was not seen.
    fn finish(&mut self, _events: &mut Vec<Event>) -> Interpretation {
        Interpretation::default()
    }
}

/// What became of one record.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Interpretation {
    /// Acts that decoding made of it. May be 0: a record can have nothing to tell.
    pub observations: usize,
}

/// What a session needs before it begins.
pub struct Preparation {
    /// The packages that the header names, and the attribution knows.
    pub packages: PackageList,
    /// For the session alone.
    pub interpreter: Box<dyn Interpreter>,
}

/// Makes the [`Preparation`] of a session that traces the selection. May read files.
pub type Prepare = Box<dyn Fn(&Selection) -> Preparation + Send + Sync>;

/// Reads the device's packages, as of now.
pub type ReadPackages = Box<dyn Fn() -> PackageList + Send + Sync>;

/// Reads the numbers of the device's users, as of now; the first is always there.
pub type ReadUsers = Box<dyn Fn() -> Vec<u32> + Send + Sync>;

/// Where a session's raw records are kept, for replay. A trait for the reasons of [`Interpreter`].
pub trait RawKeeper: Send {
    /// Keeps records, in order.
    ///
    /// # Errors
    ///
    /// When they cannot be written.
    fn records(&mut self, batch: &RawBatch) -> io::Result<()>;

    /// Keeps a phase mark at its place among the records.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    fn phase_mark(&mut self, time_ns: u64, phase: &Phase, note: &str) -> io::Result<()>;

    /// Completes the capture. Without this it is one that was cut short.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    fn finish(self: Box<Self>, end: &SessionEnd) -> io::Result<()>;
}

/// Creates a raw capture at the path.
pub type CreateKeeper = Box<dyn Fn(&Path, &SessionHeader) -> io::Result<Box<dyn RawKeeper>> + Send + Sync>;
