//! Ways of acting that the probes cannot see.

use serde::{Deserialize, Serialize};

use super::Family;

/// A way of acting that the probes cannot see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BlindSpotKind {
    /// The process set up an `io_uring`: file and socket operations submitted through it make no system call.
    IoUring,
    /// The process made a system call through the 32-bit interface, whose calls the probe does not decode yet.
    CompatSystemCall,
}

impl BlindSpotKind {
    /// Every kind.
    pub const ALL: &'static [Self] = &[Self::IoUring, Self::CompatSystemCall];

    /// The name used in files and reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::IoUring => "io_uring",
            Self::CompatSystemCall => "compat_system_call",
        }
    }

    /// The families in which something may have been missed.
    #[must_use]
    pub fn families(self) -> &'static [Family] {
        match self {
            Self::IoUring => &[Family::File, Family::Socket],
            Self::CompatSystemCall => &[Family::Process, Family::File, Family::Socket],
        }
    }
}
