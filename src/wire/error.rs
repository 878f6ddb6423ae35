//! What can be wrong with a wire message.

use thiserror::Error;

use crate::event::PhaseError;

/// A wire message that has no meaning to this version. Every variant names the message and its field.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum WireError {
    /// A field that is always present is absent, or an enum has its zero value where a meaning is required.
    #[error("{field} is missing")]
    Missing {
        /// Message and field, such as `Event.process`.
        field: &'static str,
    },
    /// An enum value that a later version may have added.
    #[error("{field}: {enumeration} {value} is not known to this version; use a newer one")]
    UnknownValue {
        /// Message and field.
        field: &'static str,
        /// The enum, as in the `.proto` files.
        enumeration: &'static str,
        /// The number found.
        value: i32,
    },
    /// A name that a later version may have added, or that is mistyped.
    #[error("{field}: {name:?} is not known to this version")]
    UnknownName {
        /// Message and field.
        field: &'static str,
        /// The name found.
        name: String,
    },
    /// A number is larger than what it names can be.
    #[error("{field}: {value} is more than {largest}")]
    OutOfRange {
        /// Message and field.
        field: &'static str,
        /// The number found.
        value: u32,
        /// The largest that has a meaning.
        largest: u32,
    },
    /// A phase name is malformed.
    #[error("{field}: {source}")]
    Phase {
        /// Message and field.
        field: &'static str,
        /// What is wrong with the name.
        source: PhaseError,
    },
    /// An address is not an IPv4 or IPv6 address in text.
    #[error("{field}: {text:?} is neither an IPv4 nor an IPv6 address")]
    Address {
        /// Message and field.
        field: &'static str,
        /// What was found.
        text: String,
    },
    /// Two fields contradict each other, or a field has a value that its comment rules out.
    #[error("{field} {problem}")]
    Contradiction {
        /// Message and field.
        field: &'static str,
        /// What is wrong, to be read after the field.
        problem: &'static str,
    },
}
