//! Runs the program of the suite where it is to be traced, and takes what the daemon there saw.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use candor::event::EventKind;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tempfile::TempDir;

use super::table::{Cell, Needs, Row, Scene, table};
use super::{DEADLINE, TIERS, assemble_narrow, compile_work, find, wait_for};

/// Where the program runs: a daemon and a directory.
pub trait Place {
    /// Starts the daemon with these probes, in place of the one that runs. Returns what it said, should it not start.
    fn serve(&mut self, probes: &str) -> Result<(), String>;
    /// The address of the daemon, as `CANDOR_DAEMON` has it.
    fn daemon(&self) -> String;
    /// Runs the program of the suite with these words.
    fn work(&self, words: &[&str]) -> Command;
    /// Where that program is.
    fn program(&self) -> String;
    /// The directory in which it works.
    fn directory(&self) -> String;
}

/// This machine.
pub struct Here {
    directory: TempDir,
    daemon: Option<Ended>,
}

impl Here {
    pub fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        // Other users must get in.
        std::fs::set_permissions(directory.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let here = Self { directory, daemon: None };
        compile_work(&here.path("work"));
        assert!(here.work(&["prepare", &here.directory()]).status().unwrap().success());
        if cfg!(target_arch = "x86_64") {
            assemble_narrow(&here.path("scene/narrow"));
        }
        here
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }
}

impl Place for Here {
    fn serve(&mut self, probes: &str) -> Result<(), String> {
        end(self.daemon.take());
        let socket = self.path("daemon.sock");
        let log = self.path("daemon.log");
        let daemon = Command::new(env!("CARGO_BIN_EXE_candord"))
            .args(["serve", "--probes", probes, "--listen"])
            .arg(format!("unix:{}", socket.display()))
            .stderr(std::fs::File::create(&log).unwrap())
            .spawn()
            .unwrap();
        let mut daemon = Ended(daemon);
        let mut ended = false;
        wait_for("the daemon", || {
            ended = daemon.0.try_wait().unwrap().is_some();
            ended || socket.exists()
        });
        if ended {
            return Err(std::fs::read_to_string(&log).unwrap());
        }
        self.daemon = Some(daemon);
        Ok(())
    }

    fn daemon(&self) -> String {
        format!("unix:{}", self.path("daemon.sock").display())
    }

    fn work(&self, words: &[&str]) -> Command {
        let mut command = Command::new(self.path("work"));
        command.args(words);
        command
    }

    fn program(&self) -> String {
        self.path("work").to_str().unwrap().to_owned()
    }

    fn directory(&self) -> String {
        self.path("scene").to_str().unwrap().to_owned()
    }
}

impl Drop for Here {
    fn drop(&mut self) {
        end(self.daemon.take());
    }
}

fn end(daemon: Option<Ended>) {
    if let Some(mut daemon) = daemon {
        let _ended_already = kill(pid_of(daemon.0.id()), Signal::SIGTERM);
        let _reaped = daemon.0.wait();
    }
}

/// A test device of `scripts/device` that was started by `scripts/test-kernels`, which has put the program into it.
pub struct Device {
    number: String,
    address: String,
    files: TempDir,
    daemon: Option<Ended>,
}

/// Where the program's directory is in a device. Apps may pass through it.
const DEVICE_DIRECTORY: &str = "/data/local/tmp/scene";

impl Device {
    /// The device that `CANDOR_DEVICE` and `CANDOR_DAEMON` name. `query` is what the program sends to a content provider.
    pub fn new(query: &[u8]) -> Self {
        let named =
            |name| std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run scripts/test-kernels"));
        let (number, address) = (named("CANDOR_DEVICE"), named("CANDOR_DAEMON"));
        let device = Self { number, address, files: tempfile::tempdir().unwrap(), daemon: None };
        let script = format!(
            "stop candord && expectation-work prepare {DEVICE_DIRECTORY} && cd {DEVICE_DIRECTORY} && cat >query.parcel &&
             for each in binder_peer narrow; do cp /system/bin/$each .; done && chmod 755 binder_peer narrow"
        );
        let mut prepared = Talk::start(&mut device.shell(&[&script]));
        prepared.input.as_mut().unwrap().write_all(query).unwrap();
        assert_eq!(prepared.end(), Some(0), "the device cannot be prepared");
        device
    }

    fn shell(&self, words: &[&str]) -> Command {
        let mut command = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/device"));
        command.args(["shell", "-d", &self.number]).args(words);
        command
    }
}

impl Place for Device {
    fn serve(&mut self, probes: &str) -> Result<(), String> {
        // What runs there ends with its client here.
        end(self.daemon.take());
        wait_for("the end of the daemon before", || {
            self.shell(&["-n", "! pidof candord >/dev/null"]).status().unwrap().success()
        });
        let log = self.files.path().join("daemon.log");
        let daemon = self
            .shell(&["-n", "exec", "candord", "serve", "--probes", probes])
            .stderr(std::fs::File::create(&log).unwrap())
            .spawn()
            .unwrap();
        let mut daemon = Ended(daemon);
        let mut ended = false;
        wait_for("the daemon", || {
            ended = daemon.0.try_wait().unwrap().is_some();
            ended || client(self, Path::new(""), &["info"]).output().unwrap().status.success()
        });
        if ended {
            return Err(std::fs::read_to_string(&log).unwrap());
        }
        self.daemon = Some(daemon);
        Ok(())
    }

    fn daemon(&self) -> String {
        self.address.clone()
    }

    fn work(&self, words: &[&str]) -> Command {
        let mut command = self.shell(&["exec", "expectation-work"]);
        command.args(words);
        command
    }

    fn program(&self) -> String {
        "/system/bin/expectation-work".to_owned()
    }

    fn directory(&self) -> String {
        DEVICE_DIRECTORY.to_owned()
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        end(self.daemon.take());
    }
}

/// A running program of the suite, spoken to by lines.
struct Talk {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Talk {
    fn start(command: &mut Command) -> Self {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (input, output) = (child.stdin.take(), BufReader::new(child.stdout.take().unwrap()));
        Self { child, input, output }
    }

    fn hear(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        assert!(!line.is_empty(), "the program of the suite has ended too early");
        line.trim_end().to_owned()
    }

    fn say(&mut self) {
        writeln!(self.input.as_mut().unwrap()).unwrap();
    }

    /// Ends it, or lets it end. Says with which status it did.
    fn end(&mut self) -> Option<i32> {
        self.input = None;
        self.child.wait().unwrap().code()
    }
}

impl Drop for Talk {
    fn drop(&mut self) {
        self.input = None;
        let _ended_already = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// A process that does not outlive a failed test.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ended_already = self.0.kill();
        let _reaped = self.0.wait();
    }
}

/// What came of one run.
pub struct Observed {
    /// The lines of the recording.
    pub entries: Vec<Value>,
    /// What the client said of the recording.
    pub said: String,
    /// What the program has printed.
    pub printed: Vec<String>,
    /// Its server.
    pub server: ServerPlace,
}

/// What the program prints, traced or not, of what a tracer could change.
pub const UNCHANGED: [&str; 2] = ["handled 2 stopped by 19 killed by 9", "child 5"];
/// The status that it ends with.
pub const STATUS: i32 = 7;

impl Observed {
    pub fn events(&self) -> Vec<Value> {
        self.entries.iter().filter_map(|entry| entry.get("event").cloned()).collect()
    }

    pub fn header(&self) -> &Value {
        self.entries.iter().find_map(|entry| entry.get("header")).expect("a recording has a header")
    }

    /// Whether the kernel has what an expectation needs, by what the program printed.
    pub fn has(&self, needs: Needs) -> bool {
        let printed = |line: &str| self.printed.iter().any(|printed| printed == line);
        match needs {
            Needs::Nothing => true,
            Needs::Binder => printed("binder reply reply"),
            Needs::Narrow => printed("narrow 9"),
            Needs::Ring => printed("io_uring yes"),
        }
    }

    pub fn rows(&self, place: &dyn Place) -> Vec<Row> {
        let ServerPlace { address, port, held_port } = &self.server;
        let (program, directory) = (&place.program(), &place.directory());
        table(&Scene { program, directory, address, port: *port, held_port: *held_port })
    }
}

/// Starts the server of the suite, of which the acts are told where it is.
pub struct Server {
    _running: Talk,
    pub place: ServerPlace,
}

/// Where a server is: an address, its port, and its port for the connection that lasts.
#[derive(Debug, Clone)]
pub struct ServerPlace {
    pub address: String,
    pub port: u16,
    pub held_port: u16,
}

impl ServerPlace {
    /// As the program of the suite wants to be told.
    pub fn words(&self) -> [String; 3] {
        [self.address.clone(), self.port.to_string(), self.held_port.to_string()]
    }
}

impl Server {
    /// By this command, to which the word for it is added.
    pub fn start(work: &mut Command) -> Self {
        let mut running = Talk::start(work.arg("serve"));
        let line = running.hear();
        let words: Vec<&str> = line.split(' ').collect();
        let [address, port, held_port] = words[..] else { panic!("the server says where it is, not {line}") };
        let place = ServerPlace {
            address: address.to_owned(),
            port: port.parse().unwrap(),
            held_port: held_port.parse().unwrap(),
        };
        Self { place, _running: running }
    }
}

fn client(place: &dyn Place, recording: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_candor"));
    command.env("CANDOR_DAEMON", place.daemon()).args(words).stdin(Stdio::null());
    if words.first().is_some_and(|verb| *verb == "record") {
        command.arg("--output");
    }
    if words.first().is_some_and(|verb| ["record", "events"].contains(verb)) {
        command.arg(recording);
    }
    command
}

/// What a recording holds by now.
pub fn entries(place: &dyn Place, recording: &Path) -> Vec<Value> {
    let output = client(place, recording, &["events", "--format", "ndjson"]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Why the daemon refuses to record; `None`: it does not.
pub fn refusal(place: &dyn Place) -> Option<String> {
    let files = tempfile::tempdir().unwrap();
    let words = ["record", "--force", "--phase", "pre_consent", "--duration", "1", "--pid", "1"];
    let output = client(place, &files.path().join("recording"), &words).output().unwrap();
    (!output.status.success()).then(|| String::from_utf8_lossy(&output.stderr).into_owned())
}

/// Has the program act under one tier, attached to before it begins.
pub fn observe(place: &dyn Place, tier: &str) -> Observed {
    let files = tempfile::tempdir().unwrap();
    let (recording, log) = (files.path().join("recording"), files.path().join("log"));
    let server = Server::start(&mut place.work(&[]));
    let directory = place.directory();
    let mut work = Talk::start(place.work(&["act", &directory]).args(server.place.words()).arg("wait"));
    let line = work.hear();
    let pid = line.strip_prefix("pid ").expect("the program says its process id").to_owned();
    let recorder = client(place, &recording, &["record", "--force", "--phase", "pre_consent", "--pid", &pid])
        .stderr(std::fs::File::create(&log).unwrap())
        .spawn()
        .unwrap();
    let mut recorder = Ended(recorder);
    let said = || std::fs::read_to_string(&log).unwrap();
    wait_for("the session", || {
        assert!(recorder.0.try_wait().unwrap().is_none(), "{tier}: {}", said());
        said().contains("recording to")
    });
    let marked = client(place, &recording, &["mark", "foreground", "--note", "by the suite"]).output().unwrap();
    assert!(marked.status.success(), "{}", String::from_utf8_lossy(&marked.stderr));
    work.say();
    let mut printed = Vec::new();
    while printed.last().is_none_or(|line| line != "holding") {
        printed.push(work.hear());
    }
    let mut observed = Observed { entries: Vec::new(), said: String::new(), printed, server: server.place.clone() };
    // What lasts has to be seen while it does, however slow this machine is: not only by looks at /proc, also by probes that
    // complete their records from there.
    let lasting: Vec<Row> =
        observed.rows(place).into_iter().filter(|row| row.lasts() && row.kind != EventKind::ProcessExit).collect();
    let place_of = TIERS.iter().position(|known| *known == tier).expect("a known tier");
    let give_up = Instant::now() + DEADLINE / 10;
    // Should it not come, then the comparison says so better.
    while Instant::now() < give_up {
        let entries = entries(place, &recording);
        let events: Vec<Value> = entries.iter().filter_map(|entry| entry.get("event").cloned()).collect();
        let seen = |row: &Row| row.promised[place_of] == Cell::Blind || find(&events, &row.expected).is_some();
        if lasting.iter().all(seen) {
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    work.say();
    observed.printed.push(work.hear());
    work.say();
    assert_eq!(work.end(), Some(STATUS), "{tier} changed how the program ends");
    kill(pid_of(recorder.0.id()), Signal::SIGINT).unwrap();
    assert!(recorder.0.wait().unwrap().success(), "{}", said());
    observed.said = said();
    observed.entries = entries(place, &recording);
    for line in UNCHANGED {
        assert!(
            observed.printed.iter().any(|printed| printed == line),
            "{tier} changed what the program does: {:?}",
            observed.printed
        );
    }
    assert!(observed.said.contains("none lost"), "{tier}: {}", observed.said);
    observed
}

fn pid_of(id: u32) -> Pid {
    Pid::from_raw(id.cast_signed())
}
