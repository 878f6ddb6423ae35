//! Observed acts set against declared terms.
//!
//! * **In:** the entries of a recording, one by one ([`Correlator::add`]; [`Foresight`] looks at them ahead, in other threads),
//!   the terms and the ontology. **Out:**
//!   [`Verdict`]. Memory is bounded, whatever the recording holds.
//! * **May import:** `event`, `host::declared_terms`, `host::ontology`, `host::toml_source`, and from `host::recording` only how whole it is.
//! * **Test it:** `cargo test host::correlate`, `cargo test --test verdict_rules`; speed: `cargo bench correlate`.
//!
//! What counts as what:
//!
//! * **Collection** is a successful open for reading (or a rename away, or a command that prints it) of a path that
//!   the data types name, outside the app's own storage; or a reading request to a content provider, or a call of a
//!   system service, that `data/platform_sources.toml` names, by the app that asked. A denied or failed attempt is no
//!   collection; it is listed.
//! * **A recipient** is whoever a connection was made to: the name stated on the connection, else the name the app had
//!   looked up for the address, else the address. An address that answers to several names is *uncertain*, and only a
//!   violation if every one of them would be. Peers on the machine itself or its own link, and DNS servers, are none
//!   unless they have a name.
//! * **A reading is tied to a sending** when the same process, or the one that started it, sends within the window after
//!   reading: graded by [`observed::Tie`], because what was sent is not seen.
//! * **A contact** is a connection made or bytes sent, not yet proof that certain data was sent.
//! * **A Unix socket of another program** that the app gets bytes over may hand it what that program has read: rules that
//!   found no reading cannot tell. Sockets of the system that give nothing are in `data/platform_sources.toml`.
//! * **A family of events is watched** when at least one probe that does not sample is `attached` for it, at the
//!   beginning and at the end. `partial` is not watched; its reason becomes the rule's.

mod clock;
mod closing;
mod contacts;
mod correlator;
mod coverage;
mod disclosure;
mod drafts;
mod facts;
mod files;
mod fingerprint;
mod flows;
mod foresight;
mod helpers;
mod limits;
mod notices;
pub mod observed;
mod on_screen;
mod periodicity;
mod permissions;
mod places;
mod platform;
pub mod profiles;
pub mod regression;
pub mod review;
pub mod rules;
pub mod scenes;
mod standing;
mod tally;
mod ties;
mod tuples;
pub mod verdict;

pub use correlator::{CorrelateOptions, Correlator};
pub use foresight::{Foreseen, Foresight};
pub use profiles::Profile;
pub use verdict::{ClauseState, RuleOutcome, Verdict};
