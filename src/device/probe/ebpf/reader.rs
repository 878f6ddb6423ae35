//! Drives the loaded programs: fills their filters, drains their ring, asks for totals.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::unistd::{SysconfVar, sysconf};

use super::super::record_layout::{RecordView, record_flag, record_kind};
use super::binder;
use super::code_origin::{self, CodeOrigins};
use super::completion::StartTimes;
use super::crowding::Crowding;
use super::loader::{LoadError, Loaded, Tier, settings_bytes};
use super::map_layout::{PROGRAMS, SELECTED_BY_TREE, SELECTED_BY_UID, sum_accounts};
use super::priority::Uninterrupted;
use super::skips::Skips;
use super::totals::{self, Snapshot};
use crate::device::clock;
use crate::device::probe::process_scan;
use crate::device::probe::{PollState, Probe, ProbeCounters, ProbeError, RawBatch, SessionSlot};
use crate::event::{ProbeId, ProbeStatus, Selection};

/// At most so many records in one batch: bounds the memory, and the time until the probe's thread hears commands.
const BATCH_RECORDS: usize = 4096;
/// At most so many bytes in one batch.
const BATCH_BYTES: usize = 1 << 20;
/// While something is traced the ring is looked at this often, besides when the kernel wakes us because much is unread.
const PACE: Duration = Duration::from_millis(5);
/// How often calls that nobody will receive are looked for.
const FORGET_CALLS_EVERY: Duration = Duration::from_secs(20);
/// How often changed totals of open descriptors are sent.
const TOTALS_EVERY: Duration = Duration::from_secs(1);

/// The attached probe.
pub(super) struct EbpfProbe {
    kernel: Loaded,
    wakeups: Epoll,
    wake_bytes: u32,
    /// Of the filters: changes after each change of them.
    generation: u32,
    proc_root: PathBuf,
    sessions: BTreeMap<SessionSlot, Selection>,
    /// Which sessions fill the ring.
    crowding: Crowding,
    /// What the kernel's map of user ids holds; user space is its only writer.
    uid_bits: BTreeMap<u32, u64>,
    /// The ring was empty when it was last looked at.
    drained: bool,
    /// Totals that wait for the records made before them.
    pending: totals::Pending,
    next_totals: Instant,
    next_forgetting: Instant,
    sent: totals::Sent,
    start_times: StartTimes,
    code_origins: CodeOrigins,
    skips: Skips,
}

impl EbpfProbe {
    pub(super) fn new(kernel: Loaded) -> Result<Self, LoadError> {
        let broken =
            |error: nix::Error| LoadError::Unsupported(format!("wait for the ring buffer with epoll: {error}"));
        let wakeups = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).map_err(broken)?;
        // Edge-triggered: level-triggered waiting would return at once for as long as anything is unread, and so turn
        // batches into single records.
        wakeups.add(&kernel.ring, EpollEvent::new(EpollFlags::EPOLLIN | EpollFlags::EPOLLET, 0)).map_err(broken)?;
        // Each processor counts by itself what it puts into the ring: together at most an eighth for each entry point.
        let processors =
            sysconf(SysconfVar::_NPROCESSORS_ONLN).ok().flatten().and_then(|count| u32::try_from(count).ok());
        let wake_bytes = kernel.ring_bytes / 8 / processors.unwrap_or(1).max(1);
        let crowding = Crowding::new(kernel.ring_bytes);
        let skips = kernel.skips();
        Ok(Self {
            kernel,
            wakeups,
            wake_bytes,
            generation: 0,
            proc_root: PathBuf::from("/proc"),
            sessions: BTreeMap::new(),
            crowding,
            uid_bits: BTreeMap::new(),
            drained: true,
            pending: totals::Pending::default(),
            next_totals: Instant::now(),
            next_forgetting: Instant::now(),
            sent: totals::Sent::default(),
            start_times: StartTimes::default(),
            code_origins: CodeOrigins::default(),
            skips,
        })
    }

    /// Tells the programs which filters hold anything (zero makes them leave every call alone), and that what they remember
    /// of the filters is old.
    fn write_settings(&mut self) -> Result<(), ProbeError> {
        let mut selected_by = 0;
        if !self.uid_bits.is_empty() {
            selected_by |= SELECTED_BY_UID;
        }
        if self.sessions.values().any(|selection| !selection.process_trees.is_empty()) {
            selected_by |= SELECTED_BY_TREE;
        }
        self.generation = self.generation.wrapping_add(1);
        let _uninterrupted = self.uninterrupted();
        let bytes =
            settings_bytes(selected_by, self.wake_bytes, self.generation, &self.crowding, &self.kernel.operations);
        self.kernel.settings.set(0, bytes, 0).map_err(|error| map_error("write the settings of the programs", error))
    }

    fn add_uids(&mut self, slot: SessionSlot, uids: &BTreeSet<u32>) -> Result<(), ProbeError> {
        let _uninterrupted = self.uninterrupted();
        for uid in uids {
            let bits = self.uid_bits.get(uid).copied().unwrap_or(0) | slot.bit();
            let action = || format!("select user id {uid}");
            self.kernel.uids.insert(uid, bits, 0).map_err(|error| map_error(&action(), error))?;
            self.uid_bits.insert(*uid, bits);
        }
        Ok(())
    }

    /// Adds the trees. A process that a selected one starts is added by the kernel, but one that had started before
    /// its parent was added is not: so look again until there is nothing new.
    fn add_trees(&mut self, slot: SessionSlot, roots: &BTreeSet<u32>) -> Result<(), ProbeError> {
        let mut added = BTreeSet::new();
        for root in roots {
            if process_scan::find(&self.proc_root, *root).is_none() {
                return Err(ProbeError::NoSuchProcess(*root));
            }
            self.add_tree_member(slot, *root)?;
            added.insert(*root);
        }
        loop {
            let found = process_scan::trees(&self.proc_root, roots);
            let fresh: Vec<u32> = found.difference(&added).copied().collect();
            if fresh.is_empty() {
                return Ok(());
            }
            for pid in fresh {
                self.add_tree_member(slot, pid)?;
                added.insert(pid);
            }
        }
    }

    fn add_tree_member(&mut self, slot: SessionSlot, pid: u32) -> Result<(), ProbeError> {
        let action = || format!("select process {pid}");
        {
            let _uninterrupted = self.uninterrupted();
            let bits = self.kernel.trees.get(&pid, 0).unwrap_or(0) | slot.bit();
            self.kernel.trees.insert(pid, bits, 0).map_err(|error| map_error(&action(), error))?;
        }
        if process_scan::find(&self.proc_root, pid).is_none() {
            // It ended meanwhile, perhaps before it was added: its id must not stay selected for whoever gets it next.
            let _gone = self.kernel.trees.remove(&pid);
        }
        Ok(())
    }

    fn remove_filters(&mut self, slot: SessionSlot) {
        let _uninterrupted = self.uninterrupted();
        let keep = !slot.bit();
        for (uid, bits) in std::mem::take(&mut self.uid_bits) {
            let rest = bits & keep;
            if rest == 0 {
                let _absent = self.kernel.uids.remove(&uid);
            } else {
                let _full = self.kernel.uids.insert(uid, rest, 0);
                self.uid_bits.insert(uid, rest);
            }
        }
        // Twice: a process that was just being started can have taken the bit over from its parent meanwhile.
        for _ in 0..2 {
            let members: Vec<(u32, u64)> =
                self.kernel.trees.iter().flatten().filter(|(_, bits)| bits & slot.bit() != 0).collect();
            for (pid, bits) in members {
                if bits & keep == 0 {
                    let _absent = self.kernel.trees.remove(&pid);
                } else {
                    let _full = self.kernel.trees.insert(pid, bits & keep, 0);
                }
            }
        }
    }

    /// The sessions that a process belongs to now.
    fn sessions_of(&self, pid: u32, uid: u32) -> u64 {
        let by_uid = self.uid_bits.get(&uid).copied().unwrap_or(0);
        by_uid | self.kernel.trees.get(&pid, 0).unwrap_or(0)
    }

    fn wait(&mut self, timeout: Duration) {
        let mut events = [EpollEvent::empty()];
        let timeout = EpollTimeout::try_from(timeout).unwrap_or(EpollTimeout::MAX);
        // A signal may interrupt it: then the ring is looked at a little early.
        let _interrupted = self.wakeups.wait(&mut events, timeout);
    }

    /// Moves records from the ring to the batch. Says whether the ring is empty now.
    fn drain(&mut self, batch: &mut RawBatch) -> bool {
        let (records, bytes) = (batch.len() + BATCH_RECORDS, batch.byte_len() + BATCH_BYTES);
        let mut exits: Vec<Vec<u8>> = Vec::new();
        let mut empty = false;
        let mut staged_bytes = 0;
        while batch.len() + exits.len() < records && batch.byte_len() + staged_bytes < bytes {
            let Some(record) = self.kernel.ring.next() else {
                empty = true;
                break;
            };
            let view = RecordView::new(&record);
            self.crowding.count(view.sessions(), record.len());
            self.pending.before(view.time_ns(), batch);
            if view.flags() & record_flag::CLOSED != 0 {
                self.pending.closed(view);
            }
            // Now, because the process may end; and only what is rare, because it takes some microseconds.
            let resolved = match view.kind() {
                kind if code_origin::concerns(kind) => self.code_origins.resolve(&record, &self.proc_root),
                record_kind::PROCESS_EXEC | record_kind::PROCESS_EXIT => {
                    self.code_origins.forget(view.tgid());
                    None
                }
                _ => None,
            };
            let record = resolved.as_deref().unwrap_or(&record);
            if exits.is_empty() && view.kind() != record_kind::PROCESS_EXIT && self.kernel.tier == Tier::KernelObjects {
                batch.push(record);
            } else {
                // From the first exit on, records wait until the totals of the exited processes are known.
                staged_bytes += record.len();
                exits.push(record.to_vec());
            }
        }
        if !exits.is_empty() {
            self.push_staged(exits, batch);
        }
        if empty {
            self.pending.flush(batch);
        }
        empty
    }

    /// Pushes staged records, each exit after the final totals of what its process still had open.
    fn push_staged(&mut self, staged: Vec<Vec<u8>>, batch: &mut RawBatch) {
        let exited: BTreeSet<u32> = staged
            .iter()
            .map(|record| RecordView::new(record))
            .filter(|view| view.kind() == record_kind::PROCESS_EXIT)
            .map(|view| view.tgid())
            .collect();
        let mut left: HashMap<u32, Vec<Snapshot>> = HashMap::new();
        if !exited.is_empty() {
            let _uninterrupted = self.uninterrupted();
            for snapshot in totals::snapshots(&self.kernel) {
                if exited.contains(&snapshot.pid()) {
                    left.entry(snapshot.pid()).or_default().push(snapshot);
                }
            }
        }
        for record in staged {
            let view = RecordView::new(&record);
            let (kind, pid) = (view.kind(), view.tgid());
            if kind == record_kind::PROCESS_EXIT {
                let header = view.header();
                let _uninterrupted = self.uninterrupted();
                for snapshot in left.remove(&pid).unwrap_or_default() {
                    if let Some(totals) = snapshot.record(header.time_ns, header.sessions, true) {
                        batch.push(&totals);
                    }
                    self.pending.forget(&snapshot);
                    totals::remove(&mut self.kernel, &snapshot);
                }
            }
            if self.kernel.tier == Tier::SystemCalls {
                batch.push(&self.complete(&record));
            } else {
                batch.push(&record);
            }
            if kind == record_kind::PROCESS_EXIT {
                self.start_times.forget(pid);
            }
        }
    }

    /// Adds to a record of system calls what only `/proc` knows.
    fn complete(&mut self, record: &[u8]) -> Vec<u8> {
        super::completion::complete(record, &self.proc_root, &mut self.start_times)
    }

    /// To be held while maps are read or changed, and no longer.
    fn uninterrupted(&self) -> Uninterrupted {
        Uninterrupted::begin(self.kernel.interrupts)
    }

    /// Asks the kernel which runs of our programs it left out.
    fn look_for_skips(&mut self) {
        self.skips.look(self.sessions.keys().copied());
    }

    /// Takes a snapshot of the totals that changed, if it is time.
    fn ask_for_totals(&mut self) {
        if self.sessions.is_empty() || Instant::now() < self.next_totals {
            return;
        }
        self.next_totals = Instant::now() + TOTALS_EVERY;
        self.look_for_skips();
        let time_ns = clock::boot_ns();
        if Instant::now() >= self.next_forgetting {
            self.next_forgetting = Instant::now() + FORGET_CALLS_EVERY;
            binder::forget_undeliverable(&mut self.kernel, &self.proc_root, time_ns);
        }
        let _uninterrupted = self.uninterrupted();
        let snapshots = totals::snapshots(&self.kernel);
        let changed = self.sent.changed(snapshots);
        let records = changed
            .into_iter()
            .filter_map(|snapshot| {
                let sessions = self.sessions_of(snapshot.pid(), snapshot.uid());
                let record = (sessions != 0).then(|| snapshot.record(time_ns, sessions, false)).flatten()?;
                Some((snapshot.identity(), record))
            })
            .collect();
        self.pending.add(time_ns, records);
    }
}

impl Probe for EbpfProbe {
    fn id(&self) -> ProbeId {
        self.kernel.tier.probe()
    }

    fn statuses(&self) -> Vec<ProbeStatus> {
        self.kernel.statuses.clone()
    }

    fn select(&mut self, slot: SessionSlot, selection: &Selection, _batch: &mut RawBatch) -> Result<(), ProbeError> {
        // What was left out before is not this session's.
        self.look_for_skips();
        let done = self.add_uids(slot, &selection.user_ids).and_then(|()| {
            // Before the scan: what is added to the map has to be copied to children from then on.
            self.sessions.insert(slot, selection.clone());
            self.write_settings()?;
            self.add_trees(slot, &selection.process_trees)?;
            self.write_settings()
        });
        if done.is_err() {
            self.sessions.remove(&slot);
            self.remove_filters(slot);
            self.write_settings()?;
        }
        done
    }

    fn extend(&mut self, slot: SessionSlot, user_ids: &BTreeSet<u32>, _batch: &mut RawBatch) -> Result<(), ProbeError> {
        let Some(selection) = self.sessions.get_mut(&slot) else { return Ok(()) };
        selection.user_ids.extend(user_ids);
        self.add_uids(slot, user_ids)?;
        self.write_settings()
    }

    fn deselect(&mut self, slot: SessionSlot, batch: &mut RawBatch) {
        self.look_for_skips();
        if self.sessions.remove(&slot).is_none() {
            return;
        }
        let time_ns = clock::boot_ns();
        // What was made before comes first, as far as one batch holds it.
        self.drained = self.drain(batch);
        let _uninterrupted = self.uninterrupted();
        for snapshot in totals::snapshots(&self.kernel) {
            if self.sessions_of(snapshot.pid(), snapshot.uid()) & slot.bit() == 0 {
                continue;
            }
            if let Some(record) = snapshot.record(time_ns, slot.bit(), false) {
                batch.push(&record);
            }
        }
        self.remove_filters(slot);
        self.crowding.forget(slot);
        if let Err(error) = self.write_settings() {
            tracing::warn!(%error, "the kernel programs still filter for a session that has ended");
        }
        binder::forget_session(&mut self.kernel, slot.bit());
        for snapshot in totals::snapshots(&self.kernel) {
            if self.sessions_of(snapshot.pid(), snapshot.uid()) == 0 {
                totals::remove(&mut self.kernel, &snapshot);
            }
        }
    }

    fn poll(&mut self, timeout: Duration, batch: &mut RawBatch) -> Result<PollState, ProbeError> {
        if self.drained {
            self.wait(if self.sessions.is_empty() { timeout } else { timeout.min(PACE) });
        }
        self.ask_for_totals();
        self.drained = self.drain(batch);
        if self.crowding.look(Instant::now(), self.sessions.len(), !self.drained) {
            // The generation changes with it: the programs then look their filters up once more, which does no harm.
            self.write_settings()?;
        }
        Ok(if self.drained { PollState::Idle } else { PollState::More })
    }

    fn counters(&self) -> ProbeCounters {
        let _uninterrupted = self.uninterrupted();
        let programs = PROGRAMS
            .iter()
            .filter_map(|(index, name)| {
                let values = self.kernel.accounts.get(index, 0).ok()?;
                Some(sum_accounts(name, values.iter()))
            })
            .chain([self.code_origins.account()])
            .collect();
        // The kernel counts for sets of sessions; here each session of a set gets its share.
        let mut sums: BTreeMap<(SessionSlot, &'static str), u64> = BTreeMap::new();
        for (sessions, [ring_full, map_full]) in self.kernel.session_losses.iter().flatten() {
            for slot in (0..SessionSlot::COUNT).filter_map(SessionSlot::new).filter(|slot| sessions & slot.bit() != 0) {
                for (reason, count) in [("ring_full", ring_full), ("map_full", map_full)] {
                    let sum = sums.entry((slot, reason)).or_default();
                    *sum = sum.saturating_add(count);
                }
            }
        }
        let lost =
            sums.into_iter().filter(|(_, count)| *count > 0).map(|((slot, reason), count)| (slot, reason, count));
        ProbeCounters { programs, lost: lost.chain(self.skips.charged()).collect() }
    }
}

fn map_error(action: &str, error: aya::maps::MapError) -> ProbeError {
    ProbeError::System { action: action.to_owned(), source: std::io::Error::other(error) }
}
