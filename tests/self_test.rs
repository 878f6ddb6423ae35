//! Self-tests against the kernel: what the helper does is seen and taken out, and what is not seen is told.
#![cfg(feature = "ebpf")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may panic")]

use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use candor::device::daemon::{Daemon, DaemonOptions, ListenAddress, ProbeSource};
use candor::device::probe::ebpf::{EbpfOptions, open_with};
use candor::device::probe::record_layout::{RecordView, record_kind};
use candor::device::probe::{PollState, Probe, ProbeCounters, ProbeError, RawBatch, SessionSlot};
use candor::device::self_test::{FIRST_HELPER_USER_ID, HELPER_VERB};
use candor::device::session::{SessionManager, StartRequest};
use candor::event::{
    Event, EventBody, EventFilter, Family, ProbeId, ProbeStatus, Selection, SelfTest, SelfTestMoment, SelfTestState,
    SessionEnd, Stage, StreamEntry,
};

/// A user id that nobody has.
const USER: u32 = 61_001;
const TESTED: [Family; 3] = [Family::Process, Family::File, Family::Socket];

/// A probe whose records of one kind get lost without a trace: what a self-test is for.
struct Deaf {
    inner: Box<dyn Probe>,
    to: u16,
}

impl Deaf {
    fn leave_out(&self, all: &RawBatch, batch: &mut RawBatch) {
        all.iter().filter(|record| RecordView::new(record).kind() != self.to).for_each(|record| batch.push(record));
    }
}

impl Probe for Deaf {
    fn id(&self) -> ProbeId {
        self.inner.id()
    }

    fn statuses(&self) -> Vec<ProbeStatus> {
        self.inner.statuses()
    }

    fn select(&mut self, slot: SessionSlot, selection: &Selection, batch: &mut RawBatch) -> Result<(), ProbeError> {
        self.inner.select(slot, selection, batch)
    }

    fn deselect(&mut self, slot: SessionSlot, batch: &mut RawBatch) {
        let mut all = RawBatch::new(self.id());
        self.inner.deselect(slot, &mut all);
        self.leave_out(&all, batch);
    }

    fn poll(&mut self, timeout: Duration, batch: &mut RawBatch) -> Result<PollState, ProbeError> {
        let mut all = RawBatch::new(self.id());
        let state = self.inner.poll(timeout, &mut all)?;
        self.leave_out(&all, batch);
        Ok(state)
    }

    fn counters(&self) -> ProbeCounters {
        self.inner.counters()
    }
}

struct Lab {
    daemon: Daemon,
    directory: tempfile::TempDir,
}

impl Lab {
    async fn start(deaf_to: Option<u16>) -> Self {
        let opened = open_with(&EbpfOptions::default());
        let inner = opened.probe.unwrap_or_else(|| panic!("no probe: {:?}", opened.statuses));
        let probe: Box<dyn Probe> = match deaf_to {
            Some(to) => Box::new(Deaf { inner, to }),
            None => inner,
        };
        let directory = tempfile::tempdir().unwrap();
        let daemon = Daemon::start(DaemonOptions {
            listen: ListenAddress::Unix(directory.path().join("c.sock")),
            probes: ProbeSource::Given(vec![probe], Vec::new()),
            raw_captures: Some(directory.path().join("raw")),
            self_test: Some(PathBuf::from(env!("CARGO_BIN_EXE_candord"))),
            ..DaemonOptions::default()
        });
        Self { daemon: daemon.await.unwrap(), directory }
    }

    fn sessions(&self) -> &SessionManager {
        self.daemon.sessions()
    }

    async fn trace(&self, selection: Selection, keep_raw: bool) -> String {
        let request = StartRequest { selection, keep_raw, ..StartRequest::default() };
        self.sessions().start_session(request).await.unwrap().header.session_id
    }

    /// Waits for the self-test of this moment to be told.
    async fn told(&self, session: &str, moment: SelfTestMoment) -> SelfTest {
        let mut stream = self.sessions().subscribe(session, 0, EventFilter::default()).unwrap();
        let found = async {
            loop {
                for entry in stream.next(1 << 20).await.unwrap() {
                    if let StreamEntry::SelfTest(test) = &*entry
                        && test.moment == moment
                    {
                        return (**test).clone();
                    }
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(60), found).await.unwrap()
    }

    async fn whole(&self, session: &str) -> Whole {
        let end = self.sessions().stop_session(session).await.unwrap();
        let mut stream = self.sessions().subscribe(session, 0, EventFilter::default()).unwrap();
        let mut entries: Vec<Arc<StreamEntry>> = Vec::new();
        while let Some(batch) = stream.next(1 << 20).await {
            entries.extend(batch);
        }
        Whole { entries: entries.iter().map(|entry| (**entry).clone()).collect(), end }
    }
}

struct Whole {
    entries: Vec<StreamEntry>,
    end: SessionEnd,
}

impl Whole {
    fn events(&self) -> impl Iterator<Item = &Event> {
        self.entries.iter().filter_map(|entry| match entry {
            StreamEntry::Event(event) => Some(&**event),
            _ => None,
        })
    }

    /// Fails when anything of the helper's is shown as an act of the app.
    fn expect_no_helper(&self) {
        for event in self.events() {
            let text = serde_json::to_string(event).unwrap();
            assert!(event.user_id < FIRST_HELPER_USER_ID && !text.contains(HELPER_VERB), "{text}");
            assert!(!text.contains("/dev/null/candor-"), "{text}");
        }
    }
}

fn by_user(user: u32) -> Selection {
    Selection { user_ids: [user].into(), ..Selection::default() }
}

fn states(test: &SelfTest) -> Vec<(Family, SelfTestState)> {
    test.results
        .iter()
        .map(|result| (result.family, result.state))
        .filter(|(family, _)| TESTED.contains(family))
        .collect()
}

fn all_seen() -> Vec<(Family, SelfTestState)> {
    TESTED.iter().map(|family| (*family, SelfTestState::Seen)).collect()
}

fn cat_as(user: u32, path: &str) {
    let status = Command::new("cat").arg(path).uid(user).gid(user).stdout(Stdio::null()).status().unwrap();
    assert!(status.success());
}

fn helpers() -> Vec<u32> {
    let own = std::process::id();
    let lines = std::fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| {
        let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
        let stat = std::fs::read_to_string(entry.path().join("stat")).ok()?;
        let parent: u32 = stat.rsplit(')').next()?.split_whitespace().nth(1)?.parse().ok()?;
        let line = std::fs::read_to_string(entry.path().join("cmdline")).ok()?;
        (parent == own && line.split('\0').nth(1) == Some(HELPER_VERB)).then_some(pid)
    });
    lines.collect()
}

/// A child that is ended with the test, however that ends.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs root and eBPF"]
async fn known_acts_are_seen_under_the_sessions_own_filter_and_shown_as_nobodys() {
    let lab = Lab::start(None).await;
    let waiting = Ended(Command::new("sleep").arg("600").spawn().unwrap());
    let tree = Selection { process_trees: [waiting.0.id()].into(), ..Selection::default() };
    for (selection, by) in [(by_user(USER), "user id"), (tree, "process tree")] {
        let session = lab.trace(selection, false).await;
        let test = lab.told(&session, SelfTestMoment::Start).await;
        assert_eq!(states(&test), all_seen(), "by {by}: {test:?}");
        assert_eq!(helpers().len(), 1);
        if by == "user id" {
            cat_as(USER, "/proc/version");
        }
        let whole = lab.whole(&session).await;
        assert!(helpers().is_empty(), "the helper ends with its session");
        whole.expect_no_helper();
        let opened = |event: &Event| matches!(&event.body, EventBody::FileOpen(open) if open.path == "/proc/version");
        assert_eq!(whole.events().any(opened), by == "user id", "the app's own acts are there");
        let moments: Vec<_> = whole.end.self_tests.iter().map(|test| (test.moment, states(test))).collect();
        assert_eq!(moments, [(SelfTestMoment::Start, all_seen()), (SelfTestMoment::End, all_seen())], "by {by}");
        let stages = &whole.end.totals.loss.stages;
        assert!(stages.values().all(candor::event::StageTotals::is_balanced), "{stages:?}");
        assert!(stages[&Stage::Attribute].filtered > 0, "what the helper did is accounted for: {stages:?}");
        for test in &whole.end.self_tests {
            let of =
                |result: &candor::event::SelfTestResult| (result.family.name(), result.latency_ns.unwrap_or(0) / 1000);
            println!(
                "by {by}, {}: {:?} microseconds",
                test.moment.name(),
                test.results.iter().map(of).collect::<Vec<_>>()
            );
        }
    }
    lab.daemon.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs root and eBPF"]
async fn a_family_whose_known_act_is_not_seen_cannot_be_told() {
    for (kind, family) in [(record_kind::FILE_OPEN, Family::File), (record_kind::SOCKET_CONNECT, Family::Socket)] {
        let lab = Lab::start(Some(kind)).await;
        let session = lab.trace(by_user(USER), false).await;
        let whole = lab.whole(&session).await;
        for test in &whole.end.self_tests {
            assert_eq!(test.not_seen().map(|result| result.family).collect::<Vec<_>>(), [family], "{test:?}");
        }
        assert_eq!(whole.end.self_tests.len(), 2, "{:?}", whole.end.self_tests);
        whole.expect_no_helper();
        lab.daemon.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs root and eBPF"]
async fn whoever_ends_the_helper_makes_the_session_unreliable() {
    let lab = Lab::start(None).await;
    let session = lab.trace(by_user(USER), false).await;
    lab.told(&session, SelfTestMoment::Start).await;
    for pid in helpers() {
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid.cast_signed()), nix::sys::signal::Signal::SIGKILL)
            .unwrap();
    }
    let end = lab.sessions().stop_session(&session).await.unwrap();
    let last = end.self_tests.last().unwrap();
    assert_eq!((last.moment, last.not_seen().count()), (SelfTestMoment::End, 3), "{last:?}");
    assert!(last.results.iter().all(|result| result.reason.contains("the helper did not finish")), "{last:?}");
    lab.daemon.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs root and eBPF"]
async fn a_replay_shows_nothing_of_the_helper_and_keeps_what_it_proved() {
    let lab = Lab::start(None).await;
    let session = lab.trace(by_user(USER), true).await;
    lab.told(&session, SelfTestMoment::Start).await;
    cat_as(USER, "/proc/version");
    let live = lab.whole(&session).await;
    let capture = lab.directory.path().join("raw").join(format!("{session}.candor-raw"));
    let replayed = replay(&capture).await;
    replayed.expect_no_helper();
    let acts = |whole: &Whole| whole.events().map(|event| format!("{event:?}")).collect::<Vec<_>>();
    assert_eq!(acts(&replayed), acts(&live));
    assert_eq!(replayed.end.self_tests, live.end.self_tests);
    lab.daemon.shutdown().await;
}

async fn replay(capture: &Path) -> Whole {
    let directory = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(DaemonOptions {
        listen: ListenAddress::Unix(directory.path().join("r.sock")),
        probes: ProbeSource::Replay(capture.to_owned()),
        self_test: Some(PathBuf::from(env!("CARGO_BIN_EXE_candord"))),
        ..DaemonOptions::default()
    });
    let lab = Lab { daemon: daemon.await.unwrap(), directory };
    let session = lab.trace(Selection::default(), false).await;
    // A replay ends by itself; stopping it earlier would not give the end of the capture.
    let ended = async {
        while lab.sessions().list().iter().any(|one| one.session_id == session && one.end.is_none()) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), ended).await.unwrap();
    let whole = lab.whole(&session).await;
    lab.daemon.shutdown().await;
    whole
}
