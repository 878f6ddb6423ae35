//! How fast a recording is judged: events a second through the correlator alone, and together with reading.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, reason = "a benchmark may panic")]

use candor::event::*;
use candor::host::commands::check::{CheckOptions, ReportFormat, check_recording};
use candor::host::correlate::Correlator;
use candor::host::declared_terms::DeclaredTerms;
use candor::host::ontology::Ontology;
use candor::host::recording::{RecordingCondition, RecordingReader, RecordingWriter};
use candor::host::toml_source::SourceFile;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

const EVENTS: u64 = 500_000;
const TERMS: &str =
    "[app]\npackage = \"com.example.shop\"\n[[collect]]\ndata_types = [\"photos\"]\nmax_per_minute = 10\n";

/// Mostly files that tell nothing, some that do, some connections: what an app's start looks like.
fn entries() -> Vec<StreamEntry> {
    let status = |family| ProbeStatus {
        probe: ProbeId::EbpfKernelObjects,
        family,
        state: ProbeState::Attached,
        reason: String::new(),
    };
    let header =
        SessionHeader { probes: Family::TRACED.iter().copied().map(status).collect(), ..SessionHeader::default() };
    let mut entries = vec![StreamEntry::Header(Box::new(header))];
    let app = App { package: Some("com.example.shop".to_owned()), candidates: Vec::new() };
    for sequence in 1..=EVENTS {
        let body = match sequence % 20 {
            0 => EventBody::SocketConnect(SocketConnect {
                transport: Transport::Tcp,
                remote: Endpoint::Inet(format!("192.0.2.{}:443", sequence % 250).parse().unwrap()),
                local: None,
                descriptor: 5,
                handle: sequence,
                preexisting: false,
                code_origin: None,
            }),
            1 => EventBody::TlsClientHello(TlsClientHello {
                server_name: Some(format!("h{}.umeng.com", sequence % 250)),
                protocols: Vec::new(),
                encrypted_client_hello: false,
                remote: None,
                handle: sequence - 1,
                cut: false,
            }),
            number => EventBody::FileOpen(FileOpen {
                path: match number {
                    2 => format!("/storage/emulated/0/DCIM/Camera/IMG_{}.jpg", sequence % 5_000),
                    3..6 => format!("/data/data/com.example.shop/cache/{sequence}"),
                    // A tenth of the paths is never seen again.
                    6..8 => format!("/proc/{sequence}/stat"),
                    _ => format!("/system/lib64/lib{}.so", sequence % 3_000),
                },
                requested_path: None,
                access: OpenAccess::Read,
                flags: 0,
                descriptor: Some(4),
                handle: sequence,
                preexisting: false,
                path_cut: false,
                inode: None,
            }),
        };
        entries.push(StreamEntry::Event(Box::new(Event {
            sequence,
            time_ns: sequence * 5_000,
            process: ProcessRef { key: ProcessKey::new(42, 0), name: "shop".to_owned(), executable: None },
            thread_id: 42,
            user_id: 10_123,
            app: app.clone(),
            phase: "foreground".parse().unwrap(),
            probe: ProbeId::EbpfKernelObjects,
            fidelity: Fidelity::Faithful,
            outcome: Outcome::Ok,
            body,
        })));
    }
    entries
}

fn correlate(criterion: &mut Criterion) {
    let ontology = Ontology::built_in().unwrap();
    let (terms, _) = DeclaredTerms::parse(&SourceFile::new("terms.toml", TERMS), &ontology).unwrap();
    let entries = entries();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("bench.candor");
    let mut writer = RecordingWriter::create(&path, true).unwrap();
    for entry in &entries {
        writer.entry(entry).unwrap();
    }
    writer.finish().unwrap();

    let mut group = criterion.benchmark_group("correlate");
    group.throughput(Throughput::Elements(EVENTS)).sample_size(10);
    group.bench_function("events in memory", |bencher| {
        bencher.iter(|| {
            let mut correlator = Correlator::new(&terms, &ontology);
            for entry in &entries {
                correlator.add(entry);
            }
            correlator.finish(&RecordingCondition::default())
        });
    });
    let terms_file = directory.path().join("terms.toml");
    std::fs::write(&terms_file, TERMS).unwrap();
    let options = CheckOptions {
        profile: Vec::new(),
        sarif: None,
        junit: None,
        markdown: None,
        terms: terms_file,
        format: ReportFormat::Json,
        html: None,
        language: None,
        recipients: Vec::new(),
        data_types: Vec::new(),
        force_terms: false,
        accepted: Vec::new(),
        as_of: None,
        baseline: None,
        tolerance: 50,
        window: 10,
    };
    // The whole command: tables, terms, a reading thread, a judging thread, the report.
    group.bench_function("candor check", |bencher| {
        bencher.iter(|| check_recording(&path, &options, &mut std::io::sink()).unwrap());
    });
    group.bench_function("read only", |bencher| {
        bencher.iter(|| RecordingReader::open(&path).unwrap().count());
    });
    group.finish();
}

criterion_group!(benches, correlate);
criterion_main!(benches);
