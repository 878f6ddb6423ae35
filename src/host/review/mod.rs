//! Many recordings at once: which terms belong to which recording, what is done already, and the league table.
//!
//! * **In:** the names of files, a manifest, one verdict after another. **Out:** pairs, a state that a later run goes on
//!   from, and a [`League`].
//! * **May import:** `host::correlate`, `host::toml_source`. It reads and writes no file: the command does.
//! * **Test it:** `cargo test host::review`, `tests/review.rs`.

mod league;
mod pairing;
mod state;

pub use league::{AppRow, League, OperatorRow, Problem};
pub use pairing::{Manifest, Pair, Unpaired, pair};
pub use state::{Done, Ended, REVIEW_SCHEMA, State, StateError};
