//! Which files are not the code of anybody who wants something: they carry the wish of their caller to the kernel.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;

/// Where the system's own libraries are. A file elsewhere is somebody's code, whatever its name: an app must not be able to
/// hide behind a library that it calls `libc.so`.
const SYSTEM_DIRECTORIES: &[&str] = &["/lib/", "/lib64/", "/usr/lib/", "/usr/lib64/", "/system/", "/apex/"];

/// Directories of the C library, the dynamic loader and the Android runtime alone, with the compiled code of the platform.
const RUNTIME_DIRECTORIES: &[&str] =
    &["/apex/com.android.runtime/", "/apex/com.android.art/", "/apex/com.android.i18n/", "/system/framework/"];

/// Libraries, without `.so` and version: the C library, what belongs to it, and the Android runtime.
const LIBRARIES: &[&str] = &[
    // the GNU C library, in one file or in several; musl
    "libc",
    "libpthread",
    "libdl",
    "libm",
    "librt",
    "libresolv",
    "libanl",
    "libnss_dns",
    "libnss_files",
    "libc.musl",
    // Android: what connect() of the C library goes through, and the way from Java to it
    "libnetd_client",
    "libart",
    "libartbase",
    "libandroid_runtime",
    "libjavacore",
    "libopenjdk",
    "libopenjdkjvm",
    "libnativehelper",
    "libnativeloader",
    "libnativebridge",
    "libdexfile",
];

/// Programs of the loader and of the Android runtime.
const PROGRAMS: &[&str] = &["linker", "linker64", "app_process", "app_process32", "app_process64", "dalvikvm64"];

/// Whether the path is that of such a file, or of memory that the kernel gives to each process.
pub(super) fn is_runtime(path: &OsStr) -> bool {
    let bytes = path.as_bytes();
    if bytes == b"[vdso]" {
        return true;
    }
    let within = |directories: &[&str]| directories.iter().any(|directory| bytes.starts_with(directory.as_bytes()));
    if within(RUNTIME_DIRECTORIES) {
        return true;
    }
    let Ok(path) = std::str::from_utf8(bytes) else { return false };
    let file = path.rsplit_once('/').map_or(path, |(_, file)| file);
    within(SYSTEM_DIRECTORIES) && (PROGRAMS.contains(&file) || is_loader(file) || LIBRARIES.contains(&library(file)))
}

/// `ld-linux-x86-64.so.2`, `ld-2.31.so`, `ld-musl-x86_64.so.1`.
fn is_loader(file: &str) -> bool {
    file.starts_with("ld-") && file.contains(".so")
}

/// `libc` of `libc.so.6` and of `libc-2.31.so`.
fn library(file: &str) -> &str {
    let name = file.split_once(".so").map_or(file, |(name, _)| name);
    match name.rsplit_once('-') {
        Some((before, version)) if version.starts_with(|first: char| first.is_ascii_digit()) => before,
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_c_library_the_loader_and_the_android_runtime_are_nobodys_code() {
        for path in [
            "/usr/lib/x86_64-linux-gnu/libc.so.6",
            "/lib/x86_64-linux-gnu/libc-2.31.so",
            "/lib/x86_64-linux-gnu/libpthread-2.31.so",
            "/lib64/ld-linux-x86-64.so.2",
            "/lib/ld-musl-x86_64.so.1",
            "/apex/com.android.runtime/lib64/bionic/libc.so",
            "/apex/com.android.art/lib64/libart.so",
            "/system/lib64/libnetd_client.so",
            "/system/bin/app_process64",
            "/system/framework/arm64/boot.oat",
            "[vdso]",
        ] {
            assert!(is_runtime(OsStr::new(path)), "{path}");
        }
    }

    #[test]
    fn a_name_alone_hides_nobody() {
        for path in [
            "/data/app/~~a==/com.example-b==/lib/arm64/libc.so",
            "/data/data/com.example/files/linker64",
            "/usr/lib/x86_64-linux-gnu/libcurl.so.4",
            "/usr/lib/x86_64-linux-gnu/libc-client.so.2007e",
            "/system/lib64/libssl.so",
            "/usr/bin/python3.11",
            "",
        ] {
            assert!(!is_runtime(OsStr::new(path)), "{path}");
        }
    }
}
