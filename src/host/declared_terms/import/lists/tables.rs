//! Tables to entries: with heads above, beside, or none.

use std::collections::HashSet;

use super::super::blocks::{Line, LineKind, Table};
use super::super::columns::{heads, is_section, origin_row, place_of, settle};
use super::super::data::{bare_system_heading, system_in};
use super::super::labels::{Role, labelled, role};
use super::{Entry, Field, Lists, one_line};
use crate::host::declared_terms::{Confidence, NotUnderstoodReason};

impl Lists<'_> {
    pub(super) fn table(&mut self, table: &Table) {
        self.finish();
        self.found.tables += 1;
        for cell in table.without_place() {
            let at = format!("table {}, a row that is too long", table.number);
            self.leave_if_telling(&at, cell.line, &cell.text, NotUnderstoodReason::Damaged);
        }
        let rows = table.grid.len();
        let head = (0..rows.min(6)).find_map(|row| Some((row, heads(table, row)?)));
        let mut heads_row = head.as_ref().map(|head| head.0);
        let (roles, first) = match head {
            Some((row, roles)) => {
                for above in 0..row {
                    self.section(table, above);
                    self.leave_cells(table, above, |column| column > 0);
                }
                self.take_heads(table, row);
                (roles, row + 1)
            }
            None if self.sideways(table) => return,
            None if !self.last_roles.is_empty()
                && self.last_roles.len() == table.width()
                && rows > 0
                && table.width() > 1 =>
            {
                (self.last_roles.clone(), 0)
            }
            None => {
                self.without_heads(table);
                return;
            }
        };
        let roles = settle(roles);
        self.last_roles.clone_from(&roles);
        let mut roles = roles;
        let title = self.title.clone();
        let mut used = false;
        for row in first..rows {
            if let Some(again) = heads(table, row) {
                self.take_heads(table, row);
                roles = settle(again);
                heads_row = Some(row);
                self.last_roles.clone_from(&roles);
                continue;
            }
            if is_section(table, row) {
                self.section(table, row);
                continue;
            }
            let mut entry = Entry {
                title: self.title.clone(),
                at: format!("table {}, row {}", table.number, row + 1),
                ..Entry::default()
            };
            let mut rest: Vec<(usize, String)> = Vec::new();
            let mut seen: Vec<usize> = Vec::new();
            for column in 0..table.width() {
                let Some(index) = table.grid.get(row).and_then(|places| *places.get(column)?) else { continue };
                let Some(cell) = table.cells.get(index) else { continue };
                if entry.line == 0 {
                    entry.line = cell.line;
                }
                match roles.get(column).copied().flatten() {
                    // A cell that covers two columns is read once for each role.
                    Some(role) if !entry.fields.iter().any(|field| field.role == role && seen.contains(&index)) => {
                        let origin = origin_row(table, index).map_or(row, |first| first) + 1;
                        let at = format!("table {}, row {origin}, column {}", table.number, column + 1);
                        let label = heads_row.map_or_else(String::new, |row| one_line(table.text(row, column)));
                        entry.fields.push(Field { role, label, value: cell.text.clone(), at, line: cell.line });
                    }
                    Some(_) => {}
                    None => {
                        rest.push((index, format!("table {}, row {}, column {}", table.number, row + 1, column + 1)))
                    }
                }
                seen.push(index);
            }
            used |= self.emit(&entry, Confidence::Structured);
            for (index, at) in rest {
                if let Some(cell) = table.cells.get(index) {
                    self.leave_if_telling(&at, cell.line, &cell.text, NotUnderstoodReason::NoLabel);
                }
            }
        }
        if used
            && self.title == title
            && let Some(title) = &mut self.title
        {
            title.used = true;
        }
    }

    /// Gives back the cells of a row that name data or somebody, in the columns that are asked for.
    fn leave_cells(&mut self, table: &Table, row: usize, wanted: impl Fn(usize) -> bool) {
        for column in (0..table.width()).filter(|column| wanted(*column)) {
            let Some(cell) = table.cell(row, column) else { continue };
            let at = format!("table {}, row {}, column {}", table.number, row + 1, column + 1);
            self.leave_if_telling(&at, cell.line, &cell.text, NotUnderstoodReason::NoLabel);
        }
    }

    /// Heads that are none that is known and name data or somebody, and heads that say more than what stands below them.
    fn take_heads(&mut self, table: &Table, row: usize) {
        for column in 0..table.width() {
            let Some(cell) = table.cell(row, column) else { continue };
            let at = format!("table {}, row {}, column {}", table.number, row + 1, column + 1);
            if role(&cell.text).is_some() {
                self.take_as_name(&at, cell.line, &cell.text, NotUnderstoodReason::NoLabel);
            } else {
                self.leave_if_telling(&at, cell.line, &cell.text, NotUnderstoodReason::NoLabel);
            }
        }
    }

    /// A row that is one cell: a heading within the table.
    fn section(&mut self, table: &Table, row: usize) {
        let Some(cell) = (0..table.width()).find_map(|column| table.cell(row, column)) else { return };
        let text = cell.text.trim();
        if text.is_empty() {
            return;
        }
        if text.chars().count() <= 40 {
            self.new_title(text, cell.line);
            // "Android端" and "iOS端" as rows say it for the rows below.
            if bare_system_heading(text) {
                self.system = system_in(text);
                self.found.tells_systems = true;
            }
        } else {
            let at = format!("table {}, row {}", table.number, row + 1);
            self.leave_if_telling(&at, cell.line, text, NotUnderstoodReason::Prose);
        }
    }

    /// A table whose heads stand in its first column: one entry for each further column.
    fn sideways(&mut self, table: &Table) -> bool {
        let width = table.width();
        let rows = table.grid.len();
        let roles: Vec<Option<Role>> = (0..rows).map(|row| role(table.text(row, 0))).collect();
        let known: HashSet<Role> = roles.iter().flatten().copied().filter(|role| *role != Role::Aside).collect();
        let filled = (0..rows).filter(|row| !table.text(*row, 0).is_empty()).count();
        let telling = roles.iter().flatten().count();
        if width < 2 || known.len() < 2 || telling * 10 < filled * 6 {
            return false;
        }
        for (row, role) in roles.iter().enumerate() {
            let Some(cell) = table.cell(row, 0) else { continue };
            let at = format!("table {}, row {}, column 1", table.number, row + 1);
            match role {
                Some(_) => self.take_as_name(&at, cell.line, &cell.text, NotUnderstoodReason::NoLabel),
                // Beside nothing, what is no head would be told nowhere below.
                None if (1..width).all(|column| table.cell(row, column).is_none()) => {
                    self.leave_if_telling(&at, cell.line, &cell.text, NotUnderstoodReason::NoLabel);
                }
                None => {}
            }
        }
        for column in 1..width {
            for (row, role) in roles.iter().enumerate() {
                let Some(cell) = table.cell(row, column) else { continue };
                let at = format!("table {}, row {}, column {}", table.number, row + 1, column + 1);
                match role {
                    Some(role) => self.field(*role, table.text(row, 0), &cell.text, &at, cell.line),
                    None if table.cell(row, 0) == Some(cell) => {
                        let (text, line) = (cell.text.clone(), cell.line);
                        self.new_title(&one_line(&text), line);
                    }
                    None => {
                        let text = format!("{} {}", table.text(row, 0), cell.text);
                        self.leave_if_telling(&at, cell.line, &text, NotUnderstoodReason::NoLabel);
                    }
                }
            }
            self.finish();
        }
        true
    }

    /// Tables that only place text on the page are read as lines; of others, every row in which a cell names data or
    /// somebody is given back whole: what stands beside it may be data that nobody knows.
    fn without_heads(&mut self, table: &Table) {
        let has_labels = |text: &str| text.lines().any(|line| !labelled(line).1.is_empty());
        let mut done: HashSet<usize> = HashSet::new();
        for row in 0..table.grid.len() {
            let places = table.grid.get(row).into_iter().flatten().flatten();
            let fresh: Vec<usize> = places.copied().filter(|index| done.insert(*index)).collect();
            let cells: Vec<_> = fresh.iter().filter_map(|index| Some((*index, table.cells.get(*index)?))).collect();
            let mut rest = Vec::new();
            for (index, cell) in cells {
                if !has_labels(&cell.text) {
                    rest.push(cell);
                    continue;
                }
                let column = place_of(table, index).1;
                let at = format!("table {}, row {}, column {}", table.number, row + 1, column + 1);
                for text in cell.text.lines() {
                    let line = Line { text: text.to_owned(), kind: LineKind::Paragraph, bold: false, line: cell.line };
                    self.line(&line, &at, NotUnderstoodReason::NoLabel);
                }
                self.finish();
            }
            let Some(first) = rest.first() else { continue };
            let text: Vec<String> =
                rest.iter().map(|cell| one_line(&cell.text)).filter(|text| !text.is_empty()).collect();
            // One row of long cells only places text beside text.
            let long = rest.iter().any(|cell| cell.text.contains('\n') || cell.text.chars().count() > 60);
            let layout = table.grid.len() < 2 && long;
            let reason = if layout { NotUnderstoodReason::Prose } else { NotUnderstoodReason::NoLabel };
            let at = format!("table {}, row {}", table.number, row + 1);
            self.leave_if_telling(&at, first.line, &text.join(" | "), reason);
        }
    }
}
