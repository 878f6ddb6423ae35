//! Acts on files.

use serde::{Deserialize, Serialize};

/// What a file was opened for, from the access mode of its flags.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OpenAccess {
    /// `O_RDONLY`.
    Read,
    /// `O_WRONLY`.
    Write,
    /// `O_RDWR`.
    ReadWrite,
    /// `O_PATH`: the file can be named, not read.
    PathOnly,
}

/// A file was opened, or was found open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileOpen {
    /// Absolute, normalised path as the traced process sees it. On success it comes from the kernel's own object where
    /// the probe can walk it, so links are resolved; otherwise from the argument and the directory it was relative to.
    pub path: String,
    /// The path argument as the process passed it, when it differs from `path`. A hint: another thread can change it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requested_path: Option<String>,
    /// Access mode.
    pub access: OpenAccess,
    /// The raw `open(2)` flags of the architecture.
    pub flags: u32,
    /// The new descriptor; absent when the call failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub descriptor: Option<i32>,
    /// Names this open file among all of the process: totals carry the same number. 0 when the call failed.
    #[serde(default)]
    pub handle: u64,
    /// The process had the file open before it was first seen using it: from `/proc` when tracing began, inherited, or
    /// received from another process.
    #[serde(default)]
    pub preexisting: bool,
    /// The path was longer than the probe could carry: leading directories are missing.
    #[serde(default)]
    pub path_cut: bool,
    /// Inode number, when the kernel object was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inode: Option<u64>,
}

/// What went through one open file, since it was opened or first seen. Cumulative, never reset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileTotals {
    /// Path, as in the open event; empty when the open was not seen.
    pub path: String,
    /// The descriptor.
    pub descriptor: i32,
    /// The open file, as in [`FileOpen::handle`].
    pub handle: u64,
    /// Bytes read.
    pub bytes_read: u64,
    /// Bytes written.
    pub bytes_written: u64,
    /// Successful read calls.
    pub read_calls: u64,
    /// Successful write calls.
    pub write_calls: u64,
    /// The file was mapped into memory: what is read or written through the mapping is not counted.
    #[serde(default)]
    pub mapped: bool,
    /// The descriptor was closed: these are the last totals of this handle.
    pub closed: bool,
}

/// A file was renamed, or an attempt was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileRename {
    /// Old absolute path.
    pub from: String,
    /// New absolute path.
    pub to: String,
}

/// A file or directory was removed, or an attempt was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileUnlink {
    /// Absolute path.
    pub path: String,
    /// A directory.
    #[serde(default)]
    pub directory: bool,
}
