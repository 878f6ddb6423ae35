//! The gRPC service: sessions as `candor.v1.CandorService`, health and reflection.
//!
//! * **In:** connections. **Out:** what clients ask for, and streams of entries.
//! * **May import:** `event`, `wire`, `event_bus`, `session` (the handle), `clock`, `tonic`, `tokio`. No probe, no decoder.
//! * **Test it:** `cargo test --test grpc_service`; with a foreign client: `cargo test --test grpc_external_client`.

mod batches;
mod listen;
mod queries;
mod rpc;
mod server;
mod status;

pub use listen::{ListenAddress, ListenAddressError, ListenError};
pub use server::Server;
