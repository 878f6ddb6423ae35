//! Permissions of the manifest, set beside what the terms declare and what was read.

use super::facts::Facts;
use super::standing::{collect_ref, not_collect_ref};
use super::verdict::{OpenedData, PermissionAccess};
use crate::host::ontology::TypeId;

/// Those that open personal data, in the order of the manifest.
pub(super) fn of(facts: &Facts<'_>) -> Vec<PermissionAccess> {
    let opening = facts.terms.may_access.iter().filter(|access| !access.data_types.is_empty());
    opening
        .map(|access| PermissionAccess {
            permission: access.permission.clone(),
            max_sdk: access.max_sdk,
            place: access.place.clone(),
            opens: access.data_types.iter().map(|opened| opened_data(facts, *opened)).collect(),
        })
        .collect()
}

fn opened_data(facts: &Facts<'_>, opened: TypeId) -> OpenedData {
    let types = &facts.ontology.data_types;
    // As for the notice: a statement about a broader or a narrower type is enough, because a permission can open more
    // than the app takes.
    let related = |one: &TypeId| types.covers(*one, opened) || types.covers(opened, *one);
    let declared = facts.terms.collect().find(|said| said.data_types.iter().any(related));
    let denied =
        || facts.terms.not_collect().find(|said| said.data_types.iter().any(|denied| types.covers(*denied, opened)));
    let (standing, statement) = match declared {
        Some(said) => ("declared", Some(collect_ref(said, facts.ontology))),
        None => match denied() {
            Some(said) => ("denied", Some(not_collect_ref(said, facts.ontology))),
            None => ("undeclared", None),
        },
    };
    let read = facts.readings().filter(|tuple| types.covers(opened, tuple.data_type));
    OpenedData {
        data_type: facts.data_name(opened),
        standing,
        statement,
        reads: read.map(|tuple| tuple.tally.count).fold(0, u64::saturating_add),
    }
}
