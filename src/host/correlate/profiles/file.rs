//! Profiles as TOML: a choice of clauses, and limits on rates.

use super::clause::Clause;
use super::rates::RateLimit;
use super::{BUILT_IN, BuiltIn, clause_ids, find_clause};
use crate::event::Phase;
use crate::host::ontology::Ontology;
use crate::host::toml_source::{self, Diagnostics, SourceFile, TableReader, suggest};

/// The built-in files: the name of the profile, and the text.
const FILES: &[(&str, &str)] = &[
    ("rates-springer-164", include_str!("../../../../data/profiles/rates-springer-164.toml")),
    ("rates-tencent-store", include_str!("../../../../data/profiles/rates-tencent-store.toml")),
];

/// What a recording is held against, ready to be judged.
#[derive(Debug, Clone)]
pub struct Profile {
    /// Name.
    pub name: String,
    /// English title.
    pub title_en: String,
    /// Chinese title.
    pub title_zh: String,
    /// The rule book.
    pub source: String,
    /// The clauses, each with the built-in profile it belongs to.
    pub clauses: Vec<(&'static BuiltIn, &'static Clause)>,
    /// Limits on rates.
    pub rates: Vec<RateLimit>,
    /// Whether the user asked for it, so that it counts for the outcome of the check.
    pub asked_for: bool,
}

impl Profile {
    /// The built-in profile of this name: a table of clauses or a file of limits. `None` when there is none.
    #[must_use]
    pub fn built_in(name: &str, ontology: &Ontology) -> Option<Result<Self, Diagnostics>> {
        if let Some(found) = BUILT_IN.iter().find(|built_in| built_in.name == name) {
            return Some(Ok(Self {
                name: found.name.to_owned(),
                title_en: found.title_en.to_owned(),
                title_zh: found.title_zh.to_owned(),
                source: found.source.to_owned(),
                clauses: found.clauses.iter().map(|clause| (found, clause)).collect(),
                rates: Vec::new(),
                asked_for: true,
            }));
        }
        let (name, text) = FILES.iter().find(|(file, _)| *file == name)?;
        let source = SourceFile::new(format!("data/profiles/{name}.toml (built in)"), *text);
        Some(Self::parse(&source, ontology))
    }

    /// The names of all built-in profiles.
    pub fn names() -> impl Iterator<Item = &'static str> {
        BUILT_IN.iter().map(|profile| profile.name).chain(FILES.iter().map(|(name, _)| *name))
    }

    /// Reads a profile of the user's.
    ///
    /// # Errors
    ///
    /// Every problem of the file, with its line: unknown keys, clauses, data types and phases, limits that limit nothing.
    pub fn parse(source: &SourceFile, ontology: &Ontology) -> Result<Self, Diagnostics> {
        let mut problems = Diagnostics::default();
        let document = toml_source::parse(source, &mut problems);
        let mut file = TableReader::new(source, document.get_ref(), 0..0, "the file");
        let mut profile = Self {
            name: String::new(),
            title_en: String::new(),
            title_zh: String::new(),
            source: String::new(),
            clauses: Vec::new(),
            rates: Vec::new(),
            asked_for: true,
        };
        match file.table("profile", "[profile]", &mut problems) {
            Some(head) => profile.read_head(source, head, &mut problems),
            None => problems.error(source, &(0..0), "a profile needs a table [profile]".to_owned(), None),
        }
        for rate in file.tables("rate", "[[rate]]", &mut problems) {
            profile.read_rate(source, rate, ontology, &mut problems);
        }
        file.finish(&mut problems);
        if profile.clauses.is_empty() && profile.rates.is_empty() && !problems.has_errors() {
            let message = "a profile needs clauses in [profile], or at least one [[rate]]".to_owned();
            problems.error(source, &(0..0), message, None);
        }
        problems.sort();
        if problems.has_errors() { Err(problems) } else { Ok(profile) }
    }

    fn read_head(&mut self, source: &SourceFile, mut head: TableReader<'_>, problems: &mut Diagnostics) {
        let name = head.required_string("name", problems);
        self.title_en = head.string("title_en", problems).map(|text| text.value).unwrap_or_default();
        self.title_zh = head.string("title_zh", problems).map(|text| text.value).unwrap_or_default();
        self.source = head.string("source", problems).map(|text| text.value).unwrap_or_default();
        for clause in head.strings("clauses", problems) {
            if let Some(found) = find_clause(&clause.value) {
                self.clauses.push(found);
            } else if let Some(all) =
                clause.value.strip_suffix("/*").and_then(|name| BUILT_IN.iter().find(|entry| entry.name == name))
            {
                self.clauses.extend(all.clauses.iter().map(|clause| (all, clause)));
            } else {
                let ids: Vec<String> = clause_ids().collect();
                let help = suggest(&clause.value, ids.iter().map(String::as_str))
                    .or_else(|| Some("`candor rules` lists every rule".to_owned()));
                problems.error(source, &clause.span, format!("unknown rule \"{}\"", clause.value), help);
            }
        }
        if let Some(name) = name {
            self.name = name.value;
        }
        if self.title_en.is_empty() {
            self.title_en.clone_from(&self.name);
        }
        if self.title_zh.is_empty() {
            self.title_zh.clone_from(&self.title_en);
        }
        head.finish(problems);
    }

    fn read_rate(
        &mut self,
        source: &SourceFile,
        mut rate: TableReader<'_>,
        ontology: &Ontology,
        problems: &mut Diagnostics,
    ) {
        let span = rate.span();
        let id = rate.required_string("id", problems);
        let title_en = rate.string("title_en", problems);
        let title_zh = rate.string("title_zh", problems);
        let from = rate.string("source", problems);
        let mut data_types = Vec::new();
        for name in rate.required_strings("data_types", problems) {
            data_types.extend(ontology.data_types.named_by(source, &name, problems));
        }
        let mut phases = Vec::new();
        for phase in rate.strings("phases", problems) {
            match phase.value.parse::<Phase>() {
                Ok(known) => phases.push(known.as_str().to_owned()),
                Err(error) => problems.error(source, &phase.span, error.to_string(), None),
            }
        }
        let max_per_second = rate.positive("max_per_second", problems);
        let max_per_minute = rate.positive("max_per_minute", problems);
        let max_count = rate.positive("max_count", problems);
        let no_fixed_interval_up_to = rate.positive("no_fixed_interval_up_to", problems);
        let keys = ["max_per_second", "max_per_minute", "max_count", "no_fixed_interval_up_to"];
        if !keys.iter().any(|key| rate.has(key)) {
            problems.error(source, &span, format!("a [[rate]] needs one of {}", keys.join(", ")), None);
        }
        rate.finish(problems);
        let Some(id) = id else { return };
        if self.rates.iter().any(|known| known.id == id.value) {
            problems.error(source, &id.span, format!("\"{}\" occurs twice", id.value), None);
        }
        let title_en = title_en.map_or_else(|| id.value.clone(), |text| text.value);
        self.rates.push(RateLimit {
            title_zh: title_zh.map_or_else(|| title_en.clone(), |text| text.value),
            title_en,
            source: from.map_or_else(|| self.name.clone(), |text| text.value),
            id: id.value,
            data_types,
            phases,
            max_per_second,
            max_per_minute,
            max_count,
            no_fixed_interval_up_to,
        });
    }
}
