//! Nothing of ours stays in the kernel, however the daemon ends.
#![cfg(feature = "ebpf")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may panic")]

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use candor::device::daemon::{Daemon, DaemonOptions, ListenAddress, ProbeSource};
use candor::device::probe::ebpf::{EbpfOptions, open_with};
use candor::device::probe::{PollState, Probe, ProbeCounters, ProbeError, RawBatch, SessionSlot};
use candor::device::session::StartRequest;
use candor::event::{ProbeId, ProbeStatus, Selection, SessionEndReason};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

const PATIENCE: Duration = Duration::from_secs(60);

/// The ids of the programs that a process holds: its descriptors of programs and of their attachments name them.
fn programs_of(process: &str) -> BTreeSet<u32> {
    let directory = Path::new("/proc").join(process).join("fdinfo");
    let infos =
        std::fs::read_dir(directory).unwrap().flatten().filter_map(|entry| std::fs::read_to_string(entry.path()).ok());
    infos
        .flat_map(|info| {
            let ids = info.lines().filter_map(|line| line.strip_prefix("prog_id:")?.trim().parse().ok());
            ids.collect::<Vec<u32>>()
        })
        .collect()
}

/// Those of the programs that the kernel still has.
fn still_loaded(programs: &BTreeSet<u32>) -> BTreeSet<u32> {
    let loaded = aya::programs::loaded_programs().filter_map(|info| match info {
        Ok(info) => Some(info.id()),
        Err(error) => {
            // Somebody's program that went away between being listed and being looked at.
            assert!(format!("{error:?}").contains("NotFound"), "{error:?}");
            None
        }
    });
    loaded.filter(|id| programs.contains(id)).collect()
}

fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A daemon of its own, ended with the test however that ends.
struct Serving(Child);

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
#[ignore = "needs root and eBPF"]
fn a_daemon_that_is_ended_or_killed_leaves_no_program() {
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGKILL] {
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("c.sock");
        let daemon = Command::new(env!("CARGO_BIN_EXE_candord"))
            .args(["--log", "error", "serve", "--listen"])
            .arg(format!("unix:{}", socket.display()))
            .spawn()
            .unwrap();
        let mut daemon = Serving(daemon);
        until("the daemon listens", || socket.exists());
        let programs = programs_of(&daemon.0.id().to_string());
        assert!(programs.len() > 4, "{programs:?}");
        assert_eq!(still_loaded(&programs), programs, "they are loaded while it runs");
        kill(Pid::from_raw(daemon.0.id().cast_signed()), signal).unwrap();
        daemon.0.wait().unwrap();
        // The kernel frees programs a moment after the last descriptor is closed.
        until(&format!("after {signal} no program is left"), || still_loaded(&programs).is_empty());
    }
}

/// The real probe, with a fault: its second poll panics.
struct Faulty {
    inner: Box<dyn Probe>,
    polls: u32,
}

impl Probe for Faulty {
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
        self.inner.deselect(slot, batch);
    }

    fn poll(&mut self, timeout: Duration, batch: &mut RawBatch) -> Result<PollState, ProbeError> {
        self.polls += 1;
        assert!(self.polls < 2, "a fault on purpose");
        self.inner.poll(timeout, batch)
    }

    fn counters(&self) -> ProbeCounters {
        self.inner.counters()
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs root and eBPF"]
async fn a_panic_detaches_every_program_and_ends_the_sessions() {
    let before = programs_of("self");
    let opened = open_with(&EbpfOptions::default());
    let inner = opened.probe.unwrap_or_else(|| panic!("no probe: {:?}", opened.statuses));
    let programs: BTreeSet<u32> = programs_of("self").difference(&before).copied().collect();
    assert_eq!(still_loaded(&programs), programs);
    assert!(programs.len() > 4, "{programs:?}");
    let directory = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(DaemonOptions {
        listen: ListenAddress::Unix(directory.path().join("c.sock")),
        probes: ProbeSource::Given(vec![Box::new(Faulty { inner, polls: 0 })], Vec::new()),
        ..DaemonOptions::default()
    });
    let daemon = daemon.await.unwrap();
    let selection = Selection { user_ids: [61_002].into(), ..Selection::default() };
    let request = StartRequest { selection, ..StartRequest::default() };
    let session = daemon.sessions().start_session(request).await.unwrap().header.session_id;
    let end = tokio::time::timeout(PATIENCE, daemon.sessions().stop_session(&session)).await.unwrap().unwrap();
    assert_eq!(end.reason, SessionEndReason::DaemonShutdown, "no reader waits for ever");
    until("no program is left", || still_loaded(&programs).is_empty());
    daemon.shutdown().await;
}
