//! Statements written down in the native TOML form.

use std::fmt::{self, Display, Formatter, Write as _};

use super::manifest::{Manifest, MayAccess};
use super::model::{Act, NotUnderstood, Origin, Statement};
use crate::host::ontology::{Domain, Ontology};

/// What a file of terms begins with.
#[derive(Debug, Clone, Default)]
pub struct Head<'a> {
    /// The package.
    pub package: &'a str,
    /// The name that people know the app by; `None` leaves it out, and so for the rest.
    pub name: Option<&'a str>,
    /// What kind of app it is.
    pub kind: Option<&'a str>,
    /// The id of its type by the rule on necessary personal information.
    pub app_type: Option<&'a str>,
    /// Its version.
    pub version: Option<&'a str>,
    /// Domains of the developer.
    pub first_party_domains: &'a [Domain],
    /// Lines for people, as comments.
    pub remarks: &'a [String],
    /// What permissions open.
    pub may_access: &'a [MayAccess],
    /// What the app's manifest says besides.
    pub manifest: Option<&'a Manifest>,
}

/// The text of a file that the native reader reads back to the same statements.
#[must_use]
pub fn to_toml(
    head: &Head<'_>,
    statements: &[Statement],
    not_understood: &[NotUnderstood],
    ontology: &Ontology,
) -> String {
    let mut out = String::new();
    for remark in head.remarks {
        for line in remark.lines() {
            let _ = writeln!(out, "# {}", line.trim_end());
        }
    }
    line_of(&mut out, "[app]");
    pair(&mut out, "package", &quoted(head.package));
    for (key, value) in
        [("name", head.name), ("type", head.kind), ("app_type", head.app_type), ("version", head.version)]
    {
        if let Some(value) = value.filter(|value| !value.trim().is_empty()) {
            pair(&mut out, key, &quoted(value));
        }
    }
    if !head.first_party_domains.is_empty() {
        pair(&mut out, "first_party_domains", &list(head.first_party_domains.iter().map(Domain::as_str)));
    }
    for entry in not_understood {
        line_of(&mut out, "\n[[not_understood]]");
        pair(&mut out, "wording", &quoted(&entry.wording));
        pair(&mut out, "reason", &quoted(entry.reason.as_str()));
        pair(&mut out, "file", &quoted(&entry.file));
        pair(&mut out, "at", &quoted(&entry.at));
        if let Some(line) = entry.line {
            pair(&mut out, "line", &line);
        }
    }
    for act in Act::ALL {
        for statement in statements.iter().filter(|statement| statement.act == *act) {
            write_statement(&mut out, statement, ontology);
        }
    }
    for access in head.may_access {
        write_access(&mut out, access, ontology);
    }
    if let Some(manifest) = head.manifest {
        write_manifest(&mut out, manifest);
    }
    out
}

fn write_access(out: &mut String, access: &MayAccess, ontology: &Ontology) {
    line_of(out, "\n[[may_access]]");
    pair(out, "permission", &quoted(&access.permission));
    if !access.data_types.is_empty() {
        pair(out, "data_types", &list(access.data_types.iter().map(|id| ontology.data_types.id_of(*id))));
    }
    if let Some(level) = access.max_sdk.filter(|level| *level > 0) {
        pair(out, "max_sdk", &level);
    }
    if let Some(origin) = &access.place.origin {
        pair(out, "from", &Place(origin));
    }
}

fn write_manifest(out: &mut String, manifest: &Manifest) {
    line_of(out, "\n[manifest]");
    // A number of more than 63 bits is none that TOML can say, and none that a store takes.
    if let Some(code) = manifest.version_code.filter(|code| i64::try_from(*code).is_ok()) {
        pair(out, "version_code", &code);
    }
    for (key, level) in [("min_sdk", manifest.min_sdk), ("target_sdk", manifest.target_sdk)] {
        if let Some(level) = level.filter(|level| *level > 0) {
            pair(out, key, &level);
        }
    }
    strings(out, "signers", &manifest.signers);
    strings(out, "queries", &manifest.queries);
    if let Some(origin) = &manifest.place.origin {
        pair(out, "from", &Place(origin));
    }
    for component in &manifest.components {
        line_of(out, "\n[[manifest.component]]");
        pair(out, "kind", &quoted(component.kind.as_str()));
        pair(out, "name", &quoted(&component.name));
        pair(out, "exported", &component.exported);
        strings(out, "permissions", &component.permissions);
        strings(out, "authorities", &component.authorities);
        strings(out, "foreground_service_types", &component.foreground_service_types);
    }
}

/// A list that may be left out. What is empty or repeated in it says nothing, and the reader refuses it.
fn strings(out: &mut String, key: &str, values: &[String]) {
    let mut kept: Vec<&str> = Vec::new();
    for value in values.iter().map(String::as_str).filter(|value| !value.trim().is_empty()) {
        if !kept.contains(&value) {
            kept.push(value);
        }
    }
    if !kept.is_empty() {
        pair(out, key, &list(kept.into_iter()));
    }
}

fn write_statement(out: &mut String, statement: &Statement, ontology: &Ontology) {
    let _ = writeln!(out, "\n[[{}]]", statement.act);
    if statement.draft {
        pair(out, "draft", &true);
    }
    if let Some(party) = statement.third_party() {
        let key = if statement.act == Act::Collect { "by" } else { "recipient" };
        if !party.name.is_empty() {
            pair(out, key, &quoted(&party.name));
        }
        if !party.domains.is_empty() {
            pair(out, "domains", &list(party.domains.iter().map(Domain::as_str)));
        }
    }
    if !statement.data_types.is_empty() {
        let ids = statement.data_types.iter().map(|id| ontology.data_types.id_of(*id));
        pair(out, "data_types", &list(ids));
    }
    for (key, values) in [("purposes", &statement.purposes), ("scenes", &statement.scenes)] {
        if !values.is_empty() {
            pair(out, key, &list(values.iter().map(String::as_str)));
        }
    }
    for (key, value) in [("method", &statement.method), ("retention", &statement.retention)] {
        if let Some(value) = value {
            pair(out, key, &quoted(value));
        }
    }
    for (key, value) in [("optional", statement.optional), ("ephemeral", statement.ephemeral)] {
        if let Some(value) = value {
            pair(out, key, &value);
        }
    }
    if let Some(phases) = &statement.timing.phases {
        pair(out, "phases", &list(phases.iter().map(crate::event::Phase::as_str)));
    }
    if statement.timing.foreground_only {
        pair(out, "foreground_only", &true);
    }
    if let Some(limit) = statement.max_per_minute {
        pair(out, "max_per_minute", &limit);
    }
    if let Some(origin) = &statement.place.origin {
        pair(out, "from", &Place(origin));
    }
}

/// Where a statement was said.
struct Place<'a>(&'a Origin);

impl Display for Place<'_> {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        let Self(origin) = self;
        write!(out, "{{ file = {}, at = {}, ", quoted(&origin.file), quoted(&origin.at))?;
        if let Some(line) = origin.line {
            write!(out, "line = {line}, ")?;
        }
        let confidence = quoted(origin.confidence.as_str());
        write!(out, "confidence = {confidence}, wording = {} }}", quoted(&origin.wording))
    }
}

fn line_of(out: &mut String, line: &str) {
    out.push_str(line);
    out.push('\n');
}

fn pair(out: &mut String, key: &str, value: &dyn Display) {
    // Writing to a string does not fail.
    let _ = writeln!(out, "{key} = {value}");
}

fn list<'a>(values: impl Iterator<Item = &'a str>) -> String {
    let mut out = String::from("[");
    for (index, value) in values.enumerate() {
        let _ = write!(out, "{}{}", if index > 0 { ", " } else { "" }, quoted(value));
    }
    out.push(']');
    out
}

/// A basic string of TOML.
fn quoted(text: &str) -> Quoted<'_> {
    Quoted(text)
}

struct Quoted<'a>(&'a str);

impl Display for Quoted<'_> {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        out.write_char('"')?;
        // What needs nothing is written in one piece.
        let mut rest = self.0;
        while let Some((at, special)) = rest.char_indices().find(|(_, character)| needs_escape(*character)) {
            out.write_str(rest.get(..at).unwrap_or_default())?;
            match special {
                '"' => out.write_str("\\\"")?,
                '\\' => out.write_str("\\\\")?,
                '\n' => out.write_str("\\n")?,
                '\t' => out.write_str("\\t")?,
                other => write!(out, "\\u{:04X}", u32::from(other))?,
            }
            rest = rest.get(at + special.len_utf8()..).unwrap_or_default();
        }
        out.write_str(rest)?;
        out.write_char('"')
    }
}

/// Besides what TOML demands, characters that cannot be seen would make two files look the same that are not.
fn needs_escape(character: char) -> bool {
    matches!(character, '"' | '\\' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{feff}')
        || character.is_control()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::declared_terms::DeclaredTerms;
    use crate::host::declared_terms::import::two_lists;
    use crate::host::toml_source::SourceFile;

    #[test]
    fn what_is_written_is_read_back() {
        let ontology = Ontology::built_in().unwrap();
        let page = "<h2>第三方SDK目录</h2><table><tr><th>SDK名称<th>收集的个人信息<th>目的<th>方式</tr>\
            <tr><td>友盟\"统计\"SDK<td>IMEI、量子频谱<td>统计\\分析<td>SDK采集</tr>\
            <tr><td>某某配送<td>姓名<td>送货<td>接口传输</tr></table>";
        let imported = two_lists("a.html", page.as_bytes(), &ontology, None).unwrap();
        let remarks = ["first\nsecond".to_owned()];
        let head = Head { package: "com.example.shop", remarks: &remarks, ..Head::default() };
        let text = to_toml(&head, &imported.statements, &imported.not_understood, &ontology);
        let (terms, _) = DeclaredTerms::parse(&SourceFile::new("t.toml", &text), &ontology)
            .unwrap_or_else(|problems| panic!("{problems}\n{text}"));
        assert_eq!(terms.not_understood, imported.not_understood);
        assert_eq!(terms.statements.len(), 2);
        for (read, written) in terms.statements.iter().zip(&imported.statements) {
            let mut read = read.clone();
            read.place.file.clone_from(&written.place.file);
            read.place.line = written.place.line;
            assert_eq!(&read, written);
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_survives_quoting(text in ".{0,40}") {
            let parsed: toml::Table = format!("a = {}\n", quoted(&text)).parse().unwrap();
            proptest::prop_assert_eq!(parsed.get("a").and_then(toml::Value::as_str), Some(text.as_str()));
        }
    }
}
