//! When the system held the app to be on the screen, beside the phases that were marked.

use std::collections::HashMap;

use super::limits;
use crate::event::{Importance, ProcessKey};

/// Follows the importance of the app's processes.
#[derive(Debug, Default)]
pub(super) struct OnScreen {
    /// Whether each living process is on the screen.
    processes: HashMap<ProcessKey, bool>,
    /// Since when the app is (or is no longer) on the screen, in the order of the recording.
    changes: Vec<(u64, bool)>,
}

/// What was observed within a stretch of time, in nanoseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct ScreenTime {
    /// For how long anything is known.
    pub(super) known_ns: u64,
    /// For how long at least one process was on the screen.
    pub(super) on_screen_ns: u64,
}

impl OnScreen {
    /// Notes what was observed of a process. `false`: there was no room for it.
    pub(super) fn observed(&mut self, time_ns: u64, process: ProcessKey, importance: Importance) -> bool {
        if importance == Importance::System {
            // Not under the activity manager: a program started from a shell, which never is on the screen.
            return self.ended(time_ns, process);
        }
        if self.processes.len() >= limits::PROCESSES_ON_SCREEN && !self.processes.contains_key(&process) {
            return false;
        }
        self.processes.insert(process, importance == Importance::Foreground);
        self.changed(time_ns)
    }

    /// Notes that a process has ended. `false`: there was no room for it.
    pub(super) fn ended(&mut self, time_ns: u64, process: ProcessKey) -> bool {
        self.processes.remove(&process).is_none() || self.changed(time_ns)
    }

    fn changed(&mut self, time_ns: u64) -> bool {
        let now = self.processes.values().any(|on_screen| *on_screen);
        if self.changes.last().is_some_and(|(_, last)| *last == now) {
            return true;
        }
        let room = self.changes.len() < limits::SCREEN_CHANGES;
        if room {
            self.changes.push((time_ns, now));
        }
        room
    }

    /// What was observed between two times. Before the first observation nothing is known.
    pub(super) fn within(&self, from_ns: u64, to_ns: u64) -> ScreenTime {
        let mut time = ScreenTime::default();
        let ends = self.changes.iter().skip(1).map(|(since_ns, _)| *since_ns).chain([to_ns]);
        for ((since_ns, on_screen), until_ns) in self.changes.iter().zip(ends) {
            let overlap = until_ns.min(to_ns).saturating_sub((*since_ns).max(from_ns));
            time.known_ns = time.known_ns.saturating_add(overlap);
            if *on_screen {
                time.on_screen_ns = time.on_screen_ns.saturating_add(overlap);
            }
        }
        time
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(pid: u32) -> ProcessKey {
        ProcessKey::new(pid, 0)
    }

    #[test]
    fn one_process_on_the_screen_is_enough() {
        let mut screen = OnScreen::default();
        assert_eq!(screen.within(0, 100), ScreenTime::default(), "nothing is known");
        assert!(screen.observed(10, process(1), Importance::Foreground));
        assert!(screen.observed(20, process(2), Importance::Background));
        assert!(screen.observed(40, process(1), Importance::Perceptible));
        assert!(screen.observed(60, process(2), Importance::Foreground));
        assert!(screen.ended(70, process(2)));
        assert_eq!(screen.within(0, 100), ScreenTime { known_ns: 90, on_screen_ns: 40 });
        assert_eq!(screen.within(30, 50), ScreenTime { known_ns: 20, on_screen_ns: 10 });
        assert_eq!(screen.within(65, 100), ScreenTime { known_ns: 35, on_screen_ns: 5 });
    }

    #[test]
    fn what_the_activity_manager_does_not_know_says_nothing() {
        let mut screen = OnScreen::default();
        assert!(screen.observed(10, process(1), Importance::System));
        assert!(screen.ended(20, process(7)));
        assert_eq!(screen.within(0, 100), ScreenTime::default());
    }

    #[test]
    fn what_has_no_room_is_said() {
        let mut screen = OnScreen::default();
        for number in 0..u32::try_from(limits::PROCESSES_ON_SCREEN).unwrap() {
            assert!(screen.observed(10, process(number), Importance::Background));
        }
        assert!(!screen.observed(10, process(u32::MAX), Importance::Foreground));
    }
}
