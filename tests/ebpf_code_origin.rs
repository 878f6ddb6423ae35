//! Whose code connected: real programs and libraries of theirs, with and without frame pointers, on the running kernel.
#![cfg(feature = "ebpf")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests may panic")]

mod ebpf_support;

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use candor::device::decode::Decoder;
use candor::device::probe::ebpf::EbpfChoice;
use candor::device::probe::record_layout::{record_kind, segment_tag};
use candor::event::{CodeConfidence, CodeOrigin, EventBody};
use ebpf_support::{Fixture, Gated, Record};

const SOURCES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/code_origin_programs");
const WITH_FRAME_POINTERS: &[&str] = &["-O1", "-fno-omit-frame-pointer"];
const WITHOUT: &[&str] = &["-O2", "-fomit-frame-pointer"];
/// Neither frame pointers nor the tables that would do instead.
const WITH_NOTHING: &[&str] = &["-O2", "-fomit-frame-pointer", "-fno-asynchronous-unwind-tables", "-fno-unwind-tables"];

/// A program and its library, built with these flags.
struct Built {
    _directory: tempfile::TempDir,
    program: PathBuf,
    library: PathBuf,
}

fn build(flags: &[&str], link: &[&str]) -> Built {
    let directory = tempfile::tempdir().unwrap();
    let (program, library) = (directory.path().join("program"), directory.path().join("libtrackerlike.so"));
    compile(flags, &["-shared", "-fPIC", "-Wl,--build-id=sha1"], "tracker.c", &library);
    compile(flags, &[&["-Wl,--build-id=sha1"], link].concat(), "program.c", &program);
    Built { _directory: directory, program, library }
}

fn compile(flags: &[&str], more: &[&str], source: &str, to: &Path) {
    let source = Path::new(SOURCES).join(source);
    let mut compiler = Command::new("gcc");
    compiler.args(flags).args(more).arg("-o").arg(to).arg(source).args(["-ldl", "-pthread"]);
    assert!(compiler.status().expect("gcc must be there: scripts/test installs it").success());
}

/// The build id as another program reads it.
fn build_id(file: &Path) -> String {
    let output = Command::new("readelf").arg("-n").arg(file).output().expect("readelf comes with gcc");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines().find_map(|line| line.trim().strip_prefix("Build ID: ")).expect("there is a build id").to_owned()
}

/// The C library of this process, and a copy of it in which the tables that tell how to leave its functions are not found.
fn without_tables(directory: &Path) -> (PathBuf, PathBuf) {
    const INDEX: [u8; 4] = 0x6474_e550_u32.to_le_bytes();
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let library = maps.split_whitespace().find(|word| word.ends_with("/libc.so.6")).expect("the GNU C library");
    let mut bytes = std::fs::read(library).unwrap();
    let count = usize::from(u16::from_le_bytes([bytes[56], bytes[57]]));
    let kind = (0..count).map(|header| 64 + header * 56).find(|at| bytes[*at..at + 4] == INDEX).expect("it has tables");
    bytes[kind..kind + 4].fill(0);
    let copy = directory.join("libc.so.6");
    std::fs::write(&copy, bytes).unwrap();
    (PathBuf::from(library), copy)
}

/// What is told of the connection that the program makes in this mode.
fn origin(choice: EbpfChoice, built: &Built, mode: &str) -> Option<CodeOrigin> {
    origin_in(choice, &mut Command::new(&built.program), built, mode)
}

/// The same, with the program started by this command.
fn origin_in(choice: EbpfChoice, command: &mut Command, built: &Built, mode: &str) -> Option<CodeOrigin> {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = server.local_addr().unwrap().port();
    let mut fixture = Fixture::open(choice);
    command.arg(mode).arg(&built.library).arg(port.to_string()).stdout(Stdio::null());
    let mut child = Gated::command(command);
    fixture.select_trees(&[child.pid()]);
    child.release();
    let pid = child.pid();
    let record = fixture.expect("the connection", |record: &Record| {
        record.kind() == record_kind::SOCKET_CONNECT && record.header().tgid == pid
    });
    for tag in [segment_tag::USER_FRAMES, segment_tag::USER_STACK] {
        assert_eq!(record.segment(tag), None, "the app's stack went further than the probe");
    }
    let mut observations = Vec::new();
    Decoder::new().decode(&record.0, &mut observations).unwrap();
    let EventBody::SocketConnect(connect) = observations.remove(0).body else { panic!("not a connection") };
    connect.code_origin.map(|origin| *origin)
}

#[track_caller]
fn assert_names(origin: Option<&CodeOrigin>, file: &Path) {
    let origin = origin.expect("somebody is named");
    assert_eq!(origin.file, file.to_str().unwrap(), "{origin:?}");
    assert_eq!(origin.confidence, CodeConfidence::Caller, "{origin:?}");
    assert_eq!(origin.build_id.as_deref(), Some(build_id(file).as_str()), "{origin:?}");
    // The place is in the code of the file: between its beginning and its end.
    assert!(origin.offset > 0 && origin.offset < file.metadata().unwrap().len(), "{origin:?}");
}

const TIERS: [EbpfChoice; 2] = [EbpfChoice::KernelObjects, EbpfChoice::SystemCalls];

#[test]
#[ignore = "needs root and eBPF: run by scripts/test"]
fn a_library_that_connects_is_named_with_its_build_id() {
    for flags in [WITH_FRAME_POINTERS, WITHOUT, WITH_NOTHING] {
        let built = build(flags, &[]);
        for choice in TIERS {
            for mode in ["library", "thread", "system-call"] {
                println!("{flags:?} {choice:?} {mode}");
                assert_names(origin(choice, &built, mode).as_ref(), &built.library);
            }
        }
    }
}

#[test]
#[ignore = "needs root and eBPF: run by scripts/test"]
fn a_program_that_connects_by_itself_does_not_name_its_library() {
    for flags in [WITH_FRAME_POINTERS, WITHOUT, WITH_NOTHING] {
        let built = build(flags, &[]);
        for mode in ["own", "own-beside-library"] {
            println!("{flags:?} {mode}");
            assert_names(origin(EbpfChoice::KernelObjects, &built, mode).as_ref(), &built.program);
        }
    }
}

#[test]
#[ignore = "needs root and eBPF: run by scripts/test"]
fn a_program_that_carries_its_own_c_library_names_itself() {
    // The code of the C library is the program's own here, and nothing tells the two apart.
    let built = build(WITHOUT, &["-static", "-Wl,--no-dynamic-linker"]);
    let origin = origin(EbpfChoice::KernelObjects, &built, "own");
    assert_names(origin.as_ref(), &built.program);
    assert_eq!(origin.unwrap().depth, 0);
}

#[test]
#[ignore = "needs root and eBPF: run by scripts/test"]
fn without_the_tables_of_the_c_library_nobody_is_called_the_caller() {
    for flags in [WITH_FRAME_POINTERS, WITHOUT, WITH_NOTHING] {
        let built = build(flags, &[]);
        let (library, copy) = without_tables(built.program.parent().unwrap());
        // In a mount namespace of its own, where the copy is in the place of the C library.
        let script = "mount --bind \"$1\" \"$2\" && shift 2 && exec \"$@\"";
        let mut command = Command::new("unshare");
        command.args(["-m", "sh", "-c", script, "sh"]).args([&copy, &library, &built.program]);
        let origin = origin_in(EbpfChoice::KernelObjects, &mut command, &built, "library").expect("something is told");
        println!("{flags:?} {origin:?}");
        // The chain begins at the library's frame, so it leads to who called the library: further out, and no more is said.
        let frames = (CodeConfidence::Frames, built.program.to_str().unwrap());
        let leaf = (CodeConfidence::Leaf, library.to_str().unwrap());
        let told = (origin.confidence, origin.file.as_str());
        assert!(told == leaf || (told == frames && flags == WITH_FRAME_POINTERS), "{origin:?}");
    }
}
