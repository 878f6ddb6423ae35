//! `candor record`: a session from its start to a file.

use std::ffi::OsString;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

use clap::Args;
use tokio::process::Child;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{Instant, sleep_until};

use super::launch::{Gate, Launch, describe_status};
use super::progress::{Progress, Received, minutes};
use super::terminal::{counted, grouped, say};
use super::{CommandError, Exit};
use crate::event::{Phase, ProbeId, Selection, SessionEndReason};
use crate::host::client::{Address, ClientError, DaemonClient, Delivery, ResumingStream, SessionWish};
use crate::host::recording::{RecordingWriter, Written};

/// How long the daemon may take to deliver the rest after a stop.
const DRAIN_DEADLINE: Duration = Duration::from_secs(60);
/// How long after the last try to reconnect the daemon gives the session up.
const ABANDONED_AFTER: Duration = Duration::from_secs(60);
/// How often the live line is drawn and the recording looked after.
const TICK: Duration = Duration::from_millis(250);
/// How long COMMAND may take to end after it was asked to.
const TERMINATION_DEADLINE: Duration = Duration::from_secs(5);

/// What to record, and where to.
#[derive(Debug, Clone, Args)]
pub(super) struct RecordOptions {
    /// Run COMMAND as this user, by number or name; a number needs no account (apps are user ids from 10000)
    #[arg(long, value_name = "UID|NAME", requires = "command")]
    pub(super) user: Option<String>,
    /// The recording to write
    #[arg(long, short, value_name = "FILE")]
    pub(super) output: Option<PathBuf>,
    /// Replace the recording if it exists
    #[arg(long)]
    pub(super) force: bool,
    /// A name for the session, for people
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    pub(super) label: String,
    /// The phase at the beginning, such as pre_consent
    #[arg(long, value_name = "PHASE")]
    pub(super) phase: Option<Phase>,
    /// Keep the raw records beside, for `candor replay`
    #[arg(long)]
    pub(super) keep_raw: bool,
    /// Stop after this many seconds
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub(super) duration: Option<Duration>,
    /// How long to try again when the connection to the daemon is lost, in seconds; what was missed meanwhile is fetched
    #[arg(long, value_name = "SECONDS", value_parser = seconds, default_value = "30")]
    pub(super) reconnect: Duration,
    /// How long to go on for processes that COMMAND leaves behind, in seconds
    #[arg(long, value_name = "SECONDS", value_parser = seconds, default_value = "2", requires = "command")]
    pub(super) linger: Duration,
    /// Of a daemon that others use as well.
    #[arg(skip)]
    pub(super) session: SessionOptions,
}

/// Whose the session is, when the daemon ends it, and what it waits for.
#[derive(Debug, Clone, Default, Args)]
pub(super) struct SessionOptions {
    /// Only who has the owner's token may mark and stop the session; it is written to this new file (mode 0600)
    #[arg(long, value_name = "FILE")]
    pub(super) owner: Option<PathBuf>,
    /// The packages of --app need not be installed yet: each is traced from the moment it is
    #[arg(long, requires = "app")]
    pub(super) await_install: bool,
    /// Should this program be killed, the session goes on: until `candor stop`, or a limit
    #[arg(long)]
    pub(super) outlive: bool,
    /// The daemon ends the session after so many events
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(super) max_events: Option<u64>,
    /// The daemon ends the session after so many MiB in its spool
    #[arg(long, value_name = "MIB", value_parser = clap::value_parser!(u64).range(1..1 << 30))]
    pub(super) max_mib: Option<u64>,
}

/// Reads a number of seconds, with a fraction if wanted.
pub(super) fn seconds(text: &str) -> Result<Duration, String> {
    let number: f64 = text.parse().map_err(|_| "not a number of seconds".to_owned())?;
    if !(0.0..=31_536_000.0).contains(&number) {
        return Err("must be between 0 and one year".to_owned());
    }
    Ok(Duration::from_secs_f64(number))
}

/// What is traced.
#[derive(Debug, Clone)]
pub(super) enum Target {
    /// What runs already.
    Selection(Selection),
    /// A program to be started.
    Command(Launch),
    /// Whatever the capture holds that an embedded daemon replays.
    Replay,
}

/// `candor record`.
#[derive(Debug, Args)]
pub(super) struct RecordCommand {
    /// Trace this app, by its package name (see `candor apps`); may be given several times
    #[arg(long, value_name = "PACKAGE", conflicts_with = "command")]
    app: Vec<String>,
    /// Trace every process of this user id; may be given several times
    #[arg(long, value_name = "N", conflicts_with = "command")]
    uid: Vec<u32>,
    /// Trace this process and whatever it starts; may be given several times
    #[arg(long, value_name = "N", conflicts_with = "command", value_parser = clap::value_parser!(u32).range(1..))]
    pid: Vec<u32>,
    #[command(flatten)]
    options: RecordOptions,
    #[command(flatten)]
    session: SessionOptions,
    /// Start this program and trace it, and whatever it starts, from its first instruction
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

/// Records until the session ends.
pub(super) async fn record(address: &Address, command: RecordCommand) -> Result<Exit, CommandError> {
    let RecordCommand { app, uid, pid, mut options, session, command } = command;
    options.session = session;
    if app.is_empty() && uid.is_empty() && pid.is_empty() && command.is_empty() {
        let message = "nothing to record: give --app PACKAGE, --uid N, --pid N, or a program to start behind -- (see candor record --help)";
        return Err(CommandError::new(Exit::Usage, message));
    }
    let target = if command.is_empty() {
        Target::Selection(Selection {
            packages: app.into_iter().collect(),
            user_ids: uid.into_iter().collect(),
            process_trees: pid.into_iter().collect(),
        })
    } else {
        Target::Command(Launch::prepare(&command, options.user.as_deref())?)
    };
    let output = options.output.clone().unwrap_or_else(default_output);
    let recorded = record_to(address, target, &options, &output).await?;
    recorded.say_summary(&output);
    say(format!("next: candor events {0}, or candor check {0} --terms TERMS.toml", output.display()));
    Ok(Exit::Ok)
}

/// A name that says when.
fn default_output() -> PathBuf {
    PathBuf::from(jiff::Zoned::now().strftime("candor-%Y%m%d-%H%M%S.candor").to_string())
}

/// A recording that has come to its end.
#[derive(Debug)]
pub(super) struct Recorded {
    received: Received,
    written: Written,
    elapsed: Duration,
    raw_capture_path: String,
    command: Option<Result<ExitStatus, u32>>,
}

impl Recorded {
    /// Says what was recorded, on standard error.
    pub(super) fn say_summary(&self, output: &Path) {
        let lost = if self.received.dropped == 0 {
            "none lost".to_owned()
        } else {
            format!("{} LOST (a check cannot rule out what it did not see)", grouped(self.received.dropped))
        };
        let why = self.received.end.map_or("unknown", SessionEndReason::name);
        say(format!(
            "recorded {} in {}, {lost}; {} bytes in {}; the session ended: {why}",
            counted(self.received.events, "event"),
            minutes(self.elapsed),
            grouped(self.written.bytes),
            output.display(),
        ));
        match &self.command {
            Some(Ok(status)) => say(format!("COMMAND ended with {}", describe_status(*status))),
            Some(Err(pid)) => say(format!("COMMAND (pid {pid}) is still running, and is no longer traced")),
            None => {}
        }
        if !self.raw_capture_path.is_empty() {
            say(format!("raw records are kept on the device in {}", self.raw_capture_path));
        }
    }
}

/// Records one session of `target` into `output`.
pub(super) async fn record_to(
    address: &Address,
    target: Target,
    options: &RecordOptions,
    output: &Path,
) -> Result<Recorded, CommandError> {
    let mut client = DaemonClient::connect(address).await?;
    let device = client.device().await?;
    if let Target::Command(_) = target {
        refuse_other_device(&device.device.boot_id, &device.device.name)?;
    }
    // Before the session: a session that cannot be recorded need not begin.
    let mut writer = RecordingWriter::create(output, options.force)?;
    let result = Recorder::start(&mut client, target, options, output).await;
    let recorder = match result {
        Ok(recorder) => recorder,
        Err(error) => {
            // Only the file header is in it.
            drop(writer);
            let _ = std::fs::remove_file(output);
            return Err(error);
        }
    };
    recorder.run(&mut client, &mut writer, output).await?.finish(writer)
}

/// COMMAND is started here, so the daemon must trace this machine.
fn refuse_other_device(boot_id: &str, name: &str) -> Result<(), CommandError> {
    let own = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    if own.trim() == boot_id {
        return Ok(());
    }
    Err(CommandError::new(
        Exit::Usage,
        format!(
            "the daemon runs on another device ({name}), and COMMAND would be started here, where it does not trace; \
             start the program there and use --uid or --pid"
        ),
    ))
}

/// A new file that only its owner may read.
fn create_token_file(path: &Path) -> Result<std::fs::File, CommandError> {
    let created = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    created.map_err(|error| CommandError::new(Exit::CannotCreate, format!("cannot create {}: {error}", path.display())))
}

/// A session that is being recorded.
struct Recorder {
    session_id: String,
    raw_capture_path: String,
    stream: ResumingStream,
    child: Option<Child>,
    duration: Option<Duration>,
    linger: Duration,
    reconnect: Duration,
    signals: Signals,
}

/// Ways in which a person or a program ends a recording.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    /// From now on they end the recording, not this process.
    fn catch() -> Result<Self, CommandError> {
        let internal =
            |error: std::io::Error| CommandError::new(Exit::Internal, format!("cannot wait for signals: {error}"));
        Ok(Self {
            interrupt: signal(SignalKind::interrupt()).map_err(internal)?,
            terminate: signal(SignalKind::terminate()).map_err(internal)?,
        })
    }

    async fn any(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// What [`Recorder::run`] leaves.
struct Drained {
    received: Received,
    elapsed: Duration,
    raw_capture_path: String,
    command: Option<Result<ExitStatus, u32>>,
}

impl Drained {
    fn finish(self, writer: RecordingWriter) -> Result<Recorded, CommandError> {
        let written = writer.finish()?;
        Ok(Recorded {
            received: self.received,
            written,
            elapsed: self.elapsed,
            raw_capture_path: self.raw_capture_path,
            command: self.command,
        })
    }
}

impl Recorder {
    async fn start(
        client: &mut DaemonClient,
        target: Target,
        options: &RecordOptions,
        output: &Path,
    ) -> Result<Self, CommandError> {
        let mut label = options.label.clone();
        let (selection, gate) = match target {
            Target::Selection(selection) => (selection, None),
            Target::Replay => (Selection::default(), None),
            Target::Command(launch) => {
                if label.is_empty() {
                    label = launch.name();
                }
                let gate = launch.start().await?;
                (Selection { process_trees: [gate.pid()].into(), ..Selection::default() }, Some(gate))
            }
        };
        let wish = SessionWish {
            selection,
            label,
            initial_phase: options.phase.clone(),
            keep_raw: options.keep_raw,
            // Should this process be killed, its session does not go on for ever, unless that is what is wanted.
            unread: (!options.session.outlive).then_some(options.reconnect + ABANDONED_AFTER),
            events: options.session.max_events,
            bytes: options.session.max_mib.map(|mib| mib << 20),
            owned: options.session.owner.is_some(),
            await_packages: options.session.await_install,
        };
        // Before the session: one whose token cannot be kept could not be stopped.
        let mut kept = options.session.owner.as_deref().map(create_token_file).transpose()?;
        let session = client.start_session(&wish).await?;
        if let (Some(file), Some(path)) = (&mut kept, &options.session.owner)
            && let Err(error) = writeln!(file, "{}", session.owner_token)
        {
            let _ = client.stop_session(&session.header.session_id).await;
            return Err(CommandError::new(Exit::InputOutput, format!("cannot write {}: {error}", path.display())));
        }
        let by_stops =
            session.header.probes.iter().any(|status| status.probe == ProbeId::Ptrace && status.state.sees());
        let session_id = session.header.session_id;
        // Before anybody is told that it records: a program that reads the line may end the recording at once.
        let signals = Signals::catch()?;
        say(format!(
            "session {session_id}, recording to {}; from another terminal: candor mark PHASE --session {session_id}",
            output.display()
        ));
        let opened = async {
            let stream = client.stream(&session_id).await?;
            let child = match gate {
                Some(gate) => Some(Gate::open(gate, by_stops).await?),
                None => None,
            };
            Ok::<_, CommandError>((stream, child))
        };
        match opened.await {
            Ok((stream, child)) => Ok(Self {
                stream: ResumingStream::new(client.clone(), session_id.clone(), stream, options.reconnect),
                session_id,
                raw_capture_path: session.raw_capture_path,
                child,
                duration: options.duration,
                linger: options.linger,
                reconnect: options.reconnect,
                signals,
            }),
            Err(error) => {
                // The first error is the one to tell.
                let _ = client.stop_session(&session_id).await;
                Err(error)
            }
        }
    }

    /// Receives and writes until the session's end.
    async fn run(
        mut self,
        client: &mut DaemonClient,
        writer: &mut RecordingWriter,
        output: &Path,
    ) -> Result<Drained, CommandError> {
        let mut tick = tokio::time::interval(TICK);
        let mut progress = Progress::start();
        let mut received = Received::default();
        let far_away = Instant::now() + Duration::from_secs(31_536_000 * 2);
        let mut stop_at = self.duration.map_or(far_away, |duration| Instant::now() + duration);
        let mut give_up_at = far_away;
        let mut stopping = false;
        let mut stop_unsent = false;
        let mut command = None;
        let has_command = self.child.is_some();

        while !received.ended {
            let mut stop = false;
            tokio::select! {
                delivery = self.stream.next() => match delivery {
                    Some(Delivery::Message(message)) => {
                        received.count(&message);
                        if let Err(error) = writer.message(&message) {
                            drop(progress);
                            // Nobody would record what follows.
                            let _ = client.stop_session(&self.session_id).await;
                            return Err(error.into());
                        }
                    }
                    Some(Delivery::Lost(why)) => {
                        progress.say(&format!("the connection to the daemon is lost ({why}); trying again"));
                        // Should it not come back, what there is stays readable.
                        writer.flush()?;
                    }
                    Some(Delivery::Resumed) => progress.say("the connection is back; nothing is missing so far that the daemon still holds"),
                    None => return Err(gone(writer, output, "it closed the stream")),
                    Some(Delivery::Failed(ClientError::Gone { detail, .. })) => return Err(gone(writer, output, &detail)),
                    Some(Delivery::Failed(error @ ClientError::NothingListens { .. })) => {
                        return Err(gone(writer, output, &error.to_string()));
                    }
                    Some(Delivery::Failed(error)) => {
                        let kept = keep(writer, output);
                        let message = format!("the stream ended: {error}; {kept}");
                        return Err(CommandError::new(CommandError::from(error).exit, message));
                    }
                },
                status = wait(&mut self.child), if command.is_none() && has_command => {
                    command = Some(status);
                    // The daemon ends the session by itself when nothing of the tree is left.
                    stop_at = stop_at.min(Instant::now() + self.linger);
                }
                () = self.signals.any() => stop = true,
                () = sleep_until(stop_at), if !stopping => {
                    if command.is_some() && self.duration.is_none_or(|duration| progress.elapsed() < duration) {
                        progress.say("COMMAND has ended and the session has not: it left processes behind, or their ends cannot be seen here; tracing stops now (--linger waits longer)");
                    }
                    stop = true;
                }
                () = sleep_until(give_up_at) => {
                    return Err(gone(writer, output, "it did not deliver the end of the session in time"));
                }
                _ = tick.tick() => {
                    progress.update(&received);
                    writer.flush_if_due()?;
                }
            }
            if stop && !stopping {
                stopping = true;
                stop_unsent = true;
                give_up_at = Instant::now() + DRAIN_DEADLINE;
            }
            if stop_unsent {
                match client.stop_session(&self.session_id).await {
                    Ok(_) => stop_unsent = false,
                    // The connection is lost, and it is tried to get it back: the next turn asks again.
                    Err(ClientError::Gone { .. } | ClientError::NothingListens { .. }) if !self.reconnect.is_zero() => {
                    }
                    Err(error) => return Err(gone(writer, output, &error.to_string())),
                }
            }
        }
        let elapsed = progress.elapsed();
        drop(progress);
        let command = match (self.child, command) {
            (None, _) => None,
            (Some(child), None) => Some(end_command(child).await),
            (Some(_), Some(status)) => Some(status.map_err(|_| 0)),
        };
        Ok(Drained { received, elapsed, raw_capture_path: self.raw_capture_path, command })
    }
}

async fn wait(child: &mut Option<Child>) -> Result<ExitStatus, std::io::Error> {
    match child {
        Some(child) => child.wait().await,
        None => std::future::pending().await,
    }
}

/// Ends COMMAND, which nobody traces any more: asks it, and waits a moment. Gives its process id when it stays.
async fn end_command(mut child: Child) -> Result<ExitStatus, u32> {
    let pid = child.id().unwrap_or_default();
    if let Ok(number) = i32::try_from(pid)
        && number > 0
    {
        // It may have ended just now.
        let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(number), nix::sys::signal::Signal::SIGTERM);
    }
    match tokio::time::timeout(TERMINATION_DEADLINE, child.wait()).await {
        Ok(Ok(status)) => Ok(status),
        Ok(Err(_)) | Err(_) => Err(pid),
    }
}

/// Saves what there is, and says so.
fn keep(writer: &mut RecordingWriter, output: &Path) -> String {
    match writer.flush() {
        Ok(()) => format!(
            "{} up to there are kept in {}, which is readable as a truncated recording",
            counted(writer.written().events, "event"),
            output.display()
        ),
        Err(error) => error.to_string(),
    }
}

fn gone(writer: &mut RecordingWriter, output: &Path, why: &str) -> CommandError {
    let kept = keep(writer, output);
    CommandError::new(Exit::Unavailable, format!("the daemon went away in mid-stream: {why}; {kept}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_may_have_a_fraction() {
        assert_eq!(seconds("1.5"), Ok(Duration::from_millis(1500)));
        for text in ["-1", "NaN", "inf", "soon", "1e99"] {
            assert!(seconds(text).is_err(), "{text}");
        }
    }
}
