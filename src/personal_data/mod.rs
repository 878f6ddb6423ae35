//! Which kinds of personal data an event reads, and how much that matters.
//!
//! * **In:** an [`Event`]. **Out:** [`DataType`]s and a [`Severity`].
//! * **May import:** `event`, `fast_glob`, `strsim`. No file, no clock: the tables of `data/` are built in as constants (`build.rs`).
//! * **Test it:** `cargo test personal_data::`; that it says what `host::ontology` says: `cargo test --test personal_data`.
//!
//! Both sides need it: the daemon for filters, summaries and watches, the client for the events of a recording. The
//! verdict does not use it but `host::ontology`, which also knows names, laws and the tables that a user adds; both read
//! the same files. A classifier that the client sends along was rejected: a daemon would run patterns of anybody's.

mod own_storage;
mod reading;
mod severity;
mod tables;

pub use own_storage::is_own_storage;
pub use reading::{Reading, is_own, path_of, read_by};
pub use severity::{Ground, severity};
pub use tables::{DataClass, DataType};

#[cfg(doc)]
use crate::event::{Event, Severity};
