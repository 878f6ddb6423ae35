//! The device's packages: Android's `packages.list`, read without trusting it; and the users of the device.
//!
//! * **In:** the root of a system. **Out:** lists. Nothing is remembered.
//! * **May import:** `event`.
//! * **Test it:** `cargo test package_list`.
//!
//! One line for each package, fields separated by single spaces: name, user id for the first user, debuggable, data
//! directory, seinfo, group ids; since Android 10 also whether a shell may profile it and the version code. Later fields
//! are of no use here and may be anything.

use std::io;
use std::path::{Path, PathBuf};

use crate::event::{PackageEntry, PackageList, USER_ID_RANGE};

/// Where the list is, below the root.
const LIST: &str = "data/system/packages.list";
/// The directories of users, below the root: one for each, named by its number.
const USERS: &str = "data/user";
/// More users than this are not a device.
const MOST_USERS: usize = 100;
/// More packages than this are not a device.
const MOST_PACKAGES: usize = 65_536;
/// Android allows 255 bytes for a file name, and the package name is one.
const LONGEST_NAME: usize = 255;

/// The file of the list.
#[must_use]
pub fn path(root: &Path) -> PathBuf {
    root.join(LIST)
}

/// Reads the list of the system below `root`. A system without one has no packages, and that is no error.
#[must_use]
pub fn read(root: &Path) -> PackageList {
    let path = path(root);
    match std::fs::read(&path) {
        Ok(text) => parse(&text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => PackageList::default(),
        Err(error) => PackageList { read_error: format!("{}: {error}", path.display()), ..PackageList::default() },
    }
}

/// The numbers of the device's users: the first (0) always, others where they have a directory.
#[must_use]
pub fn users(root: &Path) -> Vec<u32> {
    let mut users = vec![0];
    let found = std::fs::read_dir(root.join(USERS)).into_iter().flatten().flatten();
    users.extend(found.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok()).take(MOST_USERS));
    users.sort_unstable();
    users.dedup();
    users
}

/// Reads the text of a list. Lines that cannot be understood are counted in [`PackageList::bad_lines`].
#[must_use]
pub fn parse(text: &[u8]) -> PackageList {
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
    list.packages.sort();
    list.packages.dedup();
    list
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
        let list = parse(LIST.as_bytes());
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
    }

    #[test]
    fn bad_lines_are_counted() {
        let text = "\n\r\ncom.example 10001\ncom.example x 0 /d\n\x1b[31m 10001 0 /d\ncom.a 10001 0 d s g\n\
                    com.a 4000000000 0 /d s g\ncom.good 10001 0 /d s g\n";
        let mut bytes = text.as_bytes().to_vec();
        bytes.extend(b"com.\xff 10001 0 /d s g");
        let list = parse(&bytes);
        assert_eq!((list.packages.len(), list.bad_lines), (1, 6));
    }

    #[test]
    fn users_are_directories() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(users(root.path()), [0], "without any");
        for name in ["0", "10", "x", "4294967296"] {
            std::fs::create_dir_all(root.path().join(USERS).join(name)).unwrap();
        }
        assert_eq!(users(root.path()), [0, 10]);
    }

    #[test]
    fn a_system_without_a_list_has_no_packages_and_one_that_cannot_be_read_says_why() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(read(root.path()), PackageList::default());
        std::fs::create_dir_all(path(root.path())).unwrap();
        assert!(read(root.path()).read_error.contains("packages.list"));
    }

    proptest! {
        #[test]
        fn never_panics_on_any_bytes(text: Vec<u8>, lines in "([a-z.0-9/ ]{0,30}\n){0,5}") {
            let _ = parse(&text);
            let _ = parse(lines.as_bytes());
        }
    }
}
