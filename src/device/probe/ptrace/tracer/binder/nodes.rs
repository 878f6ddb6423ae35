//! Whom a thread calls: the driver's own log says which object a number means, and whose it is.
//!
//! Reading the log of a process costs some hundred microseconds and that of all of them more, so what was found is kept. Numbers of
//! objects are never given twice; the number by which a process knows one is, so it is forgotten when the process gives it up.

use std::collections::HashMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::super::super::super::binder_log::{self, BinderLog};
use super::super::super::super::record_layout::binder_device;
use super::super::look_up;

/// After a look that did not find what was looked for, the next one waits so long: an app can ask for numbers that are not there.
const VAIN: Duration = Duration::from_millis(200);
/// The longest log that is read. Of all processes of a phone it has some megabytes.
const LOG_MAX: u64 = 16 << 20;
/// What is kept: more is no device.
const MOST: usize = 65_536;

/// The process that an object belongs to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Owner {
    pub(super) pid: u32,
    pub(super) start_ns: u64,
    pub(super) uid: u32,
}

/// What was found.
#[derive(Debug, Default)]
pub(in super::super) struct Nodes {
    /// Process, device and number there; the object.
    known: HashMap<(u32, u16, u32), u64>,
    owners: HashMap<u64, Owner>,
    /// Until then no log is read: of this process, or (0) of all.
    vain: HashMap<u32, Instant>,
}

impl Nodes {
    /// The object that a process means by a number; 0: not known.
    pub(super) fn node(&mut self, pid: u32, device: u16, handle: u32) -> u64 {
        if let Some(node) = self.known.get(&(pid, device, handle)) {
            return *node;
        }
        if !self.may_look(pid) {
            return 0;
        }
        let log = read_log(&format!("proc/{pid}")).unwrap_or_default();
        self.known.retain(|(of, ..), _| *of != pid);
        if self.known.len() > MOST {
            self.known.clear();
        }
        for process in log.processes.iter().filter(|process| is_of(&process.context, device)) {
            self.known.extend(process.references.iter().map(|known| ((pid, device, known.handle), known.node)));
        }
        self.known.get(&(pid, device, handle)).copied().unwrap_or_else(|| self.in_vain(pid))
    }

    /// Whose an object is.
    pub(super) fn owner(&mut self, node: u64) -> Option<Owner> {
        if node == 0 {
            return None;
        }
        if let Some(owner) = self.owners.get(&node) {
            return Some(owner.clone());
        }
        if !self.may_look(0) {
            return None;
        }
        let log = read_log("state").unwrap_or_default();
        if self.owners.len() > MOST {
            self.owners.clear();
        }
        for process in &log.processes {
            let mut owner = None;
            for node in &process.nodes {
                if !self.owners.contains_key(node) {
                    let owner = owner.get_or_insert_with(|| Owner::look_up(process.pid));
                    self.owners.insert(*node, owner.clone());
                }
            }
        }
        let found = self.owners.get(&node).cloned();
        if found.is_none() {
            self.in_vain(0);
        }
        found
    }

    fn may_look(&self, pid: u32) -> bool {
        self.vain.get(&pid).is_none_or(|until| Instant::now() >= *until)
    }

    fn in_vain(&mut self, pid: u32) -> u64 {
        self.vain.insert(pid, Instant::now() + VAIN);
        0
    }

    /// A process gives up a number.
    pub(super) fn released(&mut self, pid: u32, handle: u32) {
        // On whichever device: to look again does no harm.
        for device in [binder_device::BINDER, binder_device::HWBINDER, binder_device::VNDBINDER] {
            self.known.remove(&(pid, device, handle));
        }
    }

    /// Nothing more is seen of a process, or it has ended.
    pub(in super::super) fn forget(&mut self, pid: u32) {
        self.known.retain(|(of, ..), _| *of != pid);
        self.vain.remove(&pid);
    }
}

impl Owner {
    fn look_up(pid: u32) -> Self {
        let (start_ns, uid) = look_up(pid).map_or((0, 0), |process| (process.start_ns, process.uid));
        Self { pid, start_ns, uid }
    }
}

/// Whether a context is that of a device. Old kernels do not tell it.
fn is_of(context: &str, device: u16) -> bool {
    let own = match device {
        binder_device::BINDER => "binder",
        binder_device::HWBINDER => "hwbinder",
        binder_device::VNDBINDER => "vndbinder",
        _ => return false,
    };
    context.is_empty() || context == own
}

fn read_log(file: &str) -> Option<BinderLog> {
    let places = binder_log::PLACES.iter().map(|place| PathBuf::from("/").join(place).join(file));
    places.into_iter().find_map(|path| read(&path)).map(|text| binder_log::parse(&text))
}

fn read(path: &Path) -> Option<String> {
    let mut bytes = Vec::new();
    std::fs::File::open(path).ok()?.take(LOG_MAX).read_to_end(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nodes() -> Nodes {
        let known = [((5, 1, 2), 70), ((5, 1, 3), 71), ((6, 1, 2), 70)].into_iter().collect();
        let owner = Owner { pid: 9, ..Owner::default() };
        Nodes { known, owners: [(70, owner)].into_iter().collect(), vain: HashMap::new() }
    }

    #[test]
    fn what_is_known_is_not_looked_for() {
        let mut nodes = nodes();
        assert_eq!((nodes.node(5, 1, 2), nodes.node(6, 1, 2)), (70, 70));
        assert_eq!(nodes.owner(70).map(|owner| owner.pid), Some(9));
        assert_eq!(nodes.owner(0), None);
    }

    #[test]
    fn a_number_that_was_given_up_means_nothing_any_more() {
        let mut nodes = nodes();
        nodes.released(5, 2);
        nodes.in_vain(5);
        assert_eq!((nodes.node(5, 1, 2), nodes.node(5, 1, 3), nodes.node(6, 1, 2)), (0, 71, 70));
        nodes.forget(5);
        nodes.in_vain(5);
        assert_eq!(nodes.node(5, 1, 3), 0);
    }

    #[test]
    fn numbers_of_one_device_are_none_of_another() {
        assert!(is_of("binder", binder_device::BINDER) && is_of("", binder_device::HWBINDER));
        assert!(!is_of("hwbinder", binder_device::BINDER) && !is_of("binder", binder_device::UNKNOWN));
    }
}
