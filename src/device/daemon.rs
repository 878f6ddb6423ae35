//! The daemon: puts the stages together. The only file that knows them all.
//!
//! * **In:** [`DaemonOptions`]. **Out:** a running [`Daemon`], whose socket takes connections.
//! * **May import:** every stage of the device's side.
//! * **Test it:** `cargo test --test grpc_service`.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::unistd::geteuid;
use thiserror::Error;

use crate::credential_files::CredentialFileError;
use crate::device::attribute::{Attributed, Attributor, PackageDirectory};
use crate::device::clock;
use crate::device::decode::{Decoder, Observation};
use crate::device::device_info;
use crate::device::event_bus::SpoolLimits;
use crate::device::package_list;
use crate::device::probe::tiers::{self, ProbeOptions};
use crate::device::probe::{Probe, ProbeError, RawBatch, platform, replay};
use crate::device::raw_capture::CaptureWriter;
use crate::device::self_test::HelperProgram;
pub use crate::device::service::ListenAddress;
use crate::device::service::{AccessOptions, ListenError, SHELL_USER_ID, Server, TlsError};
use crate::device::session::{
    DiskOptions, Interpretation, Interpreter, ManagerOptions, Preparation, RawKeeper, Replay, ReplayedMark,
    SessionManager,
};
use crate::device::spool_files::{SessionBounds, SpoolDirectory, SpoolDirectoryError};
use crate::event::{Event, Phase, ProbeId, ProbeStatus, Selection, SessionEnd, SessionHeader};
use crate::wire::DEFAULT_SOCKET_PATH;

/// Sessions at a time, unless told otherwise.
pub const DEFAULT_MAX_SESSIONS: usize = 16;

/// Where spools are written unless told otherwise, below the root: on Android, and elsewhere. Not `/data/local/tmp`: who
/// owns that directory, the shell, could put another one into our place.
const ANDROID_SPOOLS: &str = "data/misc/candor/spool";
const SPOOLS: &str = "var/lib/candord/spool";

/// Where and how spools are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpoolFilesOptions {
    /// The directory. `None`: the usual one, when it can be had; when not, the daemon says so and goes on in memory.
    pub directory: Option<PathBuf>,
    /// How much of one session is kept.
    pub session: SessionBounds,
    /// Bytes of the files of all sessions together.
    pub total_bytes: u64,
    /// Memory in front of the files, for all running sessions together.
    pub memory_bytes: usize,
}

impl Default for SpoolFilesOptions {
    fn default() -> Self {
        Self {
            directory: None,
            session: SessionBounds { bytes: 256 << 20, age: Duration::from_secs(72 * 3600) },
            total_bytes: 1 << 30,
            memory_bytes: 16 << 20,
        }
    }
}

/// How a daemon is to run.
pub struct DaemonOptions {
    /// Where it listens.
    pub listen: ListenAddress,
    /// Who may connect, and how much they may ask.
    pub access: AccessOptions,
    /// Where its records come from.
    pub probes: ProbeSource,
    /// Where raw captures go; `None`: clients cannot ask for one.
    pub raw_captures: Option<PathBuf>,
    /// Bounds of each session's spool, when it is in memory alone.
    pub spool: SpoolLimits,
    /// Where and how spools are written; `None`: they are in memory alone.
    pub spool_files: Option<SpoolFilesOptions>,
    /// Sessions at a time.
    pub max_sessions: usize,
    /// The program whose start as a helper tests each session that traces the kernel; `None`: nothing is tested. Only a
    /// program that runs [`crate::device::self_test::run_helper`] can name itself here.
    pub self_test: Option<PathBuf>,
    /// What files of the system are read under: `/`, except in tests.
    pub system_root: PathBuf,
}

impl Default for DaemonOptions {
    fn default() -> Self {
        Self {
            listen: ListenAddress::Unix(PathBuf::from(DEFAULT_SOCKET_PATH)),
            access: AccessOptions::default(),
            probes: ProbeSource::default(),
            raw_captures: None,
            spool: SpoolLimits::default(),
            spool_files: None,
            max_sessions: DEFAULT_MAX_SESSIONS,
            self_test: None,
            system_root: PathBuf::from("/"),
        }
    }
}

/// Where the records come from.
pub enum ProbeSource {
    /// The first probe that works here, of those that may be used; and `/proc` for what is there already when a session
    /// begins.
    Kernel(ProbeOptions),
    /// A raw capture: its one session, once.
    Replay(PathBuf),
    /// These probes: for tests. The statuses are those of probes that could not be opened.
    Given(Vec<Box<dyn Probe>>, Vec<ProbeStatus>),
}

impl Default for ProbeSource {
    fn default() -> Self {
        Self::Kernel(ProbeOptions::default())
    }
}

/// Why a daemon cannot run.
#[derive(Debug, Error)]
pub enum DaemonError {
    /// It cannot listen.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// It may not trace.
    #[error(
        "tracing needs root, and this process has user id {user_id}: start it with sudo, or as root over adb. \
         What was refused: {refusals}"
    )]
    NotPermitted {
        /// Its user id.
        user_id: u32,
        /// What the probes said.
        refusals: String,
    },
    /// The capture to replay cannot be read.
    #[error("{}: {source}", path.display())]
    Replay {
        /// Its path.
        path: PathBuf,
        /// What is wrong with it.
        source: ProbeError,
    },
    /// The directory of raw captures cannot be used.
    #[error("cannot use {} as the directory of raw captures: {source}", path.display())]
    RawCaptures {
        /// Its path.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The directory of spools cannot be used.
    #[error(transparent)]
    Spools(#[from] SpoolDirectoryError),
    /// A thread cannot be started.
    #[error("cannot start a thread: {0}")]
    Thread(io::Error),
}

impl DaemonError {
    /// The exit status, as in the BSD `sysexits.h`.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            // 69, service unavailable: the place is taken by another daemon.
            Self::Listen(ListenError::Taken { .. }) | Self::Spools(SpoolDirectoryError::Taken { .. }) => 69,
            // 73, cannot create.
            Self::Listen(ListenError::NotASocket(_) | ListenError::System { .. })
            | Self::RawCaptures { .. }
            | Self::Spools(SpoolDirectoryError::System { .. } | SpoolDirectoryError::NotADirectory { .. }) => 73,
            // 64, usage: TCP needs more arguments.
            Self::Listen(ListenError::Unprotected(_)) => 64,
            // 66, no input; 65, its contents are wrong; 77, what should be secret is not.
            Self::Listen(ListenError::Tls(TlsError::File(CredentialFileError::Read { .. }))) => 66,
            Self::Listen(ListenError::Tls(
                TlsError::File(CredentialFileError::Content { .. }) | TlsError::Pair { .. },
            )) => 65,
            Self::Listen(ListenError::Tls(TlsError::File(CredentialFileError::Exposed { .. }))) => 77,
            Self::NotPermitted { .. }
            | Self::Spools(SpoolDirectoryError::Owner { .. } | SpoolDirectoryError::Exposed { .. }) => 77,
            Self::Replay { source: ProbeError::System { .. }, .. } => 66,
            Self::Replay { .. } => 65,
            Self::Listen(ListenError::Descriptors(_)) => 70,
            Self::Thread(_) => 71,
        }
    }
}

/// A running daemon.
#[derive(Debug)]
pub struct Daemon {
    sessions: SessionManager,
    server: Server,
}

impl Daemon {
    /// Opens the probes, starts the threads and listens. The socket takes connections when this returns. Must be called
    /// within a Tokio runtime.
    ///
    /// # Errors
    ///
    /// When the daemon cannot listen or may not trace. That a probe does not work here is no error: clients are told.
    pub async fn start(options: DaemonOptions) -> Result<Self, DaemonError> {
        let listen = options.listen.clone();
        let mut access = options.access.clone();
        Server::check(&listen, &access)?;
        if platform::is_android(&options.system_root) {
            // Elsewhere 2000 is somebody's ordinary account.
            access.users.insert(SHELL_USER_ID);
        }
        let sessions = open_sessions(options)?;
        let server = Server::start_with(&listen, access, sessions.clone()).await?;
        let listen = server.tcp_address().map_or(listen, ListenAddress::Tcp);
        tracing::info!(%listen, "listening");
        Ok(Self { sessions, server })
    }

    /// The sessions, for whoever runs in the same process.
    #[must_use]
    pub fn sessions(&self) -> &SessionManager {
        &self.sessions
    }

    /// Ends every session, lets readers fetch the ends of their streams, and removes the socket.
    pub async fn shutdown(self) {
        self.sessions.shutdown().await;
        self.server.shutdown().await;
    }
}

/// Opens the probes and starts the threads of a daemon that does not listen: what the options say of the place and of who may
/// connect is not looked at. [`SessionManager::shutdown`] ends it.
///
/// # Errors
///
/// When it may not trace.
pub fn open_sessions(options: DaemonOptions) -> Result<SessionManager, DaemonError> {
    let DaemonOptions {
        listen: _,
        access: _,
        probes,
        raw_captures,
        spool,
        spool_files,
        max_sessions,
        self_test,
        system_root,
    } = options;
    if let Some(directory) = &raw_captures {
        std::fs::create_dir_all(directory)
            .map_err(|source| DaemonError::RawCaptures { path: directory.clone(), source })?;
    }
    let disk = spool_files.map(|options| open_spools(options, &system_root)).transpose()?.flatten();
    let OpenProbes { probes, unavailable, replay } = open_probes(probes, &system_root)?;
    let processes = system_root.join("proc");
    let manager = ManagerOptions {
        device: device_info::read(&system_root),
        spool,
        disk,
        max_sessions,
        raw_captures,
        packages: Box::new({
            let system_root = system_root.clone();
            move || package_list::read(&system_root)
        }),
        users: Box::new({
            let system_root = system_root.clone();
            move || package_list::users(&system_root)
        }),
        proc_root: processes.clone(),
        prepare: prepare(&system_root, replay.as_ref()),
        create_keeper: Box::new(create_keeper),
        process_exists: Box::new(move |pid| processes.join(pid.to_string()).exists()),
        replay,
        self_test: self_test
            .map(|program| HelperProgram { program, api_level: platform::level_with_binder(&system_root) }),
    };
    SessionManager::start(manager, probes, unavailable).map_err(DaemonError::Thread)
}

/// Where spools go on the system below `root`, unless told otherwise.
#[must_use]
pub fn usual_spools(root: &Path) -> PathBuf {
    root.join(if platform::is_android(root) { ANDROID_SPOOLS } else { SPOOLS })
}

/// Takes the directory of spools, and finds what a daemon before us left there.
fn open_spools(options: SpoolFilesOptions, system_root: &Path) -> Result<Option<DiskOptions>, SpoolDirectoryError> {
    let SpoolFilesOptions { directory, session, total_bytes, memory_bytes } = options;
    let is_usual = directory.is_none();
    let path = directory.unwrap_or_else(|| usual_spools(system_root));
    let opened = SpoolDirectory::open(&path, session)
        .and_then(|directory| Ok((directory.find(clock::anchor().wall_ns)?, directory)));
    match opened {
        Ok((found, directory)) => {
            tracing::info!(directory = %path.display(), sessions_found = found.len(), "sessions are spooled");
            Ok(Some(DiskOptions { directory, found, memory_bytes, total_bytes, age: session.age }))
        }
        // Nobody asked for this directory: tracing is worth more than what would survive a crash.
        Err(error) if is_usual => {
            tracing::warn!(%error, "sessions are held in memory alone");
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// What opening the probes gave.
struct OpenProbes {
    probes: Vec<Box<dyn Probe>>,
    unavailable: Vec<ProbeStatus>,
    replay: Option<Replay>,
}

fn open_probes(source: ProbeSource, system_root: &Path) -> Result<OpenProbes, DaemonError> {
    match source {
        ProbeSource::Given(probes, unavailable) => Ok(OpenProbes { probes, unavailable, replay: None }),
        ProbeSource::Replay(path) => {
            let (probe, replay) = open_replay(&path)?;
            Ok(OpenProbes { probes: vec![probe], unavailable: Vec::new(), replay: Some(replay) })
        }
        ProbeSource::Kernel(options) => {
            let opened = tiers::open(&options, system_root);
            let user_id = geteuid();
            let kernel_side = opened.probes.iter().any(|probe| probe.traces() && probe.id() != ProbeId::Procfs);
            if options.choice.needs_root() && !kernel_side && !user_id.is_root() {
                // Usually the same for every family, and said once.
                let refusals: BTreeSet<_> = opened.unavailable.iter().map(|status| status.reason.as_str()).collect();
                let refusals = refusals.into_iter().collect::<Vec<_>>().join("; ");
                return Err(DaemonError::NotPermitted { user_id: user_id.as_raw(), refusals });
            }
            Ok(OpenProbes { probes: opened.probes, unavailable: opened.unavailable, replay: None })
        }
    }
}

/// The statuses of every probe of this source, without running a daemon: for `candord probes`.
#[must_use]
pub fn probe_statuses(options: &ProbeOptions, system_root: &Path) -> Vec<ProbeStatus> {
    tiers::statuses(options, system_root)
}

fn prepare(system_root: &Path, replay: Option<&Replay>) -> Box<dyn Fn(&Selection) -> Preparation + Send + Sync> {
    let system_root = system_root.to_owned();
    let recorded = replay.map(|replay| replay.header.packages.clone());
    Box::new(move |_selection| {
        // Read for each session: an app may have been installed since the last. All packages, not those of the selection
        // alone: a process of the tree may change its user id, and whoever serves an app through binder is named too.
        let packages = recorded.clone().unwrap_or_else(|| package_list::read(&system_root));
        // The attribution knows what the header names, and what records tell of changes: so a replay, which has just these,
        // knows the same.
        let attributor = Attributor::new(PackageDirectory::from_list(&packages));
        let interpreter = DecodeAndAttribute {
            decoder: Decoder::new(),
            attributor,
            observations: Vec::new(),
            attributed: Vec::new(),
            probe: ProbeId::Daemon,
        };
        Preparation { packages, interpreter: Box::new(interpreter) }
    })
}

/// The stages between a record and its events, for one session.
struct DecodeAndAttribute {
    decoder: Decoder,
    attributor: Attributor,
    /// Both are empty between records, and kept for their memory.
    observations: Vec<Observation>,
    attributed: Vec<Attributed>,
    /// The probe of the last record.
    probe: ProbeId,
}

impl DecodeAndAttribute {
    fn attribute(&mut self, probe: ProbeId, events: &mut Vec<Event>) -> Interpretation {
        let interpretation = Interpretation { observations: self.observations.len() };
        for mut observation in self.observations.drain(..) {
            // Decoder and attributor serve this session alone, whatever its slot and whoever else gets the record.
            observation.sessions = 1;
            self.attributor.attribute(probe, observation, &mut self.attributed);
        }
        events.extend(self.attributed.drain(..).map(|attributed| attributed.event));
        interpretation
    }
}

impl Interpreter for DecodeAndAttribute {
    fn interpret(
        &mut self,
        probe: ProbeId,
        record: &[u8],
        events: &mut Vec<Event>,
    ) -> Result<Interpretation, &'static str> {
        self.observations.clear();
        self.probe = probe;
        self.decoder.decode(record, &mut self.observations).map_err(|error| {
            tracing::debug!(probe = probe.name(), %error, "a record cannot be decoded");
            error.reason()
        })?;
        Ok(self.attribute(probe, events))
    }

    fn finish(&mut self, events: &mut Vec<Event>) -> Interpretation {
        self.observations.clear();
        self.decoder.finish(&mut self.observations);
        self.attribute(self.probe, events)
    }
}

/// Opens a capture for replay.
///
/// # Errors
///
/// When it cannot be read.
pub fn open_replay(path: &Path) -> Result<(Box<dyn Probe>, Replay), DaemonError> {
    let (probe, capture) =
        replay::open(path).map_err(|source| DaemonError::Replay { path: path.to_owned(), source })?;
    if let Some((offset, what)) = &capture.condition.damage {
        tracing::warn!(path = %path.display(), offset, what, "the capture is damaged; it is replayed up to there");
    } else if !capture.condition.complete {
        tracing::warn!(path = %path.display(), "the capture was cut short");
    }
    let marks = capture.batches_before_marks.into_iter().zip(capture.phase_marks);
    let marks = marks.map(|(batches_before, (time_ns, mark))| ReplayedMark { batches_before, time_ns, mark }).collect();
    let replay = Replay { header: capture.header, marks, end: capture.end };
    Ok((probe, replay))
}

/// Creates a raw capture for a session.
///
/// # Errors
///
/// When the file exists already, or cannot be written.
pub fn create_keeper(path: &Path, header: &SessionHeader) -> io::Result<Box<dyn RawKeeper>> {
    Ok(Box::new(Keeper(CaptureWriter::create(path, header)?)))
}

/// A raw capture, as a session sees it.
struct Keeper(CaptureWriter);

impl RawKeeper for Keeper {
    fn records(&mut self, batch: &RawBatch) -> io::Result<()> {
        self.0.records(batch)
    }

    fn phase_mark(&mut self, time_ns: u64, phase: &Phase, note: &str) -> io::Result<()> {
        self.0.phase_mark(time_ns, phase, note)
    }

    fn finish(self: Box<Self>, end: &SessionEnd) -> io::Result<()> {
        self.0.finish(end)
    }
}
