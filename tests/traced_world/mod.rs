//! A daemon with one tier of probes in a directory of its own, and the client that records with it.
#![allow(dead_code, unreachable_pub, reason = "each test file uses its own part of it")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests may panic")]

use std::ffi::OsStr;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

/// How long a test waits for anything before it fails.
pub const DEADLINE: Duration = Duration::from_secs(120);
/// The tiers that see acts as they happen.
pub const TIERS: [&str; 3] = ["ebpf-objects", "ebpf-syscalls", "ptrace"];

/// The daemon and its directory.
pub struct World {
    pub daemon: Child,
    directory: tempfile::TempDir,
}

impl World {
    /// A directory that other users can enter.
    pub fn directory() -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        std::fs::set_permissions(directory.path(), PermissionsExt::from_mode(0o755)).unwrap();
        directory
    }

    /// Starts a daemon that works in this directory, and waits until it listens.
    pub fn start(
        directory: tempfile::TempDir,
        probes: &str,
        arguments: impl IntoIterator<Item = impl AsRef<OsStr>>,
    ) -> Self {
        let socket = directory.path().join("daemon.sock");
        let daemon = Command::new(env!("CARGO_BIN_EXE_candord"))
            .args(["serve", "--probes", probes, "--listen"])
            .arg(format!("unix:{}", socket.display()))
            .args(arguments)
            .stderr(std::fs::File::create(directory.path().join("daemon.log")).unwrap())
            .spawn()
            .unwrap();
        let world = Self { daemon, directory };
        wait_for("the daemon", || socket.exists());
        world
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    pub fn client(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_candor"));
        command.env("CANDOR_DAEMON", format!("unix:{}", self.text("daemon.sock"))).stdin(Stdio::null());
        command
    }

    /// The entries of the recording; `None` while it is not whole.
    pub fn try_entries(&self) -> Option<Vec<Value>> {
        let output = self.client().args(["events", "--format", "ndjson"]).arg(self.path("recording")).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        output.status.success().then(|| text.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
    }

    pub fn entries(&self) -> Vec<Value> {
        self.try_entries().expect("the recording can be read")
    }

    pub fn events(&self) -> Vec<Value> {
        events_of(self.entries())
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ended_already = kill(pid_of(self.daemon.id()), Signal::SIGTERM);
        let _reaped = self.daemon.wait();
    }
}

/// The events among entries.
pub fn events_of(entries: Vec<Value>) -> Vec<Value> {
    entries.into_iter().filter_map(|mut entry| entry.get_mut("event").map(Value::take)).collect()
}

pub fn pid_of(id: u32) -> Pid {
    Pid::from_raw(id.cast_signed())
}

pub fn wait_for(what: &str, done: impl Fn() -> bool) {
    let give_up = Instant::now() + DEADLINE;
    while !done() {
        assert!(Instant::now() < give_up, "{what} did not come");
        std::thread::sleep(Duration::from_millis(20));
    }
}
