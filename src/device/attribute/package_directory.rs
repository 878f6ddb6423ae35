//! Which packages have which user id, and what changes of it while a session runs.

use std::collections::{HashMap, HashSet};

use crate::event::{PackageChange, PackageChangeKind, PackageList, app_id};

/// Which packages have which user id.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PackageDirectory {
    /// Names by app id (user id of the first user), sorted.
    by_app_id: HashMap<u32, Vec<String>>,
    /// Packages that were removed: their late acts are still theirs, until another package gets the user id.
    removed: HashSet<String>,
}

impl PackageDirectory {
    /// The directory of a list.
    #[must_use]
    pub fn from_list(list: &PackageList) -> Self {
        let mut directory = Self::default();
        for entry in &list.packages {
            directory.add(&entry.package, entry.user_id);
        }
        directory
    }

    fn add(&mut self, package: &str, user_id: u32) {
        let names = self.by_app_id.entry(app_id(user_id)).or_default();
        names.retain(|name| !self.removed.contains(name));
        if let Err(place) = names.binary_search_by(|name| name.as_str().cmp(package)) {
            names.insert(place, package.to_owned());
        }
    }

    /// Learns what happened to a package.
    pub(crate) fn apply(&mut self, change: &PackageChange) {
        match change.change {
            PackageChangeKind::Removed => {
                self.removed.insert(change.package.clone());
            }
            PackageChangeKind::Installed | PackageChangeKind::Replaced => {
                for names in self.by_app_id.values_mut() {
                    names.retain(|name| *name != change.package);
                }
                self.removed.remove(&change.package);
                self.add(&change.package, change.user_id);
            }
        }
    }

    /// The packages with this app id, sorted by name.
    #[must_use]
    pub fn names_of(&self, app_id: u32) -> &[String] {
        self.by_app_id.get(&app_id).map(Vec::as_slice).unwrap_or_default()
    }

    /// Whether there is, or was, a package of this name.
    pub(crate) fn contains(&self, package: &str) -> bool {
        self.by_app_id.values().any(|names| names.iter().any(|name| name == package))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::PackageEntry;

    fn list(packages: &[(&str, u32)]) -> PackageList {
        let entry = |(package, user_id): &(&str, u32)| PackageEntry {
            package: (*package).to_owned(),
            user_id: *user_id,
            data_directory: String::new(),
            version_code: None,
        };
        PackageList { packages: packages.iter().map(entry).collect(), ..PackageList::default() }
    }

    fn change(package: &str, user_id: u32, change: PackageChangeKind) -> PackageChange {
        PackageChange {
            package: package.to_owned(),
            user_id,
            change,
            version_code: None,
            data_directory: String::new(),
            traced: false,
        }
    }

    #[test]
    fn packages_come_and_go() {
        let mut directory = PackageDirectory::from_list(&list(&[("b", 10_001), ("a", 10_001), ("c", 10_002)]));
        assert_eq!(directory.names_of(10_001), ["a", "b"]);
        directory.apply(&change("c", 10_002, PackageChangeKind::Removed));
        assert_eq!(directory.names_of(10_002), ["c"], "its process may still end");
        directory.apply(&change("d", 10_002, PackageChangeKind::Installed));
        assert_eq!(directory.names_of(10_002), ["d"], "the user id has another owner");
        directory.apply(&change("b", 10_003, PackageChangeKind::Replaced));
        assert_eq!(
            (directory.names_of(10_001), directory.names_of(10_003)),
            (&["a".to_owned()][..], &["b".to_owned()][..])
        );
        directory.apply(&change("c", 10_004, PackageChangeKind::Installed));
        assert!(directory.contains("c") && !directory.contains("e"));
        assert_eq!(directory.names_of(10_004), ["c"]);
    }
}
