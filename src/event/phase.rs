//! Phases of a test run.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Phases that rules know, with their meaning. Any other well-formed name is a custom phase.
///
/// The names are those every scheme for testing apps in mainland China uses: before consent, after refusal, foreground,
/// silent, background, killed.
pub const WELL_KNOWN_PHASES: &[(&str, &str)] = &[
    ("unmarked", "No phase was marked yet."),
    ("pre_consent", "Fresh install; the user has not yet answered the privacy prompt."),
    ("refused", "The user refused the privacy terms or a permission."),
    ("foreground", "The user has consented and operates the app."),
    ("silent", "The app is on the screen; the user does not operate it."),
    ("background", "The app is alive but not on the screen."),
    ("killed", "The app was swiped away or stopped, and may act again by itself."),
];

/// The longest phase name, in bytes.
const LONGEST_NAME: usize = 64;

/// The name of a phase: lower-case letters, digits, `_` and `-`, 1 to 64 bytes, beginning with a letter.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Phase(String);

/// A phase name that is not well-formed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "{0:?} is not a phase name: use 1 to 64 lower-case letters, digits, '_' or '-', beginning with a letter, \
     such as \"pre_consent\", \"foreground\" or \"background\""
)]
pub struct PhaseError(pub String);

impl Phase {
    /// The phase before any mark.
    #[must_use]
    pub fn unmarked() -> Self {
        Self("unmarked".to_owned())
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for Phase {
    fn default() -> Self {
        Self::unmarked()
    }
}

impl TryFrom<String> for Phase {
    type Error = PhaseError;

    fn try_from(name: String) -> Result<Self, PhaseError> {
        let well_formed = name.len() <= LONGEST_NAME
            && name.bytes().next().is_some_and(|first| first.is_ascii_lowercase())
            && name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-'));
        if well_formed { Ok(Self(name)) } else { Err(PhaseError(name)) }
    }
}

impl FromStr for Phase {
    type Err = PhaseError;

    fn from_str(name: &str) -> Result<Self, PhaseError> {
        Self::try_from(name.to_owned())
    }
}

impl From<Phase> for String {
    fn from(phase: Phase) -> Self {
        phase.0
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn well_known_names_are_well_formed() {
        for (name, meaning) in WELL_KNOWN_PHASES {
            assert_eq!(name.parse::<Phase>().unwrap().as_str(), *name);
            assert!(meaning.ends_with('.'));
        }
    }

    #[test]
    fn other_names_are_refused() {
        for name in ["", "Foreground", "9to5", "a b", "é", &"x".repeat(65)] {
            assert!(name.parse::<Phase>().is_err(), "{name:?} was taken");
        }
    }
}
