//! The event bus: one spool in memory for each session, and cursors that read it.
//!
//! * **In:** entries that a session appends. **Out:** the same entries, in order, to any number of readers.
//! * **May import:** `event`, `personal_data`, `tokio::sync`, `wildmatch`. No probe, no wire, no clock.
//! * **Test it:** `cargo test device::event_bus`; figures come from `cargo bench --bench event_bus`.
//!
//! A queue for each reader was rejected: it copies every entry to every reader, and a full queue forces a choice between
//! stalling the pipeline and losing entries that another queue still holds. Here an appended entry is stored once, and a
//! reader is a position in the spool. A slow reader therefore disturbs nobody; when the spool is full its oldest entries
//! go, and only a reader that had not read them is told that they are gone. A reader that would rather skip events than
//! lag behind gets a bounded [`DropQueue`] before it: the one place where an entry waits twice, by pointer.

mod cost;
mod drop_queue;
mod evicted;
mod matcher;
mod query;
mod spool;
mod subscription;
#[cfg(test)]
mod tests;
mod watch;

pub use drop_queue::{DropQueue, QueueLimits, REASON_SUBSCRIBER_SLOW};
pub use matcher::Matcher;
pub use query::{Bytes, Dimension, Extent, Order, Page, Query, SummaryRow};
pub use spool::{OutOfRange, Spool, SpoolAccount, SpoolLimits};
pub use subscription::{REASON_SPOOL_FULL, Subscription};
pub use watch::{Watch, WatchError};
