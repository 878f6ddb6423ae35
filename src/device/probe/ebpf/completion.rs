//! Adds to records of system calls what only `/proc` knows: when the process started, and the directory that a relative
//! path began at. Read after the act, so a hint.

use std::collections::HashMap;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use super::super::record_layout::{
    RecordBuilder, RecordView, binder_transaction_body, file_open_body, path_change_body, record_header, record_kind,
    segment_tag, u32_at,
};
use crate::device::probe::process_scan;

const AT_FDCWD: i32 = -100;

/// How long the start of a process that is not traced is believed: nobody says when it ends, and its id is used again.
const BELIEVED: Duration = Duration::from_secs(1);

/// When processes started, as far as it was asked.
#[derive(Debug, Default)]
pub(super) struct StartTimes {
    traced: HashMap<u32, u64>,
    others: HashMap<u32, (Instant, u64)>,
}

impl StartTimes {
    /// A traced process has ended.
    pub(super) fn forget(&mut self, pid: u32) {
        self.traced.remove(&pid);
    }

    fn traced(&mut self, proc_root: &Path, pid: u32) -> Option<u64> {
        if let Some(known) = self.traced.get(&pid) {
            return Some(*known);
        }
        let start_ns = process_scan::find(proc_root, pid)?.start_ns;
        self.traced.insert(pid, start_ns);
        Some(start_ns)
    }

    fn other(&mut self, proc_root: &Path, pid: u32) -> Option<u64> {
        let now = Instant::now();
        if let Some((asked, known)) = self.others.get(&pid)
            && now.duration_since(*asked) < BELIEVED
        {
            return Some(*known);
        }
        self.others.retain(|_, (asked, _)| now.duration_since(*asked) < BELIEVED);
        let start_ns = process_scan::find(proc_root, pid)?.start_ns;
        self.others.insert(pid, (now, start_ns));
        Some(start_ns)
    }
}

/// The record with what `/proc` adds.
pub(super) fn complete(record: &[u8], proc_root: &Path, start_times: &mut StartTimes) -> Vec<u8> {
    let view = RecordView::new(record);
    let header = view.header();
    let pid = header.tgid;
    let mut builder = RecordBuilder::continue_from(record);
    if header.start_ns == 0
        && let Some(start_ns) = start_times.traced(proc_root, pid)
    {
        builder = builder.header(record_header::START_NS, &start_ns.to_le_bytes());
    }
    let link = |name: String| std::fs::read_link(proc_root.join(pid.to_string()).join(name)).ok();
    let relative_to = |tag: u8, directory: u32| {
        let relative = view
            .segments(RecordView::body_size(view.kind()))
            .any(|(other, _, bytes)| other == tag && !bytes.starts_with(b"/"));
        let directory = directory.cast_signed();
        relative
            .then(|| if directory == AT_FDCWD { link("cwd".to_owned()) } else { link(format!("fd/{directory}")) })
            .flatten()
    };
    let body = view.body();
    match view.kind() {
        record_kind::FILE_OPEN => {
            if let Some(base) = relative_to(segment_tag::ARGUMENT, u32_at(body, file_open_body::DIRECTORY)) {
                builder = builder.segment(segment_tag::TEXT_BASE, base.as_os_str().as_bytes());
            }
        }
        record_kind::FILE_RENAME | record_kind::FILE_UNLINK => {
            if let Some(base) = relative_to(segment_tag::ARGUMENT, u32_at(body, path_change_body::DIRECTORY)) {
                builder = builder.segment(segment_tag::TEXT_BASE, base.as_os_str().as_bytes());
            }
            if let Some(base) = relative_to(segment_tag::ARGUMENT_2, u32_at(body, path_change_body::DIRECTORY_2)) {
                builder = builder.segment(segment_tag::TEXT_BASE_2, base.as_os_str().as_bytes());
            }
        }
        record_kind::BINDER_TRANSACTION => {
            let receiver = u32_at(body, binder_transaction_body::RECEIVER_TGID);
            if let Some(start_ns) = start_times.other(proc_root, receiver) {
                builder = builder.body(binder_transaction_body::RECEIVER_START_NS, &start_ns.to_le_bytes());
            }
        }
        record_kind::PROCESS_EXEC => {
            if let Some(path) = link("exe".to_owned()) {
                builder = builder.segment(segment_tag::TEXT_PATH, path.as_os_str().as_bytes());
            }
            let command_line = std::fs::read(proc_root.join(pid.to_string()).join("cmdline")).unwrap_or_default();
            if !command_line.is_empty() {
                builder = builder.segment(segment_tag::COMMAND_LINE, command_line.get(..1024).unwrap_or(&command_line));
            }
        }
        _ => {}
    }
    builder.finish()
}
