use proptest::prelude::*;

use super::*;
use crate::device::decode::Decoder;
use crate::device::decode::layout::{
    RECORD_FLAG_CLOSED, RECORD_FLAG_PREEXISTING, RECORD_FLAG_SAMPLED, RecordKind, SegmentTag,
};
use crate::device::decode::test_support::{RecordBuilder, samples};
use crate::device::package_list;
use crate::event::{Endpoint, EventKind};

const SNAPSHOT: u16 = RECORD_FLAG_PREEXISTING | RECORD_FLAG_SAMPLED;
const PACKAGES: &[u8] = b"com.example.app 10001 0 /data/user/0/com.example.app default none\n";

struct Pipeline {
    decoder: Decoder,
    attributor: Attributor,
}

impl Pipeline {
    fn new() -> Self {
        Self {
            decoder: Decoder::new(),
            attributor: Attributor::new(PackageDirectory::from_list(&package_list::parse(PACKAGES))),
        }
    }

    fn run(&mut self, record: RecordBuilder) -> Vec<Attributed> {
        let mut observations = Vec::new();
        self.decoder.decode(&record.build(), &mut observations).unwrap();
        let mut out = Vec::new();
        for observation in observations {
            self.attributor.attribute(ProbeId::EbpfKernelObjects, observation, &mut out);
        }
        out
    }

    fn one(&mut self, record: RecordBuilder) -> Event {
        let mut out = self.run(record);
        assert_eq!(out.len(), 1);
        out.remove(0).event
    }
}

fn open(handle: u64, path: &[u8]) -> RecordBuilder {
    RecordBuilder::file_open(3, handle, 0).segment(SegmentTag::TextPath, path)
}

fn path_of_totals(event: &Event) -> &str {
    match &event.body {
        EventBody::FileTotals(totals) => &totals.path,
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_event_has_everything_but_sequence_and_phase() {
    let mut pipeline = Pipeline::new();
    pipeline.one(RecordBuilder::process_exec(0).segment(SegmentTag::Path, b"app\0bin\0").time(1));
    let record = RecordBuilder::file_open(-13, 0, 0).segment(SegmentTag::Argument, b"/etc/shadow").time(2);
    let event = pipeline.one(record);
    assert_eq!((event.sequence, event.time_ns, event.phase.as_str()), (0, 2, "unmarked"));
    assert_eq!(event.process.key, ProcessKey { pid: 100, start_ns: 5_000_000_000 });
    assert_eq!(event.process.name, "com.example.app");
    assert_eq!(event.process.executable.as_deref(), Some("/bin/app"));
    assert_eq!((event.thread_id, event.user_id), (101, 10_001));
    assert_eq!(event.app.package.as_deref(), Some("com.example.app"));
    assert_eq!(event.fidelity, Fidelity::Hint(vec![FidelityReason::UserMemory]));
    assert_eq!(event.outcome, Outcome::Denied(13));
    assert_eq!((event.kind(), event.probe), (EventKind::FileOpen, ProbeId::EbpfKernelObjects));
}

#[test]
fn an_exec_is_told_with_the_new_program_and_a_failed_one_with_the_old() {
    let mut pipeline = Pipeline::new();
    let exec = |result, path: &[u8]| RecordBuilder::process_exec(result).segment(SegmentTag::Path, path);
    assert_eq!(pipeline.one(exec(0, b"a\0")).process.executable.as_deref(), Some("/a"));
    assert_eq!(pipeline.one(exec(-13, b"su\0")).process.executable.as_deref(), Some("/a"));
    assert_eq!(pipeline.one(exec(0, b"b\0").time(8_000_000_000)).process.executable.as_deref(), Some("/b"));
}

#[test]
fn totals_carry_the_path() {
    let mut pipeline = Pipeline::new();
    pipeline.one(open(70, b"/a"));
    assert_eq!(path_of_totals(&pipeline.one(RecordBuilder::file_totals(70, 3, [1; 4]))), "/a");
    let last = RecordBuilder::file_totals(70, 3, [1; 4]).flags(RECORD_FLAG_CLOSED);
    assert_eq!(path_of_totals(&pipeline.one(last)), "/a");
    assert_eq!(path_of_totals(&pipeline.one(RecordBuilder::file_totals(70, 3, [1; 4]))), "", "closed");
    let failed = RecordBuilder::file_open(-2, 0, 0).segment(SegmentTag::Argument, b"/missing");
    pipeline.one(failed);
    assert_eq!(pipeline.attributor.counters().open_files, 0);
}

#[test]
fn a_file_of_the_snapshot_is_told_once() {
    let mut pipeline = Pipeline::new();
    assert_eq!(pipeline.run(open(0, b"/a").flags(SNAPSHOT)).len(), 1);
    let totals = RecordBuilder::file_totals(70, 3, [1; 4]);
    assert_eq!(path_of_totals(&pipeline.one(totals)), "/a", "by descriptor, as long as the handle is new");
    assert_eq!(pipeline.run(open(70, b"/a").flags(RECORD_FLAG_PREEXISTING)), []);
    assert_eq!(pipeline.attributor.counters().merged, 1);
    let for_two_sessions = open(0, b"/a").flags(SNAPSHOT).sessions(0b11);
    assert_eq!(pipeline.run(for_two_sessions)[0].sessions, 0b10);
    pipeline.attributor.forget_sessions(0b01);
    let for_the_next_session = open(0, b"/a").flags(SNAPSHOT);
    assert_eq!(pipeline.run(for_the_next_session)[0].sessions, 0b01);
    let opened_again = open(71, b"/a");
    assert_eq!(pipeline.run(opened_again).len(), 1, "an act is always told");
}

#[test]
fn a_process_of_the_snapshot_is_told_once() {
    let mut pipeline = Pipeline::new();
    let exec = || RecordBuilder::process_exec(0).segment(SegmentTag::TextPath, b"/bin/app");
    for expected in [1, 0] {
        assert_eq!(pipeline.run(RecordBuilder::process_start(1, 0).flags(SNAPSHOT)).len(), expected);
        assert_eq!(pipeline.run(exec().flags(SNAPSHOT)).len(), expected);
    }
    let program = RecordBuilder::process_exec(0).segment(SegmentTag::Path, b"app\0bin\0");
    assert_eq!(pipeline.run(program).len(), 1, "an act is always told, also of the same program");
}

#[test]
fn sockets_keep_their_ends() {
    let mut pipeline = Pipeline::new();
    let server = RecordBuilder::ipv4_end([192, 0, 2, 1], 443);
    let connect =
        |handle| RecordBuilder::socket(RecordKind::SocketConnect, (-115, handle, 6, 0), (2, 1), None, Some(server));
    assert_eq!(pipeline.one(connect(50)).outcome, Outcome::InProgress);
    let EventBody::SocketTotals(totals) = pipeline.one(RecordBuilder::socket_totals(50, 6, [1; 4], None)).body else {
        panic!("not totals")
    };
    let remote = Some(Endpoint::Inet("192.0.2.1:443".parse().unwrap()));
    assert_eq!(totals.remote, remote);
    let request = b"GET / HTTP/1.0\r\n\r\n";
    let payload = RecordBuilder::payload((50, 6, 1), (1, 1), 0, request.len(), None, request);
    let EventBody::HttpRequest(request) = pipeline.one(payload).body else { panic!("not a request") };
    assert_eq!(request.remote, remote);
    let found = connect(0).flags(SNAPSHOT);
    assert_eq!(pipeline.run(found), [], "seen connecting, then found connected");
}

#[test]
fn a_process_without_a_start_is_named_later() {
    let mut pipeline = Pipeline::new();
    pipeline.one(RecordBuilder::process_start(1, 0));
    let event = pipeline.one(open(70, b"/a").process(100, 0));
    assert_eq!(event.process.key.start_ns, 5_000_000_000);
    assert_eq!(event.fidelity, Fidelity::Hint(vec![FidelityReason::Sampled, FidelityReason::LateIdentity]));
    assert_eq!(pipeline.one(open(70, b"/a").process(102, 0)).process.key.start_ns, 0);
}

#[test]
fn a_process_that_ended_is_forgotten_with_its_files() {
    let mut pipeline = Pipeline::new();
    pipeline.one(RecordBuilder::process_start(1, 0).time(1));
    pipeline.one(open(70, b"/a").time(2));
    pipeline.one(RecordBuilder::process_exit(0).time(3));
    let late = RecordBuilder::file_totals(70, 3, [1; 4]).time(2);
    assert_eq!(path_of_totals(&pipeline.one(late)), "/a", "its last totals may come after its end");
    pipeline.one(RecordBuilder::process_start(1, 0).process(200, 6_000_000_000).time(4 + REMEMBERED_AFTER_EXIT_NS));
    let counters = pipeline.attributor.counters();
    assert_eq!((counters.processes, counters.open_files), (1, 0));
}

proptest! {
    #[test]
    fn any_order_of_records_is_taken_and_sessions_are_never_added(
        choices in proptest::collection::vec((0..samples().len(), 0_u64..8, 0_u16..64, 0_u64..20), 0..60)) {
        let samples = samples();
        let mut pipeline = Pipeline::new();
        for (which, sessions, flags, seconds) in choices {
            let mut record = samples[which].1.clone();
            record[8..16].copy_from_slice(&sessions.to_le_bytes());
            record[42..44].copy_from_slice(&flags.to_le_bytes());
            record[..8].copy_from_slice(&(seconds * 1_000_000_000).to_le_bytes());
            let mut observations = Vec::new();
            pipeline.decoder.decode(&record, &mut observations).unwrap();
            for observation in observations {
                let all = observation.sessions;
                let mut out = Vec::new();
                pipeline.attributor.attribute(ProbeId::Procfs, observation, &mut out);
                prop_assert!(out.len() <= 1);
                prop_assert!(out.iter().all(|attributed| attributed.sessions & !all == 0));
            }
        }
    }
}
