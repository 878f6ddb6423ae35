//! What it costs to attribute an app's usual run: open a file, its totals, again. Run: `cargo bench --bench attribute`.
#![allow(missing_docs, reason = "criterion's macros make undocumented functions")]

use candor::device::attribute::{Attributor, PackageDirectory};
use candor::device::decode::layout::{RECORD_FLAG_CLOSED, SegmentTag};
use candor::device::decode::test_support::RecordBuilder;
use candor::device::decode::{Decoder, Observation};
use candor::device::package_list;
use candor::event::ProbeId;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};

/// Records of `files` files opened and closed by 16 processes.
fn records(files: u64) -> Vec<Vec<u8>> {
    let mut records = Vec::new();
    for pid in 0..16 {
        let exec = RecordBuilder::process_exec(0).segment(SegmentTag::Path, b"app_process64\0bin\0system\0");
        records.push(exec.process(1000 + pid, 5_000_000_000).build());
    }
    for file in 0..files {
        let pid = 1000 + u32::try_from(file % 16).unwrap_or_default();
        let name = format!("{file}.jpg\0Camera\0DCIM\x000\0emulated\0storage\0");
        let time_ns = 8_000_000_000 + file * 5000;
        let open = RecordBuilder::file_open(5, file + 1, 0).segment(SegmentTag::Path, name.as_bytes());
        records.push(open.process(pid, 5_000_000_000).time(time_ns).build());
        let totals = RecordBuilder::file_totals(file + 1, 5, [4096, 0, 1, 0]).flags(RECORD_FLAG_CLOSED);
        records.push(totals.process(pid, 5_000_000_000).time(time_ns + 1000).build());
    }
    records
}

fn packages() -> PackageDirectory {
    let lines: String =
        (0..300).map(|n| format!("com.example.app{n} {} 0 /data/a default none\n", 10_000 + n)).collect();
    PackageDirectory::from_list(&package_list::parse(lines.as_bytes()))
}

fn attribute(criterion: &mut Criterion) {
    let records = records(5000);
    let mut observations: Vec<Observation> = Vec::new();
    let mut decoder = Decoder::new();
    for record in &records {
        assert!(decoder.decode(record, &mut observations).is_ok());
    }
    let mut group = criterion.benchmark_group("attribute");
    group.throughput(Throughput::Elements(records.len() as u64));
    group.bench_function("open and close", |bencher| {
        let fresh = || (Attributor::new(packages()), observations.clone(), Vec::with_capacity(records.len()));
        bencher.iter_batched(
            fresh,
            |(mut attributor, observations, mut out)| {
                for observation in observations {
                    attributor.attribute(ProbeId::EbpfKernelObjects, observation, &mut out);
                }
                (attributor, out)
            },
            BatchSize::LargeInput,
        );
    });
    group.bench_function("decode, then attribute", |bencher| {
        bencher.iter_batched(
            || (Decoder::new(), Attributor::new(packages()), Vec::with_capacity(records.len())),
            |(mut decoder, mut attributor, mut out)| {
                let mut observations = Vec::new();
                for record in &records {
                    assert!(decoder.decode(record, &mut observations).is_ok());
                    for observation in observations.drain(..) {
                        attributor.attribute(ProbeId::EbpfKernelObjects, observation, &mut out);
                    }
                }
                (attributor, out)
            },
            BatchSize::LargeInput,
        );
    });
    group.finish();
}

criterion_group!(benches, attribute);
criterion_main!(benches);
