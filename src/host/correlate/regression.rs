//! What one version of an app does that another did not: flows and findings set against a baseline.
//!
//! * **In:** two verdicts, as the JSON report holds them. **Out:** [`Difference`]: what is new, gone, or changed by more than
//!   the tolerance.
//!
//! A flow is a data type that was read, or a recipient that was contacted, in a phase, and how it ended. Processes, ports, times, the order of events and the
//! directory of an installation are no part of it, so that two runs of the same app are the same. Which reading is tied to
//! which sending by the window alone hangs on the moment; it is told, and makes no difference by itself.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::facts::outcome_of_all;
use super::fingerprint;
use super::profiles::count_states;
use super::verdict::{ClauseState, Finding, RecipientName, VERDICT_SCHEMA, Verdict};

/// A verdict as a JSON report holds it, as far as versions are compared by it. Other fields are left alone.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Report {
    /// Must be [`VERDICT_SCHEMA`].
    pub schema: String,
    outcome: String,
    app: ReportApp,
    session: ReportSession,
    tuples: Vec<Row>,
    recipients: Vec<ReportRecipient>,
    rules: Vec<ReportRule>,
    profiles: Vec<ReportProfile>,
    coverage: ReportCoverage,
    phases: Vec<ReportPhase>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
struct ReportApp {
    package: String,
    version: String,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
struct ReportSession {
    started: String,
    events: u64,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
struct ReportPhase {
    phase: String,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
struct ReportCoverage {
    families: Vec<ReportFamily>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
struct ReportFamily {
    family: String,
    watched: bool,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
struct Named {
    id: String,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
struct Host {
    host: String,
    standing: String,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
struct ReportRecipient {
    recipient: Host,
    phase: String,
    effect: String,
    count: u64,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
struct RowDisclosure {
    verdict: String,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
struct Row {
    fingerprint: String,
    data_type: Option<Named>,
    recipient: Option<Host>,
    phase: String,
    outcome: String,
    tie: String,
    reads: u64,
    sends: u64,
    disclosure: Option<RowDisclosure>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
struct ReportRule {
    id: String,
    findings: Vec<ReportFinding>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
struct ReportProfile {
    name: String,
    counts_for_outcome: bool,
    clauses: Vec<ReportRule>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
struct ReportFinding {
    fingerprint: String,
    message: String,
}

/// Why a JSON text is no report to compare with.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ReportError {
    /// It has another schema.
    #[error(
        "it has the schema \"{0}\", and this version of candor compares reports of \"{VERDICT_SCHEMA}\"; make it again from its recording with `candor check --format json`"
    )]
    Schema(String),
}

impl Report {
    /// Says whether the report can be compared.
    ///
    /// # Errors
    ///
    /// When its schema is another one.
    pub fn validated(self) -> Result<Self, ReportError> {
        if self.schema == VERDICT_SCHEMA { Ok(self) } else { Err(ReportError::Schema(self.schema)) }
    }

    /// The package that it is about.
    #[must_use]
    pub fn package(&self) -> &str {
        &self.app.package
    }
}

impl From<&Verdict> for Report {
    fn from(verdict: &Verdict) -> Self {
        let host = |name: &RecipientName| Host { host: name.host.clone(), standing: name.standing.to_owned() };
        let finding = |finding: &Finding| ReportFinding {
            fingerprint: finding.fingerprint.clone(),
            message: finding.message.clone(),
        };
        Self {
            schema: verdict.schema.to_owned(),
            outcome: verdict.outcome.name().to_owned(),
            app: ReportApp { package: verdict.app.package.clone(), version: verdict.app.version.clone() },
            session: ReportSession { started: verdict.session.started.clone(), events: verdict.session.events },
            tuples: verdict
                .tuples
                .iter()
                .map(|tuple| Row {
                    fingerprint: tuple.fingerprint.clone(),
                    data_type: tuple.data_type.as_ref().map(|name| Named { id: name.id.clone() }),
                    recipient: tuple.recipient.as_ref().map(host),
                    phase: tuple.phase.clone(),
                    outcome: tuple.outcome.to_owned(),
                    tie: tuple.tie.name().to_owned(),
                    reads: tuple.reads,
                    sends: tuple.sends,
                    disclosure: tuple
                        .disclosure
                        .as_ref()
                        .map(|disclosure| RowDisclosure { verdict: disclosure.verdict.name().to_owned() }),
                })
                .collect(),
            recipients: verdict
                .recipients
                .iter()
                .map(|row| ReportRecipient {
                    recipient: host(&row.recipient),
                    phase: row.phase.clone(),
                    effect: row.effect.to_owned(),
                    count: row.count,
                })
                .collect(),
            rules: verdict
                .rules
                .iter()
                .map(|rule| ReportRule {
                    id: rule.id.to_owned(),
                    findings: rule.findings.iter().map(finding).collect(),
                })
                .collect(),
            profiles: verdict
                .profiles
                .iter()
                .map(|profile| ReportProfile {
                    name: profile.name.clone(),
                    counts_for_outcome: profile.counts_for_outcome,
                    clauses: profile
                        .clauses
                        .iter()
                        .map(|clause| ReportRule {
                            id: clause.id.clone(),
                            findings: clause.findings.iter().map(finding).collect(),
                        })
                        .collect(),
                })
                .collect(),
            coverage: ReportCoverage {
                families: verdict
                    .coverage
                    .families
                    .iter()
                    .map(|family| ReportFamily { family: family.family.to_owned(), watched: family.watched })
                    .collect(),
            },
            phases: verdict.phases.iter().map(|phase| ReportPhase { phase: phase.phase.clone() }).collect(),
        }
    }
}

/// What was done, as far as versions are compared by it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
pub struct Flow {
    /// The fingerprint of its rows.
    pub fingerprint: String,
    /// The data type; empty when only contact was seen.
    pub data_type: String,
    /// The recipient; empty when nothing says that it was sent.
    pub recipient: String,
    /// The phase.
    pub phase: String,
    /// `done`, `denied` or `failed`.
    pub outcome: String,
    /// How strongly reading is tied to sending.
    pub tie: String,
    /// How the terms disclose it, or stand to the recipient; empty where nothing has to be disclosed.
    pub disclosure: String,
    /// How often, by all programs of the app together: connections, or readings where there are none.
    pub count: u64,
}

impl Flow {
    /// In words, for people.
    #[must_use]
    pub fn in_words(&self) -> String {
        let Self { data_type, recipient, phase, outcome, tie, .. } = self;
        let what = match (data_type.as_str(), recipient.as_str()) {
            ("", host) => format!("contact with {host}"),
            (id, "") => format!("{id} read"),
            (id, host) => format!("{id} to {host} ({tie})"),
        };
        let how = if outcome == "done" { String::new() } else { format!(", {outcome}") };
        format!("{what} in phase {phase}{how}")
    }
}

/// A flow that both versions have, and how it changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ChangedFlow {
    /// As it was.
    pub before: Flow,
    /// As it is.
    pub after: Flow,
    /// What changed: `more`, `less`, `disclosure`.
    pub what: Vec<&'static str>,
}

/// A finding, by its name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
pub struct NamedFinding {
    /// The rule, or `PROFILE/CLAUSE`.
    pub rule: String,
    /// Its fingerprint.
    pub fingerprint: String,
    /// What it says.
    pub message: String,
}

/// One side of a comparison.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Side {
    /// Package.
    pub package: String,
    /// Version by the terms; empty when they do not say.
    pub version: String,
    /// When it was recorded.
    pub started: String,
    /// Events in the recording.
    pub events: u64,
    /// What the check came to.
    pub outcome: String,
}

/// What is different.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Difference {
    /// The baseline.
    pub base: Side,
    /// What is set against it.
    pub new: Side,
    /// Flows that the baseline does not have.
    pub new_flows: Vec<Flow>,
    /// Flows that only the baseline has.
    pub gone_flows: Vec<Flow>,
    /// Flows of both that changed by more than the tolerance, or that are told otherwise.
    pub changed_flows: Vec<ChangedFlow>,
    /// Flows of both that did not change.
    pub same_flows: usize,
    /// Findings that the baseline does not have.
    pub new_findings: Vec<NamedFinding>,
    /// Findings that only the baseline has.
    pub gone_findings: Vec<NamedFinding>,
    /// Readings that are tied to a sending in the new run only, by however little.
    pub new_ties: Vec<Flow>,
    /// Readings that were tied to a sending in the baseline only.
    pub gone_ties: Vec<Flow>,
    /// Why what is gone, or what is not new, may only not have been seen.
    pub doubts: Vec<String>,
}

/// By how much a count may change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tolerance {
    /// In per cent of the smaller count.
    pub percent: u32,
    /// Besides, so many: two instead of one says nothing.
    pub absolute: u64,
}

impl Default for Tolerance {
    fn default() -> Self {
        Self { percent: 50, absolute: 3 }
    }
}

impl Tolerance {
    fn exceeded(self, smaller: u64, larger: u64) -> bool {
        let allowed = u128::from(smaller) * u128::from(100 + self.percent) / 100 + u128::from(self.absolute);
        u128::from(larger) > allowed
    }
}

impl Difference {
    /// Whether something is there that the baseline does not have, or more of it, or worse told.
    #[must_use]
    pub fn has_new(&self) -> bool {
        !self.new_flows.is_empty()
            || !self.new_findings.is_empty()
            || self.changed_flows.iter().any(|changed| changed.what.iter().any(|what| *what != "less"))
    }

    /// Sets `new` against `base`.
    #[must_use]
    pub fn between(base: &Report, new: &Report, tolerance: Tolerance) -> Self {
        let ((before, old_ties), (mut after, ties)) = (flows(base), flows(new));
        let (mut gone_flows, mut changed_flows, mut same_flows) = (Vec::new(), Vec::new(), 0);
        for (fingerprint, old) in before {
            let Some(now) = after.remove(&fingerprint) else {
                gone_flows.push(old);
                continue;
            };
            let mut what = Vec::new();
            if tolerance.exceeded(old.count, now.count) {
                what.push("more");
            } else if tolerance.exceeded(now.count, old.count) {
                what.push("less");
            }
            if old.disclosure != now.disclosure {
                what.push("disclosure");
            }
            if what.is_empty() {
                same_flows += 1;
            } else {
                changed_flows.push(ChangedFlow { before: old, after: now, what });
            }
        }
        let mut new_flows: Vec<Flow> = after.into_values().collect();
        let by_what = |flow: &Flow| (flow.data_type.clone(), flow.recipient.clone(), flow.phase.clone());
        new_flows.sort_by_key(by_what);
        gone_flows.sort_by_key(by_what);
        changed_flows.sort_by_key(|changed| by_what(&changed.after));
        let only_in = |these: &BTreeMap<String, Flow>, those: &BTreeMap<String, Flow>| {
            let only = these.iter().filter(|(key, _)| !those.contains_key(*key)).map(|(_, flow)| flow.clone());
            let mut only: Vec<Flow> = only.collect();
            only.sort_by_key(by_what);
            only
        };
        let (new_ties, gone_ties) = (only_in(&ties, &old_ties), only_in(&old_ties, &ties));
        let (old_findings, findings) = (findings(base), findings(new));
        let only = |these: &BTreeMap<String, NamedFinding>, those: &BTreeMap<String, NamedFinding>| {
            let mut only: Vec<NamedFinding> =
                these.iter().filter(|(key, _)| !those.contains_key(*key)).map(|(_, finding)| finding.clone()).collect();
            only.sort();
            only
        };
        Self {
            base: side(base),
            new: side(new),
            new_flows,
            gone_flows,
            changed_flows,
            same_flows,
            new_findings: only(&findings, &old_findings),
            gone_findings: only(&old_findings, &findings),
            new_ties,
            gone_ties,
            doubts: doubts(base, new),
        }
    }
}

fn side(report: &Report) -> Side {
    Side {
        package: report.app.package.clone(),
        version: report.app.version.clone(),
        started: report.session.started.clone(),
        events: report.session.events,
        outcome: report.outcome.clone(),
    }
}

/// The flows of a report, those of all programs put together; and its ties.
fn flows(report: &Report) -> (BTreeMap<String, Flow>, BTreeMap<String, Flow>) {
    let (mut flows, mut ties) = (BTreeMap::new(), BTreeMap::new());
    let add = |list: &mut BTreeMap<String, Flow>, flow: Flow| match list.get_mut(&flow.fingerprint) {
        Some(known) => known.count = known.count.saturating_add(flow.count),
        None => drop(list.insert(flow.fingerprint.clone(), flow)),
    };
    for row in &report.recipients {
        let (host, phase) = (&row.recipient.host, &row.phase);
        let fingerprint = fingerprint::of_row(&report.app.package, "", host, phase, &row.effect);
        let flow = Flow {
            fingerprint,
            data_type: String::new(),
            recipient: host.clone(),
            phase: phase.clone(),
            outcome: row.effect.clone(),
            tie: "contact_only".to_owned(),
            disclosure: row.recipient.standing.clone(),
            count: row.count,
        };
        add(&mut flows, flow);
    }
    for row in &report.tuples {
        let Some(data_type) = &row.data_type else { continue };
        let list = if row.recipient.is_some() { &mut ties } else { &mut flows };
        let flow = Flow {
            fingerprint: row.fingerprint.clone(),
            data_type: data_type.id.clone(),
            recipient: row.recipient.as_ref().map(|name| name.host.clone()).unwrap_or_default(),
            phase: row.phase.clone(),
            outcome: row.outcome.clone(),
            tie: row.tie.clone(),
            disclosure: row.disclosure.as_ref().map(|told| told.verdict.clone()).unwrap_or_default(),
            count: if row.recipient.is_some() { row.sends } else { row.reads },
        };
        add(list, flow);
    }
    (flows, ties)
}

fn findings(report: &Report) -> BTreeMap<String, NamedFinding> {
    let of_rules = report.rules.iter().map(|rule| (rule.id.clone(), rule));
    let counting = report.profiles.iter().filter(|profile| profile.counts_for_outcome);
    let of_clauses = counting
        .flat_map(|profile| profile.clauses.iter().map(|clause| (format!("{}/{}", profile.name, clause.id), clause)));
    of_rules
        .chain(of_clauses)
        .flat_map(|(rule, result)| {
            result.findings.iter().map(move |finding| {
                (
                    finding.fingerprint.clone(),
                    NamedFinding {
                        rule: rule.clone(),
                        fingerprint: finding.fingerprint.clone(),
                        message: finding.message.clone(),
                    },
                )
            })
        })
        .collect()
}

/// What one run watched or exercised and the other did not.
fn doubts(base: &Report, new: &Report) -> Vec<String> {
    let mut doubts = Vec::new();
    for (report, which) in [(base, "the baseline"), (new, "the new run")] {
        let blind: Vec<&str> = report
            .coverage
            .families
            .iter()
            .filter(|family| !family.watched)
            .map(|family| family.family.as_str())
            .collect();
        if !blind.is_empty() {
            doubts.push(format!("{which} did not see everything of: {}", blind.join(", ")));
        }
    }
    let has = |report: &Report, phase: &str| report.phases.iter().any(|entry| entry.phase == phase);
    for phase in base.phases.iter().filter(|phase| !has(new, &phase.phase)) {
        doubts.push(format!("phase {} was part of the baseline and not of the new run", phase.phase));
    }
    for phase in new.phases.iter().filter(|phase| !has(base, &phase.phase)) {
        doubts.push(format!("phase {} is part of the new run and was not of the baseline", phase.phase));
    }
    doubts
}

/// The clause about changes that nobody was told of. One recording cannot decide it; two versions can.
const CHANGE: &str = "cac-191/2.2";
/// Rules whose new findings are changes that the terms do not tell.
const UNTOLD: &[&str] = &["undeclared-collection", "undeclared-recipient", "unknown-recipient"];

/// Decides, as far as a trace can, the clause about changes of what is collected: by what the verdict has and its baseline
/// did not. What is new and in no terms was not told; whether a user was told of what the terms do say, no trace knows.
pub fn judge_change(verdict: &mut Verdict) {
    let Some(difference) = &verdict.baseline else { return };
    let is_new = |fingerprint: &str| difference.new_findings.iter().any(|finding| finding.fingerprint == fingerprint);
    let rules = verdict.rules.iter().filter(|rule| UNTOLD.contains(&rule.id)).flat_map(|rule| &rule.findings);
    let untold: Vec<Finding> = rules.filter(|finding| is_new(&finding.fingerprint)).cloned().collect();
    let mut reasons = difference.doubts.clone();
    let done = difference.new_flows.iter().filter(|flow| flow.outcome == "done");
    let told =
        |flow: &&Flow| matches!(flow.disclosure.as_str(), "clear" | "vague" | "ambiguous" | "declared" | "first_party");
    reasons.extend(done.filter(told).map(|flow| {
        format!(
            "{} is new since the baseline and declared: whether the users were told is not in a trace; \
             `candor terms diff` compares the terms",
            flow.in_words()
        )
    }));
    let package = verdict.app.package.clone();
    for profile in &mut verdict.profiles {
        let name = profile.name.clone();
        for clause in &mut profile.clauses {
            let full = if clause.id.contains('/') { clause.id.clone() } else { format!("{name}/{}", clause.id) };
            if full != CHANGE {
                continue;
            }
            let told_under = format!("{name}/{}", clause.id);
            clause.findings = untold.clone();
            for finding in &mut clause.findings {
                finding.message.push_str("; the baseline did not have it");
                finding.fingerprint = fingerprint::of_finding(&told_under, finding.rule, &package, &finding.subject);
            }
            clause.reasons.clone_from(&reasons);
            clause.state = match (clause.findings.is_empty(), clause.reasons.is_empty()) {
                (false, _) => ClauseState::Indication,
                (true, true) => ClauseState::NoneObserved,
                (true, false) => ClauseState::CannotTell,
            };
        }
        count_states(profile);
    }
    verdict.outcome = outcome_of_all(&verdict.rules, &verdict.profiles);
}
