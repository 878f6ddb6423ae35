//! The event bus: what an event costs to append, and to give to 1 or 16 readers that keep up.
#![allow(clippy::unwrap_used, reason = "a bench may panic")]
#![allow(missing_docs, reason = "criterion makes public functions without documentation")]

use std::hint::black_box;

use candor::device::event_bus::{Matcher, Spool, SpoolLimits};
use candor::event::{
    App, Event, EventBody, Fidelity, FileOpen, OpenAccess, Outcome, Phase, ProbeId, ProcessKey, ProcessRef,
    SessionHeader, StreamEntry,
};
use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

/// As many events as a probe hands over at a time under load.
const BATCH: usize = 1000;

fn event() -> StreamEntry {
    StreamEntry::Event(Box::new(Event {
        sequence: 0,
        time_ns: 1,
        process: ProcessRef {
            key: ProcessKey { pid: 4321, start_ns: 10_000_000 },
            name: "example.camera".to_owned(),
            executable: Some("/system/bin/app_process64".to_owned()),
        },
        thread_id: 4322,
        user_id: 10_123,
        app: App { package: Some("com.example.camera".to_owned()), candidates: Vec::new() },
        phase: Phase::unmarked(),
        probe: ProbeId::EbpfKernelObjects,
        fidelity: Fidelity::Faithful,
        outcome: Outcome::Ok,
        body: EventBody::FileOpen(FileOpen {
            path: "/storage/emulated/0/DCIM/Camera/IMG_20260101_120000.jpg".to_owned(),
            requested_path: None,
            access: OpenAccess::Read,
            flags: 0o2_000_000,
            descriptor: Some(42),
            handle: 99,
            preexisting: false,
            path_cut: false,
            inode: Some(123_456),
        }),
    }))
}

fn append_and_read(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("event_bus");
    group.throughput(Throughput::Elements(BATCH as u64));
    for readers in [0, 1, 16] {
        // Large enough that readers lose nothing, small enough that old entries go: the steady state.
        let spool = Spool::new(SessionHeader::default(), SpoolLimits { bytes: 16 << 20, events: usize::MAX });
        let mut subscriptions: Vec<_> = (0..readers).map(|_| spool.subscribe(0, Matcher::default()).unwrap()).collect();
        for subscription in &mut subscriptions {
            subscription.take(0);
        }
        group.bench_function(BenchmarkId::new("append_and_read", readers), |bencher| {
            bencher.iter_batched(
                || (0..BATCH).map(|_| event()).collect::<Vec<_>>(),
                |events| {
                    spool.append(events);
                    for subscription in &mut subscriptions {
                        let entries = subscription.take(usize::MAX);
                        assert_eq!(entries.len(), BATCH);
                        black_box(entries);
                    }
                },
                BatchSize::LargeInput,
            );
        });
    }
    group.finish();
}

criterion_group!(benches, append_and_read);
criterion_main!(benches);
