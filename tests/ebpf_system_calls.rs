//! The eBPF probe without the kernel's objects (tier 2): the same acts, from arguments and results alone.
#![cfg(feature = "ebpf")]

mod ebpf_support;

use candor::device::probe::ebpf::EbpfChoice;
use candor::device::probe::record_layout::{
    file_open_body, path_change_body, process_exit_body, process_start_body, record_flag, record_kind, segment_tag,
    socket_body, totals_body,
};
use candor::event::{Family, ProbeId, ProbeState};
use ebpf_support::{Fixture, Gated, Record};

fn tier_2() -> Fixture {
    Fixture::open(EbpfChoice::SystemCalls)
}

#[test]
#[ignore = "needs root and eBPF: run by scripts/test"]
fn every_family_is_partial_and_says_why() {
    let fixture = tier_2();
    for status in fixture.probe.statuses() {
        assert_eq!(status.probe, ProbeId::EbpfSystemCalls);
        if status.state == ProbeState::Absent {
            // A machine without a binder driver has nothing of these.
            assert!(matches!(status.family, Family::Provider | Family::Service), "{:?}", status.family);
            continue;
        }
        assert_eq!(status.state, ProbeState::Partial);
        assert!(status.reason.starts_with("seen through system calls only"), "{}", status.reason);
    }
}

#[test]
#[ignore = "needs root and eBPF: run by scripts/test"]
fn files_are_seen_as_the_app_named_them() {
    let directory = tempfile::tempdir().unwrap();
    let mut fixture = tier_2();
    let mut child = Gated::python(&format!(
        "os.chdir({:?})\nf=os.open('kept', os.O_RDWR|os.O_CREAT)\nos.write(f,b'x'*12)\nos.close(f)\nos.rename('kept','moved')\nos.unlink('moved')\n\
         try: os.open('/nonexistent/file', os.O_RDONLY)\nexcept OSError: pass\nsys.stdin.readline()",
        directory.path()
    ));
    // It stays alive while its records are read: what only /proc knows is gone with the process.
    let pid = child.pid();
    fixture.select_trees(&[pid]);
    child.release();
    let open = fixture.expect("open", |record| {
        record.kind() == record_kind::FILE_OPEN && record.text(segment_tag::ARGUMENT) == "kept"
    });
    assert_ne!(open.flags() & record_flag::USER_MEMORY, 0);
    assert_eq!(open.segment(segment_tag::PATH), None);
    assert_eq!(open.text(segment_tag::TEXT_BASE), directory.path().to_str().unwrap());
    assert_eq!(open.header().tgid, pid);
    assert_ne!(open.header().start_ns, 0, "the start time comes from /proc");
    let handle = open.u64(file_open_body::HANDLE);
    let totals = fixture.expect("totals", |record| {
        record.kind() == record_kind::FILE_TOTALS && record.u64(totals_body::HANDLE) == handle
    });
    assert_eq!(totals.u64(totals_body::BYTES_OUT), 12);
    let failed = fixture.expect("failed open", |record| record.text(segment_tag::ARGUMENT) == "/nonexistent/file");
    assert_eq!(failed.i64(file_open_body::RESULT), -2);
    let rename = fixture.expect("rename", |record| record.kind() == record_kind::FILE_RENAME);
    assert_eq!(
        (rename.text(segment_tag::ARGUMENT), rename.text(segment_tag::ARGUMENT_2)),
        ("kept".into(), "moved".into())
    );
    assert_eq!(rename.i64(path_change_body::RESULT), 0);
    fixture.expect("unlink", |record| {
        record.kind() == record_kind::FILE_UNLINK && record.text(segment_tag::ARGUMENT) == "moved"
    });
}

#[test]
#[ignore = "needs root and eBPF: run by scripts/test"]
fn connections_and_first_bytes_are_seen() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let end = listener.local_addr().unwrap().to_string();
    let mut fixture = tier_2();
    fixture.run_python(&format!(
        "s=socket.create_connection(('127.0.0.1',{}))\ns.send(b'GET /')\ns.close()\n",
        listener.local_addr().unwrap().port()
    ));
    let connect = fixture.expect("connect", |record| {
        record.kind() == record_kind::SOCKET_CONNECT && record.end(socket_body::REMOTE) == end
    });
    assert_eq!(connect.i64(socket_body::RESULT), 0);
    assert_eq!(connect.u16(socket_body::TYPE), 1);
    assert_ne!(connect.flags() & record_flag::USER_MEMORY, 0);
    fixture.expect("payload", |record| {
        record.kind() == record_kind::SOCKET_PAYLOAD && record.text(segment_tag::PAYLOAD) == "GET /"
    });
}

#[test]
#[ignore = "needs root and eBPF: run by scripts/test"]
fn children_are_followed_and_threads_are_no_processes() {
    let mut fixture = tier_2();
    let pid = fixture.run_python(
        "import threading\nt=threading.Thread(target=time.sleep,args=(0,))\nt.start()\nt.join()\n\
         if os.fork()==0:\n  os.execv('/bin/cat',['cat','/dev/null'])\nos.wait()\n",
    );
    assert_eq!(fixture.count(|record| record.kind() == record_kind::PROCESS_START), 1);
    let start = fixture.expect("start", |record| record.kind() == record_kind::PROCESS_START);
    assert_eq!(start.u32(process_start_body::PARENT_TGID), pid);
    let child = start.header().tgid;
    let of_child = |kind: u16| move |record: &Record| record.kind() == kind && record.header().tgid == child;
    let exec = fixture.expect("exec", of_child(record_kind::PROCESS_EXEC));
    assert_eq!(exec.text(segment_tag::ARGUMENT), "/bin/cat");
    fixture.expect("open by the child", |record| {
        of_child(record_kind::FILE_OPEN)(record) && record.text(segment_tag::ARGUMENT) == "/dev/null"
    });
    let exit = fixture.expect("exit", of_child(record_kind::PROCESS_EXIT));
    assert_eq!(exit.u32(process_exit_body::WAIT_STATUS).cast_signed(), -1, "not known without the kernel's objects");
    for program in fixture.counters().programs {
        assert!(program.is_balanced(), "{program:?}");
    }
}
