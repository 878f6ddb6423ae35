//! Recordings: the stream's messages on disk, framed, compressed, checksummed, append-only.
//!
//! * **In:** [`crate::event::StreamEntry`]. **Out:** the same, years later, also after a crash.
//! * **May import:** `event`, `wire`. No SQL, no gRPC.
//! * **Test it:** `cargo test host::recording`.

mod condition;

pub use condition::{Damage, RecordingCondition};
