//! Probes: where raw records come from.
//!
//! * **In:** the kernel, `/proc`, or a file. **Out:** [`RawBatch`]es in the layout of `ebpf/programs/shared_layout.h`.
//! * **May import:** `event`, `nix`, `procfs`, and `aya` under `ebpf/` only. Never a later stage, never a sibling probe.
//! * **Test it:** `cargo test device::probe`; the eBPF tests need root and are run by `scripts/test`.

pub mod binder_driver;
pub mod binder_log;
pub mod ebpf;
pub mod importance;
pub mod platform;
pub mod process_names;
pub mod process_scan;
pub mod procfs;
pub mod ptrace;
mod raw_record;
pub mod record_layout;
pub mod replay;
pub mod tiers;

pub use raw_record::RawBatch;

use std::collections::BTreeSet;
use std::time::Duration;

use thiserror::Error;

use crate::event::{ProbeId, ProbeStatus, ProgramCounters, Selection};

/// A session's place in the 64-bit set that kernel programs keep for each traced process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionSlot(u8);

impl SessionSlot {
    /// How many slots there are.
    pub const COUNT: u8 = 64;

    /// The slot of this number, if there is one.
    #[must_use]
    pub fn new(number: u8) -> Option<Self> {
        (number < Self::COUNT).then_some(Self(number))
    }

    /// Its number.
    #[must_use]
    pub fn number(self) -> u8 {
        self.0
    }

    /// Its bit.
    #[must_use]
    pub fn bit(self) -> u64 {
        1 << self.0
    }
}

/// A source of raw records. It is driven by one thread, which calls its methods one at a time.
pub trait Probe: Send {
    /// Which probe it is.
    fn id(&self) -> ProbeId;

    /// Whether it sees what happens while something is selected; `false` for a list that is made once, and for names.
    fn traces(&self) -> bool {
        true
    }

    /// What it gives for each family it is concerned with, and why not more.
    fn statuses(&self) -> Vec<ProbeStatus>;

    /// Begins to trace `selection` for `slot`. Records that describe what is already there (running processes, open
    /// files) are appended to `batch`.
    ///
    /// # Errors
    ///
    /// When the selection cannot be traced; then nothing of it is.
    fn select(&mut self, slot: SessionSlot, selection: &Selection, batch: &mut RawBatch) -> Result<(), ProbeError>;

    /// Stops tracing for `slot`. Final totals of what is still open are appended to `batch`; records made before may
    /// still come out of [`Probe::poll`].
    fn deselect(&mut self, slot: SessionSlot, batch: &mut RawBatch);

    /// Waits at most `timeout` for records and appends what there is to `batch`, up to a bound of the probe's own.
    ///
    /// # Errors
    ///
    /// When the source is broken for good.
    fn poll(&mut self, timeout: Duration, batch: &mut RawBatch) -> Result<PollState, ProbeError>;

    /// Traces more user ids for a session that was selected before.
    ///
    /// # Errors
    ///
    /// When they cannot be traced; the session's other targets still are.
    fn extend(
        &mut self,
        _slot: SessionSlot,
        _user_ids: &BTreeSet<u32>,
        _batch: &mut RawBatch,
    ) -> Result<(), ProbeError> {
        Ok(())
    }

    /// User ids that sessions waited for and that are to be traced from now on, since the last call: those of packages that
    /// were installed meanwhile.
    fn wanted(&mut self) -> Vec<(SessionSlot, BTreeSet<u32>)> {
        Vec::new()
    }

    /// The accounts, cumulative since the probe was made.
    fn counters(&self) -> ProbeCounters;
}

/// What a poll found out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PollState {
    /// There may be more at once.
    More,
    /// Nothing more for now.
    Idle,
    /// Nothing more for ever: the replayed file has ended.
    Ended,
}

/// A probe's accounts. Cumulative, never reset by reading.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProbeCounters {
    /// By kernel program.
    pub programs: Vec<ProgramCounters>,
    /// Records lost before they could be polled: slot, reason, how many. A record of several slots counts for each.
    pub lost: Vec<(SessionSlot, &'static str, u64)>,
}

/// Why a probe cannot do what was asked.
#[derive(Debug, Error)]
pub enum ProbeError {
    /// The kernel or the system refused.
    #[error("{action}: {source}")]
    System {
        /// What was tried, such as "load program file_open".
        action: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// Not possible here, for the reason given.
    #[error("{0}")]
    Unsupported(String),
    /// A process of the selection does not exist.
    #[error("no process {0}")]
    NoSuchProcess(u32),
    /// A raw capture that cannot be read, for the reason given.
    #[error("{0}")]
    BadCapture(String),
}
