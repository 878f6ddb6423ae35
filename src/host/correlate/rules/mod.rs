//! The one table of rules, and how a rule's result comes about.
//!
//! A fact is reported under every rule it breaks, once for each tuple and never once for each event: a tracker that is
//! contacted before consent and is not declared either gives two findings, because the two can be mended apart. Where
//! one rule is the special case of another, only the special one reports: what happens before consent or after a
//! refusal is left to those rules by `outside-declared-phase`, and what is not declared at all is left to the
//! `undeclared-` rules.

mod after_refusal;
mod before_consent;
mod outside_declared_phase;
mod rate_above_declared;
mod undeclared_collection;
mod undeclared_recipient;
mod unknown_data;
mod unknown_recipient;

use std::collections::BTreeMap;

use super::facts::{ContactTuple, DataTuple, Facts, Part};
use super::verdict::{Finding, RecipientName, RuleOutcome, RuleResult, StatementRef, Subject};
use crate::event::Family;

/// What every reason says that names a phase which was not part of the run.
pub(super) const NOTHING_KNOWN: &str = "so nothing is known about";
/// A run in which the app did nothing proves nothing.
pub(super) const NO_EVENT: &str = "no event of the app is in the recording";

/// The phase before the user has answered the privacy prompt.
pub(super) const PRE_CONSENT: &str = "pre_consent";
/// The phase after the user has refused.
pub(super) const REFUSED: &str = "refused";

/// A phase that a rule is about.
#[derive(Debug, Clone, Copy)]
pub struct PhaseOfRule {
    /// The phase.
    pub name: &'static str,
    /// What the rule comes to when the phase was never marked: "cannot tell" for a phase that every first run of an app
    /// goes through, "not applicable" for one that the tester chooses to try.
    pub when_missing: RuleOutcome,
}

/// A rule.
pub struct Rule {
    /// Id, as in reports and baselines. Never changes its meaning.
    pub id: &'static str,
    /// English title.
    pub title_en: &'static str,
    /// Chinese title.
    pub title_zh: &'static str,
    /// What the rule says, in one sentence.
    pub about: &'static str,
    /// The families of events it needs: any loss or unwatched probe there makes "none observed" into "cannot tell".
    pub families: &'static [Family],
    /// The phase it is about; `None` when it looks at all phases.
    pub phase: Option<PhaseOfRule>,
    judge: fn(&Facts<'_>) -> Judged,
}

/// What a rule's function gives.
#[derive(Debug, Clone, Default)]
pub(super) struct Judged {
    pub(super) findings: Vec<Finding>,
    /// Facts that could be violations and cannot be decided.
    pub(super) doubts: Vec<String>,
    /// Why there was nothing to judge.
    pub(super) not_applicable: Option<String>,
}

/// The families by which data is read.
const READING: &[Family] = &[Family::Process, Family::File, Family::Provider, Family::Service];

/// Every rule, in the order of reports.
///
/// Data rules need the process family too: programs started by the app act for it, and some are themselves a way to
/// read data (`getprop ro.serialno`).
pub const ALL_RULES: &[Rule] = &[
    Rule {
        id: "before-consent",
        title_en: "Collection or sharing before consent",
        title_zh: "未经同意收集或共享个人信息",
        about: "In phase pre_consent no personal data may be read and nobody but the first party contacted, whatever the terms declare.",
        families: Family::TRACED,
        phase: Some(PhaseOfRule { name: PRE_CONSENT, when_missing: RuleOutcome::CannotTell }),
        judge: before_consent::judge,
    },
    Rule {
        id: "after-refusal",
        title_en: "Collection or sharing after refusal",
        title_zh: "用户拒绝后仍收集或共享个人信息",
        about: "In phase refused no personal data may be read and nobody but the first party contacted.",
        families: Family::TRACED,
        phase: Some(PhaseOfRule { name: REFUSED, when_missing: RuleOutcome::NotApplicable }),
        judge: after_refusal::judge,
    },
    Rule {
        id: "undeclared-collection",
        title_en: "Collection that the terms do not declare",
        title_zh: "未声明的个人信息收集",
        about: "Every kind of personal data that is read must be declared in [[collect]], itself or by a broader type, and not denied.",
        families: READING,
        phase: None,
        judge: undeclared_collection::judge,
    },
    Rule {
        id: "undeclared-recipient",
        title_en: "Known third party that the terms do not declare",
        title_zh: "未声明的第三方接收者",
        about: "Whoever is known to be a third party and is contacted must be declared in [[share]], and not denied.",
        families: &[Family::Process, Family::Socket],
        phase: None,
        judge: undeclared_recipient::judge,
    },
    Rule {
        id: "unknown-recipient",
        title_en: "Recipient of unknown owner",
        title_zh: "归属不明的接收者",
        about: "Whoever is contacted must be first party, declared in [[share]], or at least known; an address without a name is not.",
        families: &[Family::Process, Family::Socket],
        phase: None,
        judge: unknown_recipient::judge,
    },
    Rule {
        id: "unknown-data",
        title_en: "Data of another app that nobody knows",
        title_zh: "读取其他应用中类型不明的数据",
        about: "What is read from a content provider of another installed app must be of a known type, so that it can be declared.",
        families: &[Family::Process, Family::Provider],
        phase: None,
        judge: unknown_data::judge,
    },
    Rule {
        id: "outside-declared-phase",
        title_en: "Outside the declared phase",
        title_zh: "超出声明的使用场景",
        about: "What is declared for certain phases, or for the foreground only, happens in these only.",
        families: Family::TRACED,
        phase: None,
        judge: outside_declared_phase::judge,
    },
    Rule {
        id: "rate-above-declared",
        title_en: "More often than declared",
        title_zh: "收集频次超出声明",
        about: "Data with a declared max_per_minute is read at most so often in any minute, by all programs of the app together.",
        families: READING,
        phase: None,
        judge: rate_above_declared::judge,
    },
];

/// What each rule found, by its id: before the coverage is looked at, which differs between a rule and the clauses of
/// profiles that are made of it.
pub(super) type AllJudged = BTreeMap<&'static str, Judged>;

/// Applies every rule.
pub(super) fn judge_all(facts: &Facts<'_>) -> AllJudged {
    ALL_RULES.iter().map(|rule| (rule.id, (rule.judge)(facts))).collect()
}

/// Everything that may not happen in a phase in which the user does not agree, or no longer does.
pub(super) fn in_phase(facts: &Facts<'_>, rule: &'static str, phase: &str, when: &str) -> Judged {
    before_consent::in_phase(facts, rule, phase, when)
}

/// What a rule came to.
pub(super) fn conclude(rule: &Rule, judged: &AllJudged, facts: &Facts<'_>) -> RuleResult {
    let judged = judged.get(rule.id).cloned().unwrap_or_default();
    let phase = rule.phase.map(|phase| phase.name);
    let missing = rule.phase.filter(|phase| !facts.seen.had_phase(phase.name));
    let mut reasons = judged.doubts;
    reasons.sort();
    reasons.dedup();
    reasons.extend(facts.seen.blind_to(rule.families, phase));
    if facts.judged.is_empty() {
        reasons.push(NO_EVENT.to_owned());
    }
    let outcome = if !judged.findings.is_empty() {
        RuleOutcome::Violation
    } else if let Some(missing) = missing {
        let reason = format!("phase {} was never marked, {NOTHING_KNOWN} it", missing.name);
        reasons = vec![reason];
        missing.when_missing
    } else if let Some(reason) = judged.not_applicable {
        reasons = vec![reason];
        RuleOutcome::NotApplicable
    } else if reasons.is_empty() {
        RuleOutcome::NoneObserved
    } else {
        RuleOutcome::CannotTell
    };
    let looked_at: Vec<_> =
        facts.seen.phases().into_iter().filter(|summary| phase.is_none_or(|name| summary.phase == name)).collect();
    RuleResult {
        missing_phases: missing.map(|phase| phase.name.to_owned()).into_iter().collect(),
        id: rule.id,
        title_en: rule.title_en,
        title_zh: rule.title_zh,
        outcome,
        findings: judged.findings,
        set_aside: Vec::new(),
        reasons,
        seconds: looked_at.iter().map(|summary| summary.seconds).sum(),
        events: looked_at.iter().map(|summary| summary.events).fold(0, u64::saturating_add),
        phases: looked_at.into_iter().map(|summary| summary.phase).collect(),
    }
}

/// Data tuples of one app and one data type.
type DataGroups<'t, 'a> = BTreeMap<(&'t str, &'t str), Vec<&'t DataTuple<'a>>>;

/// Groups readings by app and data type: a finding is one of these, whatever the number of processes.
fn by_type<'t, 'a: 't>(facts: &'t Facts<'a>, tuples: impl Iterator<Item = &'t DataTuple<'a>>) -> DataGroups<'t, 'a> {
    let mut groups: DataGroups<'t, 'a> = BTreeMap::new();
    for tuple in tuples {
        let key = (facts.ontology.data_types.id_of(tuple.data_type), tuple.actor.app.as_str());
        groups.entry(key).or_default().push(tuple);
    }
    groups
}

/// Contacts of one app with one recipient.
type ContactGroups<'t, 'a> = BTreeMap<(String, &'t str), Vec<&'t ContactTuple<'a>>>;

/// Groups contacts by app and host. Two destinations with the same host but different certainty are one recipient.
fn by_host<'t, 'a: 't>(
    facts: &'t Facts<'a>,
    tuples: impl Iterator<Item = &'t ContactTuple<'a>>,
) -> ContactGroups<'t, 'a> {
    let mut groups: ContactGroups<'t, 'a> = BTreeMap::new();
    for tuple in tuples {
        let key = (facts.recipient_name(tuple).host, tuple.actor.app.as_str());
        groups.entry(key).or_default().push(tuple);
    }
    groups
}

/// What a finding says, and the statement that it contradicts.
pub(super) type Said = (String, Option<StatementRef>);

/// Findings about data: one for each app and data type of `tuples`, where `describe` has something to say. It is given the
/// app, the id of the data type, and the tuples, of which there is at least one and which differ in process and phase only.
pub(super) fn data_findings<'t, 'a: 't>(
    facts: &'t Facts<'a>,
    rule: &'static str,
    tuples: impl Iterator<Item = &'t DataTuple<'a>>,
    mut describe: impl FnMut(&str, &str, &DataTuple<'a>, &[&'t DataTuple<'a>]) -> Option<Said>,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    for ((id, app), tuples) in by_type(facts, tuples) {
        let Some(first) = tuples.first() else { continue };
        if let Some((message, contradicts)) = describe(app, id, first, &tuples) {
            let subject = Subject::Data(facts.data_name(first.data_type));
            findings.push(facts.finding(rule, subject, message, contradicts, &data_parts(&tuples)));
        }
    }
    findings
}

/// The same about recipients: one for each app and host.
pub(super) fn contact_findings<'t, 'a: 't>(
    facts: &'t Facts<'a>,
    rule: &'static str,
    tuples: impl Iterator<Item = &'t ContactTuple<'a>>,
    mut describe: impl FnMut(&str, &RecipientName, &ContactTuple<'a>, &[&'t ContactTuple<'a>]) -> Option<Said>,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    for ((_, app), tuples) in by_host(facts, tuples) {
        let Some(first) = tuples.first() else { continue };
        let name = facts.recipient_name(first);
        if let Some((message, contradicts)) = describe(app, &name, first, &tuples) {
            findings.push(facts.finding(rule, Subject::Recipient(name), message, contradicts, &contact_parts(&tuples)));
        }
    }
    findings
}

fn data_parts<'t>(tuples: &[&'t DataTuple<'_>]) -> Vec<Part<'t>> {
    tuples.iter().map(|tuple| Part { actor: &tuple.actor, phase: &tuple.phase, tally: &tuple.tally }).collect()
}

fn contact_parts<'t>(tuples: &[&'t ContactTuple<'_>]) -> Vec<Part<'t>> {
    tuples.iter().map(|tuple| Part { actor: &tuple.actor, phase: &tuple.phase, tally: &tuple.tally }).collect()
}

/// The owner of a recipient in words, for messages: ` of Umeng (Alibaba)`.
pub(super) fn owner_in_words(name: &RecipientName) -> String {
    match (&name.owner_en, &name.product, &name.via_alias) {
        (Some(owner), Some(product), None) => format!(" ({owner}: {product})"),
        (Some(owner), None, None) => format!(" ({owner})"),
        (Some(owner), _, Some(alias)) => format!(" ({owner}, through the alias {alias})"),
        (None, _, _) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_rule_is_described() {
        let mut seen = BTreeSet::new();
        for rule in ALL_RULES {
            assert!(seen.insert(rule.id), "{} occurs twice", rule.id);
            assert!(rule.about.ends_with('.') && !rule.title_en.is_empty() && !rule.title_zh.is_ascii(), "{}", rule.id);
            assert!(!rule.families.is_empty(), "{} can be blind to nothing", rule.id);
        }
    }
}
