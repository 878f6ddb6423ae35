//! What the wire costs: a batch of events between the vocabulary and bytes.
//!
//! The batch is the mix of a busy app: mostly files opened and read, some connections, a few names.
//! Run with `cargo bench --bench wire`.
#![expect(clippy::unwrap_used, reason = "a benchmark may panic")]

use std::hint::black_box;

use candor::event::{
    App, DnsQuery, Endpoint, Event, EventBody, Fidelity, FidelityReason, FileOpen, FileTotals, OpenAccess, Outcome,
    Phase, ProbeId, ProcessKey, ProcessRef, SocketConnect, SocketTotals, TlsClientHello, Transport,
};
use candor::wire::proto;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use prost::Message as _;

const BATCH: u64 = 256;

fn event(number: u64) -> Event {
    let remote = Endpoint::Inet("203.0.113.77:443".parse().unwrap());
    let local = Endpoint::Inet("192.0.2.15:40112".parse().unwrap());
    let handle = 0xffff_8881_0400_0000 + number;
    let body = match number % 8 {
        0 => EventBody::SocketConnect(SocketConnect {
            transport: Transport::Tcp,
            remote,
            local: Some(local),
            descriptor: 71,
            handle,
            preexisting: false,
            code_origin: None,
        }),
        1 => EventBody::SocketTotals(SocketTotals {
            transport: Transport::Tcp,
            remote: Some(remote),
            local: Some(local),
            descriptor: 71,
            handle,
            bytes_sent: 18_034,
            bytes_received: 220_117,
            send_calls: 12,
            receive_calls: 160,
            closed: true,
        }),
        2 if number.is_multiple_of(16) => EventBody::DnsQuery(DnsQuery {
            name: "metrics.tracker.example".to_owned(),
            record_type: "AAAA".to_owned(),
            transaction_id: 0x51fe,
            server: Some(Endpoint::Inet("192.0.2.53:53".parse().unwrap())),
        }),
        2 => EventBody::TlsClientHello(TlsClientHello {
            server_name: Some("metrics.tracker.example".to_owned()),
            protocols: vec!["h2".to_owned(), "http/1.1".to_owned()],
            encrypted_client_hello: false,
            remote: Some(remote),
            handle,
            cut: false,
        }),
        3 | 4 => EventBody::FileTotals(FileTotals {
            path: "/data/data/com.example.reader/databases/library.db".to_owned(),
            descriptor: 93,
            handle,
            bytes_read: 65_536,
            bytes_written: 4096,
            read_calls: 16,
            write_calls: 1,
            mapped: false,
            closed: true,
        }),
        _ => EventBody::FileOpen(FileOpen {
            path: format!("/data/data/com.example.reader/files/chapters/{number:05}.json"),
            requested_path: None,
            access: OpenAccess::Read,
            flags: 0o2_000_000,
            descriptor: Some(93),
            handle,
            preexisting: false,
            path_cut: false,
            inode: Some(1_000_000 + number),
        }),
    };
    Event {
        sequence: 1_000_000 + number,
        time_ns: 86_400_000_000_000 + number * 12_345,
        process: ProcessRef {
            key: ProcessKey::new(14_321, 86_000_120_000_000),
            name: "xample.reader:1".to_owned(),
            executable: Some("/system/bin/app_process64".to_owned()),
        },
        thread_id: 14_377,
        user_id: 10_123,
        app: App { package: Some("com.example.reader".to_owned()), candidates: Vec::new() },
        phase: "pre_consent".parse::<Phase>().unwrap(),
        probe: ProbeId::EbpfKernelObjects,
        fidelity: if number.is_multiple_of(10) {
            Fidelity::Hint(vec![FidelityReason::UserMemory])
        } else {
            Fidelity::Faithful
        },
        outcome: Outcome::Ok,
        body,
    }
}

fn to_message(events: &[Event]) -> proto::StreamEventsResponse {
    let entries = events
        .iter()
        .map(|event| proto::StreamEntry { entry: Some(proto::stream_entry::Entry::Event(event.into())) })
        .collect();
    proto::StreamEventsResponse { entries }
}

fn from_message(message: proto::StreamEventsResponse) -> Vec<Event> {
    message
        .entries
        .into_iter()
        .filter_map(|entry| match entry.entry {
            Some(proto::stream_entry::Entry::Event(event)) => Some(event.try_into().unwrap()),
            _ => None,
        })
        .collect()
}

fn wire(criterion: &mut Criterion) {
    let events: Vec<Event> = (0..BATCH).map(event).collect();
    let message = to_message(&events);
    let bytes = message.encode_to_vec();
    assert_eq!(from_message(message.clone()), events);

    let mut group = criterion.benchmark_group("wire");
    group.throughput(Throughput::Elements(BATCH));
    group.bench_function("to_wire", |bencher| bencher.iter(|| to_message(black_box(&events))));
    group.bench_function("encode", |bencher| bencher.iter(|| to_message(black_box(&events)).encode_to_vec()));
    group.bench_function("decode", |bencher| {
        bencher.iter(|| from_message(proto::StreamEventsResponse::decode(black_box(bytes.as_slice())).unwrap()));
    });
    group.bench_function("from_wire", |bencher| {
        bencher.iter_batched(|| message.clone(), from_message, BatchSize::SmallInput);
    });
    group.finish();
}

criterion_group!(benches, wire);
criterion_main!(benches);
