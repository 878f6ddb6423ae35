//! What the doctor found, as data and as text.

use std::fmt::Write as _;

use serde::Serialize;

use crate::event::{DeviceInfo, SelfTest};

/// How something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckState {
    /// As it should be.
    Ok,
    /// It works, and something is not seen, or only as a hint.
    Limited,
    /// It does not work: something that should be seen is not.
    Missing,
}

impl CheckState {
    /// The name used in both forms.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Limited => "limited",
            Self::Missing => "missing",
        }
    }
}

/// One line of the report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What was looked at: a short snake-case name that does not change.
    pub name: String,
    /// How it is.
    pub state: CheckState,
    /// What was found.
    pub found: String,
    /// Why it is not as it should be; empty when it is.
    pub reason: String,
    /// What would help; empty when nothing is needed, or nothing can be done.
    pub way_out: String,
}

impl Check {
    pub(super) fn ok(name: &str, found: impl Into<String>) -> Self {
        Self {
            name: name.to_owned(),
            state: CheckState::Ok,
            found: found.into(),
            reason: String::new(),
            way_out: String::new(),
        }
    }

    pub(super) fn limited(name: &str, found: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { state: CheckState::Limited, reason: reason.into(), ..Self::ok(name, found) }
    }

    pub(super) fn missing(name: &str, found: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { state: CheckState::Missing, reason: reason.into(), ..Self::ok(name, found) }
    }

    pub(super) fn way_out(self, way_out: impl Into<String>) -> Self {
        Self { way_out: way_out.into(), ..self }
    }
}

/// What the doctor found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The device.
    pub device: DeviceInfo,
    /// Line by line.
    pub checks: Vec<Check>,
    /// The self-test that was made; absent when none could be.
    pub self_test: Option<SelfTest>,
}

impl Report {
    /// Whether nothing is missing. What is limited is known beforehand and told by every session.
    #[must_use]
    pub fn nothing_missing(&self) -> bool {
        self.checks.iter().all(|check| check.state != CheckState::Missing)
    }
}

/// The report for reading in a terminal.
#[must_use]
pub fn text(report: &Report) -> String {
    let device = &report.device;
    let mut text = format!(
        "candord {} on {} (Linux {} {})\n",
        device.daemon_version, device.name, device.kernel_release, device.architecture
    );
    for check in &report.checks {
        let _ = writeln!(text, "{:<8} {:<16} {}", check.state.name(), check.name, one_line(&check.found));
        for (label, words) in [("why", &check.reason), ("way out", &check.way_out)] {
            if !words.is_empty() {
                // A reason may have several lines: what the kernel's verifier said.
                for (index, line) in words.lines().enumerate() {
                    let label = if index == 0 { format!("{label}:") } else { String::new() };
                    let _ = writeln!(text, "{:<26}{label:<9}{line}", "");
                }
            }
        }
    }
    let count = |state| report.checks.iter().filter(|check| check.state == state).count();
    let _ = writeln!(
        text,
        "{} ok, {} limited, {} missing",
        count(CheckState::Ok),
        count(CheckState::Limited),
        count(CheckState::Missing)
    );
    text
}

fn one_line(text: &str) -> String {
    text.lines().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(checks: Vec<Check>) -> Report {
        let device = DeviceInfo { name: "lab".to_owned(), kernel_release: "6.1".to_owned(), ..DeviceInfo::default() };
        Report { device, checks, self_test: None }
    }

    #[test]
    fn each_line_says_why_and_what_would_help() {
        let found = report(vec![
            Check::ok("kernel", "Linux 6.1"),
            Check::missing("file", "nothing is seen", "load:\n  denied").way_out("run it as root"),
        ]);
        let expected = "candord  on lab (Linux 6.1 )\n\
            ok       kernel           Linux 6.1\n\
            missing  file             nothing is seen\n\
            \x20                         why:     load:\n\
            \x20                                    denied\n\
            \x20                         way out: run it as root\n\
            1 ok, 0 limited, 1 missing\n";
        assert_eq!(text(&found), expected);
        assert!(!found.nothing_missing());
        assert!(report(vec![Check::limited("dns", "x", "y")]).nothing_missing());
    }

    #[test]
    fn the_states_have_the_same_names_in_both_forms() {
        for state in [CheckState::Ok, CheckState::Limited, CheckState::Missing] {
            assert_eq!(serde_json::to_value(state).unwrap(), state.name());
        }
    }
}
