//! The verbs of `candor`, one file each.

pub mod check;
mod exit;

pub use exit::{CommandError, Exit};
