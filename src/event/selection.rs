//! Which processes a session traces.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Which processes a session traces: those of the user ids, and those in the trees under the process ids.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Selection {
    /// Real user ids; on Android, apps are user ids.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub user_ids: BTreeSet<u32>,
    /// Roots of process trees: the process itself and whatever it starts from now on.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub process_trees: BTreeSet<u32>,
}

/// A selection that cannot be traced.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SelectionError {
    /// Nothing is selected.
    #[error("nothing is selected: give at least one user id or process id")]
    Empty,
    /// A process id is 0.
    #[error("process id 0 is the kernel's idle task and cannot be traced")]
    ProcessZero,
}

impl Selection {
    /// Refuses a selection that means nothing.
    ///
    /// # Errors
    ///
    /// When it is empty, or names process 0.
    pub fn validate(&self) -> Result<(), SelectionError> {
        if self.user_ids.is_empty() && self.process_trees.is_empty() {
            return Err(SelectionError::Empty);
        }
        if self.process_trees.contains(&0) {
            return Err(SelectionError::ProcessZero);
        }
        Ok(())
    }
}
