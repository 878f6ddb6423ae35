//! How whole a recording is. Verdicts depend on it.

use serde::Serialize;

/// How whole a recording is, known when it has been read to its end.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct RecordingCondition {
    /// The stream's end was recorded. Without it, the recording is truncated: what happened later is not known.
    pub complete: bool,
    /// Stretches of the file that could not be read, in order.
    pub damage: Vec<Damage>,
}

impl RecordingCondition {
    /// Whether every entry that was ever recorded was read, and the stream had ended.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.complete && self.damage.is_empty()
    }
}

/// A stretch of a recording that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Damage {
    /// Offset of its first byte.
    pub offset: u64,
    /// Its length in bytes.
    pub length: u64,
    /// What is wrong, in words for a person.
    pub reason: String,
}
