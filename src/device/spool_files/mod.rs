//! Spools on disk: what a session's readers can still get when memory is too small, and when the daemon was killed.
//!
//! * **In:** entries with their places, in order. **Out:** the same entries, from any place on, and which are missing.
//! * **May import:** `event`, `wire`, `frames`, `nix` (owner and lock of the directory), `crc32fast`, `prost`.
//! * **Test it:** `cargo test --lib device::spool_files`.
//!
//! One directory for each session, in it segments of frames that are only ever appended to (`docs/SPOOL-FORMAT.md`). One
//! large file that is overwritten in a circle was rejected: it has to be repaired after a crash, and a reader in it can
//! be overtaken. A database was rejected: it writes everything twice, and weighs more than the daemon may.
//!
//! Nothing here decides when to write or what to do when that fails; `event_bus` does.

mod directory;
mod missing;
mod place;
mod segment;
mod session_files;
mod session_writer;
#[cfg(test)]
mod tests;

pub use directory::{FoundSession, SpoolDirectory, SpoolDirectoryError};
pub use missing::{DropReason, Families, MissingRange};
pub use segment::Placed;
pub use session_files::{Cursor, Holding, Read, SessionFiles};
pub use session_writer::{SessionBounds, SessionWriter, Written};
