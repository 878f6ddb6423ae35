//! The edge: the only place that names the generated protobuf types.
//!
//! * **In:** [`crate::event`] types or bytes of the wire. **Out:** the other.
//! * **May import:** `event`, `prost`, and `tonic` in generated code only.
//! * **Test it:** `cargo test wire` (round trips of every kind, by property).
//!
//! Domain types turn into wire types with `From`, which cannot fail, and back with `TryFrom`, which refuses what has no
//! meaning ([`WireError`]) instead of guessing.

mod enumerations;
mod error;
mod from_wire;
mod light;
#[cfg(test)]
pub(crate) mod strategies;
#[cfg(test)]
mod tests;
mod to_wire;
mod watch;

pub use error::WireError;
pub use light::{lighten, lighten_event};

/// Types and services generated from `proto/candor/v1`.
#[allow(missing_docs, unreachable_pub, reason = "generated code; its documentation is in the .proto files")]
#[allow(
    clippy::all,
    clippy::pedantic,
    unused_qualifications,
    clippy::allow_attributes_without_reason,
    reason = "generated code"
)]
pub mod proto {
    tonic::include_proto!("candor.v1");
}

/// The encoded descriptors of `proto/candor/v1`, for server reflection.
pub const FILE_DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/candor_descriptors.bin"));

/// Where the daemon listens and the client looks, unless told otherwise: a Unix socket that only its owner may open.
pub const DEFAULT_SOCKET_PATH: &str = "/run/candor/candord.sock";
