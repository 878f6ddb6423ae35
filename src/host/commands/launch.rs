//! Starts COMMAND so that it is traced from its first instruction.
//!
//! The program is started as this one, with the hidden subcommand `launch-gate`, which connects to a private socket and
//! waits there. The session is started on its process id; then the gate is told to go on, drops to the wanted user and
//! becomes COMMAND. Its end of the socket closes by itself when that succeeds, and carries the reason when it does not.
//!
//! A socket rather than an inherited pipe: it needs no descriptor number to be passed and no unsafe code, and nothing of it
//! is left open in COMMAND. Stopping the gate with SIGSTOP was rejected: it would stay stopped for ever if we died.

use std::ffi::{CString, OsStr, OsString};
use std::io::{Read as _, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::UnixStream as GateStream;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use clap::Args;
use nix::unistd::{AccessFlags, Gid, Uid, User, access};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};
use tokio::process::Child;

use super::embedded::TemporaryDirectory;
use super::terminal::say;
use super::{CommandError, Exit};
use crate::call_filter;

/// The word that lets the gate go on ...
const GO: u8 = b'g';
/// ... and the one that lets it install the filter of system calls before.
const GO_FILTERED: u8 = b'f';
/// How long the gate may take to connect, and COMMAND to begin.
const GATE_DEADLINE: Duration = Duration::from_secs(30);

/// COMMAND, found and allowed to run, before anything is started.
#[derive(Debug, Clone)]
pub(super) struct Launch {
    program: PathBuf,
    arguments: Vec<OsString>,
    user: Option<LaunchUser>,
}

/// Whom COMMAND runs as.
#[derive(Debug, Clone, PartialEq, Eq)]
struct LaunchUser {
    user_id: u32,
    group_id: u32,
    /// Name and home directory, when the system knows the user. Apps of Android are numbers only.
    account: Option<(String, PathBuf)>,
}

impl Launch {
    /// Finds COMMAND and the user.
    ///
    /// # Errors
    ///
    /// When COMMAND does not exist or is not executable, the user is not known, or we may not become that user.
    pub(super) fn prepare(command: &[OsString], user: Option<&str>) -> Result<Self, CommandError> {
        let Some((name, _)) = command.split_first() else {
            return Err(CommandError::new(Exit::Usage, "no COMMAND was given"));
        };
        let program = find_program(name, std::env::var_os("PATH").as_deref())?;
        let user = user.map(find_user).transpose()?;
        if let Some(user) = &user
            && !Uid::effective().is_root()
            && user.user_id != Uid::effective().as_raw()
        {
            return Err(CommandError::new(
                Exit::NoPermission,
                format!(
                    "--user {}: only root can start a program as another user, and this is user {}; try sudo",
                    user.user_id,
                    Uid::effective()
                ),
            ));
        }
        Ok(Self { program, arguments: command.to_vec(), user })
    }

    /// The name of the program, for labels.
    pub(super) fn name(&self) -> String {
        self.program.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// Starts the gate. It waits until [`Gate::open`]; should we end before, it ends without running COMMAND.
    pub(super) async fn start(&self) -> Result<Gate, CommandError> {
        let failed = |what: &str, error: std::io::Error| CommandError::new(Exit::Internal, format!("{what}: {error}"));
        let directory = TemporaryDirectory::create()?;
        let socket = directory.path().join("gate.sock");
        let listener =
            UnixListener::bind(&socket).map_err(|error| failed("cannot make the socket of the launch gate", error))?;
        let own = std::env::current_exe().map_err(|error| failed("cannot find this program's own file", error))?;
        let mut command = tokio::process::Command::new(own);
        command.arg("launch-gate").arg("--socket").arg(&socket).arg("--program").arg(&self.program);
        if let Some(user) = &self.user {
            command.arg("--user-id").arg(user.user_id.to_string());
            command.arg("--group-id").arg(user.group_id.to_string());
            if let Some((name, home)) = &user.account {
                command.arg("--account").arg(name);
                command.env("USER", name).env("LOGNAME", name).env("HOME", home);
            }
        }
        command.arg("--").args(&self.arguments).stdin(Stdio::inherit());
        let mut child = command.spawn().map_err(|error| failed("cannot start the launch gate", error))?;
        let pid = child.id().unwrap_or_default();
        let stream = tokio::select! {
            accepted = tokio::time::timeout(GATE_DEADLINE, listener.accept()) => match accepted {
                Ok(Ok((stream, _peer))) => stream,
                Ok(Err(error)) => return Err(failed("the launch gate could not connect", error)),
                Err(_elapsed) => return Err(CommandError::new(Exit::Internal, "the launch gate did not connect in time")),
            },
            status = child.wait() => {
                return Err(CommandError::new(Exit::Internal, format!("the launch gate ended early: {status:?}")));
            }
        };
        Ok(Gate { child, pid, stream, program: self.program.clone() })
    }
}

/// A process that waits to become COMMAND.
#[derive(Debug)]
pub(super) struct Gate {
    child: Child,
    pid: u32,
    stream: UnixStream,
    program: PathBuf,
}

impl Gate {
    /// Its process id, which is that of COMMAND later.
    pub(super) fn pid(&self) -> u32 {
        self.pid
    }

    /// Lets COMMAND begin. `by_stops`: the daemon traces by stopping COMMAND at its system calls, and a filter makes only those
    /// stop that are of interest.
    ///
    /// # Errors
    ///
    /// When it could not be executed.
    pub(super) async fn open(mut self, by_stops: bool) -> Result<Child, CommandError> {
        let mut reason = String::new();
        let talk = async {
            self.stream.write_all(if by_stops { &[GO_FILTERED] } else { &[GO] }).await?;
            self.stream.read_to_string(&mut reason).await
        };
        match tokio::time::timeout(GATE_DEADLINE, talk).await {
            // The kernel closed the gate's end: COMMAND runs.
            Ok(Ok(_)) if reason.is_empty() => Ok(self.child),
            Ok(Ok(_)) => {
                // It has nothing left to do but to exit.
                let _ = self.child.wait().await;
                Err(CommandError::new(
                    Exit::Usage,
                    format!("{} could not be executed: {reason}", self.program.display()),
                ))
            }
            Ok(Err(error)) => Err(CommandError::new(Exit::Internal, format!("the launch gate broke: {error}"))),
            Err(_elapsed) => Err(CommandError::new(Exit::Internal, "the launch gate did not answer in time")),
        }
    }
}

/// How a process ended, for people.
pub(super) fn describe_status(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt as _;
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit status {code}"),
        (None, Some(signal)) => match nix::sys::signal::Signal::try_from(signal) {
            Ok(name) => format!("killed by {}", name.as_str()),
            Err(_) => format!("killed by signal {signal}"),
        },
        (None, None) => "unknown exit status".to_owned(),
    }
}

/// The file that a command name means, as the shell would find it.
fn find_program(name: &OsStr, path: Option<&OsStr>) -> Result<PathBuf, CommandError> {
    let usage = |message: String| Err(CommandError::new(Exit::Usage, message));
    let shown = name.to_string_lossy();
    if name.is_empty() {
        return usage("COMMAND is empty".to_owned());
    }
    if name.as_bytes().contains(&b'/') {
        let path = Path::new(name);
        return match path.metadata() {
            Err(error) => usage(format!("command not found: {shown}: {error}")),
            Ok(metadata) if metadata.is_dir() => usage(format!("{shown} is a directory, not a program")),
            Ok(_) if access(path, AccessFlags::X_OK).is_err() => {
                usage(format!("{shown} is not executable (chmod +x makes it so)"))
            }
            Ok(_) => Ok(path.to_owned()),
        };
    }
    let mut not_executable = None;
    for directory in std::env::split_paths(path.unwrap_or_default()) {
        let candidate = directory.join(name);
        if candidate.is_file() {
            if access(&candidate, AccessFlags::X_OK).is_ok() {
                return Ok(candidate);
            }
            not_executable.get_or_insert(candidate);
        }
    }
    match not_executable {
        Some(path) => usage(format!("{} is not executable (chmod +x makes it so)", path.display())),
        None => usage(format!("command not found: {shown} is in no directory of PATH")),
    }
}

fn find_user(user: &str) -> Result<LaunchUser, CommandError> {
    let known = match user.parse::<u32>() {
        Ok(number) => match User::from_uid(Uid::from_raw(number)) {
            Ok(Some(known)) => known,
            // An app's user id needs no account; its group id is the same number, as on Android.
            Ok(None) | Err(_) => return Ok(LaunchUser { user_id: number, group_id: number, account: None }),
        },
        Err(_) => match User::from_name(user) {
            Ok(Some(known)) => known,
            Ok(None) => {
                let message = format!("--user {user}: there is no user of that name here; a user id works without one");
                return Err(CommandError::new(Exit::Usage, message));
            }
            Err(error) => {
                return Err(CommandError::new(Exit::Internal, format!("--user {user}: looking it up failed: {error}")));
            }
        },
    };
    Ok(LaunchUser { user_id: known.uid.as_raw(), group_id: known.gid.as_raw(), account: Some((known.name, known.dir)) })
}

/// What the gate is told.
#[derive(Debug, Args)]
pub(super) struct GateOptions {
    /// Where to wait
    #[arg(long)]
    socket: PathBuf,
    /// The program file
    #[arg(long)]
    program: PathBuf,
    /// Whom to become
    #[arg(long)]
    user_id: Option<u32>,
    /// With which group
    #[arg(long, requires = "user_id")]
    group_id: Option<u32>,
    /// Whose further groups
    #[arg(long, requires = "user_id")]
    account: Option<String>,
    /// The command line
    #[arg(last = true, required = true)]
    arguments: Vec<OsString>,
}

/// Runs in the gate: waits, and becomes COMMAND. Returns only when that failed. From the moment it is told to go on, its
/// system calls are traced, so it makes no more of them than it must.
pub(super) fn gate(options: &GateOptions) -> Result<Exit, CommandError> {
    let mut stream = GateStream::connect(&options.socket)
        .map_err(|error| CommandError::new(Exit::Internal, format!("the launch gate cannot connect: {error}")))?;
    let mut command = std::process::Command::new(&options.program);
    if let Some((name, arguments)) = options.arguments.split_first() {
        command.arg0(name).args(arguments);
    }
    let account = options.account.as_deref().and_then(|name| CString::new(name).ok());
    let mut word = [0];
    if stream.read_exact(&mut word).is_err() {
        // Whoever started us has gone or has given up; that was said there.
        return Ok(Exit::Internal);
    }
    // Before it becomes the user: only root may install a filter without giving up set-user-id programs.
    if word == [GO_FILTERED]
        && let Err(error) = call_filter::install()
    {
        say(format!("{error}; every system call of COMMAND stops for the tracer, which is several times slower"));
    }
    let reason = match become_user(options, account) {
        Ok(()) => command.exec().to_string(),
        Err(reason) => reason,
    };
    // Should this fail, the other side sees a closed socket and then our exit status.
    let _ = stream.write_all(reason.as_bytes());
    Ok(Exit::Usage)
}

fn become_user(options: &GateOptions, account: Option<CString>) -> Result<(), String> {
    let Some(user_id) = options.user_id else { return Ok(()) };
    let group = Gid::from_raw(options.group_id.unwrap_or(user_id));
    if Uid::effective().is_root() {
        let groups = match account {
            Some(account) => nix::unistd::initgroups(&account, group),
            None => nix::unistd::setgroups(&[group]),
        };
        groups.map_err(|error| format!("cannot set the groups: {}", error.desc()))?;
        nix::unistd::setgid(group).map_err(|error| format!("cannot become group {group}: {}", error.desc()))?;
    }
    nix::unistd::setuid(Uid::from_raw(user_id))
        .map_err(|error| format!("cannot become user {user_id}: {}", error.desc()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_found_as_a_shell_finds_them() {
        let directory = tempfile::TempDir::new().unwrap();
        std::fs::write(directory.path().join("text"), "no program").unwrap();
        let path = std::env::join_paths([directory.path(), Path::new("/bin")]).unwrap();
        assert_eq!(find_program(OsStr::new("sh"), Some(&path)).unwrap(), Path::new("/bin/sh"));
        for (name, expected) in [
            ("no-such-program", "command not found: no-such-program is in no directory of PATH"),
            ("/no/such", "command not found: /no/such"),
            ("/tmp/", "is a directory"),
            ("", "COMMAND is empty"),
            ("text", "is not executable"),
        ] {
            let error = find_program(OsStr::new(name), Some(&path)).unwrap_err();
            assert_eq!(error.exit, Exit::Usage);
            assert!(error.message.contains(expected), "{}", error.message);
        }
    }

    #[test]
    fn users_are_numbers_or_names() {
        let app = LaunchUser { user_id: 3_000_001, group_id: 3_000_001, account: None };
        assert_eq!(find_user("3000001").unwrap(), app);
        assert_eq!(find_user("root").unwrap().user_id, 0);
        assert_eq!(find_user("no-such-user").unwrap_err().exit, Exit::Usage);
    }
}
