//! The probe thread: drives every probe, and nothing else touches them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::clock_watch::ClockWatch;
use super::core::Session;
use super::helpers::{Finished, Helpers};
use super::manager::ReplayedMark;
use super::pipeline::{Begin, End, Lost, Message, REASON_CAPTURE_CUT, REASON_DRAIN_CUT, REASON_PROBE_FAILED};
use super::self_test::SelfTests;
use super::{Interpreter, SessionError};
use crate::device::clock;
use crate::device::probe::process_names::ProcessNames;
use crate::device::probe::{PollState, Probe, ProbeError, RawBatch, SessionSlot};
use crate::device::self_test::HelperProgram;
use crate::event::{ProbeId, ProbeState, ProbeStatus, Selection, SelfTestMoment, SessionEnd, SessionEndReason};

/// A poll waits this long at least when nothing came, and twice as long each time nothing comes again ...
const SHORTEST_WAIT: Duration = Duration::from_millis(1);
/// ... up to this. It also bounds how long a client's command waits for a poll to return.
const LONGEST_WAIT: Duration = Duration::from_millis(20);
/// How often the probes' counters are read: how exactly a gap is placed.
const COUNTERS_INTERVAL: Duration = Duration::from_millis(100);
/// How long the records of an ended session are waited for. Nothing new is made for it any more, so what is left is at
/// most a ring full; only another busy session can make the drain last.
const LONGEST_DRAIN: Duration = Duration::from_secs(2);

/// What clients, and the pipeline, ask of the probe thread.
pub(super) enum Command {
    Start(Box<Start>),
    /// Does nothing when the session has ended already.
    End {
        slot: SessionSlot,
        reason: SessionEndReason,
    },
    /// Ends every session and then the thread.
    Shutdown,
}

pub(super) struct Start {
    pub(super) slot: SessionSlot,
    pub(super) selection: Selection,
    /// Makes the session, once the probes have taken the selection and their statuses are known.
    pub(super) open: OpenSession,
    /// What a capture says beyond its records; `None` for a live session.
    pub(super) replayed: Option<Replayed>,
    pub(super) reply: oneshot::Sender<Result<Arc<Session>, SessionError>>,
}

pub(super) type OpenSession =
    Box<dyn FnOnce(Vec<ProbeStatus>) -> Result<(Arc<Session>, Box<dyn Interpreter>), SessionError> + Send>;

/// What a capture says beyond its records.
pub(super) struct Replayed {
    pub(super) marks: VecDeque<ReplayedMark>,
    /// Batches handed on so far: a mark goes where it was among the records, so that the numbers are the same again.
    pub(super) batches: u64,
    pub(super) end: Option<SessionEnd>,
}

/// The probes' statuses as of now, for whoever asks.
pub(super) type SharedStatuses = Arc<Mutex<Vec<ProbeStatus>>>;

/// The thread is gone or about to go.
struct Gone;

struct Driven {
    probe: Box<dyn Probe>,
    /// Why it is of no use any more.
    failed: Option<String>,
    /// What had been lost when last looked.
    lost: BTreeMap<(SessionSlot, &'static str), u64>,
}

pub(super) struct ProbeThread {
    probes: Vec<Driven>,
    /// Statuses of probes that could not be opened.
    unavailable: Vec<ProbeStatus>,
    statuses: SharedStatuses,
    commands: Receiver<Command>,
    messages: SyncSender<Message>,
    active: BTreeSet<SessionSlot>,
    replayed: BTreeMap<SessionSlot, Replayed>,
    helpers: Helpers,
    names: ProcessNames,
    clocks: Option<ClockWatch>,
    /// The thread ends once every session has.
    shutting_down: bool,
    wait: Duration,
    counters_read: Instant,
    counters_read_ns: u64,
}

impl ProbeThread {
    pub(super) fn new(
        probes: Vec<Box<dyn Probe>>,
        unavailable: Vec<ProbeStatus>,
        commands: Receiver<Command>,
        messages: SyncSender<Message>,
        self_test: Option<HelperProgram>,
        names: ProcessNames,
    ) -> Self {
        let probes = probes.into_iter().map(|probe| Driven { probe, failed: None, lost: BTreeMap::new() }).collect();
        let mut thread = Self {
            probes,
            unavailable,
            statuses: SharedStatuses::default(),
            commands,
            messages,
            active: BTreeSet::new(),
            replayed: BTreeMap::new(),
            helpers: Helpers::new(self_test),
            names,
            clocks: None,
            shutting_down: false,
            wait: SHORTEST_WAIT,
            counters_read: Instant::now(),
            counters_read_ns: clock::boot_ns(),
        };
        thread.publish_statuses();
        thread
    }

    pub(super) fn statuses(&self) -> SharedStatuses {
        self.statuses.clone()
    }

    /// Works until told to shut down, or until the pipeline is gone.
    pub(super) fn run(mut self) {
        let Err(Gone) = self.work();
        tracing::debug!("the probe thread ends");
    }

    fn work(&mut self) -> Result<std::convert::Infallible, Gone> {
        loop {
            if self.active.is_empty() {
                if self.shutting_down {
                    return Err(Gone);
                }
                // No session: no wake-ups at all.
                let command = self.commands.recv().map_err(|_| Gone)?;
                self.obey(command)?;
                continue;
            }
            match self.commands.try_recv() {
                Ok(command) => {
                    self.obey(command)?;
                    continue;
                }
                Err(TryRecvError::Empty) => {}
                Err(TryRecvError::Disconnected) => return Err(Gone),
            }
            let polled = self.poll(self.wait)?;
            self.wait = match (polled.more, polled.records) {
                (true, _) => Duration::ZERO,
                (false, true) => SHORTEST_WAIT,
                (false, false) => (self.wait * 2).clamp(SHORTEST_WAIT, LONGEST_WAIT),
            };
            if self.counters_read.elapsed() >= COUNTERS_INTERVAL {
                self.read_counters()?;
                self.look_at_clocks()?;
            }
            for finished in self.helpers.finished() {
                self.tested(finished)?;
            }
            if polled.ended {
                for slot in self.active.clone() {
                    self.end(slot, SessionEndReason::InputEnded)?;
                }
            }
        }
    }

    fn obey(&mut self, command: Command) -> Result<(), Gone> {
        match command {
            Command::Start(start) if self.shutting_down => {
                let _ = start.reply.send(Err(SessionError::ShuttingDown));
                Ok(())
            }
            Command::Start(start) => self.start(*start),
            Command::End { slot, reason } => self.test_and_end(slot, reason),
            Command::Shutdown => {
                self.shutting_down = true;
                for slot in self.active.clone() {
                    self.test_and_end(slot, SessionEndReason::DaemonShutdown)?;
                }
                Ok(())
            }
        }
    }

    /// Ends a session once it was tested for the last time; at once when nothing is tested.
    fn test_and_end(&mut self, slot: SessionSlot, reason: SessionEndReason) -> Result<(), Gone> {
        if !self.active.contains(&slot) {
            return Ok(());
        }
        if !self.helpers.end_after_test(slot, reason) {
            return self.end(slot, reason);
        }
        // A round that is still under way is finished first.
        self.begin_round(slot, SelfTestMoment::End, clock::boot_ns())
    }

    fn begin_round(&mut self, slot: SessionSlot, moment: SelfTestMoment, since_ns: u64) -> Result<(), Gone> {
        if moment != SelfTestMoment::Start {
            // A new round closes the one before. What its helper did may still be in the ring, and must not be missed there;
            // a drain that is given up after its time leaves that round as unproven as it is.
            self.drain()?;
        }
        match self.helpers.begin(slot, moment, since_ns) {
            Some(round) => self.send(Message::SelfTestBegins { slot, round }),
            None => Ok(()),
        }
    }

    /// A helper has finished a round, or is gone.
    fn tested(&mut self, finished: Finished) -> Result<(), Gone> {
        let Finished { slot, moment, outcome } = finished;
        self.send(Message::SelfTestHelper { slot, outcome })?;
        match self.helpers.end_reason(slot) {
            None => Ok(()),
            Some(reason) if moment == SelfTestMoment::End => self.end(slot, reason),
            Some(_) => self.begin_round(slot, SelfTestMoment::End, clock::boot_ns()),
        }
    }

    /// After a sleep, or when the wall clock was set: says so, and tests whether everything is still seen.
    fn look_at_clocks(&mut self) -> Result<(), Gone> {
        let Some(now) = clock::readings() else { return Ok(()) };
        let watch = self.clocks.get_or_insert_with(|| ClockWatch::new(now));
        let Some(change) = watch.look(now) else { return Ok(()) };
        tracing::warn!(slept_ns = change.slept_ns, wall_step_ns = change.wall_step_ns, "the clocks have changed");
        self.send(Message::ClockChange(change))?;
        for slot in self.active.clone() {
            self.begin_round(slot, SelfTestMoment::Rearm, clock::boot_ns())?;
        }
        Ok(())
    }

    fn start(&mut self, start: Start) -> Result<(), Gone> {
        let Start { slot, selection, open, replayed, reply } = start;
        // So that what was lost under an earlier session of this slot is not counted again.
        self.read_counters()?;
        if self.active.is_empty() {
            // What the clocks did while nothing was traced is nobody's concern.
            self.clocks = clock::readings().map(ClockWatch::new);
        }
        let mut traced = selection;
        let helper = if replayed.is_none() { self.helpers.start(slot, &mut traced) } else { None };
        let since_ns = clock::boot_ns();
        let batches = match self.select(slot, &traced) {
            Ok(batches) => batches,
            Err(error) => {
                self.helpers.remove(slot);
                let _ = reply.send(Err(error));
                return Ok(());
            }
        };
        let statuses = self.publish_statuses();
        let self_tests = helper.map(|helper| SelfTests::new(&statuses, helper));
        let (session, interpreter) = match open(statuses) {
            Ok(opened) => opened,
            Err(error) => {
                self.helpers.remove(slot);
                self.deselect_all(slot);
                let _ = reply.send(Err(error));
                return Ok(());
            }
        };
        self.active.insert(slot);
        self.wait = SHORTEST_WAIT;
        let begin = Begin { session: session.clone(), interpreter, replayed: replayed.is_some(), self_tests };
        self.send(Message::Begin(Box::new(begin)))?;
        if let Some(replayed) = replayed {
            self.replayed.insert(slot, replayed);
            self.replay_marks()?;
        }
        for batch in batches {
            self.send_records(batch)?;
        }
        self.begin_round(slot, SelfTestMoment::Start, since_ns)?;
        if reply.send(Ok(session)).is_err() {
            // The client went away while we worked: nobody knows of this session, so nobody would stop it.
            self.end(slot, SessionEndReason::Stopped)?;
        }
        Ok(())
    }

    /// Offers the selection to every probe. It is enough when one that traces takes it.
    fn select(&mut self, slot: SessionSlot, selection: &Selection) -> Result<Vec<RawBatch>, SessionError> {
        let mut batches = Vec::new();
        let mut traced = false;
        let mut refusals = Vec::new();
        let mut missing = None;
        for driven in self.probes.iter_mut().filter(|driven| driven.failed.is_none()) {
            let mut batch = RawBatch::new(driven.probe.id());
            match driven.probe.select(slot, selection, &mut batch) {
                Ok(()) => {
                    // A list of what is there already is no trace, and names are none either.
                    traced |= driven.probe.traces();
                    batches.push(batch);
                }
                Err(ProbeError::NoSuchProcess(pid)) => {
                    missing = Some(pid);
                    break;
                }
                Err(error) => {
                    tracing::warn!(probe = driven.probe.id().name(), %error, "the probe refuses the selection");
                    refusals.push(format!("{}: {error}", driven.probe.id().name()));
                }
            }
        }
        if traced && missing.is_none() {
            return Ok(batches);
        }
        self.deselect_all(slot);
        if let Some(pid) = missing {
            return Err(SessionError::NoSuchProcess(pid));
        }
        let unusable = self.current_statuses().into_iter().filter(|status| status.state != ProbeState::Attached);
        refusals.extend(unusable.map(|status| {
            let (probe, family, state) = (status.probe.name(), status.family.name(), status.state.name());
            format!("{probe} for {family} events is {state} ({})", status.reason)
        }));
        if refusals.is_empty() {
            refusals.push("the daemon was started without one".to_owned());
        }
        Err(SessionError::NoProbe(refusals.join("; ")))
    }

    /// Takes the selection back from every probe; what they say about it is of no interest.
    fn deselect_all(&mut self, slot: SessionSlot) {
        for driven in &mut self.probes {
            driven.probe.deselect(slot, &mut RawBatch::new(driven.probe.id()));
        }
    }

    fn end(&mut self, slot: SessionSlot, reason: SessionEndReason) -> Result<(), Gone> {
        if !self.active.remove(&slot) {
            return Ok(());
        }
        self.helpers.remove(slot);
        self.names.forget_session(slot);
        let mut batches = Vec::new();
        for driven in &mut self.probes {
            let mut batch = RawBatch::new(driven.probe.id());
            driven.probe.deselect(slot, &mut batch);
            batches.push(batch);
        }
        // What was on its way first, then the final totals: the order in which it happened.
        let mut missing = if self.drain()? { None } else { Some(REASON_DRAIN_CUT) };
        for batch in batches {
            self.send_records(batch)?;
        }
        self.read_counters()?;
        let statuses = self.publish_statuses();
        let mut captured = None;
        // A replay that is stopped before its end did not end as the capture says.
        if let Some(replayed) = self.replayed.remove(&slot).filter(|_| reason == SessionEndReason::InputEnded) {
            captured = replayed.end;
            if captured.is_none() {
                missing = Some(REASON_CAPTURE_CUT);
            }
        }
        self.send(Message::End(Box::new(End { slot, reason, statuses, missing, captured })))
    }

    /// Polls without waiting until every probe has nothing more. `false`: it had to be given up.
    fn drain(&mut self) -> Result<bool, Gone> {
        let deadline = Instant::now() + LONGEST_DRAIN;
        // A replay has no ring to empty: its file would be read to the end however early it is stopped.
        while self.probes.iter().any(|driven| driven.probe.id() != ProbeId::Replay) {
            if !self.poll(Duration::ZERO)?.more {
                break;
            }
            if Instant::now() >= deadline {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Polls every probe once. The first waits; with several, the others are looked at without waiting.
    fn poll(&mut self, timeout: Duration) -> Result<Polled, Gone> {
        let mut polled = Polled::default();
        let mut batches = Vec::new();
        let mut failures = 0_usize;
        let mut timeout = timeout;
        for driven in self.probes.iter_mut().filter(|driven| driven.failed.is_none()) {
            let mut batch = RawBatch::new(driven.probe.id());
            match driven.probe.poll(timeout, &mut batch) {
                Ok(state) => {
                    polled.more |= state == PollState::More;
                    polled.ended |= state == PollState::Ended;
                }
                Err(error) => {
                    tracing::error!(probe = driven.probe.id().name(), %error, "the probe broke");
                    driven.failed = Some(error.to_string());
                    failures += 1;
                }
            }
            timeout = Duration::ZERO;
            polled.records |= !batch.is_empty();
            batches.push(batch);
        }
        self.extend_sessions(&mut batches);
        // What names things goes first: the list of packages, say, was looked at after the acts that are told here, so it names
        // the app of each.
        batches.sort_by_key(|batch| batch.probe() != ProbeId::Platform);
        let mut names = RawBatch::new(ProbeId::Platform);
        for batch in batches.iter().filter(|batch| !matches!(batch.probe(), ProbeId::Platform | ProbeId::Replay)) {
            self.names.look(batch, &mut names);
        }
        self.send_records(names)?;
        for batch in batches {
            let replayed = !batch.is_empty();
            self.send_records(batch)?;
            if replayed && !self.replayed.is_empty() {
                self.replayed.values_mut().for_each(|replayed| replayed.batches += 1);
                self.replay_marks()?;
            }
        }
        if failures > 0 {
            self.publish_statuses();
            let now_ns = clock::boot_ns();
            let (reason, from_ns) = (REASON_PROBE_FAILED, self.counters_read_ns);
            self.send(Message::Lost(Lost { slot: None, reason, count: 0, from_ns, to_ns: now_ns }))?;
        }
        if self.probes.iter().all(|driven| driven.failed.is_some()) {
            // Nobody waits in a poll any more: do not spin.
            std::thread::sleep(LONGEST_WAIT);
        }
        Ok(polled)
    }

    /// Traces what sessions have waited for and what is there now.
    fn extend_sessions(&mut self, batches: &mut Vec<RawBatch>) {
        let wanted: Vec<_> = self.probes.iter_mut().flat_map(|driven| driven.probe.wanted()).collect();
        for (slot, user_ids) in wanted.into_iter().filter(|(slot, _)| self.active.contains(slot)) {
            tracing::info!(
                slot = slot.number(),
                ?user_ids,
                "a package of the session was installed: it is traced from now on"
            );
            for driven in self.probes.iter_mut().filter(|driven| driven.failed.is_none()) {
                let mut batch = RawBatch::new(driven.probe.id());
                if let Err(error) = driven.probe.extend(slot, &user_ids, &mut batch) {
                    tracing::error!(probe = driven.probe.id().name(), %error, "the probe cannot trace an installed package");
                }
                batches.push(batch);
            }
        }
    }

    /// Hands on the marks whose place among the records is reached.
    fn replay_marks(&mut self) -> Result<(), Gone> {
        let mut due = Vec::new();
        for (slot, replayed) in &mut self.replayed {
            while replayed.marks.front().is_some_and(|next| next.batches_before <= replayed.batches)
                && let Some(ReplayedMark { time_ns, mark, .. }) = replayed.marks.pop_front()
            {
                due.push(Message::Mark { slot: *slot, time_ns, mark });
            }
        }
        due.into_iter().try_for_each(|mark| self.send(mark))
    }

    /// Hands on what the probes have lost since the last time.
    fn read_counters(&mut self) -> Result<(), Gone> {
        let from_ns = self.counters_read_ns;
        let to_ns = clock::boot_ns();
        let mut programs = Vec::new();
        let mut losses = Vec::new();
        for driven in &mut self.probes {
            let counters = driven.probe.counters();
            programs.extend(counters.programs);
            for (slot, reason, count) in counters.lost {
                let known = driven.lost.entry((slot, reason)).or_default();
                // Counters of a ring are read while it runs: never go back.
                let new = count.saturating_sub(*known);
                *known = count.max(*known);
                if new > 0 {
                    losses.push(Lost { slot: Some(slot), reason, count: new, from_ns, to_ns });
                }
            }
        }
        self.counters_read = Instant::now();
        self.counters_read_ns = to_ns;
        if !programs.is_empty() {
            self.send(Message::Programs(programs))?;
        }
        for lost in losses {
            self.send(Message::Lost(lost))?;
        }
        Ok(())
    }

    fn current_statuses(&self) -> Vec<ProbeStatus> {
        let mut statuses = Vec::new();
        for driven in &self.probes {
            let mut own = driven.probe.statuses();
            if let Some(reason) = &driven.failed {
                for status in &mut own {
                    status.state = ProbeState::Denied;
                    status.reason = format!("the probe broke: {reason}");
                }
            }
            statuses.append(&mut own);
        }
        statuses.extend(self.unavailable.iter().cloned());
        statuses
    }

    fn publish_statuses(&mut self) -> Vec<ProbeStatus> {
        let statuses = self.current_statuses();
        self.statuses.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&statuses);
        statuses
    }

    fn send_records(&self, batch: RawBatch) -> Result<(), Gone> {
        if batch.is_empty() { Ok(()) } else { self.send(Message::Records(batch)) }
    }

    /// Waits when the pipeline is behind: then the ring fills, and the kernel counts what it cannot keep.
    fn send(&self, message: Message) -> Result<(), Gone> {
        self.messages.send(message).map_err(|_| {
            tracing::error!("the pipeline thread is gone");
            Gone
        })
    }
}

#[derive(Debug, Default)]
struct Polled {
    more: bool,
    records: bool,
    ended: bool,
}
