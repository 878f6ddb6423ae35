//! What the rows of a table are: heads, headings within it, and where cells begin.

use std::collections::HashSet;

use super::blocks::Table;
use super::labels::{Role, role};

/// The roles of a row, when it is a row of heads.
pub(super) fn heads(table: &Table, row: usize) -> Option<Vec<Option<Role>>> {
    let width = table.width();
    let texts: Vec<&str> = (0..width).map(|column| table.text(row, column)).collect();
    let roles: Vec<Option<Role>> = texts.iter().map(|text| role(text)).collect();
    let mut cells: Vec<usize> = table.grid.get(row)?.iter().flatten().copied().collect();
    cells.dedup();
    let filled = texts.iter().filter(|text| !text.is_empty()).count();
    let known = roles.iter().flatten().count();
    let telling: HashSet<Role> = roles.iter().flatten().copied().filter(|role| *role != Role::Aside).collect();
    let names_thing = telling
        .iter()
        .any(|role| matches!(role, Role::Data | Role::Category | Role::Name | Role::ThirdParty | Role::Company));
    let enough = telling.len() >= 2 || (telling.len() == 1 && known == filled && cells.len() <= 2);
    let one_cell = cells.len() == 1 && width > 1;
    (names_thing && enough && known * 10 >= filled * 6 && !one_cell).then_some(roles)
}

/// Decides what columns mean beside each other.
pub(super) fn settle(mut roles: Vec<Option<Role>>) -> Vec<Option<Role>> {
    let has = |roles: &[Option<Role>], wanted: Role| roles.contains(&Some(wanted));
    let third = if has(&roles, Role::Name) { Role::Company } else { Role::Name };
    for role in &mut roles {
        if *role == Some(Role::ThirdParty) {
            *role = Some(third);
        }
    }
    roles
}

/// Whether a row is one cell over the whole width.
pub(super) fn is_section(table: &Table, row: usize) -> bool {
    let Some(places) = table.grid.get(row) else { return false };
    let mut cells: Vec<usize> = places
        .iter()
        .flatten()
        .copied()
        .filter(|index| table.cells.get(*index).is_some_and(|cell| !cell.text.trim().is_empty()))
        .collect();
    cells.dedup();
    // One cell over the whole width; a row with one filled cell among empty ones is a row.
    cells.len() == 1
        && table.width() > 1
        && places.iter().flatten().count() == table.width()
        && places.iter().flatten().collect::<HashSet<_>>().len() == 1
}

/// The first row of a cell that reaches over several.
pub(super) fn origin_row(table: &Table, index: usize) -> Option<usize> {
    let height = table.cells.get(index)?.rows;
    if height <= 1 {
        return None;
    }
    Some(place_of(table, index).0)
}

/// The first row and column of a cell.
pub(super) fn place_of(table: &Table, index: usize) -> (usize, usize) {
    table.origins.get(index).copied().unwrap_or_default()
}
