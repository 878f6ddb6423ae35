//! What `/proc` says of processes and threads.

use std::path::{Path, PathBuf};

use super::super::super::process_scan;
use super::{COMMAND_LINE_MAX, Traced};

pub(super) const PROC: &str = "/proc";

/// A process as it is before anything is known of it but what `/proc` shows.
pub(super) fn look_up(pid: u32) -> Option<Traced> {
    let start_ns = process_scan::find(Path::new(PROC), pid)?.start_ns;
    let (uid, gid) = ids_of(pid)?;
    Some(Traced { start_ns, uid, gid, ..Traced::default() })
}

/// Real user and group id of a thread.
pub(super) fn ids_of(thread: u32) -> Option<(u32, u32)> {
    let status = process_scan::process(Path::new(PROC), thread)?.status().ok()?;
    Some((status.ruid, status.rgid))
}

pub(super) fn threads_of(pid: u32) -> Vec<u32> {
    let Ok(directory) = std::fs::read_dir(Path::new(PROC).join(pid.to_string()).join("task")) else {
        return Vec::new();
    };
    directory.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

/// The name of a thread.
pub(super) fn comm_of(thread: u32) -> [u8; 16] {
    let name = std::fs::read(Path::new(PROC).join(thread.to_string()).join("comm")).unwrap_or_default();
    let mut comm = [0; 16];
    for (to, from) in comm.iter_mut().take(15).zip(name.strip_suffix(b"\n").unwrap_or(&name)) {
        *to = *from;
    }
    comm
}

/// A link in the directory of a thread in `/proc`.
pub(super) fn link(thread: u32, name: &str) -> Option<PathBuf> {
    std::fs::read_link(format!("{PROC}/{thread}/{name}")).ok()
}

pub(super) fn command_line(pid: u32) -> Vec<u8> {
    let mut bytes = std::fs::read(format!("{PROC}/{pid}/cmdline")).unwrap_or_default();
    bytes.truncate(COMMAND_LINE_MAX);
    bytes
}
