//! The whole names of app processes, which records have no room for.
//!
//! * **In:** batches of records, as they come from a probe; `/proc`. **Out:** records that name processes.
//! * **May import:** `nix`, `super`.
//! * **Test it:** `cargo test process_names`; with real processes in `tests/app_identity.rs`.
//!
//! Android forks an app's process from one that has everything loaded. It executes nothing, so no record of an exec tells its
//! name; it takes its user id first and its name some milliseconds later. The name is needed where the user id does
//! not say which app it is. So a process that runs the program of apps is looked at when its first records come, and again
//! until it has a name of its own. It costs other processes nothing: they have no user id of an app, or run another
//! program.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::record_layout::{
    HeaderFields, RecordBuilder, RecordView, process_name_body, record_flag, record_kind, segment_tag,
};
use super::{RawBatch, SessionSlot, process_scan};
use crate::event::{ProcessKey, UserIdKind, user_id_kind};

/// The programs that app processes run.
const APP_PROGRAMS: &[&str] = &["app_process64", "app_process32", "app_process"];
/// Names that a process has before it has its own (`frameworks/base/core/jni/com_android_internal_os_Zygote.cpp`,
/// `core/java/com/android/internal/os/Zygote.java`).
const NAMES_OF_NOBODY: &[&str] =
    &["", "zygote", "zygote64", "webview_zygote", "usap32", "usap64", "<pre-initialized>", "app_process"];
/// A nameless process is looked at again after this time ...
const LOOK_AGAIN_NS: u64 = 5_000_000;
/// ... which doubles, and after so many looks it is left alone.
const MOST_LOOKS: u8 = 12;
/// The most processes that are remembered. Beyond that all are forgotten, and named again.
const MOST_PROCESSES: usize = 4096;
/// No name is longer.
const LONGEST_NAME: usize = 512;

#[derive(Debug, Default)]
struct Known {
    /// Sessions that were told its name.
    told: u64,
    name: Option<Vec<u8>>,
    looks: u8,
    next_look_ns: u64,
}

/// Finds the names of app processes.
#[derive(Debug)]
pub struct ProcessNames {
    proc_root: PathBuf,
    known: HashMap<(u32, u64), Known>,
}

impl ProcessNames {
    /// One that looks at the proc file system at `proc_root`.
    #[must_use]
    pub fn new(proc_root: PathBuf) -> Self {
        Self { proc_root, known: HashMap::new() }
    }

    /// Appends to `names` the names of processes that act in `batch` and were not named yet. They are to be told before the
    /// batch: then its acts know them.
    pub fn look(&mut self, batch: &RawBatch, names: &mut RawBatch) {
        for record in batch.iter() {
            let view = RecordView::new(record);
            let header = view.header();
            if user_id_kind(header.uid) == UserIdKind::System || header.tgid == 0 {
                continue;
            }
            let key = (header.tgid, header.start_ns);
            if view.kind() == record_kind::PROCESS_EXIT {
                self.known.remove(&key);
                continue;
            }
            if self.known.len() >= MOST_PROCESSES && !self.known.contains_key(&key) {
                self.known.clear();
            }
            let known = self.known.entry(key).or_default();
            if header.sessions & !known.told == 0 {
                continue;
            }
            if known.name.is_none() {
                if known.looks >= MOST_LOOKS || header.time_ns < known.next_look_ns {
                    continue;
                }
                known.next_look_ns = header.time_ns.saturating_add(LOOK_AGAIN_NS << known.looks);
                known.looks += 1;
                match name_of(&self.proc_root, &header) {
                    Look::Name(name) => known.name = Some(name),
                    Look::NotYet => continue,
                    Look::NoApp => {
                        known.looks = MOST_LOOKS;
                        continue;
                    }
                }
            }
            if let Some(name) = &known.name {
                let fresh = HeaderFields { sessions: header.sessions & !known.told, ..header };
                names.push(
                    &RecordBuilder::new(
                        &fresh,
                        record_kind::PROCESS_NAME,
                        record_flag::SAMPLED,
                        process_name_body::SIZE,
                    )
                    .segment(segment_tag::NAME, name)
                    .finish(),
                );
                known.told |= header.sessions;
            }
        }
    }

    /// Forgets what a session was told: another will have its slot.
    pub fn forget_session(&mut self, slot: SessionSlot) {
        self.known.values_mut().for_each(|known| known.told &= !slot.bit());
    }
}

enum Look {
    Name(Vec<u8>),
    NotYet,
    /// Not an app's process, or not there any more.
    NoApp,
}

fn name_of(proc_root: &Path, header: &HeaderFields) -> Look {
    let directory = proc_root.join(header.tgid.to_string());
    let runs_app = std::fs::read_link(directory.join("exe"))
        .is_ok_and(|program| APP_PROGRAMS.iter().any(|app| program.file_name().is_some_and(|name| name == *app)));
    if !runs_app {
        return Look::NoApp;
    }
    let Ok(mut name) = std::fs::read(directory.join("cmdline")) else { return Look::NoApp };
    // After the name was read: the number was still that process's then.
    let same = process_scan::find(proc_root, header.tgid).is_some_and(|found| {
        header.start_ns == 0
            || ProcessKey::new(header.tgid, found.start_ns) == ProcessKey::new(header.tgid, header.start_ns)
    });
    if !same {
        return Look::NoApp;
    }
    name.truncate(name.iter().position(|byte| *byte == 0).unwrap_or(name.len()).min(LONGEST_NAME));
    // A name that was written over a longer one can end with spaces.
    name.truncate(name.trim_ascii_end().len());
    // Until it has its own, a program that was executed has its path.
    let nobody = name.first() == Some(&b'/') || NAMES_OF_NOBODY.iter().any(|nobody| nobody.as_bytes() == name);
    if nobody { Look::NotYet } else { Look::Name(name) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::ProbeId;

    struct World {
        root: tempfile::TempDir,
        names: ProcessNames,
    }

    impl World {
        fn new() -> Self {
            let root = tempfile::tempdir().unwrap();
            Self { names: ProcessNames::new(root.path().to_owned()), root }
        }

        fn process(&self, pid: u32, program: &str, name: &str) {
            let directory = self.root.path().join(pid.to_string());
            std::fs::create_dir_all(&directory).unwrap();
            let _absent = std::fs::remove_file(directory.join("exe"));
            std::os::unix::fs::symlink(program, directory.join("exe")).unwrap();
            std::fs::write(directory.join("cmdline"), format!("{name}\0\0\0")).unwrap();
            let stat = format!(
                "{pid} (main) S 1 {pid} {pid} 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 100 0 0 18446744073709551615 0 0 0 0 0 0 0 0 0 0 0 0 17 0 0 0 0 0 0 0 0 0 0 0 0 0 0"
            );
            std::fs::write(directory.join("stat"), stat).unwrap();
        }

        fn look(&mut self, pid: u32, uid: u32, sessions: u64, time_ns: u64) -> Vec<String> {
            let header = HeaderFields {
                time_ns,
                sessions,
                start_ns: 1_003_000_000,
                tgid: pid,
                tid: pid,
                uid,
                ..HeaderFields::default()
            };
            let mut batch = RawBatch::new(ProbeId::EbpfKernelObjects);
            batch.push(&RecordBuilder::new(&header, record_kind::FILE_OPEN, 0, 48).finish());
            let mut out = RawBatch::new(ProbeId::Platform);
            self.names.look(&batch, &mut out);
            out.iter()
                .flat_map(|record| RecordView::new(record).segments(process_name_body::SIZE).collect::<Vec<_>>())
                .map(|(_, _, name)| String::from_utf8(name.to_vec()).unwrap())
                .collect()
        }
    }

    #[test]
    fn a_process_of_an_app_is_named_once_for_each_session() {
        let mut world = World::new();
        world.process(7, "/system/bin/app_process64", "com.example.app:remote");
        assert_eq!(world.look(7, 10_123, 0b01, 0), ["com.example.app:remote"]);
        assert!(world.look(7, 10_123, 0b01, 1).is_empty());
        assert_eq!(world.look(7, 10_123, 0b11, 2).len(), 1, "another session");
        world.names.forget_session(SessionSlot::new(0).unwrap());
        assert_eq!(world.look(7, 10_123, 0b01, 3).len(), 1, "the slot has another session");
    }

    #[test]
    fn it_is_looked_at_again_until_it_has_a_name_of_its_own() {
        let mut world = World::new();
        world.process(7, "/system/bin/app_process64", "zygote64");
        assert!(world.look(7, 99_123, 1, 0).is_empty());
        world.process(7, "/system/bin/app_process64", "com.example.app:worker   ");
        assert!(world.look(7, 99_123, 1, LOOK_AGAIN_NS - 1).is_empty(), "not yet");
        assert_eq!(world.look(7, 99_123, 1, LOOK_AGAIN_NS), ["com.example.app:worker"]);
    }

    #[test]
    fn others_are_left_alone() {
        let mut world = World::new();
        world.process(7, "/system/bin/sh", "com.example.app");
        world.process(8, "/system/bin/app_process64", "com.example.app");
        assert!(world.look(7, 10_123, 1, 0).is_empty(), "another program");
        assert!(world.look(8, 1000, 1, 0).is_empty(), "the system");
        assert!(world.look(9, 10_123, 1, 0).is_empty(), "gone");
        std::fs::write(
            world.root.path().join("8/stat"),
            std::fs::read_to_string(world.root.path().join("8/stat")).unwrap().replace(" 100 0 0 184", " 102 0 0 184"),
        )
        .unwrap();
        assert!(world.look(8, 10_123, 1, 0).is_empty(), "the number was used again");
    }
}
