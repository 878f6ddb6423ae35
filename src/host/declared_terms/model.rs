//! The one model that every form of declared terms is read into.

use std::collections::BTreeSet;
use std::fmt;

use schemars::JsonSchema;
use serde::Serialize;

use super::manifest::{Manifest, MayAccess};
use crate::event::Phase;
use crate::host::ontology::{AppTypeId, Domain, RecipientId, TypeId};

/// Phases in which the app is not on the screen.
pub(super) const OFF_SCREEN: &[&str] = &["background", "killed"];

/// How sure it is that the words mean the statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Confidence {
    /// A labelled cell or an id: the form itself says what it is.
    Structured,
    /// Known words with others around them that change nothing.
    PhraseMatched,
    /// A known word at the end of words that are not known.
    Guessed,
}

impl Confidence {
    /// Every degree, surest first.
    pub const ALL: &'static [Self] = &[Self::Structured, Self::PhraseMatched, Self::Guessed];

    /// The name in files.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Structured => "structured",
            Self::PhraseMatched => "phrase_matched",
            Self::Guessed => "guessed",
        }
    }
}

/// Where an imported statement was said, before it was written into the file that was read now.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
pub struct Origin {
    /// The file that was imported, as the user named it.
    pub file: String,
    /// The place in it, such as `table 2, row 3`.
    pub at: String,
    /// Line of that file, from 1; `None` when the importer does not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// The words.
    pub wording: String,
    /// How sure it is that they mean this.
    pub confidence: Confidence,
}

/// Where a statement was made.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
pub struct Provenance {
    /// The file, as the user named it.
    pub file: String,
    /// Line, from 1.
    pub line: u32,
    /// Where it was said before it was imported; `None` for a statement written by hand.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin: Option<Box<Origin>>,
}

/// The app that the terms are about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeclaredApp {
    /// Package name.
    pub package: String,
    /// The name that people know it by; the package name when the terms give none.
    pub name: String,
    /// What kind of app it is, in the words of the terms; empty when they do not say.
    pub kind: String,
    /// Its type by the rule on necessary personal information; `None` when the terms do not say.
    pub app_type: Option<AppTypeId>,
    /// The version that the terms are for; empty when they do not say.
    pub version: String,
    /// Domains (suffixes) of the developer.
    pub first_party_domains: Vec<Domain>,
}

/// When a declared act may happen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Timing {
    /// Only in these phases; `None` when the terms do not restrict it.
    pub phases: Option<BTreeSet<Phase>>,
    /// Only while the app is on the screen.
    pub foreground_only: bool,
}

/// Whether a phase fits a declared timing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimingAnswer {
    /// It fits.
    Allowed,
    /// It does not.
    Excluded,
    /// The phase was never marked, so nobody knows.
    NotKnown,
}

impl Timing {
    /// Whether the act is declared for this phase.
    ///
    /// A phase with a name of the client's own fits `foreground_only`: only `background` and `killed` are known to be
    /// off the screen.
    #[must_use]
    pub fn answer(&self, phase: &Phase) -> TimingAnswer {
        let restricted = self.phases.is_some() || self.foreground_only;
        if restricted && *phase == Phase::unmarked() && !self.names(phase) {
            return TimingAnswer::NotKnown;
        }
        let off_screen = self.foreground_only && OFF_SCREEN.contains(&phase.as_str());
        let named = self.phases.is_none() || self.names(phase);
        if named && !off_screen { TimingAnswer::Allowed } else { TimingAnswer::Excluded }
    }

    fn names(&self, phase: &Phase) -> bool {
        self.phases.as_ref().is_some_and(|phases| phases.contains(phase))
    }

    /// The restriction in words; empty when there is none.
    #[must_use]
    pub fn in_words(&self) -> String {
        let mut words = Vec::new();
        if let Some(phases) = &self.phases {
            let names: Vec<&str> = phases.iter().map(Phase::as_str).collect();
            words.push(format!("in phase {}", names.join(", ")));
        }
        if self.foreground_only {
            words.push("in the foreground only".to_owned());
        }
        words.join(", ")
    }
}

/// A third party that the terms name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Party {
    /// The name, in the words of the terms; empty when they give domains only.
    pub name: String,
    /// The recipient in the ontology, when the name is the id or a name of one.
    pub known: Option<RecipientId>,
    /// Its domains (suffixes).
    pub domains: Vec<Domain>,
}

/// What a statement says is done, or is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Act {
    /// The subject collects.
    Collect,
    /// The app passes on to a recipient.
    Share,
    /// The subject does not collect.
    NotCollect,
    /// The app does not pass on.
    NotShare,
}

impl Act {
    /// Every act, in the order of files and reports.
    pub const ALL: &'static [Self] = &[Self::Collect, Self::Share, Self::NotCollect, Self::NotShare];

    /// The name of its tables in the native form.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Collect => "collect",
            Self::Share => "share",
            Self::NotCollect => "not_collect",
            Self::NotShare => "not_share",
        }
    }
}

impl fmt::Display for Act {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// Who does what the statement says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// The app itself.
    App,
    /// A third party whose code runs in the app, such as an SDK. Its collecting is also contact with it.
    ThirdParty(Party),
}

/// One thing that the terms say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// What is done.
    pub act: Act,
    /// Who does it.
    pub subject: Subject,
    /// To whom, for [`Act::Share`] and [`Act::NotShare`]; `None` in a denial means any third party.
    pub recipient: Option<Party>,
    /// The data types. Empty when the terms only name a third party; in a denial of sharing, empty means none at all.
    pub data_types: Vec<TypeId>,
    /// What for, in the words of the terms.
    pub purposes: Vec<String>,
    /// On what occasions, in the words of the terms.
    pub scenes: Vec<String>,
    /// How, in the words of the terms.
    pub method: Option<String>,
    /// How long it is kept, in the words of the terms.
    pub retention: Option<String>,
    /// Whether the user can decline; `None` when the terms do not say.
    pub optional: Option<bool>,
    /// Whether it is held in memory only while it is needed; `None` when the terms do not say.
    pub ephemeral: Option<bool>,
    /// When.
    pub timing: Timing,
    /// At most so many accesses in any minute, for each data type; `None` when the terms do not say.
    pub max_per_minute: Option<u32>,
    /// Made from running text and not confirmed by a person: it declares nothing and denies nothing.
    pub draft: bool,
    /// Where it was said.
    pub place: Provenance,
}

impl Statement {
    /// A statement of the app's own with nothing but an act and a place.
    #[must_use]
    pub fn new(act: Act, place: Provenance) -> Self {
        Self {
            act,
            subject: Subject::App,
            recipient: None,
            data_types: Vec::new(),
            purposes: Vec::new(),
            scenes: Vec::new(),
            method: None,
            retention: None,
            optional: None,
            ephemeral: None,
            timing: Timing::default(),
            max_per_minute: None,
            draft: false,
            place,
        }
    }

    /// The third party it is about: the recipient, or the one that collects.
    #[must_use]
    pub fn third_party(&self) -> Option<&Party> {
        match &self.subject {
            Subject::ThirdParty(party) => Some(party),
            Subject::App => self.recipient.as_ref(),
        }
    }
}

/// Why a part of an imported document became no statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NotUnderstoodReason {
    /// It stands where data types stand, and is none that is known.
    UnknownDataType,
    /// It names data or a third party, in a table or list whose columns or labels are not known.
    NoLabel,
    /// It names data or a third party in running text.
    Prose,
    /// A row or an entry that has data and no third party, in a list of third parties.
    NoThirdParty,
    /// It is said of another system than Android.
    OtherSystem,
    /// A permission: it tells what may be accessed, and declares no collection.
    Permission,
    /// A denial about a third party, one occasion or under a condition, which the model has no place for.
    Denial,
    /// An id of the Data safety form that is not known.
    UnknownId,
    /// An answer that contradicts another one.
    Contradiction,
    /// A part of the file that is damaged, or larger than is read.
    Damaged,
}

impl NotUnderstoodReason {
    /// Every reason.
    pub const ALL: &'static [Self] = &[
        Self::UnknownDataType,
        Self::NoLabel,
        Self::Prose,
        Self::NoThirdParty,
        Self::OtherSystem,
        Self::Permission,
        Self::Denial,
        Self::UnknownId,
        Self::Contradiction,
        Self::Damaged,
    ];

    /// The name in files.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::UnknownDataType => "unknown_data_type",
            Self::NoLabel => "no_label",
            Self::Prose => "prose",
            Self::NoThirdParty => "no_third_party",
            Self::OtherSystem => "other_system",
            Self::Permission => "permission",
            Self::Denial => "denial",
            Self::UnknownId => "unknown_id",
            Self::Contradiction => "contradiction",
            Self::Damaged => "damaged",
        }
    }

    /// What it means, for people.
    #[must_use]
    pub fn about(self) -> &'static str {
        match self {
            Self::UnknownDataType => "not a known data type",
            Self::NoLabel => "in a table or list whose columns are not known",
            Self::Prose => "in running text, which is not read as a statement",
            Self::NoThirdParty => "data without a third party in a list of third parties",
            Self::OtherSystem => "said of another system than Android",
            Self::Permission => "a permission: may be accessed, not declared as collected",
            Self::Denial => "a denial about a third party, or under a condition",
            Self::UnknownId => "not an id of the form that is known",
            Self::Contradiction => "contradicts another answer",
            Self::Damaged => "a part of the file that is damaged or too large",
        }
    }

    /// Whether it leaves the import incomplete. What is said of another system, permissions, and running text around
    /// the lists, are told and do not.
    #[must_use]
    pub fn is_failure(self) -> bool {
        !matches!(self, Self::OtherSystem | Self::Permission | Self::Prose)
    }
}

/// A part of an imported document that became no statement.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
pub struct NotUnderstood {
    /// The file that was imported.
    pub file: String,
    /// The place in it.
    pub at: String,
    /// Line of that file, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// The words.
    pub wording: String,
    /// Why.
    pub reason: NotUnderstoodReason,
}

/// All that an app declares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeclaredTerms {
    /// The file it was read from, as the user named it.
    pub file: String,
    /// The app.
    pub app: DeclaredApp,
    /// What it says, ordered by act, then as in the file; drafts too. What asks what is declared goes through the
    /// methods below, which leave drafts out.
    pub statements: Vec<Statement>,
    /// What an importer left in the file as not understood.
    pub not_understood: Vec<NotUnderstood>,
    /// What permissions of the app open.
    pub may_access: Vec<MayAccess>,
    /// What its manifest says besides; `None` when no manifest was imported.
    pub manifest: Option<Manifest>,
}

impl DeclaredTerms {
    fn of(&self, act: Act) -> impl Iterator<Item = &Statement> {
        self.statements.iter().filter(move |statement| statement.act == act && !statement.draft)
    }

    /// What nobody has confirmed yet.
    pub fn drafts(&self) -> impl Iterator<Item = &Statement> {
        self.statements.iter().filter(|statement| statement.draft)
    }

    /// What is collected, by whomever.
    pub fn collect(&self) -> impl Iterator<Item = &Statement> {
        self.of(Act::Collect)
    }

    /// What says that there is contact with a third party: passing on to it, and collecting by it.
    pub fn contacts(&self) -> impl Iterator<Item = &Statement> {
        let contact = |statement: &&Statement| {
            matches!(statement.act, Act::Collect | Act::Share) && !statement.draft && statement.third_party().is_some()
        };
        self.statements.iter().filter(contact)
    }

    /// What is said not to be collected.
    pub fn not_collect(&self) -> impl Iterator<Item = &Statement> {
        self.of(Act::NotCollect)
    }

    /// With whom nothing, or not these types, is said to be shared.
    pub fn not_share(&self) -> impl Iterator<Item = &Statement> {
        self.of(Act::NotShare)
    }
}
