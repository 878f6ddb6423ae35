//! Whose code made a system call.

use serde::{Deserialize, Serialize};

/// The first file, from the system call outwards, whose code is neither the C library's, the dynamic loader's nor the Android
/// runtime's. Told from the stack of the thread, which is the app's own memory: an app that wants to deceive can forge it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CodeOrigin {
    /// Path of the file: a library, the program itself, or the APK that a library is stored in. With [`CodeConfidence::Leaf`]
    /// the file that made the call for somebody unknown.
    pub file: String,
    /// Its GNU build id, in hexadecimal; absent when it has none or could not be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub build_id: Option<String>,
    /// Where in the file, in bytes: of the instruction that runs next when the call returns.
    pub offset: u64,
    /// How many frames are between the system call and this code, as far as they are known; 0: this code made it itself.
    #[serde(default)]
    pub depth: u32,
    /// How sure it is.
    pub confidence: CodeConfidence,
}

/// How sure it is whose code made a system call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "host", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum CodeConfidence {
    /// Each frame in between was found by the tables of the library it is in: this is the code that called.
    Caller,
    /// Found through frame pointers, which not all code keeps: this code is further out, and other code can be in between.
    Frames,
    /// The way ended in the C library or the runtime. Nothing is claimed.
    Leaf,
}

impl CodeConfidence {
    /// Every confidence, the highest first.
    pub const ALL: &'static [Self] = &[Self::Caller, Self::Frames, Self::Leaf];

    /// The name used in files and reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Caller => "caller",
            Self::Frames => "frames",
            Self::Leaf => "leaf",
        }
    }
}
