//! Whether a session saw what it was made to see.

use serde::{Deserialize, Serialize};

use super::{ClockAnchor, Family};

/// A self-test: a helper of the daemon did known acts under the session's own filter, and this is what came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SelfTest {
    /// At which moment of the session.
    pub moment: SelfTestMoment,
    /// Boot-time nanoseconds at which the result was known.
    pub time_ns: u64,
    /// By family; a family that is not watched here is left out.
    pub results: Vec<SelfTestResult>,
}

impl SelfTest {
    /// The families whose known act was not seen. Whoever finds any cannot rely on the session.
    pub fn not_seen(&self) -> impl Iterator<Item = &SelfTestResult> {
        self.results.iter().filter(|result| result.state == SelfTestState::NotSeen)
    }
}

/// When in a session a self-test is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SelfTestMoment {
    /// Right after tracing began.
    Start,
    /// After the device had slept, or its clock was set.
    Rearm,
    /// Right before tracing ends.
    End,
}

impl SelfTestMoment {
    /// Every moment.
    pub const ALL: &'static [Self] = &[Self::Start, Self::Rearm, Self::End];

    /// The name used in files and reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Rearm => "rearm",
            Self::End => "end",
        }
    }
}

/// What came of the known act of one family.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SelfTestResult {
    /// The family.
    pub family: Family,
    /// Whether it was seen.
    pub state: SelfTestState,
    /// From when the filter was set (at the start), or the helper was told to act (later), until the act came out of
    /// the pipeline, in nanoseconds; absent when it did not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency_ns: Option<u64>,
    /// What was missing, or why it was not tested; empty when it was seen.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
}

/// Whether a known act was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SelfTestState {
    /// It was.
    Seen,
    /// It was done and not seen: acts of the app can have been missed too.
    NotSeen,
    /// It could not be done, so nothing is known.
    NotTested,
}

impl SelfTestState {
    /// Every state.
    pub const ALL: &'static [Self] = &[Self::Seen, Self::NotSeen, Self::NotTested];

    /// The name used in files and reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Seen => "seen",
            Self::NotSeen => "not_seen",
            Self::NotTested => "not_tested",
        }
    }
}

/// The device slept, or its wall clock was set, while a session ran. Dates of what follows are counted from here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClockChange {
    /// Both clocks, read when it was noticed.
    pub now: ClockAnchor,
    /// How long the device slept since the last look, in nanoseconds; 0 when it did not.
    pub slept_ns: u64,
    /// By how much the wall clock was set forward since the last look, in nanoseconds; negative when it was set back.
    pub wall_step_ns: i64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_equal_the_serialised_form() {
        for moment in SelfTestMoment::ALL {
            assert_eq!(serde_json::to_value(moment).unwrap(), moment.name());
        }
        for state in SelfTestState::ALL {
            assert_eq!(serde_json::to_value(state).unwrap(), state.name());
        }
    }

    #[test]
    fn what_was_not_tested_is_not_what_was_not_seen() {
        let result = |family, state| SelfTestResult { family, state, latency_ns: None, reason: String::new() };
        let test = SelfTest {
            moment: SelfTestMoment::End,
            time_ns: 1,
            results: vec![
                result(Family::File, SelfTestState::Seen),
                result(Family::Socket, SelfTestState::NotSeen),
                result(Family::Provider, SelfTestState::NotTested),
            ],
        };
        assert_eq!(test.not_seen().map(|result| result.family).collect::<Vec<_>>(), [Family::Socket]);
    }
}
