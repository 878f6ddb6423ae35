//! What the native form keeps of a manifest: permissions, and the rest of it.

use std::ops::Range;

use super::manifest::{Component, ComponentKind, Manifest, MayAccess};
use super::model::Provenance;
use super::native::Reading;
use crate::host::toml_source::{Diagnostics, Located, TableReader};

/// The permissions, and where the first of them stands.
pub(super) fn may_access(
    reading: &Reading<'_>,
    file: &mut TableReader<'_>,
    problems: &mut Diagnostics,
) -> (Vec<MayAccess>, Range<usize>) {
    let mut found = Vec::new();
    let mut first = None;
    for mut table in file.tables("may_access", "[[may_access]]", problems) {
        let span = table.span();
        let permission = table.required_string("permission", problems);
        let data_types = reading.types(&mut table, false, problems);
        let max_sdk = table.positive("max_sdk", problems);
        let place = place(reading, &mut table, problems);
        table.finish(problems);
        first.get_or_insert(span);
        let Some(permission) = permission else { continue };
        let data_types = data_types.into_iter().map(|located| located.value).collect();
        found.push(MayAccess { permission: permission.value, data_types, max_sdk, place });
    }
    (found, first.unwrap_or(0..0))
}

fn place(reading: &Reading<'_>, table: &mut TableReader<'_>, problems: &mut Diagnostics) -> Provenance {
    let line = reading.source.line_of(table.span().start);
    let origin = reading.origin(table, problems).map(Box::new);
    Provenance { file: reading.source.name.clone(), line, origin }
}

fn values(located: Vec<Located<String>>) -> Vec<String> {
    located.into_iter().map(|entry| entry.value).collect()
}

/// The rest of the manifest.
pub(super) fn manifest(
    reading: &Reading<'_>,
    file: &mut TableReader<'_>,
    problems: &mut Diagnostics,
) -> Option<Manifest> {
    let mut table = file.table("manifest", "[manifest]", problems)?;
    let version_code = table.whole("version_code", problems);
    let min_sdk = table.positive("min_sdk", problems);
    let target_sdk = table.positive("target_sdk", problems);
    let signers = values(table.strings("signers", problems));
    let queries = values(table.strings("queries", problems));
    let place = place(reading, &mut table, problems);
    let components = table
        .tables("component", "[[manifest.component]]", problems)
        .into_iter()
        .filter_map(|component| read_component(reading, component, problems))
        .collect();
    table.finish(problems);
    Some(Manifest { version_code, min_sdk, target_sdk, signers, queries, components, place })
}

fn read_component(reading: &Reading<'_>, mut table: TableReader<'_>, problems: &mut Diagnostics) -> Option<Component> {
    let kind = table.required_string("kind", problems);
    let name = table.required_string("name", problems);
    let exported = table.boolean("exported", problems).unwrap_or_default();
    let permissions = values(table.strings("permissions", problems));
    let authorities = values(table.strings("authorities", problems));
    let foreground_service_types = values(table.strings("foreground_service_types", problems));
    table.finish(problems);
    let kind = kind.and_then(|given| {
        let known = ComponentKind::ALL.iter().copied().find(|known| known.as_str() == given.value);
        if known.is_none() {
            let names: Vec<&str> = ComponentKind::ALL.iter().map(|known| known.as_str()).collect();
            let help = Some(format!("one of {}", names.join(", ")));
            problems.error(reading.source, &given.span, format!("unknown kind \"{}\"", given.value), help);
        }
        known
    });
    let name = name?.value;
    Some(Component { kind: kind?, name, exported, permissions, authorities, foreground_service_types })
}
