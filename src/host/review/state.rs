//! What a review has done, so that a later run does only the rest.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::league::AppRow;

/// Names the form of the state and of the JSON league table.
pub const REVIEW_SCHEMA: &str = "candor.review/1";

/// How one recording ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ended {
    /// It was judged.
    Judged(Box<AppRow>),
    /// It could not be judged, and why.
    Failed(String),
}

/// One recording that is done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Done {
    /// Digest of everything that its result depends on.
    pub inputs: String,
    /// Its result.
    pub ended: Ended,
}

/// The state file.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// [`REVIEW_SCHEMA`].
    pub schema: String,
    /// By recording.
    pub done: BTreeMap<String, Done>,
}

/// A state file that cannot be gone on from.
#[derive(Debug, Error)]
pub enum StateError {
    /// It is no state file.
    #[error("it is no state of a review: {0}")]
    Malformed(#[from] serde_json::Error),
    /// It was written by another version.
    #[error("it has the form \"{0}\", and this version reads \"{REVIEW_SCHEMA}\"")]
    Schema(String),
}

impl State {
    /// A state in which nothing is done.
    #[must_use]
    pub fn new() -> Self {
        Self { schema: REVIEW_SCHEMA.to_owned(), done: BTreeMap::new() }
    }

    /// Reads one.
    ///
    /// # Errors
    ///
    /// When it is none, or of another version.
    pub fn parse(text: &str) -> Result<Self, StateError> {
        let state: Self = serde_json::from_str(text)?;
        if state.schema == REVIEW_SCHEMA { Ok(state) } else { Err(StateError::Schema(state.schema)) }
    }

    /// The result of a recording, when it was made of these inputs.
    #[must_use]
    pub fn result(&self, recording: &str, inputs: &str) -> Option<&Ended> {
        self.done.get(recording).filter(|done| done.inputs == inputs).map(|done| &done.ended)
    }

    /// Forgets what is no longer part of the review.
    pub fn keep(&mut self, recordings: impl Fn(&str) -> bool) {
        self.done.retain(|recording, _| recordings(recording));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_inputs_are_done_already() {
        let mut state = State::new();
        let done = Done { inputs: "one".to_owned(), ended: Ended::Failed("broken".to_owned()) };
        state.done.insert("a.candor".to_owned(), done);
        let read = State::parse(&serde_json::to_string(&state).unwrap()).unwrap();
        assert_eq!(read, state);
        assert!(read.result("a.candor", "one").is_some());
        assert!(read.result("a.candor", "two").is_none());
        assert!(read.result("b.candor", "one").is_none());
    }

    #[test]
    fn a_state_of_another_form_is_refused() {
        assert!(matches!(State::parse("{}"), Err(StateError::Malformed(_))));
        let other = r#"{"schema": "candor.review/9", "done": {}}"#;
        assert!(State::parse(other).unwrap_err().to_string().contains("candor.review/9"));
    }
}
