//! The device's packages: Android's `packages.list`, read without trusting it.
//!
//! One line for each package, fields separated by single spaces: name, user id for the first user, debuggable, data
//! directory, seinfo, group ids; since Android 10 also whether a shell may profile it and the version code. Later fields
//! are of no use here and may be anything.

use std::collections::HashMap;

use super::uid_owner::{USER_ID_RANGE, app_id};
use crate::event::{PackageEntry, PackageList};

/// More packages than this are not a device.
const MOST_PACKAGES: usize = 65_536;
/// Android allows 255 bytes for a file name, and the package name is one.
const LONGEST_NAME: usize = 255;

/// Which packages have which user id.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PackageDirectory {
    list: PackageList,
    /// Names by app id (user id of the first user), sorted.
    by_app_id: HashMap<u32, Vec<String>>,
}

impl PackageDirectory {
    /// Reads the text of Android's `packages.list`. Lines that cannot be understood are counted in
    /// [`PackageList::bad_lines`].
    #[must_use]
    pub fn parse(text: &[u8]) -> Self {
        let mut list = PackageList::default();
        for line in text.split(|byte| *byte == b'\n') {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            if line.is_empty() {
                continue;
            }
            match parse_line(line).filter(|_| list.packages.len() < MOST_PACKAGES) {
                Some(entry) => list.packages.push(entry),
                None => list.bad_lines = list.bad_lines.saturating_add(1),
            }
        }
        Self::from_list(list)
    }

    /// The directory of a list that was read before: what a replay uses.
    #[must_use]
    pub fn from_list(mut list: PackageList) -> Self {
        list.packages.sort();
        list.packages.dedup();
        let mut by_app_id: HashMap<u32, Vec<String>> = HashMap::new();
        for entry in &list.packages {
            let names = by_app_id.entry(app_id(entry.user_id)).or_default();
            // Sorted by name, so that equal names are neighbours.
            if names.last() != Some(&entry.package) {
                names.push(entry.package.clone());
            }
        }
        Self { list, by_app_id }
    }

    /// A directory without packages, because reading the list failed for this reason.
    #[must_use]
    pub fn unreadable(reason: String) -> Self {
        Self::from_list(PackageList { read_error: reason, ..PackageList::default() })
    }

    /// The packages, for clients and session headers.
    #[must_use]
    pub fn list(&self) -> PackageList {
        self.list.clone()
    }

    /// The packages with this app id, sorted by name.
    #[must_use]
    pub fn names_of(&self, app_id: u32) -> &[String] {
        self.by_app_id.get(&app_id).map(Vec::as_slice).unwrap_or_default()
    }
}

fn parse_line(line: &[u8]) -> Option<PackageEntry> {
    let line = std::str::from_utf8(line).ok()?;
    let mut fields = line.split(' ');
    let package = fields.next().filter(|name| is_package_name(name))?;
    let user_id = fields.next()?.parse().ok().filter(|user_id: &u32| *user_id < USER_ID_RANGE)?;
    fields.next().filter(|debuggable| matches!(*debuggable, "0" | "1"))?;
    let data_directory = fields.next().filter(|path| path.starts_with('/'))?;
    if data_directory.contains(char::is_control) {
        return None;
    }
    // seinfo, group ids, profileable by the shell.
    let version_code = fields.nth(3).and_then(|version| version.parse().ok());
    Some(PackageEntry { package: package.to_owned(), user_id, data_directory: data_directory.to_owned(), version_code })
}

/// Letters, digits, `_` and `.`, as the package installer demands; `android` has no dot.
fn is_package_name(name: &str) -> bool {
    (1..=LONGEST_NAME).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LIST: &str = "\
com.example.news 10077 0 /data/user/0/com.example.news default:targetSdkVersion=33 3002,3003 0 4711 1 com.android.vending
com.example.old 10080 1 /data/user/0/com.example.old default none
android 1000 0 /data/system platform:privapp 1065,3002 0 33
com.example.shared.b 10090 0 /data/user/0/com.example.shared.b default none 0 2
com.example.shared.a 10090 0 /data/user/0/com.example.shared.a default none 0 1
";

    #[test]
    fn lines_of_several_android_versions() {
        let directory = PackageDirectory::parse(LIST.as_bytes());
        let list = directory.list();
        assert_eq!((list.packages.len(), list.bad_lines, list.read_error.as_str()), (5, 0, ""));
        assert!(list.packages.is_sorted());
        let news = PackageEntry {
            package: "com.example.news".to_owned(),
            user_id: 10_077,
            data_directory: "/data/user/0/com.example.news".to_owned(),
            version_code: Some(4711),
        };
        assert!(list.packages.contains(&news));
        let old = list.packages.iter().find(|entry| entry.package == "com.example.old").unwrap();
        assert_eq!(old.version_code, None);
        assert_eq!(directory.names_of(10_090), ["com.example.shared.a", "com.example.shared.b"]);
        assert_eq!(PackageDirectory::from_list(list), directory);
    }

    #[test]
    fn bad_lines_are_counted() {
        let text = "\n\r\ncom.example 10001\ncom.example x 0 /d\n\x1b[31m 10001 0 /d\ncom.a 10001 0 d s g\n\
                    com.a 4000000000 0 /d s g\ncom.good 10001 0 /d s g\n";
        let mut bytes = text.as_bytes().to_vec();
        bytes.extend(b"com.\xff 10001 0 /d s g");
        let list = PackageDirectory::parse(&bytes).list();
        assert_eq!((list.packages.len(), list.bad_lines), (1, 6));
    }

    proptest! {
        #[test]
        fn never_panics_on_any_bytes(text: Vec<u8>, lines in "([a-z.0-9/ ]{0,30}\n){0,5}") {
            let _ = PackageDirectory::parse(&text);
            let _ = PackageDirectory::parse(lines.as_bytes());
        }
    }
}
