//! The test device of `scripts/device`: started, used from this machine as a user does, and stopped; alone and two at once.
#![cfg(all(feature = "ebpf", feature = "host"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests may panic")]

mod device_support;

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use device_support::{DEADLINE, Lab, text_of};
use serde_json::Value;

const APP: u64 = 10123;
const PHOTO: &str = "/data/media/0/DCIM/x.jpg";

fn opened<'a>(events: &'a [Value], path: &str) -> &'a Value {
    let found = events.iter().find(|event| event["body"]["file_open"]["path"] == path);
    found.unwrap_or_else(|| panic!("no file_open of {path} in {events:#?}"))
}

#[test]
#[ignore = "needs QEMU, and root and eBPF in it: run by scripts/test"]
fn a_device_comes_up_is_used_and_goes_down() {
    let lab = Lab::new();
    let said = lab.up(&["--sdk", "33"]);
    assert_eq!(said, format!("export CANDOR_DAEMON=unix:{}\n", lab.socket(1).display()));
    let mode = fs::metadata(lab.socket(1)).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o600, "{mode:o}: only its owner may connect");

    let status = &lab.status()[0];
    assert_eq!((status["device"].as_u64(), status["state"].as_str()), (Some(1), Some("running")));
    assert!(status["first_line_ms"].as_u64() < status["ready_ms"].as_u64(), "{status}");
    assert_eq!(status["sockets"], serde_json::json!([lab.socket(1)]));

    let info = lab.info(1);
    assert!(info.contains("Candor test device") && info.contains("kernel BTF yes"), "{info}");
    let probes = lab.succeed(&["shell", "-n", "candord", "probes"]);
    assert_eq!(
        probes.lines().filter(|line| line.starts_with("ebpf_") && line.contains(" attached")).count(),
        5,
        "{probes}"
    );

    // The shape of an Android device.
    assert_eq!(lab.succeed(&["shell", "-n", "getprop ro.build.version.sdk"]), "33\n");
    assert_eq!(lab.succeed(&["shell", "-n", "id"]), "uid=0 gid=0\n");
    assert_eq!(
        lab.succeed(&["shell", "-n", "--user", "10123", "id; pwd"]),
        "uid=10123 gid=10123 groups=1015,3003,9997,20123,50123\n/data/user/0/com.example.photonotes\n"
    );
    assert_eq!(
        lab.succeed(&["shell", "-n", "--user", "com.example.offline", "id"]),
        "uid=10127 gid=10127 groups=9997,20127,50127\n"
    );
    for device in ["binder", "hwbinder", "vndbinder"] {
        // A second open as an app: the driver is there and lets apps in.
        lab.succeed(&["shell", "-n", "--user", "10123", &format!(": <>/dev/{device} && : <>/dev/binderfs/{device}")]);
    }
    let refused = lab.device(&["shell", "-n", "--user", "10127", "cat", PHOTO]);
    assert!(!refused.status.success() && text_of(&refused).contains("Permission denied"), "{}", text_of(&refused));

    shells_carry_input_output_and_status(&lab);
    pushed_files_have_owner_and_mode(&lab);
    the_host_records_what_an_app_does(&lab);

    // The daemon is restarted by hand, and by itself.
    lab.succeed(&["shell", "-n", "stop candord"]);
    assert!(!lab.candor(1, &["info"]).output().unwrap().status.success());
    lab.succeed(&["shell", "-n", "start candord"]);
    lab.info(1);
    lab.succeed(&["shell", "-n", "kill -9 $(cat /run/service/candord.pid)"]);
    lab.info(1);
    let log = lab.succeed(&["log"]);
    assert!(log.contains("candor-device: ready") && log.contains("service candord ended with status 137"), "{log}");
    assert!(log.contains("listening"), "{log}");

    lab.succeed(&["down"]);
    assert_eq!(lab.processes(), Vec::<String>::new());
    assert!(!lab.socket(1).exists() && !lab.state.path().join("1").exists());
    lab.succeed(&["down"]);
    assert_eq!(lab.device(&["status"]).status.code(), Some(3));
    let nobody = lab.device(&["shell", "id"]);
    assert!(!nobody.status.success() && text_of(&nobody).contains("scripts/device up"), "{}", text_of(&nobody));
}

fn shells_carry_input_output_and_status(lab: &Lab) {
    let output = lab.device(&["shell", "-n", "echo out; echo error >&2; exit 7"]);
    assert_eq!(output.status.code(), Some(7));
    assert_eq!((output.stdout.as_slice(), output.stderr.as_slice()), (b"out\n".as_slice(), b"error\n".as_slice()));
    assert_eq!(lab.device(&["shell", "-n", "kill -9 $$"]).status.code(), Some(137));
    assert_eq!(lab.device(&["shell", "-n", "--user", "com.example.nobody", "id"]).status.code(), Some(255));

    // More than any buffer on the way holds, in both directions, and several at once.
    let large: Vec<u8> = (0..3_000_000_u32).map(|number| (number % 251) as u8).collect();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut child = lab
                    .command(&["shell", "cat"])
                    .stdin(Stdio::piped())
                    .stdout(Stdio::piped())
                    .stderr(Stdio::piped())
                    .spawn()
                    .unwrap();
                let mut stdin = child.stdin.take().unwrap();
                let bytes = &large;
                scope.spawn(move || stdin.write_all(bytes).unwrap());
                let output = child.wait_with_output().unwrap();
                assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
                assert!(output.stdout == large, "{} of {} bytes came back", output.stdout.len(), large.len());
            });
        }
    });

    // A command ends with its client.
    let mut client =
        lab.command(&["shell", "-n", "echo begun; exec sleep 7654"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(client.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "begun\n");
    client.kill().unwrap();
    client.wait().unwrap();
    let started = Instant::now();
    while lab.device(&["shell", "-n", "pgrep -f '[s]leep 7654' || ps | grep '[s]leep 7654'"]).status.success() {
        assert!(started.elapsed() < DEADLINE, "the command outlives its client");
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn pushed_files_have_owner_and_mode(lab: &Lab) {
    let here = tempfile::tempdir().unwrap();
    let name = "it's a file";
    fs::write(here.path().join(name), "content").unwrap();
    fs::create_dir(here.path().join("directory")).unwrap();
    fs::write(here.path().join("directory/.hidden"), "x").unwrap();
    let (file, directory) = (here.path().join(name), here.path().join("directory"));
    let (file, directory) = (file.to_str().unwrap(), directory.to_str().unwrap());
    let target = "/data/data/com.example.photonotes/files/new one";
    lab.succeed(&["push", "--owner", "10123:1015", "--mode", "0640", file, target]);
    assert_eq!(
        lab.succeed(&["shell", "-n", "stat -c '%u:%g %a %s' \"/data/data/com.example.photonotes/files/new one\""]),
        "10123:1015 640 7\n"
    );
    // Twice: what is there is replaced or filled.
    for _ in 0..2 {
        lab.succeed(&["push", file, directory, "/data/local/tmp"]);
        assert_eq!(
            lab.succeed(&["shell", "-n", "cat \"/data/local/tmp/it's a file\" /data/local/tmp/directory/.hidden"]),
            "contentx"
        );
    }
    assert!(!lab.device(&["push", file, "/proc/nowhere"]).status.success());
}

fn the_host_records_what_an_app_does(lab: &Lab) {
    let events = lab.recorded(1, &["--uid", &APP.to_string()], || {
        lab.succeed(&[
            "shell",
            "-n",
            "--user",
            "10123",
            &format!("cat {PHOTO} >/dev/null; cat /data/system/packages.list || true"),
        ]);
        // Somebody else's act, which is not the app's.
        lab.succeed(&["shell", "-n", "cat /system/build.prop >/dev/null"]);
    });
    let photo = opened(&events, PHOTO);
    assert_eq!((photo["outcome"].as_str(), photo["user_id"].as_u64()), (Some("ok"), Some(APP)), "{photo}");
    assert_eq!(photo["app"]["package"], "com.example.photonotes", "{photo}");
    let refused = opened(&events, "/data/system/packages.list");
    assert_ne!(refused["outcome"], "ok", "{refused}");
    assert!(events.iter().all(|event| event["user_id"] == APP), "{events:#?}");
}

#[test]
#[ignore = "needs QEMU, and root and eBPF in it: run by scripts/test"]
fn two_devices_at_once_are_apart() {
    let lab = Lab::new();
    let extra = tempfile::tempdir().unwrap();
    let (with, overlay) = (extra.path().join("with"), extra.path().join("overlay"));
    fs::create_dir_all(with.join("init.d")).unwrap();
    fs::create_dir_all(overlay.join("system/framework")).unwrap();
    fs::write(with.join("greet"), "#!/system/bin/sh\necho hello from $(hostname), user $(id -u), groups $(id -G)\n")
        .unwrap();
    fs::set_permissions(with.join("greet"), fs::Permissions::from_mode(0o755)).unwrap();
    fs::write(with.join("init.d/10-greet.sh"), ": <>/dev/binder && run-as 10127 /system/bin/greet >/run/greeting\n")
        .unwrap();
    fs::write(overlay.join("system/framework/framework.jar"), "jar").unwrap();
    let said = lab.up(&["--count", "2", "--with", with.to_str().unwrap(), "--overlay", overlay.to_str().unwrap()]);
    let (first, second) = (lab.socket(1), lab.socket(2));
    let (first, second) = (first.display(), second.display());
    assert_eq!(said, format!("export CANDOR_DAEMON=unix:{first}\n# device 2: export CANDOR_DAEMON=unix:{second}\n"));

    let boot_id = |device| lab.info(device).lines().find(|line| line.starts_with("boot id")).unwrap().to_owned();
    assert_ne!(boot_id(1), boot_id(2));
    let either = lab.device(&["shell", "-n", "id"]);
    assert!(!either.status.success() && text_of(&either).contains("-d N"), "{}", text_of(&either));
    for device in ["1", "2"] {
        let read = lab.succeed(&["shell", "-d", device, "-n", "cat /run/greeting /system/framework/framework.jar"]);
        assert_eq!(read, "hello from candor-device, user 10127, groups 10127 9997 20127 50127\njar");
    }
    lab.succeed(&["shell", "-d", "1", "-n", "touch /data/local/tmp/here"]);
    assert!(!lab.device(&["shell", "-d", "2", "-n", "test -e /data/local/tmp/here"]).status.success());

    let recorded = lab.recorded(2, &["--uid", &APP.to_string()], || {
        lab.succeed(&["shell", "-d", "1", "-n", "--user", "10123", "cat /system/etc/inittab >/dev/null"]);
        lab.succeed(&["shell", "-d", "2", "-n", "--user", "10123", &format!("cat {PHOTO} >/dev/null")]);
    });
    opened(&recorded, PHOTO);
    assert!(recorded.iter().all(|event| event["body"]["file_open"]["path"] != "/system/etc/inittab"), "{recorded:#?}");

    lab.succeed(&["down", "-d", "1"]);
    lab.info(2);
    assert_eq!(lab.status().as_array().unwrap().len(), 1);

    // What ends without `down` is noticed, told, and cleared away by the next.
    let pid = lab.status()[0]["pid"].to_string();
    assert!(Command::new("kill").args(["-KILL", &pid]).status().unwrap().success());
    let started = Instant::now();
    while lab.status()[0]["state"] != "ended" {
        assert!(started.elapsed() < DEADLINE, "{}", lab.status());
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(!lab.socket(2).exists(), "no socket is left that nobody serves");
    lab.succeed(&["down"]);
    assert_eq!(lab.processes(), Vec::<String>::new());
}

#[test]
#[ignore = "needs QEMU, and root and eBPF in it: run by scripts/test"]
fn a_device_that_does_not_come_up_says_why_and_leaves_nothing() {
    let lab = Lab::new();
    let extra = tempfile::tempdir().unwrap();
    fs::create_dir(extra.path().join("init.d")).unwrap();
    fs::write(extra.path().join("init.d/1.sh"), "echo no such luck\nexit 9\n").unwrap();
    let with = extra.path().to_str().unwrap();
    let output = lab.device(&["up", "--no-default-socket", "--with", with]);
    let said = text_of(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("no such luck") && said.contains("1.sh ended with status 9"), "{said}");
    nothing_is_left(&lab);

    // Ctrl-C while it starts.
    let mut up = lab.command(&["up", "--no-default-socket", "--no-build"]).stderr(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(up.stderr.take().unwrap()).lines().map_while(Result::ok);
    let mut said = Vec::new();
    for line in lines {
        if line.contains("first script line") {
            assert!(Command::new("kill").args(["-INT", &up.id().to_string()]).status().unwrap().success());
        }
        said.push(line);
    }
    assert_eq!(up.wait().unwrap().code(), Some(130), "{said:?}");
    nothing_is_left(&lab);
}

fn nothing_is_left(lab: &Lab) {
    let left: Vec<_> = fs::read_dir::<&Path>(lab.state.path())
        .unwrap()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| !path.ends_with("lock"))
        .collect();
    assert_eq!((left, lab.processes()), (Vec::new(), Vec::new()));
}
