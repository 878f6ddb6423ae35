//! What tracing costs the traced program, and everybody else. Run by `scripts/bench-overhead`, as root.
//!
//! Interleaved rounds of four states of the machine, two workloads each: an open+read+close loop, and a loop of a system
//! call that no probe is concerned with. The workload is this same program, started again as a child on processor 0;
//! the probe is read on processor 1.
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a benchmark: its report is its output, and a failed step ends it"
)]

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use candor::device::probe::ebpf::{EbpfChoice, attach_empty_program, open};
use candor::device::probe::record_layout::{RecordView, record_kind};
use candor::device::probe::{Probe, RawBatch, SessionSlot};
use candor::event::Selection;
use nix::sched::{CpuSet, sched_setaffinity};
use nix::time::{ClockId, clock_gettime};
use nix::unistd::Pid;

const FILE_CALLS: u32 = 100_000;
const NULL_CALLS: u32 = 1_000_000;
/// A user id that nobody has.
const NOBODY: u32 = 4_242_424;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Untraced,
    EmptyProgram,
    Traced,
    OtherUidTraced,
}

const STATES: [(State, &str); 4] = [
    (State::Untraced, "untraced"),
    (State::EmptyProgram, "empty raw tracepoint program"),
    (State::Traced, "traced"),
    (State::OtherUidTraced, "another uid traced"),
];

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let Some(at) = arguments.iter().position(|argument| argument == "--workload") {
        run_workload(&arguments[at + 1], &arguments[at + 2]);
        return;
    }
    // `cargo test --benches` runs this too: only `cargo bench` passes the argument.
    if !arguments.iter().any(|argument| argument == "--bench") {
        return;
    }
    let rounds = std::env::var("ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(5);
    let choice =
        if std::env::var_os("SYSTEM_CALLS").is_some() { EbpfChoice::SystemCalls } else { EbpfChoice::KernelObjects };
    let mut times = vec![[const { Vec::new() }; 2]; STATES.len()];
    for round in 0..rounds {
        for (index, (state, _)) in STATES.iter().enumerate() {
            let sample = measure(*state, choice);
            for (to, from) in times[index].iter_mut().zip(sample) {
                to.push(from);
            }
        }
        println!("round {} of {rounds} done", round + 1);
    }
    report(&times);
}

/// Nanoseconds per iteration of both workloads in a state.
fn measure(state: State, choice: EbpfChoice) -> [f64; 2] {
    let empty = (state == State::EmptyProgram).then(|| attach_empty_program().expect("attach the empty program"));
    let probe = matches!(state, State::Traced | State::OtherUidTraced).then(|| {
        let opened = open(choice);
        opened.probe.unwrap_or_else(|| panic!("needs root and eBPF: {:?}", opened.statuses))
    });
    let result = match probe {
        None => ["file", "null"].map(|workload| Workload::start(workload).finish()),
        Some(mut probe) => ["file", "null"].map(|workload| traced(probe.as_mut(), workload, state)),
    };
    drop(empty);
    result
}

fn traced(probe: &mut dyn Probe, workload: &str, state: State) -> f64 {
    let slot = SessionSlot::new(0).unwrap();
    let child = Workload::start(workload);
    let selection = match state {
        State::Traced => Selection { process_trees: [child.child.id()].into(), ..Selection::default() },
        _ => Selection { user_ids: [NOBODY].into(), ..Selection::default() },
    };
    let mut batch = RawBatch::new(probe.id());
    probe.select(slot, &selection, &mut batch).unwrap();
    let (mut opens, mut records) = (0_u32, 0_u64);
    let mut count = |batch: &RawBatch| {
        records += batch.len() as u64;
        opens += batch.iter().filter(|record| RecordView::new(record).kind() == record_kind::FILE_OPEN).count() as u32;
    };
    let done = AtomicBool::new(false);
    let time = std::thread::scope(|scope| {
        let waiter = scope.spawn(|| {
            let time = child.finish();
            done.store(true, Ordering::Release);
            time
        });
        pin(1);
        let mut quiet_since = None;
        loop {
            let mut batch = RawBatch::new(probe.id());
            probe.poll(Duration::from_millis(10), &mut batch).unwrap();
            count(&batch);
            if done.load(Ordering::Acquire) && batch.is_empty() {
                let since = *quiet_since.get_or_insert_with(Instant::now);
                if since.elapsed() > Duration::from_millis(100) {
                    break;
                }
            } else {
                quiet_since = None;
            }
        }
        waiter.join().unwrap()
    });
    let mut batch = RawBatch::new(probe.id());
    probe.deselect(slot, &mut batch);
    count(&batch);
    let lost: u64 = probe.counters().programs.iter().map(|program| program.lost).sum();
    assert_eq!(lost, 0, "records were lost");
    if state == State::Traced && workload == "file" {
        assert!(opens >= FILE_CALLS, "{opens} opens of {FILE_CALLS} came out");
    }
    if state == State::OtherUidTraced {
        assert_eq!(records, 0, "an unselected program left records");
    }
    time
}

struct Workload {
    child: Child,
    output: BufReader<std::process::ChildStdout>,
}

impl Workload {
    /// Starts it; it waits for a word.
    fn start(workload: &str) -> Self {
        let file = std::env::temp_dir().join("candor-bench-overhead");
        std::fs::write(&file, [7; 64]).unwrap();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--workload", workload])
            .arg(&file)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        Self { child, output }
    }

    fn finish(mut self) -> f64 {
        self.child.stdin.as_mut().unwrap().write_all(b"\n").unwrap();
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        self.child.wait().unwrap();
        line.trim().parse().unwrap()
    }
}

fn run_workload(workload: &str, file: &str) {
    pin(0);
    println!("ready");
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).unwrap();
    let (begin, count) = match workload {
        "file" => {
            let mut buffer = [0; 64];
            let begin = processor_time();
            for _ in 0..FILE_CALLS {
                let read = File::open(file).unwrap().read(&mut buffer).unwrap();
                assert_eq!(read, 64);
            }
            (begin, FILE_CALLS)
        }
        _ => {
            let begin = processor_time();
            for _ in 0..NULL_CALLS {
                std::hint::black_box(nix::unistd::getppid());
            }
            (begin, NULL_CALLS)
        }
    };
    println!("{}", (processor_time() - begin).as_nanos() as f64 / f64::from(count));
}

/// What the kernel has charged to this process, the time in kernel programs included. Not the time by the clock: on a
/// shared machine that tells mostly how busy the others are.
fn processor_time() -> Duration {
    clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID).unwrap().into()
}

fn pin(processor: usize) {
    let mut set = CpuSet::new();
    set.set(processor).unwrap();
    // On a machine with one processor there is nothing to choose.
    let _one_processor = sched_setaffinity(Pid::from_raw(0), &set);
}

fn report(times: &[[Vec<f64>; 2]]) {
    let median = |samples: &[f64]| {
        let mut sorted = samples.to_vec();
        sorted.sort_by(f64::total_cmp);
        sorted[sorted.len() / 2]
    };
    let value = |state: usize, workload: usize| median(&times[state][workload]);
    println!("{:<30} {:>24} {:>24}", "median ns of processor time", "open+read+close", "call of no interest");
    for (state, (_, name)) in STATES.iter().enumerate() {
        let cell = |workload: usize| {
            format!("{:.0} ({:.2}x)", value(state, workload), value(state, workload) / value(0, workload))
        };
        println!("{name:<30} {:>24} {:>24}", cell(0), cell(1));
    }
    let traced = value(2, 0) / value(0, 0);
    println!("traced open+read+close: {traced:.2}x untraced (bar 1.50, wanted 1.30)");
    for (workload, name) in [(0, "open+read+close"), (1, "call of no interest")] {
        println!("untraced {name}: {:.2}x of an empty program (bar 1.10)", value(3, workload) / value(1, workload));
    }
    println!("0 records lost; every open of the traced program came out");
}
