//! `candord doctor` on a device that looks like Android, with a binder driver.
#![cfg(all(feature = "ebpf", feature = "host"))]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests may panic")]

mod device_support;

use device_support::{Lab, text_of};
use serde_json::Value;

#[test]
#[ignore = "needs QEMU, and root and eBPF in it: run by scripts/test"]
fn the_doctor_on_a_device_with_binder_and_packages() {
    let lab = Lab::new();
    lab.up(&[]);
    let output = lab.device(&["shell", "-n", "candord", "--log", "error", "doctor", "--format", "json"]);
    let report: Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", text_of(&output)));
    let state = |name: &str| {
        let checks = report["checks"].as_array().unwrap();
        let check =
            checks.iter().find(|check| check["name"] == name).unwrap_or_else(|| panic!("no {name}: {report:#}"));
        check["state"].as_str().unwrap().to_owned()
    };
    for name in ["kernel", "btf", "program_types", "map_types", "binder", "process", "file", "socket", "packages"] {
        assert_eq!(state(name), "ok", "{name}: {report:#}");
    }
    // An emulated processor can be too slow for the second that is allowed; that all was seen is what counts here.
    assert_ne!(state("self_test"), "missing", "{report:#}");
    let results = report["self_test"]["results"].as_array().unwrap();
    let seen = |family: &str| results.iter().any(|result| result["family"] == family && result["state"] == "seen");
    assert!(seen("process") && seen("file") && seen("socket"), "{report:#}");
    // Names are asked of netd there.
    assert_eq!(state("resolver"), "limited");
    // The daemon of the device goes on as before.
    assert!(lab.info(1).contains("attached"));
    println!("{}", lab.succeed(&["shell", "-n", "candord --log error doctor || true"]));
}
