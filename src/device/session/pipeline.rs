//! The pipeline thread: from records to the spools.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use super::accounts::Accounts;
use super::core::Session;
use super::limits::Watch;
use super::probe_thread::Command;
use super::self_test::{HelperOutcome, Round, SelfTests};
use super::targets::Targets;
use super::{Interpretation, Interpreter, RawKeeper};
use crate::device::clock;
use crate::device::probe::{RawBatch, SessionSlot};
use crate::event::{
    ClockChange, Event, Family, Gap, PhaseMark, ProbeStatus, ProgramCounters, SelfTest, SessionEnd, SessionEndReason,
    Stage, StreamEntry,
};

/// How often a session's totals go out when nothing is lost.
const TOTALS_INTERVAL: Duration = Duration::from_secs(1);

/// A record whose header cannot be read. Which session it was for is not known, so each counts it.
const REASON_SHORT_HEADER: &str = "short_header";
/// The probe broke and will give nothing more.
pub(super) const REASON_PROBE_FAILED: &str = "probe_failed";
/// The replayed capture has no end: it was cut short, or is damaged.
pub(super) const REASON_CAPTURE_CUT: &str = "capture_cut";
/// The last records of a session were not all there in time.
pub(super) const REASON_DRAIN_CUT: &str = "drain_cut";

/// What the probe thread tells the pipeline. All of it comes through one channel, so its order is the order in which it
/// happened.
pub(super) enum Message {
    /// Records with the slot's bit belong to this session from now on.
    Begin(Box<Begin>),
    Records(RawBatch),
    /// A probe lost records of a session.
    Lost(Lost),
    /// The probes' own counters have changed.
    Programs(Vec<ProgramCounters>),
    /// A mark of a replayed capture.
    Mark {
        slot: SessionSlot,
        time_ns: u64,
        mark: PhaseMark,
    },
    /// The helper of a session is told to act.
    SelfTestBegins {
        slot: SessionSlot,
        round: Round,
    },
    /// The helper of a session has acted, or is gone.
    SelfTestHelper {
        slot: SessionSlot,
        outcome: HelperOutcome,
    },
    /// The device slept, or its clock was set.
    ClockChange(ClockChange),
    /// Nothing more comes for this slot.
    End(Box<End>),
}

pub(super) struct Begin {
    pub(super) session: Arc<Session>,
    pub(super) interpreter: Box<dyn Interpreter>,
    /// Records of a capture carry times of another boot: no totals by the clock, no look at living processes.
    pub(super) replayed: bool,
    /// `None`: nothing is tested.
    pub(super) self_tests: Option<SelfTests>,
}

pub(super) struct Lost {
    /// `None`: it concerns every session.
    pub(super) slot: Option<SessionSlot>,
    pub(super) reason: &'static str,
    /// 0: not known.
    pub(super) count: u64,
    pub(super) from_ns: u64,
    pub(super) to_ns: u64,
}

pub(super) struct End {
    pub(super) slot: SessionSlot,
    pub(super) reason: SessionEndReason,
    pub(super) statuses: Vec<ProbeStatus>,
    /// Records may be missing before the end, for this reason.
    pub(super) missing: Option<&'static str>,
    /// The end to give in place of one of our own: that of a capture.
    pub(super) captured: Option<SessionEnd>,
}

/// A running session, as the pipeline sees it.
struct Active {
    session: Arc<Session>,
    interpreter: Box<dyn Interpreter>,
    replayed: bool,
    self_tests: Option<SelfTests>,
    targets: Option<Targets>,
    limits: Watch,
    ending: bool,
    /// The latest time among its records: the clock of a replayed session.
    last_record_ns: u64,
    /// Reused from record to record.
    events: Vec<Event>,
}

pub(super) struct Pipeline {
    messages: Receiver<Message>,
    /// To ask for the end of a session whose targets are gone.
    commands: Sender<Command>,
    process_exists: Box<dyn Fn(u32) -> bool + Send>,
    sessions: BTreeMap<SessionSlot, Active>,
    programs: Vec<ProgramCounters>,
    next_tick: Instant,
}

impl Pipeline {
    pub(super) fn new(
        messages: Receiver<Message>,
        commands: Sender<Command>,
        process_exists: Box<dyn Fn(u32) -> bool + Send>,
    ) -> Self {
        Self {
            messages,
            commands,
            process_exists,
            sessions: BTreeMap::new(),
            programs: Vec::new(),
            next_tick: Instant::now(),
        }
    }

    /// Works until the probe thread is gone.
    pub(super) fn run(mut self) {
        loop {
            let message = if self.sessions.is_empty() {
                // No session, no ticks: an idle daemon sleeps.
                self.messages.recv().map_err(|_| RecvTimeoutError::Disconnected)
            } else {
                self.messages.recv_timeout(self.next_tick.saturating_duration_since(Instant::now()))
            };
            match message {
                Ok(message) => self.handle(message),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            if !self.sessions.is_empty() && Instant::now() >= self.next_tick {
                self.next_tick = Instant::now() + TOTALS_INTERVAL;
                self.tick();
            }
        }
        // The probe thread ends every session before it goes; if it broke instead, readers must not wait for ever.
        let statuses = Vec::new();
        for slot in self.sessions.keys().copied().collect::<Vec<_>>() {
            let reason = SessionEndReason::DaemonShutdown;
            self.end(End { slot, reason, statuses: statuses.clone(), missing: Some(REASON_DRAIN_CUT), captured: None });
        }
    }

    fn handle(&mut self, message: Message) {
        match message {
            Message::Begin(begin) => {
                if self.sessions.is_empty() {
                    self.next_tick = Instant::now() + TOTALS_INTERVAL;
                }
                let Begin { session, interpreter, replayed, self_tests } = *begin;
                let targets = if replayed { None } else { Targets::new(&session.header.selection) };
                let limits = Watch::new(session.limits, Instant::now());
                let slot = session.slot;
                let programs = self.programs.clone();
                session.append(Vec::new(), None, |accounts| accounts.programs = programs);
                let active = Active {
                    last_record_ns: session.header.started.boot_ns,
                    session,
                    interpreter,
                    replayed,
                    self_tests,
                    targets,
                    limits,
                    ending: false,
                    events: Vec::new(),
                };
                self.sessions.insert(slot, active);
            }
            Message::Records(batch) => {
                for (slot, active) in &mut self.sessions {
                    active.records(*slot, &batch);
                }
                self.end_targetless();
            }
            Message::Lost(lost) => {
                for (slot, active) in &mut self.sessions {
                    if lost.slot.is_none_or(|of| of == *slot) {
                        active.lost(&lost);
                    }
                }
            }
            Message::Programs(programs) => {
                for active in self.sessions.values() {
                    active.session.append(Vec::new(), None, |accounts| accounts.programs.clone_from(&programs));
                }
                self.programs = programs;
            }
            Message::Mark { slot, time_ns, mark } => {
                if let Some(active) = self.sessions.get(&slot) {
                    active.session.mark_at(time_ns, &mark.phase, &mark.note);
                }
            }
            Message::SelfTestBegins { slot, round } => {
                self.self_test(slot, |tests| tests.begin(round, clock::boot_ns()));
            }
            Message::SelfTestHelper { slot, outcome } => self.self_test(slot, |tests| {
                tests.helper(outcome);
                tests.settle(clock::boot_ns(), false)
            }),
            Message::ClockChange(change) => {
                for active in self.sessions.values().filter(|active| !active.replayed) {
                    active.session.append(vec![StreamEntry::ClockChange(change)], None, |_| {});
                }
            }
            Message::End(end) => self.end(*end),
        }
    }

    fn self_test(&mut self, slot: SessionSlot, step: impl FnOnce(&mut SelfTests) -> Option<SelfTest>) {
        if let Some(active) = self.sessions.get_mut(&slot) {
            active.self_test(step);
        }
    }

    fn tick(&mut self) {
        for active in self.sessions.values_mut().filter(|active| !active.replayed) {
            active.session.append(Vec::new(), Some(clock::boot_ns()), |_| {});
            active.self_test(|tests| tests.tick(clock::boot_ns()));
            if let Some(targets) = &mut active.targets {
                targets.look(&*self.process_exists);
            }
        }
        self.end_targetless();
        self.end_limited();
    }

    /// Asks for the end of sessions that have reached a limit.
    fn end_limited(&mut self) {
        let now = Instant::now();
        for (slot, active) in self.sessions.iter_mut().filter(|(_, active)| !active.ending && !active.replayed) {
            let spool = &active.session.spool;
            if let Some(reason) = active.limits.look(now, spool.account().events, spool.subscribers()) {
                active.ending = true;
                // When the probe thread is gone, so is this one soon.
                let _ = self.commands.send(Command::End { slot: *slot, reason });
            }
        }
    }

    /// Asks for the end of sessions that nothing can happen in any more.
    fn end_targetless(&mut self) {
        for (slot, active) in &mut self.sessions {
            if !active.ending && active.targets.as_ref().is_some_and(Targets::all_exited) {
                active.ending = true;
                // When the probe thread is gone, so is this one soon.
                let _ = self.commands.send(Command::End { slot: *slot, reason: SessionEndReason::TargetsExited });
            }
        }
    }

    fn end(&mut self, end: End) {
        let Some(mut active) = self.sessions.remove(&end.slot) else { return };
        active.finish();
        let time_ns = active.now_ns();
        if let Some(reason) = end.missing {
            // How many are missing nobody knows; 0 says that.
            let gap = gap(Stage::Reader, reason, 0, Vec::new(), time_ns);
            active.session.append(vec![StreamEntry::Gap(gap)], None, |_| {});
        }
        active.self_test(|tests| tests.settle(time_ns, true));
        let self_tests = active.self_tests.map(|tests| tests.finished().to_vec()).unwrap_or_default();
        active.session.finish(time_ns, |totals| {
            end.captured.unwrap_or(SessionEnd { reason: end.reason, totals, probes: end.statuses, self_tests })
        });
    }
}

impl Active {
    fn now_ns(&self) -> u64 {
        if self.replayed { self.last_record_ns } else { clock::boot_ns() }
    }

    fn records(&mut self, slot: SessionSlot, batch: &RawBatch) {
        let session = self.session.clone();
        let mut keeper = session.keeper();
        keep_records(&session, &mut keeper, slot, batch, self.self_tests.as_mut());

        let mut work = Work::default();
        for record in batch.iter() {
            match RecordStart::read(record) {
                Some(start) if start.sessions & slot.bit() == 0 => {}
                Some(start) => {
                    self.last_record_ns = self.last_record_ns.max(start.time_ns);
                    let result = self.interpreter.interpret(batch.probe(), record, &mut self.events);
                    if let Some(tests) = &mut self.self_tests {
                        // What the helper did is an act that was filtered, as the accounts see it.
                        self.events.retain(|event| !tests.owns(event, clock::boot_ns));
                    }
                    work.interpreted(result, &mut self.events, &start);
                }
                None => work.undecoded(REASON_SHORT_HEADER, 0, Vec::new(), self.last_record_ns),
            }
        }
        if work.is_empty() {
            return;
        }
        if let Some(targets) = &mut self.targets {
            for entry in &work.entries {
                if let StreamEntry::Event(event) = entry {
                    targets.event(event);
                }
            }
        }
        let totals_at_ns = work.lossy.then(|| self.now_ns());
        let Work { entries, steps, .. } = work;
        session.append(entries, totals_at_ns, |accounts| steps.apply(accounts));
        self.self_test(|tests| tests.settle(clock::boot_ns(), false));
    }

    /// Takes a step in the session's self-tests, and tells what came of a test that is finished by it.
    fn self_test(&mut self, step: impl FnOnce(&mut SelfTests) -> Option<SelfTest>) {
        let Some(test) = self.self_tests.as_mut().and_then(step) else { return };
        for result in test.not_seen() {
            let (session, moment, family) = (self.session.id(), test.moment.name(), result.family.name());
            tracing::warn!(session, moment, family, reason = result.reason, "a known act was not seen");
        }
        self.session.append(vec![StreamEntry::SelfTest(Box::new(test))], None, |_| {});
    }

    /// What is still incomplete goes out before the end.
    fn finish(&mut self) {
        let interpretation = self.interpreter.finish(&mut self.events);
        if let Some(tests) = &mut self.self_tests {
            self.events.retain(|event| !tests.owns(event, clock::boot_ns));
        }
        let entries: Vec<_> = self.events.drain(..).map(|event| StreamEntry::Event(Box::new(event))).collect();
        let count = entries.len();
        if interpretation.observations.max(count) > 0 {
            self.session.append(entries, None, |accounts| accounts.interpreted(interpretation, count));
        }
    }

    fn lost(&mut self, lost: &Lost) {
        let gap = Gap {
            stage: Stage::Probe,
            reason: lost.reason.to_owned(),
            count: lost.count,
            families: Vec::new(),
            first_sequence: None,
            last_sequence: None,
            from_ns: lost.from_ns,
            to_ns: lost.to_ns,
        };
        let now_ns = self.now_ns();
        self.session
            .append(vec![StreamEntry::Gap(gap)], Some(now_ns), |accounts| accounts.lost(lost.reason, lost.count));
    }
}

fn keep_records(
    session: &Session,
    keeper: &mut Option<Box<dyn RawKeeper>>,
    slot: SessionSlot,
    batch: &RawBatch,
    mut self_tests: Option<&mut SelfTests>,
) {
    if keeper.is_none() {
        return;
    }
    let mut own = RawBatch::new(batch.probe());
    for record in batch.iter() {
        // A record that cannot be read is kept too: the replay then counts it again.
        let wanted = RecordStart::read(record).is_none_or(|start| start.sessions & slot.bit() != 0);
        // A replay has no helper that would explain these.
        if wanted && !self_tests.as_mut().is_some_and(|tests| tests.owns_record(record)) {
            own.push(record);
        }
    }
    if !own.is_empty() {
        session.keep(keeper, |keeper| keeper.records(&own));
    }
}

/// What a batch gave to one session.
#[derive(Default)]
struct Work {
    entries: Vec<StreamEntry>,
    steps: Steps,
    lossy: bool,
}

/// What a batch adds to the accounts. Gathered first, so that the session's lock is taken once for a batch.
#[derive(Default)]
struct Steps {
    interpreted: Vec<(Interpretation, usize)>,
    undecoded: Vec<(&'static str, usize)>,
}

impl Steps {
    fn apply(self, accounts: &mut Accounts) {
        for (interpretation, events) in self.interpreted {
            accounts.interpreted(interpretation, events);
        }
        for (reason, events) in self.undecoded {
            accounts.undecoded(reason, events);
        }
    }
}

impl Work {
    fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.steps.interpreted.is_empty() && self.steps.undecoded.is_empty()
    }

    fn interpreted(
        &mut self,
        result: Result<Interpretation, &'static str>,
        events: &mut Vec<Event>,
        start: &RecordStart,
    ) {
        let count = events.len();
        self.entries.extend(events.drain(..).map(|event| StreamEntry::Event(Box::new(event))));
        match result {
            Ok(interpretation) => self.steps.interpreted.push((interpretation, count)),
            Err(reason) => self.undecoded(reason, count, start.families(), start.time_ns),
        }
    }

    fn undecoded(&mut self, reason: &'static str, events: usize, families: Vec<Family>, time_ns: u64) {
        self.lossy = true;
        self.steps.undecoded.push((reason, events));
        // Damaged records next to each other make one gap.
        if events == 0
            && let Some(StreamEntry::Gap(last)) = self.entries.last_mut()
            && last.reason == reason
            && last.families == families
        {
            last.count = last.count.saturating_add(1);
            last.from_ns = last.from_ns.min(time_ns);
            last.to_ns = last.to_ns.max(time_ns);
            return;
        }
        self.entries.push(StreamEntry::Gap(gap(Stage::Decode, reason, 1, families, time_ns)));
    }
}

fn gap(stage: Stage, reason: &str, count: u64, families: Vec<Family>, time_ns: u64) -> Gap {
    Gap {
        stage,
        reason: reason.to_owned(),
        count,
        families,
        first_sequence: None,
        last_sequence: None,
        from_ns: time_ns,
        to_ns: time_ns,
    }
}

/// The part of `struct record_header` (shared_layout.h) that says whose a record is. The rest is the decoder's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct RecordStart {
    time_ns: u64,
    sessions: u64,
    kind: u16,
}

impl RecordStart {
    fn read(record: &[u8]) -> Option<Self> {
        Some(Self {
            time_ns: u64::from_le_bytes(*record.first_chunk()?),
            sessions: u64::from_le_bytes(*record.get(8..)?.first_chunk()?),
            kind: u16::from_le_bytes(*record.get(40..)?.first_chunk()?),
        })
    }

    /// The family that the kind belongs to, by the blocks of numbers in shared_layout.h; empty (any) when it is in none.
    fn families(self) -> Vec<Family> {
        match self.kind {
            1..=15 => vec![Family::Process],
            16..=31 => vec![Family::File],
            32..=47 => vec![Family::Socket],
            // Which of the two is known only when the parcel was decoded.
            48..=63 => vec![Family::Provider, Family::Service],
            _ => Vec::new(),
        }
    }
}
