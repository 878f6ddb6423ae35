//! The gRPC service: sessions as `candor.v1.CandorService`, health and reflection.
//!
//! * **In:** connections. **Out:** what clients ask for, and streams of entries.
//! * **May import:** `event`, `wire`, `event_bus`, `session` (the handle), `clock`, `tonic`, `tokio`, and for TLS and tokens
//!   `tokio_rustls`, `sha2`, `subtle`. No probe, no decoder.
//! * **Test it:** `cargo test --test grpc_service`; with a foreign client: `cargo test --test grpc_external_client`.

mod access;
mod address;
mod batches;
mod listen;
mod queries;
mod rpc;
mod server;
mod status;
mod watches;

pub use access::{AccessLimits, AccessOptions, ClientProof, Refusal, SHELL_USER_ID, TlsError, TlsOptions};
pub use address::{ListenAddress, ListenAddressError};
pub use listen::ListenError;
pub use server::Server;
