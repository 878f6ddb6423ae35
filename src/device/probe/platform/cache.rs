//! Method tables of jars that were read before.
//!
//! * **In:** a directory; the SHA-256 of a jar. **Out:** the methods of its privacy interfaces, if they are kept there.
//! * **May import:** `event`, `crc32fast`, `super`.
//! * **Test it:** `cargo test platform::cache`.
//!
//! One text file for each jar. First a line with the version, the jar's hash and the table of privacy interfaces it was
//! made for; then a line `interface TAB code TAB method` each; last the checksum of all before it, so that a file that
//! was cut or changed is not used.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::dex::Methods;
use crate::event::{PRIVACY_INTERFACES, privacy_interface};

/// The longest file that is read back.
const FILE_MAX: u64 = 4 << 20;

/// Where tables are kept.
#[derive(Debug, Clone)]
pub(super) struct Cache {
    directory: Option<PathBuf>,
}

/// Why the cache is of no use. The tables are then read from the jars each time.
#[derive(Debug, Error)]
pub(super) enum CacheError {
    #[error("the cache of method names: {}: {source}", path.display())]
    System { path: PathBuf, source: io::Error },
    #[error("the cache of method names: {} belongs to user {owner}, or others may write there: it is not used", path.display())]
    NotOurs { path: PathBuf, owner: u32 },
    #[error("the cache of method names: {} is damaged and is made again", path.display())]
    Damaged { path: PathBuf },
}

impl Cache {
    /// A cache in this directory, which is made when first needed; or none.
    pub(super) fn at(directory: Option<PathBuf>) -> Self {
        Self { directory }
    }

    /// What is kept of a jar. `None`: nothing.
    pub(super) fn load(&self, hash: &str) -> Result<Option<Methods>, CacheError> {
        let Some(directory) = &self.directory else { return Ok(None) };
        let path = directory.join(hash);
        if !path.exists() {
            return Ok(None);
        }
        // A table that somebody else wrote could give methods harmless names.
        check_owner(directory)?;
        let failed = |source| CacheError::System { path: path.clone(), source };
        if fs::metadata(&path).map_err(failed)?.len() > FILE_MAX {
            return Err(CacheError::Damaged { path });
        }
        let text = fs::read(&path).map_err(failed)?;
        match parse(&text, &first_line(hash)) {
            Parsed::Methods(methods) => Ok(Some(methods)),
            Parsed::Outdated => Ok(None),
            Parsed::Damaged => Err(CacheError::Damaged { path }),
        }
    }

    /// Keeps what a jar gave, in place of what was kept before.
    pub(super) fn store(&self, hash: &str, methods: &Methods) -> Result<(), CacheError> {
        let Some(directory) = &self.directory else { return Ok(()) };
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| CacheError::System { path, source }
        };
        DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(failed(directory))?;
        check_owner(directory)?;
        let mut text = first_line(hash);
        for (interface, codes) in methods {
            for (code, method) in codes {
                text.push_str(&format!("{interface}\t{code}\t{method}\n"));
            }
        }
        text.push_str(&format!("{:08x}\n", crc32fast::hash(text.as_bytes())));
        // Under another name first: whoever reads sees the whole file or none.
        let (path, unfinished) = (directory.join(hash), directory.join(format!("{hash}.{}", std::process::id())));
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&unfinished)
            .map_err(failed(&unfinished))?;
        let written = file.write_all(text.as_bytes()).and_then(|()| fs::rename(&unfinished, &path));
        written.map_err(|source| {
            // The disk may be full: leave nothing half behind.
            let _ = fs::remove_file(&unfinished);
            CacheError::System { path, source }
        })
    }
}

fn check_owner(directory: &Path) -> Result<(), CacheError> {
    let metadata =
        fs::symlink_metadata(directory).map_err(|source| CacheError::System { path: directory.to_owned(), source })?;
    let ours = metadata.is_dir() && metadata.uid() == nix::unistd::geteuid().as_raw() && metadata.mode() & 0o022 == 0;
    if ours { Ok(()) } else { Err(CacheError::NotOurs { path: directory.to_owned(), owner: metadata.uid() }) }
}

/// The first line of a file: another jar, another version of this format or another table of interfaces has another.
fn first_line(hash: &str) -> String {
    let mut interfaces = crc32fast::Hasher::new();
    for interface in PRIVACY_INTERFACES {
        interfaces.update(interface.descriptor.as_bytes());
        interfaces.update(b"\n");
    }
    format!("candor-methods 1 {hash} {:08x}\n", interfaces.finalize())
}

#[derive(Debug, PartialEq, Eq)]
enum Parsed {
    Methods(Methods),
    /// Of another version: no error, and of no use.
    Outdated,
    Damaged,
}

fn parse(text: &[u8], first_line: &str) -> Parsed {
    let whole = || {
        let text = std::str::from_utf8(text).ok()?;
        let checksum = text.len().checked_sub(9)?;
        let (body, last) = text.split_at_checked(checksum)?;
        (format!("{:08x}\n", crc32fast::hash(body.as_bytes())) == last).then_some(body)
    };
    let Some(body) = whole() else { return Parsed::Damaged };
    let Some(lines) = body.strip_prefix(first_line) else { return Parsed::Outdated };
    let mut methods = Methods::new();
    for line in lines.lines() {
        let mut columns = line.split('\t');
        let (Some(interface), Some(Ok(code)), Some(method), None) =
            (columns.next(), columns.next().map(str::parse::<u32>), columns.next(), columns.next())
        else {
            return Parsed::Damaged;
        };
        if privacy_interface(interface).is_none() {
            return Parsed::Damaged;
        }
        methods.entry(interface.to_owned()).or_default().insert(code, method.to_owned());
    }
    Parsed::Methods(methods)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn methods() -> Methods {
        [("android.os.IUserManager".to_owned(), [(20, "getUsers".to_owned()), (21, "getProfiles".to_owned())].into())]
            .into()
    }

    #[test]
    fn what_is_kept_comes_back_and_nothing_else() {
        let directory = tempfile::tempdir().unwrap();
        let cache = Cache::at(Some(directory.path().join("a/b")));
        assert_eq!(cache.load("0f").unwrap(), None);
        cache.store("0f", &methods()).unwrap();
        assert_eq!(cache.load("0f").unwrap(), Some(methods()));
        assert_eq!(cache.load("0e").unwrap(), None);
        let kept: Vec<_> = fs::read_dir(directory.path().join("a/b")).unwrap().collect();
        assert_eq!(kept.len(), 1, "nothing unfinished is left behind");
        cache.store("0f", &Methods::new()).unwrap();
        assert_eq!(cache.load("0f").unwrap(), Some(Methods::new()));
        let none = Cache::at(None);
        none.store("0f", &methods()).unwrap();
        assert_eq!(none.load("0f").unwrap(), None);
    }

    #[test]
    fn a_changed_or_cut_file_is_not_used() {
        let directory = tempfile::tempdir().unwrap();
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o700)).unwrap();
        let cache = Cache::at(Some(directory.path().to_owned()));
        cache.store("0f", &methods()).unwrap();
        let path = directory.path().join("0f");
        let whole = fs::read(&path).unwrap();
        for length in 0..whole.len() {
            fs::write(&path, &whole[..length]).unwrap();
            assert!(matches!(cache.load("0f"), Err(CacheError::Damaged { .. })), "cut at {length}");
        }
        for at in 0..whole.len() {
            let mut changed = whole.clone();
            changed[at] ^= 1;
            fs::write(&path, changed).unwrap();
            assert!(matches!(cache.load("0f"), Err(CacheError::Damaged { .. })), "changed at {at}");
        }
        // Of another jar, whole in itself.
        fs::write(&path, whole).unwrap();
        fs::rename(&path, directory.path().join("0e")).unwrap();
        assert_eq!(cache.load("0e").unwrap(), None);
    }

    #[test]
    fn a_directory_that_others_may_write_is_not_used() {
        let directory = tempfile::tempdir().unwrap();
        let cache = Cache::at(Some(directory.path().to_owned()));
        cache.store("0f", &methods()).unwrap();
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o777)).unwrap();
        assert!(matches!(cache.load("0f"), Err(CacheError::NotOurs { .. })));
        assert!(matches!(cache.store("0f", &methods()), Err(CacheError::NotOurs { .. })));
        let file = directory.path().join("file");
        fs::write(&file, "").unwrap();
        assert!(matches!(Cache::at(Some(file)).store("0f", &methods()), Err(CacheError::System { .. })));
    }
}
