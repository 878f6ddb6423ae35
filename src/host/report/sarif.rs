//! The report as SARIF 2.1.0, for code hosts and editors. A finding is placed at the statement that it contradicts, or at the
//! beginning of the terms: a trace has no source line. Against a baseline each result says whether it is new, and what the
//! baseline has alone is listed as absent.

use std::collections::BTreeMap;
use std::io::{self, Write};

use serde_json::{Value, json};

use super::harmless;
use super::listed::{Listed, listed};
use crate::host::correlate::regression::{Difference, NamedFinding};
use crate::host::correlate::rules::ALL_RULES;
use crate::host::correlate::verdict::Finding;
use crate::host::correlate::{RuleOutcome, Verdict};

/// Writes it. The same verdict gives the same bytes.
///
/// # Errors
///
/// When `out` refuses it.
pub fn sarif(verdict: &Verdict, out: &mut dyn Write) -> io::Result<()> {
    let found = listed(verdict);
    let mut rules: BTreeMap<String, Value> = ALL_RULES
        .iter()
        .map(|rule| {
            let described = json!({
                "id": rule.id,
                "shortDescription": { "text": rule.title_en },
                "fullDescription": { "text": rule.about },
            });
            (rule.id.to_owned(), described)
        })
        .collect();
    for entry in &found {
        rules
            .entry(entry.id())
            .or_insert_with(|| json!({ "id": entry.id(), "shortDescription": { "text": entry.title_en } }));
    }
    let gone = verdict.baseline.iter().flat_map(|difference| &difference.gone_findings);
    for finding in gone.clone() {
        // A rule or clause that this version does not have, or that was asked for only then.
        rules.entry(finding.rule.clone()).or_insert_with(|| json!({ "id": finding.rule }));
    }
    let results: Vec<Value> =
        found.iter().map(|entry| result(verdict, entry)).chain(gone.map(|gone| absent(verdict, gone))).collect();
    let document = json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "Candor",
                "version": env!("CARGO_PKG_VERSION"),
                "rules": rules.into_values().collect::<Vec<_>>(),
            }},
            "invocations": [{
                "executionSuccessful": true,
                "toolExecutionNotifications": notifications(verdict),
            }],
            "results": results,
        }],
    });
    serde_json::to_writer_pretty(&mut *out, &document)?;
    out.write_all(b"\n")
}

/// What could not be told is said, so that an empty list of results is not taken for more than it is.
fn notifications(verdict: &Verdict) -> Vec<Value> {
    let untold = verdict.rules.iter().filter(|rule| rule.outcome == RuleOutcome::CannotTell);
    untold
        .map(|rule| {
            json!({
                "level": "warning",
                "descriptor": { "id": rule.id },
                "message": { "text": harmless(&format!("{}: cannot tell: {}", rule.id, rule.reasons.join("; "))) },
            })
        })
        .collect()
}

fn result(verdict: &Verdict, entry: &Listed<'_>) -> Value {
    let finding = entry.finding;
    let (file, line) = finding
        .contradicts
        .as_ref()
        .map_or((verdict.app.terms_file.as_str(), 1), |said| (said.place.file.as_str(), said.place.line.max(1)));
    let events: Vec<u64> = finding.evidence.iter().map(|event| event.sequence).collect();
    let mut result = json!({
        "ruleId": entry.id(),
        "level": if entry.indication { "warning" } else { "error" },
        "message": { "text": harmless(&finding.message) },
        "locations": [{ "physicalLocation": {
            "artifactLocation": { "uri": uri(file) },
            "region": { "startLine": line },
        }}],
        "partialFingerprints": { "candor/v1": entry.finding.fingerprint },
        "properties": {
            "session": verdict.session.id,
            "count": finding.count,
            "firstSeconds": finding.first.seconds,
            "phases": finding.phases.iter().map(|phase| phase.phase.as_str()).collect::<Vec<_>>(),
            "places": finding.places.iter().map(|place| harmless(&place.place)).collect::<Vec<_>>(),
            "events": events,
        },
    });
    if let (Some(difference), Some(fields)) = (&verdict.baseline, result.as_object_mut()) {
        fields.insert("baselineState".to_owned(), json!(baseline_state(difference, finding)));
    }
    result
}

/// Findings are the same when their fingerprints are, so that counts and events can differ: how far is told by the flows
/// of the difference, not here.
fn baseline_state(difference: &Difference, finding: &Finding) -> &'static str {
    let is_new = difference.new_findings.iter().any(|new| new.fingerprint == finding.fingerprint);
    if is_new { "new" } else { "unchanged" }
}

/// A finding that only the baseline has.
fn absent(verdict: &Verdict, gone: &NamedFinding) -> Value {
    json!({
        "ruleId": gone.rule,
        "kind": "pass",
        "level": "none",
        "message": { "text": harmless(&gone.message) },
        "locations": [{ "physicalLocation": {
            "artifactLocation": { "uri": uri(&verdict.app.terms_file) },
            "region": { "startLine": 1 },
        }}],
        "partialFingerprints": { "candor/v1": gone.fingerprint },
        "baselineState": "absent",
    })
}

/// A path as a URI reference (RFC 3986): everything but unreserved characters and slashes is written as its bytes.
fn uri(path: &str) -> String {
    let mut text = String::new();
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'/') {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::uri;

    #[test]
    fn a_path_becomes_a_reference() {
        assert_eq!(uri("tests/my terms#1.toml"), "tests/my%20terms%231.toml");
        assert_eq!(uri("/a/\u{4e2d}"), "/a/%E4%B8%AD");
    }
}
