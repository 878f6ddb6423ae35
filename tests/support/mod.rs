//! A daemon without a kernel: a probe that gives what the test says, and an interpreter for its records.
#![allow(dead_code, unreachable_pub, reason = "each test file uses its own part of it")]

// Those of the unit tests, which the library that this is linked to does not have. It takes its names from here.
#[path = "../../src/event/examples.rs"]
mod examples;

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use candor::device::probe::{PollState, Probe, ProbeCounters, ProbeError, RawBatch, SessionSlot};
use candor::device::service::{AccessOptions, ListenAddress, Server};
use candor::device::session::{Interpretation, Interpreter, ManagerOptions, Preparation, SessionManager};
use candor::event::{
    App, DeviceInfo, Event, EventBody, Family, Fidelity, FileOpen, OpenAccess, Outcome, PackageList, Phase, ProbeId,
    ProbeState, ProbeStatus, ProcessExit, ProcessKey, ProcessRef, ProcessStart, ProgramCounters, Selection,
    StreamEntry,
};
use candor::wire::proto::candor_service_client::CandorServiceClient;
use hyper_util::rt::TokioIo;
use tonic::transport::{Channel, Endpoint, Uri};

/// How long a test waits for anything before it fails.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// Kinds of the toy records; the first ones are those of the real layout.
pub const PROCESS_START: u16 = 1;
pub const PROCESS_EXIT: u16 = 3;
pub const FILE_OPEN: u16 = 16;
/// Tells of nothing.
pub const SILENT: u16 = 200;
/// Tells of two acts.
pub const TWICE: u16 = 201;
/// Tells of one act that attribution leaves out.
pub const FILTERED: u16 = 202;
/// Cannot be decoded.
pub const DAMAGED: u16 = 31;

/// What the test does to the probe from outside.
#[derive(Clone, Default)]
pub struct Script {
    shared: Arc<(Mutex<State>, Condvar)>,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Vec<u8>>,
    /// Given out by `select`.
    preexisting: Vec<Vec<u8>>,
    /// Given out by `deselect`.
    last: Vec<Vec<u8>>,
    slots: Vec<SessionSlot>,
    lost: Vec<(SessionSlot, &'static str, u64)>,
    programs: Vec<ProgramCounters>,
    broken: bool,
    polls: u64,
}

impl Script {
    fn with<R>(&self, change: impl FnOnce(&mut State) -> R) -> R {
        let result = change(&mut self.shared.0.lock().unwrap());
        self.shared.1.notify_all();
        result
    }

    /// Gives a record to every session that is selected now.
    pub fn record(&self, kind: u16, time_ns: u64, pid: u32, path: &str) {
        self.records(kind, time_ns, pid, path, 1);
    }

    pub fn records(&self, kind: u16, time_ns: u64, pid: u32, path: &str, count: usize) {
        self.with(|state| {
            let bits = state.slots.iter().fold(0, |bits, slot| bits | slot.bit());
            for _ in 0..count {
                state.queue.push_back(record(bits, kind, time_ns, pid, path));
            }
        });
    }

    /// Gives bytes as they are.
    pub fn raw(&self, bytes: &[u8]) {
        self.with(|state| state.queue.push_back(bytes.to_vec()));
    }

    pub fn preexisting(&self, kind: u16, time_ns: u64, pid: u32, path: &str) {
        self.with(|state| state.preexisting.push(record(0, kind, time_ns, pid, path)));
    }

    pub fn last(&self, kind: u16, time_ns: u64, pid: u32, path: &str) {
        self.with(|state| state.last.push(record(0, kind, time_ns, pid, path)));
    }

    /// Loses records of every session that is selected now.
    pub fn lose(&self, reason: &'static str, count: u64) {
        self.with(|state| {
            for slot in state.slots.clone() {
                match state.lost.iter_mut().find(|(of, why, _)| *of == slot && *why == reason) {
                    Some((_, _, total)) => *total += count,
                    None => state.lost.push((slot, reason, count)),
                }
            }
        });
    }

    pub fn programs(&self, programs: Vec<ProgramCounters>) {
        self.with(|state| state.programs = programs);
    }

    pub fn break_down(&self) {
        self.with(|state| state.broken = true);
    }

    pub fn polls(&self) -> u64 {
        self.with(|state| state.polls)
    }

    pub fn selected(&self) -> usize {
        self.with(|state| state.slots.len())
    }

    pub fn probe(&self) -> Box<dyn Probe> {
        Box::new(ScriptedProbe(self.clone()))
    }
}

/// A record: the header of the real layout, then a path.
pub fn record(sessions: u64, kind: u16, time_ns: u64, pid: u32, path: &str) -> Vec<u8> {
    let mut record = vec![0; 64];
    record[0..8].copy_from_slice(&time_ns.to_le_bytes());
    record[8..16].copy_from_slice(&sessions.to_le_bytes());
    record[24..28].copy_from_slice(&pid.to_le_bytes());
    record[40..42].copy_from_slice(&kind.to_le_bytes());
    record.extend_from_slice(path.as_bytes());
    record
}

struct ScriptedProbe(Script);

impl Probe for ScriptedProbe {
    fn id(&self) -> ProbeId {
        ProbeId::EbpfKernelObjects
    }

    fn statuses(&self) -> Vec<ProbeStatus> {
        let status = |family| ProbeStatus {
            probe: ProbeId::EbpfKernelObjects,
            family,
            state: ProbeState::Attached,
            reason: String::new(),
        };
        [Family::Process, Family::File, Family::Socket].map(status).into()
    }

    fn select(&mut self, slot: SessionSlot, selection: &Selection, batch: &mut RawBatch) -> Result<(), ProbeError> {
        if selection.process_trees.contains(&4_000_000) {
            return Err(ProbeError::NoSuchProcess(4_000_000));
        }
        self.0.with(|state| {
            state.slots.push(slot);
            for mut record in state.preexisting.clone() {
                record[8..16].copy_from_slice(&slot.bit().to_le_bytes());
                batch.push(&record);
            }
        });
        Ok(())
    }

    fn deselect(&mut self, slot: SessionSlot, batch: &mut RawBatch) {
        self.0.with(|state| {
            state.slots.retain(|of| *of != slot);
            for mut record in state.last.clone() {
                record[8..16].copy_from_slice(&slot.bit().to_le_bytes());
                batch.push(&record);
            }
        });
    }

    fn poll(&mut self, timeout: Duration, batch: &mut RawBatch) -> Result<PollState, ProbeError> {
        let (lock, condition) = &*self.0.shared;
        let mut state = lock.lock().unwrap();
        state.polls += 1;
        if state.queue.is_empty() && !state.broken {
            state = condition.wait_timeout(state, timeout).unwrap().0;
        }
        if state.broken {
            return Err(ProbeError::Unsupported("the script says so".to_owned()));
        }
        for _ in 0..1000 {
            match state.queue.pop_front() {
                Some(record) => batch.push(&record),
                None => return Ok(PollState::Idle),
            }
        }
        Ok(PollState::More)
    }

    fn counters(&self) -> ProbeCounters {
        self.0.with(|state| ProbeCounters { programs: state.programs.clone(), lost: state.lost.clone() })
    }
}

/// Reads the toy records.
pub struct ToyInterpreter;

impl Interpreter for ToyInterpreter {
    fn interpret(
        &mut self,
        probe: ProbeId,
        record: &[u8],
        events: &mut Vec<Event>,
    ) -> Result<Interpretation, &'static str> {
        let time_ns = u64::from_le_bytes(record[0..8].try_into().unwrap());
        let pid = u32::from_le_bytes(record[24..28].try_into().unwrap());
        let kind = u16::from_le_bytes(record[40..42].try_into().unwrap());
        let path = String::from_utf8(record[64..].to_vec()).unwrap();
        let (observations, count) = match kind {
            SILENT => (0, 0),
            FILTERED => (1, 0),
            TWICE => (2, 2),
            DAMAGED => return Err("damaged"),
            _ => (1, 1),
        };
        for _ in 0..count {
            let body = match kind {
                PROCESS_START => EventBody::ProcessStart(ProcessStart { parent: None, preexisting: false }),
                PROCESS_EXIT => EventBody::ProcessExit(ProcessExit { status: Some(0), signal: None }),
                _ => examples::open(&path),
            };
            events.push(Event {
                sequence: 0,
                time_ns,
                process: ProcessRef { key: ProcessKey::new(pid, 0), name: "toy".to_owned(), executable: None },
                thread_id: pid,
                probe,
                ..examples::event(body)
            });
        }
        Ok(Interpretation { observations })
    }
}

/// Options of a manager whose records the toy interpreter reads.
pub fn manager_options() -> ManagerOptions {
    ManagerOptions {
        self_test: None,
        device: DeviceInfo {
            kernel_release: "6.1.0-test".to_owned(),
            architecture: "x86_64".to_owned(),
            boot_id: "0d4c3ab1-7a6e-4f0e-9a1c-2f6f2c1d9e00".to_owned(),
            name: "scripted".to_owned(),
            daemon_version: "0".to_owned(),
            kernel_btf: true,
        },
        spool: candor::device::event_bus::SpoolLimits::default(),
        disk: None,
        max_sessions: 4,
        raw_captures: None,
        packages: Box::new(PackageList::default),
        users: Box::new(|| vec![0]),
        proc_root: PathBuf::from("/nonexistent"),
        prepare: Box::new(|_| Preparation { packages: PackageList::default(), interpreter: Box::new(ToyInterpreter) }),
        create_keeper: Box::new(candor::device::daemon::create_keeper),
        process_exists: Box::new(|_| true),
        replay: None,
    }
}

/// A server with a scripted probe.
pub struct Daemon {
    pub script: Script,
    pub sessions: SessionManager,
    pub socket: PathBuf,
    server: Server,
    _directory: tempfile::TempDir,
}

impl Daemon {
    pub async fn start() -> Self {
        Self::start_with(manager_options()).await
    }

    pub async fn start_with(options: ManagerOptions) -> Self {
        let script = Script::default();
        let probe = script.probe();
        Self::start_probes(options, script, vec![probe]).await
    }

    pub async fn start_probes(options: ManagerOptions, script: Script, probes: Vec<Box<dyn Probe>>) -> Self {
        let sessions = SessionManager::start(options, probes, Vec::new()).unwrap();
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("candord.sock");
        let server = Server::start(&ListenAddress::Unix(socket.clone()), sessions.clone()).await.unwrap();
        Self { script, sessions, socket, server, _directory: directory }
    }

    /// Over TCP, on a port that the system chooses; or at the path of `socket`.
    pub async fn start_access(listen: Option<ListenAddress>, access: AccessOptions) -> Self {
        let script = Script::default();
        let sessions = SessionManager::start(manager_options(), vec![script.probe()], Vec::new()).unwrap();
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("candord.sock");
        let listen = listen.unwrap_or_else(|| ListenAddress::Unix(socket.clone()));
        let server = Server::start_with(&listen, access, sessions.clone()).await.unwrap();
        Self { script, sessions, socket, server, _directory: directory }
    }

    pub fn port(&self) -> u16 {
        self.server.tcp_address().unwrap().port()
    }

    pub async fn channel(&self) -> Channel {
        connect(&self.socket).await
    }

    pub async fn client(&self) -> CandorServiceClient<Channel> {
        CandorServiceClient::new(self.channel().await)
    }

    pub async fn shutdown(self) {
        self.sessions.shutdown().await;
        self.server.shutdown().await;
    }
}

/// A channel to a Unix socket.
pub async fn connect(socket: &Path) -> Channel {
    let socket = socket.to_owned();
    // The address is never used: the connector knows where to go.
    Endpoint::from_static("http://candord.invalid")
        .connect_with_connector(tower::service_fn(move |_: Uri| {
            let socket = socket.clone();
            async move { tokio::net::UnixStream::connect(socket).await.map(TokioIo::new) }
        }))
        .await
        .unwrap()
}

/// Waits until `condition` holds.
pub async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = tokio::time::Instant::now() + DEADLINE;
    while !condition() {
        assert!(tokio::time::Instant::now() < deadline, "waited in vain: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
