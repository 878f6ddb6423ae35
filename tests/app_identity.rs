//! Which app it was: real processes under the user ids and names that Android gives, a package list that changes, process
//! ids that are used again; against every tier that sees acts as they happen.
#![cfg(all(feature = "ebpf", feature = "host"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests may panic")]

mod traced_world;

use std::ops::Deref;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use serde_json::{Value, json};
use traced_world::{TIERS, World, events_of, pid_of, wait_for};

const PACKAGES: &str = "\
com.example.one 10001 0 /data/user/0/com.example.one default none
com.example.shared.alpha 10002 0 /data/user/0/com.example.shared.alpha default none
com.example.shared.beta 10002 0 /data/user/0/com.example.shared.beta default none
";

/// A daemon with one tier, on a system whose package list is ours, and a program that stands for Android's zygote.
struct AppWorld(World);

impl Deref for AppWorld {
    type Target = World;

    fn deref(&self) -> &World {
        &self.0
    }
}

impl AppWorld {
    fn new(probes: &str) -> Self {
        let directory = World::directory();
        let root = directory.path().join("root");
        std::fs::create_dir_all(root.join("data/system")).unwrap();
        std::fs::create_dir_all(root.join("data/user/10")).unwrap();
        std::os::unix::fs::symlink("/proc", root.join("proc")).unwrap();
        let program = directory.path().join("app_process64");
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/identity_support/app_process64.c");
        let built = Command::new("gcc").args(["-O1", "-o"]).arg(&program).arg(source).status();
        assert!(built.expect("gcc must be there: scripts/test installs it").success());
        let arguments = ["--spool-in-memory".as_ref(), "--system-root".as_ref(), root.as_os_str()];
        let world = Self(World::start(directory, probes, arguments));
        world.packages(PACKAGES);
        world
    }

    /// Replaces the package list as Android does.
    fn packages(&self, text: &str) {
        let list = self.path("root/data/system/packages.list");
        std::fs::write(list.with_extension("new"), text).unwrap();
        std::fs::rename(list.with_extension("new"), list).unwrap();
    }

    /// A file that everybody may read.
    fn file(&self, name: &str) -> String {
        let path = self.path(name);
        std::fs::write(&path, "content").unwrap();
        path.canonicalize().unwrap().to_str().unwrap().to_owned()
    }

    /// What the program does, as the recording of `candor record -- program` has it.
    fn record(&self, script: &[&str]) -> Vec<Value> {
        let output = self
            .client()
            .args(["record", "--force", "--output"])
            .arg(self.path("recording"))
            .arg("--")
            .arg(self.path("app_process64"))
            .args(script)
            .arg("zygote-and-room-for-the-longest-name-that-a-process-of-these-tests-has-been-given-so-far")
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        self.events()
    }

    /// As [`Self::record`], of a script that waits for the files `go0`, `go1` ...: each is made when the recording has the name
    /// of a process, one after the other.
    fn record_named(&self, script: &[&str], names: &[&str]) -> Vec<Value> {
        std::thread::scope(|scope| {
            let recording = scope.spawn(|| self.record(script));
            let told =
                |events: &[Value], name: &str| events.iter().any(|event| event["body"]["process_name"]["name"] == name);
            for (index, name) in names.iter().enumerate() {
                // What it has so far can be read at any time, once it exists.
                wait_for(name, || {
                    let events = self
                        .path("recording")
                        .exists()
                        .then(|| self.try_entries().map(events_of))
                        .flatten()
                        .unwrap_or_default();
                    told(&events, name) || recording.is_finished()
                });
                std::fs::write(self.path(&format!("go{index}")), "").unwrap();
            }
            recording.join().unwrap()
        })
    }
}

/// The open of a file; fails with the opens that there are.
fn opened<'a>(events: &'a [Value], path: &str) -> &'a Value {
    let opens = || events.iter().filter(|event| !event["body"]["file_open"].is_null());
    opens().find(|event| event["body"]["file_open"]["path"] == path).unwrap_or_else(|| {
        panic!(
            "no open of {path}; there are {:#?}",
            opens().map(|event| &event["body"]["file_open"]["path"]).collect::<Vec<_>>()
        )
    })
}

/// Why the attribution of an event is a hint, if it is.
fn named_by(event: &Value) -> Vec<&str> {
    let reasons = event["fidelity"]["hint"].as_array().into_iter().flatten().filter_map(Value::as_str);
    reasons.filter(|reason| reason.starts_with("named_by")).collect()
}

#[test]
#[ignore = "needs root and eBPF: run by scripts/test"]
fn a_shared_user_id_is_resolved_by_the_process_name_or_said_to_be_ambiguous() {
    for tier in TIERS {
        let world = AppWorld::new(tier);
        let [named, nameless, child] = ["named", "nameless", "child"].map(|name| world.file(name));
        let go = world.text("go0");
        let script = [
            "fork",
            "uid",
            "10002",
            "name",
            "com.example.shared.beta:remote",
            "open",
            &named,
            "until",
            &go,
            "fork",
            "open",
            &child,
            "end",
            "end",
            "fork",
            "uid",
            "10002",
            "open",
            &nameless,
            "end",
        ];
        let events = world.record_named(&script, &["com.example.shared.beta:remote"]);
        let event = opened(&events, &named);
        assert_eq!(event["app"], json!({"package": "com.example.shared.beta"}), "{tier}: {event:#}");
        assert_eq!(named_by(event), ["named_by_process"], "{tier}");
        let event = opened(&events, &child);
        assert_eq!(event["app"]["package"], "com.example.shared.beta", "{tier}: {event:#}");
        let event = opened(&events, &nameless);
        let both = json!({"candidates": ["com.example.shared.alpha", "com.example.shared.beta"]});
        assert_eq!((&event["app"], named_by(event).len()), (&both, 0), "{tier}: {event:#}");
        let told = events.iter().any(|event| event["body"]["process_name"]["name"] == "com.example.shared.beta:remote");
        assert!(told, "{tier}: the name of the process");
    }
}

#[test]
#[ignore = "needs root and eBPF: run by scripts/test"]
fn an_isolated_process_is_the_apps_that_its_name_or_its_zygote_says() {
    for tier in TIERS {
        let world = AppWorld::new(tier);
        let [named, by_zygote, nobodys] = ["named", "by-zygote", "nobodys"].map(|name| world.file(name));
        let [go, go_on] = ["go0", "go1"].map(|name| world.text(name));
        let (sandboxed, zygote) =
            ("com.example.one:sandboxed_process0:org.example.Service:0", "com.example.one_zygote");
        let script = [
            "fork", "uid", "99001", "name", sandboxed, "open", &named, "until", &go, "end",
            // An app's own zygote has a user id of the app's range of isolated ones.
            "fork", "uid", "90000", "name", zygote, "open", &named, "until", &go_on, "fork", "open", &by_zygote, "end",
            "end", "fork", "uid", "99002", "open", &nobodys, "end",
        ];
        let events = world.record_named(&script, &[sandboxed, zygote]);
        let event = opened(&events, &named);
        assert_eq!(
            (&event["app"]["package"], &event["user_id"]),
            (&json!("com.example.one"), &json!(99_001)),
            "{tier}: {event:#}"
        );
        assert_eq!(named_by(event), ["named_by_process"], "{tier}");
        let event = opened(&events, &by_zygote);
        assert_eq!(event["app"]["package"], "com.example.one", "{tier}: {event:#}");
        let event = opened(&events, &nobodys);
        assert_eq!(
            (&event["app"], named_by(event).len()),
            (&json!({}), 0),
            "{tier}: nothing says whose it is: {event:#}"
        );
    }
}

#[test]
#[ignore = "needs root and eBPF: run by scripts/test"]
fn an_sdk_sandbox_and_a_work_profile_are_the_apps() {
    for tier in TIERS {
        let world = AppWorld::new(tier);
        for user_id in ["20001", "1010001", "1020001"] {
            let file = world.file(user_id);
            let events = world.record(&["fork", "uid", user_id, "open", &file, "end"]);
            let event = opened(&events, &file);
            assert_eq!(event["app"], json!({"package": "com.example.one"}), "{tier}: {event:#}");
            assert_eq!(event["user_id"].to_string(), user_id, "{tier}");
            assert!(named_by(event).is_empty(), "{tier}: the number says it");
        }
    }
}

#[test]
#[ignore = "needs root and eBPF: run by scripts/test"]
fn a_package_is_traced_from_its_installation_on_in_every_user() {
    for tier in TIERS.into_iter().chain(["procfs"]) {
        let world = AppWorld::new(tier);
        let [before, first, profile, go] = ["before", "first", "profile", "go"].map(|name| world.file(name));
        std::fs::remove_file(&go).unwrap();
        let mut recorder = world
            .client()
            .args(["record", "--force", "--app", "com.example.later", "--await-install", "--output"])
            .arg(world.path("recording"))
            .stderr(std::fs::File::create(world.path("said")).unwrap())
            .spawn()
            .unwrap();
        let said = || std::fs::read_to_string(world.path("said")).unwrap();
        wait_for("the recording", || said().contains("recording to"));
        let act = |user_id: &str, path: &str| {
            let mut app = Command::new(world.path("app_process64"));
            // Until it was seen: a tier that looks for processes needs some time to find them.
            app.args(["fork", "uid", user_id, "open", path, "until", &go, "end"]);
            app.spawn().unwrap()
        };
        let mut stranger = act("10003", &before);
        // It is gone by then in any case: what it did before the installation is not for this recording.
        std::fs::write(&go, "").unwrap();
        assert!(stranger.wait().unwrap().success());
        std::fs::remove_file(&go).unwrap();
        world.packages(&format!(
            "{PACKAGES}com.example.later 10003 0 /data/user/0/com.example.later default none 0 12\n"
        ));
        let installed =
            |events: &[Value]| events.iter().find(|event| !event["body"]["package_change"].is_null()).cloned();
        let log = || std::fs::read_to_string(world.path("daemon.log")).unwrap();
        wait_for("the installation", || log().contains("a package of the session was installed"));
        let mut apps = [("10003", &first), ("1010003", &profile)].map(|(user_id, path)| {
            let mut app = Command::new(world.path("app_process64"));
            // Opens the file again and again until it was told to go: what polls finds it open, or at least running.
            app.args(["fork", "uid", user_id]);
            (0..200).for_each(|_| {
                app.args(["open", path]);
            });
            app.args(["until", &go]);
            (0..200).for_each(|_| {
                app.args(["open", path]);
            });
            app.arg("end").spawn().unwrap()
        });
        // The tier that finds processes by looking has looked by now.
        let traced = |pid: u32| {
            let status = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
            let child = status.trim().to_owned();
            let status = std::fs::read_to_string(format!("/proc/{child}/status")).unwrap_or_default();
            status.lines().any(|line| line.starts_with("TracerPid:") && !line.ends_with("\t0"))
        };
        if tier == "ptrace" {
            wait_for("the tracer", || apps.iter().all(|app| traced(app.id())));
        }
        if tier == "procfs" {
            std::thread::sleep(Duration::from_millis(1500));
        }
        std::fs::write(&go, "").unwrap();
        for app in &mut apps {
            assert!(app.wait().unwrap().success());
        }
        kill(pid_of(recorder.id()), Signal::SIGINT).unwrap();
        assert!(recorder.wait().unwrap().success(), "{}", said());
        let events = world.events();
        let change = installed(&events).unwrap_or_else(|| panic!("{tier}: no change among {} events", events.len()));
        let expected = json!({"package": "com.example.later", "user_id": 10_003, "change": "installed", "version_code": 12,
            "data_directory": "/data/user/0/com.example.later", "traced": true});
        assert_eq!(change["body"]["package_change"], expected, "{tier}");
        let of = |user_id: u64| events.iter().filter(move |event| event["user_id"] == user_id).collect::<Vec<_>>();
        for user_id in [10_003, 1_010_003] {
            assert!(!of(user_id).is_empty(), "{tier}: nothing of {user_id}");
            for event in of(user_id) {
                assert_eq!(event["app"], json!({"package": "com.example.later"}), "{tier}: {event:#}");
            }
        }
        if tier != "procfs" {
            opened(&events, &first);
            opened(&events, &profile);
        }
        let early = events.iter().any(|event| event["body"]["file_open"]["path"] == before.as_str());
        assert!(!early, "{tier}: it was not selected then");
    }
}

#[test]
#[ignore = "needs root and eBPF: run by scripts/test"]
fn a_package_that_is_not_there_is_refused_unless_it_is_waited_for() {
    let world = AppWorld::new("ebpf-objects");
    let output = world
        .client()
        .args(["record", "--app", "com.example.misspelt", "--output"])
        .arg(world.path("recording"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        !output.status.success() && said.contains("com.example.misspelt") && said.contains("--await-install"),
        "{said}"
    );
}

#[test]
#[ignore = "needs root and eBPF: run by scripts/test"]
fn a_process_id_that_is_used_again_at_once_is_another_process() {
    for tier in TIERS {
        let world = AppWorld::new(tier);
        let [first, second] = ["first", "second"].map(|name| world.file(name));
        let events = world.record(&["again", "10001", &first, "1010001", &second]);
        let (first, second) = (opened(&events, &first), opened(&events, &second));
        assert_eq!(
            first["process"]["key"]["pid"], second["process"]["key"]["pid"],
            "{tier}: the test has lost its point"
        );
        assert_eq!((&first["user_id"], &second["user_id"]), (&json!(10_001), &json!(1_010_001)), "{tier}");
        for event in [first, second] {
            assert_eq!(event["app"], json!({"package": "com.example.one"}), "{tier}: {event:#}");
            let program = world.path("app_process64").canonicalize().unwrap();
            assert_eq!(event["process"]["executable"].as_str().map(Path::new), Some(&*program), "{tier}: {event:#}");
        }
        let of_pid = |kind: &str| {
            let pid = &first["process"]["key"]["pid"];
            events
                .iter()
                .filter(|event| !event["body"][kind].is_null() && event["process"]["key"]["pid"] == *pid)
                .count()
        };
        assert_eq!((of_pid("process_start"), of_pid("process_exit")), (2, 2), "{tier}: both lives are told");
    }
}

#[test]
#[ignore = "needs root and eBPF: run by scripts/test"]
fn a_process_that_is_gone_before_anybody_looks_is_still_the_apps() {
    // ptrace stops the process, so there nothing can be gone before it was seen.
    for tier in ["ebpf-objects", "ebpf-syscalls"] {
        let world = AppWorld::new(tier);
        let [file, go, done] = ["file", "go", "done"].map(|name| world.file(name));
        std::fs::remove_file(&go).unwrap();
        std::fs::remove_file(&done).unwrap();
        let mut recorder = world
            .client()
            .args(["record", "--force", "--app", "com.example.one", "--output"])
            .arg(world.path("recording"))
            .stderr(std::fs::File::create(world.path("said")).unwrap())
            .spawn()
            .unwrap();
        let said = || std::fs::read_to_string(world.path("said")).unwrap();
        wait_for("the recording", || said().contains("recording to"));
        // Nobody reads the ring while the whole life of the process goes by.
        kill(pid_of(world.daemon.id()), Signal::SIGSTOP).unwrap();
        let app = Command::new(world.path("app_process64"))
            .args(["fork", "uid", "10001", "name", "com.example.one", "open", &file, "end"])
            .status();
        kill(pid_of(world.daemon.id()), Signal::SIGCONT).unwrap();
        assert!(app.unwrap().success());
        kill(pid_of(recorder.id()), Signal::SIGINT).unwrap();
        assert!(recorder.wait().unwrap().success(), "{}", said());
        let events = world.events();
        let event = opened(&events, &file);
        assert_eq!(event["app"], json!({"package": "com.example.one"}), "{tier}: {event:#}");
        assert_eq!(event["outcome"], "ok", "{tier}");
        let exits = events.iter().filter(|event| !event["body"]["process_exit"].is_null()).count();
        assert_eq!(exits, 1, "{tier}");
    }
}
