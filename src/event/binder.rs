//! What provider and service acts have in common: one binder transaction, seen at its receiver or, through ptrace, at its sender.

use serde::{Deserialize, Serialize};

use super::{App, ProcessKey};

/// The process that served a transaction: a content provider's or a system service's. Never the actor.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BinderOwner {
    /// Which process; pid 0 when not known.
    #[serde(default)]
    pub process: ProcessKey,
    /// Name of the thread that served, at most 15 bytes; empty when not known.
    #[serde(default)]
    pub name: String,
    /// Its real user id; absent when not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<u32>,
    /// The app it belongs to; empty for system processes.
    #[serde(default)]
    pub app: App,
}

/// One link of the chain of callers that the parcel itself names (`AttributionSource`, or the calling package of older
/// releases). A claim of the caller: the kernel's word is the event's own user id.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NamedCaller {
    /// Package name.
    pub package: String,
    /// User id, where the form has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<u32>,
    /// Attribution tag, where the app declared one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attribution_tag: Option<String>,
}

/// The transaction that carried an act.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BinderTransaction {
    /// Number that the binder driver gave it; 0 when not known.
    #[serde(default)]
    pub debug_id: u64,
    /// Interface descriptor from the parcel's token; empty when it has none.
    pub interface: String,
    /// Transaction code.
    pub code: u32,
    /// Nobody waits for an answer, so how it ended is not known.
    #[serde(default)]
    pub one_way: bool,
    /// Who served it.
    #[serde(default)]
    pub owner: BinderOwner,
    /// Callers that the parcel names: the direct one first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub named_callers: Vec<NamedCaller>,
    /// Bytes of the whole parcel.
    #[serde(default)]
    pub parcel_size: u64,
    /// The parcel was longer than the probe could carry, or could not be decoded to its end: later fields may be missing.
    #[serde(default)]
    pub cut: bool,
    /// Why decoding stopped before the end, as a short snake-case word; absent when it did not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decode_error: Option<String>,
    /// Exception code of the reply (`android.os.Parcel`: -1 security, -3 illegal argument, ...); absent when the reply has
    /// none, or was not seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exception: Option<i32>,
}

/// The shape of a value that stays on the device: what kind it was and how long, never what it said.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ValueShape {
    /// Name under which it was passed: a column or a bundle key; empty for a value passed by position.
    #[serde(default)]
    pub name: String,
    /// Kind of value: `null`, `string`, `int`, `long`, `bytes`, ... in lower-case snake case.
    pub kind: String,
    /// Its length: characters of a string, elements of an array, bytes otherwise; absent for scalars.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub length: Option<u64>,
}
