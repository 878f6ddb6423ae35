//! Runs of our programs that the kernel left out. It runs no program inside itself, and from Linux 7.0 on it lets other threads
//! of the same processor go on in the middle of a program on a raw tracepoint: what they do meanwhile no program sees. The
//! kernel only counts these runs, and nobody knows whose they were. So each session is charged with all of them.
//!
//! * **In:** what the kernel tells of the descriptor of each program, in `/proc/self/fdinfo`. **Out:** for each session how many.
//! * **May import:** `super::super` (the slot of a session).

use std::collections::BTreeMap;
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::path::PathBuf;

use aya::Ebpf;

use crate::device::probe::SessionSlot;

/// The word for what was lost this way.
pub(super) const REASON: &str = "program_skipped";

/// The kernel's own word for it. Kernels before 5.12 do not count; those interrupt no program.
const FIELD: &str = "recursion_misses:";

/// What was left out so far, and who is charged with it.
#[derive(Debug, Default)]
pub(super) struct Skips {
    files: Vec<PathBuf>,
    known: u64,
    charged: BTreeMap<SessionSlot, u64>,
}

impl Skips {
    /// Of these programs, as long as they are loaded.
    pub(super) fn of(programs: &Ebpf) -> Self {
        let files = programs
            .programs()
            .filter_map(|(_, program)| program.fd().ok())
            .map(|descriptor| PathBuf::from(format!("/proc/self/fdinfo/{}", descriptor.as_fd().as_raw_fd())));
        Self { files: files.collect(), ..Self::default() }
    }

    /// Charges what was left out since the last look to the sessions that went on meanwhile.
    pub(super) fn look(&mut self, sessions: impl IntoIterator<Item = SessionSlot>) {
        let counted: u64 = self
            .files
            .iter()
            .filter_map(|file| counted(&std::fs::read_to_string(file).ok()?))
            .fold(0, u64::saturating_add);
        let fresh = counted.saturating_sub(self.known);
        self.known = self.known.max(counted);
        if fresh > 0 {
            for slot in sessions {
                let charged = self.charged.entry(slot).or_default();
                *charged = charged.saturating_add(fresh);
            }
        }
    }

    /// What each slot was charged with since the programs were loaded.
    pub(super) fn charged(&self) -> impl Iterator<Item = (SessionSlot, &'static str, u64)> + '_ {
        self.charged.iter().map(|(slot, count)| (*slot, REASON, *count))
    }
}

/// The number in what the kernel tells of a program.
fn counted(text: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(FIELD)?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_count_is_charged_to_the_sessions_that_go_on() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("5");
        let write = |count: u64| {
            std::fs::write(&file, format!("pos:\t0\nprog_type:\t26\nrun_cnt:\t0\nrecursion_misses:\t{count}\n"))
                .unwrap();
        };
        write(3);
        let mut skips = Skips { files: vec![file.clone(), directory.path().join("gone")], ..Skips::default() };
        let [first, second] = [0, 1].map(|number| SessionSlot::new(number).unwrap());
        skips.look([]);
        write(7);
        skips.look([first]);
        skips.look([first, second]);
        write(8);
        skips.look([first, second]);
        assert_eq!(skips.charged().collect::<Vec<_>>(), [(first, REASON, 5), (second, REASON, 1)]);
    }

    #[test]
    fn older_kernels_do_not_count() {
        assert_eq!(counted("pos:\t0\nprog_type:\t17\nmemlock:\t4096\n"), None);
    }
}
