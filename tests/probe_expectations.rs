//! One table of what real programs do, against every tier that sees acts as they happen: the daemon and the client as they
//! are used, from `--probes` to the recording.
#![cfg(all(feature = "ebpf", feature = "host"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests may panic")]

mod probe_support;
mod traced_world;

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use nix::sys::signal::{Signal, kill};
use probe_support::{assemble_narrow, expect};
use serde_json::{Value, json};
use traced_world::{TIERS, World, pid_of, wait_for};

/// A daemon with one tier, that spools as it does by itself.
fn start(probes: &str) -> World {
    World::start(World::directory(), probes, [""; 0])
}

/// Records a program; gives what the client said.
fn record(world: &World, arguments: &[&str], program: &mut Command) -> Output {
    let output = world
        .client()
        .args(["record", "--force", "--output"])
        .arg(world.path("recording"))
        .args(arguments)
        .arg("--")
        .arg(program.get_program())
        .args(program.get_args())
        .envs(program.get_envs().filter_map(|(name, value)| Some((name, value?))))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output
}

/// Answers every connection, whatever it sends.
fn serve_http() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut request = [0; 4096];
            let _gone = stream.read(&mut request);
            let _gone = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nok\n");
        }
    });
    port
}

/// The work of the table, made in the directory of `world`.
fn prepare(world: &World) -> (String, u16) {
    for name in ["plain", "by-thread", "by-user", "narrow-file"] {
        std::fs::write(world.path(name), "some content\n").unwrap();
    }
    std::fs::write(world.path("secret"), "x").unwrap();
    std::fs::set_permissions(world.path("secret"), std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    assemble_narrow(&world.path("narrow"));
    let directory = world.text("");
    let directory = directory.trim_end_matches('/');
    let port = serve_http();
    let work = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/probe_support/work.py");
    let script = format!(
        "cd {directory}
        cat {directory}/plain; cat {directory}/absent 2>/dev/null
        sh -c 'sh -c \"cat {directory}/plain\"; true'
        echo x >{directory}/one; mv {directory}/one {directory}/two; rm {directory}/two
        curl --silent --http1.1 --noproxy '*' http://127.0.0.1:{port}/path
        sqlite3 {directory}/data.db 'create table t (a); insert into t values (1); select count(*) from t;'
        {directory}/narrow {directory}/narrow-file; echo narrow $?
        PORT={port} python3 {work} {directory}; echo work $?
        exit 3"
    );
    (script, port)
}

/// What every tier must see, and what only some can.
fn table(tier: &str, directory: &str, port: u16) -> Vec<Value> {
    let file = |name: &str| format!("{directory}/{name}");
    let end = |port: u16| json!({ "inet": format!("127.0.0.1:{port}") });
    let mut table = vec![
        json!({ "process": { "name": "cat" }, "outcome": "ok", "body": { "file_open": { "path": file("plain"), "access": "read" } } }),
        json!({ "process": { "name": "cat" }, "body": { "file_totals": { "path": file("plain"), "bytes_read": 13, "closed": true } } }),
        json!({ "outcome": { "failed": 2 }, "body": { "file_open": { "path": file("absent") } } }),
        json!({ "process": { "name": "cat" }, "outcome": "ok", "body": { "process_exec": { "path": "/usr/bin/cat" } } }),
        json!({ "outcome": "ok", "body": { "file_rename": { "from": file("one"), "to": file("two") } } }),
        json!({ "outcome": "ok", "body": { "file_unlink": { "path": file("two"), "directory": false } } }),
        json!({ "process": { "name": "curl" }, "body": { "socket_connect": { "transport": "tcp", "remote": end(port) } } }),
        json!({ "body": { "http_request": { "method": "GET", "host": "127.0.0.1", "remote": end(port), "path": "/path" } } }),
        json!({ "process": { "name": "sqlite3" }, "outcome": "ok", "body": { "file_open": { "path": file("data.db"), "access": "read_write" } } }),
        json!({ "outcome": "ok", "body": { "file_open": { "path": file("by-thread") } } }),
        json!({ "body": { "tls_client_hello": { "server_name": "tracker.example", "remote": end(port) } } }),
        json!({ "body": { "dns_query": { "name": "probe.example", "record_type": "A", "server": end(53) } } }),
        json!({ "outcome": "in_progress", "body": { "socket_connect": { "transport": "tcp", "remote": end(2) } } }),
        json!({ "body": { "socket_totals": { "transport": "udp", "remote": { "inet": "127.0.0.2:4001" }, "bytes_sent": 7, "closed": false } } }),
        json!({ "body": { "socket_totals": { "transport": "udp", "remote": { "inet": "127.0.0.2:4002" }, "bytes_sent": 14, "closed": false } } }),
        json!({ "body": { "socket_totals": { "transport": "udp", "remote": { "inet": "127.0.0.2:4002" }, "bytes_sent": 70, "closed": true } } }),
        json!({ "outcome": "ok", "body": { "socket_bind": { "local": { "unix_path": file("socket") } } } }),
        json!({ "outcome": "ok", "body": { "socket_connect": { "transport": "unix_stream", "remote": { "unix_path": file("socket") } } } }),
        json!({ "outcome": "ok", "body": { "socket_accept": { "transport": "unix_stream" } } }),
        json!({ "body": { "socket_totals": { "transport": "unix_stream", "bytes_sent": 5 } } }),
        json!({ "outcome": { "failed": 111 }, "body": { "socket_connect": { "remote": end(1) } } }),
        json!({ "user_id": 10123, "outcome": "ok", "body": { "file_open": { "path": file("by-user") } } }),
        json!({ "user_id": 10123, "outcome": { "denied": 13 }, "body": { "file_open": { "path": file("secret") } } }),
    ];
    if tier != "ebpf-syscalls" {
        // Without the kernel's objects nobody knows how a process ended, and its arguments are read when it may be over.
        table.extend([
            json!({ "process": { "name": "cat" }, "outcome": "ok", "body": { "process_exec": { "arguments": ["cat", file("plain")] } } }),
            json!({ "process": { "name": "sh" }, "outcome": "ok", "body": { "process_exec": { "arguments": ["sh", "-c", "exit 7"] } } }),
            json!({ "process": { "name": "sh" }, "body": { "process_exit": { "status": 3 } } }),
            json!({ "process": { "name": "sh" }, "body": { "process_exit": { "status": 7 } } }),
            json!({ "process": { "name": "sleep" }, "body": { "process_exit": { "signal": 9 } } }),
            json!({ "process": { "name": "narrow" }, "body": { "process_exit": { "status": 9 } } }),
        ]);
    }
    if tier == "ptrace" {
        table.extend([
            json!({ "process": { "name": "narrow" }, "fidelity": "faithful", "outcome": "ok", "body": { "file_open": { "path": file("narrow-file") } } }),
            json!({ "process": { "name": "narrow" }, "body": { "file_totals": { "path": file("narrow-file"), "bytes_read": 13 } } }),
        ]);
    } else {
        table.push(
            json!({ "process": { "name": "narrow" }, "body": { "blind_spot": { "what": "compat_system_call" } } }),
        );
    }
    table
}

/// What the program must print and end with, traced or not.
const PRINTED: &str = "some content\nsome content\nok\n1\nnarrow 9\nhandled 2 stopped by 19 child 5\nwork 7\n";

fn check_tier(tier: &str) {
    let world = start(tier);
    let (script, port) = prepare(&world);
    let output = record(&world, &[], Command::new("sh").args(["-c", &script]));
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(String::from_utf8_lossy(&output.stdout), PRINTED, "{tier} changed what the program does\n{said}");
    assert!(said.contains("exit status 3"), "{said}");
    assert!(said.contains("none lost"), "{said}");
    let events = world.events();
    let directory = world.text("");
    for expected in table(tier, directory.trim_end_matches('/'), port) {
        expect(tier, &events, &expected);
    }
    // A thread acts under its own id, and is no process.
    let by_thread = expect(tier, &events, &json!({ "body": { "file_open": { "path": world.text("by-thread") } } }));
    assert_ne!(by_thread["thread_id"], by_thread["process"]["key"]["pid"]);
    // A connection without connect: it is told before what went through it, as one with.
    let fast = json!({ "body": { "http_request": { "host": "fast.example", "path": "/fast" } } });
    let handle = expect(tier, &events, &fast)["body"]["http_request"]["handle"].clone();
    let peer = json!({ "inet": format!("127.0.0.1:{port}") });
    for kind in ["socket_connect", "socket_totals"] {
        let told =
            json!({ "body": { kind: { "transport": "tcp", "remote": peer.clone(), "handle": handle.clone() } } });
        expect(tier, &events, &told);
    }
    // Two peers in turn: each is told when it is left for the first time, and not with each datagram.
    let of_turns = |event: &&Value| {
        let remote = event["body"]["socket_totals"]["remote"]["inet"].as_str().unwrap_or_default();
        remote.starts_with("127.0.0.2:") && event["body"]["socket_totals"]["closed"] == false
    };
    assert!(events.iter().filter(of_turns).count() <= 4, "{tier}: each datagram made a record");
    let count = |kind: &str| events.iter().filter(|event| !event["body"][kind].is_null()).count();
    assert_eq!(
        count("process_start"),
        count("process_exit"),
        "{tier}: processes began and did not end, or the other way"
    );
    assert!(
        !said.contains("the session has not"),
        "{tier}: the ends of all processes were seen, and the session went on: {said}"
    );
}

#[test]
#[ignore = "needs root and eBPF: run by scripts/test"]
fn untraced_the_work_does_what_the_table_was_written_for() {
    let world = start("procfs");
    let (script, _) = prepare(&world);
    let output = Command::new("sh").args(["-c", &script]).stdin(Stdio::null()).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), PRINTED, "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(3));
}

#[test]
#[ignore = "needs root and eBPF: run by scripts/test"]
fn the_table_holds_on_kernel_objects() {
    check_tier(TIERS[0]);
}

#[test]
#[ignore = "needs root and eBPF: run by scripts/test"]
fn the_table_holds_on_system_calls() {
    check_tier(TIERS[1]);
}

#[test]
#[ignore = "needs root and eBPF: run by scripts/test"]
fn the_table_holds_on_ptrace() {
    check_tier(TIERS[2]);
}

/// Starts a shell that waits for a line and then does `script`; traces it by `--pid`, without the filter.
fn attached(world: &World, script: &str) -> (Child, Child) {
    let mut shell = Command::new("sh")
        .args(["-c", &format!("read go; {script}")])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut recorder = world.client();
    recorder.args(["record", "--force", "--pid", &shell.id().to_string(), "--output"]).arg(world.path("recording"));
    let recorder = recorder.stderr(std::fs::File::create(world.path("recorder.log")).unwrap()).spawn().unwrap();
    wait_for("the session", || std::fs::read_to_string(world.path("recorder.log")).unwrap().contains("recording to"));
    writeln!(shell.stdin.as_mut().unwrap()).unwrap();
    (shell, recorder)
}

fn tracer_of(pid: u32) -> Option<u32> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("TracerPid:"))?;
    line.trim().parse().ok().filter(|tracer| *tracer != 0)
}

#[test]
#[ignore = "needs root and eBPF: run by scripts/test"]
fn a_running_process_is_attached_to_and_let_go_when_the_session_ends() {
    let world = start("ptrace");
    let file = world.text("plain");
    std::fs::write(&file, "some content\n").unwrap();
    let script = format!("cat {file}; echo first; sleep 0.5; read again; cat {file}; echo second; exit 4");
    let (mut shell, mut recorder) = attached(&world, &script);
    let mut output = std::io::BufReader::new(shell.stdout.take().unwrap());
    let mut line = String::new();
    while line != "first\n" {
        line.clear();
        assert_ne!(std::io::BufRead::read_line(&mut output, &mut line).unwrap(), 0);
    }
    assert!(tracer_of(shell.id()).is_some(), "the shell is not traced");
    kill(pid_of(recorder.id()), Signal::SIGINT).unwrap();
    assert!(recorder.wait().unwrap().success());
    wait_for("the end of tracing", || tracer_of(shell.id()).is_none());
    writeln!(shell.stdin.as_mut().unwrap()).unwrap();
    assert_eq!(shell.wait().unwrap().code(), Some(4));
    let events = world.events();
    let opens = events.iter().filter(|event| event["body"]["file_open"]["path"] == file.as_str()).count();
    assert_eq!(opens, 1, "what it did after the session is not in the recording");
    expect(
        "ptrace",
        &events,
        &json!({ "probe": "ptrace", "fidelity": "faithful", "body": { "file_open": { "path": file } } }),
    );
}

#[test]
#[ignore = "needs root and eBPF: run by scripts/test"]
fn a_killed_daemon_leaves_the_app_unharmed_filter_or_not() {
    for filtered in [true, false] {
        let mut world = start("ptrace");
        std::fs::write(world.path("plain"), "some content\n").unwrap();
        let (plain, done) = (world.text("plain"), world.text("done"));
        // Opens files for longer than the daemon lives.
        let script = format!("touch {done}.begun; sleep 1; cat {plain} >{done}.half && mv {done}.half {done}");
        let mut others = if filtered {
            let mut command = world.client();
            command.args(["record", "--force", "--reconnect", "0", "--output"]).arg(world.path("recording"));
            vec![command.args(["--", "sh", "-c", &script]).stderr(Stdio::null()).spawn().unwrap()]
        } else {
            let (shell, recorder) = attached(&world, &script);
            vec![shell, recorder]
        };
        wait_for("the app", || world.path("done.begun").exists());
        kill(pid_of(world.daemon.id()), Signal::SIGKILL).unwrap();
        world.daemon.wait().unwrap();
        wait_for("the app's work", || Path::new(&done).exists());
        assert_eq!(std::fs::read_to_string(&done).unwrap(), "some content\n", "filtered: {filtered}");
        for child in &mut others {
            let _ended = kill(pid_of(child.id()), Signal::SIGTERM);
            child.wait().unwrap();
        }
    }
}

#[test]
#[ignore = "needs root and eBPF: run by scripts/test"]
fn what_a_command_leaves_behind_goes_on_after_its_session() {
    let world = start("ptrace");
    let (go, done) = (world.text("go"), world.text("done"));
    let script = format!(
        "(until [ -e {go} ]; do sleep 0.05; done; cat /proc/self/status >{done}.half; mv {done}.half {done}) \
         >/dev/null 2>&1 & exit 0"
    );
    record(&world, &["--linger", "0"], Command::new("sh").args(["-c", &script]));
    std::fs::write(&go, "").unwrap();
    wait_for("what was left behind", || Path::new(&done).exists());
    assert!(std::fs::read_to_string(&done).unwrap().contains("TracerPid"), "its calls fail without a tracer");
}

#[test]
#[ignore = "needs root and eBPF: run by scripts/test"]
fn processes_of_a_selected_user_are_found_when_they_come() {
    let world = start("ptrace");
    let file = world.text("plain");
    std::fs::write(&file, "some content\n").unwrap();
    let mut recorder = world.client();
    recorder.args(["record", "--force", "--uid", "10187", "--output"]).arg(world.path("recording"));
    let mut recorder = recorder.stderr(std::fs::File::create(world.path("recorder.log")).unwrap()).spawn().unwrap();
    wait_for("the session", || std::fs::read_to_string(world.path("recorder.log")).unwrap().contains("recording to"));
    let script = format!("import os,time\nos.setuid(10187)\ntime.sleep(1)\nopen({file:?})\n");
    assert!(Command::new("python3").args(["-c", &script]).status().unwrap().success());
    kill(pid_of(recorder.id()), Signal::SIGINT).unwrap();
    assert!(recorder.wait().unwrap().success());
    let entries = world.entries();
    let events: Vec<Value> = entries.iter().filter_map(|entry| entry.get("event").cloned()).collect();
    expect("ptrace", &events, &json!({ "user_id": 10187, "outcome": "ok", "body": { "file_open": { "path": file } } }));
    let header = entries.iter().find_map(|entry| entry.get("header")).unwrap();
    let states: Vec<&Value> =
        header["probes"].as_array().unwrap().iter().filter(|one| one["probe"] == "ptrace").collect();
    assert!(states.iter().any(|one| one["family"] == "file" && one["state"] == "partial"), "{states:?}");
}

#[test]
#[ignore = "needs root and eBPF: run by scripts/test"]
fn polling_proc_sees_some_and_claims_nothing() {
    let world = start("procfs");
    let file = world.text("plain");
    std::fs::write(&file, "some content\n").unwrap();
    record(&world, &[], Command::new("sh").args(["-c", &format!("exec 7<{file}; sleep 2")]));
    let events = world.events();
    expect(
        "procfs",
        &events,
        &json!({ "probe": "procfs", "fidelity": { "hint": ["sampled"] }, "body": { "file_open": { "path": file, "preexisting": false } } }),
    );
    std::fs::write(world.path("terms.toml"), "[app]\npackage = \"org.example.app\"\nname = \"App\"\n").unwrap();
    let output = world
        .client()
        .arg("check")
        .arg(world.path("recording"))
        .arg("--terms")
        .arg(world.path("terms.toml"))
        .args(["--format", "json"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2), "cannot tell: {}", String::from_utf8_lossy(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    for rule in report["rules"].as_array().unwrap() {
        assert!(["cannot_tell", "not_applicable"].contains(&rule["outcome"].as_str().unwrap()), "{rule:#}");
    }
}

#[test]
#[ignore = "needs root and eBPF: run by scripts/test"]
fn a_child_that_asks_for_no_tracer_is_traced_and_its_calls_work() {
    let world = start("ptrace");
    let file = world.text("plain");
    std::fs::write(&file, "some content\n").unwrap();
    // CLONE_UNTRACED and SIGCHLD; by `clone`, whose flags are in a register, and by `clone3`, whose flags are in memory.
    let script = format!(
        "import ctypes,os,platform,struct\n\
         system_call=ctypes.CDLL(None).syscall\n\
         flags=struct.pack('11Q',0x800000,0,0,0,17,0,0,0,0,0,0)\n\
         memory=ctypes.create_string_buffer(flags)\n\
         clone={{'x86_64':56}}.get(platform.machine(),220)\n\
         for make in (lambda:system_call(clone,0x800000|17,0,0,0,0),lambda:system_call(435,memory,88)):\n\
         \x20   child=make()\n\
         \x20   if child==0:\n\
         \x20       open({file:?}).read()\n\
         \x20       os._exit(0)\n\
         \x20   assert child>0 and os.waitpid(child,0x40000000)[1]==0\n\
         assert memory.raw[:88]==flags\n"
    );
    record(&world, &[], Command::new("python3").args(["-c", &script]));
    let events = world.events();
    let by = |event: &&Value| event["body"]["file_open"]["path"] == file.as_str() && event["outcome"] == "ok";
    let children: std::collections::BTreeSet<_> =
        events.iter().filter(by).map(|event| event["process"]["key"]["pid"].as_u64()).collect();
    assert_eq!(children.len(), 2, "{:#?}", events.iter().filter(by).collect::<Vec<_>>());
}
