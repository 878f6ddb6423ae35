//! Recognises what the helper of a self-test did, and keeps it out of the app's events.
//!
//! Pure: the probe thread drives the helper (`helpers.rs`), the pipeline hands events over. An event is the helper's when
//! its process is the helper or one that it started; and it proves something when it also says what only this round of
//! the test can have said (the nonce, or the port of a socket of its own).

use super::helpers::HelperIdentity;
use crate::device::probe::record_layout::{RecordView, process_start_body, record_kind, u32_at, u64_at};
use crate::device::self_test::{KNOWN_FILE, KNOWN_INTERFACE, Report, Step};
use crate::event::{
    Endpoint, Event, EventBody, Family, Outcome, ProbeId, ProbeState, ProbeStatus, ProcessKey, SelfTest,
    SelfTestMoment, SelfTestResult, SelfTestState,
};

/// The most processes of a helper that are known: it starts one in each round.
const MOST_MEMBERS: usize = 256;
/// The most connections that are remembered of a round: the helper makes one.
const MOST_CONNECTIONS: usize = 16;

/// How many seconds after the helper has acted its acts are waited for. A ring full of the app's acts is read in less.
const MOST_TICKS: u32 = 5;

/// A round of a self-test that begins.
#[derive(Debug, Clone)]
pub(super) struct Round {
    pub(super) moment: SelfTestMoment,
    pub(super) nonce: String,
    /// From when latencies count: boot-time nanoseconds.
    pub(super) since_ns: u64,
}

/// How a round went, as far as the helper can tell.
#[derive(Debug, Clone)]
pub(super) enum HelperOutcome {
    /// It has done what it says.
    Done(Report),
    /// It is gone, or does not answer: for this reason.
    Gone(String),
    /// It was not there from the beginning, for this reason.
    Missing(String),
}

/// The self-tests of one session, as the pipeline sees them.
#[derive(Debug)]
pub(super) struct SelfTests {
    families: Vec<Family>,
    members: Vec<Member>,
    /// The user id that only the helper has.
    user_id: Option<u32>,
    running: Option<Running>,
    finished: Vec<SelfTest>,
}

#[derive(Debug)]
struct Member {
    key: ProcessKey,
    exited_ns: Option<u64>,
}

#[derive(Debug)]
struct Running {
    round: Round,
    outcome: Option<HelperOutcome>,
    /// Ticks since the helper finished.
    ticks: u32,
    sightings: Sightings,
}

/// When each thing came out of the pipeline: boot-time nanoseconds.
#[derive(Debug, Default)]
struct Sightings {
    known_file: Option<u64>,
    nonce_path: Option<u64>,
    connections: Vec<(u16, u64)>,
    start: Option<u64>,
    exec: Option<u64>,
    exit: Option<u64>,
    call: Option<u64>,
}

impl SelfTests {
    /// For a session with these statuses at its start, and this helper.
    pub(super) fn new(statuses: &[ProbeStatus], helper: HelperIdentity) -> Self {
        let tested = |family: Family| {
            statuses.iter().any(|status| {
                status.family == family
                    && matches!(status.probe, ProbeId::EbpfKernelObjects | ProbeId::EbpfSystemCalls)
                    && matches!(status.state, ProbeState::Attached | ProbeState::Partial)
            })
        };
        Self {
            families: Family::TRACED.iter().copied().filter(|family| tested(*family)).collect(),
            members: helper.key.into_iter().map(|key| Member { key, exited_ns: None }).collect(),
            user_id: helper.user_id,
            running: None,
            finished: Vec::new(),
        }
    }

    /// A round begins. One that still ran is closed first; its result is returned.
    pub(super) fn begin(&mut self, round: Round, now_ns: u64) -> Option<SelfTest> {
        let closed = self.settle(now_ns, true);
        self.running = Some(Running { round, outcome: None, ticks: 0, sightings: Sightings::default() });
        closed
    }

    /// The helper has finished a round.
    pub(super) fn helper(&mut self, outcome: HelperOutcome) {
        if let Some(running) = &mut self.running {
            running.outcome = Some(outcome);
        }
    }

    /// A second has passed. The result, when what was done has still not come out after [`MOST_TICKS`] of them.
    pub(super) fn tick(&mut self, now_ns: u64) -> Option<SelfTest> {
        let running = self.running.as_mut().filter(|running| running.outcome.is_some())?;
        running.ticks += 1;
        let time_is_up = running.ticks > MOST_TICKS;
        self.settle(now_ns, time_is_up)
    }

    /// Every self-test so far.
    pub(super) fn finished(&self) -> &[SelfTest] {
        &self.finished
    }

    /// Whether a record is the helper's. For what is kept as raw records: a replay knows no helper.
    pub(super) fn owns_record(&mut self, record: &[u8]) -> bool {
        if self.members.is_empty() {
            return false;
        }
        let view = RecordView::new(record);
        let header = view.header();
        if view.kind() == record_kind::PROCESS_START {
            let parent = ProcessKey::new(
                u32_at(view.body(), process_start_body::PARENT_TGID),
                u64_at(view.body(), process_start_body::PARENT_START_NS),
            );
            if self.is_member(parent, header.time_ns) {
                self.add(ProcessKey::new(header.tgid, header.start_ns));
            }
        }
        self.user_id == Some(header.uid)
            || self.is_member(ProcessKey::new(header.tgid, header.start_ns), header.time_ns)
    }

    /// Whether an event is the helper's; what it proves is noted. `now_ns` is asked for only then.
    pub(super) fn owns(&mut self, event: &Event, now_ns: impl FnOnce() -> u64) -> bool {
        if self.members.is_empty() {
            return false;
        }
        let key = event.process.key;
        if let EventBody::ProcessStart(start) = &event.body
            && start.parent.is_some_and(|parent| self.is_member(parent, event.time_ns))
        {
            self.add(key);
        }
        if self.user_id != Some(event.user_id) && !self.is_member(key, event.time_ns) {
            return false;
        }
        if matches!(event.body, EventBody::ProcessExit(_))
            && let Some(member) = self.members.iter_mut().find(|member| member.key.pid == key.pid)
        {
            member.exited_ns = Some(event.time_ns);
        }
        if let Some(running) = &mut self.running {
            running.sightings.note(event, &running.round.nonce, now_ns);
        }
        true
    }

    fn add(&mut self, key: ProcessKey) {
        let known = self.members.iter().any(|member| member.key == key);
        if !known && self.members.len() < MOST_MEMBERS {
            self.members.push(Member { key, exited_ns: None });
        }
    }

    /// Ids are used again: without a start time, only while the process was there.
    fn is_member(&self, key: ProcessKey, time_ns: u64) -> bool {
        self.members.iter().any(|member| {
            member.key.pid == key.pid
                && if key.start_ns == 0 || member.key.start_ns == 0 {
                    member.exited_ns.is_none_or(|exited_ns| time_ns <= exited_ns)
                } else {
                    member.key.start_ns == key.start_ns
                }
        })
    }

    /// The result of the running round, when everything was seen, or when there is no more time to wait for it.
    pub(super) fn settle(&mut self, now_ns: u64, time_is_up: bool) -> Option<SelfTest> {
        let running = self.running.as_ref()?;
        if !time_is_up && running.outcome.is_none() {
            return None;
        }
        let results: Vec<_> = self.families.iter().map(|family| running.result(*family)).collect();
        if !time_is_up && results.iter().any(|result| result.state == SelfTestState::NotSeen) {
            return None;
        }
        let test = SelfTest { moment: running.round.moment, time_ns: now_ns, results };
        self.running = None;
        self.finished.push(test.clone());
        Some(test)
    }
}

impl Sightings {
    fn note(&mut self, event: &Event, nonce: &str, now_ns: impl FnOnce() -> u64) {
        let place = match &event.body {
            EventBody::FileOpen(open)
                if event.outcome == Outcome::Ok && open.path == KNOWN_FILE && !open.preexisting =>
            {
                &mut self.known_file
            }
            EventBody::FileOpen(open) if open.path.ends_with(nonce) => &mut self.nonce_path,
            EventBody::SocketConnect(connect) => {
                if let Endpoint::Inet(address) = &connect.remote
                    && address.ip().is_loopback()
                    && self.connections.len() < MOST_CONNECTIONS
                {
                    self.connections.push((address.port(), now_ns()));
                }
                return;
            }
            EventBody::ProcessStart(start) if !start.preexisting => &mut self.start,
            EventBody::ProcessExec(exec) if exec.arguments.iter().any(|argument| argument == nonce) => &mut self.exec,
            // Of the child: the helper itself ends with the session.
            EventBody::ProcessExit(_) => &mut self.exit,
            EventBody::ServiceCall(call) if call.transaction.interface == KNOWN_INTERFACE => &mut self.call,
            _ => return,
        };
        if place.is_none() {
            *place = Some(now_ns());
        }
    }
}

impl Running {
    fn result(&self, family: Family) -> SelfTestResult {
        let not_tested =
            |reason: String| SelfTestResult { family, state: SelfTestState::NotTested, latency_ns: None, reason };
        let not_seen =
            |reason: String| SelfTestResult { family, state: SelfTestState::NotSeen, latency_ns: None, reason };
        let step = match family {
            Family::Process => Step::Process,
            Family::File => Step::File,
            Family::Socket => Step::Socket,
            Family::Service => Step::Service,
            Family::Provider => {
                let reason = "no provider is asked; the kernel programs are those of the service family";
                return not_tested(reason.to_owned());
            }
            Family::Session => return not_tested("nothing of it happens in the kernel".to_owned()),
        };
        let report = match &self.outcome {
            Some(HelperOutcome::Done(report)) => report,
            Some(HelperOutcome::Missing(why)) => return not_tested(format!("there is no helper: {why}")),
            // A helper that somebody ended proves nothing, and whoever ended it may have had a reason.
            Some(HelperOutcome::Gone(why)) => return not_seen(format!("the helper did not finish: {why}")),
            None => return not_seen("the session ended before the helper had acted".to_owned()),
        };
        if let Some(Err(why)) = report.of(Step::Identity) {
            return not_tested(why.to_owned());
        }
        let detail = match report.of(step) {
            Some(Ok(detail)) => detail,
            Some(Err(why)) => return not_tested(why.to_owned()),
            None => return not_tested("the helper was not told how".to_owned()),
        };
        let seen = &self.sightings;
        let connected = detail.parse().ok().and_then(|port: u16| {
            seen.connections.iter().find(|(remote, _)| *remote == port).map(|(_, seen_ns)| *seen_ns)
        });
        let needed: &[(&str, Option<u64>)] = match step {
            Step::File => &[("the opening of /dev/null", seen.known_file), ("a failed opening", seen.nonce_path)],
            Step::Socket => &[("a connection", connected)],
            Step::Process => &[
                ("the start of a process", seen.start),
                ("the execution of a program", seen.exec),
                ("the exit of a process", seen.exit),
            ],
            Step::Service => &[("a binder call", seen.call)],
            Step::Identity => &[],
        };
        let missing: Vec<&str> = needed.iter().filter(|(_, seen)| seen.is_none()).map(|(what, _)| *what).collect();
        if !missing.is_empty() {
            return not_seen(format!("{} did not come out", missing.join(" and ")));
        }
        let last_ns = needed.iter().filter_map(|(_, seen)| *seen).max();
        let latency_ns = last_ns.map(|last_ns| last_ns.saturating_sub(self.round.since_ns));
        SelfTestResult { family, state: SelfTestState::Seen, latency_ns, reason: String::new() }
    }
}

#[cfg(test)]
#[path = "self_test/tests.rs"]
mod tests;
