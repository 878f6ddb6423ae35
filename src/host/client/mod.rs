//! The daemon, as the host sees it.
//!
//! * **In:** an address. **Out:** the daemon's answers in the vocabulary of [`crate::event`], and the stream's messages as
//!   they came, for the recording.
//! * **May import:** `event`, `wire`, `tonic` (channel), `tokio_rustls`. Neither recordings nor verdicts.
//! * **Test it:** `cargo test host::client`, and `tests/cli_errors.rs` and `tests/access_client.rs`
//!   for what a person sees.

mod access_report;
mod address;
mod daemon_client;
mod daemon_report;
mod error;
mod resume;
mod tls;

pub use access_report::{AccessReport, RefusalCount};
pub use address::{Address, AddressError};
pub use daemon_client::{
    DaemonClient, DeviceDescription, EventStream, NewsStream, SessionRow, SessionWish, StartedSession, StreamWish,
};
pub use daemon_report::{DaemonReport, ProcessReport, SessionReport};
pub use error::ClientError;
pub use resume::{Delivery, ResumingStream};
pub use tls::{Credentials, CredentialsError};
