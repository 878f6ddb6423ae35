//! What is different from the baseline, as rows of one table.

use super::Page;
use crate::host::correlate::RuleOutcome;
use crate::host::correlate::observed::Tie;
use crate::host::correlate::regression::{Difference, Flow, NamedFinding};
use crate::host::declared_terms::DisclosureVerdict;
use crate::host::report::language::{both, word};

/// One row.
pub(super) struct Change {
    /// Key of the word for what sort of change it is, and the colour of its tag.
    pub(super) change: &'static str,
    pub(super) tag: &'static str,
    /// What changed, as HTML.
    pub(super) what: String,
    /// Of a finding.
    pub(super) fingerprint: Option<String>,
    /// As HTML.
    pub(super) phase: String,
    /// Counts.
    pub(super) before: String,
    pub(super) after: String,
    /// How the terms disclose it, as HTML.
    pub(super) told: String,
}

impl Page<'_> {
    /// What the difference comes to.
    pub(super) fn change(&self, difference: &Difference) -> RuleOutcome {
        if difference.has_new() {
            RuleOutcome::Violation
        } else if difference.doubts.is_empty() {
            RuleOutcome::NoneObserved
        } else {
            RuleOutcome::CannotTell
        }
    }

    /// What is new first, then what changed, then what is gone.
    pub(super) fn changes(&self, difference: &Difference) -> Vec<Change> {
        let mut all = Vec::new();
        let findings = |list: &[NamedFinding], change, tag| -> Vec<Change> {
            list.iter().map(|finding| self.finding_row(finding, change, tag)).collect()
        };
        let flows = |list: &[Flow], change, tag, is_new| -> Vec<Change> {
            let counts = |flow: &Flow| {
                let count = flow.count.to_string();
                if is_new { ("0".to_owned(), count) } else { (count, "0".to_owned()) }
            };
            list.iter()
                .map(|flow| self.flow_row(flow, change, tag, counts(flow), self.told(&flow.disclosure)))
                .collect()
        };
        all.extend(findings(&difference.new_findings, "baseline.new_finding", "violation"));
        all.extend(flows(&difference.new_flows, "baseline.new_flow", "violation", true));
        for changed in &difference.changed_flows {
            let (before, after) = (&changed.before, &changed.after);
            let worse = changed.what.iter().any(|what| *what != "less");
            let mut told = self.told(&after.disclosure);
            if changed.what.contains(&"disclosure") {
                told = format!(
                    "{told} <span class=\"faint\">{} {}</span>",
                    self.t("baseline.was"),
                    self.told(&before.disclosure)
                );
            }
            let counts = (before.count.to_string(), after.count.to_string());
            let tag = if worse { "violation" } else { "" };
            all.push(self.flow_row(after, "baseline.changed_flow", tag, counts, told));
        }
        all.extend(flows(&difference.new_ties, "baseline.new_tie", "", true));
        all.extend(findings(&difference.gone_findings, "baseline.gone_finding", "none_observed"));
        all.extend(flows(&difference.gone_flows, "baseline.gone_flow", "none_observed", false));
        all
    }

    fn finding_row(&self, finding: &NamedFinding, change: &'static str, tag: &'static str) -> Change {
        Change {
            change,
            tag,
            what: format!("{} <span class=\"faint\">{}</span>", self.say(&finding.message), self.text(&finding.rule)),
            fingerprint: Some(finding.fingerprint.clone()),
            phase: String::new(),
            before: String::new(),
            after: String::new(),
            told: String::new(),
        }
    }

    fn flow_row(
        &self,
        flow: &Flow,
        change: &'static str,
        tag: &'static str,
        (before, after): (String, String),
        told: String,
    ) -> Change {
        let code = |text: &str| format!("<code>{}</code>", self.text(text));
        let tie = Tie::ALL.iter().find(|tie| tie.name() == flow.tie).map_or(String::new(), |tie| self.tie(*tie));
        let what = match (flow.data_type.as_str(), flow.recipient.as_str()) {
            ("", host) => format!("{} <span class=\"faint\">{tie}</span>", code(host)),
            (id, "") => format!("{} <span class=\"faint\">{tie}</span>", code(id)),
            (id, host) => format!("{} &rarr; {} <span class=\"faint\">{tie}</span>", code(id), code(host)),
        };
        let how =
            if flow.outcome == "done" { String::new() } else { format!(" {}", self.name("effect", &flow.outcome)) };
        let phase = self.name("phase", &flow.phase);
        Change { change, tag, what: what + &how, fingerprint: None, phase, before, after, told }
    }

    /// How the terms disclose a flow, by its name in JSON, or stand to its recipient.
    fn told(&self, name: &str) -> String {
        if name.is_empty() {
            return self.t("flow.first_party");
        }
        match DisclosureVerdict::ALL.iter().find(|verdict| verdict.name() == name) {
            Some(verdict) => both(verdict.in_words(), verdict.in_chinese()),
            None => word(&format!("standing.{name}"))
                .map_or_else(|| self.text(name), |(english, chinese)| both(english, chinese)),
        }
    }
}
