//! Test devices for tests: `scripts/device` with a state directory of their own.
#![allow(dead_code, unreachable_pub, missing_docs, reason = "each test file uses its own part of it")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests may panic")]

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

pub const DEADLINE: Duration = Duration::from_secs(60);

/// The devices of one test, in a state directory of their own. They are stopped when this is dropped, also by a panic.
pub struct Lab {
    pub state: TempDir,
}

impl Lab {
    pub fn new() -> Self {
        // In a short directory: the sockets are in it, and their names are limited.
        Self { state: tempfile::Builder::new().prefix("candor-lab").tempdir_in("/tmp").unwrap() }
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/device"));
        command.args(arguments).env("CANDOR_DEVICE_STATE", self.state.path()).env_remove("CANDOR_DEVICE");
        command.stdin(Stdio::null());
        command
    }

    pub fn device(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().expect("scripts/device must be there")
    }

    /// Runs a verb that must succeed, and returns its output.
    #[track_caller]
    pub fn succeed(&self, arguments: &[&str]) -> String {
        let output = self.device(arguments);
        assert!(output.status.success(), "scripts/device {arguments:?}: {}", text_of(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    #[track_caller]
    pub fn up(&self, more: &[&str]) -> String {
        // The usual socket is left alone: it belongs to whoever works on this machine.
        self.succeed(&[&["up", "--no-default-socket"], more].concat())
    }

    pub fn status(&self) -> Value {
        serde_json::from_slice(&self.device(&["status", "--json"]).stdout).unwrap()
    }

    pub fn socket(&self, device: u32) -> PathBuf {
        self.state.path().join(device.to_string()).join("candord.sock")
    }

    pub fn candor(&self, device: u32, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_candor"));
        command.args(arguments).env("CANDOR_DAEMON", format!("unix:{}", self.socket(device).display()));
        command.stdin(Stdio::null());
        command
    }

    /// What `candor info` prints about a device, once it answers.
    pub fn info(&self, device: u32) -> String {
        let started = Instant::now();
        loop {
            let output = self.candor(device, &["info"]).output().unwrap();
            if output.status.success() {
                return String::from_utf8(output.stdout).unwrap();
            }
            assert!(started.elapsed() < DEADLINE, "candor info: {}", text_of(&output));
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Where the recording of a device goes.
    pub fn recording(&self, device: u32) -> String {
        self.state.path().join(format!("{device}.candor")).to_str().unwrap().to_owned()
    }

    /// The events of the selected app while `act` runs.
    pub fn recorded(&self, device: u32, selection: &[&str], act: impl FnOnce()) -> Vec<Value> {
        let file = &*self.recording(device);
        let mut recorder = self
            .candor(device, &[&["record", "--force", "--output", file], selection].concat())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = BufReader::new(recorder.stderr.take().unwrap());
        let mut line = String::new();
        said.read_line(&mut line).unwrap();
        assert!(line.contains("recording to"), "{line}");
        act();
        let interrupted = Command::new("kill").args(["-INT", &recorder.id().to_string()]).status().unwrap();
        assert!(interrupted.success());
        let status = recorder.wait().unwrap();
        assert!(status.success(), "candor record ended with {status}");
        let output = self.candor(device, &["events", "--format", "ndjson", file]).output().unwrap();
        assert!(output.status.success(), "{}", text_of(&output));
        let events = String::from_utf8(output.stdout).unwrap();
        events
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap())
            .filter_map(|mut entry| entry.get_mut("event").map(Value::take))
            .collect()
    }

    /// The processes that work for this lab, by the state directory in their command lines.
    pub fn processes(&self) -> Vec<String> {
        let state = self.state.path().to_str().unwrap();
        let command_lines = fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| {
            let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
            let line = fs::read_to_string(entry.path().join("cmdline")).ok()?.replace('\0', " ");
            (pid != std::process::id() && line.contains(state)).then_some(line)
        });
        command_lines.collect()
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        let _ = self.device(&["down"]);
    }
}

pub fn text_of(output: &Output) -> String {
    let (out, error) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    format!("{}\nstdout:\n{out}\nstderr:\n{error}", output.status)
}
