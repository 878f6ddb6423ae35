//! The device's packages.

use std::collections::BTreeSet;

use crate::event::PackageList;

/// Which packages have which user id.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PackageDirectory {
    list: PackageList,
}

impl PackageDirectory {
    /// Reads the text of Android's `packages.list`. Lines that cannot be understood are counted, not fatal.
    #[must_use]
    pub fn parse(text: &[u8]) -> Self {
        let _ = text;
        Self::default()
    }

    /// The directory of a recorded list: what a replay uses.
    #[must_use]
    pub fn from_list(list: PackageList) -> Self {
        Self { list }
    }

    /// A directory without packages, because reading the list failed for this reason.
    #[must_use]
    pub fn unreadable(reason: String) -> Self {
        Self { list: PackageList { read_error: reason, ..PackageList::default() } }
    }

    /// The packages of these user ids, for a session header; all when the set is empty.
    #[must_use]
    pub fn list_for(&self, user_ids: &BTreeSet<u32>) -> PackageList {
        let _ = user_ids;
        self.list.clone()
    }
}
