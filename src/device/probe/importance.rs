//! Whether the system holds the processes of an app to be on the screen: their `oom_score_adj`, looked at again and again.
//!
//! * **In:** a `/proc` file system, whose root is given. **Out:** one record when a process is first seen, and one whenever
//!   its class changes.
//! * **May import:** `event`, `device::clock`, `procfs`, and `super`.
//! * **Test it:** `cargo test device::probe::importance`.
//!
//! Android's activity manager writes the score each time an app comes to the screen or leaves it. A tracepoint
//! (`oom:oom_score_adj_update`) would tell the moment, but only where kernel programs load, and only from then on; reading
//! is the same on every tier, tells what holds at the beginning, and twice a second is exact enough beside a person who
//! presses "home". It is looked at for what was selected by user id alone: programs started from a shell are not under the
//! activity manager. On other systems everybody has the score 0, which says nothing, so there the probe is not opened.

use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::process_scan::{self, ScannedProcess};
use super::record_layout::{HeaderFields, RecordBuilder, process_importance_body, record_flag, record_kind};
use super::{PollState, Probe, ProbeCounters, ProbeError, RawBatch, SessionSlot};
use crate::device::clock;
use crate::event::{Importance, ProbeId, ProbeStatus, Selection};

/// The time between two looks.
const INTERVAL: Duration = Duration::from_millis(500);
/// A look may take this part of the time at most: on a device with a thousand processes one takes milliseconds.
const SHARE_OF_TIME: u32 = 50;

/// Opens the probe on this proc file system.
#[must_use]
pub fn open(proc_root: PathBuf) -> Box<dyn Probe> {
    Box::new(ImportanceProbe { root: proc_root, sessions: HashMap::new(), known: HashMap::new(), next: Instant::now() })
}

/// A process is known by its id and its start.
type Key = (u32, u64);

/// What is known of a process.
#[derive(Debug, Default)]
struct Known {
    user_id: u32,
    group_id: u32,
    /// What each session was told last: a bit for each that knows the class below.
    told: u64,
    class: Option<Importance>,
}

struct ImportanceProbe {
    root: PathBuf,
    sessions: HashMap<SessionSlot, Selection>,
    known: HashMap<Key, Known>,
    next: Instant,
}

impl ImportanceProbe {
    fn look(&mut self, batch: &mut RawBatch) {
        let began = Instant::now();
        let list = process_scan::all(&self.root);
        self.known.retain(|key, _| list.iter().any(|one| (one.pid, one.start_ns) == *key));
        for one in &list {
            self.look_at(one, batch);
        }
        self.next = Instant::now() + INTERVAL.max(began.elapsed().saturating_mul(SHARE_OF_TIME));
    }

    fn look_at(&mut self, one: &ScannedProcess, batch: &mut RawBatch) {
        let known = self.known.entry((one.pid, one.start_ns)).or_default();
        if known.user_id == 0 {
            // An app's process begins as root's: the zygote forks it, and it takes its user id then.
            let Some(status) = process_scan::process(&self.root, one.pid).and_then(|process| process.status().ok())
            else {
                return;
            };
            (known.user_id, known.group_id) = (status.ruid, status.rgid);
        }
        let selected = self.sessions.iter().filter(|(_, selection)| selection.user_ids.contains(&known.user_id));
        let sessions = selected.fold(0, |bits, (slot, _)| bits | slot.bit());
        if sessions == 0 {
            return;
        }
        let path = self.root.join(one.pid.to_string()).join("oom_score_adj");
        // It ended meanwhile, or the system hides it: nothing is claimed of it.
        let Some(score) = fs::read_to_string(path).ok().and_then(|text| text.trim().parse::<i32>().ok()) else {
            return;
        };
        let class = Importance::of_score(score);
        if known.class != Some(class) {
            known.class = Some(class);
            known.told = 0;
        }
        let news = sessions & !known.told;
        known.told |= sessions;
        if news == 0 {
            return;
        }
        let header = HeaderFields {
            time_ns: clock::boot_ns(),
            sessions: news,
            start_ns: one.start_ns,
            tgid: one.pid,
            tid: one.pid,
            uid: known.user_id,
            gid: known.group_id,
            comm: process_scan::comm(&one.name),
        };
        let (kind, size) = (record_kind::PROCESS_IMPORTANCE, process_importance_body::SIZE);
        batch.push(
            &RecordBuilder::new(&header, kind, record_flag::SAMPLED, size)
                .body(process_importance_body::OOM_SCORE_ADJ, &score.to_le_bytes())
                .finish(),
        );
    }
}

impl Probe for ImportanceProbe {
    fn id(&self) -> ProbeId {
        ProbeId::Procfs
    }

    fn traces(&self) -> bool {
        false
    }

    /// None: it adds to the family of processes and stands for none.
    fn statuses(&self) -> Vec<ProbeStatus> {
        Vec::new()
    }

    fn select(&mut self, slot: SessionSlot, selection: &Selection, batch: &mut RawBatch) -> Result<(), ProbeError> {
        if !selection.user_ids.is_empty() {
            self.sessions.insert(slot, selection.clone());
            self.look(batch);
        }
        Ok(())
    }

    fn deselect(&mut self, slot: SessionSlot, _batch: &mut RawBatch) {
        self.sessions.remove(&slot);
        for known in self.known.values_mut() {
            known.told &= !slot.bit();
        }
    }

    fn poll(&mut self, _timeout: Duration, batch: &mut RawBatch) -> Result<PollState, ProbeError> {
        if !self.sessions.is_empty() && Instant::now() >= self.next {
            self.look(batch);
        }
        Ok(PollState::Idle)
    }

    fn counters(&self) -> ProbeCounters {
        ProbeCounters::default()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::process::Command;

    use super::super::record_layout::RecordView;
    use super::*;

    /// The scores told of one process, in order.
    fn scores(batch: &RawBatch, pid: u32) -> Vec<i32> {
        let views = batch.iter().map(RecordView::new).filter(|view| view.tgid() == pid);
        views.map(|view| i32::from_le_bytes(view.body()[..4].try_into().unwrap())).collect()
    }

    #[test]
    fn a_process_is_told_once_and_again_when_its_class_changes() {
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let score = format!("/proc/{}/oom_score_adj", child.id());
        let own = nix::unistd::getuid().as_raw();
        let selection = Selection { user_ids: BTreeSet::from([own]), ..Selection::default() };
        let slot = |number| SessionSlot::new(number).unwrap();
        let mut probe = ImportanceProbe {
            root: PathBuf::from("/proc"),
            sessions: HashMap::new(),
            known: HashMap::new(),
            next: Instant::now(),
        };
        fs::write(&score, "900").unwrap();
        let mut batch = RawBatch::new(probe.id());
        probe.select(slot(1), &selection, &mut batch).unwrap();
        probe.look(&mut batch);
        assert_eq!(scores(&batch, child.id()), [900], "once, however often it is looked at");

        fs::write(&score, "906").unwrap();
        probe.look(&mut batch);
        assert_eq!(scores(&batch, child.id()), [900], "of the same class");
        fs::write(&score, "100").unwrap();
        probe.look(&mut batch);
        assert_eq!(scores(&batch, child.id()), [900, 100]);

        let mut second = RawBatch::new(probe.id());
        probe.select(slot(2), &selection, &mut second).unwrap();
        let told: Vec<_> = second.iter().map(RecordView::new).filter(|view| view.tgid() == child.id()).collect();
        assert_eq!(told.len(), 1, "a session that begins later learns what holds");
        assert_eq!(told[0].sessions(), slot(2).bit(), "and the first is not told twice");

        child.kill().unwrap();
        child.wait().unwrap();
        probe.look(&mut second);
        assert!(!probe.known.keys().any(|(pid, _)| *pid == child.id()), "what has ended is forgotten");
    }

    #[test]
    fn what_was_not_selected_by_user_id_is_not_looked_at() {
        let mut probe = open(PathBuf::from("/proc"));
        let mut batch = RawBatch::new(probe.id());
        let tree = Selection { process_trees: BTreeSet::from([std::process::id()]), ..Selection::default() };
        probe.select(SessionSlot::new(1).unwrap(), &tree, &mut batch).unwrap();
        probe.poll(Duration::ZERO, &mut batch).unwrap();
        assert!(batch.is_empty());
    }
}
