//! Whether any process of a process-tree selection is still alive.

use std::collections::BTreeMap;

use crate::event::{Event, EventBody, Selection};

/// The most processes followed. A tree that outgrows it is simply never declared ended.
const MOST_PROCESSES: usize = 65_536;

/// The living processes of a session that traces process trees only.
///
/// The stream itself tells of starts and exits. A second source is needed, because an exit can be lost, or no probe may
/// tell of exits: a process that was in `/proc` once and is missing there on two looks in a row is gone. Two, because
/// at the first look the start of its child may still be on the way. A process never seen in `/proc` is left to the
/// events: it may have an id of another pid namespace.
#[derive(Debug)]
pub(super) struct Targets {
    living: BTreeMap<u32, Presence>,
    overflowed: bool,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Presence {
    seen: bool,
    missing: bool,
}

impl Targets {
    /// `None` when user ids or packages are selected too: then a new process can appear at any time.
    pub(super) fn new(selection: &Selection) -> Option<Self> {
        (selection.user_ids.is_empty() && selection.packages.is_empty() && !selection.process_trees.is_empty()).then(
            || Self {
                living: selection.process_trees.iter().map(|pid| (*pid, Presence::default())).collect(),
                overflowed: false,
            },
        )
    }

    /// Takes note of an event.
    pub(super) fn event(&mut self, event: &Event) {
        let pid = event.process.key.pid;
        match event.body {
            EventBody::ProcessStart(_) if self.living.len() < MOST_PROCESSES => {
                self.living.entry(pid).or_default();
            }
            EventBody::ProcessStart(_) => self.overflowed = true,
            EventBody::ProcessExit(_) => {
                self.living.remove(&pid);
            }
            _ => {}
        }
    }

    /// Looks for each process; `exists` tells whether it is in `/proc`.
    pub(super) fn look(&mut self, exists: &dyn Fn(u32) -> bool) {
        self.living.retain(|pid, presence| {
            if exists(*pid) {
                *presence = Presence { seen: true, missing: false };
                return true;
            }
            let gone = presence.seen && presence.missing;
            presence.missing = true;
            !gone
        });
    }

    /// Whether every process is gone.
    pub(super) fn all_exited(&self) -> bool {
        !self.overflowed && self.living.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_vanished_process_counts_as_gone_at_the_second_look() {
        let selection = Selection { process_trees: BTreeSet::from([10, 11]), ..Selection::default() };
        let mut targets = Targets::new(&selection).unwrap();
        // 11 is never there: it may be an id of another namespace.
        targets.look(&|pid| pid == 10);
        targets.look(&|_| false);
        assert_eq!(targets.living.keys().copied().collect::<Vec<_>>(), [10, 11]);
        targets.look(&|_| false);
        assert_eq!(targets.living.keys().copied().collect::<Vec<_>>(), [11]);
        assert!(!targets.all_exited());
    }

    #[test]
    fn user_ids_never_end_by_themselves() {
        let selection = Selection {
            user_ids: BTreeSet::from([10_001]),
            process_trees: BTreeSet::from([10]),
            ..Selection::default()
        };
        assert!(Targets::new(&selection).is_none());
    }
}
