//! How clearly terms disclose something: what a check of observed rows and `candor terms explain` both ask.
//!
//! Which statements concern the question is for who asks; how near each one is and what they say together is decided here.

use schemars::JsonSchema;
use serde::Serialize;

use super::model::{Act, Statement};
use crate::host::ontology::{DataTypes, TypeId};

/// How the terms disclose what was observed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DisclosureVerdict {
    /// A statement names this very type and this party.
    Clear,
    /// Only a broader term covers it.
    Vague,
    /// It is declared, and a statement contradicts that.
    Ambiguous,
    /// It is only denied, or a narrower statement denies what a broader one declares.
    Incorrect,
    /// Nothing is said of it.
    Omitted,
}

impl DisclosureVerdict {
    /// Every verdict, the best first.
    pub const ALL: &'static [Self] = &[Self::Clear, Self::Vague, Self::Ambiguous, Self::Incorrect, Self::Omitted];

    /// The name used in JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Clear => "clear",
            Self::Vague => "vague",
            Self::Ambiguous => "ambiguous",
            Self::Incorrect => "incorrect",
            Self::Omitted => "omitted",
        }
    }

    /// In words, for people.
    #[must_use]
    pub fn in_words(self) -> &'static str {
        match self {
            Self::Clear => "clearly disclosed",
            Self::Vague => "vague: only a broader term covers it",
            Self::Ambiguous => "ambiguous: declared and contradicted",
            Self::Incorrect => "incorrect: the terms deny it",
            Self::Omitted => "omitted: the terms do not say",
        }
    }

    /// The same in Chinese.
    #[must_use]
    pub fn in_chinese(self) -> &'static str {
        match self {
            Self::Clear => "明确声明",
            Self::Vague => "声明含糊：仅有更宽泛的表述",
            Self::Ambiguous => "声明矛盾",
            Self::Incorrect => "声明不实：条款予以否认",
            Self::Omitted => "未声明",
        }
    }
}

/// How near a statement is to a data type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Nearness {
    /// It names this type, or, where no type is asked for, the party.
    Exact,
    /// It names this broader one.
    Broader(TypeId),
}

impl Nearness {
    /// How near a statement is to a data type, or, without one, to contact with the party it names. `None` when it says
    /// nothing of it.
    #[must_use]
    pub fn of(statement: &Statement, data_type: Option<TypeId>, types: &DataTypes) -> Option<Self> {
        let denial = matches!(statement.act, Act::NotCollect | Act::NotShare);
        match (data_type, statement.data_types.as_slice()) {
            // Contact, and a statement that names the party; one that denies single types does not deny contact.
            (None, named) => (!denial || named.is_empty()).then_some(Self::Exact),
            // "Nothing" includes this type. A party that is named without data says nothing of data.
            (Some(_), []) => denial.then_some(Self::Exact),
            (Some(wanted), named) => {
                let covering = named.iter().filter(|named| types.covers(**named, wanted));
                covering.map(|named| if *named == wanted { Self::Exact } else { Self::Broader(*named) }).min()
            }
        }
    }
}

/// Statements that bear on one question.
#[derive(Debug, Clone, Default)]
pub struct Weighing<'a> {
    /// Those that declare it, after [`Weighing::conclude`] the nearest first.
    pub declares: Vec<(Nearness, &'a Statement)>,
    /// Those that deny it, likewise.
    pub denies: Vec<(Nearness, &'a Statement)>,
}

impl<'a> Weighing<'a> {
    /// Adds a statement when it says something of the type, on the side that its act is on.
    pub fn add(&mut self, statement: &'a Statement, data_type: Option<TypeId>, types: &DataTypes) {
        let denial = matches!(statement.act, Act::NotCollect | Act::NotShare);
        let side = if denial { &mut self.denies } else { &mut self.declares };
        side.extend(Nearness::of(statement, data_type, types).map(|nearness| (nearness, statement)));
    }

    /// What they say together.
    pub fn conclude(&mut self, types: &DataTypes) -> DisclosureVerdict {
        self.declares.sort_by_key(|(nearness, _)| *nearness);
        self.denies.sort_by_key(|(nearness, _)| *nearness);
        let nearest = |side: &[(Nearness, &Statement)]| side.first().map(|(nearness, _)| *nearness);
        match (nearest(&self.declares), nearest(&self.denies)) {
            (None, None) => DisclosureVerdict::Omitted,
            (None, Some(_)) => DisclosureVerdict::Incorrect,
            (Some(Nearness::Exact), None) => DisclosureVerdict::Clear,
            (Some(Nearness::Broader(_)), None) => DisclosureVerdict::Vague,
            // "Device identifiers, but not the IMEI" is no contradiction: the narrower one is what is said of the IMEI.
            (Some(Nearness::Broader(_)), Some(Nearness::Exact)) => DisclosureVerdict::Incorrect,
            (Some(Nearness::Broader(declared)), Some(Nearness::Broader(denied)))
                if declared != denied && types.covers(declared, denied) =>
            {
                DisclosureVerdict::Incorrect
            }
            (Some(_), Some(_)) => DisclosureVerdict::Ambiguous,
        }
    }
}
