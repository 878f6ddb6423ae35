//! The helper of self-tests: a process of the daemon's own that does known acts, so that a session can say whether it sees.
//!
//! * **In:** a program that runs [`run_helper`], and a word each time it shall act. **Out:** what it has done.
//! * **May import:** `event`, `probe::platform` (to call the service manager), `nix`.
//! * **Test it:** `cargo test device::self_test`, and as root `cargo test --test self_test -- --ignored`.
//!
//! The helper is the daemon's file, started anew: a fork of a process with threads may do little, and a program of its own
//! would be one more file to bring onto a device. It is started before the session's filter is set and put into that
//! filter: as a process tree when trees are selected, else under a user id that nobody has. So the session's own slot
//! in the kernel is what is tested, and the app's user id gets no process that is not the app's. It stays, asleep, until
//! the session ends, because at the end the filter must be tested as it is, not as it would be if it were set again.
//!
//! Words go in and answers come out as lines. In: `act NONCE`. Out, for each act: `STEP did DETAIL` or `STEP failed WHY`,
//! and at last `done NONCE`. When its input ends it ends: so it does not outlive the daemon, however that ends.

mod helper;

use std::ffi::OsString;
use std::io::{self, Read as _, Write as _};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use nix::fcntl::{FcntlArg, OFlag, fcntl};

pub use helper::{HELPER_VERB, run_helper};

/// Where every process finds its own program.
pub const THIS_PROGRAM: &str = "/proc/self/exe";
/// The file that the helper opens. It is there on every system, and nobody's.
pub const KNOWN_FILE: &str = "/dev/null";
/// The interface by which the helper calls the service manager, where there is binder: one that is traced, that the service
/// manager does not have, so that nothing is given out, and that few apps use. A call by the service manager's own interface
/// was rejected: being asked for services is the machinery of every app and makes no event.
pub const KNOWN_INTERFACE: &str = "android.adservices.adid.IAdIdService";
/// User ids from here on, one for each slot, belong to helpers. Android gives out ids below 1 000 000 000 (10 000 users of
/// 100 000 ids each), and Debian ids below 65 536, so that no app and no account has one of them.
pub const FIRST_HELPER_USER_ID: u32 = 2_000_000_000;

/// The longest answer of one round. Far more than it says: a broken helper must not fill the memory.
const LONGEST_ANSWER: usize = 16 << 10;

/// How to start helpers.
#[derive(Debug, Clone)]
pub struct HelperProgram {
    /// The program. Its first argument is [`HELPER_VERB`]; what it runs is [`run_helper`].
    pub program: PathBuf,
    /// Android's API level, by which the service manager is asked; `None` where there is no binder.
    pub api_level: Option<u32>,
}

impl HelperProgram {
    /// Starts a helper, which waits. It takes the user id, if one is given, before it acts.
    ///
    /// # Errors
    ///
    /// When it cannot be started.
    pub fn start(&self, user_id: Option<u32>) -> io::Result<Helper> {
        let mut arguments: Vec<OsString> = vec![HELPER_VERB.into()];
        if let Some(user_id) = user_id {
            arguments.push(format!("--user={user_id}").into());
        }
        if let Some(level) = self.api_level {
            arguments.push(format!("--api={level}").into());
        }
        let mut child = Command::new(&self.program)
            .args(arguments)
            // Nothing of the daemon's surroundings has a say in what the helper does.
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            let _ = child.kill();
            return Err(io::Error::other("the helper has no pipes"));
        };
        let helper = Helper { child, input, output, answer: Vec::new() };
        fcntl(&helper.output, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
        Ok(helper)
    }
}

/// A helper that waits, or acts. It ends when this is dropped.
#[derive(Debug)]
pub struct Helper {
    child: Child,
    input: ChildStdin,
    output: ChildStdout,
    answer: Vec<u8>,
}

impl Helper {
    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Tells it to act.
    ///
    /// # Errors
    ///
    /// When it is gone.
    pub fn act(&mut self, nonce: &str) -> io::Result<()> {
        self.answer.clear();
        writeln!(self.input, "act {nonce}")
    }

    /// What it has done, once it has done everything. `None`: not yet. Never waits.
    ///
    /// # Errors
    ///
    /// When it is gone, or says what no helper says.
    pub fn report(&mut self, nonce: &str) -> io::Result<Option<Report>> {
        let mut piece = [0_u8; 1024];
        loop {
            match self.output.read(&mut piece) {
                Ok(0) => return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it ended")),
                Ok(length) => {
                    self.answer.extend_from_slice(piece.get(..length).unwrap_or_default());
                    if self.answer.len() > LONGEST_ANSWER {
                        return Err(io::Error::other("it says more than any helper does"));
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        let answer = String::from_utf8_lossy(&self.answer);
        Ok(answer.ends_with(&format!("done {nonce}\n")).then(|| Report::parse(&answer)))
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        // It may be in the middle of something; there is nothing of its that must be finished.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One thing that a helper does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Step {
    /// Takes the user id it was given.
    Identity,
    /// Opens [`KNOWN_FILE`], and a path below it that names the nonce and cannot exist.
    File,
    /// Connects to a socket of its own; the detail is the port on 127.0.0.1.
    Socket,
    /// Starts its own program once more, with the nonce as an argument, and waits for its end.
    Process,
    /// Calls the service manager by an interface that it does not have.
    Service,
}

impl Step {
    /// Every step, in order.
    pub const ALL: &'static [Self] = &[Self::Identity, Self::File, Self::Socket, Self::Process, Self::Service];

    /// Its name in the helper's answer.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::File => "file",
            Self::Socket => "socket",
            Self::Process => "process",
            Self::Service => "service",
        }
    }
}

/// What a helper has done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    steps: Vec<(Step, Result<String, String>)>,
}

impl Report {
    fn parse(answer: &str) -> Self {
        let step = |line: &str| {
            let mut words = line.splitn(3, ' ');
            let (name, result, detail) = (words.next()?, words.next()?, words.next().unwrap_or_default());
            let step = Step::ALL.iter().copied().find(|step| step.name() == name)?;
            match result {
                "did" => Some((step, Ok(detail.to_owned()))),
                "failed" => Some((step, Err(detail.to_owned()))),
                _ => None,
            }
        };
        Self { steps: answer.lines().filter_map(step).collect() }
    }

    /// A report of these lines.
    #[cfg(test)]
    pub(crate) fn of_lines(lines: &str) -> Self {
        Self::parse(lines)
    }

    /// What came of a step: a detail, or why it could not be done; `None`: it was not tried.
    #[must_use]
    pub fn of(&self, step: Step) -> Option<Result<&str, &str>> {
        let (_, result) = self.steps.iter().find(|(known, _)| *known == step)?;
        Some(result.as_deref().map_err(String::as_str))
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn answers_are_read_line_by_line() {
        let report =
            Report::parse("file did\nsocket did 4711\nservice failed there is no binder device\nx y\ndone 1\n");
        assert_eq!(report.of(Step::File), Some(Ok("")));
        assert_eq!(report.of(Step::Socket), Some(Ok("4711")));
        assert_eq!(report.of(Step::Service), Some(Err("there is no binder device")));
        assert_eq!(report.of(Step::Process), None);
    }

    /// A helper made of a shell: what comes from it is judged, whoever it is.
    fn shell(script: &str) -> (Helper, tempfile::TempDir) {
        let directory = tempfile::tempdir().unwrap();
        let program = directory.path().join("helper");
        std::fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let mut tries = 0;
        loop {
            match (HelperProgram { program: program.clone(), api_level: None }).start(None) {
                // Another test's fork can hold the file open for writing for a moment.
                Err(error) if error.kind() == io::ErrorKind::ExecutableFileBusy && tries < 100 => {
                    tries += 1;
                    std::thread::sleep(Duration::from_millis(10));
                }
                started => return (started.unwrap(), directory),
            }
        }
    }

    fn outcome(helper: &mut Helper) -> io::Result<Report> {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            if let Some(report) = helper.report("n1")? {
                return Ok(report);
            }
            assert!(Instant::now() < deadline, "no answer");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    #[test]
    fn a_helper_answers_when_it_is_done_and_can_be_asked_again() {
        let (mut helper, _directory) =
            shell("while read -r act nonce; do echo \"file did $act\"; echo \"done $nonce\"; done");
        for _ in 0..2 {
            helper.act("n1").unwrap();
            assert_eq!(outcome(&mut helper).unwrap().of(Step::File), Some(Ok("act")));
        }
    }

    #[test]
    fn a_helper_that_ends_or_babbles_is_an_error() {
        let (mut gone, _directory) = shell("read -r line; echo 'file did'; exit 0");
        gone.act("n1").unwrap();
        assert_eq!(outcome(&mut gone).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        let (mut babbling, _directory) = shell("read -r line; while :; do echo 'file did something'; done");
        babbling.act("n1").unwrap();
        assert!(outcome(&mut babbling).unwrap_err().to_string().contains("more than any helper"));
    }
}
