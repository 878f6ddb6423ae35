//! What was read and who was contacted, whatever the terms say of it.

use schemars::JsonSchema;
use serde::Serialize;

use super::finding::{Actor, DataTypeName, Moment, PlaceCount, RecipientName, StatementRef};
/// One observed kind of data, with who read it, in which phase and how it ended.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct ObservedData {
    /// The recording that the numbers and times are of, where the verdict is about several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recording: Option<String>,
    /// The data type.
    pub data_type: DataTypeName,
    /// Who.
    pub actor: Actor,
    /// In which phase.
    pub phase: String,
    /// `done`, `denied` or `failed`. Only what was done is a collection.
    pub effect: &'static str,
    /// How often.
    pub count: u64,
    /// Most in any minute.
    pub peak_per_minute: u32,
    /// Bytes read, as far as files tell.
    pub bytes_read: u64,
    /// The first time.
    pub first: Moment,
    /// The last time.
    pub last: Moment,
    /// Paths or commands, the most frequent first.
    pub places: Vec<PlaceCount>,
    /// There were more places than are listed.
    pub more_places: bool,
    /// Sequence numbers of the first events.
    pub evidence: Vec<u64>,
    /// How the terms stand to it: `declared`, `declared_broadly` (only a broader type is declared), `denied`,
    /// `undeclared`, `weak` (every program reads it).
    pub standing: &'static str,
    /// The statement that covers or denies it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub statement: Option<StatementRef>,
}

/// One observed recipient, with who contacted it, in which phase and how it ended.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct ObservedRecipient {
    /// The recording that the numbers and times are of, where the verdict is about several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recording: Option<String>,
    /// The recipient.
    pub recipient: RecipientName,
    /// Who.
    pub actor: Actor,
    /// In which phase.
    pub phase: String,
    /// `done`, `denied` or `failed`.
    pub effect: &'static str,
    /// Connections.
    pub count: u64,
    /// Most in any minute.
    pub peak_per_minute: u32,
    /// Bytes sent, as far as totals tell.
    pub bytes_sent: u64,
    /// Bytes received, as far as totals tell.
    pub bytes_received: u64,
    /// The first time.
    pub first: Moment,
    /// The last time.
    pub last: Moment,
    /// Address and port of the peers.
    pub places: Vec<PlaceCount>,
    /// There were more places than are listed.
    pub more_places: bool,
    /// Sequence numbers of the first events.
    pub evidence: Vec<u64>,
    /// The statement that covers or denies it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub statement: Option<StatementRef>,
}
