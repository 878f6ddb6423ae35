//! The system calls that the ptrace probe looks at, and the filter that makes only these stop.
//!
//! * **In:** nothing. **Out:** for each architecture what a call's number means; a seccomp filter in this process.
//! * **May import:** `libc`, `nix`. Both sides use it: the client's launch gate installs the filter before it becomes the
//!   program, the daemon's probe recognises it.
//! * **Test it:** `cargo test call_filter`; against a real tracer: `tests/probe_expectations.rs`.
//!
//! Without the filter every system call of a traced thread stops twice, also those that nobody asked about. With it the kernel
//! lets the others pass at full speed. A filter can only be installed by the process itself, is inherited by whatever it
//! starts, and never goes away; so it is installed where we start the program, and never in a program that runs already,
//! which we would have to make run code of ours.

mod program;
mod table;

pub use program::{FilterRefused, install};
pub use table::{BINDER_WRITE_READ, CLONE_UNTRACED, Interface, Operation, SocketCall, interface_of, operation_of};

/// What a stop of our filter carries: `SECCOMP_RET_DATA`. Tells the probe that the thread needs no stops but these.
pub const COOKIE: u16 = 0xca4d;
