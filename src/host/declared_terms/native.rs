//! The native TOML form of declared terms.

use std::collections::BTreeSet;
use std::ops::Range;

use super::lint;
use super::{Collect, DeclaredApp, DeclaredTerms, NotCollect, NotShare, Provenance, Share, Timing};
use crate::event::{Phase, WELL_KNOWN_PHASES};
use crate::host::ontology::{Domain, Ontology, TypeId};
use crate::host::toml_source::{self, Diagnostics, Located, SourceFile, TableReader, suggest};

/// A statement as read: the model, and where its parts stand, for the lint.
pub(super) struct Placed<T> {
    pub(super) statement: T,
    pub(super) span: Range<usize>,
    pub(super) types: Vec<Located<TypeId>>,
    pub(super) domains: Vec<Located<Domain>>,
}

/// A file as read.
pub(super) struct Draft {
    pub(super) first_party: Vec<Located<Domain>>,
    pub(super) collect: Vec<Placed<Collect>>,
    pub(super) share: Vec<Placed<Share>>,
    pub(super) not_collect: Vec<Placed<NotCollect>>,
    pub(super) not_share: Vec<Placed<NotShare>>,
}

/// What the reader needs everywhere.
struct Reading<'a> {
    source: &'a SourceFile,
    ontology: &'a Ontology,
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
    let draft = Draft {
        first_party,
        collect: file
            .tables("collect", "[[collect]]", problems)
            .into_iter()
            .map(|t| reading.collect(t, problems))
            .collect(),
        share: file
            .tables("share", "[[share]]", problems)
            .into_iter()
            .filter_map(|t| reading.share(t, problems))
            .collect(),
        not_collect: file
            .tables("not_collect", "[[not_collect]]", problems)
            .into_iter()
            .map(|t| reading.not_collect(t, problems))
            .collect(),
        not_share: file
            .tables("not_share", "[[not_share]]", problems)
            .into_iter()
            .map(|t| reading.not_share(t, problems))
            .collect(),
    };
    file.finish(problems);
    lint::statements(source, ontology, &draft, problems);
    Some(DeclaredTerms {
        file: source.name.clone(),
        app: app?,
        collect: draft.collect.into_iter().map(|placed| placed.statement).collect(),
        share: draft.share.into_iter().map(|placed| placed.statement).collect(),
        not_collect: draft.not_collect.into_iter().map(|placed| placed.statement).collect(),
        not_share: draft.not_share.into_iter().map(|placed| placed.statement).collect(),
    })
}

impl Reading<'_> {
    fn place(&self, span: &Range<usize>) -> Provenance {
        Provenance { file: self.source.name.clone(), line: self.source.line_of(span.start) }
    }

    fn app(
        &self,
        mut table: TableReader<'_>,
        first_party: &mut Vec<Located<Domain>>,
        problems: &mut Diagnostics,
    ) -> Option<DeclaredApp> {
        let package = table.required_string("package", problems);
        let name = table.string("name", problems);
        let kind = table.string("type", problems);
        let version = table.string("version", problems);
        *first_party = self.domains(&mut table, "first_party_domains", problems);
        table.finish(problems);
        let package = package?;
        let well_formed =
            package.value.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
                && package.value.split('.').all(|part| !part.is_empty());
        if !well_formed {
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
            version: version.map(|version| version.value).unwrap_or_default(),
            first_party_domains: first_party.iter().map(|domain| domain.value.clone()).collect(),
        })
    }

    fn collect(&self, mut table: TableReader<'_>, problems: &mut Diagnostics) -> Placed<Collect> {
        let types = self.types(&mut table, true, problems);
        let purposes = values(table.strings("purposes", problems));
        let timing = self.timing(&mut table, problems);
        let max_per_minute = table.positive("max_per_minute", problems);
        let span = table.span();
        table.finish(problems);
        let place = self.place(&span);
        let data_types = types.iter().map(|located| located.value).collect();
        let statement = Collect { data_types, purposes, timing, max_per_minute, place };
        Placed { statement, span, types, domains: Vec::new() }
    }

    fn share(&self, mut table: TableReader<'_>, problems: &mut Diagnostics) -> Option<Placed<Share>> {
        let types = self.types(&mut table, false, problems);
        let recipient = table.required_string("recipient", problems);
        let domains = self.domains(&mut table, "domains", problems);
        let purposes = values(table.strings("purposes", problems));
        let timing = self.timing(&mut table, problems);
        let span = table.span();
        let has_domains = table.has("domains");
        table.finish(problems);
        let recipient = recipient?;
        let known_recipient = self.ontology.recipients.find(&recipient.value);
        if known_recipient.is_none() && domains.is_empty() && !has_domains {
            let help = suggest(&recipient.value, self.ontology.recipients.iter().map(|entry| entry.id.as_str()))
                .unwrap_or_else(|| "add domains = [\"...\"]".to_owned());
            let message =
                format!("recipient \"{}\" is not known by that name, so its domains must be listed", recipient.value);
            problems.error(self.source, &recipient.span, message, Some(help));
        }
        let statement = Share {
            data_types: types.iter().map(|located| located.value).collect(),
            recipient: recipient.value,
            known_recipient,
            domains: domains.iter().map(|domain| domain.value.clone()).collect(),
            purposes,
            timing,
            place: self.place(&span),
        };
        Some(Placed { statement, span, types, domains })
    }

    fn not_collect(&self, mut table: TableReader<'_>, problems: &mut Diagnostics) -> Placed<NotCollect> {
        let types = self.types(&mut table, true, problems);
        let span = table.span();
        table.finish(problems);
        let data_types = types.iter().map(|located| located.value).collect();
        Placed { statement: NotCollect { data_types, place: self.place(&span) }, span, types, domains: Vec::new() }
    }

    fn not_share(&self, mut table: TableReader<'_>, problems: &mut Diagnostics) -> Placed<NotShare> {
        let types = self.types(&mut table, false, problems);
        let recipient = table.string("recipient", problems);
        let domains = self.domains(&mut table, "domains", problems);
        let span = table.span();
        table.finish(problems);
        let known_recipient = recipient.as_ref().and_then(|name| self.ontology.recipients.find(&name.value));
        if let Some(name) = &recipient
            && known_recipient.is_none()
            && domains.is_empty()
        {
            let message =
                format!("recipient \"{}\" is not known by that name, so its domains must be listed", name.value);
            let help = suggest(&name.value, self.ontology.recipients.iter().map(|entry| entry.id.as_str()));
            problems.error(self.source, &name.span, message, help);
        }
        let statement = NotShare {
            data_types: types.iter().map(|located| located.value).collect(),
            recipient: recipient.map(|name| name.value),
            known_recipient,
            domains: domains.iter().map(|domain| domain.value.clone()).collect(),
            place: self.place(&span),
        };
        Placed { statement, span, types, domains }
    }

    fn types(&self, table: &mut TableReader<'_>, required: bool, problems: &mut Diagnostics) -> Vec<Located<TypeId>> {
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
        if foreground_only && let Some(phase) = phases.iter().find(|phase| super::OFF_SCREEN.contains(&phase.as_str()))
        {
            let message = format!("foreground_only contradicts phase \"{phase}\"");
            problems.error(self.source, &table.key_span("foreground_only"), message, None);
        }
        Timing { phases: restricted.then_some(phases), foreground_only }
    }
}

fn values(located: Vec<Located<String>>) -> Vec<String> {
    located.into_iter().map(|entry| entry.value).collect()
}
