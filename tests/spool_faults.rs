//! What is left when a daemon dies or its disk is full: real daemon processes, real eBPF, real clients.
#![cfg(all(feature = "ebpf", feature = "host"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests may panic")]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use candor::event::{Event, Gap, SessionEnd, SessionEndReason, Stage, StreamEntry};
use candor::wire::proto;
use candor::wire::proto::candor_service_client::CandorServiceClient;
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::{Pid, getpgid};
use support::{DEADLINE, connect, until};
use tonic::transport::Channel;

/// Opens files as fast as a shell can.
const FLOOD: &str = "while :; do : </dev/null; : </dev/zero; done";
/// Opens files at a pace that any disk keeps up with.
const STREAM: &str = "while :; do i=0; while [ $i -lt 200 ]; do : </dev/null; i=$((i+1)); done; sleep 0.01; done";

/// A process that is killed when the test is over.
struct Running(Child);

impl Running {
    fn pid(&self) -> u32 {
        self.0.id()
    }

    fn kill(&mut self) {
        let pid = Pid::from_raw(self.pid().cast_signed());
        // With all that it started, when it leads a group: `timeout` killed alone leaves its shell behind, which never ends.
        let _ = if getpgid(Some(pid)) == Ok(pid) { killpg(pid, Signal::SIGKILL) } else { kill(pid, Signal::SIGKILL) };
        let _ = self.0.wait();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Ends by itself.
fn load(script: &str) -> Running {
    Running(Command::new("timeout").args(["60", "sh", "-c", script]).process_group(0).spawn().unwrap())
}

/// A daemon process with a directory of its own.
struct Daemon {
    process: Running,
    socket: PathBuf,
}

impl Daemon {
    async fn start(directory: &Path, arguments: &[&str]) -> Self {
        let socket = directory.join("candord.sock");
        let log = std::fs::File::create(directory.join("candord.log")).unwrap();
        let process = Command::new(env!("CARGO_BIN_EXE_candord"))
            .arg("serve")
            .arg("--listen")
            .arg(format!("unix:{}", socket.display()))
            .args(arguments)
            .stdin(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        let daemon = Self { process: Running(process), socket };
        let log = directory.join("candord.log");
        until("the daemon", || std::fs::read_to_string(&log).unwrap().contains("listening")).await;
        daemon
    }

    async fn client(&self) -> CandorServiceClient<Channel> {
        CandorServiceClient::new(connect(&self.socket).await)
    }

    /// The eBPF programs that the process holds, by its descriptors.
    fn programs(&self) -> BTreeSet<u32> {
        let mut ids = BTreeSet::new();
        for entry in std::fs::read_dir(format!("/proc/{}/fdinfo", self.process.pid())).unwrap() {
            let text = std::fs::read_to_string(entry.unwrap().path()).unwrap_or_default();
            let id = text.lines().find_map(|line| line.strip_prefix("prog_id:"));
            ids.extend(id.and_then(|id| id.trim().parse::<u32>().ok()));
        }
        ids
    }
}

/// The eBPF programs that the kernel holds.
fn loaded_programs() -> BTreeSet<u32> {
    aya::programs::loaded_programs().filter_map(Result::ok).map(|program| program.id()).collect()
}

async fn start_session(client: &mut CandorServiceClient<Channel>, pid: u32) -> String {
    let selection = proto::Selection { process_trees: vec![pid], ..proto::Selection::default() };
    let request = proto::StartSessionRequest { selection: Some(selection), ..proto::StartSessionRequest::default() };
    client.start_session(request).await.unwrap().into_inner().header.unwrap().session_id
}

async fn events_so_far(client: &mut CandorServiceClient<Channel>) -> u64 {
    let listed = client.list_sessions(proto::ListSessionsRequest {}).await.unwrap().into_inner();
    listed.sessions.first().map_or(0, |session| session.events)
}

async fn wait_for_events(client: &mut CandorServiceClient<Channel>, at_least: u64) {
    let deadline = tokio::time::Instant::now() + DEADLINE;
    while events_so_far(client).await < at_least {
        assert!(tokio::time::Instant::now() < deadline, "the load makes no events");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A stream, read to its end.
#[derive(Default)]
struct Whole {
    events: Vec<Event>,
    gaps: Vec<Gap>,
    end: Option<SessionEnd>,
}

async fn read(client: &mut CandorServiceClient<Channel>, session_id: &str, from_sequence: u64) -> Whole {
    let request = proto::StreamEventsRequest {
        session_id: session_id.to_owned(),
        from_sequence,
        ..proto::StreamEventsRequest::default()
    };
    let mut stream = client.stream_events(request).await.unwrap().into_inner();
    let mut whole = Whole::default();
    while let Some(message) =
        tokio::time::timeout(DEADLINE, stream.message()).await.expect("the stream stands").unwrap()
    {
        for entry in message.entries {
            match StreamEntry::try_from(entry).unwrap() {
                StreamEntry::Event(event) => whole.events.push(*event),
                StreamEntry::Gap(gap) => whole.gaps.push(gap),
                StreamEntry::End(end) => whole.end = Some(*end),
                StreamEntry::Header(_)
                | StreamEntry::Totals(_)
                | StreamEntry::SelfTest(_)
                | StreamEntry::ClockChange(_) => {}
            }
        }
    }
    whole
}

#[tokio::test]
#[ignore = "needs root: run by scripts/test"]
async fn a_daemon_that_is_killed_leaves_its_spool_and_no_program() {
    let temporary = tempfile::tempdir().unwrap();
    let spool = temporary.path().join("spool");
    let arguments = ["--spool-directory", spool.to_str().unwrap()];
    let mut daemon = Daemon::start(temporary.path(), &arguments).await;
    let mut client = daemon.client().await;
    let app = load(FLOOD);
    let session_id = start_session(&mut client, app.pid()).await;
    wait_for_events(&mut client, 20_000).await;
    let programs = daemon.programs();
    assert!(programs.len() > 1 && programs.is_subset(&loaded_programs()), "{programs:?}");
    let seen = events_so_far(&mut client).await;
    // In the middle of the load.
    daemon.process.kill();
    // The kernel lets programs go a moment after their last reference.
    until("the programs go", || programs.is_disjoint(&loaded_programs())).await;
    drop(app);
    drop(client);

    let daemon = Daemon::start(temporary.path(), &arguments).await;
    let mut client = daemon.client().await;
    let sessions = client.list_sessions(proto::ListSessionsRequest {}).await.unwrap().into_inner().sessions;
    assert_eq!(sessions.iter().map(|session| &session.session_id).collect::<Vec<_>>(), [&session_id]);
    assert!(sessions[0].spool_bytes > 0 && sessions[0].first_held_sequence == 1, "{:?}", sessions[0]);

    let whole = read(&mut client, &session_id, 0).await;
    let end = whole.end.expect("no end");
    assert_eq!(end.reason, SessionEndReason::Interrupted);
    let last = whole.events.len() as u64;
    assert_eq!(whole.events.iter().map(|event| event.sequence).collect::<Vec<_>>(), (1..=last).collect::<Vec<_>>());
    assert_eq!((end.totals.events, sessions[0].events), (last, last));
    // What was appended within the last moments is not written yet; a slow machine is given ten times as long.
    assert!(last > seen / 2, "{last} of at least {seen} events");
    for (stage, account) in &end.totals.loss.stages {
        assert!(account.is_balanced(), "{stage:?}: {account:?}");
    }
    let interrupted: Vec<_> = whole.gaps.iter().filter(|gap| gap.reason == "interrupted").collect();
    assert_eq!(interrupted.len(), 1, "{:?}", whole.gaps);
    let latest = whole.events.iter().map(|event| event.time_ns).max().unwrap();
    assert_eq!((interrupted[0].count, interrupted[0].stage), (0, Stage::Spool));
    assert!(interrupted[0].from_ns <= latest && latest <= interrupted[0].to_ns && interrupted[0].to_ns < u64::MAX);

    // Read from the middle, and asked, it is the same.
    let rest = read(&mut client, &session_id, last / 2).await;
    assert_eq!(rest.events.first().map(|event| event.sequence), Some(last / 2));
    assert_eq!(rest.events.len() as u64, last - last / 2 + 1);
    let summary = proto::SummarizeRequest {
        session_id: session_id.clone(),
        dimensions: vec![proto::Dimension::Family.into()],
        ..proto::SummarizeRequest::default()
    };
    let rows = client.summarize(summary).await.unwrap().into_inner().rows;
    assert_eq!(rows.iter().map(|row| row.events).sum::<u64>(), last);
    let query = proto::QueryEventsRequest {
        session_id: session_id.clone(),
        order: proto::Order::NewestFirst.into(),
        page_size: 5,
        ..proto::QueryEventsRequest::default()
    };
    let page = client.query_events(query).await.unwrap().into_inner();
    assert_eq!(
        page.events.iter().map(|event| event.sequence).collect::<Vec<_>>(),
        (last - 4..=last).rev().collect::<Vec<_>>()
    );
    let status = client.get_status(proto::GetStatusRequest {}).await.unwrap().into_inner();
    let held = status.sessions[0].spool.clone().unwrap();
    assert!(held.file_bytes > Some(0) && held.segments > 0 && held.trouble.is_empty(), "{held:?}");
}

/// Reads a stream until it has so many events, and then goes without a word, as a client that is killed does.
async fn read_and_die(daemon: &Daemon, session_id: &str, from_sequence: u64, events: usize) -> Vec<u64> {
    let mut client = daemon.client().await;
    let request = proto::StreamEventsRequest {
        session_id: session_id.to_owned(),
        from_sequence,
        ..proto::StreamEventsRequest::default()
    };
    let mut stream = client.stream_events(request).await.unwrap().into_inner();
    let mut sequences = Vec::new();
    while sequences.len() < events {
        let message =
            tokio::time::timeout(DEADLINE, stream.message()).await.expect("the stream stands").unwrap().unwrap();
        for entry in message.entries {
            match StreamEntry::try_from(entry).unwrap() {
                StreamEntry::Event(event) => sequences.push(event.sequence),
                StreamEntry::Gap(gap) => panic!("{gap:?}"),
                _ => {}
            }
        }
    }
    sequences
}

#[tokio::test]
#[ignore = "needs root: run by scripts/test"]
async fn clients_that_die_and_come_back_have_neither_holes_nor_repetitions() {
    let temporary = tempfile::tempdir().unwrap();
    let spool = temporary.path().join("spool");
    // So little memory that a client which was away reads the files.
    let arguments = ["--spool-directory", spool.to_str().unwrap(), "--spool-memory-megabytes", "4"];
    let daemon = Daemon::start(temporary.path(), &arguments).await;
    let mut client = daemon.client().await;
    let mut app = load(STREAM);
    let session_id = start_session(&mut client, app.pid()).await;
    let mut sequences = Vec::new();
    for _ in 0..3 {
        let next = sequences.last().map_or(1, |last| last + 1);
        sequences.extend(read_and_die(&daemon, &session_id, next, 3000).await);
        // While nobody reads, more comes than memory holds.
        wait_for_events(&mut client, sequences.last().unwrap() + 20_000).await;
    }
    app.kill();
    client
        .stop_session(proto::StopSessionRequest { session_id: session_id.clone(), ..Default::default() })
        .await
        .unwrap();
    let rest = read(&mut client, &session_id, sequences.last().unwrap() + 1).await;
    sequences.extend(rest.events.iter().map(|event| event.sequence));
    assert!(rest.gaps.iter().all(|gap| gap.stage != Stage::Spool), "{:?}", rest.gaps);
    let last = rest.end.unwrap().totals.events;
    assert!(last >= 29_000, "{last}");
    assert_eq!(sequences, (1..=last).collect::<Vec<_>>());
}

/// A small disk of its own.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(at: &Path, options: &str) -> Self {
        std::fs::create_dir(at).unwrap();
        let flags = nix::mount::MsFlags::empty();
        nix::mount::mount(Some("tmpfs"), at, Some("tmpfs"), flags, Some(options)).unwrap();
        Self(at.to_owned())
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = nix::mount::umount2(&self.0, nix::mount::MntFlags::MNT_DETACH);
    }
}

#[tokio::test]
#[ignore = "needs root: run by scripts/test"]
async fn a_full_disk_costs_events_that_are_counted_and_nothing_else() {
    let temporary = tempfile::tempdir().unwrap();
    let spool = temporary.path().join("spool");
    let _disk = SmallDisk::mount(&spool, "size=256k,mode=0700");
    let arguments = ["--spool-directory", spool.to_str().unwrap(), "--spool-memory-megabytes", "1"];
    let mut daemon = Daemon::start(temporary.path(), &arguments).await;
    let mut client = daemon.client().await;
    let mut app = load(FLOOD);
    let session_id = start_session(&mut client, app.pid()).await;
    // A quarter of a megabyte of files, which are compressed, and one of memory hold far fewer.
    wait_for_events(&mut client, 60_000).await;
    let status = client.get_status(proto::GetStatusRequest {}).await.unwrap().into_inner();
    let held = status.sessions[0].spool.clone().unwrap();
    assert!(held.trouble.contains("No space left") && held.write_failures > 0, "{held:?}");
    let account = status.sessions[0].totals.clone().unwrap();
    let spool_stage = account.stages.iter().find(|stage| stage.stage() == proto::Stage::Spool).unwrap();
    assert!(spool_stage.dropped["spool_disk_full"] > 0, "{spool_stage:?}");
    app.kill();
    let end = client
        .stop_session(proto::StopSessionRequest { session_id: session_id.clone(), ..Default::default() })
        .await
        .unwrap()
        .into_inner();
    let end = SessionEnd::try_from(end.end.unwrap()).unwrap();
    assert_eq!(end.reason, SessionEndReason::Stopped);

    let whole = read(&mut client, &session_id, 0).await;
    let gaps: Vec<_> = whole.gaps.iter().filter(|gap| gap.stage == Stage::Spool).collect();
    let mut next = 1;
    let mut missing = BTreeMap::<String, u64>::new();
    let mut events = whole.events.iter().map(|event| event.sequence).peekable();
    // Gaps and events together are every number once.
    while events.peek().is_some() || gaps.iter().any(|gap| gap.first_sequence == Some(next)) {
        if let Some(gap) = gaps.iter().find(|gap| gap.first_sequence == Some(next)) {
            assert_eq!(gap.last_sequence, Some(next + gap.count - 1));
            *missing.entry(gap.reason.clone()).or_default() += gap.count;
            assert!(gap.from_ns <= gap.to_ns && gap.to_ns < u64::MAX);
            next += gap.count;
        } else {
            assert_eq!(events.next(), Some(next));
            next += 1;
        }
    }
    assert_eq!(next, end.totals.events + 1);
    // On a machine as busy as this one the disk may have been too slow before it was full.
    let reasons: Vec<_> = missing.keys().map(String::as_str).collect();
    assert!(reasons.contains(&"spool_disk_full"), "{reasons:?}");
    assert!(reasons.iter().all(|reason| ["spool_behind", "spool_disk_full"].contains(reason)), "{reasons:?}");
    let account = whole.end.unwrap().totals.loss.stages[&Stage::Spool].clone();
    assert_eq!((&account.dropped, account.delivered), (&missing, whole.events.len() as u64));
    // The account that ends the session is made while the writer still tries what it could not write.
    let at_the_end: u64 = end.totals.loss.stages[&Stage::Spool].dropped.values().sum();
    let lost: u64 = missing.values().sum();
    assert!(at_the_end.abs_diff(lost) < lost / 50, "{at_the_end} and {lost}");

    // Another session is served as ever, and the daemon runs.
    assert!(daemon.process.0.try_wait().unwrap().is_none(), "the daemon ended");
    assert!(client.get_device(proto::GetDeviceRequest {}).await.is_ok());
}

/// Opens a file so many times, when told to.
fn counted_load(opens: u32) -> Running {
    let script = format!("read go; i=0; while [ $i -lt {opens} ]; do : </dev/null; i=$((i+1)); done");
    Running(Command::new("sh").args(["-c", &script]).stdin(Stdio::piped()).spawn().unwrap())
}

#[tokio::test]
#[ignore = "needs root: run by scripts/test"]
async fn what_a_ring_of_one_page_loses_is_what_a_large_one_delivers_more() {
    use candor::device::daemon::{Daemon, DaemonOptions, ListenAddress, ProbeSource};
    use candor::device::probe::tiers::ProbeOptions;

    const OPENS: u32 = 20_000;
    let mut acts = Vec::new();
    for ring_bytes in [8 << 20, 4096] {
        let temporary = tempfile::tempdir().unwrap();
        let socket = temporary.path().join("s");
        let probes = ProbeSource::Kernel(ProbeOptions { ring_bytes, ..ProbeOptions::default() });
        let listen = ListenAddress::Unix(socket.clone());
        let daemon = Daemon::start(DaemonOptions { listen, probes, ..DaemonOptions::default() }).await.unwrap();
        let mut client = CandorServiceClient::new(connect(&socket).await);
        let mut app = counted_load(OPENS);
        let session_id = start_session(&mut client, app.pid()).await;
        let started = candor::device::clock::boot_ns();
        drop(app.0.stdin.take());
        app.0.wait().unwrap();
        client
            .stop_session(proto::StopSessionRequest { session_id: session_id.clone(), ..Default::default() })
            .await
            .unwrap();
        let whole = read(&mut client, &session_id, 0).await;
        let end = whole.end.unwrap();
        let probe = &end.totals.loss.stages[&Stage::Probe];
        assert_eq!(probe.produced, probe.delivered + probe.dropped_total());
        let positioned: u64 = whole.gaps.iter().map(|gap| gap.count).sum();
        assert_eq!(probe.dropped_total(), positioned, "{:?}", whole.gaps);
        for gap in &whole.gaps {
            assert_eq!((gap.stage, gap.reason.as_str()), (Stage::Probe, "ring_full"));
            assert!(gap.from_ns < gap.to_ns && gap.to_ns > started, "{gap:?}");
        }
        assert_eq!(probe.dropped_total() > 0, ring_bytes == 4096, "{probe:?}");
        let opens = |event: &&Event| matches!(&event.body, candor::event::EventBody::FileOpen(open) if open.path == "/dev/null");
        let opened = whole.events.iter().filter(opens).count() as u64;
        assert_eq!(opened < u64::from(OPENS), ring_bytes == 4096, "{opened}");
        acts.push(probe.produced);
        daemon.shutdown().await;
    }
    // Both rings are offered the same opens and closes; running totals, which are told by the clock, differ by a few.
    assert!(
        acts[0].abs_diff(acts[1]) < u64::from(OPENS) / 50,
        "{acts:?}: what came out and was lost is not what there was"
    );
}

#[tokio::test]
#[ignore = "needs root: run by scripts/test"]
async fn a_recording_goes_on_over_the_death_of_its_daemon() {
    let temporary = tempfile::tempdir().unwrap();
    let spool = temporary.path().join("spool");
    let arguments = ["--spool-directory", spool.to_str().unwrap()];
    let mut daemon = Daemon::start(temporary.path(), &arguments).await;
    let mut client = daemon.client().await;
    let app = load(STREAM);
    let recording = temporary.path().join("r.candor");
    let recorder = Command::new(env!("CARGO_BIN_EXE_candor"))
        .args(["record", "--pid", &app.pid().to_string(), "--reconnect", "60", "--daemon"])
        .arg(format!("unix:{}", daemon.socket.display()))
        .arg("-o")
        .arg(&recording)
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut recorder = Running(recorder);
    until("the session", || std::fs::metadata(&recording).is_ok_and(|metadata| metadata.len() > 0)).await;
    wait_for_events(&mut client, 5000).await;
    daemon.process.kill();
    let _daemon = Daemon::start(temporary.path(), &arguments).await;
    let mut status = None;
    until("the end of the recording", || {
        status = recorder.0.try_wait().unwrap();
        status.is_some()
    })
    .await;
    let mut said = String::new();
    std::io::Read::read_to_string(&mut recorder.0.stderr.take().unwrap(), &mut said).unwrap();
    assert!(status.unwrap().success() && said.contains("the connection is back"), "{said}");
    assert!(said.contains("interrupted"), "{said}");
    let (mut sequences, mut reasons, mut end) = (Vec::new(), Vec::new(), None);
    let mut reader = candor::host::recording::RecordingReader::open(&recording).unwrap();
    for entry in reader.by_ref() {
        match entry {
            StreamEntry::Event(event) => sequences.push(event.sequence),
            StreamEntry::Gap(gap) => reasons.push((gap.reason, gap.count)),
            StreamEntry::End(of) => end = Some(*of),
            StreamEntry::Header(_)
            | StreamEntry::Totals(_)
            | StreamEntry::SelfTest(_)
            | StreamEntry::ClockChange(_) => {}
        }
    }
    let end = end.unwrap();
    assert!(reader.condition().is_whole(), "{end:?}");
    // The client can have got more than the daemon had written when it was killed, never less.
    assert!(sequences.len() as u64 >= end.totals.events.max(4000), "{} of {end:?}", sequences.len());
    assert_eq!(sequences, (1..=sequences.len() as u64).collect::<Vec<_>>());
    assert_eq!((end.reason, reasons), (SessionEndReason::Interrupted, vec![("interrupted".to_owned(), 0)]));
}
