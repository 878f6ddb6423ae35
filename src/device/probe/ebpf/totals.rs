//! Running totals of open descriptors: from the kernel's table to records.

use std::collections::HashMap;

use super::super::record_layout::{
    HeaderFields, RecordBuilder, RecordView, record_flag, record_kind, segment_tag, socket_end, socket_totals_body,
    totals_body, u16_at, u32_at, u64_at,
};
use super::loader::{Loaded, Tier};
use super::map_layout::{
    DESCRIPTOR_FILE, DESCRIPTOR_SOCKET, DescriptorBytes, DescriptorKey, UNIX_NAME_MAX, UNIX_NAMES_SIZE, descriptor,
};
use crate::device::probe::RawBatch;

const FAMILY_UNIX: u16 = 1;

/// What identifies one open descriptor for ever: process, descriptor, handle.
pub(super) type Identity = (u32, u32, u64);

/// An entry of the kernel's table at one moment.
#[derive(Debug, Clone)]
pub(super) struct Snapshot {
    key: DescriptorKey,
    value: DescriptorBytes,
    unix_names: Option<[u8; UNIX_NAMES_SIZE]>,
    /// The path or the address that belongs to it is what the app passed: a hint.
    named_by_app: bool,
}

/// Every entry of the kernel's table.
pub(super) fn snapshots(kernel: &Loaded) -> Vec<Snapshot> {
    kernel
        .descriptors
        .entries()
        .into_iter()
        .map(|(key, value)| {
            let is_unix = u16_at(&value, descriptor::FAMILY) == FAMILY_UNIX;
            let unix_names = if is_unix { kernel.unix_names.get(&key, 0).ok() } else { None };
            Snapshot { key, value, unix_names, named_by_app: kernel.tier == Tier::SystemCalls }
        })
        .collect()
}

/// Forgets an entry whose process has ended or is not selected any more.
pub(super) fn remove(kernel: &mut Loaded, snapshot: &Snapshot) {
    // The number can be in use again by now: only the very entry that was seen is removed.
    if kernel.descriptors.remove(&snapshot.key, u64_at(&snapshot.value, descriptor::HANDLE)) {
        let _absent = kernel.unix_names.remove(&snapshot.key);
    }
}

impl Snapshot {
    /// The process.
    pub(super) fn pid(&self) -> u32 {
        let [pid, _] = self.key;
        pid
    }

    /// Its user id when the descriptor was first seen.
    pub(super) fn uid(&self) -> u32 {
        u32_at(&self.value, descriptor::UID)
    }

    /// Its identity.
    pub(super) fn identity(&self) -> Identity {
        let [pid, fd] = self.key;
        (pid, fd, u64_at(&self.value, descriptor::HANDLE))
    }

    /// Bytes and calls, in and out, and the flags: what makes a difference.
    fn movement(&self) -> [u64; 5] {
        let at = |index: usize| u64_at(&self.value, descriptor::BYTES_IN + 8 * index);
        [at(0), at(1), at(2), at(3), u64::from(u16_at(&self.value, descriptor::FLAGS) & record_flag::MAPPED)]
    }

    /// Its totals as a record; none for what is not followed (pipes and the like).
    pub(super) fn record(&self, time_ns: u64, sessions: u64, closed: bool) -> Option<Vec<u8>> {
        let [pid, fd] = self.key;
        let kind = self.value.get(descriptor::KIND).copied()?;
        let (record_kind, body_size) = match kind {
            DESCRIPTOR_FILE => (record_kind::FILE_TOTALS, totals_body::SIZE),
            DESCRIPTOR_SOCKET => (record_kind::SOCKET_TOTALS, socket_totals_body::SIZE),
            _ => return None,
        };
        let header = HeaderFields {
            time_ns,
            sessions,
            start_ns: u64_at(&self.value, descriptor::START_NS),
            tgid: pid,
            tid: pid,
            uid: self.uid(),
            gid: u32_at(&self.value, descriptor::GID),
            comm: self.bytes(descriptor::COMM, 16).try_into().unwrap_or_default(),
        };
        let mut flags = u16_at(&self.value, descriptor::FLAGS) & record_flag::MAPPED;
        if closed {
            flags |= record_flag::CLOSED;
        }
        if self.named_by_app {
            flags |= record_flag::USER_MEMORY;
        }
        let mut builder = RecordBuilder::new(&header, record_kind, flags, body_size)
            .body(totals_body::HANDLE, self.bytes(descriptor::HANDLE, 8))
            .body(totals_body::BYTES_IN, self.bytes(descriptor::BYTES_IN, 32))
            .body(totals_body::FD, &fd.to_le_bytes());
        if kind == DESCRIPTOR_SOCKET {
            builder = builder
                .body(socket_totals_body::FAMILY, self.bytes(descriptor::FAMILY, 2))
                .body(socket_totals_body::TYPE, self.bytes(descriptor::TYPE, 2))
                .body(socket_totals_body::PROTOCOL, self.bytes(descriptor::PROTOCOL, 2))
                .body(socket_totals_body::LOCAL, self.bytes(descriptor::LOCAL, socket_end::SIZE))
                .body(socket_totals_body::REMOTE, self.bytes(descriptor::REMOTE, socket_end::SIZE));
            for (tag, name) in self.unix_names.iter().flat_map(unix_names) {
                builder = builder.segment(tag, name);
            }
        }
        Some(builder.finish())
    }

    fn bytes(&self, offset: usize, size: usize) -> &[u8] {
        self.value.get(offset..offset + size).unwrap_or_default()
    }
}

/// The names in `struct unix_names` that are there, with the segments they go into.
fn unix_names(names: &[u8; UNIX_NAMES_SIZE]) -> Vec<(u8, &[u8])> {
    let [local_length, remote_length, rest @ ..] = names;
    let name = |start: usize, length: u8| rest.get(start..start + usize::from(length).min(UNIX_NAME_MAX));
    [
        (segment_tag::UNIX_LOCAL, *local_length, name(0, *local_length)),
        (segment_tag::UNIX_REMOTE, *remote_length, name(UNIX_NAME_MAX, *remote_length)),
    ]
    .into_iter()
    .filter(|(_, length, _)| *length > 0)
    .filter_map(|(tag, _, name)| Some((tag, name?)))
    .collect()
}

/// What was last sent for each descriptor.
#[derive(Debug, Default)]
pub(super) struct Sent {
    last: HashMap<Identity, [u64; 5]>,
}

impl Sent {
    /// Those that moved since the last time. What is not in the table any more is forgotten.
    pub(super) fn changed(&mut self, snapshots: Vec<Snapshot>) -> Vec<Snapshot> {
        let last = std::mem::take(&mut self.last);
        let mut changed = Vec::new();
        for snapshot in snapshots {
            let (identity, movement) = (snapshot.identity(), snapshot.movement());
            if last.get(&identity).copied().unwrap_or_default() != movement {
                changed.push(snapshot);
            }
            self.last.insert(identity, movement);
        }
        changed
    }
}

/// Totals that were read from the table while records made before them were still in the ring.
///
/// They go out when the first record made after them is met, or when the ring is empty; so a file is never totalled
/// before it is opened, nor after it is closed.
#[derive(Debug, Default)]
pub(super) struct Pending {
    time_ns: u64,
    records: Vec<(Identity, Vec<u8>)>,
}

impl Pending {
    /// Adds records read at this time.
    pub(super) fn add(&mut self, time_ns: u64, records: Vec<(Identity, Vec<u8>)>) {
        self.time_ns = time_ns;
        self.records.extend(records);
    }

    /// A record of this time comes next.
    pub(super) fn before(&mut self, time_ns: u64, batch: &mut RawBatch) {
        if time_ns > self.time_ns && !self.records.is_empty() {
            self.flush(batch);
        }
    }

    /// Final totals come next: the older ones are of no use any more.
    pub(super) fn closed(&mut self, view: RecordView<'_>) {
        if self.records.is_empty() {
            return;
        }
        let body = view.body();
        let identity = (view.tgid(), u32_at(body, totals_body::FD), u64_at(body, totals_body::HANDLE));
        self.records.retain(|(other, _)| *other != identity);
    }

    /// The descriptor is gone.
    pub(super) fn forget(&mut self, snapshot: &Snapshot) {
        let identity = snapshot.identity();
        self.records.retain(|(other, _)| *other != identity);
    }

    /// Sends what there is.
    pub(super) fn flush(&mut self, batch: &mut RawBatch) {
        for (_, record) in self.records.drain(..) {
            batch.push(&record);
        }
    }
}
