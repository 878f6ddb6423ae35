//! How much an event matters to somebody's privacy.

use serde::{Deserialize, Serialize};

/// How much an event matters to the privacy of whoever uses the device; later ones matter more.
///
/// It orders events for people and filters, and judges nothing: whether an act was declared is for the terms to say.
/// `docs/STREAMS.md` has the table of what has which, and [`crate::personal_data`] the code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Nothing personal is known of it.
    Info,
    /// Data that every program reads, or a contact with another machine.
    Low,
    /// Personal data that no regime calls sensitive, or something that could not be looked into.
    Medium,
    /// Personal data that is sensitive, or may be.
    High,
}

impl Severity {
    /// Every severity, rising.
    pub const ALL: &'static [Self] = &[Self::Info, Self::Low, Self::Medium, Self::High];

    /// The name used in filters and summaries.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }

    /// The next lower one; the lowest is its own.
    #[must_use]
    pub fn lowered(self) -> Self {
        match self {
            Self::Info | Self::Low => Self::Info,
            Self::Medium => Self::Low,
            Self::High => Self::Medium,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Severity;

    #[test]
    fn each_is_lowered_to_the_one_before_it() {
        assert!(Severity::ALL.is_sorted());
        assert_eq!(Severity::Info.lowered(), Severity::Info);
        for pair in Severity::ALL.windows(2) {
            assert_eq!(pair[1].lowered(), pair[0]);
            assert_eq!(serde_json::to_value(pair[1]).unwrap(), pair[1].name());
        }
    }
}
