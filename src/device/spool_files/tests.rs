//! The directory of spools: whose it is, and what is in it.

use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::time::Duration;

use super::*;
use crate::event::SessionHeader;

fn open(path: &Path) -> Result<SpoolDirectory, SpoolDirectoryError> {
    SpoolDirectory::open(path, SessionBounds { bytes: 1 << 20, age: Duration::from_secs(60) })
}

#[test]
fn a_directory_is_made_for_us_alone_and_taken_once() {
    let temporary = tempfile::tempdir().unwrap();
    let path = temporary.path().join("a/b");
    let directory = open(&path).unwrap();
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    assert!(matches!(open(&path), Err(SpoolDirectoryError::Taken { .. })));
    drop(directory);
    open(&path).unwrap();
}

#[test]
fn what_others_can_reach_is_refused() {
    let temporary = tempfile::tempdir().unwrap();
    let real = temporary.path().join("real");
    drop(open(&real).unwrap());
    let link = temporary.path().join("link");
    symlink(&real, &link).unwrap();
    assert!(matches!(open(&link), Err(SpoolDirectoryError::NotADirectory { .. })));
    let file = temporary.path().join("file");
    std::fs::write(&file, "").unwrap();
    assert!(matches!(open(&file), Err(SpoolDirectoryError::NotADirectory { .. })));
    std::fs::set_permissions(&real, std::fs::Permissions::from_mode(0o750)).unwrap();
    let Err(error) = open(&real) else { panic!("a directory that others can enter was taken") };
    assert!(error.to_string().contains("chmod 700"), "{error}");
    if nix::unistd::geteuid().is_root() {
        std::fs::set_permissions(&real, std::fs::Permissions::from_mode(0o700)).unwrap();
        std::os::unix::fs::chown(&real, Some(10_123), None).unwrap();
        assert!(matches!(open(&real), Err(SpoolDirectoryError::Owner { owner: 10_123, .. })));
    }
}

#[test]
fn what_is_no_session_is_left_alone() {
    let temporary = tempfile::tempdir().unwrap();
    let path = temporary.path().join("spool");
    let directory = open(&path).unwrap();
    let header = SessionHeader { session_id: "good".to_owned(), ..SessionHeader::default() };
    drop(directory.create(&header).unwrap());
    assert!(directory.create(&header).is_err(), "a session is not written over another");
    std::fs::create_dir(path.join("empty")).unwrap();
    std::fs::create_dir(path.join("renamed")).unwrap();
    std::fs::copy(path.join("good/header"), path.join("renamed/header")).unwrap();
    symlink("good", path.join("link")).unwrap();
    let found = directory.find(0).unwrap();
    assert_eq!(found.iter().map(|session| session.header.session_id.as_str()).collect::<Vec<_>>(), ["good"]);
    assert_eq!((found[0].events, found[0].next_index, found[0].end.is_none()), (0, 0, true));
    let mut bytes = std::fs::read(path.join("good/header")).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(path.join("good/header"), bytes).unwrap();
    assert!(directory.find(0).unwrap().is_empty());
}
