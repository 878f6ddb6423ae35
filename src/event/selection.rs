//! Which processes a session traces.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Which processes a session traces: those of the user ids, and those in the trees under the process ids.
///
/// A client may name packages instead of user ids. The daemon looks them up when the session starts: the selection of a
/// session header has both, the names as they were asked for and the user ids they stood for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Selection {
    /// Real user ids; on Android, apps are user ids.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub user_ids: BTreeSet<u32>,
    /// Roots of process trees: the process itself and whatever it starts from now on.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub process_trees: BTreeSet<u32>,
    /// Packages, by name.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub packages: BTreeSet<String>,
}

/// A selection that cannot be traced.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SelectionError {
    /// Nothing is selected.
    #[error("nothing is selected: give at least one package, user id or process id")]
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
        if self.user_ids.is_empty() && self.process_trees.is_empty() && self.packages.is_empty() {
            return Err(SelectionError::Empty);
        }
        if self.process_trees.contains(&0) {
            return Err(SelectionError::ProcessZero);
        }
        Ok(())
    }
}
