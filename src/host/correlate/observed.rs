//! What was observed, as one row for each data type, actor, recipient and phase; and how the terms disclose it.
//!
//! The rows are what reports draw flows from and what two versions of an app are compared by. They are facts: a row
//! accuses nobody, rules and clauses do.

use schemars::JsonSchema;
use serde::Serialize;

use super::verdict::{Actor, DataTypeName, Moment, RecipientName, StatementRef};
use crate::event::CodeConfidence;
use crate::host::declared_terms::DisclosureVerdict;

/// How strongly reading the data is tied to sending it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Tie {
    /// The value itself, or an encoding of it, was seen leaving.
    Value,
    /// The bytes were moved from the one to the other on a way that the kernel sees.
    Path,
    /// The same process, or the one that started it, sent something within the window after reading. What was sent is
    /// not known.
    Window,
    /// It was read; nothing says that it was sent.
    AccessOnly,
    /// Somebody was contacted; nothing says with what.
    ContactOnly,
}

impl Tie {
    /// Every tie, the strongest first.
    pub const ALL: &'static [Self] = &[Self::Value, Self::Path, Self::Window, Self::AccessOnly, Self::ContactOnly];

    /// The name used in JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Value => "value",
            Self::Path => "path",
            Self::Window => "window",
            Self::AccessOnly => "access_only",
            Self::ContactOnly => "contact_only",
        }
    }

    /// In words, for people.
    #[must_use]
    pub fn in_words(self) -> &'static str {
        match self {
            Self::Value => "the value was seen leaving",
            Self::Path => "the bytes were moved there",
            Self::Window => "sent shortly after reading, content unknown",
            Self::AccessOnly => "read; not seen leaving",
            Self::ContactOnly => "contacted; content unknown",
        }
    }

    /// The same in Chinese.
    #[must_use]
    pub fn in_chinese(self) -> &'static str {
        match self {
            Self::Value => "观察到数值外发",
            Self::Path => "字节经由该路径传出",
            Self::Window => "读取后短时间内外发，内容未知",
            Self::AccessOnly => "仅读取，未观察到外发",
            Self::ContactOnly => "仅通信，内容未知",
        }
    }
}

/// Why a sort of tie cannot be found in this recording.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct TieNotPossible {
    /// The tie.
    pub tie: Tie,
    /// Why, in one English sentence.
    pub why: String,
}

/// How readings were tied to sendings.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Tying {
    /// Sending counts as following a reading for so long, in seconds.
    pub window_seconds: f64,
    /// Ties that this recording cannot show.
    pub not_possible: Vec<TieNotPossible>,
}

/// How sure it is that code of an SDK acted, and not the app's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SdkConfidence {
    /// Only the recipient points to it: whoever sends to an SDK's server is most often that SDK.
    Low,
}

/// An SDK that may have acted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
pub struct SdkName {
    /// The product, or the owner where the product has no name.
    pub name: String,
    /// The owner in English.
    pub owner_en: String,
    /// The owner in Chinese.
    pub owner_zh: String,
    /// How sure it is.
    pub confidence: SdkConfidence,
    /// What points to it, in English words.
    pub because: String,
}

/// A file whose code acted, as the stack of the thread told it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
pub struct ActingCode {
    /// Path of the file: a library, the program itself, or the APK that a library is stored in.
    pub file: String,
    /// Its GNU build id, in hexadecimal; absent when it has none or could not be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub build_id: Option<String>,
    /// How sure it is. `leaf` is not listed, because it claims nothing.
    pub confidence: CodeConfidence,
    /// How many of the row's connections it made.
    pub connections: u64,
}

/// Who acted, as far as can be told.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
pub struct TupleActor {
    /// The app, its user id and the program.
    #[serde(flatten)]
    pub actor: Actor,
    /// The SDK whose code may have acted; absent when nothing points to one, which does not mean that none did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sdk: Option<SdkName>,
    /// Files whose code made the connections, the most frequent first, at most eight; of connections that none of them is told
    /// to have made nothing is known. Unlike `sdk` it was observed, but it names a file and no company.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub code: Vec<ActingCode>,
}

/// A fixed interval between acts.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, JsonSchema)]
pub struct Period {
    /// The interval in seconds: the median of the pauses.
    pub seconds: f64,
    /// How many pauses it is told from.
    pub pauses: u32,
    /// How far the pauses are from it: the median of the distances, in seconds.
    pub jitter_seconds: f64,
}

/// How often something was done.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, JsonSchema)]
pub struct Rate {
    /// Most in any second.
    pub peak_per_second: u32,
    /// Most in any minute.
    pub peak_per_minute: u32,
    /// The fixed interval, when there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub period: Option<Period>,
}

/// Numbers of events, of which only the first are kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct CappedEvents {
    /// The first of them, by sequence number in the recording.
    pub events: Vec<u64>,
    /// How many there are.
    pub total: u64,
}

/// What a statement does for a disclosure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StatementRole {
    /// It names the very type, or the party when no type is known.
    Names,
    /// It names a broader type.
    NamesBroader,
    /// It denies.
    Denies,
}

/// A statement that a disclosure verdict rests on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
pub struct UsedStatement {
    /// What it does for the verdict.
    pub role: StatementRole,
    /// Where it was made and what it says.
    #[serde(flatten)]
    pub statement: StatementRef,
}

/// How the terms disclose one row, and by which statements.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Disclosure {
    /// The verdict.
    pub verdict: DisclosureVerdict,
    /// The statements it rests on; empty when nothing is said.
    pub statements: Vec<UsedStatement>,
}

/// One row of what was observed.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct ObservedTuple {
    /// The recording that the numbers and times are of, where the verdict is about several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recording: Option<String>,
    /// Stays the same for the same app, data type, recipient, phase and outcome, whatever the process, port or directory.
    pub fingerprint: String,
    /// The data type; absent when only contact was seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data_type: Option<DataTypeName>,
    /// Who acted.
    pub actor: TupleActor,
    /// Who was sent to, and its owner; absent when nothing says that it was sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recipient: Option<RecipientName>,
    /// The phase: of the sending where there is one, else of the reading.
    pub phase: String,
    /// Whether the app was on the screen; absent when the phase does not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub foreground: Option<bool>,
    /// `done`, `denied` or `failed`. Only what was done is a collection.
    pub outcome: &'static str,
    /// How strongly the reading is tied to the sending.
    pub tie: Tie,
    /// The shortest time from a reading to a sending, in seconds, as far as totals tell; absent where there are not both.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delay_seconds: Option<f64>,
    /// How often it was read; with a recipient, the readings that are tied to the sendings, each once for each connection.
    pub reads: u64,
    /// Connections.
    pub sends: u64,
    /// Bytes read from files, as far as totals tell.
    pub bytes_read: u64,
    /// Bytes sent on these connections in all, whatever they held.
    pub bytes_sent: u64,
    /// Bytes received on these connections in all.
    pub bytes_received: u64,
    /// How often: of the sendings where there are any, else of the readings.
    pub rate: Rate,
    /// The first time.
    pub first: Moment,
    /// The last time.
    pub last: Moment,
    /// Events of reading.
    pub read_events: CappedEvents,
    /// Events of sending.
    pub send_events: CappedEvents,
    /// How the terms disclose it. Absent where nothing has to be disclosed: attempts that were not successful, what every
    /// program reads, and contact with the developer's own servers of which nothing says that it carried personal data.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disclosure: Option<Disclosure>,
}
