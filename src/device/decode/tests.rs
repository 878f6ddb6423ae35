use proptest::prelude::*;

use super::layout::{
    PAYLOAD_DNS, PAYLOAD_RECEIVED, PAYLOAD_SENT, PAYLOAD_STREAM_PREFIX, RECORD_FLAG_CLOSED, RECORD_FLAG_MAPPED,
    RECORD_FLAG_PREEXISTING, SEGMENT_FLAG_CUT, SEGMENT_FLAG_UNREADABLE, SegmentTag,
};
use super::test_support::{RecordBuilder, samples};
use super::*;
use crate::event::{
    BlindSpot, BlindSpotKind, CodeConfidence, CodeOrigin, Endpoint, FileOpen, FileRename, FileTotals, FileUnlink,
    OpenAccess, Outcome, ProcessExec, ProcessExit, ProcessStart, SocketAccept, SocketBind, SocketConnect, SocketListen,
    SocketTotals, TlsClientHello, Transport,
};

const CLIENT_HELLO: &[u8] = include_bytes!("test_data/client_hello_python.bin");

fn decode(records: &[RecordBuilder]) -> Vec<Observation> {
    let mut decoder = Decoder::new();
    let mut out = Vec::new();
    for record in records {
        decoder.decode(&record.clone().build(), &mut out).unwrap();
    }
    out
}

fn one(record: RecordBuilder) -> Observation {
    let mut out = decode(&[record]);
    assert_eq!(out.len(), 1);
    out.remove(0)
}

fn inet(text: &str) -> Endpoint {
    Endpoint::Inet(text.parse().unwrap())
}

fn server() -> [u8; 24] {
    RecordBuilder::ipv4_end([192, 0, 2, 1], 443)
}

#[test]
fn the_header_names_who_and_when() {
    let observation = one(RecordBuilder::blind_spot(1).sessions(0b101).time(9_876).process(7, 12_345_678).user(10_077));
    assert_eq!(
        observation,
        Observation {
            sessions: 0b101,
            time_ns: 9_876,
            process: ProcessKey { pid: 7, start_ns: 10_000_000 },
            thread_id: 7,
            user_id: 10_077,
            comm: "com.example.app".to_owned(),
            hints: Vec::new(),
            outcome: Outcome::Ok,
            body: EventBody::BlindSpot(BlindSpot { what: BlindSpotKind::IoUring }),
        }
    );
}

#[test]
fn processes() {
    let start = one(RecordBuilder::process_start(7, 12_345_678).flags(RECORD_FLAG_PREEXISTING));
    let parent = Some(ProcessKey { pid: 7, start_ns: 10_000_000 });
    assert_eq!(start.body, EventBody::ProcessStart(ProcessStart { parent, preexisting: true }));
    let orphan = one(RecordBuilder::process_start(0, 0));
    assert_eq!(orphan.body, EventBody::ProcessStart(ProcessStart { parent: None, preexisting: false }));

    let exec = RecordBuilder::process_exec(0)
        .segment(SegmentTag::Path, b"curl\0bin\0usr\0")
        .segment(SegmentTag::Argument, b"curl")
        .flagged_segment(SegmentTag::CommandLine, SEGMENT_FLAG_CUT, b"curl\0-s\0\0https://a.ex");
    let exec = one(exec);
    assert_eq!(
        exec.body,
        EventBody::ProcessExec(ProcessExec {
            path: "/usr/bin/curl".to_owned(),
            requested_path: Some("curl".to_owned()),
            arguments: ["curl", "-s", "", "https://a.ex"].map(str::to_owned).to_vec(),
            arguments_cut: true,
        })
    );
    assert_eq!(exec.hints, []);

    let denied = one(RecordBuilder::process_exec(-13).segment(SegmentTag::Argument, b"/system/bin/su"));
    assert_eq!(denied.outcome, Outcome::Denied(13));
    assert_eq!(denied.hints, [FidelityReason::UserMemory]);

    let exit = |status| one(RecordBuilder::process_exit(status)).body;
    assert_eq!(exit(0x0300), EventBody::ProcessExit(ProcessExit { status: Some(3), signal: None }));
    assert_eq!(exit(0x89), EventBody::ProcessExit(ProcessExit { status: None, signal: Some(9) }), "with a core dump");
    assert_eq!(exit(-1), EventBody::ProcessExit(ProcessExit { status: None, signal: None }), "no probe saw how");
}

#[test]
fn files() {
    let open = RecordBuilder::file_open(5, 77, 0o2_000_002)
        .segment(SegmentTag::Path, b"contacts2.db\0databases\0data\0")
        .segment(SegmentTag::Argument, b"databases/contacts2.db");
    let expected = FileOpen {
        path: "/data/databases/contacts2.db".to_owned(),
        requested_path: Some("databases/contacts2.db".to_owned()),
        access: OpenAccess::ReadWrite,
        flags: 0o2_000_002,
        descriptor: Some(5),
        handle: 77,
        preexisting: false,
        path_cut: false,
        inode: Some(0x1234),
    };
    let open = one(open);
    assert_eq!(open.body, EventBody::FileOpen(expected.clone()));
    assert_eq!((open.outcome, open.hints), (Outcome::Ok, vec![]));

    let denied = RecordBuilder::file_open(-13, 77, 0)
        .segment(SegmentTag::Argument, b"../x")
        .segment(SegmentTag::TextBase, b"/data/app");
    let denied = one(denied);
    assert_eq!(
        denied.body,
        EventBody::FileOpen(FileOpen {
            path: "/data/x".to_owned(),
            requested_path: Some("../x".to_owned()),
            access: OpenAccess::Read,
            flags: 0,
            descriptor: None,
            handle: 0,
            ..expected
        })
    );
    assert_eq!(denied.outcome, Outcome::Denied(13));
    assert_eq!(denied.hints, [FidelityReason::UserMemory, FidelityReason::LateDirectory]);

    let unreadable = RecordBuilder::file_open(-14, 0, 0);
    let unreadable = one(unreadable.flagged_segment(SegmentTag::Argument, SEGMENT_FLAG_UNREADABLE, b""));
    let EventBody::FileOpen(open) = unreadable.body else { panic!("not an open") };
    assert_eq!((open.path.as_str(), open.path_cut, open.requested_path), ("?", true, None));

    let snapshot = RecordBuilder::file_open(3, 0, 0)
        .flags(RECORD_FLAG_PREEXISTING | RECORD_FLAG_SAMPLED)
        .segment(SegmentTag::TextPath, b"/tmp/a (deleted)");
    let snapshot = one(snapshot);
    assert_eq!(snapshot.hints, [FidelityReason::Sampled], "each reason once");
    let EventBody::FileOpen(open) = snapshot.body else { panic!("not an open") };
    assert_eq!((open.path.as_str(), open.preexisting), ("/tmp/a", true));

    let totals = RecordBuilder::file_totals(77, 5, [1, 2, 3, 4]).flags(RECORD_FLAG_CLOSED | RECORD_FLAG_MAPPED);
    assert_eq!(
        one(totals).body,
        EventBody::FileTotals(FileTotals {
            path: String::new(),
            descriptor: 5,
            handle: 77,
            bytes_read: 1,
            bytes_written: 2,
            read_calls: 3,
            write_calls: 4,
            mapped: true,
            closed: true,
        })
    );

    let rename = RecordBuilder::path_change(RecordKind::FileRename, 0, false)
        .segment(SegmentTag::Argument, b"a.tmp")
        .segment(SegmentTag::Base, b"data\0")
        .segment(SegmentTag::Argument2, b"/x//y");
    let rename = one(rename);
    let expected = FileRename { from: "/data/a.tmp".to_owned(), to: "/x/y".to_owned() };
    assert_eq!(rename.body, EventBody::FileRename(expected));
    assert_eq!(rename.hints, [FidelityReason::UserMemory]);

    let unlink = RecordBuilder::path_change(RecordKind::FileUnlink, -30, true).segment(SegmentTag::Argument, b"d");
    let unlink = one(unlink);
    assert_eq!(unlink.body, EventBody::FileUnlink(FileUnlink { path: "?/d".to_owned(), directory: true }));
    assert_eq!(unlink.outcome, Outcome::Denied(30));
}

#[test]
fn sockets() {
    let (transport, descriptor, handle) = (Transport::Tcp, 9, 50);
    let act = |kind, local, remote| RecordBuilder::socket(kind, (0, 50, 9, 128), (2, 1), local, remote);
    let near = RecordBuilder::ipv4_end([127, 0, 0, 1], 4000);
    let mut record = act(RecordKind::SocketConnect, Some(near), Some(server()));
    let body = |record: RecordBuilder| one(record).body;
    let (remote, local) = (inet("192.0.2.1:443"), Some(inet("127.0.0.1:4000")));
    assert_eq!(
        body(record),
        EventBody::SocketConnect(SocketConnect {
            transport,
            remote: remote.clone(),
            local: local.clone(),
            descriptor,
            handle,
            preexisting: false,
            code_origin: None
        })
    );
    let mut segment = 0x1139_u64.to_le_bytes().to_vec();
    segment.extend([1_u16, 2, 3, 0].map(u16::to_le_bytes).as_flattened());
    segment.extend(b"\x01\xab\xff/lib/libtracker.so");
    let told = |bytes: &[u8]| {
        act(RecordKind::SocketConnect, Some(near), Some(server())).segment(SegmentTag::CodeOrigin, bytes)
    };
    let EventBody::SocketConnect(connect) = one(told(&segment)).body else { panic!("not a connect") };
    assert_eq!(
        connect.code_origin.as_deref(),
        Some(&CodeOrigin {
            file: "/lib/libtracker.so".to_owned(),
            build_id: Some("01abff".to_owned()),
            offset: 0x1139,
            depth: 2,
            confidence: CodeConfidence::Caller
        })
    );
    // A build id that is longer than the segment, a confidence that is none, and half of the fixed part.
    let unknown = [&[0; 8][..], &[9; 2], &[0; 6]].concat();
    for damaged in [&segment[..17], &unknown, &segment[..10]] {
        assert!(Decoder::new().decode(&told(damaged).build(), &mut Vec::new()).is_err(), "{damaged:?}");
    }
    record = act(RecordKind::SocketAccept, Some(near), Some(server()));
    let accept = SocketAccept { transport, remote: remote.clone(), local: local.clone(), descriptor, handle };
    assert_eq!(body(record), EventBody::SocketAccept(accept));
    record = act(RecordKind::SocketBind, Some(near), None);
    let bind = SocketBind { transport, local: inet("127.0.0.1:4000"), descriptor, handle };
    assert_eq!(body(record), EventBody::SocketBind(bind));
    record = act(RecordKind::SocketListen, None, None);
    let listen = SocketListen { transport, local: None, descriptor, handle, backlog: 128, preexisting: false };
    assert_eq!(body(record), EventBody::SocketListen(listen));

    let unix = (RecordBuilder::unix_end(), (1, 1));
    record = RecordBuilder::socket(RecordKind::SocketConnect, (-111, 50, 9, 0), unix.1, None, Some(unix.0))
        .segment(SegmentTag::UnixRemote, b"\0bus");
    let observation = one(record);
    assert_eq!(observation.outcome, Outcome::Failed(111));
    let EventBody::SocketConnect(connect) = observation.body else { panic!("not a connect") };
    assert_eq!((connect.transport, connect.remote.to_string().as_str()), (Transport::UnixStream, "unix:@bus"));

    let totals = RecordBuilder::socket_totals(50, 9, [10, 20, 1, 2], Some(server()));
    assert_eq!(
        body(totals),
        EventBody::SocketTotals(SocketTotals {
            transport,
            remote: Some(remote),
            local: None,
            descriptor,
            handle,
            bytes_sent: 20,
            bytes_received: 10,
            send_calls: 2,
            receive_calls: 1,
            closed: false,
        })
    );
}

fn piece(offset: u64, bytes: &[u8]) -> RecordBuilder {
    RecordBuilder::payload(
        (50, 9, 1),
        (PAYLOAD_SENT, PAYLOAD_STREAM_PREFIX),
        offset,
        bytes.len(),
        Some(server()),
        bytes,
    )
}

fn server_names(observations: &[Observation]) -> Vec<(Option<&str>, bool)> {
    observations
        .iter()
        .filter_map(|observation| match &observation.body {
            EventBody::TlsClientHello(hello) => Some((hello.server_name.as_deref(), hello.cut)),
            _ => None,
        })
        .collect()
}

#[test]
fn a_client_hello_in_one_piece_or_several() {
    let out = decode(&[piece(0, CLIENT_HELLO).time(1)]);
    assert_eq!(server_names(&out), [(Some("ads.example.com"), false)]);
    let EventBody::TlsClientHello(hello) = &out[0].body else { panic!("not a hello") };
    assert_eq!((&hello.remote, hello.handle), (&Some(inet("192.0.2.1:443")), 50));

    let pieces: Vec<_> =
        CLIENT_HELLO.chunks(100).enumerate().map(|(n, b)| piece(n as u64 * 100, b).time(n as u64)).collect();
    let out = decode(&pieces);
    assert_eq!(server_names(&out), [(Some("ads.example.com"), false)]);
    assert_eq!(out[0].time_ns, 0, "told with the time of its beginning");

    let missing_piece = [pieces[0].clone(), pieces[2].clone(), pieces[3].clone()];
    assert_eq!(server_names(&decode(&missing_piece)), [(None, true)]);
    let without_beginning = &pieces[1..];
    assert_eq!(decode(without_beginning), []);
}

#[test]
fn a_client_hello_whose_end_does_not_come() {
    let part = &CLIENT_HELLO[..300];
    let bytes_missing = RecordBuilder::payload((50, 9, 1), (1, 1), 0, 517, Some(server()), part);
    assert_eq!(server_names(&decode(&[bytes_missing])).len(), 1, "the call moved more than was captured");

    let closed = RecordBuilder::socket_totals(50, 9, [0; 4], None).flags(RECORD_FLAG_CLOSED);
    let out = decode(&[piece(0, part), closed]);
    assert!(matches!(out[0].body, EventBody::TlsClientHello(TlsClientHello { cut: true, .. })));
    assert!(matches!(out[1].body, EventBody::SocketTotals(_)));

    let out = decode(&[piece(0, part), RecordBuilder::process_exit(0)]);
    assert_eq!(out.len(), 2);

    let out = decode(&[piece(0, part), piece(0, CLIENT_HELLO)]);
    assert_eq!(server_names(&out).len(), 2, "the name of the socket was used again");
    assert_eq!(server_names(&out)[1], (Some("ads.example.com"), false));
}

#[test]
fn evicted_streams_are_told_and_counted() {
    let mut decoder = Decoder::new();
    let mut out = Vec::new();
    for handle in 0..=stream_prefix::MOST_FLOWS as u64 {
        let record = RecordBuilder::payload((handle + 1, 9, 1), (1, 1), 0, 20, None, &CLIENT_HELLO[..20]);
        decoder.decode(&record.build(), &mut out).unwrap();
    }
    assert_eq!((decoder.evicted_streams(), decoder.open_streams()), (1, stream_prefix::MOST_FLOWS));
    assert_eq!(server_names(&out), [(None, true)]);
}

#[test]
fn http_and_a_tunnel_through_a_proxy() {
    let out = decode(&[piece(0, b"GET /a?b HTTP/1.1\r\nHo"), piece(21, b"st: H.example\r\n\r\n")]);
    let EventBody::HttpRequest(request) = &out[0].body else { panic!("not a request") };
    assert_eq!((request.host.as_deref(), request.path.as_str()), (Some("h.example"), "/a"));
    assert_eq!(out.len(), 1);

    let connect = b"CONNECT ads.example.com:443 HTTP/1.1\r\n\r\n";
    let out = decode(&[piece(0, connect), piece(connect.len() as u64, CLIENT_HELLO)]);
    assert!(matches!(&out[0].body, EventBody::HttpRequest(request) if request.method == "CONNECT"));
    assert_eq!(server_names(&out), [(Some("ads.example.com"), false)]);

    assert_eq!(decode(&[piece(0, b"SSH-2.0-x y\r\n"), piece(13, b"GET / HTTP/1.1\r\n\r\n")]), []);
    let received = RecordBuilder::payload((50, 9, 1), (2, 1), 0, CLIENT_HELLO.len(), None, CLIENT_HELLO);
    assert_eq!(decode(&[received]), [], "what a server receives names no recipient");
}

fn dns_question(response: bool) -> Vec<u8> {
    let mut message = vec![0x12, 0x34, if response { 0x81 } else { 1 }, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    message.extend(b"\x03App\x07example\x00\x00\x1c\x00\x01");
    message
}

#[test]
fn dns_over_datagrams() {
    let resolver = RecordBuilder::ipv4_end([127, 0, 0, 53], 53);
    let of = |direction, bytes: &[u8]| {
        decode(&[RecordBuilder::payload((6, 4, 2), (direction, PAYLOAD_DNS), 0, bytes.len(), Some(resolver), bytes)])
    };
    let out = of(PAYLOAD_SENT, &dns_question(false));
    let EventBody::DnsQuery(query) = &out[0].body else { panic!("not a query") };
    assert_eq!((query.name.as_str(), query.record_type.as_str()), ("app.example", "AAAA"));
    assert_eq!(query.server, Some(inet("127.0.0.53:53")));
    let out = of(PAYLOAD_RECEIVED, &dns_question(true));
    assert!(matches!(&out[0].body, EventBody::DnsAnswer(answer) if answer.name == "app.example" && !answer.cut));
    assert_eq!(of(PAYLOAD_RECEIVED, &dns_question(false)), [], "a server's view");
    assert_eq!(of(PAYLOAD_SENT, b"not DNS at all"), []);
}

#[test]
fn dns_over_a_stream() {
    let message = dns_question(false);
    let mut stream = Vec::new();
    for _ in 0..3 {
        stream.extend([0, message.len() as u8]);
        stream.extend(&message);
    }
    let record = |offset: usize, bytes: &[u8]| {
        RecordBuilder::payload((6, 4, 1), (PAYLOAD_SENT, PAYLOAD_DNS), offset as u64, bytes.len(), None, bytes)
    };
    let pieces: Vec<_> = stream.chunks(20).enumerate().map(|(n, bytes)| record(n * 20, bytes)).collect();
    assert_eq!(decode(&pieces).len(), 3);
    let closed = RecordBuilder::socket_totals(6, 4, [0; 4], None).flags(RECORD_FLAG_CLOSED);
    let half = [record(0, &stream[..12]), closed];
    assert_eq!(decode(&half).len(), 1, "half a question asks for nothing; the totals remain");
}

#[test]
fn damage_is_named() {
    let whole = RecordBuilder::file_open(3, 1, 0).segment(SegmentTag::Path, b"a\0").build();
    let reason = |bytes: &[u8]| Decoder::new().decode(bytes, &mut Vec::new()).unwrap_err().reason();
    let changed = |offset: usize, value: u8| {
        let mut bytes = whole.clone();
        bytes[offset] = value;
        bytes
    };
    assert_eq!(reason(&whole[..63]), "record_too_short");
    assert_eq!(reason(&whole[..117]), "record_truncated");
    assert_eq!(reason(&changed(44, 63)), "impossible_length");
    assert_eq!(reason(&changed(46, 1)), "impossible_length");
    assert_eq!(reason(&changed(40, 99)), "unknown_kind");
    assert_eq!(reason(&changed(44, 100)), "body_truncated");
    assert_eq!(reason(&changed(114, 3)), "segment_overrun");
    assert_eq!(reason(&changed(44, 117)), "segment_overrun");
    assert_eq!(reason(&changed(112, 200)), "unknown_segment");
    assert_eq!(reason(&changed(112, 0)), "unknown_segment");
    let twice = RecordBuilder::file_open(3, 1, 0).segment(SegmentTag::Path, b"a\0").segment(SegmentTag::Path, b"b\0");
    assert_eq!(reason(&twice.build()), "duplicate_segment");
    assert_eq!(reason(&RecordBuilder::blind_spot(9).build()), "unknown_value");
    assert_eq!(reason(&RecordBuilder::payload((1, 1, 1), (3, 1), 0, 0, None, b"").build()), "unknown_value");
    let unread = RecordBuilder::payload((1, 1, 1), (PAYLOAD_SENT, PAYLOAD_DNS), 0, 40, None, b"");
    assert_eq!(reason(&unread.build()), "memory_unreadable", "whom it asked for nobody knows");

    let mut padded = whole.clone();
    padded.extend([0; 6]);
    let mut out = Vec::new();
    Decoder::new().decode(&padded, &mut out).unwrap();
    assert_eq!(out.len(), 1, "bytes behind the record are padding");
}

#[test]
fn there_is_a_sample_of_every_kind_and_a_cut_one_is_refused_or_poorer() {
    let samples = samples();
    for kind in RecordKind::ALL {
        assert!(samples.iter().any(|(of, _)| of == kind), "{kind:?} has no sample");
    }
    for (kind, record) in samples {
        let mut whole = Vec::new();
        Decoder::new().decode(&record, &mut whole).unwrap();
        for length in 0..record.len() {
            let mut out = Vec::new();
            assert!(Decoder::new().decode(&record[..length], &mut out).is_err(), "{kind:?} of {length} bytes");
            assert_eq!(out, []);
        }
    }
}

proptest! {
    #[test]
    fn never_panics_on_any_bytes(records: Vec<Vec<u8>>) {
        let mut decoder = Decoder::new();
        for record in records {
            let _ = decoder.decode(&record, &mut Vec::new());
        }
    }

    #[test]
    fn never_panics_on_damaged_samples(which in 0..samples().len(), changes in proptest::collection::vec(
        (any::<prop::sample::Index>(), any::<u8>()), 0..12), tail: Vec<u8>, length: u8) {
        let mut record = samples().swap_remove(which).1;
        record.extend(tail);
        for (position, value) in changes {
            let position = position.index(record.len());
            record[position] = value;
        }
        let mut decoder = Decoder::new();
        let mut out = Vec::new();
        let failed = decoder.decode(&record, &mut out).is_err();
        prop_assert!(!failed || out.is_empty());
        record.truncate(record.len().saturating_sub(usize::from(length)));
        let _ = decoder.decode(&record, &mut out);
    }
}
