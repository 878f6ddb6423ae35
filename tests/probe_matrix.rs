//! The expectation suite on each kernel of the matrix, and the table in `docs/KERNELS.md` that is made of what it saw. Run by
//! `scripts/test-kernels`, which says in the environment where to run it and where the results go.
#![cfg(all(feature = "ebpf", feature = "host"))]
#![allow(clippy::print_stdout, reason = "scripts/test-kernels shows it to whoever waits")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests may panic")]

mod parcel_encoder;
mod probe_support;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::Command;

use candor::event::EventKind;
use parcel_encoder::{Parcel, Release, Uri};
use probe_support::TIERS;
use probe_support::observe::{Device, Here, Place};
use probe_support::results::{KernelResult, TierResult, describe, document, run_tier, version};
use probe_support::table::LOOKED_UP;

/// The results that are part of the sources, one file a kernel.
const RESULTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/kernels");
const DOCUMENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/KERNELS.md");

fn committed() -> Vec<KernelResult> {
    let mut kernels: Vec<KernelResult> = std::fs::read_dir(RESULTS)
        .unwrap()
        .map(|entry| serde_json::from_str(&std::fs::read_to_string(entry.unwrap().path()).unwrap()).unwrap())
        .collect();
    kernels.sort_by_key(|kernel| (kernel.architecture != "x86_64", version(&kernel.release), kernel.release.clone()));
    kernels
}

/// With CANDOR_BLESS it writes the document.
#[test]
fn the_document_is_what_the_results_come_to_and_no_kind_of_event_is_missing() {
    let kernels = committed();
    let made = document(&kernels);
    if std::env::var_os("CANDOR_BLESS").is_some() {
        std::fs::write(DOCUMENT, &made).unwrap();
    }
    let written = std::fs::read_to_string(DOCUMENT).unwrap_or_default();
    assert!(written == made, "docs/KERNELS.md is not what tests/golden/kernels comes to: run scripts/test-kernels");
    for tier in TIERS {
        let section =
            written.split("\n## ").find(|section| section.starts_with(&format!("`--probes {tier}`"))).unwrap();
        let rows: BTreeSet<&str> =
            section.lines().filter_map(|line| line.strip_prefix("| ")?.split([',', ' ']).next()).collect();
        let looked_up = |kind: &EventKind| LOOKED_UP.iter().any(|(one, _)| one == kind);
        for kind in EventKind::ALL.iter().filter(|kind| !looked_up(kind)) {
            assert!(rows.contains(kind.name()), "{tier}: no row for {}", kind.name());
        }
    }
}

/// Which tiers are to be run: those named in CANDOR_MATRIX_PROBES, or all.
fn tiers() -> Vec<&'static str> {
    let wanted = std::env::var("CANDOR_MATRIX_PROBES").unwrap_or_default();
    TIERS.into_iter().filter(|tier| wanted.is_empty() || wanted.split(' ').any(|word| word == *tier)).collect()
}

/// Runs the suite in a place, and writes what it saw to the file that CANDOR_MATRIX_RESULT names. What other tiers saw before
/// stays in it.
fn run(place: &mut dyn Place) {
    let info = Command::new(env!("CARGO_BIN_EXE_candor"))
        .args(["info", "--format", "json"])
        .env("CANDOR_DAEMON", place.daemon())
        .output()
        .unwrap();
    let info: serde_json::Value = serde_json::from_slice(&info.stdout).expect("candor info answers");
    let (release, architecture, btf) = describe(&info);
    let file = std::env::var_os("CANDOR_MATRIX_RESULT").map(PathBuf::from);
    let before: Option<KernelResult> = file
        .as_deref()
        .and_then(|file| std::fs::read_to_string(file).ok())
        .map(|text| serde_json::from_str(&text).unwrap());
    let mut results: BTreeMap<String, TierResult> = before.map(|kernel| kernel.tiers).unwrap_or_default();
    let mut all_wrong = Vec::new();
    for tier in tiers() {
        let (result, wrong) = run_tier(place, tier, btf);
        println!("{release} {architecture} {tier}: {}, {} not as promised", result.summary(), wrong.len());
        results.insert(tier.to_owned(), result);
        all_wrong.extend(wrong);
    }
    let first_lines: Vec<&str> = all_wrong.iter().filter_map(|wrong| wrong.lines().next()).collect();
    assert!(all_wrong.is_empty(), "{}\n\nin short:\n{}", all_wrong.join("\n\n"), first_lines.join("\n"));
    let Some(file) = file else { return };
    let origin = std::env::var("CANDOR_MATRIX_ORIGIN").unwrap_or_default();
    // What a provider of machines adds to the version says nothing to others.
    let release = if origin.is_empty() {
        version(&release).iter().map(u64::to_string).collect::<Vec<_>>().join(".")
    } else {
        release
    };
    let origin = if origin.is_empty() { "the machine that ran this".to_owned() } else { origin };
    let kernel = KernelResult { release, architecture, origin, btf, tiers: results };
    std::fs::write(file, serde_json::to_string_pretty(&kernel).unwrap() + "\n").unwrap();
}

#[test]
#[ignore = "needs root and eBPF: run by scripts/test"]
fn the_suite_holds_on_this_machine() {
    let mut here = Here::new();
    here.serve("procfs").unwrap();
    run(&mut here);
}

/// In a module of its own so that a run of the privileged tests on the host can leave it out by its name.
mod in_the_test_device {
    use super::*;

    #[test]
    #[ignore = "needs a test device: run by scripts/test-kernels"]
    fn the_suite_holds() {
        let mut device = Device::new(&query());
        device.serve("procfs").unwrap();
        run(&mut device);
    }
}

/// What the program's child sends to a content provider: a query as Android 11 writes it, which has no object in it.
fn query() -> Vec<u8> {
    let mut parcel = Parcel::request(Release { api: 30, device_id: false }, "android.content.IContentProvider");
    let uri = Uri { authority: "com.android.contacts".to_owned(), path: "/data/phones".to_owned(), query: None };
    parcel
        .caller(&[("com.example.photonotes", 10123, None)])
        .string_uri(&uri)
        .texts16(&["display_name".to_owned()])
        .bundle(None);
    assert!(parcel.offsets.is_empty(), "objects would need their places, which a file of bytes does not tell");
    parcel.bytes.clone()
}
