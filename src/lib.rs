//! Candor tells whether an app does what its privacy terms say.
//!
//! ```text
//!  DEVICE (feature "device")                                        HOST (feature "host")
//!
//!  probe/ --RawRecord--> decode/ --Observation--> attribute/        client/ --> recording/ ---------.
//!   ebpf  ptrace  procfs  replay                     | Event           ^          (file)            |
//!                                                    v                 |                            v
//!                             session/ <--> event_bus/ --> service/ ~~gRPC~~   declared_terms/ --> correlate/ --> report/
//!                                                             wire/            wire/
//!  ------------------------- event/ : the shared vocabulary (no I/O, no proto, no async) -------------------------
//! ```
//!
//! Four nouns carry the design. A **raw record** is bytes from a probe, with kernel time. An **observation** is a
//! decoded act that knows process, thread and user ids only. An **event** is an act attributed to an app. A **finding**
//! is events set against a declared term.
//!
//! `device` and `host` never import each other, and share besides only how secrets are read (`credential_files`), how
//! files are framed (`frames`) and which system calls a launched program stops at (`call_filter`); `tests/import_rules.rs`
//! holds who may import whom.

#[cfg(any(feature = "device", feature = "host"))]
pub mod call_filter;
#[cfg(any(feature = "device", feature = "host"))]
pub mod credential_files;
pub mod event;
#[cfg(any(feature = "device", feature = "host"))]
pub mod frames;
pub mod wire;

#[cfg(feature = "device")]
pub mod device;
#[cfg(feature = "host")]
pub mod host;
