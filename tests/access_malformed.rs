//! Ten thousand malformed requests, at the level of HTTP/2, of gRPC frames and of protobuf: each is refused and counted, and
//! the daemon answers after them.
#![cfg(all(feature = "device", feature = "host"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests may panic")]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::Path;

use candor::device::service::{AccessLimits, AccessOptions};
use candor::wire::proto;
use candor::wire::proto::candor_service_client::CandorServiceClient;
use prost::Message as _;
use support::{DEADLINE, Daemon};
use tonic::body::Body;
use tonic::codegen::Service as _;
use tonic::codegen::http::{Request, header};
use tonic::transport::Channel;
use tonic::{Code, Status};

/// Numbers that look random and are the same in each run.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        // xorshift64*: Vigna, "An experimental exploration of Marsaglia's xorshift generators, scrambled".
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % limit as u64).unwrap()
    }

    fn bytes(&mut self, longest: usize) -> Vec<u8> {
        let length = 1 + self.below(longest);
        (0..length).map(|_| self.next().to_le_bytes()[0]).collect()
    }

    /// A message with some of its bytes changed, removed or added.
    fn mutated(&mut self, message: &[u8]) -> Vec<u8> {
        let mut bytes = message.to_vec();
        for _ in 0..=self.below(4) {
            let place = self.below(bytes.len() + 1);
            match self.below(5) {
                0 => bytes.truncate(place),
                1 => bytes.insert(place, self.next().to_le_bytes()[0]),
                2 if place < bytes.len() => drop(bytes.remove(place)),
                3 if place < bytes.len() => bytes[place] ^= 1 << self.below(8),
                _ => {
                    let more = self.bytes(20);
                    drop(bytes.splice(place..place, more));
                }
            }
        }
        bytes
    }
}

/// Sends bytes as the body of a call, behind the prefix that says how long they are, and gives how it was answered.
async fn call(channel: &mut Channel, path: &str, prefix: [u8; 5], message: &[u8]) -> Status {
    let mut body = prefix.to_vec();
    body.extend_from_slice(message);
    let request = Request::post(format!("http://candord.invalid{path}"))
        .header(header::CONTENT_TYPE, "application/grpc")
        .header(header::TE, "trailers")
        .body(Body::new(Bytes(Some(body.into()))))
        .unwrap();
    std::future::poll_fn(|context| channel.poll_ready(context)).await.unwrap();
    let response = tokio::time::timeout(DEADLINE, channel.call(request)).await.expect("no answer").unwrap();
    // What is refused has its status at once, before any body.
    Status::from_header_map(response.headers()).unwrap_or_else(|| Status::ok("it was taken"))
}

/// A body of one piece.
struct Bytes(Option<prost::bytes::Bytes>);

impl tonic::codegen::Body for Bytes {
    type Data = prost::bytes::Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Self::Data>, Status>>> {
        std::task::Poll::Ready(self.0.take().map(|bytes| Ok(http_body::Frame::data(bytes))))
    }
}

fn prefix(length: usize) -> [u8; 5] {
    let [a, b, c, d] = u32::try_from(length).unwrap().to_be_bytes();
    [0, a, b, c, d]
}

/// What GetStatus must count a refusal as; nothing for what is no refusal, such as a session that is not there.
fn reason(status: &Status) -> Option<&'static str> {
    match status.code() {
        Code::Internal => Some("malformed"),
        Code::InvalidArgument => Some("invalid"),
        Code::Unimplemented => Some("unknown_method"),
        Code::OutOfRange => Some("too_large"),
        Code::ResourceExhausted => Some("no_room"),
        Code::PermissionDenied => Some("wrong_owner"),
        Code::NotFound | Code::FailedPrecondition => None,
        other => panic!("{other:?}: {status}"),
    }
}

/// A call of each method that names a session, with every field that a client usually sets. No session has that name.
fn calls() -> Vec<(&'static str, Vec<u8>)> {
    let session_id = || "0d4c3ab17a6e4f0e-15fcd-ffff".to_owned();
    let filter = || {
        Some(proto::EventFilter {
            families: vec![proto::Family::File.into()],
            kinds: vec!["file_open".to_owned()],
            user_ids: vec![10_001, 10_002],
            packages: vec!["com.example".to_owned()],
            phases: vec!["pre_consent".to_owned()],
            outcomes: vec![proto::OutcomeKind::Ok.into()],
            path_patterns: vec!["/data/*".to_owned()],
            name_patterns: vec!["*.example".to_owned()],
            data_types: vec!["contacts".to_owned()],
            minimum_severity: proto::Severity::Low.into(),
        })
    };
    let stream = proto::StreamEventsRequest {
        session_id: session_id(),
        from_sequence: 7,
        filter: filter(),
        when_slow: proto::SlowPolicy::Drop.into(),
        queue_events: 100,
        detail: proto::Detail::Light.into(),
    };
    let query = proto::QueryEventsRequest {
        session_id: session_id(),
        filter: filter(),
        from_ns: 1,
        to_ns: 2,
        order: proto::Order::NewestFirst.into(),
        page_size: 10,
        page_token: String::new(),
    };
    let summarize = proto::SummarizeRequest {
        session_id: session_id(),
        filter: filter(),
        dimensions: vec![proto::Dimension::App.into(), proto::Dimension::DataType.into()],
        from_ns: 1,
        to_ns: 2,
    };
    let condition = |id: &str, when| proto::WatchCondition {
        id: id.to_owned(),
        filter: filter(),
        most_matches: 3,
        when: Some(when),
    };
    let known = vec!["example.com".to_owned(), "*.cdn.example".to_owned()];
    let watch = proto::WatchRequest {
        session_id: session_id(),
        from_now: true,
        conditions: vec![
            condition("a", proto::watch_condition::When::UnknownDomain(proto::UnknownDomain { known })),
            condition("b", proto::watch_condition::When::Threshold(proto::Threshold { count: 5, within_ms: 100 })),
        ],
        ..Default::default()
    };
    let mark = proto::MarkPhaseRequest {
        session_id: session_id(),
        phase: "refused".to_owned(),
        note: "tapped".to_owned(),
        owner_token: "x".repeat(64),
    };
    let stop = proto::StopSessionRequest { session_id: session_id(), owner_token: String::new() };
    vec![
        ("StreamEvents", stream.encode_to_vec()),
        ("QueryEvents", query.encode_to_vec()),
        ("Summarize", summarize.encode_to_vec()),
        ("Watch", watch.encode_to_vec()),
        ("MarkPhase", mark.encode_to_vec()),
        ("StopSession", stop.encode_to_vec()),
    ]
}

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const SETTINGS: &[u8] = &[0, 0, 0, 4, 0, 0, 0, 0, 0];

/// A frame of HTTP/2 (RFC 9113, section 4.1).
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let [_, a, b, c] = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = vec![a, b, c, kind, flags];
    frame.extend_from_slice(&stream.to_be_bytes());
    frame.extend_from_slice(payload);
    frame
}

/// What a connection begins with that never comes to a request.
fn noise(numbers: &mut Numbers, index: usize) -> Vec<u8> {
    let stream = u32::try_from(numbers.below(6)).unwrap();
    let random = numbers.bytes(200);
    let noise = match index % 8 {
        0 => random,
        1 => PREFACE[..1 + numbers.below(PREFACE.len() - 1)].to_vec(),
        2 => numbers.mutated(&[PREFACE, SETTINGS].concat()),
        3 => [PREFACE, &random].concat(),
        4 => {
            let kind = numbers.next().to_le_bytes()[0];
            [PREFACE, SETTINGS, &frame(kind, random[0], stream, &random)].concat()
        }
        // HEADERS whose block is noise, DATA that belongs to nothing, and a frame that claims 16 MiB.
        5 => [PREFACE, SETTINGS, &frame(1, 0x05, 1, &random)].concat(),
        6 => [PREFACE, SETTINGS, &frame(0, 0x01, stream, &random)].concat(),
        _ => [PREFACE, SETTINGS, &[0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 1], &random].concat(),
    };
    // Who says nothing at all has not tried.
    if noise.is_empty() { vec![0] } else { noise }
}

/// Connects, makes noise, and waits until the daemon has hung up.
fn make_noise(socket: &Path, noise: &[u8]) {
    let mut stream = UnixStream::connect(socket).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    // The daemon may hang up before all of it is written.
    let _ = stream.write_all(noise);
    let _ = stream.shutdown(Shutdown::Write);
    let mut answer = Vec::new();
    if let Err(error) = stream.read_to_end(&mut answer) {
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "the daemon does not hang up: {noise:?}");
    }
}

/// Memory of this process, in which the daemon runs too, in KiB.
fn resident_kib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

async fn counted(client: &mut CandorServiceClient<Channel>) -> (BTreeMap<String, u64>, u64) {
    let status = client.get_status(proto::GetStatusRequest {}).await.unwrap().into_inner().access.unwrap();
    let refusals = status.refusals.into_iter().filter(|refusal| refusal.count > 0);
    (refusals.map(|refusal| (refusal.reason, refusal.count)).collect(), status.requests_total)
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_malformed_requests_are_refused_counted_and_survived() {
    let limits = AccessLimits { requests_per_second: 1_000_000, ..AccessLimits::default() };
    let daemon = Daemon::start_access(None, AccessOptions { limits, ..AccessOptions::default() }).await;
    let mut client = daemon.client().await;
    let mut channel = daemon.channel().await;
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
    let mut expected: BTreeMap<String, u64> = BTreeMap::new();
    let mut codes: BTreeMap<String, u64> = BTreeMap::new();
    let mut sent = 0;
    let calls = calls();
    let mut after_warm_up = 0;

    // 6000 messages: what a client sends with some bytes changed, or noise instead.
    for index in 0..6_000 {
        let (method, message) = &calls[index % calls.len()];
        let bytes = match index / calls.len() % 3 {
            0 => numbers.bytes(300),
            1 => numbers.mutated(message),
            _ => {
                let mut bytes = message.clone();
                bytes[numbers.below(message.len())] ^= 1 << numbers.below(8);
                bytes
            }
        };
        let path = format!("/candor.v1.CandorService/{method}");
        let status = call(&mut channel, &path, prefix(bytes.len()), &bytes).await;
        assert_ne!(status.code(), Code::Ok, "{method} took {bytes:?}");
        *codes.entry(format!("{:?}", status.code())).or_default() += 1;
        if let Some(reason) = reason(&status) {
            *expected.entry(reason.to_owned()).or_default() += 1;
        }
        sent += 1;
        if index == 1_000 {
            after_warm_up = resident_kib();
        }
    }
    // 2000 frames around messages that are well: compressed by nothing that was agreed on, cut short, longer than is taken,
    // for a method that there is not.
    for index in 0..2_000 {
        let (method, message) = &calls[index % calls.len()];
        let length = message.len();
        let (method, prefix, code) = match index % 4 {
            0 => (*method, [1, 0, 0, 0, u8::try_from(length.min(255)).unwrap()], Code::Internal),
            1 => (*method, prefix(length + 1 + numbers.below(1000)), Code::Internal),
            2 => (*method, prefix(262_145 + numbers.below(1 << 30)), Code::OutOfRange),
            _ => ("NoSuchMethod", prefix(length), Code::Unimplemented),
        };
        let status = call(&mut channel, &format!("/candor.v1.CandorService/{method}"), prefix, message).await;
        assert_eq!(status.code(), code, "{index}: {status}");
        *expected.entry(reason(&status).unwrap().to_owned()).or_default() += 1;
        sent += 1;
    }
    // 2000 connections that never come to a request.
    let noises: Vec<_> = (0..2_000).map(|index| noise(&mut numbers, index)).collect();
    let socket = daemon.socket.clone();
    tokio::task::spawn_blocking(move || noises.iter().for_each(|noise| make_noise(&socket, noise))).await.unwrap();
    *expected.entry("malformed".to_owned()).or_default() += 2_000;

    // Each sort came up, or the test has lost its point.
    for code in ["Internal", "InvalidArgument", "NotFound"] {
        assert!(codes.get(code).is_some_and(|count| *count > 40), "{codes:?}");
    }
    let deadline = std::time::Instant::now() + DEADLINE;
    loop {
        let (refusals, requests) = counted(&mut client).await;
        sent += 1;
        // A connection is counted when it is gone, which may be after we have noticed.
        if refusals == expected {
            assert_eq!(requests, sent, "requests that were let through");
            break;
        }
        assert!(std::time::Instant::now() < deadline, "{refusals:?} instead of {expected:?}");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    client.get_device(proto::GetDeviceRequest {}).await.unwrap();
    assert!(
        daemon
            .client()
            .await
            .list_sessions(proto::ListSessionsRequest {})
            .await
            .unwrap()
            .into_inner()
            .sessions
            .is_empty()
    );
    let grown = resident_kib().saturating_sub(after_warm_up);
    assert!(grown < 32 * 1024, "{grown} KiB more than after the first thousand");
    daemon.shutdown().await;
}
