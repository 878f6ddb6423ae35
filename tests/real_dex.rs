//! Transaction codes in real dex: what the reader finds is what Debian's dexdump finds. `scripts/dex-fixtures` makes the
//! jars: our own AIDL through other people's compilers, and jars out of published packages.
#![cfg(feature = "device")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests may panic")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use candor::device::probe::platform::{self, dex};
use candor::device::probe::record_layout::{
    RecordView, method_names_body, method_names_source, record_kind, segment_tag, u32_at,
};
use candor::device::probe::{RawBatch, SessionSlot};
use candor::event::{ProbeId, Selection};
use zip::ZipArchive;

fn fixtures() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("target"), PathBuf::from);
    let directory = target.join("dex-fixtures");
    assert!(directory.join("stamp").exists(), "{} is not there: run scripts/dex-fixtures", directory.display());
    directory
}

/// Every dex file of a jar.
fn dex_files(jar: &Path) -> Vec<Vec<u8>> {
    let mut archive = ZipArchive::new(File::open(jar).unwrap()).unwrap();
    let names: Vec<String> = archive.file_names().map(|name| name.unwrap().into_owned()).collect();
    let names = names.into_iter().filter(|name| name.ends_with(".dex") && !name.contains('/'));
    names
        .map(|name| {
            let mut bytes = Vec::new();
            archive.by_name(&name).unwrap().read_to_end(&mut bytes).unwrap();
            bytes
        })
        .collect()
}

/// Interface, code and method of each constant that dexdump found.
fn expected(jar: &Path) -> BTreeSet<(String, u32, String)> {
    let text = fs::read_to_string(jar.with_extension("codes")).unwrap();
    text.lines()
        .map(|line| {
            let [class, code, method] = line.split(' ').collect::<Vec<_>>()[..] else { panic!("{line}") };
            let interface = class.strip_prefix('L').unwrap().strip_suffix("$Stub;").unwrap().replace('/', ".");
            (interface, code.parse().unwrap(), method.to_owned())
        })
        .collect()
}

#[test]
#[ignore = "needs what scripts/dex-fixtures makes: run by scripts/test"]
fn every_code_is_the_one_that_dexdump_finds() {
    for (name, classes) in [("made", 2), ("scrcpy", 2), ("uiautomator", 5)] {
        let jar = fixtures().join(format!("{name}.jar"));
        let mut found = BTreeSet::new();
        for bytes in dex_files(&jar) {
            let read = dex::transaction_codes(&bytes).unwrap();
            assert_eq!(read.skipped, BTreeMap::new(), "{name}");
            for (interface, methods) in read.interfaces {
                found.extend(methods.into_iter().map(|(code, method)| (interface.clone(), code, method)));
            }
        }
        assert_eq!(found, expected(&jar), "{name}");
        let interfaces: BTreeSet<_> = found.iter().map(|(interface, ..)| interface).collect();
        assert_eq!(interfaces.len(), classes, "{name}: {interfaces:?}");
    }
    let scrcpy = expected(&fixtures().join("scrcpy.jar"));
    assert!(scrcpy.contains(&(
        "android.content.IOnPrimaryClipChangedListener".to_owned(),
        1,
        "dispatchPrimaryClipChanged".to_owned()
    )));
}

#[test]
#[ignore = "needs what scripts/dex-fixtures makes: run by scripts/test"]
fn no_flipped_bit_of_real_dex_is_a_panic() {
    let mut flipped = 0_u32;
    for name in ["made", "scrcpy"] {
        for mut bytes in dex_files(&fixtures().join(format!("{name}.jar"))) {
            let bits = bytes.len() * 8;
            // Every bit of a short file; of a longer one an even sample that reaches every part.
            for bit in (0..bits).step_by((bits / 20_000).max(1)) {
                bytes[bit / 8] ^= 1 << (bit % 8);
                if let Ok(read) = dex::transaction_codes(&bytes) {
                    let codes = read.interfaces.values().flatten();
                    assert!(codes.into_iter().all(|(code, method)| *code > 0 && !method.is_empty()));
                }
                bytes[bit / 8] ^= 1 << (bit % 8);
                flipped += 1;
            }
        }
    }
    assert!(flipped > 20_000, "{flipped} bits only");
}

#[test]
#[ignore = "needs what scripts/dex-fixtures makes: run by scripts/test"]
fn a_device_with_real_dex_names_its_methods() {
    let root = tempfile::tempdir().unwrap();
    let framework = root.path().join("system/framework");
    fs::create_dir_all(&framework).unwrap();
    fs::write(root.path().join("system/build.prop"), "ro.build.version.sdk=34\n").unwrap();
    fs::copy(fixtures().join("made.jar"), framework.join("framework.jar")).unwrap();
    fs::copy(fixtures().join("uiautomator.jar"), framework.join("uiautomator.jar")).unwrap();
    // The second time the tables come out of the cache, and are the same.
    for _ in 0..2 {
        let mut probe = platform::open(root.path().to_owned(), Some(root.path().join("cache")));
        let mut batch = RawBatch::new(ProbeId::Platform);
        probe.select(SessionSlot::new(0).unwrap(), &Selection::default(), &mut batch).unwrap();
        let mut tables = BTreeMap::new();
        for view in batch.iter().map(RecordView::new).filter(|view| view.kind() == record_kind::METHOD_NAMES) {
            let segments: BTreeMap<u8, &[u8]> =
                view.segments(method_names_body::SIZE).map(|(tag, _, bytes)| (tag, bytes)).collect();
            if u32_at(view.body(), method_names_body::SOURCE) == method_names_source::DEVICE_DEX {
                let text = |tag| String::from_utf8(segments[&tag].to_vec()).unwrap();
                assert!(text(segment_tag::ORIGIN).starts_with("/system/framework/framework.jar sha256:"));
                tables.insert(text(segment_tag::NAME), segments[&segment_tag::METHODS].to_vec());
            }
        }
        let names: Vec<_> = tables.keys().map(String::as_str).collect();
        assert_eq!(names, ["android.location.ILocationManager", "com.android.internal.telephony.IPhoneSubInfo"]);
        let numbers = b"\x07\0\0\0getDeviceId\0\x2c\x01\0\0getLine1NumberForSubscriber\0";
        assert_eq!(tables["com.android.internal.telephony.IPhoneSubInfo"], numbers);
        assert_eq!(fs::read_dir(root.path().join("cache")).unwrap().count(), 2, "one file for each jar");
        assert!(
            probe
                .statuses()
                .iter()
                .any(|status| status.reason.contains("methods of 2 interfaces from the device's 2 jars"))
        );
    }
}
