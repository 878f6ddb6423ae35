//! The report as SARIF 2.1.0, for code hosts and editors. A finding is placed at the statement that it contradicts, or at the
//! beginning of the terms: a trace has no source line.

use std::collections::BTreeMap;
use std::io::{self, Write};

use serde_json::{Value, json};

use super::harmless;
use super::listed::{Listed, listed};
use crate::host::correlate::rules::ALL_RULES;
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
            "results": found.iter().map(|entry| result(verdict, entry)).collect::<Vec<_>>(),
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
    json!({
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
