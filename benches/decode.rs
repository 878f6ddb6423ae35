//! What it costs to decode a record of each kind, and the parsers behind payloads. Run: `cargo bench --bench decode`.
#![allow(missing_docs, reason = "criterion's macros make undocumented functions")]

use std::hint::black_box;

use candor::device::decode::test_support::{RecordBuilder, samples};
use candor::device::decode::{Decoder, dns, tls_client_hello};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

const CLIENT_HELLO: &[u8] = include_bytes!("../src/device/decode/test_data/client_hello_python.bin");
const DNS_ANSWER: &[u8] = b"\x57\x3c\x85\x80\0\x01\0\x02\0\0\0\0\x03www\x04shop\x07example\0\0\x01\0\x01\
    \xc0\x0c\0\x05\0\x01\0\0\0\0\0\x12\x04edge\x03cdn\x07example\0\xc0\x2e\0\x01\0\x01\0\0\0\0\0\x04\xc0\0\x02\x0a";

fn records(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decode");
    group.throughput(Throughput::Elements(1));
    let mut decoder = Decoder::new();
    let mut out = Vec::new();
    let mut all = samples();
    let hello = RecordBuilder::payload((9, 6, 1), (1, 1), 0, CLIENT_HELLO.len(), None, CLIENT_HELLO);
    let answer = RecordBuilder::payload((9, 6, 2), (2, 2), 0, DNS_ANSWER.len(), None, DNS_ANSWER);
    let named = all.drain(..).map(|(kind, record)| (format!("{kind:?}"), record));
    for (name, record) in named.chain([("ClientHello".into(), hello.build()), ("DnsAnswer".into(), answer.build())]) {
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                out.clear();
                assert!(decoder.decode(black_box(&record), &mut out).is_ok() && !out.is_empty());
            });
        });
    }
    group.finish();
}

fn parsers(criterion: &mut Criterion) {
    criterion.bench_function("dns answer", |bencher| bencher.iter(|| dns::parse(black_box(DNS_ANSWER), false)));
    criterion.bench_function("client hello", |bencher| {
        bencher.iter(|| tls_client_hello::parse(black_box(CLIENT_HELLO)));
    });
}

criterion_group!(benches, records, parsers);
criterion_main!(benches);
