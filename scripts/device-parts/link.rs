//! Both ends of the wire between the host and the test device: what `adb` and `adb forward` are to a phone.
//!
//! One small program without dependencies, because it is compiled by `rustc` alone, in seconds, and must be static in the
//! guest. (An SSH server would need keys and a host name; Debian's socat is not static; virtio-serial has no streams of
//! its own, so concurrent shells would need a multiplexer.)
//!
//! * `link guest` runs in the device and listens on one TCP port, which QEMU makes reachable from the host's loopback.
//! * `link host` starts QEMU, and serves the daemon of the device on Unix sockets of the host until QEMU ends.
//! * `link run` runs one command in the device.
//! * `link as` runs, in the device, a program as an app: for the scripts there; `link run --user` does it from the host.
//!
//! A connection begins with a line `TOKEN daemon` or `TOKEN run`, answered by `ok`. The token is known to the state
//! directory and to root in the device only: a loopback port is open to everybody on the host, and to every app in the
//! device. After `daemon` the bytes are those of the daemon's socket. After `run` there are frames: one byte for the kind,
//! four for the length (little endian), then that many bytes.

use std::error::Error;
use std::fs;
use std::io::{self, BufRead as _, BufReader, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::os::fd::RawFd;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

type Failure = Box<dyn Error + Send + Sync>;

/// The request of `run`: lines `user=ID-OR-PACKAGE`, `directory=PATH`, `environment=NAME=VALUE`, then `command=` and the
/// rest of the frame.
const REQUEST: u8 = 0;
const STDIN: u8 = 1;
const STDOUT: u8 = 2;
const STDERR: u8 = 3;
/// No more stdin.
const STDIN_END: u8 = 4;
/// The exit status, one byte.
const EXIT: u8 = 5;
/// The command could not be started; the text says why.
const FAILED: u8 = 6;

/// Longer frames are not ours.
const LONGEST_FRAME: usize = 1 << 20;
const PIECE: usize = 64 << 10;
/// The user-mode network accepts connections on the guest's behalf before anybody listens there.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

const APP_IDS: std::ops::Range<u32> = 10_000..20_000;
const PACKAGES: &str = "/data/system/packages.list";
const SHELL: &str = "/system/bin/sh";
const PATH: &str = "/system/bin:/system/xbin:/sbin:/bin";

unsafe extern "C" {
    fn kill(process: i32, signal: i32) -> i32;
    fn poll(fds: *mut PollFd, count: u64, timeout_ms: i32) -> i32;
    fn prctl(option: i32, argument: u64) -> i32;
    fn pthread_sigmask(how: i32, set: *const SignalSet, old: *mut SignalSet) -> i32;
    fn setgroups(count: usize, groups: *const u32) -> i32;
    fn setresgid(real: u32, effective: u32, saved: u32) -> i32;
    fn setresuid(real: u32, effective: u32, saved: u32) -> i32;
    fn setsid() -> i32;
    fn sigaddset(set: *mut SignalSet, signal: i32) -> i32;
    fn sigwait(set: *const SignalSet, signal: *mut i32) -> i32;
    fn umask(mask: u32) -> u32;
}

#[repr(C)]
struct PollFd {
    fd: i32,
    events: i16,
    revents: i16,
}

/// `sigset_t` has 128 bytes with glibc and musl alike.
#[repr(C, align(8))]
struct SignalSet([u8; 128]);

const POLLIN: i16 = 1;
const PR_SET_PDEATHSIG: i32 = 1;
const SIGHUP: i32 = 1;
const SIGINT: i32 = 2;
const SIGKILL: i32 = 9;
const SIGTERM: i32 = 15;
const SIG_BLOCK: i32 = 0;
const SIG_SETMASK: i32 = 2;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let rest = arguments.get(1..).unwrap_or_default();
    let result = match arguments.first().map(String::as_str) {
        Some("guest") => guest(rest),
        Some("host") => host(rest),
        Some("run") => run(rest),
        Some("as") => run_as(rest),
        _ => Err("usage: link guest|host|run|as ...; started by scripts/device".into()),
    };
    match result {
        Ok(status) => ExitCode::from(status),
        Err(error) => {
            eprintln!("device link: {error}");
            // Not a status that a command of the device is likely to have by itself; ssh uses it for the same purpose.
            ExitCode::from(255)
        }
    }
}

/// Options of the form `--name VALUE`, up to `--` or the first word that is no option.
struct Options {
    values: Vec<(String, String)>,
    rest: Vec<String>,
}

impl Options {
    fn parse(arguments: &[String]) -> Result<Self, Failure> {
        let mut values = Vec::new();
        let mut words = arguments.iter();
        while let Some(word) = words.next() {
            if word == "--" {
                break;
            }
            let name = word.strip_prefix("--").ok_or_else(|| format!("unexpected argument {word:?}"))?;
            let value = words.next().ok_or_else(|| format!("--{name} needs a value"))?;
            values.push((name.to_owned(), value.to_owned()));
        }
        Ok(Self { values, rest: words.cloned().collect() })
    }

    fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> + 'a {
        self.values.iter().filter(move |(of, _)| of == name).map(|(_, value)| value.as_str())
    }

    fn one(&self, name: &str) -> Result<&str, Failure> {
        self.values
            .iter()
            .find(|(of, _)| of == name)
            .map(|(_, value)| value.as_str())
            .ok_or_else(|| format!("--{name} is missing").into())
    }
}

// ---- The device's end ----

fn guest(arguments: &[String]) -> Result<u8, Failure> {
    let options = Options::parse(arguments)?;
    let token = read_token(Path::new(options.one("token-file")?))?;
    let daemon = PathBuf::from(options.one("daemon")?);
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, options.one("port")?.parse::<u16>()?))?;
    let shared = Arc::new((token, daemon));
    for stream in listener.incoming() {
        let Ok(stream) = stream else { continue };
        let shared = Arc::clone(&shared);
        thread::spawn(move || {
            if let Err(error) = serve_connection(stream, &shared.0, &shared.1) {
                eprintln!("device link: {error}");
            }
        });
    }
    Ok(0)
}

fn serve_connection(mut stream: TcpStream, token: &str, daemon: &Path) -> Result<(), Failure> {
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(HANDSHAKE_TIMEOUT))?;
    let line = read_line(&mut stream)?;
    stream.set_read_timeout(None)?;
    match line.split_once(' ') {
        Some((given, _)) if !equal_in_constant_time(given, token) => Ok(stream.write_all(b"error: wrong token\n")?),
        Some((_, "daemon")) => match UnixStream::connect(daemon) {
            Ok(socket) => {
                stream.write_all(b"ok\n")?;
                let (to_stream, to_socket) = (stream.try_clone()?, socket.try_clone()?);
                join_streams(Both::Tcp(stream), Both::Unix(socket), Both::Tcp(to_stream), Both::Unix(to_socket));
                Ok(())
            }
            Err(error) => Ok(stream.write_all(format!("error: the daemon's socket: {error}\n").as_bytes())?),
        },
        Some((_, "run")) => {
            stream.write_all(b"ok\n")?;
            run_command(stream)
        }
        _ => Ok(stream.write_all(b"error: unknown verb\n")?),
    }
}

fn equal_in_constant_time(one: &str, other: &str) -> bool {
    one.len() == other.len() && one.bytes().zip(other.bytes()).fold(0, |sum, (left, right)| sum | (left ^ right)) == 0
}

/// What a command runs as.
struct Identity {
    user_id: u32,
    groups: Vec<u32>,
    home: PathBuf,
}

impl Identity {
    /// `who` is a user id, or the name of a package. Groups as Android's zygote sets them: those granted by permissions,
    /// which `packages.list` has, and those that every app has.
    fn find(who: &str, packages: &str) -> Result<Self, Failure> {
        let fields = packages.lines().map(|line| line.split(' ').collect::<Vec<_>>());
        let known: Vec<_> = fields.filter(|fields| fields.len() >= 6).collect();
        let user_id: u32 = match who.parse() {
            Ok(number) => number,
            Err(_) => known
                .iter()
                .find(|fields| fields[0] == who)
                .ok_or_else(|| format!("{who} is neither a user id nor a package of {PACKAGES}"))?[1]
                .parse()?,
        };
        let app_id = user_id % 100_000;
        let mut identity = Self { user_id, groups: Vec::new(), home: PathBuf::from("/") };
        for fields in known
            .iter()
            .filter(|fields| fields[1].parse() == Ok(app_id) && (fields[0] == who || who.parse::<u32>().is_ok()))
        {
            identity.groups.extend(fields[5].split(',').filter_map(|group| group.parse::<u32>().ok()));
            if identity.home == Path::new("/") && user_id >= APP_IDS.start && Path::new(fields[3]).is_dir() {
                identity.home = PathBuf::from(fields[3]);
            }
        }
        if APP_IDS.contains(&app_id) {
            // Everybody, the app's cache, and what is shared between users.
            identity.groups.extend([9997, user_id + 10_000, app_id + 40_000]);
        } else if app_id == 2000 {
            identity.groups.extend([1004, 1007, 1011, 1015, 1028, 3001, 3002, 3003, 3006, 9997]);
        }
        identity.groups.sort_unstable();
        identity.groups.dedup();
        Ok(identity)
    }

    /// Makes this process run as that. System calls only, so that it can be called between fork and exec.
    fn assume(&self) -> io::Result<()> {
        let id = self.user_id;
        // SAFETY: the groups live through the call, and the other calls touch no memory.
        unsafe {
            check(setgroups(self.groups.len(), self.groups.as_ptr()))?;
            check(setresgid(id, id, id))?;
            if APP_IDS.contains(&(id % 100_000)) {
                umask(0o077);
            }
            check(setresuid(id, id, id))
        }
    }
}

/// Replaces this process by a program that runs as an app, or as another user.
fn run_as(arguments: &[String]) -> Result<u8, Failure> {
    let [who, program, rest @ ..] = arguments else {
        return Err("usage: run-as ID-OR-PACKAGE PROGRAM [ARGUMENT...]".into());
    };
    let identity = Identity::find(who, &fs::read_to_string(PACKAGES)?)?;
    let mut process = Command::new(program);
    process.args(rest).current_dir(&identity.home).env("HOME", &identity.home);
    identity.assume()?;
    Err(format!("cannot run {program} as {who}: {}", process.exec()).into())
}

fn run_command(mut stream: TcpStream) -> Result<(), Failure> {
    let (kind, request) = read_frame(&mut stream)?.ok_or("the client left before it said what to run")?;
    if kind != REQUEST {
        return Err(format!("frame of kind {kind} where a request belongs").into());
    }
    let output = Arc::new(Mutex::new(stream.try_clone()?));
    let mut child = match start_command(&String::from_utf8(request)?) {
        Ok(child) => child,
        Err(error) => return write_frame(&output, FAILED, error.to_string().as_bytes()),
    };
    let pid = i32::try_from(child.id())?;
    let stdin = child.stdin.take();
    let exited = Arc::new(AtomicBool::new(false));
    let readers = [
        child.stdout.take().map(|pipe| forward_pipe(pipe, STDOUT, Arc::clone(&output), Arc::clone(&exited))),
        child.stderr.take().map(|pipe| forward_pipe(pipe, STDERR, Arc::clone(&output), Arc::clone(&exited))),
    ];
    let finished = Arc::new(AtomicBool::new(false));
    let seen_by_input = Arc::clone(&finished);
    thread::spawn(move || {
        let mut stdin = stdin;
        loop {
            match read_frame(&mut stream) {
                // A command that does not read its input is no failure of ours: it is left to the command.
                Ok(Some((STDIN, bytes))) => {
                    if stdin.as_mut().is_some_and(|pipe| pipe.write_all(&bytes).is_err()) {
                        stdin = None;
                    }
                }
                Ok(Some((STDIN_END, _))) => stdin = None,
                Ok(Some(_)) => {}
                Ok(None) | Err(_) => break,
            }
        }
        // The client has gone before the command ended: as a terminal that is closed.
        if !seen_by_input.load(Ordering::SeqCst) {
            // SAFETY: `kill` touches no memory. The command leads its own process group.
            unsafe { kill(-pid, SIGHUP) };
            thread::sleep(Duration::from_millis(500));
            if !seen_by_input.load(Ordering::SeqCst) {
                // SAFETY: as above; the process has not been waited for, so its number is still its own.
                unsafe { kill(-pid, SIGKILL) };
            }
        }
    });
    let status = child.wait()?;
    exited.store(true, Ordering::SeqCst);
    for reader in readers.into_iter().flatten() {
        let _ = reader.join();
    }
    finished.store(true, Ordering::SeqCst);
    write_frame(&output, EXIT, &[status_byte(status)])?;
    // The input thread waits on the same connection.
    let stream = output.lock().map_err(|_| "a thread broke down")?;
    let _ = stream.shutdown(Shutdown::Both);
    Ok(())
}

fn status_byte(status: ExitStatus) -> u8 {
    let number = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
    number.and_then(|number| u8::try_from(number).ok()).unwrap_or(255)
}

fn start_command(request: &str) -> Result<Child, Failure> {
    let (settings, command) = request.split_once("command=").ok_or("the request names no command")?;
    let setting = |name: &str| settings.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
    let packages = fs::read_to_string(PACKAGES).unwrap_or_default();
    let identity = Identity::find(setting("user").unwrap_or("0"), &packages)?;
    let directory = setting("directory").map_or_else(|| identity.home.clone(), PathBuf::from);
    let mut process = Command::new(SHELL);
    process
        .args(["-c", command])
        .current_dir(&directory)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    process
        .env_clear()
        .env("PATH", PATH)
        .env("HOME", &identity.home)
        .env("ANDROID_ROOT", "/system")
        .env("ANDROID_DATA", "/data");
    process.env("TERM", "dumb");
    for line in settings.lines().filter_map(|line| line.strip_prefix("environment=")) {
        let (name, value) = line.split_once('=').ok_or_else(|| format!("{line:?} is not NAME=VALUE"))?;
        process.env(name, value);
    }
    let user_id = identity.user_id;
    // SAFETY: between fork and exec only system calls are made, on memory that was there before the fork. All in one
    // closure, because the standard library's own order would set the groups after giving up the right to.
    unsafe {
        process.pre_exec(move || {
            check(setsid())?;
            identity.assume()
        });
    }
    process
        .spawn()
        .map_err(|error| format!("cannot run {SHELL} in {} as user {user_id}: {error}", directory.display()).into())
}

fn check(result: i32) -> io::Result<()> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Sends what comes through a pipe. When the command has ended, what it wrote is still taken, but nobody waits for the
/// processes that it left behind and that hold the pipe open.
fn forward_pipe(
    mut pipe: impl Read + std::os::fd::AsRawFd + Send + 'static,
    kind: u8,
    output: Arc<Mutex<TcpStream>>,
    exited: Arc<AtomicBool>,
) -> thread::JoinHandle<()> {
    /// The most that a pipe holds: more cannot come from the command that has ended.
    const PIPE_CAPACITY: usize = 1 << 20;
    thread::spawn(move || {
        let mut piece = vec![0; PIECE];
        let mut after_exit = 0;
        loop {
            let over = exited.load(Ordering::SeqCst);
            if !readable(pipe.as_raw_fd(), if over { 0 } else { 20 }) {
                if over {
                    return;
                }
                continue;
            }
            match pipe.read(&mut piece) {
                Ok(0) => return,
                Ok(length) => {
                    if write_frame(&output, kind, &piece[..length]).is_err() {
                        return;
                    }
                    after_exit += if over { length } else { 0 };
                    if after_exit > PIPE_CAPACITY {
                        return;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return,
            }
        }
    })
}

fn readable(fd: RawFd, timeout_ms: i32) -> bool {
    let mut one = PollFd { fd, events: POLLIN, revents: 0 };
    // SAFETY: one entry, which lives as long as the call.
    unsafe { poll(&raw mut one, 1, timeout_ms) > 0 }
}

// ---- The host's end ----

/// Starts QEMU (the words after `--`, with `{port}` replaced by a free port), and serves the device's daemon.
fn host(arguments: &[String]) -> Result<u8, Failure> {
    let options = Options::parse(arguments)?;
    let state = PathBuf::from(options.one("state")?);
    let token = Arc::new(read_token(&state.join("token"))?);
    let (program, words) = options.rest.split_first().ok_or("no QEMU command given after --")?;

    // Blocked before there is any thread, so that the one that waits for them is the only one that gets them.
    let mut signals = SignalSet([0; 128]);
    // SAFETY: the set lives through the calls.
    unsafe {
        for signal in [SIGHUP, SIGINT, SIGTERM] {
            sigaddset(&raw mut signals, signal);
        }
        pthread_sigmask(SIG_BLOCK, &raw const signals, std::ptr::null_mut());
    }
    let stopping = Arc::new(AtomicBool::new(false));
    let (mut qemu, port) = start_qemu(program, words, &state)?;
    let pid = i32::try_from(qemu.id())?;
    let seen = Arc::clone(&stopping);
    thread::spawn(move || {
        let mut signal = 0;
        // SAFETY: both live through the call.
        unsafe { sigwait(&raw const signals, &raw mut signal) };
        seen.store(true, Ordering::SeqCst);
        // SAFETY: touches no memory; the main thread waits for the process, so the number is its own until then.
        unsafe { kill(pid, SIGKILL) };
    });

    let mut sockets = Vec::new();
    for (path, must) in
        options.all("socket").map(|path| (path, true)).chain(options.all("default-socket").map(|path| (path, false)))
    {
        match listen(Path::new(path)) {
            Ok(listener) => {
                sockets.push(PathBuf::from(path));
                let token = Arc::clone(&token);
                thread::spawn(move || serve_socket(&listener, port, &token));
            }
            Err(error) if must => {
                let _ = qemu.kill();
                let _ = qemu.wait();
                return Err(format!("{path}: {error}").into());
            }
            Err(error) => eprintln!("not serving {path} as well: {error}"),
        }
    }
    write_atomically(
        &state.join("sockets"),
        &sockets.iter().map(|path| format!("{}\n", path.display())).collect::<String>(),
    )?;

    let status = qemu.wait()?;
    for path in &sockets {
        let _ = fs::remove_file(path);
    }
    let ending =
        if stopping.load(Ordering::SeqCst) { "stopped".to_owned() } else { format!("QEMU ended by itself: {status}") };
    let _ = write_atomically(&state.join("ended"), &format!("{ending}\n"));
    Ok(0)
}

/// QEMU has no way to take "any free port" and tell which, so one is looked for, and another when somebody was faster.
fn start_qemu(program: &str, words: &[String], state: &Path) -> Result<(Child, u16), Failure> {
    const ATTEMPTS: u32 = 5;
    for attempt in 1..=ATTEMPTS {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        let log = fs::File::create(state.join("qemu.log"))?;
        let mut command = Command::new(program);
        command.args(words.iter().map(|word| word.replace("{port}", &port.to_string())));
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        // SAFETY: system calls only. QEMU gets the signals that are blocked here, and does not outlive this process.
        unsafe {
            command.pre_exec(|| {
                let none = SignalSet([0; 128]);
                pthread_sigmask(SIG_SETMASK, &raw const none, std::ptr::null_mut());
                check(prctl(PR_SET_PDEATHSIG, SIGKILL as u64))
            });
        }
        let mut qemu = command.spawn().map_err(|error| format!("cannot start {program}: {error}"))?;
        write_atomically(&state.join("port"), &format!("{port}\n"))?;
        write_atomically(&state.join("qemu.pid"), &format!("{}\n", qemu.id()))?;
        let deadline = Instant::now() + Duration::from_millis(500);
        while Instant::now() < deadline {
            if let Some(status) = qemu.try_wait()? {
                let said = fs::read_to_string(state.join("qemu.log")).unwrap_or_default();
                if attempt < ATTEMPTS && said.contains("forwarding rule") {
                    break;
                }
                return Err(format!("QEMU ended at once ({status}): {}", said.trim()).into());
            }
            thread::sleep(Duration::from_millis(20));
        }
        if qemu.try_wait()?.is_none() {
            return Ok((qemu, port));
        }
    }
    Err("no free port was left alone long enough to be used".into())
}

/// A socket with mode 0600 from its first moment on.
fn listen(path: &Path) -> Result<UnixListener, Failure> {
    if let Some(parent) = path.parent() {
        fs::DirBuilder::new().recursive(true).mode(0o755).create(parent)?;
    }
    if fs::symlink_metadata(path).is_ok() {
        match UnixStream::connect(path) {
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path)?,
            Err(error) => return Err(error.into()),
            Ok(_) => return Err("a daemon answers there".into()),
        }
    }
    let hidden = PathBuf::from(format!("{}.new", path.display()));
    let _ = fs::remove_file(&hidden);
    let listener = UnixListener::bind(&hidden)?;
    fs::set_permissions(&hidden, fs::Permissions::from_mode(0o600))?;
    fs::rename(&hidden, path)?;
    Ok(listener)
}

fn serve_socket(listener: &UnixListener, port: u16, token: &str) {
    for client in listener.incoming().flatten() {
        let token = token.to_owned();
        thread::spawn(move || {
            // On failure the client sees its connection closed, as from a daemon that is not there.
            let Ok(device) = connect(port, &token, "daemon") else { return };
            let (Ok(to_client), Ok(to_device)) = (client.try_clone(), device.try_clone()) else { return };
            join_streams(Both::Unix(client), Both::Tcp(device), Both::Unix(to_client), Both::Tcp(to_device));
        });
    }
}

fn connect(port: u16, token: &str, verb: &str) -> Result<TcpStream, Failure> {
    let mut stream =
        TcpStream::connect((Ipv4Addr::LOCALHOST, port)).map_err(|error| format!("port {port}: {error}"))?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(HANDSHAKE_TIMEOUT))?;
    stream.write_all(format!("{token} {verb}\n").as_bytes())?;
    match read_line(&mut stream) {
        Ok(answer) if answer == "ok" => {}
        Ok(answer) if answer.is_empty() => {
            return Err("the device closed the connection: it is not up yet, or ends".into());
        }
        Ok(answer) => return Err(answer.into()),
        Err(error) => return Err(format!("the device does not answer: {error}").into()),
    }
    stream.set_read_timeout(None)?;
    Ok(stream)
}

fn run(arguments: &[String]) -> Result<u8, Failure> {
    let options = Options::parse(arguments)?;
    let state = Path::new(options.one("state")?);
    let port = fs::read_to_string(state.join("port"))?.trim().parse()?;
    let mut stream = connect(port, &read_token(&state.join("token"))?, "run")?;
    let output = Arc::new(Mutex::new(stream.try_clone()?));
    let mut request = String::new();
    for name in ["user", "directory", "environment"] {
        for value in options.all(name) {
            if value.contains('\n') {
                return Err(format!("--{name} cannot have several lines").into());
            }
            request.push_str(&format!("{name}={value}\n"));
        }
    }
    request.push_str(&format!("command={}", options.rest.join(" ")));
    write_frame(&output, REQUEST, request.as_bytes())?;
    if options.all("stdin").any(|value| value == "none") {
        write_frame(&output, STDIN_END, &[])?;
    } else {
        thread::spawn(move || {
            let mut piece = vec![0; PIECE];
            let mut stdin = io::stdin().lock();
            while let Ok(length @ 1..) = stdin.read(&mut piece) {
                if write_frame(&output, STDIN, &piece[..length]).is_err() {
                    return;
                }
            }
            let _ = write_frame(&output, STDIN_END, &[]);
        });
    }
    while let Some((kind, bytes)) = read_frame(&mut stream)? {
        let written = match kind {
            STDOUT => io::stdout().write_all(&bytes).and_then(|()| io::stdout().flush()),
            STDERR => io::stderr().write_all(&bytes),
            EXIT => return Ok(bytes.first().copied().unwrap_or(255)),
            FAILED => return Err(String::from_utf8_lossy(&bytes).into_owned().into()),
            other => return Err(format!("unknown frame of kind {other}").into()),
        };
        // Nobody reads any more: as a program that dies of SIGPIPE; the device ends the command when we are gone.
        if written.is_err() {
            return Ok(141);
        }
    }
    Err("the device has gone away before the command ended".into())
}

// ---- Both ends ----

fn read_token(path: &Path) -> Result<String, Failure> {
    let token = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?.trim().to_owned();
    if token.len() < 32 { Err(format!("{} holds no token", path.display()).into()) } else { Ok(token) }
}

fn write_atomically(path: &Path, text: &str) -> io::Result<()> {
    let hidden = path.with_extension("new");
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&hidden)?;
    file.write_all(text.as_bytes())?;
    fs::rename(&hidden, path)
}

/// One line of at most 256 bytes, read byte by byte: what follows is not ours.
fn read_line(stream: &mut TcpStream) -> io::Result<String> {
    let mut line = Vec::new();
    BufReader::with_capacity(1, stream).take(256).read_until(b'\n', &mut line)?;
    Ok(String::from_utf8_lossy(&line).trim_end().to_owned())
}

fn read_frame(stream: &mut TcpStream) -> Result<Option<(u8, Vec<u8>)>, Failure> {
    let mut head = [0; 5];
    match stream.read_exact(&mut head) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error.into()),
    }
    let [kind, length @ ..] = head;
    let length = usize::try_from(u32::from_le_bytes(length))?;
    if length > LONGEST_FRAME {
        return Err(format!("a frame of {length} bytes is none of ours").into());
    }
    let mut bytes = vec![0; length];
    stream.read_exact(&mut bytes)?;
    Ok(Some((kind, bytes)))
}

fn write_frame(stream: &Mutex<TcpStream>, kind: u8, bytes: &[u8]) -> Result<(), Failure> {
    let mut frame = Vec::with_capacity(bytes.len() + 5);
    frame.push(kind);
    frame.extend(u32::try_from(bytes.len())?.to_le_bytes());
    frame.extend(bytes);
    let mut stream = stream.lock().map_err(|_| "a thread broke down")?;
    Ok(stream.write_all(&frame)?)
}

enum Both {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Both {
    fn shutdown(&self, how: Shutdown) {
        let _ = match self {
            Self::Tcp(stream) => stream.shutdown(how),
            Self::Unix(stream) => stream.shutdown(how),
        };
    }
}

impl Read for Both {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.read(bytes),
            Self::Unix(stream) => stream.read(bytes),
        }
    }
}

impl Write for Both {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.write(bytes),
            Self::Unix(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Carries bytes both ways until both ends have said that there is no more. The last two are copies of the first two.
fn join_streams(one: Both, other: Both, one_again: Both, other_again: Both) {
    let back = thread::spawn(move || carry(other, one_again));
    carry(one, other_again);
    let _ = back.join();
}

fn carry(mut from: Both, mut to: Both) {
    let mut piece = vec![0; PIECE];
    loop {
        match from.read(&mut piece) {
            Ok(0) => break to.shutdown(Shutdown::Write),
            Ok(length) if to.write_all(&piece[..length]).is_ok() => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // One direction is broken, so the other is of no use to anybody.
            _ => {
                from.shutdown(Shutdown::Both);
                break to.shutdown(Shutdown::Both);
            }
        }
    }
}
