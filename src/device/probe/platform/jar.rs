//! Transaction codes in a jar of the platform.
//!
//! * **In:** the path of a jar, and a cache directory. **Out:** methods by interface and code, and the jar's hash.
//! * **May import:** `zip`, `sha2`, `super`.
//! * **Test it:** `cargo test platform::jar`.
//!
//! A jar is named by the SHA-256 of all its bytes, so that an event tells exactly which file named its method, and a
//! cached table is used for that file only. Hashing the zip directory alone (its checksums and sizes) would read a
//! hundredth of the bytes, and could be told apart from the real one by nobody: a CRC-32 is easily kept while the content
//! is changed.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Read as _, Seek as _};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};
use thiserror::Error;
use zip::ZipArchive;

use super::dex::{self, DexError, Methods};

/// The longest jar that is read. The framework of a release has about 50 MB.
const JAR_MAX: u64 = 512 << 20;
/// The longest dex file that is read: entries may claim anything about their size.
const DEX_MAX: u64 = 64 << 20;
/// Bytes of dex unpacked from one jar.
const UNPACKED_MAX: u64 = 512 << 20;
/// Dex files in one jar.
const DEX_FILES_MAX: usize = 100;

/// What a jar gave.
#[derive(Debug)]
pub(super) struct Jar {
    /// SHA-256 of its bytes, as 64 hexadecimal digits.
    pub(super) hash: String,
    /// Methods of its interfaces.
    pub(super) interfaces: Methods,
    /// Dex files in it that could not be read: which, and why.
    pub(super) problems: Vec<JarError>,
    /// Classes and fields left out, by reason.
    pub(super) skipped: BTreeMap<&'static str, u64>,
}

/// Why a jar, or an entry of it, cannot be read.
#[derive(Debug, Error)]
pub(super) enum JarError {
    #[error("{}: {source}", path.display())]
    File { path: PathBuf, source: io::Error },
    #[error("{} has {bytes} bytes, more than {JAR_MAX}: it is not read", path.display())]
    TooLong { path: PathBuf, bytes: u64 },
    #[error("{} is no zip file that can be read: {source}", path.display())]
    Zip { path: PathBuf, source: zip::result::ZipError },
    #[error("{}, entry {entry}: {what}", path.display())]
    Entry { path: PathBuf, entry: String, what: String },
    #[error("{}, entry {entry}: {source}", path.display())]
    Dex { path: PathBuf, entry: String, source: DexError },
}

/// Opens a jar and hashes it. The same open file is read afterwards, so that a replaced file does not mix two.
pub(super) fn open(path: &Path) -> Result<(File, String), JarError> {
    let failed = |source| JarError::File { path: path.to_owned(), source };
    let mut file = File::open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    if !metadata.is_file() {
        return Err(failed(io::Error::other("not a regular file")));
    }
    if metadata.len() > JAR_MAX {
        return Err(JarError::TooLong { path: path.to_owned(), bytes: metadata.len() });
    }
    let mut digest = Sha256::new();
    let mut buffer = vec![0; 64 << 10];
    let mut limited = (&mut file).take(JAR_MAX);
    loop {
        match limited.read(&mut buffer) {
            Ok(0) => break,
            Ok(length) => digest.update(buffer.get(..length).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(failed(error)),
        }
    }
    file.rewind().map_err(failed)?;
    let mut hash = String::with_capacity(64);
    for byte in digest.finalize() {
        let _ = write!(hash, "{byte:02x}");
    }
    Ok((file, hash))
}

/// Reads the methods of every interface in the dex files of an open jar.
pub(super) fn read(path: &Path, file: File, hash: String) -> Result<Jar, JarError> {
    let broken = |source| JarError::Zip { path: path.to_owned(), source };
    let mut archive = ZipArchive::new(io::BufReader::new(file)).map_err(broken)?;
    let mut jar = Jar { hash, interfaces: Methods::new(), problems: Vec::new(), skipped: BTreeMap::new() };
    let mut names: Vec<(u32, String)> = Vec::new();
    for name in archive.file_names() {
        match name {
            Ok(name) => names.extend(dex_number(&name).map(|number| (number, name.into_owned()))),
            Err(_) => *jar.skipped.entry("entry_name_not_text").or_default() += 1,
        }
    }
    names.sort();
    let mut unpacked = 0_u64;
    for (count, (_, entry)) in names.iter().enumerate() {
        let problem = |what: String| JarError::Entry { path: path.to_owned(), entry: entry.clone(), what };
        if count >= DEX_FILES_MAX || unpacked >= UNPACKED_MAX {
            jar.problems.push(problem("and all after it: more than is read of one jar".to_owned()));
            break;
        }
        let bytes = match unpack(&mut archive, entry) {
            Ok(bytes) => bytes,
            Err(what) => {
                jar.problems.push(problem(what));
                continue;
            }
        };
        unpacked = unpacked.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        match dex::transaction_codes(&bytes) {
            Ok(found) => {
                for (interface, methods) in found.interfaces {
                    // A class stands in one dex file; of two, the first is the one that the platform loads.
                    jar.interfaces.entry(interface).or_insert(methods);
                }
                for (reason, count) in found.skipped {
                    let all = jar.skipped.entry(reason).or_default();
                    *all = all.saturating_add(count);
                }
            }
            Err(source) => jar.problems.push(JarError::Dex { path: path.to_owned(), entry: entry.clone(), source }),
        }
    }
    Ok(jar)
}

/// `classes.dex` is the first, `classes2.dex` the second.
fn dex_number(entry: &str) -> Option<u32> {
    match entry.strip_prefix("classes")?.strip_suffix(".dex")? {
        "" => Some(1),
        number if !number.starts_with(['0', '+']) => number.parse().ok().filter(|number| *number > 1),
        _ => None,
    }
}

/// The bytes of an entry, whatever its header says about their number.
fn unpack<R: io::Read + io::Seek>(archive: &mut ZipArchive<R>, entry: &str) -> Result<Vec<u8>, String> {
    let reader = archive.by_name(entry).map_err(|error| error.to_string())?;
    let mut bytes = Vec::new();
    reader.take(DEX_MAX + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length <= DEX_MAX) {
        Ok(bytes)
    } else {
        Err(format!("more than {DEX_MAX} bytes"))
    }
}

#[cfg(test)]
pub(super) mod tests;
