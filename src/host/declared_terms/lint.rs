//! What is wrong between statements that are each well-formed: contradictions, repetitions, loose ends.

use super::native::{Draft, Placed};
use super::{NotShare, Share};
use crate::host::ontology::{Domain, Ontology, RecipientId};
use crate::host::toml_source::{Diagnostics, SourceFile};

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
}

fn collected_and_denied(source: &SourceFile, ontology: &Ontology, draft: &Draft, problems: &mut Diagnostics) {
    let types = &ontology.data_types;
    for collect in &draft.collect {
        for collected in &collect.types {
            for deny in &draft.not_collect {
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
    for (index, deny) in draft.not_collect.iter().enumerate() {
        for denied in &deny.types {
            let mut earlier = draft.not_collect.iter().take(index).flat_map(|earlier| &earlier.types);
            if let Some(first) = earlier.find(|first| first.value == denied.value) {
                let id = types.id_of(denied.value);
                let line = source.line_of(first.span.start);
                problems.error(source, &denied.span, format!("\"{id}\" was already denied in line {line}"), None);
            }
        }
    }
}

fn repeated_collections(source: &SourceFile, ontology: &Ontology, draft: &Draft, problems: &mut Diagnostics) {
    for (index, collect) in draft.collect.iter().enumerate() {
        for collected in &collect.types {
            let same = |earlier: &&Placed<super::Collect>| {
                earlier.statement.timing == collect.statement.timing
                    && earlier.types.iter().any(|located| located.value == collected.value)
            };
            if let Some(earlier) = draft.collect.iter().take(index).find(same) {
                let id = ontology.data_types.id_of(collected.value);
                let line = source.line_of(earlier.span.start);
                let message = format!("\"{id}\" is already collected under the same conditions by line {line}");
                problems.error(source, &collected.span, message, Some("merge the two".to_owned()));
            }
        }
    }
}

/// Whether two ways of naming a recipient can mean the same one. Naming none at all means any.
fn may_be_same(
    left: (Option<RecipientId>, Option<&str>, &[Domain]),
    right: (Option<RecipientId>, Option<&str>, &[Domain]),
) -> bool {
    let anyone = |side: &(Option<RecipientId>, Option<&str>, &[Domain])| side.1.is_none() && side.2.is_empty();
    let same_name = left.1.is_some() && left.1 == right.1;
    let same_known = left.0.is_some() && left.0 == right.0;
    let overlap =
        left.2.iter().any(|one| right.2.iter().any(|other| one.covers(other.as_str()) || other.covers(one.as_str())));
    anyone(&left) || anyone(&right) || same_name || same_known || overlap
}

fn of_share(share: &Share) -> (Option<RecipientId>, Option<&str>, &[Domain]) {
    (share.known_recipient, Some(&share.recipient), &share.domains)
}

fn of_denial(denial: &NotShare) -> (Option<RecipientId>, Option<&str>, &[Domain]) {
    (denial.known_recipient, denial.recipient.as_deref(), &denial.domains)
}

fn shared_and_denied(source: &SourceFile, ontology: &Ontology, draft: &Draft, problems: &mut Diagnostics) {
    let types = &ontology.data_types;
    for share in &draft.share {
        for denial in &draft.not_share {
            if !may_be_same(of_share(&share.statement), of_denial(&denial.statement)) {
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
        for shared in &share.types {
            let collected = draft.collect.iter().flat_map(|collect| &collect.types);
            let covered = |located: &crate::host::toml_source::Located<crate::host::ontology::TypeId>| {
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
    for (index, share) in draft.share.iter().enumerate() {
        for earlier in draft.share.iter().take(index) {
            let line = source.line_of(earlier.span.start);
            if earlier.statement.recipient == share.statement.recipient {
                for shared in &share.types {
                    let twice = earlier.types.iter().any(|located| located.value == shared.value)
                        && earlier.statement.timing == share.statement.timing;
                    if twice {
                        let id = ontology.data_types.id_of(shared.value);
                        let message = format!("\"{id}\" is already shared with this recipient by line {line}");
                        problems.error(source, &shared.span, message, Some("merge the two".to_owned()));
                    }
                }
            } else {
                for domain in &share.domains {
                    if earlier.domains.iter().any(|located| located.value == domain.value) {
                        let message = format!(
                            "\"{}\" belongs to recipient \"{}\" by line {line}",
                            domain.value, earlier.statement.recipient
                        );
                        problems.error(source, &domain.span, message, None);
                    }
                }
            }
        }
    }
}

fn owners_of_domains(source: &SourceFile, ontology: &Ontology, draft: &Draft, problems: &mut Diagnostics) {
    for domain in &draft.first_party {
        for share in &draft.share {
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
