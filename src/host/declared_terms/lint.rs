//! What is wrong between statements that are each well-formed: contradictions, repetitions, loose ends.

use std::ops::Range;

use super::model::{Act, DeclaredTerms, Party, Statement, Subject};
use super::native::{Draft, Placed};
use crate::host::ontology::{Ontology, TypeId};
use crate::host::toml_source::{Diagnostics, Located, SourceFile};

/// Checks the statements against each other.
///
/// Denying a narrower type than the one collected ("device identifiers, but never the IMEI") is an exception, not a
/// contradiction: the denial is the more specific statement and wins. Collecting the denied type or a narrower one is a
/// contradiction.
pub(super) fn statements(source: &SourceFile, ontology: &Ontology, draft: &Draft, problems: &mut Diagnostics) {
    collected_and_denied(source, ontology, draft, problems);
    repeated_collections(source, ontology, draft, problems);
    shared_and_denied(source, ontology, draft, problems);
    repeated_shares(source, ontology, draft, problems);
    owners_of_domains(source, ontology, draft, problems);
    unconfirmed(source, draft, problems);
}

/// One warning for all of them: a policy gives dozens.
fn unconfirmed(source: &SourceFile, draft: &Draft, problems: &mut Diagnostics) {
    let mut drafts = draft.statements.iter().filter(|placed| placed.statement.draft);
    let Some(first) = drafts.next() else { return };
    let message =
        format!("{} statements are unconfirmed drafts: they neither declare nor deny anything", 1 + drafts.count());
    let help = "read each beside its wording, then run `candor terms confirm`, or delete it".to_owned();
    problems.warning(source, &first.span, message, Some(help));
}

/// One warning for all permissions that open data which nothing declares, at the first permission of the file.
pub(super) fn undeclared_access(
    source: &SourceFile,
    ontology: &Ontology,
    terms: &DeclaredTerms,
    first: &Range<usize>,
    problems: &mut Diagnostics,
) {
    let found = terms.undeclared_access(ontology);
    if found.is_empty() {
        return;
    }
    let names = found.iter().map(|access| {
        let types: Vec<&str> = access.data_types.iter().map(|id| ontology.data_types.id_of(*id)).collect();
        let name = access.access.permission.rsplit('.').next().unwrap_or_default();
        format!("{name} ({})", types.join(", "))
    });
    let names: Vec<String> = names.collect();
    let message = format!("{} permissions may access what no [[collect]] declares: {}", found.len(), names.join(", "));
    let help = "this is no contradiction; declare what is collected by them, or ask why the app has them".to_owned();
    problems.warning(source, first, message, Some(help));
}

/// Lists say the same of several SDKs, occasions and systems; in terms written by hand it is a slip.
fn repetition(
    source: &SourceFile,
    placed: &Placed,
    located: &Located<TypeId>,
    message: String,
    problems: &mut Diagnostics,
) {
    let help = Some("merge the two".to_owned());
    if placed.statement.place.origin.is_some() {
        problems.warning(source, &located.span, message, help);
    } else {
        problems.error(source, &located.span, message, help);
    }
}

fn collected_and_denied(source: &SourceFile, ontology: &Ontology, draft: &Draft, problems: &mut Diagnostics) {
    let types = &ontology.data_types;
    for collect in draft.of(Act::Collect).filter(|collect| collect.statement.subject == Subject::App) {
        for collected in &collect.types {
            for deny in draft.of(Act::NotCollect) {
                for denied in deny.types.iter().filter(|denied| types.covers(denied.value, collected.value)) {
                    let (collected_id, denied_id) = (types.id_of(collected.value), types.id_of(denied.value));
                    let line = source.line_of(collected.span.start);
                    let message = if collected.value == denied.value {
                        format!("\"{denied_id}\" is denied here and collected in line {line}")
                    } else {
                        format!(
                            "\"{denied_id}\" is denied here, and line {line} collects the narrower \"{collected_id}\""
                        )
                    };
                    let help = "remove one of the two; to except a type, deny a narrower one than is collected";
                    problems.error(source, &denied.span, message, Some(help.to_owned()));
                }
            }
        }
    }
    for (index, deny) in draft.of(Act::NotCollect).enumerate() {
        for denied in &deny.types {
            let mut earlier = draft.of(Act::NotCollect).take(index).flat_map(|earlier| &earlier.types);
            if let Some(first) = earlier.find(|first| first.value == denied.value) {
                let id = types.id_of(denied.value);
                let line = source.line_of(first.span.start);
                problems.error(source, &denied.span, format!("\"{id}\" was already denied in line {line}"), None);
            }
        }
    }
}

/// Whether two statements are of the same third party and differ in nothing but their data types.
fn same_conditions(left: &Statement, right: &Statement) -> bool {
    let name = |statement: &Statement| statement.third_party().map(|party| party.name.clone());
    left.timing == right.timing && name(left) == name(right)
}

fn repeated_collections(source: &SourceFile, ontology: &Ontology, draft: &Draft, problems: &mut Diagnostics) {
    // Imported lists have thousands of statements; the first line of each type and condition is enough to compare with.
    let mut seen: Vec<(&Placed, TypeId)> = Vec::new();
    for collect in draft.of(Act::Collect).filter(|collect| collect.statement.place.origin.is_none()) {
        for collected in &collect.types {
            let same = |earlier: &&(&Placed, TypeId)| {
                earlier.1 == collected.value && same_conditions(&earlier.0.statement, &collect.statement)
            };
            match seen.iter().find(same) {
                Some((earlier, _)) => {
                    let id = ontology.data_types.id_of(collected.value);
                    let line = source.line_of(earlier.span.start);
                    let message = format!("\"{id}\" is already collected under the same conditions by line {line}");
                    repetition(source, collect, collected, message, problems);
                }
                None => seen.push((collect, collected.value)),
            }
        }
    }
}

/// Whether two ways of naming a recipient can mean the same one. Naming none at all means any.
fn may_be_same(left: Option<&Party>, right: Option<&Party>) -> bool {
    let (Some(left), Some(right)) = (left, right) else { return true };
    let same_name = !left.name.is_empty() && left.name == right.name;
    let same_known = left.known.is_some() && left.known == right.known;
    let overlap = left
        .domains
        .iter()
        .any(|one| right.domains.iter().any(|other| one.covers(other.as_str()) || other.covers(one.as_str())));
    same_name || same_known || overlap
}

fn contacts(draft: &Draft) -> impl Iterator<Item = &Placed> + Clone {
    draft.statements.iter().filter(|placed| {
        let statement = &placed.statement;
        matches!(statement.act, Act::Collect | Act::Share) && !statement.draft && statement.third_party().is_some()
    })
}

fn shared_and_denied(source: &SourceFile, ontology: &Ontology, draft: &Draft, problems: &mut Diagnostics) {
    let types = &ontology.data_types;
    for share in contacts(draft) {
        for denial in draft.of(Act::NotShare) {
            if !may_be_same(share.statement.third_party(), denial.statement.third_party()) {
                continue;
            }
            let line = source.line_of(share.span.start);
            if denial.types.is_empty() {
                let message = format!("sharing with this recipient is denied here and declared in line {line}");
                problems.error(source, &denial.span, message, None);
                continue;
            }
            for denied in &denial.types {
                if share.types.iter().any(|shared| types.covers(denied.value, shared.value)) {
                    let id = types.id_of(denied.value);
                    let message = format!("sharing \"{id}\" is denied here and declared in line {line}");
                    problems.error(source, &denied.span, message, None);
                }
            }
        }
    }
    for share in draft.of(Act::Share) {
        for shared in &share.types {
            let collected = draft.of(Act::Collect).flat_map(|collect| &collect.types);
            let covered = |located: &Located<TypeId>| {
                types.covers(located.value, shared.value) || types.covers(shared.value, located.value)
            };
            if !collected.into_iter().any(covered) {
                let id = types.id_of(shared.value);
                let message = format!("\"{id}\" is shared, and no [[collect]] says that it is collected");
                problems.warning(source, &shared.span, message, None);
            }
        }
    }
}

fn repeated_shares(source: &SourceFile, ontology: &Ontology, draft: &Draft, problems: &mut Diagnostics) {
    for (index, share) in contacts(draft).enumerate() {
        for earlier in contacts(draft).take(index) {
            let (Some(party), Some(other)) = (share.statement.third_party(), earlier.statement.third_party()) else {
                continue;
            };
            if other.name == party.name {
                if share.statement.act != Act::Share || earlier.statement.act != Act::Share {
                    continue;
                }
                let line = source.line_of(earlier.span.start);
                for shared in &share.types {
                    let twice = earlier.types.iter().any(|located| located.value == shared.value)
                        && earlier.statement.timing == share.statement.timing;
                    if twice {
                        let id = ontology.data_types.id_of(shared.value);
                        let message = format!("\"{id}\" is already shared with this recipient by line {line}");
                        repetition(source, share, shared, message, problems);
                    }
                }
            } else {
                for domain in &share.domains {
                    if earlier.domains.iter().any(|located| located.value == domain.value) {
                        let line = source.line_of(earlier.span.start);
                        let message =
                            format!("\"{}\" belongs to recipient \"{}\" by line {line}", domain.value, other.name);
                        problems.error(source, &domain.span, message, None);
                    }
                }
            }
        }
    }
}

fn owners_of_domains(source: &SourceFile, ontology: &Ontology, draft: &Draft, problems: &mut Diagnostics) {
    for domain in &draft.first_party {
        for share in contacts(draft) {
            if share.domains.iter().any(|shared| shared.value == domain.value) {
                let line = source.line_of(share.span.start);
                let message =
                    format!("\"{}\" is first party here and shared with a third party in line {line}", domain.value);
                problems.error(source, &domain.span, message, None);
            }
        }
        let owner =
            ontology.recipients.of_domain(domain.value.as_str()).and_then(|(id, _)| ontology.recipients.get(id));
        if let Some(owner) = owner.filter(|owner| !owner.is_hosting()) {
            let message = format!(
                "\"{}\" is known as {} of {}; calling it first party hides that recipient from every rule",
                domain.value, owner.product, owner.owner_en
            );
            problems.warning(
                source,
                &domain.span,
                message,
                Some("declare it as [[share]] unless you are that owner".to_owned()),
            );
        }
    }
}
