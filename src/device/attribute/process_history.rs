//! Which program each process ran, and when; who its parent was.
//!
//! Records of different processors arrive slightly out of order, so every question names the time of the act, and a
//! process is remembered for a while after it ended.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use crate::event::ProcessKey;

/// Most processes that are remembered at a time.
pub const MOST_PROCESSES: usize = 16_384;
/// Most program changes of one process that are remembered: a shell script in a loop must not fill the memory.
const MOST_PROGRAMS: usize = 16;
/// How long after its end a process is remembered, by the time of the records.
pub const REMEMBERED_AFTER_EXIT_NS: u64 = 5_000_000_000;

#[derive(Debug, Default)]
struct Process {
    age: u64,
    /// From when on it ran which program, in the order of time.
    programs: VecDeque<(u64, Arc<str>)>,
    /// Sessions that were told of its start.
    start_told: u64,
    /// Sessions that were told of the program it ran when tracing began, and which.
    exec_told: u64,
    identity: Identity,
}

/// What says which app a process is, where its user id does not.
#[derive(Debug, Default)]
pub(super) struct Identity {
    /// Its whole name.
    pub(super) name: Option<Arc<str>>,
    pub(super) parent: Option<ProcessKey>,
    caller: Caller,
}

impl Identity {
    /// The package that it always named as its own.
    pub(super) fn caller(&self) -> Option<&str> {
        match &self.caller {
            Caller::Always(package) => Some(package),
            Caller::Nobody | Caller::Several => None,
        }
    }
}

#[derive(Debug, Default)]
enum Caller {
    #[default]
    Nobody,
    Always(Arc<str>),
    Several,
}

/// What is known of processes.
#[derive(Debug, Default)]
pub(crate) struct ProcessHistory {
    processes: HashMap<ProcessKey, Process>,
    /// Keys by process id; the latest start is the highest.
    by_pid: BTreeMap<ProcessKey, ()>,
    by_age: BTreeMap<u64, ProcessKey>,
    next_age: u64,
    ended: VecDeque<(u64, ProcessKey)>,
    now: u64,
    evicted: u64,
}

impl ProcessHistory {
    /// Moves the time of the records on, and forgets what ended long before it. Gives the processes that were forgotten.
    pub(crate) fn advance(&mut self, time_ns: u64) -> Vec<ProcessKey> {
        self.now = self.now.max(time_ns);
        let mut forgotten = Vec::new();
        while let Some((ended_ns, key)) = self.ended.front().copied() {
            if self.now.saturating_sub(ended_ns) <= REMEMBERED_AFTER_EXIT_NS {
                break;
            }
            self.ended.pop_front();
            if self.remove(key) {
                forgotten.push(key);
            }
        }
        forgotten
    }

    fn remove(&mut self, key: ProcessKey) -> bool {
        let Some(process) = self.processes.remove(&key) else { return false };
        self.by_age.remove(&process.age);
        self.by_pid.remove(&key);
        true
    }

    fn entry(&mut self, key: ProcessKey) -> &mut Process {
        if !self.processes.contains_key(&key) {
            while self.processes.len() >= MOST_PROCESSES {
                let Some(oldest) = self.by_age.first_key_value().map(|(_, key)| *key) else { break };
                self.remove(oldest);
                self.evicted = self.evicted.saturating_add(1);
            }
            let age = self.next_age;
            self.next_age = self.next_age.saturating_add(1);
            self.by_age.insert(age, key);
            self.by_pid.insert(key, ());
            self.processes.insert(key, Process { age, ..Process::default() });
        }
        self.processes.entry(key).or_default()
    }

    /// The key of a process whose start the record did not know: the latest of its id that began before the act.
    pub(crate) fn identify(&self, pid: u32, time_ns: u64) -> Option<ProcessKey> {
        let range = ProcessKey { pid, start_ns: 1 }..=ProcessKey { pid, start_ns: time_ns };
        self.by_pid.range(range).next_back().map(|(key, ())| *key)
    }

    /// A process began. It runs its parent's program until it runs its own. Returns the sessions not told of it before.
    pub(crate) fn started(&mut self, key: ProcessKey, parent: Option<ProcessKey>, time_ns: u64, sessions: u64) -> u64 {
        let inherited = parent.and_then(|parent| self.executable(parent, time_ns));
        let process = self.entry(key);
        process.identity.parent = parent;
        if let Some(program) = inherited
            && process.programs.is_empty()
        {
            process.programs.push_back((0, program));
        }
        let news = sessions & !process.start_told;
        process.start_told |= sessions;
        news
    }

    /// A process began to run a program. Returns the sessions that did not know.
    pub(crate) fn executed(&mut self, key: ProcessKey, path: &str, time_ns: u64, sampled: bool, sessions: u64) -> u64 {
        let known = self.executable(key, time_ns);
        let process = self.entry(key);
        let same = known.as_deref() == Some(path);
        if !(sampled && same) {
            let position = process.programs.partition_point(|(from_ns, _)| *from_ns <= time_ns);
            process.programs.insert(position, (time_ns, Arc::from(path)));
            if process.programs.len() > MOST_PROGRAMS {
                process.programs.pop_front();
            }
        }
        // What `/proc` says now is news only to who has not seen the act itself; the act itself always is.
        let news = if sampled && same { sessions & !process.exec_told } else { sessions };
        process.exec_told |= sessions;
        news
    }

    /// What says which app a process is, as far as anything was learned of it.
    pub(super) fn identity(&self, key: ProcessKey) -> Option<&Identity> {
        self.processes.get(&key).map(|process| &process.identity)
    }

    /// A process has this whole name.
    pub(super) fn named(&mut self, key: ProcessKey, name: &str) {
        self.entry(key).identity.name = Some(Arc::from(name));
    }

    /// A process named this package as its own.
    pub(super) fn called_as(&mut self, key: ProcessKey, package: &str) {
        let caller = &mut self.entry(key).identity.caller;
        match caller {
            Caller::Nobody => *caller = Caller::Always(Arc::from(package)),
            Caller::Always(known) if **known != *package => *caller = Caller::Several,
            Caller::Always(_) | Caller::Several => {}
        }
    }

    /// A process ended.
    pub(crate) fn exited(&mut self, key: ProcessKey, time_ns: u64) {
        // An entry for each end, bounded like the processes themselves.
        if self.ended.len() >= MOST_PROCESSES {
            self.ended.pop_front();
        }
        self.ended.push_back((time_ns, key));
    }

    /// The program that a process ran at a time; before the first one known, the first one known.
    pub(crate) fn executable(&self, key: ProcessKey, time_ns: u64) -> Option<Arc<str>> {
        let programs = &self.processes.get(&key)?.programs;
        let position = programs.partition_point(|(from_ns, _)| *from_ns <= time_ns);
        programs.get(position.saturating_sub(1)).map(|(_, path)| Arc::clone(path))
    }

    pub(crate) fn forget_sessions(&mut self, sessions: u64) {
        for process in self.processes.values_mut() {
            process.start_told &= !sessions;
            process.exec_told &= !sessions;
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.processes.len()
    }

    pub(crate) fn evicted(&self) -> u64 {
        self.evicted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(pid: u32) -> ProcessKey {
        ProcessKey::new(pid, 50_000_000)
    }

    fn at(history: &ProcessHistory, pid: u32, time_ns: u64) -> Option<String> {
        history.executable(key(pid), time_ns).map(|path| path.to_string())
    }

    #[test]
    fn the_program_at_the_time_of_the_act() {
        let mut history = ProcessHistory::default();
        assert_eq!(at(&history, 1, 0), None);
        history.executed(key(1), "/bin/b", 200, false, 1);
        history.executed(key(1), "/bin/a", 100, false, 1);
        assert_eq!(at(&history, 1, 150).unwrap(), "/bin/a", "although its record came second");
        assert_eq!(at(&history, 1, 200).unwrap(), "/bin/b");
        assert_eq!(at(&history, 1, 50).unwrap(), "/bin/a");
        history.started(key(2), Some(key(1)), 150, 1);
        assert_eq!(at(&history, 2, 160).unwrap(), "/bin/a", "inherited");
        history.executed(key(2), "/bin/c", 170, false, 1);
        assert_eq!(at(&history, 2, 160).unwrap(), "/bin/a");
        assert_eq!(at(&history, 2, 170).unwrap(), "/bin/c");
    }

    #[test]
    fn an_ended_process_is_remembered_for_a_while() {
        let mut history = ProcessHistory::default();
        history.executed(key(1), "/bin/a", 100, false, 1);
        history.exited(key(1), 1000);
        assert_eq!(history.advance(1000 + REMEMBERED_AFTER_EXIT_NS), []);
        assert!(at(&history, 1, 900).is_some());
        assert_eq!(history.advance(1001 + REMEMBERED_AFTER_EXIT_NS), [key(1)]);
        assert_eq!((history.len(), history.by_age.len(), history.by_pid.len()), (0, 0, 0));
    }

    #[test]
    fn a_process_without_a_start_is_identified_by_time() {
        let mut history = ProcessHistory::default();
        let (old, new) = (ProcessKey::new(1, 10_000_000), ProcessKey::new(1, 90_000_000));
        history.started(old, None, 10_000_000, 1);
        history.started(new, None, 90_000_000, 1);
        assert_eq!(history.identify(1, 50_000_000), Some(old));
        assert_eq!(history.identify(1, 95_000_000), Some(new));
        assert_eq!(history.identify(2, 95_000_000), None);
    }

    #[test]
    fn memory_is_bounded() {
        let mut history = ProcessHistory::default();
        for pid in 0..=MOST_PROCESSES as u32 {
            history.executed(key(pid), "/bin/a", 1, false, 1);
            history.exited(key(pid), 1);
        }
        assert_eq!((history.len(), history.evicted(), history.ended.len()), (MOST_PROCESSES, 1, MOST_PROCESSES));
        assert_eq!((history.by_age.len(), history.by_pid.len()), (MOST_PROCESSES, MOST_PROCESSES));
        for time in 0..100 {
            history.executed(key(7), "/bin/x", time, false, 1);
        }
        assert_eq!(history.processes[&key(7)].programs.len(), MOST_PROGRAMS);
    }
}
