//! The open files of a process.

use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use procfs::process::{FDTarget, Process};

use super::super::record_layout::{HeaderFields, RecordBuilder, file_open_body, record_kind, segment_tag};

const AT_FDCWD: i32 = -100;

/// A descriptor and the name of what is open under it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct OpenFile {
    pub(super) fd: i32,
    path: PathBuf,
}

/// The open files, and the descriptors that are sockets with their inodes.
pub(super) fn list(process: &Process) -> (Vec<OpenFile>, Vec<(i32, u64)>) {
    let (mut files, mut sockets) = (Vec::new(), Vec::new());
    // Unreadable when the process has just ended, or is another user's.
    let Ok(descriptors) = process.fd() else { return (files, sockets) };
    for descriptor in descriptors.flatten() {
        match descriptor.target {
            FDTarget::Socket(inode) => sockets.push((descriptor.fd, inode)),
            FDTarget::Path(path) => files.push(OpenFile { fd: descriptor.fd, path }),
            // Pipes, event descriptors and the like have no name.
            _ => {}
        }
    }
    files.sort_by_key(|file| file.fd);
    sockets.sort_unstable();
    (files, sockets)
}

/// The record of an open file. `directory` is that of the process in `/proc`.
pub(super) fn record(file: &OpenFile, directory: &Path, header: &HeaderFields, flags: u16, handle: u64) -> Vec<u8> {
    RecordBuilder::new(header, record_kind::FILE_OPEN, flags, file_open_body::SIZE)
        .body(file_open_body::RESULT, &i64::from(file.fd).to_le_bytes())
        .body(file_open_body::HANDLE, &handle.to_le_bytes())
        .body(file_open_body::OPEN_FLAGS, &open_flags(directory, file.fd).to_le_bytes())
        .body(file_open_body::DIRECTORY, &AT_FDCWD.to_le_bytes())
        .segment(segment_tag::TEXT_PATH, file.path.as_os_str().as_bytes())
        .finish()
}

/// The flags it was opened with; 0 when they cannot be read.
fn open_flags(directory: &Path, fd: i32) -> u32 {
    let text = std::fs::read_to_string(directory.join("fdinfo").join(fd.to_string())).unwrap_or_default();
    text.lines()
        .find_map(|line| line.strip_prefix("flags:"))
        .and_then(|flags| u32::from_str_radix(flags.trim(), 8).ok())
        .unwrap_or(0)
}
