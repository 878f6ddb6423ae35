//! The expectation suite of the probes: what a known program does (`work.rs`), and what each probe has to see of it
//! (`table.rs`). `tests/probe_matrix.rs` runs it, on this machine and on every kernel of the matrix. The older suite in
//! `tests/probe_expectations.rs` has a program and a table of its own, with programs that were not written for it.
#![allow(dead_code, unreachable_pub, reason = "each test file uses its own part of it")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests may panic")]

pub mod observe;
pub mod results;
pub mod table;

use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

/// How long a test waits for anything before it fails: an emulated device that shares its processor with much else takes minutes to
/// verify the kernel programs.
pub const DEADLINE: Duration = Duration::from_secs(600);

/// The tiers of probes, by the words of `--probes`.
pub const TIERS: [&str; 4] = ["ebpf-objects", "ebpf-syscalls", "ptrace", "procfs"];

pub fn wait_for(what: &str, mut done: impl FnMut() -> bool) {
    let give_up = Instant::now() + DEADLINE;
    while !done() {
        assert!(Instant::now() < give_up, "{what} did not come");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// How many leaves of `expected` are in `found`, of how many.
pub fn agreement(expected: &Value, found: &Value) -> (usize, usize) {
    match expected {
        Value::Object(fields) => fields.iter().fold((0, 0), |(same, all), (name, value)| {
            let (one_same, one_all) = agreement(value, &found[name]);
            (same + one_same, all + one_all)
        }),
        leaf => (usize::from(leaf == found), 1),
    }
}

/// The first event that has every field of `expected`.
pub fn find<'a>(events: &'a [Value], expected: &Value) -> Option<&'a Value> {
    events.iter().find(|event| {
        let (same, all) = agreement(expected, event);
        same == all
    })
}

/// What is said of an event that did not come: with the one that comes closest.
pub fn miss(tier: &str, events: &[Value], expected: &Value) -> String {
    let closest = events.iter().max_by_key(|event| agreement(expected, event).0);
    format!("{tier}: no event {expected:#}\nthe closest of {}: {:#}", events.len(), closest.unwrap_or(&Value::Null))
}

/// The first event that has every field of `expected`; fails with the one that comes closest.
pub fn expect<'a>(tier: &str, events: &'a [Value], expected: &Value) -> &'a Value {
    find(events, expected).unwrap_or_else(|| panic!("{}", miss(tier, events, expected)))
}

/// Compiles `work.rs` for this machine.
pub fn compile_work(to: &std::path::Path) {
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/probe_support/work.rs");
    let done =
        Command::new("rustc").args(["--edition", "2024", "-O", "-C", "strip=symbols", source, "-o"]).arg(to).status();
    assert!(done.expect("rustc can be run").success(), "the program of the suite does not compile");
}

/// Makes the 32-bit program of x86. The assembler of binutils does so without a 32-bit C library.
pub fn assemble_narrow(to: &std::path::Path) {
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/probe_support/narrow.s");
    let object = to.with_extension("o");
    for command in [
        Command::new("as").arg("--32").arg("-o").arg(&object).arg(source),
        Command::new("ld").args(["-m", "elf_i386", "-o"]).arg(to).arg(&object),
    ] {
        assert!(command.status().expect("binutils is installed").success());
    }
    std::fs::remove_file(object).unwrap();
}
