//! The event bus: one spool for each session, in memory and in files behind it, and cursors that read it.
//!
//! * **In:** entries that a session appends. **Out:** the same entries, in order, to any number of readers.
//! * **May import:** `event`, `spool_files`, `tokio`, `tracing`, `wildmatch`. No probe, no wire, no clock.
//! * **Test it:** `cargo test device::event_bus`; figures come from `cargo bench --bench event_bus`.
//!
//! A queue for each reader was rejected: it copies every entry to every reader, and a full queue forces a choice between
//! stalling the pipeline and losing entries that another queue still holds. Here an appended entry is stored once, and a
//! reader is a position in the spool. A slow reader therefore disturbs nobody; when the spool is full its oldest entries
//! go, and only a reader that had not read them is told that they are gone.
//!
//! Appending never touches a file. What is new lies in memory; whoever calls [`Spool::write_out`] moves it behind, and a
//! reader that has fallen behind the memory reads the files. When files cannot be written, or not as fast, the memory fills
//! up to its bound and the oldest entries go, with the reason: the pipeline never waits for a disk.

mod cost;
mod evicted;
mod matcher;
mod on_disk;
mod query;
mod reading;
mod spool;
mod subscription;
#[cfg(test)]
mod tests;

pub use matcher::Matcher;
pub use on_disk::{Bell, Disked, MemoryBudget, SpoolState, WriteOut};
pub use query::{Bytes, Dimension, Extent, Order, Page, Query, SummaryRow};
pub use spool::{Dropped, OutOfRange, Spool, SpoolAccount, SpoolLimits};
pub use subscription::Subscription;
