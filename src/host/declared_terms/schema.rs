//! The JSON Schema of the native form, so that editors complete it.

use serde_json::{Value, json};

use super::manifest::ComponentKind;
use super::model::{Confidence, NotUnderstoodReason};
use crate::event::WELL_KNOWN_PHASES;
use crate::host::ontology::Ontology;

/// The schema (draft 2020-12), with the data types and recipients of this ontology.
#[must_use]
pub fn schema(ontology: &Ontology) -> Value {
    let text = |about: &str| json!({ "type": "string", "minLength": 1, "description": about });
    let texts = |about: &str| json!({ "type": "array", "items": { "type": "string", "minLength": 1 }, "uniqueItems": true, "description": about });
    let number = |about: &str| json!({ "type": "integer", "minimum": 1, "description": about });
    let truth = |about: &str| json!({ "type": "boolean", "description": about });
    let types: Vec<Value> = ontology
        .data_types
        .iter()
        .map(|entry| json!({ "const": entry.id, "description": format!("{} ({})", entry.name_en, entry.name_zh) }))
        .collect();
    let recipients: Vec<&str> = ontology.recipients.iter().map(|entry| entry.id.as_str()).collect();
    let phases: Vec<&str> = WELL_KNOWN_PHASES.iter().map(|(name, _)| *name).collect();
    let confidences: Vec<&str> = Confidence::ALL.iter().map(|known| known.as_str()).collect();
    let reasons: Vec<&str> = NotUnderstoodReason::ALL.iter().map(|known| known.as_str()).collect();

    let app_types: Vec<Value> = ontology
        .app_types
        .iter()
        .map(|entry| json!({ "const": entry.id, "description": format!("{} ({})", entry.name_en, entry.name_zh) }))
        .collect();
    let kinds: Vec<&str> = ComponentKind::ALL.iter().map(|known| known.as_str()).collect();
    let draft =
        truth("Read from running text and not confirmed by a person yet: it declares nothing and denies nothing.");

    let data_types = json!({ "type": "array", "items": { "anyOf": types }, "uniqueItems": true, "description": "Ids of data types; `candor terms types` lists them." });
    let party = |about: &str| json!({ "description": about, "anyOf": [{ "enum": recipients }, { "type": "string", "minLength": 1 }] });
    let domains = texts("Domain suffixes or addresses. They include every name below them.");
    let from = json!({
        "type": "object",
        "description": "Where an imported statement was said. Written by `candor terms import`.",
        "additionalProperties": false,
        "required": ["file", "at", "wording", "confidence"],
        "properties": {
            "file": text("The document that was imported."),
            "at": text("The place in it."),
            "line": number("The line in it."),
            "wording": text("The words."),
            "confidence": { "enum": confidences, "description": "How sure it is that the words mean this." },
        },
    });
    let conditions = |mut properties: Value| -> Value {
        if let Some(map) = properties.as_object_mut() {
            map.extend([
                ("purposes".to_owned(), texts("What for, in the words of the terms.")),
                ("scenes".to_owned(), texts("On what occasions, in the words of the terms.")),
                ("method".to_owned(), text("How, in the words of the terms.")),
                ("retention".to_owned(), text("How long it is kept, in the words of the terms.")),
                ("optional".to_owned(), truth("Whether the user can decline.")),
                ("ephemeral".to_owned(), truth("Whether it is held in memory only while it is needed.")),
                ("phases".to_owned(), json!({
                    "type": "array", "minItems": 1, "uniqueItems": true,
                    "items": { "anyOf": [{ "enum": phases }, { "type": "string", "pattern": "^[a-z][a-z0-9_]*$" }] },
                    "description": "Only in these phases.",
                })),
                ("foreground_only".to_owned(), truth("Not in the phases background and killed.")),
            ]);
        }
        properties
    };
    let table = |about: &str, required: &[&str], properties: Value| -> Value {
        json!({
            "type": "array",
            "description": about,
            "items": { "type": "object", "additionalProperties": false, "required": required, "properties": properties },
        })
    };
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Declared terms of an app, for candor",
        "type": "object",
        "additionalProperties": false,
        "required": ["app"],
        "properties": {
            "app": {
                "type": "object",
                "additionalProperties": false,
                "required": ["package"],
                "properties": {
                    "package": { "type": "string", "pattern": "^[A-Za-z0-9_-]+(\\.[A-Za-z0-9_-]+)*$", "description": "Package name." },
                    "name": text("The name that people know it by."),
                    "type": text("What kind of app it is."),
                    "app_type": {
                        "description": "Its type by the rule on necessary personal information; `candor terms app-types` lists them.",
                        "anyOf": [{ "anyOf": app_types }, { "type": "string", "minLength": 1 }],
                    },
                    "version": text("The version that the terms are for."),
                    "first_party_domains": domains,
                },
            },
            "collect": table("These types are collected.", &[], conditions(json!({
                "by": party("The third party whose code collects, such as an SDK; the app itself when left out."),
                "domains": domains,
                "data_types": data_types,
                "max_per_minute": number("At most so many accesses in any minute, for each data type."),
                "draft": draft,
                "from": from,
            }))),
            "share": table("These types go to this recipient.", &[], conditions(json!({
                "recipient": party("Needed, except in an imported statement that names nobody."),
                "domains": domains,
                "data_types": data_types,
                "draft": draft,
                "from": from,
            }))),
            "not_collect": table("These types are never collected.", &["data_types"], json!({ "data_types": data_types, "draft": draft, "from": from })),
            "not_share": table("Nothing, or none of these types, goes to these recipients.", &[], json!({
                "recipient": party("Without it and without domains: any third party."),
                "domains": domains,
                "data_types": data_types,
                "draft": draft,
                "from": from,
            })),
            "may_access": table("A permission of the app and what data it opens. It declares no collection.", &["permission"], json!({
                "permission": text("The permission."),
                "data_types": data_types,
                "max_sdk": number("Only on devices up to this API level."),
                "from": from,
            })),
            "manifest": {
                "type": "object",
                "description": "What else the app's manifest says. Written by `candor terms import apk`.",
                "additionalProperties": false,
                "properties": {
                    "version_code": { "type": "integer", "minimum": 0, "description": "Number of the version." },
                    "min_sdk": number("The lowest API level that it runs on."),
                    "target_sdk": number("The API level that it was made for."),
                    "signers": texts("SHA-256 digests of the signers' certificates."),
                    "queries": texts("Other apps that it asks to see."),
                    "from": from,
                    "component": table("A component of the app.", &["kind", "name"], json!({
                        "kind": { "enum": kinds, "description": "What it is." },
                        "name": text("Name of its class."),
                        "exported": truth("Whether other apps can reach it."),
                        "permissions": texts("Permissions that it demands."),
                        "authorities": texts("What a content provider answers to."),
                        "foreground_service_types": texts("What a service may do in the foreground."),
                    })),
                },
            },
            "not_understood": table("What an importer left for a person.", &["file", "at", "wording", "reason"], json!({
                "file": text("The document that was imported."),
                "at": text("The place in it."),
                "line": number("The line in it."),
                "wording": text("The words."),
                "reason": { "enum": reasons, "description": "Why it became no statement." },
            })),
        },
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::host::declared_terms::DeclaredTerms;
    use crate::host::toml_source::SourceFile;

    /// The keys that the reader says it knows, when it is given one that nobody knows.
    fn known(table: &str, ontology: &Ontology) -> BTreeSet<String> {
        let text = format!("[app]\npackage = \"a.b\"\n{table}\nqqqqqqqq = 1\n");
        let problems = DeclaredTerms::parse(&SourceFile::new("t", text), ontology).unwrap_err();
        let help = problems
            .entries
            .iter()
            .find(|entry| entry.message.contains("qqqqqqqq"))
            .and_then(|entry| entry.help.clone());
        let help = help.unwrap();
        let list = help.split_once(" knows: ").unwrap().1;
        list.split(", ").map(str::to_owned).collect()
    }

    #[test]
    fn the_schema_knows_the_keys_that_the_reader_knows() {
        let ontology = Ontology::built_in().unwrap();
        let schema = schema(&ontology);
        for table in ["collect", "share", "not_collect", "not_share", "not_understood", "may_access"] {
            let properties = &schema["properties"][table]["items"]["properties"];
            let listed: BTreeSet<String> = properties.as_object().unwrap().keys().cloned().collect();
            assert_eq!(listed, known(&format!("[[{table}]]"), &ontology), "{table}");
        }
        let listed: BTreeSet<String> =
            schema["properties"]["app"]["properties"].as_object().unwrap().keys().cloned().collect();
        assert_eq!(listed, known("", &ontology));
        let manifest = schema["properties"]["manifest"]["properties"].as_object().unwrap();
        assert_eq!(manifest.keys().cloned().collect::<BTreeSet<_>>(), known("[manifest]", &ontology));
        let component = manifest["component"]["items"]["properties"].as_object().unwrap();
        let listed: BTreeSet<String> = component.keys().cloned().collect();
        assert_eq!(listed, known("[[manifest.component]]", &ontology));
        let from = schema["properties"]["collect"]["items"]["properties"]["from"]["properties"].as_object().unwrap();
        let listed: BTreeSet<String> = from.keys().cloned().collect();
        assert_eq!(listed, known("[[collect]]\n[collect.from]", &ontology));
    }
}
