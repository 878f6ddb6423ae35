//! Packages that come, change and go while sessions run.
//!
//! * **In:** the device's package list, looked at again when its file changes. **Out:** records of what changed, and the user
//!   ids that a session waits for.
//! * **May import:** `event`, `device::package_list`, `super`.
//! * **Test it:** `cargo test platform`; with real processes in `tests/app_identity.rs`.
//!
//! Android writes the list anew and renames it into place before it starts an app of a new package. The file's identity and
//! times are asked for at most every [`LOOK_EVERY`], which costs a microsecond. Being told by inotify was rejected: it
//! needs the directory to be there, can lose what it has to tell, and a look at the file would follow all the same.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::super::record_layout::{RecordBuilder, package_body, package_change, record_kind, segment_tag};
use super::records;
use crate::device::package_list;
use crate::device::probe::{RawBatch, SessionSlot};
use crate::event::{PackageEntry, Selection, user_ids_of_package};

/// How often the file is looked at, at most, while a session runs.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// What tells one version of the file from the next: device, inode, size, and when content and inode were changed.
type Version = (u64, u64, u64, i64, i64, i64, i64);

/// A session, as far as packages concern it.
#[derive(Debug, Default)]
struct Watching {
    /// The packages that it traces.
    packages: BTreeSet<String>,
    /// The user ids that it traces.
    user_ids: BTreeSet<u32>,
}

/// Looks at the package list while sessions run.
#[derive(Debug)]
pub(super) struct PackageWatch {
    root: PathBuf,
    version: Option<Version>,
    known: BTreeMap<String, Vec<PackageEntry>>,
    next_look: Instant,
    sessions: BTreeMap<SessionSlot, Watching>,
    wanted: Vec<(SessionSlot, BTreeSet<u32>)>,
}

impl PackageWatch {
    pub(super) fn new(root: PathBuf) -> Self {
        Self {
            root,
            version: None,
            known: BTreeMap::new(),
            next_look: Instant::now(),
            sessions: BTreeMap::new(),
            wanted: Vec::new(),
        }
    }

    /// A session begins. What the others have not been told yet is told now, so that it is old for this one.
    pub(super) fn begin(&mut self, slot: SessionSlot, selection: &Selection, batch: &mut RawBatch) {
        self.look_now(batch);
        let watching = Watching { packages: selection.packages.clone(), user_ids: selection.user_ids.clone() };
        self.sessions.insert(slot, watching);
        // Between the lookup of the client's names and now, one of them may have come.
        self.want_all();
    }

    pub(super) fn end(&mut self, slot: SessionSlot) {
        self.sessions.remove(&slot);
        self.wanted.retain(|(of, _)| *of != slot);
    }

    /// User ids that sessions have waited for, since the last call.
    pub(super) fn take_wanted(&mut self) -> Vec<(SessionSlot, BTreeSet<u32>)> {
        std::mem::take(&mut self.wanted)
    }

    /// Looks at the file, if it is time.
    pub(super) fn look(&mut self, batch: &mut RawBatch) {
        if !self.sessions.is_empty() && Instant::now() >= self.next_look {
            self.look_now(batch);
        }
    }

    fn look_now(&mut self, batch: &mut RawBatch) {
        self.next_look = Instant::now() + LOOK_EVERY;
        // Not there for a moment, or not at all: nothing is known to have changed.
        let Some(version) = self.file_version() else { return };
        if self.version == Some(version) {
            return;
        }
        let list = package_list::read(&self.root);
        if !list.read_error.is_empty() {
            tracing::warn!(error = list.read_error, "the package list has changed and cannot be read");
            return;
        }
        self.version = Some(version);
        let mut now: BTreeMap<String, Vec<PackageEntry>> = BTreeMap::new();
        for entry in list.packages {
            now.entry(entry.package.clone()).or_default().push(entry);
        }
        let before = std::mem::replace(&mut self.known, now);
        for (package, entries) in &self.known {
            match before.get(package) {
                Some(old) if old == entries => {}
                Some(_) => self.tell(entries, package_change::REPLACED, batch),
                None => self.tell(entries, package_change::INSTALLED, batch),
            }
        }
        for (_, entries) in before.iter().filter(|(package, _)| !self.known.contains_key(*package)) {
            self.tell(entries, package_change::REMOVED, batch);
        }
        self.want_all();
    }

    /// Tells every session of a change.
    fn tell(&self, entries: &[PackageEntry], change: u16, batch: &mut RawBatch) {
        for (slot, watching) in &self.sessions {
            for entry in entries {
                let traced = change != package_change::REMOVED
                    && watching.packages.contains(&entry.package)
                    && !watching.user_ids.contains(&entry.user_id);
                let version = entry.version_code.filter(|_| change != package_change::REMOVED).unwrap_or(-1);
                batch.push(
                    &RecordBuilder::new(&records::header(*slot), record_kind::PACKAGE, 0, package_body::SIZE)
                        .body(package_body::USER_ID, &entry.user_id.to_le_bytes())
                        .body(package_body::CHANGE, &change.to_le_bytes())
                        .body(package_body::TRACED, &u16::from(traced).to_le_bytes())
                        .body(package_body::VERSION, &version.to_le_bytes())
                        .segment(segment_tag::NAME, entry.package.as_bytes())
                        .segment(segment_tag::TEXT_PATH, entry.data_directory.as_bytes())
                        .finish(),
                );
            }
        }
    }

    /// Notes the user ids of the sessions' packages that are not traced yet.
    fn want_all(&mut self) {
        let users = package_list::users(&self.root);
        for (slot, watching) in &mut self.sessions {
            let entries = watching.packages.iter().filter_map(|package| self.known.get(package)).flatten();
            let fresh: BTreeSet<u32> = entries
                .flat_map(|entry| user_ids_of_package(entry.user_id, &users))
                .filter(|user_id| !watching.user_ids.contains(user_id))
                .collect();
            if !fresh.is_empty() {
                watching.user_ids.extend(&fresh);
                self.wanted.push((*slot, fresh));
            }
        }
    }

    fn file_version(&self) -> Option<Version> {
        let file = std::fs::metadata(package_list::path(&self.root)).ok()?;
        Some((file.dev(), file.ino(), file.size(), file.mtime(), file.mtime_nsec(), file.ctime(), file.ctime_nsec()))
    }
}
