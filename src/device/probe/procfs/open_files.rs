//! The open files of a process.

use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use procfs::process::{FDTarget, Process};

use super::super::RawBatch;
use super::super::record_layout::{HeaderFields, RecordBuilder, file_open_body, record_kind, segment_tag};
use super::{FLAGS, handle};

const AT_FDCWD: i32 = -100;

/// Appends a record for each open file; gives the descriptors that are sockets, with their inodes.
pub(super) fn describe(
    process: &Process,
    directory: &Path,
    header: &HeaderFields,
    batch: &mut RawBatch,
) -> Vec<(i32, u64)> {
    let mut sockets = Vec::new();
    // Unreadable when the process has just ended, or is another user's.
    let Ok(descriptors) = process.fd() else { return sockets };
    let mut descriptors: Vec<_> = descriptors.flatten().collect();
    descriptors.sort_by_key(|descriptor| descriptor.fd);
    for descriptor in descriptors {
        match descriptor.target {
            FDTarget::Socket(inode) => sockets.push((descriptor.fd, inode)),
            FDTarget::Path(path) => {
                let flags = open_flags(directory, descriptor.fd);
                batch.push(
                    &RecordBuilder::new(header, record_kind::FILE_OPEN, FLAGS, file_open_body::SIZE)
                        .body(file_open_body::RESULT, &i64::from(descriptor.fd).to_le_bytes())
                        .body(file_open_body::HANDLE, &handle(descriptor.fd).to_le_bytes())
                        .body(file_open_body::OPEN_FLAGS, &flags.to_le_bytes())
                        .body(file_open_body::DIRECTORY, &AT_FDCWD.to_le_bytes())
                        .segment(segment_tag::TEXT_PATH, path.as_os_str().as_bytes())
                        .finish(),
                );
            }
            // Pipes, event descriptors and the like have no name.
            _ => {}
        }
    }
    sockets
}

/// The flags it was opened with; 0 when they cannot be read.
fn open_flags(directory: &Path, fd: i32) -> u32 {
    let text = std::fs::read_to_string(directory.join("fdinfo").join(fd.to_string())).unwrap_or_default();
    text.lines()
        .find_map(|line| line.strip_prefix("flags:"))
        .and_then(|flags| u32::from_str_radix(flags.trim(), 8).ok())
        .unwrap_or(0)
}
