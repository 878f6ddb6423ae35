//! The eBPF probe.
//!
//! * **In:** the kernel's tracepoints, through the programs in `programs/`. **Out:** raw records.
//! * **May import:** `event`, `aya`, `nix`, and `super` (the trait, the process scan).
//! * **Test it:** `cargo test ebpf`; the programs themselves need root: `tests/ebpf_probe.rs`, run by `scripts/test`.
//!
//! Two tiers, compiled from the same source: **kernel objects** (resolved paths, socket ends, from the kernel's own
//! structures; needs its BTF) and **system calls** (arguments and results only). Which one a kernel takes is found out by
//! trying. Without the cargo feature `ebpf` the same [`open`] answers that this build has none.

#[cfg(feature = "ebpf")]
mod binder;
#[cfg(feature = "ebpf")]
mod calls;
#[cfg(feature = "ebpf")]
mod casts;
#[cfg(feature = "ebpf")]
mod code_origin;
#[cfg(feature = "ebpf")]
mod completion;
#[cfg(feature = "ebpf")]
mod crowding;
#[cfg(feature = "ebpf")]
mod descriptor_table;
#[cfg(feature = "ebpf")]
mod embedded;
#[cfg(feature = "ebpf")]
mod enabled;
#[cfg(feature = "ebpf")]
mod loader;
#[cfg(feature = "ebpf")]
mod map_layout;
#[cfg(feature = "ebpf")]
mod priority;
#[cfg(feature = "ebpf")]
mod reader;
#[cfg(feature = "ebpf")]
mod skips;
#[cfg(feature = "ebpf")]
mod totals;
#[cfg(feature = "ebpf")]
mod tracefs;
#[cfg(feature = "ebpf")]
mod trial;
#[cfg(feature = "ebpf")]
pub use enabled::{EmptyProgram, attach_empty_program, open, open_with};
#[cfg(feature = "ebpf")]
#[doc(hidden)]
pub use map_layout::map_layout_assertions;
#[cfg(feature = "ebpf")]
pub use tracefs::tracepoints;
#[cfg(feature = "ebpf")]
pub use trial::try_types;

#[cfg(not(feature = "ebpf"))]
mod disabled;
#[cfg(not(feature = "ebpf"))]
pub use disabled::{open, open_with, tracepoints, try_types};

use super::Probe;
use crate::event::ProbeStatus;

/// Which tier to open.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum EbpfChoice {
    /// Kernel objects where the kernel takes them, else system calls.
    #[default]
    Auto,
    /// Kernel objects only.
    KernelObjects,
    /// System calls only, also where more is possible.
    SystemCalls,
}

/// How to open it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EbpfOptions {
    /// Which tier.
    pub choice: EbpfChoice,
    /// Size of the ring buffer in bytes; rounded up to a power of two of at least one page.
    pub ring_bytes: u32,
}

impl Default for EbpfOptions {
    fn default() -> Self {
        Self { choice: EbpfChoice::Auto, ring_bytes: 8 << 20 }
    }
}

/// What opening gave.
pub struct Opened {
    /// The probe, unless nothing of it works here.
    pub probe: Option<Box<dyn Probe>>,
    /// For each family, what works or why not. Also of a tier that was tried in vain before the one that works.
    pub statuses: Vec<ProbeStatus>,
}

/// One thing that was tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trial {
    /// A program type or a map type, by the kernel's name in lower case.
    pub name: &'static str,
    /// It is a type of programs, not of maps.
    pub program: bool,
    /// Nothing can be traced without it.
    pub needed: bool,
    /// Why it cannot be used; `None`: it can.
    pub refusal: Option<String>,
    /// The kernel has it and refuses it to us.
    pub denied: bool,
}
