//! Acts on processes, and marks on the session.

use serde::{Deserialize, Serialize};

use super::{BlindSpotKind, Phase, ProcessKey};

/// A process was created, or was found running when tracing began.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProcessStart {
    /// The process that created it, when known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<ProcessKey>,
    /// It was running before the session began.
    #[serde(default)]
    pub preexisting: bool,
}

/// A process replaced its program, or tried to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProcessExec {
    /// Absolute path of the program file.
    pub path: String,
    /// The path argument as passed, when it differs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requested_path: Option<String>,
    /// Command line, program name first. Empty for a failed attempt.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub arguments: Vec<String>,
    /// The command line was longer than the probe could carry.
    #[serde(default)]
    pub arguments_cut: bool,
}

/// A process of an app was found with this name.
///
/// Android starts an app by forking a process that has everything loaded; the new one executes nothing, but takes its user
/// id and then its name: that of the package, of a component's `android:process`, or one made of both.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProcessName {
    /// The whole name: the first word of its command line.
    pub name: String,
}

/// A process ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProcessExit {
    /// Exit status, when it ended by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<i32>,
    /// The signal that ended it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal: Option<i32>,
}

/// A process began to act in a way that the probes cannot see. Verdicts take it into account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BlindSpot {
    /// Which way.
    pub what: BlindSpotKind,
}

/// A client marked the beginning of a phase.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PhaseMark {
    /// The phase that begins.
    pub phase: Phase,
    /// What the client said about it; empty when nothing.
    #[serde(default)]
    pub note: String,
}
