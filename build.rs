//! Compiles the protobuf contract (without `protoc`) and, for the `ebpf` feature, the kernel programs (with clang).
#![expect(clippy::print_stderr, clippy::exit, reason = "a build script speaks through stderr and its exit status")]

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, exit};
use std::{env, fs};

use flate2::Compression;
use flate2::write::ZlibEncoder;
use prost::Message as _;

const PROTO_DIRECTORY: &str = "proto";
const PROTO_FILES: &[&str] = &[
    "candor/v1/identity.proto",
    "candor/v1/binder.proto",
    "candor/v1/event.proto",
    "candor/v1/file.proto",
    "candor/v1/process.proto",
    "candor/v1/provider.proto",
    "candor/v1/service.proto",
    "candor/v1/socket.proto",
    "candor/v1/filter.proto",
    "candor/v1/session.proto",
    "candor/v1/access.proto",
    "candor/v1/candor_service.proto",
];

/// Where the kernel programs are, and each object: its name, its source, and what is defined for it.
const PROGRAM_DIRECTORY: &str = "src/device/probe/ebpf/programs";
const OBJECTS: &[(&str, &str, &[&str])] = &[
    // The first three differ in how they read: without calls (kernel 6.2 and later), without calls what the current task
    // leads to (5.11 and later), or with calls (5.8 and later).
    (
        "kernel_objects_by_casts",
        "probe.bpf.c",
        &["-DCANDOR_KERNEL_OBJECTS=1", "-DCANDOR_TYPED_POINTERS=1", "-DCANDOR_CASTS=1"],
    ),
    ("kernel_objects", "probe.bpf.c", &["-DCANDOR_KERNEL_OBJECTS=1", "-DCANDOR_TYPED_POINTERS=1"]),
    ("kernel_objects_by_calls", "probe.bpf.c", &["-DCANDOR_KERNEL_OBJECTS=1", "-DCANDOR_TYPED_POINTERS=0"]),
    ("system_calls", "probe.bpf.c", &["-DCANDOR_KERNEL_OBJECTS=0", "-DCANDOR_TYPED_POINTERS=0"]),
    ("canary", "canary.bpf.c", &["-DCANDOR_KERNEL_OBJECTS=0", "-DCANDOR_TYPED_POINTERS=0"]),
];

fn main() {
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default());
    compile_protobuf(&out);
    if env::var_os("CARGO_FEATURE_EBPF").is_some() {
        compile_kernel_programs(&out);
    }
}

/// Generates the wire types. Server code exists with `device` only, client code with `host` only.
fn compile_protobuf(out: &Path) {
    println!("cargo::rerun-if-changed={PROTO_DIRECTORY}");
    let descriptors = protox::compile(PROTO_FILES, [PROTO_DIRECTORY])
        .unwrap_or_else(|error| fail(&format!("the protobuf contract does not compile: {error:?}")));
    // Kept for server reflection, so that grpcurl and generated clients work unaided.
    fs::write(out.join("candor_descriptors.bin"), descriptors.encode_to_vec())
        .unwrap_or_else(|error| fail(&format!("cannot write the descriptors: {error}")));
    tonic_prost_build::configure()
        .build_server(env::var_os("CARGO_FEATURE_DEVICE").is_some())
        .build_client(env::var_os("CARGO_FEATURE_HOST").is_some())
        .build_transport(false)
        .btree_map(".")
        .compile_fds(descriptors)
        .unwrap_or_else(|error| fail(&format!("cannot generate the wire types: {error}")));
}

/// Compiles each kernel object for the target architecture.
///
/// C and clang rather than Rust and a BPF target: the latter needs a nightly compiler and a second package. The objects
/// carry their relocations (CO-RE), so no kernel headers are needed, only clang.
fn compile_kernel_programs(out: &Path) {
    println!("cargo::rerun-if-changed={PROGRAM_DIRECTORY}");
    println!("cargo::rerun-if-env-changed=CLANG");
    let clang = env::var("CLANG").unwrap_or_else(|_| "clang".to_owned());
    let architecture = match env::var("CARGO_CFG_TARGET_ARCH").as_deref() {
        Ok("x86_64") => "-D__TARGET_ARCH_x86",
        Ok("aarch64") => "-D__TARGET_ARCH_arm64",
        other => fail(&format!(
            "the eBPF probe knows x86_64 and aarch64, not {other:?}; build with --no-default-features --features device"
        )),
    };
    for (name, source, defines) in OBJECTS {
        let object = out.join(format!("{name}.bpf.o"));
        // -mcpu=v3: without it clang 14 loses the bounds of 32-bit lengths and the verifier refuses the copies.
        let result = Command::new(&clang)
            .args(["-target", "bpf", "-mcpu=v3", "-g", "-O2", "-Wall", "-Wextra", "-Werror", architecture])
            .args(*defines)
            .arg("-I")
            .arg(PROGRAM_DIRECTORY)
            .arg("-c")
            .arg(Path::new(PROGRAM_DIRECTORY).join(source))
            .arg("-o")
            .arg(&object)
            .output();
        match result {
            Ok(output) if output.status.success() => deflate(&object),
            Ok(output) => fail(&format!(
                "{clang} refused {PROGRAM_DIRECTORY}/{source} for {name}:\n{}",
                String::from_utf8_lossy(&output.stderr)
            )),
            Err(error) => fail(&format!(
                "cannot run {clang} ({error}), which compiles the kernel programs of the eBPF probe.\n\
                 Install clang 14 or later (Debian: apt-get install clang), name another one in CLANG,\n\
                 or build without the probe: --no-default-features --features device,host"
            )),
        }
    }
}

/// Writes `NAME.bpf.o.zlib` beside an object: four objects of 600 KB would be a quarter of the daemon, and shrink to a quarter.
fn deflate(object: &Path) {
    let written = fs::read(object).and_then(|bytes| {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(&bytes)?;
        fs::write(object.with_extension("o.zlib"), encoder.finish()?)
    });
    written.unwrap_or_else(|error| fail(&format!("cannot compress {}: {error}", object.display())));
}

fn fail(message: &str) -> ! {
    eprintln!("error: {message}");
    exit(1)
}
