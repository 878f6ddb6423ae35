//! Reading and writing recordings, in events a second. The bar: ten million events are checked in ten seconds on two cores,
//! so reading alone has to stay above two million events a second.
#![allow(clippy::expect_used, missing_docs, reason = "a benchmark may panic; its groups are generated")]

use std::hint::black_box;
use std::path::Path;

use candor::event::{
    App, Event, EventBody, Fidelity, FileOpen, OpenAccess, Outcome, Phase, ProbeId, ProcessKey, ProcessRef, StreamEntry,
};
use candor::host::recording::{RecordingReader, RecordingWriter};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

const EVENTS: u64 = 200_000;

fn event(sequence: u64) -> StreamEntry {
    StreamEntry::Event(Box::new(Event {
        sequence,
        time_ns: 1_000_000_000 + sequence * 5_003,
        process: ProcessRef {
            key: ProcessKey::new(4321, 20_000_000),
            name: "com.example.app".to_owned(),
            executable: Some("/system/bin/app_process64".to_owned()),
        },
        thread_id: 4321,
        user_id: 10_123,
        app: App { package: Some("com.example.app".to_owned()), candidates: Vec::new() },
        phase: Phase::default(),
        probe: ProbeId::EbpfKernelObjects,
        fidelity: Fidelity::Faithful,
        outcome: Outcome::Ok,
        body: EventBody::FileOpen(FileOpen {
            path: format!("/data/data/com.example.app/files/cache/{:08x}.bin", sequence.wrapping_mul(2_654_435_761)),
            requested_path: None,
            access: OpenAccess::Read,
            flags: 0o2_000_000,
            descriptor: Some(42),
            handle: sequence,
            preexisting: false,
            path_cut: false,
            inode: Some(1_000 + sequence),
        }),
    }))
}

fn write(path: &Path, entries: &[StreamEntry]) {
    let mut writer = RecordingWriter::create(path, true).expect("the file can be created");
    for entry in entries {
        writer.entry(entry).expect("the disk has room");
    }
    writer.finish().expect("the disk has room");
}

fn recording(criterion: &mut Criterion) {
    let directory = tempfile::TempDir::new().expect("a directory can be made");
    let path = directory.path().join("bench.candor");
    let mut entries = vec![StreamEntry::Header(Box::default())];
    entries.extend((1..=EVENTS).map(event));

    let mut group = criterion.benchmark_group("recording");
    group.throughput(Throughput::Elements(EVENTS));
    group.sample_size(10);
    group.bench_function("write", |bencher| bencher.iter(|| write(&path, &entries)));
    write(&path, &entries);
    group.bench_function("read", |bencher| {
        bencher.iter(|| RecordingReader::open(&path).expect("it was just written").map(black_box).count());
    });
    group.finish();
}

criterion_group!(benches, recording);
criterion_main!(benches);
