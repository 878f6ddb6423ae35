//! How long `candor check` takes for a long recording, and how much memory: run by `scripts/bench-check`.
//!
//! `write FILE EVENTS` makes a recording of what a busy app's session looks like; `check FILE TERMS HTML` checks one, writes its
//! HTML report, and prints one line of figures. Each is a process of its own, so that the peak of memory is that of the check alone.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a benchmark may panic"
)]

use std::path::{Path, PathBuf};
use std::time::Instant;

use candor::event::*;
use candor::host::commands::check::{CheckOptions, ReportFormat, check_recording};
use candor::host::recording::{RecordingReader, RecordingWriter};

/// As in the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const PACKAGE: &str = "com.example.shop";
const PHASES: &[&str] = &["pre_consent", "foreground", "silent", "background"];

const SERVICES: [(&str, &str); 4] = [
    ("com.android.internal.telephony.ITelephony", "getDeviceId"),
    ("android.content.pm.IPackageManager", "getInstalledPackages"),
    ("android.content.IClipboard", "getPrimaryClip"),
    ("android.os.IUserManager", "isUserUnlocked"),
];

/// Numbers that look like chance, the same in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

fn open(path: String, handle: u64) -> EventBody {
    EventBody::FileOpen(FileOpen {
        path,
        requested_path: None,
        access: OpenAccess::Read,
        flags: 0x20000,
        descriptor: Some(77),
        handle,
        preexisting: false,
        path_cut: false,
        inode: Some(handle % 100_000),
    })
}

/// What an app does, in the shares of a recorded start: files and their totals above all, then sockets, then the rest.
fn body(dice: &mut Dice, sequence: u64) -> EventBody {
    let host = dice.roll(600);
    // Half are the app's own, half nobody knows.
    let name = || {
        if host.is_multiple_of(2) { format!("h{host}.shop.example") } else { format!("h{host}.tracker{host}.example") }
    };
    let remote = Endpoint::Inet(format!("203.0.113.{}:443", host % 250).parse().unwrap());
    match dice.roll(100) {
        0..30 => open(format!("/system/lib64/lib{}.so", dice.roll(3_000)), sequence),
        30..42 => open(format!("/data/user/0/{PACKAGE}/cache/http/{:x}.0", dice.roll(200_000)), sequence),
        42..46 => open(format!("/proc/{}/cmdline", dice.roll(30_000)), sequence),
        46..48 => open(format!("/storage/emulated/0/DCIM/Camera/IMG_{}.jpg", dice.roll(5_000)), sequence),
        48 => open("/sys/class/net/wlan0/address".to_owned(), sequence),
        49..70 => EventBody::FileTotals(FileTotals {
            path: format!("/data/user/0/{PACKAGE}/files/{}", dice.roll(2_000)),
            descriptor: 77,
            handle: sequence - dice.roll(sequence.min(50)),
            bytes_read: dice.roll(100_000),
            bytes_written: 0,
            read_calls: 3,
            write_calls: 0,
            mapped: false,
            closed: true,
        }),
        70..76 => EventBody::SocketConnect(SocketConnect {
            transport: Transport::Tcp,
            remote,
            local: None,
            descriptor: 90,
            handle: sequence,
            preexisting: false,
            code_origin: None,
        }),
        76..82 => EventBody::SocketTotals(SocketTotals {
            transport: Transport::Tcp,
            remote: Some(remote),
            local: None,
            descriptor: 90,
            handle: sequence - dice.roll(sequence.min(50)),
            bytes_sent: dice.roll(20_000),
            bytes_received: dice.roll(200_000),
            send_calls: 4,
            receive_calls: 9,
            closed: true,
        }),
        82..86 => EventBody::TlsClientHello(TlsClientHello {
            server_name: Some(name()),
            protocols: vec!["h2".to_owned(), "http/1.1".to_owned()],
            encrypted_client_hello: false,
            remote: Some(remote),
            handle: sequence - dice.roll(sequence.min(50)),
            cut: false,
        }),
        86..90 => EventBody::DnsAnswer(DnsAnswer {
            name: name(),
            record_type: "A".to_owned(),
            transaction_id: 7,
            response_code: 0,
            records: vec![DnsRecord::Address(format!("203.0.113.{}", host % 250).parse().unwrap())],
            server: None,
            cut: false,
        }),
        90..97 => {
            let (interface, method) = SERVICES[dice.roll(4) as usize];
            EventBody::from(ServiceCall {
                service: None,
                method: Some(method.to_owned()),
                method_source: MethodSource::DeviceDex,
                method_table: "framework.jar 1f2e3d4c".to_owned(),
                arguments: vec![ServiceArgument { name: "calling_package".to_owned(), value: PACKAGE.to_owned() }],
                result_count: None,
                transaction: BinderTransaction {
                    interface: interface.to_owned(),
                    code: 5,
                    ..BinderTransaction::default()
                },
            })
        }
        97 => EventBody::ProcessStart(ProcessStart { parent: Some(ProcessKey::new(4_000, 0)), preexisting: false }),
        98 => EventBody::ProcessExec(ProcessExec {
            path: "/system/bin/getprop".to_owned(),
            requested_path: None,
            arguments: vec!["getprop".to_owned(), "ro.product.model".to_owned()],
            arguments_cut: false,
        }),
        _ => EventBody::ProcessExit(ProcessExit { status: Some(0), signal: None }),
    }
}

fn write(path: &Path, events: u64) {
    let status = |family| ProbeStatus {
        probe: ProbeId::EbpfKernelObjects,
        family,
        state: ProbeState::Attached,
        reason: String::new(),
    };
    let probes: Vec<ProbeStatus> = Family::TRACED.iter().copied().map(status).collect();
    let header = SessionHeader {
        probes: probes.clone(),
        started: ClockAnchor { boot_ns: 1_000_000_000, wall_ns: 1_700_000_000_000_000_000 },
        ..SessionHeader::default()
    };
    let mut writer = RecordingWriter::create(path, true).unwrap();
    writer.entry(&StreamEntry::Header(Box::new(header))).unwrap();
    let mut dice = Dice(1);
    let app = App { package: Some(PACKAGE.to_owned()), candidates: Vec::new() };
    for sequence in 1..=events {
        let quarter = (sequence * PHASES.len() as u64 / (events + 1)) as usize;
        let process = 4_000 + dice.roll(12) as u32;
        let event = Event {
            sequence,
            time_ns: 1_000_000_000 + sequence * 60_000,
            process: ProcessRef {
                key: ProcessKey::new(process, u64::from(process) * 1_000_000_000),
                name: format!("shop:p{process}"),
                executable: Some("/system/bin/app_process64".to_owned()),
            },
            thread_id: process + dice.roll(40) as u32,
            user_id: 10_123,
            app: app.clone(),
            phase: PHASES[quarter].parse().unwrap(),
            probe: ProbeId::EbpfKernelObjects,
            fidelity: Fidelity::Faithful,
            outcome: if dice.roll(50) == 0 { Outcome::Failed(2) } else { Outcome::Ok },
            body: body(&mut dice, sequence),
        };
        writer.entry(&StreamEntry::Event(Box::new(event))).unwrap();
    }
    let totals = Totals { time_ns: 1_000_000_000 + events * 60_000, events, loss: LossTotals::default() };
    writer
        .entry(&StreamEntry::End(Box::new(SessionEnd {
            reason: SessionEndReason::Stopped,
            totals,
            probes,
            self_tests: Vec::new(),
        })))
        .unwrap();
    writer.finish().unwrap();
}

/// The peak of this process's memory in MiB.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["write", file, events] => write(Path::new(file), events.parse().unwrap()),
        ["read", file] => {
            let start = Instant::now();
            let entries = RecordingReader::open(Path::new(file)).unwrap().count();
            println!("read: {entries} entries in {:.2} s, {} MiB at most", start.elapsed().as_secs_f64(), peak());
        }
        ["check", file, terms, html] => {
            let options = CheckOptions {
                terms: PathBuf::from(terms),
                format: ReportFormat::Json,
                html: Some(PathBuf::from(html)),
                sarif: None,
                junit: None,
                markdown: None,
                recipients: Vec::new(),
                data_types: Vec::new(),
                profile: Vec::new(),
                force_terms: false,
                accepted: Vec::new(),
                as_of: None,
                baseline: None,
                tolerance: 50,
                window: 10,
                language: None,
            };
            let start = Instant::now();
            let exit = check_recording(Path::new(file), &options, &mut std::io::sink()).unwrap();
            println!(
                "check: {:.2} s, {} MiB at most, exit status {}",
                start.elapsed().as_secs_f64(),
                peak(),
                exit.code()
            );
        }
        // `cargo test --benches` and `cargo bench` without arguments: that it runs at all is seen on a small recording.
        _ => {
            let directory = std::env::temp_dir().join(format!("candor-check-speed-{}", std::process::id()));
            std::fs::create_dir_all(&directory).unwrap();
            let file = directory.join("small.candor");
            write(&file, 10_000);
            println!("{} entries; scripts/bench-check measures", RecordingReader::open(&file).unwrap().count());
            std::fs::remove_dir_all(&directory).unwrap();
        }
    }
}
