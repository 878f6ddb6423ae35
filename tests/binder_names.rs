//! Names of services and methods on the test device, with the real binder driver and the test apps' service manager.
#![cfg(all(feature = "ebpf", feature = "host"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests may panic")]

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const DEADLINE: Duration = Duration::from_secs(120);

/// A device with the test apps. Stopped when this is dropped, also by a panic.
struct Device {
    state: TempDir,
}

impl Device {
    fn up() -> Self {
        let build = Command::new(format!("{ROOT}/tests/apps/build.sh")).stderr(Stdio::inherit()).output().unwrap();
        assert!(build.status.success(), "tests/apps/build.sh: {}", build.status);
        let world = String::from_utf8(build.stdout).unwrap().trim().to_owned();
        let made = Command::new(format!("{ROOT}/scripts/dex-fixtures")).status().unwrap();
        assert!(made.success(), "scripts/dex-fixtures: {made}");
        // In a short directory: the sockets are in it, and their names are limited.
        let device = Self { state: tempfile::Builder::new().prefix("candor-names").tempdir_in("/tmp").unwrap() };
        let framework = device.state.path().join("overlay/system/framework");
        std::fs::create_dir_all(&framework).unwrap();
        let target = std::env::var("CARGO_TARGET_DIR").unwrap_or_else(|_| format!("{ROOT}/target"));
        std::fs::copy(Path::new(&target).join("dex-fixtures/made.jar"), framework.join("framework.jar")).unwrap();
        let overlay = device.state.path().join("overlay");
        let up = device.run(&["up", "--no-default-socket", "--with", &world, "--overlay", overlay.to_str().unwrap()]);
        assert!(up.status.success(), "scripts/device up: {}", text_of(&up));
        device
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(format!("{ROOT}/scripts/device"));
        command.args(arguments).env("CANDOR_DEVICE_STATE", self.state.path()).env_remove("CANDOR_DEVICE");
        command.stdin(Stdio::null());
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().expect("scripts/device must be there")
    }

    #[track_caller]
    fn shell(&self, command: &str) -> String {
        let output = self.run(&["shell", "-n", command]);
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn candor(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_candor"));
        let socket = self.state.path().join("1/candord.sock");
        command.args(arguments).env("CANDOR_DAEMON", format!("unix:{}", socket.display())).stdin(Stdio::null());
        command
    }

    /// What the platform probe says of services.
    fn service_status(&self) -> String {
        let text = self.shell("candord probes --format json 2>/dev/null");
        let statuses: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
        let mut statuses = statuses.as_array().unwrap().iter();
        let status = statuses.find(|status| status["probe"] == "platform" && status["family"] == "service").unwrap();
        assert_eq!(status["state"], "partial");
        status["reason"].as_str().unwrap().to_owned()
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        let _ = self.run(&["down"]);
    }
}

fn text_of(output: &Output) -> String {
    format!(
        "{}\n{}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

#[test]
#[ignore = "needs QEMU, and root and eBPF in it: run by scripts/test"]
fn services_found_before_tracing_began_are_named_and_a_hung_service_manager_does_no_harm() {
    let device = Device::up();
    let reason = device.service_status();
    assert!(reason.contains("API level 34; methods of 2 interfaces from the device's 1 jars"), "{reason}");
    assert!(reason.contains("nodes of 7 services known"), "{reason}");

    // An app that has asked for its service and goes on calling it.
    let burst = ["shell", "-n", "--user", "com.example.leaky", "binder-world burst --count 1000000 --target location"];
    let mut app = device.command(&burst).stdout(Stdio::null()).spawn().unwrap();
    let started = Instant::now();
    while device.shell("ps").lines().all(|line| !line.contains("burst --count")) {
        assert!(started.elapsed() < DEADLINE, "the app did not start");
    }
    let file = device.state.path().join("late.candor");
    let file = file.to_str().unwrap();
    let mut recorder = device
        .candor(&["record", "--app", "com.example.leaky", "--force", "--output", file])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = String::new();
    BufReader::new(recorder.stderr.take().unwrap()).read_line(&mut said).unwrap();
    assert!(said.contains("recording to"), "{said}");
    let calls = |file: &str| -> Vec<Value> {
        let events = device.candor(&["events", "--format", "ndjson", file]).output().unwrap();
        let text = String::from_utf8(events.stdout).unwrap();
        let entries = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        entries.filter_map(|mut entry| entry.pointer_mut("/event/body/service_call").map(Value::take)).collect()
    };
    while calls(file).is_empty() {
        assert!(started.elapsed() < DEADLINE, "no call was recorded");
    }
    let _ = Command::new("kill").args(["-INT", &recorder.id().to_string()]).status();
    recorder.wait().unwrap();
    let _ = Command::new("kill").args(["-INT", &app.id().to_string()]).status();
    app.wait().unwrap();
    let calls = calls(file);
    for call in &calls {
        assert_eq!(call["transaction"]["interface"], "android.location.ILocationManager");
        assert_eq!(call["service"], "location", "asked for before the recording began");
        // The jar says so, and not the table for API level 34: there the code is getLastLocation.
        assert_eq!(
            (call["method"].as_str(), call["method_source"].as_str()),
            (Some("probeOfTheTest"), Some("device_dex"))
        );
        assert!(call["method_table"].as_str().unwrap().starts_with("/system/framework/framework.jar sha256:"));
    }

    // The service manager hangs: told, in bounded time, and over when it goes on.
    device.shell("kill -STOP $(pidof servicemanager)");
    let began = Instant::now();
    let reason = device.service_status();
    assert!(reason.ends_with("nodes of services not known: the service manager did not answer in time"), "{reason}");
    assert!(began.elapsed() < DEADLINE, "{:?}", began.elapsed());
    device.shell("kill -CONT $(pidof servicemanager)");
    assert!(device.service_status().contains("nodes of 7 services known"));
}
