//! The numbers of the raw record in Rust are those of the C header: clang compares them.
//!
//! For every structure, field and value that `record_layout.rs` declares, a C file is made that asserts it, and clang
//! checks the file against the header that the kernel programs are compiled with. So a change on one side alone fails here.
#![cfg(feature = "ebpf")]
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests: a panic is their report")]

use std::fmt::Write as _;
use std::process::Command;

use candor::device::probe::record_layout as layout;

macro_rules! assert_structures {
    ($source:ident, $($module:ident),*) => {
        $(
            writeln!($source, "_Static_assert(sizeof(struct {0}) == {1}, \"size of {0}\");", stringify!($module), layout::$module::SIZE).unwrap();
            for (field, offset) in layout::$module::FIELDS {
                writeln!($source, "_Static_assert(__builtin_offsetof(struct {0}, {field}) == {offset}, \"{0}.{field}\");", stringify!($module)).unwrap();
            }
        )*
    };
}

macro_rules! assert_values {
    ($source:ident, $($module:ident),*) => {
        $(for (name, value) in layout::$module::VALUES {
            writeln!($source, "_Static_assert({name} == {value}, \"{name}\");").unwrap();
        })*
    };
}

fn assertions() -> String {
    let mut source =
        String::from("#include \"kernel_types.h\"\n#include \"shared_layout.h\"\n#include \"map_layout.h\"\n");
    assert_structures!(
        source,
        record_header,
        process_start_body,
        process_exec_body,
        process_exit_body,
        process_name_body,
        blind_spot_body,
        file_open_body,
        totals_body,
        path_change_body,
        socket_end,
        socket_body,
        socket_totals_body,
        socket_payload_body,
        binder_transaction_body,
        binder_reply_body,
        binder_node_reference,
        platform_body,
        method_names_body,
        binder_name_body,
        package_body,
        user_registers,
        code_origin,
        segment_header
    );
    assert_values!(source, record_kind, record_flag, segment_tag, segment_flag, payload_purpose, blind_spot);
    assert_values!(
        source,
        binder_device,
        binder_side,
        binder_ending,
        method_names_source,
        binder_name_what,
        package_change,
        code_confidence
    );
    for (name, value) in [
        ("RECORD_MAX", layout::RECORD_MAX),
        ("BINDER_PARCEL_MAX", layout::BINDER_PARCEL_MAX),
        ("BINDER_OFFSETS_MAX", layout::BINDER_OFFSETS_MAX),
    ] {
        writeln!(source, "_Static_assert({name} == {value}, \"{name}\");").unwrap();
    }
    source.push_str(&candor::device::probe::ebpf::map_layout_assertions());
    source
}

/// What clang says to the source; empty when it agrees.
fn clang(source: &str) -> String {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("assertions.c");
    std::fs::write(&file, source).unwrap();
    let compiler = std::env::var("CLANG").unwrap_or_else(|_| "clang".to_owned());
    let output = Command::new(compiler)
        .args(["-target", "bpf", "-fsyntax-only", "-D__TARGET_ARCH_x86", "-DCANDOR_KERNEL_OBJECTS=0", "-I"])
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/src/device/probe/ebpf/programs"))
        .arg(&file)
        .output()
        .expect("clang runs: it compiled the kernel programs");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn every_number_is_that_of_the_header() {
    let source = assertions();
    assert!(source.lines().count() > 120, "the tables are empty");
    assert_eq!(clang(&source), "");
}

#[test]
fn a_wrong_number_is_noticed() {
    let said = clang(
        &assertions()
            .replace("offsetof(struct record_header, tgid) == 24", "offsetof(struct record_header, tgid) == 28"),
    );
    assert!(said.contains("record_header.tgid"), "{said}");
}
