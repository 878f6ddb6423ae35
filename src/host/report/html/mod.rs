//! The report as one HTML file that needs nothing else: no network, no font, no script.
//!
//! Without a script there is nothing that a name which the traced app chose could ever be made to run, and the file prints
//! and archives as it is. The language is switched by three buttons and style rules alone.

mod changes;
mod findings;
mod flow_picture;
mod phase_counts;
mod timeline;

use std::borrow::Borrow;
use std::collections::HashMap;

use askama::Template;
use thiserror::Error;

use super::language::{Language, Translator, both, escape, word};
use super::{bytes, duration, headline};
use crate::event::{CodeConfidence, ProbeState};
use crate::host::correlate::observed::{ActingCode, ObservedTuple, Tie};
use crate::host::correlate::verdict::{
    Actor, DataTypeName, FamilyCoverage, Finding, NameConfidence, Notice, ProfileResult, RecipientName, Subject,
    Verdict,
};
use crate::host::correlate::{ClauseState, RuleOutcome};
use findings::Card;
use flow_picture::FlowPicture;
use phase_counts::PhaseCounts;
use timeline::Timeline;

/// Rows of a table, and findings, that are shown. A recording of millions of events has few of them, unless the app makes
/// up names; then the report still opens, says how many there are, and the JSON report has them all.
const SHOWN: usize = 250;
/// Findings that one rule or clause points to.
const NUMBERS_SHOWN: usize = 20;
/// Reasons of one rule or clause that are shown.
const REASONS_SHOWN: usize = 8;
/// The longest text from outside that is shown whole, in characters.
const TEXT_SHOWN: usize = 600;

/// The template could not be filled in.
#[derive(Debug, Error)]
#[error("the HTML report cannot be made: {0}")]
pub struct HtmlError(#[from] askama::Error);

#[derive(Template)]
#[template(path = "report/page.html")]
struct Page<'v> {
    verdict: &'v Verdict,
    language: Language,
    translator: Translator,
    cards: Vec<Card<'v>>,
    /// The number of each finding's card.
    numbers: HashMap<findings::Key<'v>, usize>,
    /// The strongest tie of what findings are about.
    ties: HashMap<&'v str, Tie>,
    flows: Vec<&'v ObservedTuple>,
    timelines: Vec<Timeline<'v>>,
    counts: PhaseCounts<'v>,
    flow: FlowPicture,
    version: &'static str,
}

/// What is shown of a long list, and how much is not.
struct Shown<'s, T> {
    items: &'s [T],
    more: usize,
}

fn shown<T>(all: &[T], limit: usize) -> Shown<'_, T> {
    let items = all.get(..limit).unwrap_or(all);
    Shown { items, more: all.len() - items.len() }
}

/// A family of events that was not fully watched, and why.
struct BlindFamily<'v> {
    family: &'v FamilyCoverage,
}

impl<'v> Page<'v> {
    // --- text

    /// A text of the report, in both languages, as HTML.
    fn t(&self, key: &str) -> String {
        word(key).map_or_else(|| escape(key), |(english, chinese)| both(english, chinese))
    }

    /// Head cells for narrow screens, where each cell says what it is.
    fn cell(&self, key: &str) -> String {
        let (english, chinese) = word(key).unwrap_or((key, key));
        format!("data-en=\"{}\" data-zh=\"{}\"", escape(english), escape(chinese))
    }

    /// A sentence of the verdict.
    fn say(&self, sentence: &str) -> String {
        let sentence = self.short(sentence);
        // Of several recordings the one that it is about stands in front.
        let recordings = self.verdict.scenes.iter().map(|scene| scene.recording.as_str());
        let recording = recordings.filter_map(|name| sentence.strip_prefix(name)?.strip_prefix(": ")).next();
        let said = recording.unwrap_or(&sentence);
        let before = sentence.strip_suffix(said).unwrap_or_default();
        match self.translator.chinese(said) {
            Some(chinese) => both(&sentence, &format!("{before}{chinese}")),
            None => format!("<span lang=\"en\">{}</span>", escape(&sentence)),
        }
    }

    /// Text from outside.
    fn text(&self, text: &str) -> String {
        escape(&self.short(text))
    }

    fn both(&self, english: &str, chinese: &str) -> String {
        both(english, chinese)
    }

    fn short(&self, text: &str) -> String {
        match text.char_indices().nth(TEXT_SHOWN) {
            Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
            None => text.to_owned(),
        }
    }

    /// A name from a fixed set, such as a phase or how an act ended; one that is not known stands for itself.
    fn name(&self, set: &str, name: &str) -> String {
        word(&format!("{set}.{name}")).map_or_else(|| self.text(name), |(english, chinese)| both(english, chinese))
    }

    fn outcome(&self, outcome: impl Borrow<RuleOutcome>) -> String {
        self.name("outcome", outcome.borrow().name())
    }

    fn state(&self, state: &ClauseState) -> String {
        self.name("state", state.name())
    }

    fn state_tag(&self, state: &ClauseState) -> &'static str {
        match state {
            ClauseState::Indication => "indication",
            other => super::profile_text::like(*other).name(),
        }
    }

    /// How an act ended, such as `denied (EACCES)`.
    fn ended(&self, outcome: &str) -> String {
        let (how, code) = outcome.split_once(' ').unwrap_or((outcome, ""));
        format!("{} {}", self.name("effect", how), self.text(code))
    }

    fn data_type(&self, name: &DataTypeName) -> String {
        format!("{} <code>{}</code>", both(&name.name_en, &name.name_zh), escape(&name.id))
    }

    fn owner(&self, name: &RecipientName) -> String {
        match (&name.owner_en, &name.owner_zh) {
            (Some(english), Some(chinese)) => both(english, chinese),
            (Some(one), None) | (None, Some(one)) => self.text(one),
            (None, None) => String::new(),
        }
    }

    fn certainty(&self, confidence: &NameConfidence) -> String {
        let name = match confidence {
            NameConfidence::Stated => "stated",
            NameConfidence::Resolved => "resolved",
            NameConfidence::Uncertain => "uncertain",
            NameConfidence::AddressOnly => "address_only",
        };
        self.name("name", name)
    }

    fn words(&self, name: &str) -> String {
        escape(&name.replace('_', " "))
    }

    fn bytes(&self, count: &u64) -> String {
        bytes(*count)
    }

    fn duration(&self, seconds: impl Borrow<f64>) -> String {
        duration(*seconds.borrow())
    }

    fn seconds(&self, seconds: &f64) -> String {
        format!("{seconds:.3}")
    }

    fn title(&self) -> String {
        let (english, chinese) = word(&format!("outcome.{}", self.verdict.outcome.name())).unwrap_or_default();
        let name = super::harmless(&self.verdict.app.name);
        match self.language {
            Language::English => format!("{name}: {english}"),
            Language::Chinese => format!("{name}：{chinese}"),
            Language::Both => format!("{name}: {english} {chinese}"),
        }
    }

    fn headline(&self) -> String {
        let name = &self.verdict.app.name;
        let chinese = match self.verdict.outcome {
            RuleOutcome::Violation => format!("{name}的行为与其隐私声明不符：{}项发现", self.verdict.findings),
            RuleOutcome::CannotTell => format!("未发现{name}有不符之处，但并非全部内容都被监测到：无法判定"),
            _ => format!("在本次运行范围内，未观察到{name}有与其声明不符的行为"),
        };
        both(&headline(self.verdict), &chinese)
    }

    fn checked(&self, language: Language) -> &'static str {
        if self.language == language { " checked" } else { "" }
    }

    // --- lists

    fn rows<'s, T>(&self, all: &'s [T]) -> Shown<'s, T> {
        shown(all, SHOWN)
    }

    fn reasons<'s>(&self, all: &'s [String]) -> Shown<'s, String> {
        shown(all, REASONS_SHOWN)
    }

    /// Findings that a table names.
    fn numbers_of<'s>(&self, all: &'s [Finding]) -> Shown<'s, Finding> {
        shown(all, NUMBERS_SHOWN)
    }

    fn actors<'s>(&self, all: &'s [Actor]) -> Shown<'s, Actor> {
        shown(all, REASONS_SHOWN)
    }

    /// Events of a finding beyond those that are listed.
    fn more_evidence(&self, finding: &Finding) -> u64 {
        finding.count.saturating_sub(finding.evidence.len() as u64)
    }

    // --- what was not seen

    /// Families that a device of this kind has and that were not fully watched.
    fn blind_families(&self) -> Vec<BlindFamily<'v>> {
        let blind = |family: &&FamilyCoverage| !family.watched || !family.reasons.is_empty();
        self.verdict.coverage.families.iter().filter(blind).map(|family| BlindFamily { family }).collect()
    }

    /// Nothing at all stands in the way of "none observed".
    fn all_clear(&self) -> bool {
        self.nothing_blind()
            && self.verdict.phases_not_exercised.is_empty()
            && self.verdict.profiles.iter().all(|profile| self.untold(profile) == 0)
    }

    fn blind_rules(&self) -> Vec<&'v crate::host::correlate::verdict::RuleResult> {
        self.verdict.rules.iter().filter(|rule| rule.outcome == RuleOutcome::CannotTell).collect()
    }

    /// How many clauses of a profile cannot be told.
    fn untold(&self, profile: &ProfileResult) -> usize {
        self.count(profile, &ClauseState::CannotTell)
    }

    fn nothing_blind(&self) -> bool {
        let coverage = &self.verdict.coverage;
        self.blind_families().is_empty()
            && coverage.recording_whole
            && coverage.missing_events == 0
            && coverage.gaps == 0
            && self.blind_rules().is_empty()
    }

    fn count(&self, profile: &ProfileResult, state: &ClauseState) -> usize {
        profile.counts.get(state.name()).copied().unwrap_or(0)
    }

    fn rule_count(&self, outcome: impl Borrow<RuleOutcome>) -> usize {
        self.verdict.rules.iter().filter(|rule| rule.outcome == *outcome.borrow()).count()
    }

    fn own_outcome(&self) -> RuleOutcome {
        let has = |outcome| self.rule_count(outcome) > 0;
        if has(RuleOutcome::Violation) {
            RuleOutcome::Violation
        } else if has(RuleOutcome::CannotTell) {
            RuleOutcome::CannotTell
        } else {
            RuleOutcome::NoneObserved
        }
    }

    fn probe_state(&self, state: impl Borrow<ProbeState>) -> String {
        self.name("probe", state.borrow().name())
    }

    // --- findings

    /// Where the finding of a rule or clause is shown in full.
    fn card_of(&self, finding: &Finding) -> Option<usize> {
        self.numbers.get(&findings::key(finding)).copied().filter(|number| *number <= SHOWN)
    }

    fn without_statement(&self, finding: &Finding) -> String {
        match finding.rule {
            "undeclared-collection"
            | "undeclared-recipient"
            | "unknown-recipient"
            | "sharing-undeclared"
            | "beyond-authorisation" => self.t("findings.no_statement"),
            rule if rule.contains("consent") || rule.starts_with("after-") || rule.starts_with("tracking-") => {
                self.t("findings.consent")
            }
            _ => self.t("findings.not_by_terms"),
        }
    }

    /// What the evidence of a finding proves, strongest part first.
    fn strength(&self, finding: &Finding) -> Vec<String> {
        let mut said = vec![match &finding.subject {
            Subject::Data(_) => self.t("strength.read"),
            Subject::Recipient(name) => {
                format!("{}; {}", self.t("strength.contact"), self.certainty(&name.confidence))
            }
            Subject::Act { .. } => self.t("strength.act"),
        }];
        if let Some(tie) = self.ties.get(finding.subject.title()) {
            said.push(self.tie(*tie));
        }
        let hinted = finding.evidence.iter().any(|evidence| !evidence.hints.is_empty());
        said.push(self.t(if hinted { "strength.hint" } else { "strength.kernel" }));
        said
    }

    fn tie(&self, tie: impl Borrow<Tie>) -> String {
        both(tie.borrow().in_words(), tie.borrow().in_chinese())
    }

    /// The word for how sure it is that this code acted.
    fn code_word(&self, code: &ActingCode) -> &'static str {
        match code.confidence {
            CodeConfidence::Caller => "flow.code_caller",
            CodeConfidence::Frames | CodeConfidence::Leaf => "flow.code_frames",
        }
    }

    /// The program's file name.
    fn program(&self, path: &str) -> String {
        self.text(path.rsplit('/').next().unwrap_or(path))
    }

    /// How the terms disclose a flow.
    fn disclosed(&self, row: &ObservedTuple) -> String {
        match &row.disclosure {
            Some(disclosure) => both(disclosure.verdict.in_words(), disclosure.verdict.in_chinese()),
            None => self.t("flow.first_party"),
        }
    }

    fn tone(&self, row: &ObservedTuple) -> &'static str {
        flow_picture::tone(row).name()
    }

    fn over(&self, events: &u64, seconds: &f64, phases: &[String]) -> String {
        let names = |language: usize| {
            let name = |phase: &String| {
                word(&format!("phase.{phase}")).map_or(phase.clone(), |(english, chinese)| {
                    [english, chinese].get(language).copied().unwrap_or_default().to_owned()
                })
            };
            phases.iter().map(name).collect::<Vec<_>>()
        };
        both(
            &format!("{events} events in {} of: {}", duration(*seconds), names(0).join(", ")),
            &format!("{}中的{events}个事件，阶段：{}", duration(*seconds), names(1).join("、")),
        )
    }

    fn standing_tag(&self, standing: &str) -> &'static str {
        match standing {
            "declared" => "none_observed",
            "denied" => "violation",
            _ => "cannot_tell",
        }
    }

    /// What is worth knowing, but for permissions, which have a table.
    fn notices(&self) -> Vec<&'v Notice> {
        self.verdict.notices.iter().filter(|notice| notice.kind != "may_access").collect()
    }

    fn family(&self, family: &str) -> String {
        self.name("family", family)
    }
}

/// The report, opening in this language.
///
/// # Errors
///
/// When the template cannot be filled in, which would be an error in Candor.
pub fn html(verdict: &Verdict, language: Language) -> Result<String, HtmlError> {
    let cards = findings::cards(verdict);
    let mut flows: Vec<&ObservedTuple> = verdict.tuples.iter().filter(|row| flow_picture::is_flow(row)).collect();
    flows.sort_by_key(|row| std::cmp::Reverse(flow_picture::tone(row)));
    let mut ties = HashMap::new();
    for row in verdict.tuples.iter().filter(|row| row.outcome == "done") {
        let data_type = row.data_type.as_ref().map(|name| name.id.as_str());
        let host = row.recipient.as_ref().map(|name| name.host.as_str());
        for about in data_type.into_iter().chain(host) {
            // The strongest tie is the least.
            let tie = ties.entry(about).or_insert(row.tie);
            *tie = row.tie.min(*tie);
        }
    }
    let page = Page {
        numbers: cards.iter().map(|card| (findings::key(card.finding), card.number)).collect(),
        ties,
        flows,
        verdict,
        language,
        translator: Translator::of(verdict),
        timelines: timeline::timelines(verdict, &cards),
        counts: phase_counts::count(verdict),
        flow: flow_picture::draw(verdict),
        cards,
        version: env!("CARGO_PKG_VERSION"),
    };
    Ok(page.render()?)
}
