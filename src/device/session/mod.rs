//! Sessions: which records belong to which, their numbers, phases and accounts.
//!
//! * **In:** raw records of the probes, and what clients ask for. **Out:** entries in the session's spool.
//! * **May import:** `event`, `probe` (the trait), `event_bus`, `spool_files`, `raw_capture`, `clock`, `self_test`, `token`. Not `service`, not `wire`.
//! * **Test it:** `cargo test device::session`, and `cargo test --test grpc_service` with a scripted probe.
//!
//! Three threads do the work. The **probe thread** owns the probes: it obeys commands, polls, and hands batches on through
//! a bounded channel. The **pipeline thread** turns records into events and appends them to spools. When the pipeline
//! is behind, the channel is full and the probe thread waits; then the kernel's ring fills, and the kernel counts what
//! it could not keep. So loss has one place, next to its cause, and memory is bounded. The **spool thread** moves what is in
//! the spools to files; nobody waits for it.
//!
//! A session that can be tested is: a helper of the daemon does known acts under the session's filter at its start and its
//! end, and when the device has slept. What it did is recognised, taken out, and told as a [`crate::event::SelfTest`].
//!
//! Each session has an [`Interpreter`] (decoder and attributor) of its own: what one session learnt cannot show in
//! another, all of it goes when the session ends, and a replayed capture gives the same events.

mod accounts;
mod clock_watch;
mod core;
mod error;
mod helpers;
mod interpret;
mod limits;
mod manager;
mod pipeline;
mod probe_thread;
mod self_test;
mod spool_thread;
mod targets;

pub use self::core::{Session, SessionAccount, SessionSummary};
pub use error::SessionError;
pub use interpret::{
    CreateKeeper, Interpretation, Interpreter, Preparation, Prepare, RawKeeper, ReadPackages, ReadUsers,
};
pub use limits::SessionLimits;
pub use manager::{DiskOptions, ManagerOptions, Replay, ReplayedMark, SessionManager, StartRequest, Started};
