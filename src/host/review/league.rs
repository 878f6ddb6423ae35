//! The league table: by app and by operator, as the ministry announces it.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::host::correlate::{ClauseState, RuleOutcome, Verdict};

/// A sort of problem that an app has.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Problem {
    /// The rule's id, or `PROFILE/CLAUSE`.
    pub rule: String,
    /// Its title in English.
    pub title_en: String,
    /// Its title in Chinese.
    pub title_zh: String,
    /// How many findings.
    pub findings: usize,
}

/// One recording that was judged.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AppRow {
    /// The recording.
    pub recording: String,
    /// The terms.
    pub terms: String,
    /// The package.
    pub package: String,
    /// The app's name.
    pub name: String,
    /// The version of the terms; empty when they do not say.
    pub version: String,
    /// `violation`, `cannot_tell`, `none_observed` or `not_applicable`.
    pub outcome: String,
    /// Findings of the rules.
    pub findings: usize,
    /// What the violations are of: rules, and clauses of the profiles that were asked for.
    pub problems: Vec<Problem>,
    /// Rules, and clauses of the profiles that were asked for, that cannot be told.
    pub cannot_tell: usize,
    /// Events in the recording.
    pub events: u64,
    /// Seconds.
    pub seconds: f64,
    /// When the session began.
    pub started: String,
    /// The HTML report, from the table's own place; the JSON report is beside it.
    pub report: String,
}

impl AppRow {
    /// The row of a verdict. `report` is where its reports are.
    #[must_use]
    pub fn of(verdict: &Verdict, recording: &str, terms: &str, report: String) -> Self {
        let mut problems: Vec<Problem> = verdict
            .rules
            .iter()
            .filter(|rule| rule.outcome == RuleOutcome::Violation)
            .map(|rule| Problem {
                rule: rule.id.to_owned(),
                title_en: rule.title_en.to_owned(),
                title_zh: rule.title_zh.to_owned(),
                findings: rule.findings.len(),
            })
            .collect();
        let mut cannot_tell = verdict.rules.iter().filter(|rule| rule.outcome == RuleOutcome::CannotTell).count();
        for profile in verdict.profiles.iter().filter(|profile| profile.counts_for_outcome) {
            cannot_tell += profile.clauses.iter().filter(|clause| clause.state == ClauseState::CannotTell).count();
            let violated = profile.clauses.iter().filter(|clause| clause.state == ClauseState::Violation);
            problems.extend(violated.map(|clause| Problem {
                rule: format!("{}/{}", profile.name, clause.id),
                title_en: clause.title_en.clone(),
                title_zh: clause.title_zh.clone(),
                findings: clause.findings.len(),
            }));
        }
        Self {
            recording: recording.to_owned(),
            terms: terms.to_owned(),
            package: verdict.app.package.clone(),
            name: verdict.app.name.clone(),
            version: verdict.app.version.clone(),
            outcome: verdict.outcome.name().to_owned(),
            findings: verdict.findings,
            problems,
            cannot_tell,
            events: verdict.session.events,
            seconds: verdict.session.seconds,
            started: verdict.session.started.clone(),
            report,
        }
    }

    /// Whether a violation was found.
    #[must_use]
    pub fn has_problems(&self) -> bool {
        self.outcome == RuleOutcome::Violation.name()
    }
}

/// One operator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OperatorRow {
    /// Who; `None` where the manifest does not say.
    pub operator: Option<String>,
    /// Apps, by package, that were judged.
    pub apps: usize,
    /// Apps with at least one violation, by name.
    pub with_problems: Vec<String>,
    /// Findings in all of them.
    pub findings: usize,
    /// The sorts of problems, each once.
    pub problems: Vec<Problem>,
}

/// The table.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct League {
    /// [`super::REVIEW_SCHEMA`].
    pub schema: &'static str,
    /// Recordings that were judged: those with the most findings first.
    pub apps: Vec<AppRow>,
    /// Operators: those with the most apps with problems first.
    pub operators: Vec<OperatorRow>,
    /// Recordings that could not be judged, and why.
    pub failed: BTreeMap<String, String>,
    /// Recordings that were not looked at, because the review was stopped.
    pub not_reached: Vec<String>,
}

impl League {
    /// Ranks what was judged. `operator_of` says who operates a package.
    #[must_use]
    pub fn new<'m>(
        mut apps: Vec<AppRow>,
        failed: BTreeMap<String, String>,
        not_reached: Vec<String>,
        operator_of: impl Fn(&str) -> Option<&'m str>,
    ) -> Self {
        apps.sort_by(|left, right| {
            let rank = |row: &AppRow| match row.outcome.as_str() {
                "violation" => 0,
                "cannot_tell" => 1,
                _ => 2,
            };
            (rank(left), std::cmp::Reverse(left.findings), &left.name, &left.recording).cmp(&(
                rank(right),
                std::cmp::Reverse(right.findings),
                &right.name,
                &right.recording,
            ))
        });
        let mut by_operator: BTreeMap<Option<&str>, Vec<&AppRow>> = BTreeMap::new();
        for row in &apps {
            by_operator.entry(operator_of(&row.package)).or_default().push(row);
        }
        let mut operators: Vec<OperatorRow> = by_operator
            .into_iter()
            .map(|(operator, rows)| {
                let packages: BTreeSet<&str> = rows.iter().map(|row| row.package.as_str()).collect();
                let with: BTreeMap<&str, &str> = rows
                    .iter()
                    .filter(|row| row.has_problems())
                    .map(|row| (row.package.as_str(), row.name.as_str()))
                    .collect();
                let mut problems: BTreeMap<&str, Problem> = BTreeMap::new();
                for problem in rows.iter().flat_map(|row| &row.problems) {
                    let entry = problems.entry(&problem.rule);
                    entry.and_modify(|known| known.findings += problem.findings).or_insert_with(|| problem.clone());
                }
                OperatorRow {
                    operator: operator.map(str::to_owned),
                    apps: packages.len(),
                    with_problems: with.into_values().map(str::to_owned).collect(),
                    findings: rows.iter().map(|row| row.findings).sum(),
                    problems: problems.into_values().collect(),
                }
            })
            .collect();
        operators.sort_by(|left, right| {
            (right.with_problems.len(), right.findings)
                .cmp(&(left.with_problems.len(), left.findings))
                .then(left.operator.cmp(&right.operator))
        });
        Self { schema: super::REVIEW_SCHEMA, apps, operators, failed, not_reached }
    }

    /// All together: a violation if there is one; else "cannot tell" if a recording cannot tell, failed or was not reached.
    #[must_use]
    pub fn outcome(&self) -> RuleOutcome {
        if self.apps.iter().any(AppRow::has_problems) {
            RuleOutcome::Violation
        } else if !self.failed.is_empty()
            || !self.not_reached.is_empty()
            || self.apps.iter().any(|row| row.outcome == RuleOutcome::CannotTell.name())
        {
            RuleOutcome::CannotTell
        } else {
            RuleOutcome::NoneObserved
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(package: &str, outcome: RuleOutcome, findings: usize) -> AppRow {
        let problem = Problem {
            rule: "undeclared-collection".to_owned(),
            title_en: "Undeclared".to_owned(),
            title_zh: "未声明".to_owned(),
            findings,
        };
        AppRow {
            recording: format!("{package}.candor"),
            terms: format!("{package}.toml"),
            package: package.to_owned(),
            name: package.to_uppercase(),
            version: String::new(),
            outcome: outcome.name().to_owned(),
            findings,
            problems: if findings > 0 { vec![problem] } else { Vec::new() },
            cannot_tell: 0,
            events: 1,
            seconds: 1.0,
            started: String::new(),
            report: String::new(),
        }
    }

    #[test]
    fn the_worst_come_first_and_operators_are_counted_by_app() {
        let rows = vec![
            row("a.one", RuleOutcome::NoneObserved, 0),
            row("b.two", RuleOutcome::Violation, 2),
            row("a.three", RuleOutcome::CannotTell, 0),
            row("b.two", RuleOutcome::Violation, 5),
            row("c.four", RuleOutcome::Violation, 1),
        ];
        let operator_of = |package: &str| match package.split_once('.') {
            Some(("a", _)) => Some("a"),
            Some(("b", _)) => Some("b"),
            _ => None,
        };
        let league = League::new(rows, BTreeMap::new(), Vec::new(), operator_of);
        let order: Vec<(&str, usize)> = league.apps.iter().map(|row| (row.package.as_str(), row.findings)).collect();
        assert_eq!(order, [("b.two", 5), ("b.two", 2), ("c.four", 1), ("a.three", 0), ("a.one", 0)]);
        let operators: Vec<(Option<&str>, usize, usize, usize)> = league
            .operators
            .iter()
            .map(|row| (row.operator.as_deref(), row.apps, row.with_problems.len(), row.findings))
            .collect();
        assert_eq!(operators, [(Some("b"), 1, 1, 7), (None, 1, 1, 1), (Some("a"), 2, 0, 0)]);
        assert_eq!(league.outcome(), RuleOutcome::Violation);
    }

    #[test]
    fn what_was_not_judged_is_never_a_clean_result() {
        let clean = || vec![row("a.one", RuleOutcome::NoneObserved, 0)];
        let nobody = |_: &str| None;
        assert_eq!(League::new(clean(), BTreeMap::new(), Vec::new(), nobody).outcome(), RuleOutcome::NoneObserved);
        let failed = BTreeMap::from([("b.candor".to_owned(), "broken".to_owned())]);
        assert_eq!(League::new(clean(), failed, Vec::new(), nobody).outcome(), RuleOutcome::CannotTell);
        let left = vec!["c.candor".to_owned()];
        assert_eq!(League::new(clean(), BTreeMap::new(), left, nobody).outcome(), RuleOutcome::CannotTell);
    }
}
