//! `scripts/install-device`, with the real daemon and client, and a stand-in for adb whose device is a directory of this machine.
#![cfg(all(feature = "ebpf", feature = "host"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests may panic")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
/// What a device answers as the user whom adb is there, and becomes by su.
const ID: &str = "#!/bin/sh\necho $STAND_IN_USER\n";
const SU: &str = "#!/bin/sh
case $STAND_IN_ROOT,$1 in
su-c,-c) shift ;;
su-0,0) shift 3 ;;
*) echo 'su: not allowed' >&2; exit 1 ;;
esac
STAND_IN_USER=0 exec sh -c \"$1\"
";

struct Phone(TempDir);

impl Phone {
    /// A device where root is had in this way.
    fn new(root: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let phone = Self(directory);
        fs::create_dir_all(phone.path("data/local/tmp")).unwrap();
        fs::create_dir_all(phone.path("bin")).unwrap();
        fs::write(phone.path("root"), root).unwrap();
        fs::write(phone.path("state"), "device\n").unwrap();
        for (name, text) in [("id", ID), ("su", SU)] {
            fs::write(phone.path("bin").join(name), text).unwrap();
            fs::set_permissions(phone.path("bin").join(name), fs::Permissions::from_mode(0o755)).unwrap();
        }
        phone
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn install(&self, more: &[&str]) -> Output {
        Command::new(Path::new(ROOT).join("scripts/install-device"))
            .args(["--candord", env!("CARGO_BIN_EXE_candord"), "--probes", "procfs", "--socket"])
            .arg(self.path("here.sock"))
            .args(more)
            .env("ADB", Path::new(ROOT).join("tests/device_support/adb"))
            .env("ADB_STAND_IN", self.0.path())
            .env("CANDOR", env!("CARGO_BIN_EXE_candor"))
            .output()
            .unwrap()
    }

    fn installed(&self, more: &[&str]) -> String {
        let output = self.install(more);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    fn pid(&self) -> String {
        fs::read_to_string(self.path("data/local/tmp/candor/pid")).unwrap().trim().to_owned()
    }

    fn calls(&self, of: &str) -> usize {
        let calls = fs::read_to_string(self.path("calls")).unwrap();
        calls.lines().filter(|line| line.contains(of)).count()
    }
}

impl Drop for Phone {
    fn drop(&mut self) {
        let _stopped = self.install(&["--stop"]);
    }
}

#[test]
#[ignore = "needs root and eBPF: run by scripts/test"]
fn a_device_gets_the_daemon_once_however_root_is_had() {
    for root in ["adb", "su-c", "su-0"] {
        let phone = Phone::new(root);
        let said = phone.installed(&[]);
        assert_eq!(said, format!("export CANDOR_DAEMON=unix:{}\n", phone.path("here.sock").display()), "{root}");
        let info = Command::new(env!("CARGO_BIN_EXE_candor"))
            .arg("info")
            .env("CANDOR_DAEMON", format!("unix:{}", phone.path("here.sock").display()))
            .output()
            .unwrap();
        assert!(String::from_utf8_lossy(&info.stdout).contains("procfs"), "{root}: {info:?}");

        // Again: nothing is pushed, started or forwarded.
        let (pid, pushes, forwards) =
            (phone.pid(), phone.calls(" push ") + phone.calls("push "), phone.calls("localabstract"));
        assert_eq!(phone.installed(&[]), said);
        let after = (phone.pid(), phone.calls(" push ") + phone.calls("push "), phone.calls("localabstract"));
        assert_eq!(after, (pid.clone(), pushes, forwards), "{root}: the second run changed something");

        // Started anew when told so, and when the daemon is another.
        phone.installed(&["--restart"]);
        assert_ne!(phone.pid(), pid, "{root}");
        assert!(!Path::new(&format!("/proc/{pid}")).exists(), "{root}: the daemon before has ended");

        phone.installed(&["--stop"]);
        assert!(!phone.path("here.sock").exists() && !Path::new(&format!("/proc/{}", phone.pid())).exists(), "{root}");
        phone.installed(&["--stop"]);
    }
}

#[test]
fn what_is_in_the_way_is_said() {
    let said = |phone: &Phone| {
        let output = phone.install(&[]);
        assert!(!output.status.success());
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let phone = Phone::new("none");
    assert!(said(&phone).contains("neither adb root"), "{}", said(&phone));
    fs::write(phone.path("state"), "unauthorized\n").unwrap();
    assert!(said(&phone).contains("agree on its screen"), "{}", said(&phone));
}

#[test]
#[ignore = "needs root and eBPF: run by scripts/test"]
fn another_version_is_refused_with_what_to_do() {
    let phone = Phone::new("su-c");
    // A client that says it is another version than it is.
    let client = phone.path("candor");
    let real = env!("CARGO_BIN_EXE_candor");
    fs::write(
        &client,
        format!("#!/bin/sh\n[ \"$1\" != --version ] || {{ echo candor 99.0.0; exit; }}\nexec {real} \"$@\"\n"),
    )
    .unwrap();
    fs::set_permissions(&client, fs::Permissions::from_mode(0o755)).unwrap();
    let output = Command::new(Path::new(ROOT).join("scripts/install-device"))
        .args(["--candord", env!("CARGO_BIN_EXE_candord"), "--probes", "procfs", "--socket"])
        .arg(phone.path("here.sock"))
        .env("ADB", Path::new(ROOT).join("tests/device_support/adb"))
        .env("ADB_STAND_IN", phone.0.path())
        .env("CANDOR", &client)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("99.0.0") && said.contains("build both"), "{said}");
}
