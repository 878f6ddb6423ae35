//! Adds to records of system calls what only `/proc` knows: when the process started, and the directory that a relative
//! path began at. Read after the act, so a hint.

use std::collections::HashMap;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use super::super::record_layout::{
    RecordBuilder, RecordView, binder_transaction_body, file_open_body, path_change_body, record_header, record_kind,
    segment_tag, u32_at,
};
use crate::device::probe::process_scan;

const AT_FDCWD: i32 = -100;

/// The record with what `/proc` adds.
pub(super) fn complete(record: &[u8], proc_root: &Path, start_times: &mut HashMap<u32, u64>) -> Vec<u8> {
    let view = RecordView::new(record);
    let header = view.header();
    let pid = header.tgid;
    let mut builder = RecordBuilder::continue_from(record);
    if header.start_ns == 0 {
        let known = start_times.get(&pid).copied();
        if let Some(start_ns) = known.or_else(|| process_scan::find(proc_root, pid).map(|found| found.start_ns)) {
            start_times.insert(pid, start_ns);
            builder = builder.header(record_header::START_NS, &start_ns.to_le_bytes());
        }
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
            // Not from the times that are remembered: nobody says when a receiver ends, which is no traced process.
            let receiver = u32_at(body, binder_transaction_body::RECEIVER_TGID);
            if let Some(found) = process_scan::find(proc_root, receiver) {
                builder = builder.body(binder_transaction_body::RECEIVER_START_NS, &found.start_ns.to_le_bytes());
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
