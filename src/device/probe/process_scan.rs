//! What several probes need to know about processes, from `/proc`.
//!
//! * **In:** the root of a proc file system. **Out:** ids and times. A process that ends meanwhile is simply not there.
//! * **May import:** `procfs`.
//! * **Test it:** `cargo test process_scan`.

use std::collections::BTreeSet;
use std::path::Path;

use procfs::process::{Process, Stat, all_processes_with_root};

/// Nanoseconds in a clock tick: `USER_HZ` is 100 on every architecture we support.
const TICK_NS: u64 = 10_000_000;

/// One process of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScannedProcess {
    /// Its id.
    pub pid: u32,
    /// Its parent; 0 for none.
    pub parent: u32,
    /// Its start, boot time, in nanoseconds of 10 ms steps.
    pub start_ns: u64,
    /// Its name, at most 15 bytes.
    pub name: String,
}

fn scanned(stat: Stat) -> Option<ScannedProcess> {
    Some(ScannedProcess {
        pid: u32::try_from(stat.pid).ok()?,
        parent: u32::try_from(stat.ppid).unwrap_or(0),
        start_ns: stat.starttime.saturating_mul(TICK_NS),
        name: stat.comm,
    })
}

/// The handle of one process.
pub fn process(root: &Path, pid: u32) -> Option<Process> {
    Process::new_with_root(root.join(pid.to_string())).ok()
}

/// One process, if it is there.
#[must_use]
pub fn find(root: &Path, pid: u32) -> Option<ScannedProcess> {
    scanned(process(root, pid)?.stat().ok()?)
}

/// Every process that can be read.
#[must_use]
pub fn all(root: &Path) -> Vec<ScannedProcess> {
    let Ok(processes) = all_processes_with_root(root) else { return Vec::new() };
    processes.flatten().filter_map(|process| scanned(process.stat().ok()?)).collect()
}

/// The name as the kernel keeps it: at most 15 bytes and a NUL.
#[must_use]
pub fn comm(name: &str) -> [u8; 16] {
    let mut bytes = [0; 16];
    for (to, from) in bytes.iter_mut().take(15).zip(name.bytes()) {
        *to = from;
    }
    bytes
}

/// The processes of the trees under `roots`, the roots included, as one look at the list shows them.
#[must_use]
pub fn trees(root: &Path, roots: &BTreeSet<u32>) -> BTreeSet<u32> {
    let list = all(root);
    let mut found: BTreeSet<u32> = roots.iter().copied().filter(|pid| list.iter().any(|one| one.pid == *pid)).collect();
    loop {
        let before = found.len();
        found.extend(list.iter().filter(|one| found.contains(&one.parent)).map(|one| one.pid).collect::<Vec<_>>());
        if found.len() == before {
            return found;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_is_found_under_its_parent() {
        let mut child = std::process::Command::new("sleep").arg("30").spawn().unwrap();
        let own = std::process::id();
        let root = Path::new("/proc");
        let tree = trees(root, &BTreeSet::from([own]));
        let found = find(root, child.id());
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(tree.contains(&own));
        assert!(tree.contains(&child.id()));
        let found = found.unwrap();
        assert_eq!(found.parent, own);
        assert!(found.start_ns >= find(root, own).unwrap().start_ns);
    }

    #[test]
    fn a_process_that_is_not_there_has_no_tree() {
        assert!(trees(Path::new("/proc"), &BTreeSet::from([u32::MAX])).is_empty());
        assert_eq!(find(Path::new("/nonexistent"), 1), None);
    }
}
