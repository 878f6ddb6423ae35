//! The native TOML form of declared terms.

use std::collections::BTreeSet;
use std::ops::Range;

use super::lint;
use super::model::{
    Act, Confidence, DeclaredApp, DeclaredTerms, NotUnderstood, NotUnderstoodReason, OFF_SCREEN, Origin, Party,
    Provenance, Statement, Subject, Timing,
};
use super::native_manifest;
use crate::event::{Phase, WELL_KNOWN_PHASES};
use crate::host::ontology::{AppTypeId, Domain, Ontology, TypeId};
use crate::host::toml_source::{self, Diagnostics, Located, SourceFile, TableReader, suggest};

/// A statement as read: the model, and where its parts stand, for the lint.
pub(super) struct Placed {
    pub(super) statement: Statement,
    pub(super) span: Range<usize>,
    pub(super) types: Vec<Located<TypeId>>,
    pub(super) domains: Vec<Located<Domain>>,
}

/// A file as read.
pub(super) struct Draft {
    pub(super) first_party: Vec<Located<Domain>>,
    pub(super) statements: Vec<Placed>,
}

impl Draft {
    /// What is said of an act; drafts say nothing yet, so that they cannot contradict anything.
    pub(super) fn of(&self, act: Act) -> impl Iterator<Item = &Placed> + Clone {
        self.statements.iter().filter(move |placed| placed.statement.act == act && !placed.statement.draft)
    }
}

/// What the reader needs everywhere.
pub(super) struct Reading<'a> {
    pub(super) source: &'a SourceFile,
    pub(super) ontology: &'a Ontology,
}

/// Reads the file; `None` when there is no usable `[app]`.
pub(super) fn read(source: &SourceFile, ontology: &Ontology, problems: &mut Diagnostics) -> Option<DeclaredTerms> {
    let reading = Reading { source, ontology };
    let document = toml_source::parse(source, problems);
    // A file that is not TOML gives many errors that follow from the first; those would hide it.
    let broken = problems.has_errors();
    let mut file = TableReader::new(source, document.get_ref(), 0..0, "the file");
    let mut first_party = Vec::new();
    let app = match file.table("app", "[app]", problems) {
        Some(table) => reading.app(table, &mut first_party, problems),
        None => {
            if !file.has("app") && !broken {
                let help = "begin with [app] and package = \"...\"".to_owned();
                problems.error(source, &(0..0), "the file has no [app]", Some(help));
            }
            None
        }
    };
    let mut statements = Vec::new();
    for act in Act::ALL {
        let (key, title) = titles(*act);
        for table in file.tables(key, title, problems) {
            statements.extend(reading.statement(*act, table, problems));
        }
    }
    let not_understood = file
        .tables("not_understood", "[[not_understood]]", problems)
        .into_iter()
        .filter_map(|table| reading.not_understood(table, problems))
        .collect();
    let (may_access, first_access) = native_manifest::may_access(&reading, &mut file, problems);
    let manifest = native_manifest::manifest(&reading, &mut file, problems);
    let draft = Draft { first_party, statements };
    file.finish(problems);
    lint::statements(source, ontology, &draft, problems);
    let terms = DeclaredTerms {
        file: source.name.clone(),
        app: app?,
        statements: draft.statements.into_iter().map(|placed| placed.statement).collect(),
        not_understood,
        may_access,
        manifest,
    };
    lint::undeclared_access(source, ontology, &terms, &first_access, problems);
    Some(terms)
}

/// The key of an act's tables, and how messages call them.
fn titles(act: Act) -> (&'static str, &'static str) {
    match act {
        Act::Collect => ("collect", "[[collect]]"),
        Act::Share => ("share", "[[share]]"),
        Act::NotCollect => ("not_collect", "[[not_collect]]"),
        Act::NotShare => ("not_share", "[[not_share]]"),
    }
}

impl Reading<'_> {
    fn app(
        &self,
        mut table: TableReader<'_>,
        first_party: &mut Vec<Located<Domain>>,
        problems: &mut Diagnostics,
    ) -> Option<DeclaredApp> {
        let package = table.required_string("package", problems);
        let name = table.string("name", problems);
        let kind = table.string("type", problems);
        let app_type = table.string("app_type", problems).and_then(|given| self.app_type(&given, problems));
        let version = table.string("version", problems);
        *first_party = self.domains(&mut table, "first_party_domains", problems);
        table.finish(problems);
        let package = package?;
        if !is_package_name(&package.value) {
            let help = "packages look like com.example.shop".to_owned();
            problems.error(
                self.source,
                &package.span,
                format!("\"{}\" is not a package name", package.value),
                Some(help),
            );
        }
        Some(DeclaredApp {
            name: name.map_or_else(|| package.value.clone(), |name| name.value),
            package: package.value,
            kind: kind.map(|kind| kind.value).unwrap_or_default(),
            app_type,
            version: version.map(|version| version.value).unwrap_or_default(),
            first_party_domains: first_party.iter().map(|domain| domain.value.clone()).collect(),
        })
    }

    fn app_type(&self, given: &Located<String>, problems: &mut Diagnostics) -> Option<AppTypeId> {
        let types = &self.ontology.app_types;
        let found = types.find(&given.value);
        if found.is_none() {
            let help = suggest(&given.value, types.ids())
                .or_else(|| Some("`candor terms app-types` lists the known types".to_owned()));
            problems.error(self.source, &given.span, format!("unknown app type \"{}\"", given.value), help);
        }
        found
    }

    fn statement(&self, act: Act, mut table: TableReader<'_>, problems: &mut Diagnostics) -> Option<Placed> {
        let span = table.span();
        let collecting = matches!(act, Act::Collect | Act::NotCollect);
        let by = if act == Act::Collect { table.string("by", problems) } else { None };
        let types = self.types(&mut table, collecting && by.is_none(), problems);
        let recipient = match act {
            // The Data safety form says what is shared, and with nobody by name.
            Act::Share if !table.has("from") => table.required_string("recipient", problems),
            Act::Share | Act::NotShare => table.string("recipient", problems),
            Act::Collect => by,
            Act::NotCollect => None,
        };
        let may_have_domains = act != Act::NotCollect;
        let domains = if may_have_domains { self.domains(&mut table, "domains", problems) } else { Vec::new() };
        let (has_domains, domains_span) = (table.has("domains"), table.key_span("domains"));
        let mut statement = Statement::new(act, Provenance { file: self.source.name.clone(), line: 0, origin: None });
        if matches!(act, Act::Collect | Act::Share) {
            statement.purposes = values(table.strings("purposes", problems));
            statement.scenes = values(table.strings("scenes", problems));
            statement.method = table.string("method", problems).map(|method| method.value);
            statement.retention = table.string("retention", problems).map(|retention| retention.value);
            statement.optional = table.boolean("optional", problems);
            statement.ephemeral = table.boolean("ephemeral", problems);
            statement.timing = self.timing(&mut table, problems);
        }
        if act == Act::Collect {
            statement.max_per_minute = table.positive("max_per_minute", problems);
        }
        statement.draft = table.boolean("draft", problems).unwrap_or(false);
        statement.place.origin = self.origin(&mut table, problems).map(Box::new);
        statement.place.line = self.source.line_of(span.start);
        table.finish(problems);
        if act == Act::Share && recipient.is_none() && statement.place.origin.is_none() {
            return None;
        }
        let known = recipient.as_ref().and_then(|name| self.ontology.recipients.find(&name.value));
        if let Some(name) = &recipient
            && known.is_none()
            && domains.is_empty()
            && !(has_domains && act != Act::NotShare)
        {
            self.unknown_party(name, &statement, problems);
        }
        if act == Act::Collect && recipient.is_none() && has_domains {
            let help = "name it with by = \"...\"; the app's own domains are first_party_domains".to_owned();
            problems.error(self.source, &domains_span, "\"domains\" of nobody", Some(help));
        }
        statement.data_types = types.iter().map(|located| located.value).collect();
        let party = (recipient.is_some() || !domains.is_empty()).then(|| Party {
            name: recipient.map(|name| name.value).unwrap_or_default(),
            known,
            domains: domains.iter().map(|domain| domain.value.clone()).collect(),
        });
        match (act, party) {
            (Act::Collect, Some(party)) => statement.subject = Subject::ThirdParty(party),
            (Act::Share | Act::NotShare, party) => statement.recipient = party,
            _ => {}
        }
        Some(Placed { statement, span, types, domains })
    }

    /// Whoever writes terms by hand can look the domains up; a list that was imported does not have them.
    fn unknown_party(&self, name: &Located<String>, statement: &Statement, problems: &mut Diagnostics) {
        let names = self.ontology.recipients.iter().map(|entry| entry.id.as_str());
        if statement.place.origin.is_some() {
            let message = format!(
                "\"{}\" is not a known recipient and no domains are given: contact with it cannot be recognised",
                name.value
            );
            let help = Some("add domains = [\"...\"], or its entry to a file for --recipients".to_owned());
            problems.warning(self.source, &name.span, message, help);
            return;
        }
        let mut help = suggest(&name.value, names);
        if statement.act != Act::NotShare {
            help = help.or_else(|| Some("add domains = [\"...\"]".to_owned()));
        }
        let message = format!("recipient \"{}\" is not known by that name, so its domains must be listed", name.value);
        problems.error(self.source, &name.span, message, help);
    }

    pub(super) fn origin(&self, table: &mut TableReader<'_>, problems: &mut Diagnostics) -> Option<Origin> {
        let mut from = table.table("from", "from", problems)?;
        let file = from.required_string("file", problems);
        let at = from.required_string("at", problems);
        let line = from.positive("line", problems);
        let wording = from.required_string("wording", problems);
        let given = from.required_string("confidence", problems);
        from.finish(problems);
        let confidence = given.as_ref().and_then(|given| {
            let known = Confidence::ALL.iter().copied().find(|known| known.as_str() == given.value);
            if known.is_none() {
                let names = Confidence::ALL.iter().map(|known| known.as_str());
                let help = Some(format!("one of {}", names.collect::<Vec<_>>().join(", ")));
                problems.error(self.source, &given.span, format!("unknown confidence \"{}\"", given.value), help);
            }
            known
        });
        Some(Origin { file: file?.value, at: at?.value, line, wording: wording?.value, confidence: confidence? })
    }

    fn not_understood(&self, mut table: TableReader<'_>, problems: &mut Diagnostics) -> Option<NotUnderstood> {
        let file = table.required_string("file", problems);
        let at = table.required_string("at", problems);
        let line = table.positive("line", problems);
        let wording = table.required_string("wording", problems);
        let given = table.required_string("reason", problems);
        table.finish(problems);
        let reason = given.as_ref().and_then(|given| {
            let known = NotUnderstoodReason::ALL.iter().copied().find(|known| known.as_str() == given.value);
            if known.is_none() {
                let names = NotUnderstoodReason::ALL.iter().map(|known| known.as_str());
                let help = Some(format!("one of {}", names.collect::<Vec<_>>().join(", ")));
                problems.error(self.source, &given.span, format!("unknown reason \"{}\"", given.value), help);
            }
            known
        });
        Some(NotUnderstood { file: file?.value, at: at?.value, line, wording: wording?.value, reason: reason? })
    }

    pub(super) fn types(
        &self,
        table: &mut TableReader<'_>,
        required: bool,
        problems: &mut Diagnostics,
    ) -> Vec<Located<TypeId>> {
        let given = if required {
            table.required_strings("data_types", problems)
        } else {
            table.strings("data_types", problems)
        };
        let types = &self.ontology.data_types;
        let mut found = Vec::new();
        for name in given {
            match types.find(&name.value) {
                Some(id) => found.push(Located { value: id, span: name.span }),
                None => {
                    let lower = name.value.to_lowercase();
                    // Names of people's own are tried too: "MAC address", "通讯录".
                    let by_name = types.iter().find(|entry| {
                        entry.name_en.to_lowercase() == lower
                            || entry.name_zh == name.value
                            || entry.id.rsplit('.').next() == Some(lower.as_str())
                    });
                    let help = by_name
                        .map(|entry| format!("did you mean \"{}\"?", entry.id))
                        .or_else(|| suggest(&name.value, types.ids()))
                        .or_else(|| Some("`candor terms types` lists the known data types".to_owned()));
                    problems.error(self.source, &name.span, format!("unknown data type \"{}\"", name.value), help);
                }
            }
        }
        found
    }

    fn domains(
        &self,
        table: &mut TableReader<'_>,
        key: &'static str,
        problems: &mut Diagnostics,
    ) -> Vec<Located<Domain>> {
        let mut found: Vec<Located<Domain>> = Vec::new();
        for name in table.strings(key, problems) {
            match Domain::parse(&name.value) {
                Ok(domain) if found.iter().any(|earlier| earlier.value == domain) => {
                    problems.error(self.source, &name.span, format!("\"{domain}\" is listed twice in \"{key}\""), None);
                }
                Ok(domain) => found.push(Located { value: domain, span: name.span }),
                Err(error) => {
                    let help = error.instead.as_ref().map(|instead| format!("write \"{instead}\""));
                    problems.error(self.source, &name.span, error.to_string(), help);
                }
            }
        }
        found
    }

    fn timing(&self, table: &mut TableReader<'_>, problems: &mut Diagnostics) -> Timing {
        let restricted = table.has("phases");
        let key_span = table.key_span("phases");
        let well_known = || WELL_KNOWN_PHASES.iter().map(|(name, _)| *name);
        let mut phases = BTreeSet::new();
        for name in table.strings("phases", problems) {
            match name.value.parse::<Phase>() {
                Ok(phase) => {
                    let known = well_known().any(|known| known == phase.as_str());
                    if !known && let Some(help) = suggest(phase.as_str(), well_known()) {
                        let message = format!("\"{phase}\" is taken as a phase of your own");
                        problems.warning(self.source, &name.span, message, Some(help));
                    }
                    if phase.as_str() == "pre_consent" {
                        let message = "declaring something for pre_consent does not excuse it: the rule before-consent reports it all the same";
                        problems.warning(self.source, &name.span, message, None);
                    }
                    phases.insert(phase);
                }
                Err(error) => {
                    problems.error(self.source, &name.span, error.to_string(), suggest(&name.value, well_known()));
                }
            }
        }
        let foreground_only = table.boolean("foreground_only", problems).unwrap_or(false);
        if restricted && phases.is_empty() && !problems.has_errors() {
            problems.error(self.source, &key_span, "\"phases\" is empty: that would allow it never", None);
        }
        if foreground_only && let Some(phase) = phases.iter().find(|phase| OFF_SCREEN.contains(&phase.as_str())) {
            let message = format!("foreground_only contradicts phase \"{phase}\"");
            problems.error(self.source, &table.key_span("foreground_only"), message, None);
        }
        Timing { phases: restricted.then_some(phases), foreground_only }
    }
}

fn values(located: Vec<Located<String>>) -> Vec<String> {
    located.into_iter().map(|entry| entry.value).collect()
}

/// Whether a text can be the name of a package: "com.example.shop".
#[must_use]
pub fn is_package_name(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
        && text.split('.').all(|part| !part.is_empty())
}
