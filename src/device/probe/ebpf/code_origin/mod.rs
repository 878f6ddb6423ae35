//! Whose code made a system call: from the registers and the stack that the kernel programs took along to one file.
//!
//! * **In:** a record with the segments of `programs/code_origin.h`, `/proc`, the files that the process has mapped.
//!   **Out:** the record with `CODE_ORIGIN` in their place, or with nothing, where nothing can be told.
//! * **May import:** as the probe; `gimli` reads the tables that tell how to leave a function.
//! * **Test it:** `cargo test code_origin`; with a kernel: `tests/ebpf_code_origin.rs`.
//!
//! It is done here and not in a later stage, because a moment later the process may be gone, and a replayed capture has no
//! process at all. Everything is the traced app's own memory: an app that wants to deceive can forge its stack.

mod image;
mod maps;
mod runtime;
mod unwind;
mod walk;

use std::collections::HashMap;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use super::super::record_layout::{
    RecordBuilder, RecordView, code_confidence, record_header, record_kind, segment_header, segment_tag, u64_at,
    user_registers,
};
use crate::device::probe::process_scan;
use crate::event::{ProcessKey, ProgramCounters};
use image::{Images, OpenImages};
use maps::Maps;
use unwind::{Registers, Stack};
use walk::{Origin, Walk};

/// Most processes whose mapped files are remembered.
const MOST_PROCESSES: usize = 64;
/// How long they are believed: code can be unloaded, and other code loaded in its place.
const BELIEVED: Duration = Duration::from_millis(250);

/// The mapped files of one process.
#[derive(Debug)]
struct Known {
    start_ns: u64,
    read: Instant,
    /// The last address that was in no mapping, also after they had been read again: not asked for once more.
    nowhere: Option<u64>,
    maps: Maps,
    images: OpenImages,
}

impl Known {
    /// The bytes of the segment, and the address in no mapping at which the walk ended, if it did.
    fn look(&mut self, mut walk: Walk<'_>, images: &mut Images) -> (Option<Vec<u8>>, Option<u64>) {
        let origin = walk.origin(&self.maps, &mut self.images, images);
        let unknown = walk.unknown(&self.maps);
        let bytes = origin.and_then(|origin| {
            let build_id = match origin.confidence {
                // No claim about a file, so nothing of it.
                code_confidence::LEAF => None,
                _ => self.images.get(origin.mapping, &self.maps, images, false)?.build_id.clone(),
            };
            Some(segment(&origin, build_id.as_deref().unwrap_or_default()))
        });
        (bytes, unknown)
    }
}

/// The time that looking may take of the probe's thread: a tenth, and so much at once. The traced app decides how many files it
/// maps and how often it connects, and the thread reads the records of all sessions.
#[derive(Debug)]
struct Budget {
    left: Duration,
    since: Instant,
}

impl Budget {
    const AT_ONCE: Duration = Duration::from_millis(500);
    const SHARE: u32 = 10;

    fn has_some(&mut self, now: Instant) -> bool {
        let earned = now.duration_since(self.since) / Self::SHARE;
        self.left = self.left.saturating_add(earned).min(Self::AT_ONCE);
        self.since = now;
        !self.left.is_zero()
    }
}

impl Default for Budget {
    fn default() -> Self {
        Self { left: Self::AT_ONCE, since: Instant::now() }
    }
}

/// What is known of processes and files. Bounded.
#[derive(Debug, Default)]
pub(super) struct CodeOrigins {
    processes: HashMap<u32, Known>,
    images: Images,
    budget: Budget,
    account: ProgramCounters,
}

impl CodeOrigins {
    /// The process ended, or runs another program.
    pub(super) fn forget(&mut self, pid: u32) {
        self.processes.remove(&pid);
    }

    /// How many records were looked at: those that were told something (`aggregated`: into a record that there was anyway), of
    /// which there was nothing to tell (`filtered`), and for which there was no time (`lost`).
    pub(super) fn account(&self) -> ProgramCounters {
        ProgramCounters { program: "code_origin".to_owned(), ..self.account.clone() }
    }

    /// The record with what can be told in place of what it was told from; `None` where it carries nothing of it.
    pub(super) fn resolve(&mut self, record: &[u8], proc_root: &Path) -> Option<Vec<u8>> {
        let view = RecordView::new(record);
        let mut at = record_header::SIZE + RecordView::body_size(view.kind());
        let (mut frames, mut stack, mut kept) = (None, &[][..], at);
        for (tag, _, bytes) in view.segments(RecordView::body_size(view.kind())) {
            at += segment_header::SIZE + bytes.len();
            match tag {
                segment_tag::USER_FRAMES => frames = Some(bytes),
                segment_tag::USER_STACK => stack = bytes,
                // The two are the last: what is before them is kept.
                _ => kept = at,
            }
        }
        let frames = frames?;
        let builder = RecordBuilder::continue_from(record.get(..kept)?);
        let header = view.header();
        self.account.seen += 1;
        let begun = Instant::now();
        let origin = if self.budget.has_some(begun) {
            let origin = self.origin(header.tgid, header.start_ns, frames, stack, proc_root);
            self.budget.left = self.budget.left.saturating_sub(begun.elapsed());
            let to = if origin.is_some() { &mut self.account.aggregated } else { &mut self.account.filtered };
            *to += 1;
            origin
        } else {
            self.account.lost += 1;
            None
        };
        Some(match origin {
            Some(origin) => builder.segment(segment_tag::CODE_ORIGIN, &origin).finish(),
            None => builder.finish(),
        })
    }

    /// The bytes of the segment.
    fn origin(&mut self, pid: u32, start_ns: u64, frames: &[u8], stack: &[u8], proc_root: &Path) -> Option<Vec<u8>> {
        let registers = Registers {
            pc: u64_at(frames, user_registers::PC),
            sp: u64_at(frames, user_registers::SP),
            fp: Some(u64_at(frames, user_registers::FP)),
            link: Some(u64_at(frames, user_registers::LINK)).filter(|link| *link != 0),
        };
        // The first is the instruction itself.
        let outer = frames.get(user_registers::SIZE..).unwrap_or_default().chunks_exact(8).skip(1);
        let returns: Vec<u64> = outer.map(|address| u64_at(address, 0)).collect();
        let stack = Stack::new(registers.sp, stack);
        let walk = Walk { registers, returns: &returns, stack };
        self.know(pid, start_ns, proc_root)?;
        let known = self.processes.get_mut(&pid)?;
        let (origin, unknown) = known.look(walk, &mut self.images);
        if unknown.is_none() || unknown == known.nowhere {
            known.nowhere = unknown;
            return origin;
        }
        // Perhaps loaded since.
        self.forget(pid);
        self.know(pid, start_ns, proc_root)?;
        let known = self.processes.get_mut(&pid)?;
        let (origin, unknown) = known.look(walk, &mut self.images);
        known.nowhere = unknown;
        origin
    }

    /// Sees to it that the mapped files of a process are known.
    fn know(&mut self, pid: u32, start_ns: u64, proc_root: &Path) -> Option<()> {
        let now = Instant::now();
        if let Some(known) = self.processes.get(&pid)
            && known.start_ns == start_ns
            && now.duration_since(known.read) < BELIEVED
        {
            return Some(());
        }
        self.processes.remove(&pid);
        let directory = proc_root.join(pid.to_string());
        let maps = Maps::read(&directory)?;
        // Read first and asked afterwards: so it was this process all the while.
        let found = process_scan::find(proc_root, pid)?;
        if start_ns != 0 && ProcessKey::new(pid, start_ns) != ProcessKey::new(pid, found.start_ns) {
            return None;
        }
        if self.processes.len() >= MOST_PROCESSES
            && let Some(oldest) = self.processes.iter().min_by_key(|(_, known)| known.read).map(|(pid, _)| *pid)
        {
            self.processes.remove(&oldest);
        }
        self.processes
            .insert(pid, Known { start_ns, read: now, nowhere: None, maps, images: OpenImages::new(directory) });
        Some(())
    }
}

/// Whether a record may carry what is resolved here.
pub(super) fn concerns(kind: u16) -> bool {
    kind == record_kind::SOCKET_CONNECT
}

/// `struct code_origin`, the build id, the path.
fn segment(origin: &Origin<'_>, build_id: &[u8]) -> Vec<u8> {
    let mut bytes = origin.offset.to_le_bytes().to_vec();
    let length = u16::try_from(build_id.len()).unwrap_or(0);
    for number in [origin.confidence, origin.depth, length, 0] {
        bytes.extend(number.to_le_bytes());
    }
    bytes.extend(build_id.get(..usize::from(length)).unwrap_or_default());
    bytes.extend(origin.mapping.path().as_bytes());
    bytes
}

#[cfg(test)]
mod tests;
