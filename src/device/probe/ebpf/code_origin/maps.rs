//! What a process has mapped: `/proc/PID/maps`, parsed.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::Read as _;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::Path;
use std::sync::Arc;

/// Most bytes that are read: what comes after is not known then. A browser has a megabyte.
const MOST_BYTES: u64 = 8 << 20;
/// What the kernel adds to the name of a file that has been removed or replaced.
const DELETED: &[u8] = b" (deleted)";

/// Which file, as the kernel numbers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct FileNumber {
    pub(super) major: u32,
    pub(super) minor: u32,
    pub(super) inode: u64,
}

/// One mapped range.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mapping {
    pub(super) start: u64,
    pub(super) end: u64,
    /// Where in the file it begins.
    pub(super) offset: u64,
    pub(super) executable: bool,
    /// `None`: memory without a file.
    pub(super) file: Option<FileNumber>,
    path: Arc<OsStr>,
}

impl Mapping {
    /// The path of the file, or what the kernel says instead, such as `[vdso]`.
    pub(super) fn path(&self) -> &OsStr {
        &self.path
    }

    /// Where in the file an address is.
    pub(super) fn file_offset(&self, address: u64) -> u64 {
        self.offset.wrapping_add(address.wrapping_sub(self.start))
    }
}

/// All ranges, in the order of their addresses.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Maps(Vec<Mapping>);

impl Maps {
    /// Reads those of the process with this directory; `None` when it is gone, or has no memory any more.
    pub(super) fn read(directory: &Path) -> Option<Self> {
        let mut text = Vec::new();
        File::open(directory.join("maps")).ok()?.take(MOST_BYTES).read_to_end(&mut text).ok()?;
        let maps = Self::parse(&text);
        (!maps.0.is_empty()).then_some(maps)
    }

    /// Parses the text; lines that say nothing sensible are left out.
    pub(super) fn parse(text: &[u8]) -> Self {
        let mut path: Arc<OsStr> = Arc::from(OsStr::new(""));
        let mappings = text.split(|byte| *byte == b'\n').filter_map(|line| parse(line, &mut path));
        let mut mappings: Vec<Mapping> = mappings.collect();
        mappings.sort_by_key(|mapping| mapping.start);
        Self(mappings)
    }

    /// The range that an address lies in.
    pub(super) fn find(&self, address: u64) -> Option<&Mapping> {
        let after = self.0.partition_point(|mapping| mapping.start <= address);
        self.0.get(after.checked_sub(1)?).filter(|mapping| address < mapping.end)
    }

    /// The range that code at this address lies in.
    pub(super) fn code(&self, address: u64) -> Option<&Mapping> {
        self.find(address).filter(|mapping| mapping.executable)
    }

    /// The ranges of the same file up to this one, the nearest first.
    pub(super) fn same_file_before<'a>(&'a self, of: &'a Mapping) -> impl Iterator<Item = &'a Mapping> {
        let after = self.0.partition_point(|mapping| mapping.start <= of.start);
        let before = self.0.get(..after).unwrap_or_default();
        before.iter().rev().filter(|mapping| mapping.file == of.file)
    }
}

/// `start-end perms offset major:minor inode   path`; the path of the line before is kept where it is the same.
fn parse(line: &[u8], last_path: &mut Arc<OsStr>) -> Option<Mapping> {
    let mut fields = line.splitn(6, |byte| *byte == b' ');
    let mut field = || std::str::from_utf8(fields.next()?).ok();
    let hexadecimal = |text: &str| u64::from_str_radix(text, 16).ok();
    let (start, end) = field()?.split_once('-')?;
    let executable = field()?.as_bytes().get(2) == Some(&b'x');
    let offset = hexadecimal(field()?)?;
    let (major, minor) = field()?.split_once(':')?;
    let inode: u64 = field()?.parse().ok()?;
    let path = fields.next().unwrap_or_default().trim_ascii_start();
    let path = path.strip_suffix(DELETED).unwrap_or(path);
    if last_path.as_bytes() != path {
        *last_path = Arc::from(OsString::from_vec(path.to_vec()));
    }
    let (major, minor) = (u32::from_str_radix(major, 16).ok()?, u32::from_str_radix(minor, 16).ok()?);
    Some(Mapping {
        start: hexadecimal(start)?,
        end: hexadecimal(end)?,
        offset,
        executable,
        file: (inode != 0).then_some(FileNumber { major, minor, inode }),
        path: Arc::clone(last_path),
    })
}
