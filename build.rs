//! Compiles the protobuf contract (without `protoc`), the tables of personal data and, for the `ebpf` feature, the kernel
//! programs (with clang).
#![expect(clippy::print_stderr, clippy::exit, reason = "a build script speaks through stderr and its exit status")]

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::mem::offset_of;
use std::path::{Path, PathBuf};
use std::process::{Command, exit};
use std::{env, fs};

use flate2::Compression;
use flate2::write::ZlibEncoder;
use object::elf::SectionHeader64;
use object::read::elf::ElfFile64;
use object::{LittleEndian, Object as _, ObjectSection as _};
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
    "candor/v1/watch.proto",
    "candor/v1/candor_service.proto",
];

/// Where the kernel programs are, and each object: its name, its source, and what is defined for it.
const PROGRAM_DIRECTORY: &str = "src/device/probe/ebpf/programs";
const OBJECTS: &[(&str, &str, &[&str])] = &[
    // Those of kernel objects differ in how they read: without calls (kernel 6.2 and later), without calls what the current task
    // leads to (5.11 and later), or with calls (5.8 and later). Those "by event" hang on another form of the tracepoint of
    // system calls, which the kernel does not interrupt.
    (
        "kernel_objects_by_event",
        "probe.bpf.c",
        &["-DCANDOR_KERNEL_OBJECTS=1", "-DCANDOR_TYPED_POINTERS=1", "-DCANDOR_CASTS=1", "-DCANDOR_SYSTEM_CALL_EVENT=1"],
    ),
    (
        "kernel_objects_by_casts",
        "probe.bpf.c",
        &["-DCANDOR_KERNEL_OBJECTS=1", "-DCANDOR_TYPED_POINTERS=1", "-DCANDOR_CASTS=1"],
    ),
    ("kernel_objects", "probe.bpf.c", &["-DCANDOR_KERNEL_OBJECTS=1", "-DCANDOR_TYPED_POINTERS=1"]),
    ("kernel_objects_by_calls", "probe.bpf.c", &["-DCANDOR_KERNEL_OBJECTS=1", "-DCANDOR_TYPED_POINTERS=0"]),
    (
        "system_calls_by_event",
        "probe.bpf.c",
        &["-DCANDOR_KERNEL_OBJECTS=0", "-DCANDOR_TYPED_POINTERS=0", "-DCANDOR_SYSTEM_CALL_EVENT=1"],
    ),
    ("system_calls", "probe.bpf.c", &["-DCANDOR_KERNEL_OBJECTS=0", "-DCANDOR_TYPED_POINTERS=0"]),
    ("canary", "canary.bpf.c", &["-DCANDOR_KERNEL_OBJECTS=0", "-DCANDOR_TYPED_POINTERS=0"]),
];

fn main() {
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default());
    compile_protobuf(&out);
    compile_personal_data(&out);
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
        // Rare and large: unboxed they would make every event three times as large.
        .boxed(".candor.v1.Event.body.provider_access")
        .boxed(".candor.v1.Event.body.service_call")
        .boxed(".candor.v1.SocketConnect.code_origin")
        .compile_fds(descriptors)
        .unwrap_or_else(|error| fail(&format!("cannot generate the wire types: {error}")));
}

/// What the daemon needs of the tables: kinds of data, and what on a device gives them. Names and legal classes stay out.
const DATA_TYPE_TABLES: &[&str] = &["data/data_types.toml", "data/declared_data_types.toml"];
const PLATFORM_TABLE: &str = "data/platform_sources.toml";

/// Writes `personal_data_tables.rs`: the tables of `data/` as constants, for `src/personal_data`.
///
/// Constants rather than the files themselves: a TOML parser would be a tenth of the daemon. What is wrong in the tables
/// the lint of `host::ontology` says better; here it only ends the build.
fn compile_personal_data(out: &Path) {
    let mut roots = BTreeMap::new();
    let mut entries = Vec::new();
    for table in DATA_TYPE_TABLES {
        let mut file = read_table(table);
        for root in rows(&mut file, "path_root") {
            roots.insert(text(&root, "name"), texts(&root, "paths"));
        }
        entries.extend(rows(&mut file, "data_type"));
    }
    let numbers: BTreeMap<String, usize> =
        entries.iter().enumerate().map(|(number, entry)| (text(entry, "id"), number)).collect();
    let number = |id: &String| *numbers.get(id).unwrap_or_else(|| fail(&format!("no data type is called {id}")));
    let (mut types, mut paths, mut commands) = (String::new(), String::new(), String::new());
    for (index, entry) in entries.iter().enumerate() {
        let mut broader = BTreeSet::from([index]);
        let mut open = vec![index];
        while let Some(narrow) = open.pop() {
            for parent in entries.get(narrow).map(|entry| texts(entry, "narrower_than")).unwrap_or_default() {
                let parent = number(&parent);
                if broader.insert(parent) {
                    open.push(parent);
                }
            }
        }
        let broader: Vec<_> = broader.into_iter().collect();
        let is = |key: &str| entry.get(key).and_then(toml::Value::as_bool);
        let class = if is("weak") == Some(true) {
            "Weak"
        } else if [is("sensitive_gb_35273"), is("sensitive_pipl")].contains(&Some(true)) {
            "Sensitive"
        } else if is("fallback") == Some(true) {
            "Place"
        } else if [is("sensitive_gb_35273"), is("sensitive_pipl")].contains(&None) {
            "Open"
        } else {
            "Personal"
        };
        let (id, fallback) = (text(entry, "id"), is("fallback") == Some(true));
        types.push_str(&format!(
            "    TypeRow {{ id: {id:?}, broader_or_same: &{broader:?}, class: DataClass::{class}, fallback: {fallback} }},\n"
        ));
        for pattern in texts(entry, "paths") {
            for path in under_roots(&pattern, &roots) {
                // Letter case is ignored: what is compared with it is lowered too.
                paths.push_str(&format!("    ({:?}, {index}),\n", path.to_ascii_lowercase()));
            }
        }
        for command in texts(entry, "commands") {
            let words: Vec<_> = command.split_whitespace().collect();
            commands.push_str(&format!("    (&{words:?}, {index}),\n"));
        }
    }
    let mut platform = read_table(PLATFORM_TABLE);
    let (mut providers, mut services) = (String::new(), String::new());
    for row in rows(&mut platform, "provider") {
        let undecided = row.get("undecided").and_then(toml::Value::as_bool).unwrap_or_default();
        let types: Vec<_> = texts(&row, "data_types").iter().map(number).collect();
        providers.push_str(&format!(
            "    ProviderRow {{ authorities: &{:?}, paths: &{:?}, calls: &{:?}, types: &{types:?}, undecided: {undecided} }},\n",
            texts(&row, "authorities"),
            texts(&row, "paths"),
            texts(&row, "calls"),
        ));
    }
    for row in rows(&mut platform, "service") {
        let types: Vec<_> = texts(&row, "data_types").iter().map(number).collect();
        services.push_str(&format!(
            "    ServiceRow {{ interface: {:?}, methods: &{:?}, types: &{types:?} }},\n",
            text(&row, "interface"),
            texts(&row, "methods"),
        ));
    }
    let written = fs::write(
        out.join("personal_data_tables.rs"),
        format!(
            "const TYPES: &[TypeRow] = &[\n{types}];\nconst PATHS: &[(&str, u8)] = &[\n{paths}];\n\
             const COMMANDS: &[(&[&str], u8)] = &[\n{commands}];\nconst PROVIDERS: &[ProviderRow] = &[\n{providers}];\n\
             const SERVICES: &[ServiceRow] = &[\n{services}];\n"
        ),
    );
    written.unwrap_or_else(|error| fail(&format!("cannot write the tables of personal data: {error}")));
}

fn read_table(path: &str) -> toml::Table {
    println!("cargo::rerun-if-changed={path}");
    let read = fs::read_to_string(path).map_err(|error| error.to_string());
    let parsed = read.and_then(|text| text.parse().map_err(|error: toml::de::Error| error.to_string()));
    parsed.unwrap_or_else(|error| fail(&format!("{path}: {error}")))
}

fn rows(file: &mut toml::Table, name: &str) -> Vec<toml::Table> {
    let Some(toml::Value::Array(rows)) = file.remove(name) else { return Vec::new() };
    rows.into_iter().filter_map(|row| toml::Table::try_from(row).ok()).collect()
}

fn text(row: &toml::Table, key: &str) -> String {
    let text = row.get(key).and_then(toml::Value::as_str);
    text.unwrap_or_else(|| fail(&format!("an entry of the tables of personal data has no {key}"))).to_owned()
}

fn texts(row: &toml::Table, key: &str) -> Vec<String> {
    let list = row.get(key).and_then(toml::Value::as_array).into_iter().flatten();
    list.filter_map(|text| text.as_str().map(str::to_owned)).collect()
}

/// A pattern with its leading `$root` replaced by each path of that root.
fn under_roots(pattern: &str, roots: &BTreeMap<String, Vec<String>>) -> Vec<String> {
    let Some(rest) = pattern.strip_prefix('$') else { return vec![pattern.to_owned()] };
    let (name, tail) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let paths = roots.get(name).unwrap_or_else(|| fail(&format!("no path root is called {name}")));
    paths.iter().map(|root| format!("{root}{tail}")).collect()
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
            Ok(output) if output.status.success() => {
                strip(&object);
                deflate(&object);
            }
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

/// Empties what only a debugger reads in an object. Without `-g` there would be no type information either, which the loader
/// and the kernel do read; the relocations of it are for a linker. The sections stay, so that no number of a section changes,
/// and what they held is zeros, which compress to nothing.
fn strip(object: &Path) {
    let is_for_debuggers =
        |name: &str| [".debug", ".rel.debug", ".rel.BTF"].iter().any(|prefix| name.starts_with(prefix));
    let stripped = fs::read(object).map_err(|error| error.to_string()).and_then(|mut bytes| {
        let mut emptied = Vec::new();
        {
            let file = ElfFile64::<LittleEndian>::parse(bytes.as_slice()).map_err(|error| error.to_string())?;
            let headers = file.elf_header().e_shoff.get(LittleEndian);
            for section in file.sections().filter(|section| section.name().is_ok_and(is_for_debuggers)) {
                let header = headers + section.index().0 as u64 * size_of::<SectionHeader64<LittleEndian>>() as u64;
                let size = header + offset_of!(SectionHeader64<LittleEndian>, sh_size) as u64;
                emptied.extend(section.file_range().into_iter().chain([(size, size_of::<u64>() as u64)]));
            }
        }
        for (start, length) in emptied {
            let range = usize::try_from(start).ok().zip(usize::try_from(start + length).ok());
            let held = range.and_then(|(start, end)| bytes.get_mut(start..end));
            held.ok_or("a section lies outside of the file")?.fill(0);
        }
        fs::write(object, bytes).map_err(|error| error.to_string())
    });
    stripped.unwrap_or_else(|error| fail(&format!("cannot strip {}: {error}", object.display())));
}

/// Writes `NAME.bpf.o.zlib` beside an object: these objects would be a quarter of the daemon, and shrink to a quarter.
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
