//! What the traced program of the expectation suite does; `table.rs` says what each probe has to see of it.
//!
//! A file of its own, compiled by itself and static, so that it runs on every kernel and machine of the matrix with nothing but
//! itself: `rustc --edition 2024 -O -C target-feature=+crt-static`. What it does depends on its name, or its first argument:
//!
//! * `prepare DIRECTORY`: makes the files that the others use, and copies of this program under other names.
//! * `serve`: answers HTTP on two TCP ports and DNS on port 53, all at a loopback address of its own. Prints the address and
//!   the ports, and ends with its input.
//! * `act DIRECTORY ADDRESS PORT HELD-PORT [wait]`: the acts. With `wait` it prints its process id first, and begins after a line of input.
//!   It prints what came of what a tracer could change; before its last acts it prints `holding` and waits for a line of input.
//! * `reader FILE`: reads it. `caller PROGRAM ARGUMENT`: runs it and waits. `ender STATUS`: ends so. `sleeper`, `holder`: wait for a signal.

use std::ffi::{c_int, c_long};
use std::fs;
use std::io::{BufRead as _, Read as _, Write as _};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::Path;
use std::process::{Command, Stdio, exit};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

const SIGKILL: c_int = 9;
const SIGUSR1: c_int = 10;
const SIGCONT: c_int = 18;
const SIGSTOP: c_int = 19;
const WUNTRACED: c_int = 2;
/// The same number on every architecture.
const SYS_IO_URING_SETUP: c_long = 425;
/// An app, as Android numbers them.
const APP: u32 = 10123;
/// Names under which the program runs itself.
const COPIES: [&str; 5] = ["reader", "caller", "ender", "sleeper", "holder"];
const CONTENT: &str = "some content\n";

unsafe extern "C" {
    fn fork() -> c_int;
    fn getpid() -> c_int;
    fn kill(pid: c_int, signal: c_int) -> c_int;
    fn pause() -> c_int;
    fn setgid(id: u32) -> c_int;
    fn setuid(id: u32) -> c_int;
    fn signal(number: c_int, handler: extern "C" fn(c_int)) -> usize;
    fn syscall(number: c_long, ...) -> c_long;
    fn waitpid(pid: c_int, status: *mut c_int, options: c_int) -> c_int;
    fn __libc_current_sigrtmin() -> c_int;
    fn _exit(status: c_int) -> !;
}

static HANDLED: AtomicUsize = AtomicUsize::new(0);

extern "C" fn handle(_number: c_int) {
    HANDLED.fetch_add(1, Ordering::Relaxed);
}

fn main() {
    let mut words: Vec<String> = std::env::args().collect();
    let name = words[0].rsplit('/').next().unwrap_or_default().to_owned();
    if !COPIES.contains(&name.as_str()) {
        words.remove(0);
    } else {
        words[0] = name;
    }
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["prepare", directory] => prepare(directory),
        ["serve"] => serve(),
        ["act", directory, address, port, held, rest @ ..] => {
            let number = |text: &str| text.parse().expect("a port");
            act(directory, address, [number(port), number(held)], rest == ["wait"]);
        }
        ["reader", file] => exit(i32::from(fs::read(file).is_err())),
        ["caller", program, argument] => exit(Command::new(program).arg(argument).status().map_or(126, code)),
        ["ender", status] => exit(status.parse().expect("a status")),
        // SAFETY: takes nothing and touches no memory.
        ["sleeper"] | ["holder", ..] => unsafe {
            pause();
        },
        _ => {
            eprintln!("work: these words are not understood: {words:?}");
            exit(64);
        }
    }
}

fn code(status: std::process::ExitStatus) -> i32 {
    status.code().unwrap_or(-1)
}

fn say(line: &str) {
    println!("{line}");
    std::io::stdout().flush().expect("the output is writable");
}

/// Whether a line came, rather than the end.
fn hear() -> bool {
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line).expect("the input is readable") > 0
}

fn prepare(directory: &str) {
    fs::create_dir_all(directory).expect("the directory can be made");
    let mode = |name: &str, mode| {
        fs::set_permissions(Path::new(directory).join(name), fs::Permissions::from_mode(mode)).expect("the mode can be set");
    };
    mode("", 0o755);
    for name in ["plain", "by-thread", "by-user", "narrow-file", "held", "secret"] {
        fs::write(Path::new(directory).join(name), CONTENT).expect("a file can be written");
        mode(name, 0o644);
    }
    mode("secret", 0o600);
    let own = std::env::current_exe().expect("this program has a file");
    for name in COPIES {
        fs::copy(&own, Path::new(directory).join(name)).expect("this program can be copied");
        mode(name, 0o755);
    }
}

/// The question for probe.example, type A, with number 0x1234.
const QUESTION: &[u8] = b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x05probe\x07example\x00\x00\x01\x00\x01";

fn serve() {
    // SAFETY: takes nothing and touches no memory.
    let pid = unsafe { getpid() };
    // Port 53 is the same for everybody, so that each server takes an address of its own.
    let address = format!("127.{}.{}.{}", 64 + (pid >> 16 & 63), pid >> 8 & 255, pid & 255);
    let names = UdpSocket::bind((address.as_str(), 53)).expect("port 53 can be had");
    let [pages, others] = [(); 2].map(|()| TcpListener::bind((address.as_str(), 0)).expect("a port can be had"));
    let [port, held] = [&pages, &others].map(|one| one.local_addr().expect("it has an address").port());
    thread::spawn(move || {
        let mut question = [0; 512];
        while let Ok((size, from)) = names.recv_from(&mut question) {
            let mut answer = question[..size].to_vec();
            answer[2] |= 0x80;
            answer[7] = 1;
            answer.extend(b"\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04\xc0\x00\x02\x07");
            let _gone = names.send_to(&answer, from);
        }
    });
    thread::spawn(move || {
        for mut stream in pages.incoming().flatten() {
            let _gone = stream.read(&mut [0; 4096]);
            let _gone = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nok\n");
        }
    });
    say(&format!("{address} {port} {held}"));
    while hear() {}
    drop(others);
}

/// The first message of a TLS 1.3 client for tracker.example.
fn client_hello() -> Vec<u8> {
    fn sized(width: usize, content: &[u8]) -> Vec<u8> {
        let size = content.len().to_be_bytes();
        [&size[size.len() - width..], content].concat()
    }
    let name = sized(2, &[&[0][..], &sized(2, b"tracker.example")].concat());
    let protocols = sized(2, &[sized(1, b"h2"), sized(1, b"http/1.1")].concat());
    let extensions = [
        &[0, 0][..],
        &sized(2, &name),
        &[0, 16],
        &sized(2, &protocols),
        // Version 1.3 and nothing else.
        &[0, 43, 0, 3, 2, 3, 4],
    ]
    .concat();
    // Version, random, no session, one cipher, no compression.
    let body = [&[3, 3][..], &[7; 32], &[0], &[0, 2, 0x13, 1], &[1, 0], &sized(2, &extensions)].concat();
    let message = [&[1][..], &sized(3, &body)].concat();
    [&[22, 3, 1][..], &sized(2, &message)].concat()
}

fn act(directory: &str, address: &str, [port, held]: [u16; 2], wait: bool) {
    if wait {
        say(&format!("pid {}", std::process::id()));
        assert!(hear(), "nobody says when to begin");
    }
    let file = |name: &str| format!("{directory}/{name}");
    files(&file);
    network(&file, address, port);
    say(&signals(&file));
    say(&format!("child {}", child_of_another_user(&file)));
    say(&format!("narrow {}", narrow(&file)));
    let mut parameters = [0_u64; 15];
    // SAFETY: the kernel fills the parameters, which are 120 bytes.
    let ring = unsafe { syscall(SYS_IO_URING_SETUP, 1, parameters.as_mut_ptr()) };
    say(if ring < 0 { "io_uring no" } else { "io_uring yes" });
    say(&format!("binder {}", binder(&file)));
    hold(&file, address, held);

    // More threads that die with the process, which executes another program from one of them.
    thread::spawn(|| {
        // SAFETY: takes nothing and touches no memory.
        unsafe { pause() }
    });
    let ender = file("ender");
    let failed = thread::spawn(move || Command::new(ender).arg("7").exec()).join();
    panic!("the last program cannot be executed: {failed:?}");
}

fn files(file: &dyn Fn(&str) -> String) {
    let run = |program: &str, arguments: &[&str]| Command::new(file(program)).args(arguments).status().map_or(-1, code);
    assert_eq!(run("reader", &[&file("plain")]), 0);
    assert_eq!(run("reader", &[&file("absent")]), 1);
    // A grandchild.
    assert_eq!(run("caller", &[&file("reader"), &file("plain")]), 0);
    assert_eq!(run("caller", &[&file("ender"), "3"]), 3);
    fs::write(file("one"), "x").expect("a file can be written");
    fs::rename(file("one"), file("two")).expect("it can be renamed");
    fs::remove_file(file("two")).expect("it can be removed");
    fs::create_dir(file("inner")).expect("a directory can be made");
    fs::remove_dir(file("inner")).expect("it can be removed");
    let by_thread = file("by-thread");
    thread::spawn(move || fs::read(by_thread)).join().expect("the thread ends").expect("the file can be read");
}

fn network(file: &dyn Fn(&str) -> String, address: &str, port: u16) {
    let mut page = String::new();
    let mut stream = TcpStream::connect((address, port)).expect("the server answers");
    let request = "GET /path HTTP/1.1\r\nHost: shop.example\r\nUser-Agent: work\r\nConnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).expect("it listens");
    stream.read_to_string(&mut page).expect("it answers");
    assert!(page.ends_with("ok\n"), "{page}");
    let mut stream = TcpStream::connect((address, port)).expect("the server answers");
    stream.write_all(&client_hello()).expect("it listens");
    drop(stream);

    let names = UdpSocket::bind(("127.0.0.1", 0)).expect("a port can be had");
    names.send_to(QUESTION, (address, 53)).expect("a question can be sent");
    let mut answer = [0; 512];
    let (size, _) = names.recv_from(&mut answer).expect("an answer comes");
    assert!(size > QUESTION.len(), "the answer is longer than the question");

    let _from_a_run_before = fs::remove_file(file("socket"));
    let server = UnixListener::bind(file("socket")).expect("a socket can be bound");
    let mut client = UnixStream::connect(file("socket")).expect("it can be connected to");
    let (mut accepted, _) = server.accept().expect("a connection can be accepted");
    client.write_all(b"12345").expect("it can be written to");
    accepted.read_exact(&mut [0; 5]).expect("and read from");
    assert!(TcpStream::connect(("127.0.0.1", 1)).is_err(), "nobody listens at port 1");
}

/// Stopped and continued, handlers, and one that kills.
fn signals(file: &dyn Fn(&str) -> String) -> String {
    // SAFETY: the handler touches an atomic number only; the rest are plain calls with values that live long enough.
    unsafe {
        for number in [SIGUSR1, __libc_current_sigrtmin() + 3] {
            signal(number, handle);
            kill(getpid(), number);
        }
        let mut child = Command::new(file("sleeper")).spawn().expect("a child starts");
        let pid = child.id() as c_int;
        kill(pid, SIGSTOP);
        let mut status = 0;
        assert_eq!(waitpid(pid, &raw mut status, WUNTRACED), pid);
        let stopped_by = status >> 8 & 0xff;
        kill(pid, SIGCONT);
        kill(pid, SIGKILL);
        let killed_by = child.wait().expect("it ends").signal().unwrap_or(0);
        format!("handled {} stopped by {stopped_by} killed by {killed_by}", HANDLED.load(Ordering::Relaxed))
    }
}

/// A child of fork that becomes an app, opens a file, and is refused another.
fn child_of_another_user(file: &dyn Fn(&str) -> String) -> i32 {
    let (open, secret) = (file("by-user"), file("secret"));
    // SAFETY: no other thread runs, so that the child may go on as the parent would.
    unsafe {
        let pid = fork();
        if pid == 0 {
            let opened = setgid(APP) == 0 && setuid(APP) == 0 && fs::File::open(open).is_ok();
            let denied = fs::File::open(secret).is_err_and(|error| error.raw_os_error() == Some(13));
            _exit(if opened && denied { 5 } else { 6 });
        }
        let mut status = 0;
        assert_eq!(waitpid(pid, &raw mut status, 0), pid);
        status >> 8 & 0xff
    }
}

/// The status of the 32-bit program; or why there is none.
fn narrow(file: &dyn Fn(&str) -> String) -> String {
    match Command::new(file("narrow")).arg(file("narrow-file")).status() {
        Ok(status) => code(status).to_string(),
        Err(error) => format!("not run: {error}"),
    }
}

/// Calls whoever is context manager of the binder driver: as if it were a content provider, and as a system service.
fn binder(file: &dyn Fn(&str) -> String) -> String {
    let calls = format!(
        "call 0 android.content.IContentProvider 1 parcel={}\ncall 0 android.location.ILocationManager 1\n",
        file("query.parcel")
    );
    let peer = Command::new(file("binder_peer")).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let Ok(mut peer) = peer else { return "absent".to_owned() };
    peer.stdin.take().expect("it was asked for").write_all(calls.as_bytes()).expect("it listens");
    let mut said = String::new();
    peer.stdout.take().expect("it was asked for").read_to_string(&mut said).expect("it speaks");
    peer.wait().expect("it ends");
    said.lines().collect::<Vec<_>>().join(" ")
}

/// Holds a file, a connection, a listening socket and a child for as long as somebody may want to look.
fn hold(file: &dyn Fn(&str) -> String, address: &str, port: u16) {
    let _open = fs::File::open(file("held")).expect("it can be opened");
    let _connected = TcpStream::connect((address, port)).expect("the server answers");
    let _listening = TcpListener::bind(("127.0.0.1", 0)).expect("a port can be had");
    let words = ["some", "words"];
    let mut child = Command::new(file("holder")).args(words).stdin(Stdio::null()).spawn().expect("a child starts");
    say("holding");
    hear();
    // SAFETY: a plain call; the child was not waited for yet, so the number is still its own.
    unsafe { kill(child.id() as c_int, SIGKILL) };
    child.wait().expect("it ends");
    say("held");
    hear();
}
