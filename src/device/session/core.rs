//! One session, as the pipeline and the clients share it.

use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use super::accounts::Accounts;
use super::limits::SessionLimits;
use super::{RawKeeper, SessionError};
use crate::device::clock;
use crate::device::event_bus::{Disked, Spool, SpoolState};
use crate::device::probe::SessionSlot;
use crate::device::spool_files::FoundSession;
use crate::device::token::Token;
use crate::event::{
    App, ClockAnchor, Event, EventBody, Fidelity, Gap, Outcome, Phase, PhaseMark, ProbeId, ProcessKey, ProcessRef,
    Selection, SessionEnd, SessionEndReason, SessionHeader, Stage, StreamEntry, Totals,
};

/// The daemon went before the session ended: what it had not written yet is not there.
const REASON_INTERRUPTED: &str = "interrupted";
/// An event comes out of the pipeline so long after it happened at most: what the kernel's ring and the channel to the
/// pipeline hold comes to a few seconds under full load. So the events that an interrupted session lacks are not older.
const LONGEST_DELAY_NS: u64 = 10_000_000_000;

/// One session.
pub struct Session {
    pub(super) header: SessionHeader,
    pub(super) slot: SessionSlot,
    pub(super) spool: Spool,
    pub(super) raw_capture_path: Option<PathBuf>,
    pub(super) limits: SessionLimits,
    /// What its owner must show to mark and stop it; `None`: anybody who may connect can.
    owner: Option<Token>,
    /// The raw capture. Locked before `state` by whoever locks both; a lock of its own, because writing to a disk must
    /// not make a client's call wait.
    keeper: Mutex<Option<Box<dyn RawKeeper>>>,
    state: Mutex<State>,
    ended: watch::Sender<bool>,
}

/// What changes while a session runs.
pub(super) struct State {
    /// Marks, by time: from when on which phase holds.
    marks: Vec<(u64, Phase)>,
    pub(super) accounts: Accounts,
    ended: bool,
}

/// One session in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionSummary {
    /// The session.
    pub session_id: String,
    /// What the client called it.
    pub label: String,
    /// When it began.
    pub started: ClockAnchor,
    /// What is traced.
    pub selection: Selection,
    /// The phase now.
    pub phase: Phase,
    /// Events numbered so far.
    pub events: u64,
    /// Lost so far, over all stages.
    pub dropped: u64,
    /// How it ended; `None` while it runs.
    pub end: Option<SessionEnd>,
    /// Whether only its owner may mark and stop it.
    pub owned: bool,
    /// Bytes spooled so far, those that are gone from the spool included.
    pub spooled_bytes: u64,
    /// When it ends by itself.
    pub limits: SessionLimits,
    /// Its spool.
    pub spool: SpoolState,
}

/// The account of one session, as of now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionAccount {
    /// The session.
    pub session_id: String,
    /// The account.
    pub totals: Totals,
    /// Its spool.
    pub spool: SpoolState,
    /// Readers.
    pub subscribers: usize,
}

impl State {
    /// The phase that held at a time. By time, not by order of arrival: an act that happened before a mark and comes
    /// out of the kernel's ring after it belongs to the phase before.
    fn phase_at(&self, time_ns: u64, initial: &Phase) -> Phase {
        let after = self.marks.partition_point(|(from_ns, _)| *from_ns <= time_ns);
        after.checked_sub(1).and_then(|last| self.marks.get(last)).map_or(initial, |(_, phase)| phase).clone()
    }

    fn phase_now(&self, initial: &Phase) -> Phase {
        self.marks.last().map_or(initial, |(_, phase)| phase).clone()
    }
}

impl Session {
    pub(super) fn new(
        header: SessionHeader,
        slot: SessionSlot,
        spool: Spool,
        raw_capture: Option<(PathBuf, Box<dyn RawKeeper>)>,
        limits: SessionLimits,
        owner: Option<Token>,
    ) -> Self {
        let (raw_capture_path, keeper) = raw_capture.unzip();
        Self {
            header,
            slot,
            spool,
            raw_capture_path,
            limits,
            owner,
            keeper: Mutex::new(keeper),
            state: Mutex::new(State { marks: Vec::new(), accounts: Accounts::default(), ended: false }),
            ended: watch::Sender::new(false),
        }
    }

    /// A session that a daemon before us left. It has ended: with that daemon, when not before.
    pub(super) fn found(found: FoundSession, disked: &Disked, now: ClockAnchor, boot_id: &str) -> Option<Self> {
        let header = found.header.clone();
        let marks = found.phase.iter().map(|phase| (found.last_ns, phase.clone())).collect();
        let interrupted = found.end.is_none().then(|| {
            let mut totals = Accounts::continued(found.totals.clone(), found.events);
            totals.time_ns = totals.time_ns.max(found.last_ns);
            let gap = Gap {
                stage: Stage::Spool,
                reason: REASON_INTERRUPTED.to_owned(),
                // How many nobody knows.
                count: 0,
                families: Vec::new(),
                first_sequence: None,
                last_sequence: None,
                from_ns: totals.time_ns.saturating_sub(LONGEST_DELAY_NS).max(header.started.boot_ns),
                // In another boot, that clock is gone.
                to_ns: if header.device.boot_id == boot_id { now.boot_ns } else { u64::MAX },
            };
            let end = SessionEnd {
                reason: SessionEndReason::Interrupted,
                totals,
                probes: header.probes.clone(),
                // Those that were made stand in the spool; the one of the end was not.
                self_tests: Vec::new(),
            };
            [StreamEntry::Gap(gap), StreamEntry::End(Box::new(end))]
        });
        let spool = Spool::found(found, disked);
        spool.append(interrupted.into_iter().flatten());
        // No record is for it any more, so any slot does.
        let session = Self::new(header, SessionSlot::new(0)?, spool, None, SessionLimits::default(), None);
        session.ended.send_replace(true);
        *session.lock() = State { marks, accounts: Accounts::default(), ended: true };
        Some(session)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The raw capture, locked. Whoever appends entries holds this first, so that the order in the capture is the order
    /// in the spool.
    pub(super) fn keeper(&self) -> MutexGuard<'_, Option<Box<dyn RawKeeper>>> {
        self.keeper.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn id(&self) -> &str {
        &self.header.session_id
    }

    /// Whether who shows this may mark and stop the session.
    ///
    /// # Errors
    ///
    /// When the session is owned and this is not its owner's token.
    pub(super) fn check_owner(&self, shown: &str) -> Result<(), SessionError> {
        match &self.owner {
            Some(owner) if !owner.is(shown.as_bytes()) => {
                Err(SessionError::NotOwner { session_id: self.id().to_owned(), shown: !shown.is_empty() })
            }
            _ => Ok(()),
        }
    }

    pub(super) fn has_ended(&self) -> bool {
        self.lock().ended
    }

    /// Waits until the end is in the spool.
    pub(super) async fn wait_for_end(&self) -> Result<SessionEnd, SessionError> {
        let mut ended = self.ended.subscribe();
        if ended.wait_for(|ended| *ended).await.is_err() {
            return Err(SessionError::Broken("the session"));
        }
        self.spool.end().ok_or(SessionError::Broken("the session"))
    }

    /// Appends what the pipeline made of a batch: sets the phases, settles the accounts, and adds totals when asked to.
    pub(super) fn append(
        &self,
        mut entries: Vec<StreamEntry>,
        totals_at_ns: Option<u64>,
        settle: impl FnOnce(&mut Accounts),
    ) {
        let mut state = self.lock();
        settle(&mut state.accounts);
        for entry in &mut entries {
            if let StreamEntry::Event(event) = entry {
                event.phase = state.phase_at(event.time_ns, &self.header.initial_phase);
            }
        }
        let refused = self.spool.append(entries);
        if refused > 0 {
            let _session = self.span().entered();
            tracing::error!(refused, "entries came after the end of the session");
        }
        if let Some(time_ns) = totals_at_ns {
            let totals = state.accounts.totals(time_ns, self.spool.account());
            self.spool.append([StreamEntry::Totals(Box::new(totals))]);
        }
    }

    /// Marks the beginning of a phase now.
    pub(super) fn mark_now(&self, phase: &Phase, note: &str) -> Result<u64, SessionError> {
        let mut keeper = self.keeper();
        let mut state = self.lock();
        if state.ended {
            return Err(SessionError::Ended(self.id().to_owned()));
        }
        // Read under the lock: whatever was given its phase before has an earlier time.
        let time_ns = clock::boot_ns();
        self.insert_mark(&mut state, time_ns, phase, note);
        drop(state);
        self.keep(&mut keeper, |keeper| keeper.phase_mark(time_ns, phase, note));
        Ok(time_ns)
    }

    /// Marks the beginning of a phase as a capture says.
    pub(super) fn mark_at(&self, time_ns: u64, phase: &Phase, note: &str) {
        self.insert_mark(&mut self.lock(), time_ns, phase, note);
    }

    fn insert_mark(&self, state: &mut State, time_ns: u64, phase: &Phase, note: &str) {
        let place = state.marks.partition_point(|(from_ns, _)| *from_ns <= time_ns);
        state.marks.insert(place, (time_ns, phase.clone()));
        state.accounts.marked();
        self.spool.append([StreamEntry::Event(Box::new(mark_event(time_ns, phase, note)))]);
    }

    /// Runs `write` on the raw capture, if there is one; gives it up when that fails. The session itself goes on: its
    /// stream does not need the capture, and the capture tells by its missing end that it is not whole.
    pub(super) fn keep(
        &self,
        keeper: &mut Option<Box<dyn RawKeeper>>,
        write: impl FnOnce(&mut Box<dyn RawKeeper>) -> std::io::Result<()>,
    ) {
        if let Some(open) = keeper
            && let Err(error) = write(open)
        {
            let _session = self.span().entered();
            tracing::error!(path = ?self.raw_capture_path, %error, "the raw capture is given up");
            *keeper = None;
        }
    }

    /// What lines of the log that concern this session stand under.
    pub(super) fn span(&self) -> tracing::Span {
        tracing::info_span!("session", id = self.id(), label = %self.header.label)
    }

    /// Ends the session. `end` gets the final totals and makes the end of them.
    pub(super) fn finish(&self, time_ns: u64, end: impl FnOnce(Totals) -> SessionEnd) {
        let mut keeper = self.keeper();
        let mut state = self.lock();
        if state.ended {
            return;
        }
        state.ended = true;
        let end = end(state.accounts.totals(time_ns, self.spool.account()));
        self.span().in_scope(|| {
            let (events, lost) = (end.totals.events, end.totals.loss.dropped_total());
            tracing::info!(reason = end.reason.name(), events, lost, "ended");
        });
        self.spool.append([StreamEntry::End(Box::new(end.clone()))]);
        drop(state);
        if let Some(keeper) = keeper.take()
            && let Err(error) = keeper.finish(&end)
        {
            let _session = self.span().entered();
            tracing::error!(path = ?self.raw_capture_path, %error, "the raw capture has no end");
        }
        self.ended.send_replace(true);
    }

    /// The session in a list.
    pub(super) fn summary(&self) -> SessionSummary {
        let state = self.lock();
        let spool = self.spool.account();
        let end = self.spool.end();
        // The accounts of a session of an earlier daemon are in its end only.
        let at_the_end = end.as_ref().map_or(0, |end| end.totals.loss.dropped_total());
        let dropped = state.accounts.dropped().saturating_add(spool.dropped_unread.total()).max(at_the_end);
        SessionSummary {
            session_id: self.header.session_id.clone(),
            label: self.header.label.clone(),
            started: self.header.started,
            selection: self.header.selection.clone(),
            phase: state.phase_now(&self.header.initial_phase),
            events: spool.events,
            dropped,
            end,
            owned: self.owner.is_some(),
            spooled_bytes: spool.bytes,
            limits: self.limits,
            spool: self.spool.state(),
        }
    }

    /// The account, as of now.
    pub(super) fn account(&self) -> SessionAccount {
        let state = self.lock();
        let totals = match self.spool.end() {
            Some(end) => end.totals,
            None => state.accounts.totals(clock::boot_ns(), self.spool.account()),
        };
        drop(state);
        SessionAccount {
            session_id: self.header.session_id.clone(),
            totals,
            spool: self.spool.state(),
            subscribers: self.spool.subscribers(),
        }
    }
}

/// The event of a mark. The daemon is no traced process, so it has no process key: with one, the replay of a capture by
/// another daemon would not give the same event.
fn mark_event(time_ns: u64, phase: &Phase, note: &str) -> Event {
    Event {
        sequence: 0,
        time_ns,
        process: ProcessRef { key: ProcessKey { pid: 0, start_ns: 0 }, name: "candord".to_owned(), executable: None },
        thread_id: 0,
        user_id: 0,
        app: App::default(),
        phase: phase.clone(),
        probe: ProbeId::Daemon,
        fidelity: Fidelity::Faithful,
        outcome: Outcome::Ok,
        body: EventBody::PhaseMark(PhaseMark { phase: phase.clone(), note: note.to_owned() }),
    }
}
