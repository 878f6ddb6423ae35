//! `candor rules`: what recordings are held against.

use std::io::Write;
use std::path::Path;

use clap::{Args, ValueEnum};
use serde::Serialize;

use super::check::{read_ontology, read_source};
use super::terminal::{output_error, stdout};
use super::{CommandError, Exit};
use crate::host::correlate::Profile;
use crate::host::correlate::profiles::PHASES_OF_CLAUSES;
use crate::host::correlate::rules::ALL_RULES;
use crate::host::ontology::Ontology;
use crate::host::toml_source::suggest;

/// Which rules, and how.
#[derive(Debug, Args)]
pub(super) struct RulesCommand {
    /// Only this profile: a name, or a TOML file; may be given several times
    #[arg(long, value_name = "NAME|FILE")]
    profile: Vec<String>,
    /// How to print them
    #[arg(long, value_enum, default_value_t = RulesFormat::Text)]
    format: RulesFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum RulesFormat {
    /// For reading in a terminal
    Text,
    /// For programs: one object
    Json,
}

/// A rule that every check applies.
#[derive(Debug, Serialize)]
struct RuleLine {
    id: &'static str,
    title_en: &'static str,
    title_zh: &'static str,
    about: &'static str,
}

#[derive(Debug, Serialize)]
struct ClauseLine {
    id: String,
    title_en: String,
    title_zh: String,
    source: String,
    /// D, P or N.
    decidability: &'static str,
    /// Why nothing is decided here; absent where the trace is looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    undecided_because: Option<&'static str>,
}

#[derive(Debug, Serialize)]
struct ProfileLine {
    name: String,
    title_en: String,
    title_zh: String,
    source: String,
    clauses: Vec<ClauseLine>,
}

#[derive(Debug, Serialize)]
struct Listing {
    rules: Vec<RuleLine>,
    profiles: Vec<ProfileLine>,
}

/// The profiles of these names or files.
pub(super) fn read_profiles(names: &[String], ontology: &Ontology) -> Result<Vec<Profile>, CommandError> {
    names.iter().map(|name| read_profile(name, ontology)).collect()
}

fn read_profile(name: &str, ontology: &Ontology) -> Result<Profile, CommandError> {
    let parsed = match Profile::built_in(name, ontology) {
        Some(parsed) => parsed,
        None if !name.ends_with(".toml") && !Path::new(name).exists() => {
            let near = suggest(name, Profile::names()).map(|help| format!("; {help}")).unwrap_or_default();
            let known: Vec<&str> = Profile::names().collect();
            return Err(CommandError::new(
                Exit::Usage,
                format!(
                    "no profile is called \"{name}\", and no such file exists{near}; there are {}",
                    known.join(", ")
                ),
            ));
        }
        None => Profile::parse(&read_source(Path::new(name), "profile")?, ontology),
    };
    parsed
        .map_err(|problems| CommandError::new(Exit::BadData, format!("the profile {name} cannot be used\n{problems}")))
}

/// Lists them.
pub(super) fn rules(command: &RulesCommand) -> Result<Exit, CommandError> {
    let ontology = read_ontology(&[], &[])?;
    let all: Vec<String> = Profile::names().map(str::to_owned).collect();
    let chosen = if command.profile.is_empty() { &all } else { &command.profile };
    let profiles = read_profiles(chosen, &ontology)?;
    let mut out = stdout();
    match command.format {
        RulesFormat::Json => {
            let rules = if command.profile.is_empty() { rule_lines() } else { Vec::new() };
            let listing = Listing { rules, profiles: profiles.iter().map(profile_line).collect() };
            serde_json::to_writer_pretty(&mut out, &listing)
                .map_err(std::io::Error::from)
                .and_then(|()| out.write_all(b"\n"))
        }
        RulesFormat::Text => text(&profiles, command.profile.is_empty(), &mut out),
    }
    .and_then(|()| out.flush())
    .map_err(output_error)?;
    Ok(Exit::Ok)
}

fn rule_lines() -> Vec<RuleLine> {
    ALL_RULES
        .iter()
        .map(|rule| RuleLine { id: rule.id, title_en: rule.title_en, title_zh: rule.title_zh, about: rule.about })
        .collect()
}

fn profile_line(profile: &Profile) -> ProfileLine {
    let clauses = profile.clauses.iter().map(|(of, clause)| ClauseLine {
        id: if of.name == profile.name { clause.id.to_owned() } else { format!("{}/{}", of.name, clause.id) },
        title_en: clause.en.to_owned(),
        title_zh: clause.zh.to_owned(),
        source: clause.source.to_owned(),
        decidability: clause.decidability.letter(),
        undecided_because: clause.without_check(),
    });
    let rates = profile.rates.iter().map(|rate| ClauseLine {
        id: rate.id.clone(),
        title_en: rate.title_en.clone(),
        title_zh: rate.title_zh.clone(),
        source: rate.source.clone(),
        decidability: "D",
        undecided_because: None,
    });
    ProfileLine {
        name: profile.name.clone(),
        title_en: profile.title_en.clone(),
        title_zh: profile.title_zh.clone(),
        source: profile.source.clone(),
        clauses: clauses.chain(rates).collect(),
    }
}

fn text(profiles: &[Profile], all: bool, out: &mut dyn Write) -> std::io::Result<()> {
    if all {
        writeln!(out, "Rules, applied by every check:")?;
        for rule in ALL_RULES {
            writeln!(out, "  {:<24} {} {}\n{:27}{}", rule.id, rule.title_en, rule.title_zh, "", rule.about)?;
        }
        writeln!(out, "\nProfiles, applied with --profile NAME (cac-191 is listed in every report):")?;
        for profile in profiles {
            let count = profile.clauses.len() + profile.rates.len();
            writeln!(out, "  {:<24} {} {} ({count})", profile.name, profile.title_en, profile.title_zh)?;
        }
        writeln!(out, "\nPhases that some clauses need beyond the usual ones, marked with `candor mark NAME`:")?;
        for (name, about) in PHASES_OF_CLAUSES {
            writeln!(out, "  {name:<24} {about}")?;
        }
        return writeln!(out, "\n`candor rules --profile NAME` lists the clauses of a profile.");
    }
    for profile in profiles.iter().map(profile_line) {
        writeln!(out, "{}: {} {}\n  {}", profile.name, profile.title_en, profile.title_zh, profile.source)?;
        for clause in &profile.clauses {
            writeln!(out, "  {:<26} {} {}", clause.id, clause.decidability, clause.title_en)?;
            writeln!(out, "  {:<26}   {}", "", clause.title_zh)?;
            if let Some(why) = clause.undecided_because {
                writeln!(out, "  {:<26}   {why}", "")?;
            }
        }
        writeln!(
            out,
            "  D: decided by trace, terms and marks; P: the trace gives evidence, a person decides; N: not by a trace"
        )?;
    }
    Ok(())
}
