//! The eBPF probe against real programs on the running kernel: tier 1, the kernel's own objects.
#![cfg(feature = "ebpf")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests may panic")]

mod ebpf_support;

use std::process::Command;

use candor::device::probe::ebpf::EbpfChoice;
use candor::device::probe::record_layout::{
    blind_spot_body, file_open_body, path_change_body, process_exec_body, process_exit_body, process_start_body,
    record_flag, record_kind, segment_tag, socket_body, socket_payload_body, socket_totals_body, totals_body,
};
use candor::event::{Family, ProbeState, Selection};
use ebpf_support::{Fixture, Gated, Record};

const ENOENT: i64 = -2;
const EACCES: i64 = -13;
const ECONNREFUSED: i64 = -111;
const EINPROGRESS: i64 = -115;

fn tier_1() -> Fixture {
    Fixture::open(EbpfChoice::KernelObjects)
}

fn opened(argument: &str) -> impl Fn(&Record) -> bool + '_ {
    move |record| record.kind() == record_kind::FILE_OPEN && record.text(segment_tag::ARGUMENT) == argument
}

fn totals(handle: u64) -> impl Fn(&Record) -> bool {
    move |record| {
        record.kind() == record_kind::FILE_TOTALS
            && record.u64(totals_body::HANDLE) == handle
            && record.flags() & record_flag::CLOSED != 0
    }
}

#[test]
#[ignore = "needs root and eBPF: run by scripts/test"]
fn every_program_is_taken_by_this_kernel() {
    let fixture = tier_1();
    for status in fixture.probe.statuses() {
        // Where there is no binder driver there is nothing to attach to.
        let of_binder = matches!(status.family, Family::Provider | Family::Service);
        let taken = status.state == ProbeState::Attached || (of_binder && status.state == ProbeState::Absent);
        assert!(taken, "{:?}: {} {}", status.family, status.state.name(), status.reason);
    }
}

#[test]
#[ignore = "needs root and eBPF: run by scripts/test"]
fn opened_files_have_the_path_of_the_kernel_object() {
    let directory = tempfile::tempdir().unwrap();
    let real = directory.path().join("real.txt");
    std::fs::write(&real, "hello").unwrap();
    std::os::unix::fs::symlink(&real, directory.path().join("link")).unwrap();
    let mut fixture = tier_1();
    let pid = fixture.run_python(&format!("os.chdir({:?})\nos.open('link', os.O_RDONLY)", directory.path()));
    let record = fixture.expect("open of the link", opened("link"));
    assert_eq!(record.path(), real.to_str().unwrap());
    assert_eq!(record.header().tgid, pid);
    assert_eq!(record.header().sessions, 1 << 3);
    assert!(record.i64(file_open_body::RESULT) >= 0);
    let metadata = std::fs::metadata(&real).unwrap();
    assert_eq!(record.u64(file_open_body::INODE), std::os::unix::fs::MetadataExt::ino(&metadata));
    assert_eq!(record.u32(file_open_body::MODE), std::os::unix::fs::MetadataExt::mode(&metadata));
    assert_eq!(record.flags() & record_flag::USER_MEMORY, 0);
}

#[test]
#[ignore = "needs root and eBPF: run by scripts/test"]
fn a_path_in_a_chroot_is_the_path_that_the_process_sees() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::create_dir(directory.path().join("inner")).unwrap();
    std::fs::write(directory.path().join("inner/file"), "x").unwrap();
    let mut fixture = tier_1();
    fixture.run_python(&format!(
        "os.chroot({:?})\nos.chdir('/')\nos.open('inner/../inner/file', os.O_RDONLY)",
        directory.path()
    ));
    assert_eq!(fixture.expect("open in the chroot", opened("inner/../inner/file")).path(), "/inner/file");
}

#[test]
#[ignore = "needs root and eBPF: run by scripts/test"]
fn a_path_in_another_mount_namespace_goes_through_its_mounts() {
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path().join("mounted");
    std::fs::create_dir(&place).unwrap();
    let mut fixture = tier_1();
    let script = format!(
        "read go; mount -t tmpfs none {0} && mkdir {0}/a && echo secret > {0}/a/b && cat {0}/a/b >/dev/null",
        place.display()
    );
    let mut child = Gated::command(Command::new("unshare").args(["-m", "sh", "-c", &script]));
    fixture.select_trees(&[child.pid()]);
    child.release();
    child.wait();
    let path = format!("{}/a/b", place.display());
    fixture.until_exit(child.pid());
    let record = fixture.expect("open by cat", |record| {
        record.kind() == record_kind::FILE_OPEN && record.path() == path && record.header().comm.starts_with(b"cat\0")
    });
    assert_eq!(record.text(segment_tag::ARGUMENT), path);
    // What cat read shows in the totals of the same handle.
    let handle = record.u64(file_open_body::HANDLE);
    assert_eq!(fixture.expect("totals of cat", totals(handle)).u64(totals_body::BYTES_IN), 7);
}

#[test]
#[ignore = "needs root and eBPF: run by scripts/test"]
fn failed_opens_have_their_error_and_their_path() {
    let directory = tempfile::tempdir().unwrap();
    let secret = directory.path().join("secret");
    std::fs::write(&secret, "x").unwrap();
    std::fs::set_permissions(&secret, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    std::fs::set_permissions(directory.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let mut fixture = tier_1();
    fixture.run_python(&format!(
        "os.chdir({:?})\nos.setuid(10123)\nfor name in ('absent', 'secret'):\n  try: os.open(name, os.O_RDONLY)\n  except OSError: pass",
        directory.path()
    ));
    let absent = fixture.expect("failed open", opened("absent"));
    assert_eq!(absent.i64(file_open_body::RESULT), ENOENT);
    assert_eq!(absent.path_of(segment_tag::BASE), directory.path().to_str().unwrap());
    assert_eq!(absent.u64(file_open_body::HANDLE), 0);
    let denied = fixture.expect("denied open", opened("secret"));
    assert_eq!(denied.i64(file_open_body::RESULT), EACCES);
    assert_eq!(denied.header().uid, 10123);
    assert_ne!(denied.flags() & record_flag::USER_MEMORY, 0);
}

#[test]
#[ignore = "needs root and eBPF: run by scripts/test"]
fn totals_come_with_the_close_and_a_reused_number_is_another_handle() {
    let directory = tempfile::tempdir().unwrap();
    let mut fixture = tier_1();
    fixture.run_python(&format!(
        "os.chdir({:?})\n\
         a=os.open('one', os.O_RDWR|os.O_CREAT)\nos.write(a, b'x'*100)\nos.pwrite(a, b'y'*11, 0)\nos.lseek(a,0,0)\nos.read(a, 64)\nos.close(a)\n\
         b=os.open('two', os.O_RDWR|os.O_CREAT)\nassert a==b\nos.writev(b, [b'zz',b'zzz'])\nos.close(b)",
        directory.path()
    ));
    let one = fixture.expect("first open", opened("one"));
    let two = fixture.expect("second open", opened("two"));
    assert_eq!(one.i64(file_open_body::RESULT), two.i64(file_open_body::RESULT));
    let (first, second) = (one.u64(file_open_body::HANDLE), two.u64(file_open_body::HANDLE));
    assert_ne!(first, second);
    let record = fixture.expect("first totals", totals(first));
    assert_eq!(
        [totals_body::BYTES_IN, totals_body::BYTES_OUT, totals_body::CALLS_IN, totals_body::CALLS_OUT]
            .map(|at| record.u64(at)),
        [64, 111, 1, 2]
    );
    let record = fixture.expect("second totals", totals(second));
    assert_eq!((record.u64(totals_body::BYTES_OUT), record.u64(totals_body::CALLS_OUT)), (5, 1));
}

#[test]
#[ignore = "needs root and eBPF: run by scripts/test"]
fn totals_of_open_files_come_by_the_timer_and_at_the_exit() {
    let directory = tempfile::tempdir().unwrap();
    let mut fixture = tier_1();
    let mut child = Gated::python(&format!(
        "os.chdir({:?})\na=os.open('kept', os.O_RDWR|os.O_CREAT)\nos.write(a, b'x'*10)\nsys.stdin.readline()\nos.write(a, b'x'*5)\nos._exit(7)",
        directory.path()
    ))
    .may_fail();
    fixture.select_trees(&[child.pid()]);
    child.release();
    let open = fixture.expect("open", opened("kept"));
    let handle = open.u64(file_open_body::HANDLE);
    let by_timer = fixture.expect("totals by the timer", |record| {
        record.kind() == record_kind::FILE_TOTALS && record.u64(totals_body::HANDLE) == handle
    });
    assert_eq!(by_timer.u64(totals_body::BYTES_OUT), 10);
    assert_eq!(by_timer.flags() & record_flag::CLOSED, 0);
    child.say("end");
    child.wait();
    fixture.until_exit(child.pid());
    let place = fixture.records.iter().position(totals(handle)).expect("final totals");
    assert_eq!(fixture.records[place].u64(totals_body::BYTES_OUT), 15);
    let exit = fixture.records.iter().position(|record| record.kind() == record_kind::PROCESS_EXIT).unwrap();
    assert!(place < exit, "the exit was told before the totals");
    assert_eq!(fixture.records[exit].u32(process_exit_body::WAIT_STATUS), 7 << 8);
}

#[test]
#[ignore = "needs root and eBPF: run by scripts/test"]
fn duplicated_and_inherited_descriptors_are_found_when_used() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("shared");
    let mut fixture = tier_1();
    let parent = fixture.run_python(&format!(
        "a=os.open({path:?}, os.O_RDWR|os.O_CREAT)\nb=os.dup(a)\nos.write(b, b'123')\nos.close(b)\n\
         if os.fork()==0:\n  os.write(a, b'12345')\n  os._exit(0)\nos.wait()"
    ));
    let preexisting = |record: &Record| {
        record.kind() == record_kind::FILE_OPEN
            && record.flags() & record_flag::PREEXISTING != 0
            && record.path() == path.to_str().unwrap()
    };
    let dup = fixture.expect("the duplicate", |record| preexisting(record) && record.header().tgid == parent);
    assert_eq!(fixture.expect("its totals", totals(dup.u64(file_open_body::HANDLE))).u64(totals_body::BYTES_OUT), 3);
    let start = fixture.expect("start of the child", |record| record.kind() == record_kind::PROCESS_START);
    assert_eq!(start.u32(process_start_body::PARENT_TGID), parent);
    let child = start.header().tgid;
    let inherited = fixture.expect("the inherited one", |record| preexisting(record) && record.header().tgid == child);
    assert_eq!(inherited.header().start_ns, start.header().start_ns);
    assert_eq!(
        fixture.expect("its totals", totals(inherited.u64(file_open_body::HANDLE))).u64(totals_body::BYTES_OUT),
        5
    );
}

#[test]
#[ignore = "needs root and eBPF: run by scripts/test"]
fn a_number_freed_by_close_on_exec_is_not_mistaken() {
    let directory = tempfile::tempdir().unwrap();
    let before = directory.path().join("before");
    let mut fixture = tier_1();
    let script = format!(
        "a=os.open({before:?}, os.O_RDWR|os.O_CREAT|os.O_CLOEXEC)\nos.write(a, b'123')\n\
         os.execvp('python3', ['python3', '-c', 'import socket; a,b=socket.socketpair(); a.send(b\"x\"*50); b.recv(50)'])"
    );
    fixture.run_python(&script);
    let open = fixture
        .expect("open", |record| record.kind() == record_kind::FILE_OPEN && record.path() == before.to_str().unwrap());
    let closed = fixture.expect("totals", totals(open.u64(file_open_body::HANDLE)));
    assert_eq!(closed.u64(totals_body::BYTES_OUT), 3);
}

#[test]
#[ignore = "needs root and eBPF: run by scripts/test"]
fn mapped_files_and_copies_in_the_kernel_are_seen() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("from"), vec![1; 5000]).unwrap();
    let mut fixture = tier_1();
    fixture.run_python(&format!(
        "import mmap\nos.chdir({:?})\na=os.open('from', os.O_RDONLY)\nb=os.open('to', os.O_RDWR|os.O_CREAT)\n\
         os.sendfile(b, a, 0, 3000)\nm=mmap.mmap(a, 0, prot=mmap.PROT_READ)\nos.close(a)\nos.close(b)",
        directory.path()
    ));
    let from = fixture.expect("open", opened("from")).u64(file_open_body::HANDLE);
    let to = fixture.expect("open", opened("to")).u64(file_open_body::HANDLE);
    let from = fixture.expect("totals", totals(from));
    assert_eq!(from.u64(totals_body::BYTES_IN), 3000);
    assert_ne!(from.flags() & record_flag::MAPPED, 0);
    assert_eq!(fixture.expect("totals", totals(to)).u64(totals_body::BYTES_OUT), 3000);
}

#[test]
#[ignore = "needs root and eBPF: run by scripts/test"]
fn renames_and_removals_have_both_paths_and_results() {
    let directory = tempfile::tempdir().unwrap();
    let script = "read go; cd \"$1\"; echo x > a; mv a b; mkdir d; mv b d/; rm d/b; rmdir d; rm absent; true";
    let mut fixture = tier_1();
    let mut child = Gated::command(
        Command::new("sh").args(["-c", script, "sh"]).arg(directory.path()).stderr(std::process::Stdio::null()),
    );
    fixture.select_trees(&[child.pid()]);
    child.release();
    child.wait();
    fixture.until_exit(child.pid());
    let rename = fixture.expect("rename", |record| {
        record.kind() == record_kind::FILE_RENAME
            && record.text(segment_tag::ARGUMENT) == "a"
            && record.i64(path_change_body::RESULT) == 0
    });
    assert_eq!(rename.text(segment_tag::ARGUMENT_2), "b");
    assert_eq!(rename.path_of(segment_tag::BASE), directory.path().to_str().unwrap());
    assert_eq!(rename.path_of(segment_tag::BASE_2), directory.path().to_str().unwrap());
    let unlink = |name: &'static str| {
        move |record: &Record| record.kind() == record_kind::FILE_UNLINK && record.text(segment_tag::ARGUMENT) == name
    };
    assert_eq!(fixture.expect("unlink", unlink("d/b")).u32(path_change_body::IS_DIRECTORY), 0);
    assert_eq!(fixture.expect("rmdir", unlink("d")).u32(path_change_body::IS_DIRECTORY), 1);
}

#[test]
#[ignore = "needs root and eBPF: run by scripts/test"]
fn exec_has_the_program_and_its_arguments_and_a_failure_its_error() {
    let mut fixture = tier_1();
    let pid = fixture.run_python(
        "try: os.execv('/nonexistent/program', ['x'])\nexcept OSError: pass\nos.execvp('sh', ['sh', '-c', 'exit 3'])\n",
    );
    let failed = fixture.expect("failed exec", |record| {
        record.kind() == record_kind::PROCESS_EXEC && record.text(segment_tag::ARGUMENT) == "/nonexistent/program"
    });
    assert_eq!(failed.i64(process_exec_body::RESULT), ENOENT);
    let exec = fixture.expect("exec", |record| {
        record.kind() == record_kind::PROCESS_EXEC && record.text(segment_tag::COMMAND_LINE) == "sh\0-c\0exit 3\0"
    });
    let shell = std::fs::canonicalize("/bin/sh").unwrap();
    assert_eq!(exec.path(), shell.to_str().unwrap());
    let exit =
        fixture.expect("exit", |record| record.kind() == record_kind::PROCESS_EXIT && record.header().tgid == pid);
    assert_eq!(exit.u32(process_exit_body::WAIT_STATUS), 3 << 8);
    assert_eq!(exit.header().start_ns, exec.header().start_ns);
}

#[test]
#[ignore = "needs root and eBPF: run by scripts/test"]
fn a_killed_process_has_its_signal_and_threads_are_no_processes() {
    let mut fixture = tier_1();
    let pid = fixture.run_python(
        "import threading,signal\nts=[threading.Thread(target=time.sleep, args=(0,)) for _ in range(4)]\n[t.start() for t in ts]\n[t.join() for t in ts]\nos.kill(os.getpid(), signal.SIGKILL)\n",
    );
    let exit = fixture.expect("exit", |record| record.kind() == record_kind::PROCESS_EXIT);
    assert_eq!(exit.u32(process_exit_body::WAIT_STATUS) & 0x7f, 9);
    assert_eq!(fixture.count(|record| record.kind() == record_kind::PROCESS_EXIT && record.header().tgid == pid), 1);
    assert_eq!(fixture.count(|record| record.kind() == record_kind::PROCESS_START), 0);
}

fn connect(remote: &str) -> impl Fn(&Record) -> bool + '_ {
    move |record| record.kind() == record_kind::SOCKET_CONNECT && record.end(socket_body::REMOTE) == remote
}

#[test]
#[ignore = "needs root and eBPF: run by scripts/test"]
fn connections_have_both_ends_results_totals_and_their_first_bytes() {
    let four = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let six = std::net::TcpListener::bind("[::1]:0").unwrap();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let (four_end, six_end, closed_end) = (
        four.local_addr().unwrap().to_string(),
        six.local_addr().unwrap().to_string(),
        free.local_addr().unwrap().to_string(),
    );
    drop(free);
    let server = std::thread::spawn(move || {
        for listener in [four, six] {
            let (mut stream, _) = listener.accept().unwrap();
            std::io::Write::write_all(&mut stream, b"hello there").unwrap();
            let mut sink = Vec::new();
            // A client that closes with bytes unread resets the connection.
            let _reset = std::io::Read::read_to_end(&mut stream, &mut sink);
        }
    });
    let port = |end: &str| end.rsplit(':').next().unwrap().to_owned();
    let mut fixture = tier_1();
    fixture.run_python(&format!(
        "a=socket.create_connection(('127.0.0.1',{}))\na.sendall(b'GET / HTTP/1.1\\r\\n')\na.sendall(b'z'*6000)\na.sendall(b'late')\na.recv(100)\na.close()\n\
         b=socket.socket(socket.AF_INET6)\nb.setblocking(False)\ntry: b.connect(('::1',{}))\nexcept BlockingIOError: pass\nb.setblocking(True)\nb.send(b'six')\nb.close()\n\
         try: socket.create_connection(('127.0.0.1',{}))\nexcept OSError: pass",
        port(&four_end), port(&six_end), port(&closed_end)
    ));
    server.join().unwrap();
    let record = fixture.expect("connect v4", connect(&four_end));
    assert_eq!(record.i64(socket_body::RESULT), 0);
    assert_eq!(
        (record.u16(socket_body::FAMILY), record.u16(socket_body::TYPE), record.u16(socket_body::PROTOCOL)),
        (2, 1, 6)
    );
    assert!(record.end(socket_body::LOCAL).starts_with("127.0.0.1:"));
    assert_eq!(record.flags(), 0);
    let handle = record.u64(socket_body::HANDLE);
    let payload = |record: &&Record| {
        record.kind() == record_kind::SOCKET_PAYLOAD && record.u64(socket_payload_body::HANDLE) == handle
    };
    let payloads: Vec<&Record> = fixture.records.iter().filter(payload).collect();
    assert_eq!(payloads.len(), 2, "only the first 4096 bytes are looked at");
    assert_eq!(payloads[0].text(segment_tag::PAYLOAD), "GET / HTTP/1.1\r\n");
    assert_eq!(payloads[1].u64(socket_payload_body::OFFSET), 16);
    assert_eq!(payloads[1].u64(socket_payload_body::WIRE_LENGTH), 6000);
    assert_eq!(payloads[1].segment(segment_tag::PAYLOAD).unwrap().len(), 4096 - 16);
    let totals = fixture.expect("totals", |record| {
        record.kind() == record_kind::SOCKET_TOTALS
            && record.u64(totals_body::HANDLE) == handle
            && record.flags() & record_flag::CLOSED != 0
    });
    assert_eq!(totals.u64(totals_body::BYTES_OUT), 16 + 6000 + 4);
    assert_eq!(totals.u64(totals_body::BYTES_IN), 11);
    assert_eq!(totals.end(socket_totals_body::REMOTE), four_end);
    let six = fixture.expect("connect v6", connect(&six_end));
    assert_eq!(six.i64(socket_body::RESULT), EINPROGRESS);
    let refused = fixture.expect("refused connect", connect(&closed_end));
    assert_eq!(refused.i64(socket_body::RESULT), ECONNREFUSED);
}

#[test]
#[ignore = "needs root and eBPF: run by scripts/test"]
fn servers_bind_listen_and_accept() {
    let mut fixture = tier_1();
    fixture.run_python(
        "s=socket.socket()\ns.bind(('127.0.0.1',0))\ns.listen(5)\nc=socket.create_connection(s.getsockname())\na,_=s.accept()\na.send(b'hi')\nc.recv(10)\n",
    );
    let bind = fixture.expect("bind", |record| record.kind() == record_kind::SOCKET_BIND);
    let local = bind.end(socket_body::LOCAL);
    assert!(local.starts_with("127.0.0.1:") && !local.ends_with(":0"), "{local}");
    let listen = fixture.expect("listen", |record| record.kind() == record_kind::SOCKET_LISTEN);
    assert_eq!(listen.u32(socket_body::ARGUMENT), 5);
    assert_eq!(listen.u64(socket_body::HANDLE), bind.u64(socket_body::HANDLE));
    let accept = fixture.expect("accept", |record| record.kind() == record_kind::SOCKET_ACCEPT);
    assert_eq!(accept.end(socket_body::LOCAL), local);
    let connect = fixture.expect("connect", connect(&local));
    assert_eq!(accept.end(socket_body::REMOTE), connect.end(socket_body::LOCAL));
    let totals = fixture.expect("totals of the accepted socket", |record| {
        record.kind() == record_kind::SOCKET_TOTALS
            && record.u64(totals_body::HANDLE) == accept.u64(socket_body::HANDLE)
    });
    assert_eq!(totals.u64(totals_body::BYTES_OUT), 2);
}

#[test]
#[ignore = "needs root and eBPF: run by scripts/test"]
fn unix_sockets_have_their_names() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("s");
    let mut fixture = tier_1();
    fixture.run_python(&format!(
        "s=socket.socket(socket.AF_UNIX)\ns.bind({path:?})\ns.listen(1)\nc=socket.socket(socket.AF_UNIX)\nc.connect({path:?})\nc.send(b'abc')\nc.close()\n\
         t=socket.socket(socket.AF_UNIX)\nt.bind('\\0candor-test-name')\nt.listen(1)\nd=socket.socket(socket.AF_UNIX)\nd.connect('\\0candor-test-name')\n\
         e=socket.socket(socket.AF_UNIX)\n\
         try: e.connect('/nonexistent/socket')\n\
         except OSError: pass\n"
    ));
    let path = path.to_str().unwrap();
    let remote = |name: &'static str| {
        move |record: &Record| {
            record.kind() == record_kind::SOCKET_CONNECT && record.text(segment_tag::UNIX_REMOTE) == name
        }
    };
    let by_path = fixture.expect("connect by path", |record| {
        record.kind() == record_kind::SOCKET_CONNECT && record.text(segment_tag::UNIX_REMOTE) == path
    });
    let totals = fixture.expect("totals", |record| {
        record.kind() == record_kind::SOCKET_TOTALS
            && record.u64(totals_body::HANDLE) == by_path.u64(socket_body::HANDLE)
    });
    assert_eq!(totals.u64(totals_body::BYTES_OUT), 3);
    assert_eq!(totals.text(segment_tag::UNIX_REMOTE), path);
    assert_eq!(fixture.expect("abstract", remote("\0candor-test-name")).i64(socket_body::RESULT), 0);
    assert_eq!(fixture.expect("refused", remote("/nonexistent/socket")).i64(socket_body::RESULT), ENOENT);
    assert!(
        fixture
            .find(|record| record.kind() == record_kind::SOCKET_BIND && record.text(segment_tag::UNIX_LOCAL) == path)
            .is_some()
    );
}

#[test]
#[ignore = "needs root and eBPF: run by scripts/test"]
fn dns_messages_of_the_real_resolver_are_captured_both_ways() {
    // A name server on port 53 of a network name space and a mount name space of its own, and the C library's resolver.
    let script = r#"
import threading
s=socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(('127.0.0.1',53))
def serve():
    while True:
        q,a=s.recvfrom(2000)
        name_end=q.index(b'\0',12)+5
        qtype=q[name_end-4:name_end-2]
        answer=b'\xc0\x0c\0\x01\0\x01\0\0\0\x3c\0\x04\x7f\x00\x00\x09' if qtype==b'\0\x01' else b''
        s.sendto(q[:2]+b'\x81\x80\0\x01\0'+(b'\x01' if answer else b'\0')+b'\0\0\0\0'+q[12:name_end]+answer, a)
threading.Thread(target=serve,daemon=True).start()
print(socket.getaddrinfo('tracker.example.test', 80))
os._exit(0)
"#;
    let directory = tempfile::tempdir().unwrap();
    let resolver = directory.path().join("resolv.conf");
    std::fs::write(&resolver, "nameserver 127.0.0.1\n").unwrap();
    let switch = directory.path().join("nsswitch.conf");
    std::fs::write(&switch, "hosts: dns\n").unwrap();
    let program = directory.path().join("program.py");
    std::fs::write(&program, format!("import socket,os\n{script}")).unwrap();
    let outer = format!(
        "read go; ip link set lo up; mount --bind {} /etc/resolv.conf; mount --bind {} /etc/nsswitch.conf; exec python3 {}",
        resolver.display(),
        switch.display(),
        program.display()
    );
    let mut fixture = tier_1();
    let mut child = Gated::command(Command::new("unshare").args(["-n", "-m", "sh", "-c", &outer]));
    fixture.select_trees(&[child.pid()]);
    child.release();
    child.wait();
    fixture.until_exit(child.pid());
    let dns = |direction: u8| {
        move |record: &Record| {
            record.kind() == record_kind::SOCKET_PAYLOAD
                && record.view().body()[socket_payload_body::PURPOSE] == 2
                && record.view().body()[socket_payload_body::DIRECTION] == direction
                && record.end(socket_payload_body::REMOTE) == "127.0.0.1:53"
        }
    };
    let query = fixture.expect("query", dns(1)).segment(segment_tag::PAYLOAD).unwrap();
    assert!(query.windows(9).any(|window| window == b"\x07tracker\x07".as_slice()), "{query:?}");
    // The resolver asks for A and AAAA with one sendmmsg: each is a record of its own.
    assert_eq!(fixture.count(dns(1)), 2);
    assert_eq!(fixture.count(dns(2)), 2);
}

#[test]
#[ignore = "needs root and eBPF: run by scripts/test"]
fn io_uring_is_reported_once_as_a_blind_spot() {
    let mut fixture = tier_1();
    // io_uring_setup is call 425 on every architecture.
    fixture.run_python(
        "import ctypes\nlibc=ctypes.CDLL(None)\np=ctypes.create_string_buffer(120)\nfor _ in range(3): assert libc.syscall(425, 4, p)>=0 or ctypes.get_errno()==0\n",
    );
    let found =
        fixture.count(|record| record.kind() == record_kind::BLIND_SPOT && record.u32(blind_spot_body::WHAT) == 1);
    assert_eq!(found, 1);
}

#[test]
#[ignore = "needs root and eBPF: run by scripts/test"]
fn only_the_selected_tree_and_its_running_children_are_traced() {
    let directory = tempfile::tempdir().unwrap();
    let mut fixture = tier_1();
    let mut sibling = Gated::python(&format!("open('{}/sibling','w')", directory.path().display()));
    let mut child = Gated::python(&format!(
        "r,w=os.pipe()\nif os.fork()==0:\n  os.read(r,1)\n  open('{0}/grandchild','w').close()\n  os._exit(0)\n\
         open('{0}/ready','w').close()\nsys.stdin.readline()\nos.write(w,b'x')\nos.wait()\n",
        directory.path().display()
    ));
    child.say("fork");
    let give_up = std::time::Instant::now() + ebpf_support::DEADLINE;
    while !directory.path().join("ready").exists() {
        assert!(std::time::Instant::now() < give_up, "the child did not start");
        std::thread::yield_now();
    }
    fixture.select_trees(&[child.pid()]);
    sibling.release();
    sibling.wait();
    child.say("go on");
    child.wait();
    fixture.until_exit(child.pid());
    let named = |name: &'static str| {
        move |record: &Record| record.kind() == record_kind::FILE_OPEN && record.path().ends_with(name)
    };
    assert!(fixture.find(named("/grandchild")).is_some(), "a child that was running already is part of the tree");
    assert!(fixture.find(named("/sibling")).is_none());
    let sibling = sibling.pid();
    assert_eq!(fixture.count(|record| record.header().tgid == sibling), 0);
}

#[test]
#[ignore = "needs root and eBPF: run by scripts/test"]
fn a_user_id_is_traced_wherever_it_comes_from() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::set_permissions(directory.path(), std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
    let mut fixture = tier_1();
    fixture.select_uids(&[10877]);
    let mut child = Gated::python(&format!(
        "open('{0}/as-root','w').close()\nos.setgid(10877)\nos.setuid(10877)\nopen('{0}/as-app','w').close()",
        directory.path().display()
    ));
    child.release();
    child.wait();
    fixture.until_exit(child.pid());
    let record = fixture.expect("open as the app", |record| {
        record.kind() == record_kind::FILE_OPEN && record.path().ends_with("/as-app")
    });
    assert_eq!((record.header().uid, record.header().gid), (10877, 10877));
    assert!(fixture.find(|record| record.path().ends_with("/as-root")).is_none());
}

#[test]
#[ignore = "needs root and eBPF: run by scripts/test"]
fn accounts_add_up_and_equal_what_came_out() {
    let directory = tempfile::tempdir().unwrap();
    let mut fixture = tier_1();
    fixture.run_python(&format!(
        "for i in range(500):\n  f=os.open('{0}/f', os.O_RDWR|os.O_CREAT)\n  os.write(f,b'x')\n  os.close(f)\nos.close_range if 0 else None\nr,w=os.pipe()\nos.write(w,b'x')\n\
         for name in ('a','b'):\n  try: os.unlink(name)\n  except OSError: pass\nos.system('true')",
        directory.path().display()
    ));
    fixture.deselect();
    let drained = fixture.records.len();
    let counters = fixture.counters();
    for program in &counters.programs {
        assert!(program.is_balanced(), "{program:?}");
        assert_eq!(program.lost, 0, "{program:?}");
    }
    let submitted: u64 = counters.programs.iter().map(|program| program.submitted).sum();
    // Totals by the timer and at the end of a process are made in user space.
    let made_in_user_space = fixture.count(|record| {
        matches!(record.kind(), record_kind::FILE_TOTALS | record_kind::SOCKET_TOTALS)
            && record.header().tid == record.header().tgid
            && !record.0.is_empty()
            && record.view().flags() & record_flag::CLOSED == 0
    });
    let at_exit = drained as u64 - submitted - made_in_user_space as u64;
    assert!(at_exit < 20, "{drained} records, {submitted} submitted, {made_in_user_space} by the timer");
    assert!(fixture.count(|record| record.kind() == record_kind::FILE_OPEN && record.path().ends_with("/f")) == 500);
    assert!(counters.lost.is_empty());
}

#[test]
#[ignore = "needs root and eBPF: run by scripts/test"]
fn what_a_full_ring_loses_is_counted_exactly() {
    let directory = tempfile::tempdir().unwrap();
    let mut fixture = Fixture::open_with(&candor::device::probe::ebpf::EbpfOptions {
        choice: EbpfChoice::KernelObjects,
        ring_bytes: 16384,
    });
    let mut child = Gated::python(&format!(
        "for i in range(300): os.open('{}/absent', os.O_RDONLY) if os.path.exists('/nonexistent') else open('/dev/null').close()",
        directory.path().display()
    ));
    fixture.select_trees(&[child.pid()]);
    child.release();
    // Not polled while it runs.
    child.wait();
    for _ in 0..20 {
        fixture.poll();
    }
    let counters = fixture.counters();
    let submitted: u64 = counters.programs.iter().map(|program| program.submitted).sum();
    let lost: u64 = counters.programs.iter().map(|program| program.lost).sum();
    assert!(lost > 0, "the ring was large enough: {counters:?}");
    for program in &counters.programs {
        assert!(program.is_balanced(), "{program:?}");
    }
    let by_slot: u64 =
        counters.lost.iter().filter(|(_, reason, _)| *reason == "ring_full").map(|(_, _, count)| count).sum();
    assert_eq!(by_slot, lost);
    let from_kernel = fixture.count(|record| {
        !(matches!(record.kind(), record_kind::FILE_TOTALS | record_kind::SOCKET_TOTALS)
            && record.flags() & record_flag::CLOSED == 0)
    });
    assert_eq!(from_kernel as u64, submitted);
    let exits_or_lost = fixture.count(|record| record.kind() == record_kind::PROCESS_EXIT);
    assert_eq!(exits_or_lost, 0, "the exit came last and must be among the lost");
}

#[test]
#[ignore = "needs root and eBPF: run by scripts/test"]
fn a_session_that_ends_leaves_nothing_selected() {
    let mut fixture = tier_1();
    let mut child = Gated::python("f=open('/dev/null')\nsys.stdin.readline()\nopen('/dev/zero').close()");
    fixture.select_trees(&[child.pid()]);
    child.release();
    fixture.expect("open", |record| record.path() == "/dev/null");
    fixture.deselect();
    let before = fixture.counters();
    child.say("go on");
    child.wait();
    fixture.poll();
    assert!(fixture.find(|record| record.path() == "/dev/zero").is_none());
    assert_eq!(fixture.counters(), before, "the programs leave every call alone when nothing is selected");
}

#[test]
#[ignore = "needs root and eBPF: run by scripts/test"]
fn a_process_that_does_not_exist_cannot_be_selected() {
    let mut fixture = tier_1();
    let mut batch = candor::device::probe::RawBatch::new(fixture.probe.id());
    let selection = Selection { process_trees: [u32::MAX].into(), user_ids: [10999].into(), ..Selection::default() };
    let slot = candor::device::probe::SessionSlot::new(0).unwrap();
    let error = fixture.probe.select(slot, &selection, &mut batch).unwrap_err();
    assert_eq!(error.to_string(), format!("no process {}", u32::MAX));
}

#[test]
#[ignore = "needs root and eBPF: run by scripts/test"]
fn the_type_information_of_the_kernel_is_given_back_after_loading() {
    // In a process of its own, so that other tests' memory does not count.
    if std::env::var_os("CANDOR_TEST_MEMORY").is_some() {
        let _fixture = tier_1();
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let anonymous = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
        let kibibytes: u64 = anonymous.trim().trim_end_matches(" kB").parse().unwrap();
        // 20 MiB are the programs and maps; the kernel's type information would come on top with some 25 MiB.
        assert!(kibibytes < 26 * 1024, "{kibibytes} KiB are kept");
        return;
    }
    let name = "the_type_information_of_the_kernel_is_given_back_after_loading";
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", name])
        .env("CANDOR_TEST_MEMORY", "1")
        .status()
        .unwrap();
    assert!(status.success());
}

#[test]
#[cfg(target_arch = "x86_64")]
#[ignore = "needs root and eBPF: run by scripts/test"]
fn a_call_through_the_32_bit_interface_is_a_blind_spot_and_not_misread() {
    let mut fixture = tier_1();
    // mov eax, 20; int 0x80; ret: getpid there, writev here.
    let pid = fixture.run_python(
        "import ctypes,mmap\nm=mmap.mmap(-1,4096,prot=7)\nm.write(bytes.fromhex('b814000000cd80c3'))\n\
         f=ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(m)))\nassert f()==os.getpid()\nf()\nos._exit(0)",
    );
    let exit =
        fixture.expect("exit", |record| record.kind() == record_kind::PROCESS_EXIT && record.header().tgid == pid);
    assert_eq!(
        exit.u32(process_exit_body::WAIT_STATUS),
        0,
        "this kernel offers no 32-bit calls: boot with ia32_emulation=1"
    );
    let compat = |record: &Record| record.kind() == record_kind::BLIND_SPOT && record.u32(blind_spot_body::WHAT) == 2;
    assert_eq!(fixture.count(compat), 1);
}
