//! One look at `/proc` after another, and what is new since the last.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::super::record_layout::{
    HeaderFields, RecordBuilder, process_exec_body, process_exit_body, process_start_body, record_flag, record_kind,
    segment_tag,
};
use super::open_files::OpenFile;
use super::sockets::Socket;
use super::{BTreeSet, FOUND, ProbeError, RawBatch, ScannedProcess, Selection, SessionSlot, comm, process_scan};
use super::{open_files, sockets};
use crate::device::clock;

/// The time between two looks while something happens ...
pub(super) const SHORTEST_INTERVAL: Duration = Duration::from_millis(20);
/// ... and while nothing does.
pub(super) const LONGEST_INTERVAL: Duration = Duration::from_millis(500);
/// A look may take this part of the time at most: on a device with a thousand processes one takes milliseconds.
const SHARE_OF_TIME: u32 = 10;
/// The longest command line that is taken.
const COMMAND_LINE_MAX: usize = 4096;
/// How a process ended is not known.
const WAIT_STATUS_UNKNOWN: i32 = -1;

/// A process is known by its id and its start.
type Key = (u32, u64);

/// What was seen of a process at the last look.
#[derive(Debug, Default)]
struct Seen {
    /// Sessions that have been told of it.
    told: u64,
    header: HeaderFields,
    program: Option<Program>,
    files: HashSet<OpenFile>,
    sockets: HashSet<Socket>,
}

/// What a process runs.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Program {
    path: PathBuf,
    command_line: Vec<u8>,
}

/// Looks, and what they have shown.
#[derive(Debug)]
pub(super) struct Looks {
    root: PathBuf,
    sessions: BTreeMap<SessionSlot, Selection>,
    /// Members of the trees of each session. A member stays one when its parent ends.
    members: HashMap<Key, u64>,
    seen: HashMap<Key, Seen>,
    interval: Duration,
    next: Instant,
    handles: u32,
}

impl Looks {
    pub(super) fn new(root: PathBuf) -> Self {
        Self {
            root,
            sessions: BTreeMap::new(),
            members: HashMap::new(),
            seen: HashMap::new(),
            interval: SHORTEST_INTERVAL,
            next: Instant::now(),
            handles: 0,
        }
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// When the next look is due; never while nothing is selected.
    pub(super) fn due(&self) -> Option<Instant> {
        (!self.sessions.is_empty()).then_some(self.next)
    }

    /// A selection begins: describes what is there.
    pub(super) fn begin(
        &mut self,
        slot: SessionSlot,
        selection: &Selection,
        batch: &mut RawBatch,
    ) -> Result<(), ProbeError> {
        if let Some(absent) = selection.process_trees.iter().find(|pid| process_scan::find(&self.root, **pid).is_none())
        {
            return Err(ProbeError::NoSuchProcess(*absent));
        }
        // Tells the sessions there are what is new for them, so that the rest is old for everybody but this one.
        self.look(batch);
        self.sessions.insert(slot, selection.clone());
        self.interval = SHORTEST_INTERVAL;
        self.compare(FOUND, batch);
        Ok(())
    }

    /// More user ids are selected.
    pub(super) fn extend(&mut self, slot: SessionSlot, user_ids: &BTreeSet<u32>, batch: &mut RawBatch) {
        if let Some(selection) = self.sessions.get_mut(&slot) {
            selection.user_ids.extend(user_ids);
            self.interval = SHORTEST_INTERVAL;
            self.look(batch);
        }
    }

    /// A selection ends.
    pub(super) fn end(&mut self, slot: SessionSlot) {
        self.sessions.remove(&slot);
        for bits in self.members.values_mut() {
            *bits &= !slot.bit();
        }
        self.members.retain(|_, bits| *bits != 0);
        for seen in self.seen.values_mut() {
            seen.told &= !slot.bit();
        }
        self.seen.retain(|_, seen| seen.told != 0);
    }

    /// Looks, and appends what is new.
    pub(super) fn look(&mut self, batch: &mut RawBatch) {
        if self.sessions.is_empty() {
            return;
        }
        let (began, before) = (Instant::now(), batch.len());
        self.compare(record_flag::SAMPLED, batch);
        self.interval = if batch.len() > before { SHORTEST_INTERVAL } else { self.interval * 2 };
        let cost = began.elapsed().saturating_mul(SHARE_OF_TIME);
        self.interval = self.interval.clamp(SHORTEST_INTERVAL, LONGEST_INTERVAL).max(cost);
        self.next = Instant::now() + self.interval;
    }

    /// `flags` are those of a process that no session was told of before.
    fn compare(&mut self, flags: u16, batch: &mut RawBatch) {
        let time_ns = clock::boot_ns();
        let list = process_scan::all(&self.root);
        self.find_members(&list);
        let by_uid: BTreeSet<u32> =
            self.sessions.values().flat_map(|selection| selection.user_ids.iter().copied()).collect();
        let mut present = HashSet::new();
        let own = std::process::id();
        for one in list.iter().filter(|one| one.pid != own) {
            let key = (one.pid, one.start_ns);
            let in_trees = self.members.get(&key).copied().unwrap_or(0);
            if in_trees == 0 && by_uid.is_empty() {
                continue;
            }
            let Some((uid, gid)) = self.ids(one.pid) else { continue };
            let selected_by_uid = self
                .sessions
                .iter()
                .filter(|(_, selection)| selection.user_ids.contains(&uid))
                .map(|(slot, _)| slot.bit());
            let sessions = selected_by_uid.fold(in_trees, |bits, bit| bits | bit);
            if sessions != 0 {
                present.insert(key);
                let parent = list.iter().find(|other| other.pid == one.parent);
                let header = HeaderFields {
                    time_ns,
                    sessions,
                    start_ns: one.start_ns,
                    tgid: one.pid,
                    tid: one.pid,
                    uid,
                    gid,
                    comm: comm(&one.name),
                };
                self.describe(
                    &header,
                    parent.map_or((one.parent, 0), |parent| (parent.pid, parent.start_ns)),
                    flags,
                    batch,
                );
            }
        }
        self.tell_ends(&present, time_ns, batch);
    }

    /// Adds the roots of trees, and whose parent is a member.
    fn find_members(&mut self, list: &[ScannedProcess]) {
        let starts: HashMap<u32, u64> = list.iter().map(|one| (one.pid, one.start_ns)).collect();
        for (slot, selection) in &self.sessions {
            for root in &selection.process_trees {
                // A root that has ended, and whose id is another's now, is none any more: it was seen at the beginning.
                let known = self.members.iter().any(|((pid, _), bits)| pid == root && bits & slot.bit() != 0);
                if let Some(start_ns) = starts.get(root).filter(|_| !known) {
                    *self.members.entry((*root, *start_ns)).or_default() |= slot.bit();
                }
            }
        }
        loop {
            let mut grown = false;
            for one in list {
                let Some(parent_start) = starts.get(&one.parent) else { continue };
                let inherited = self.members.get(&(one.parent, *parent_start)).copied().unwrap_or(0);
                let own = self.members.get(&(one.pid, one.start_ns)).copied().unwrap_or(0);
                if inherited & !own != 0 {
                    self.members.insert((one.pid, one.start_ns), own | inherited);
                    grown = true;
                }
            }
            if !grown {
                return;
            }
        }
    }

    /// Real user and group id.
    fn ids(&self, pid: u32) -> Option<(u32, u32)> {
        let status = process_scan::process(&self.root, pid)?.status().ok()?;
        Some((status.ruid, status.rgid))
    }

    fn describe(&mut self, header: &HeaderFields, parent: Key, flags: u16, batch: &mut RawBatch) {
        // It ended meanwhile: then it has nothing open either.
        let Some(process) = process_scan::process(&self.root, header.tgid) else { return };
        let directory = self.root.join(header.tgid.to_string());
        let mut seen = self.seen.remove(&(header.tgid, header.start_ns)).unwrap_or_default();
        let program = read_program(&directory);
        let (files, sockets) = open_files::list(&process);
        let sockets = sockets::list(&process, &sockets);
        let news = header.sessions & !seen.told;
        if news != 0 {
            // Everything there is, to the sessions that know nothing of it.
            let header = HeaderFields { sessions: news, ..header.clone() };
            batch.push(
                &RecordBuilder::new(&header, record_kind::PROCESS_START, flags, process_start_body::SIZE)
                    .body(process_start_body::PARENT_TGID, &parent.0.to_le_bytes())
                    .body(process_start_body::PARENT_START_NS, &parent.1.to_le_bytes())
                    .finish(),
            );
            program.iter().for_each(|program| batch.push(&program.record(&header, flags)));
            self.tell_open(&header, flags, (files.iter(), sockets.iter()), &directory, batch);
        }
        if header.sessions & seen.told != 0 {
            let header = HeaderFields { sessions: header.sessions & seen.told, ..header.clone() };
            if let Some(program) = program.as_ref().filter(|program| seen.program.as_ref() != Some(program)) {
                batch.push(&program.record(&header, record_flag::SAMPLED));
            }
            let new_files = files.iter().filter(|file| !seen.files.contains(*file));
            let new_sockets = sockets.iter().filter(|socket| !seen.sockets.contains(*socket));
            self.tell_open(&header, record_flag::SAMPLED, (new_files, new_sockets), &directory, batch);
        }
        seen.told |= header.sessions;
        seen.header = header.clone();
        // Gone when it is ending: what it ran stays what it ran.
        seen.program = program.or(seen.program);
        seen.files = files.into_iter().collect();
        seen.sockets = sockets.into_iter().collect();
        self.seen.insert((header.tgid, header.start_ns), seen);
    }

    fn tell_open<'a>(
        &mut self,
        header: &HeaderFields,
        flags: u16,
        (files, sockets): (impl Iterator<Item = &'a OpenFile>, impl Iterator<Item = &'a Socket>),
        directory: &Path,
        batch: &mut RawBatch,
    ) {
        for file in files {
            let handle = self.handle(file.fd, flags);
            batch.push(&open_files::record(file, directory, header, flags, handle));
        }
        for socket in sockets {
            let handle = self.handle(socket.fd, flags);
            batch.push(&sockets::record(socket, header, flags, handle));
        }
    }

    /// The handle of a descriptor that was never seen to be opened. The highest bit keeps it apart from the handles of the
    /// other probes, which are times. What was there at the beginning is named by its number alone, so that it has the same
    /// name for every session; what came later, by a count in front of it.
    fn handle(&mut self, fd: i32, flags: u16) -> u64 {
        let mut count = 0;
        if flags & record_flag::PREEXISTING == 0 {
            self.handles = self.handles.wrapping_add(1) & 0x7fff_ffff;
            count = u64::from(self.handles);
        }
        1 << 63 | count << 32 | u64::from(fd.cast_unsigned())
    }

    fn tell_ends(&mut self, present: &HashSet<Key>, time_ns: u64, batch: &mut RawBatch) {
        let mut gone: Vec<Key> = self.seen.keys().filter(|key| !present.contains(*key)).copied().collect();
        gone.sort_unstable();
        for key in gone {
            let Some(seen) = self.seen.remove(&key) else { continue };
            // Alive under a user id that is not selected: it has not ended.
            if process_scan::find(&self.root, key.0).is_some_and(|found| found.start_ns == key.1) {
                continue;
            }
            self.members.remove(&key);
            let header = HeaderFields { time_ns, sessions: seen.told, ..seen.header };
            batch.push(
                &RecordBuilder::new(&header, record_kind::PROCESS_EXIT, record_flag::SAMPLED, process_exit_body::SIZE)
                    .body(process_exit_body::WAIT_STATUS, &WAIT_STATUS_UNKNOWN.to_le_bytes())
                    .finish(),
            );
        }
    }
}

impl Program {
    fn record(&self, header: &HeaderFields, flags: u16) -> Vec<u8> {
        use std::os::unix::ffi::OsStrExt as _;
        RecordBuilder::new(header, record_kind::PROCESS_EXEC, flags, process_exec_body::SIZE)
            .segment(segment_tag::TEXT_PATH, self.path.as_os_str().as_bytes())
            .segment(segment_tag::COMMAND_LINE, &self.command_line)
            .finish()
    }
}

/// Kernel threads have no program; a process that is ending has none any more.
fn read_program(directory: &Path) -> Option<Program> {
    let path = std::fs::read_link(directory.join("exe")).ok()?;
    let mut command_line = std::fs::read(directory.join("cmdline")).unwrap_or_default();
    command_line.truncate(COMMAND_LINE_MAX);
    Some(Program { path, command_line })
}
