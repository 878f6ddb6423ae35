//! One row of a profile's table.

use super::super::facts::Facts;
use super::super::rules::Judged;
use super::Context;
use crate::event::Family;

/// How far a trace decides a clause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decidability {
    /// Trace, terms and marks decide it.
    Decidable,
    /// The trace gives evidence, and a person decides.
    Partly,
    /// It cannot be seen in a trace.
    NotByTrace,
}

impl Decidability {
    /// The letter in tables: D, P or N.
    #[must_use]
    pub fn letter(self) -> &'static str {
        match self {
            Self::Decidable => "D",
            Self::Partly => "P",
            Self::NotByTrace => "N",
        }
    }
}

/// Which phases must have been part of the run before "none observed" can be said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// Whichever there were.
    Any,
    /// All of these.
    All(&'static [&'static str]),
    /// At least one of these.
    OneOf(&'static [&'static str]),
}

/// How a clause comes to its state.
#[derive(Debug, Clone, Copy)]
pub(in super::super) enum Check {
    /// A function of what was observed.
    Trace(fn(&Facts<'_>, &Context<'_>) -> Judged),
    /// It could be decided, and something is missing that no recording holds yet: always "cannot tell", saying what.
    NeedsMore(&'static str),
    /// Not decidable by a trace, and who decides it instead.
    NotByTrace(&'static str),
}

/// A clause of a rule book.
#[derive(Debug, Clone, Copy)]
pub struct Clause {
    /// Id within the profile, as the rule book numbers it where it does. Never changes its meaning.
    pub id: &'static str,
    /// What it says, in Chinese, shortened.
    pub zh: &'static str,
    /// What it says, in English, in our words.
    pub en: &'static str,
    /// Where it stands, and whether that was read.
    pub source: &'static str,
    /// How far a trace decides it.
    pub decidability: Decidability,
    /// The phases it needs.
    pub when: When,
    /// The families of events it needs: loss or an unwatched probe there makes "none observed" into "cannot tell".
    pub families: &'static [Family],
    pub(in super::super) check: Check,
}

impl Clause {
    /// Why nothing, or not everything, is decided here; `None` where a function looks at the trace.
    #[must_use]
    pub fn without_check(&self) -> Option<&'static str> {
        match self.check {
            Check::Trace(_) => None,
            Check::NeedsMore(why) | Check::NotByTrace(why) => Some(why),
        }
    }
}

/// A clause that no trace decides.
pub(super) const fn not_by_trace(
    id: &'static str,
    zh: &'static str,
    en: &'static str,
    source: &'static str,
    why: &'static str,
) -> Clause {
    Clause {
        id,
        zh,
        en,
        source,
        decidability: Decidability::NotByTrace,
        when: When::Any,
        families: &[],
        check: Check::NotByTrace(why),
    }
}
