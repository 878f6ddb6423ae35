//! What HTML and plain text have in common once their form is read: lines and tables.

/// What a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LineKind {
    /// A heading.
    Heading,
    /// An entry of a list, with how deep it is nested, from 1.
    Item(u8),
    /// The term of a definition list.
    Term,
    /// Anything else.
    Paragraph,
}

/// A line of running text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) text: String,
    pub(super) kind: LineKind,
    /// All of it is set in bold type.
    pub(super) bold: bool,
    /// Line of the source, from 1.
    pub(super) line: u32,
}

/// A cell of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cell {
    pub(super) text: String,
    pub(super) line: u32,
    pub(super) columns: usize,
    pub(super) rows: usize,
}

/// A table. Cells that cover several places are there once and pointed at from each place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Table {
    /// Number of the table in the document, from 1.
    pub(super) number: usize,
    pub(super) line: u32,
    pub(super) cells: Vec<Cell>,
    /// For each cell, the first row and column that it is at.
    pub(super) origins: Vec<(usize, usize)>,
    /// For each row and column, the cell.
    pub(super) grid: Vec<Vec<Option<usize>>>,
}

/// A row has at most so many places. A page may claim any number.
const WIDEST: usize = 64;
/// A cell reaches over at most so many rows.
const TALLEST: usize = 5_000;

impl Table {
    /// Lays out rows of cells, each cell with the places it claims.
    pub(super) fn lay_out(number: usize, line: u32, rows: Vec<Vec<Cell>>) -> Self {
        let mut table =
            Self { number, line, cells: Vec::new(), origins: Vec::new(), grid: vec![Vec::new(); rows.len()] };
        for (row, cells) in rows.into_iter().enumerate() {
            let mut column = 0;
            for cell in cells {
                let taken = |table: &Self, column: usize| {
                    table.grid.get(row).and_then(|places| places.get(column)).is_some_and(Option::is_some)
                };
                while taken(&table, column) {
                    column += 1;
                }
                let (width, height) = (cell.columns.clamp(1, WIDEST), cell.rows.clamp(1, TALLEST));
                let index = table.cells.len();
                table.cells.push(cell);
                table.origins.push((row, column));
                for places in table.grid.iter_mut().skip(row).take(height) {
                    let end = column.saturating_add(width).min(WIDEST);
                    if places.len() < end {
                        places.resize(end, None);
                    }
                    places
                        .iter_mut()
                        .take(end)
                        .skip(column)
                        .filter(|place| place.is_none())
                        .for_each(|place| *place = Some(index));
                }
                column += width;
            }
        }
        table
    }

    /// The cell of a place.
    pub(super) fn cell(&self, row: usize, column: usize) -> Option<&Cell> {
        self.cells.get((*self.grid.get(row)?.get(column)?)?)
    }

    /// Cells that stand further to the right than a row is read.
    pub(super) fn without_place(&self) -> impl Iterator<Item = &Cell> {
        self.cells.iter().zip(&self.origins).filter(|(_, origin)| origin.1 >= WIDEST).map(|(cell, _)| cell)
    }

    /// The text of a place, trimmed; empty where there is none.
    pub(super) fn text(&self, row: usize, column: usize) -> &str {
        self.cell(row, column).map_or("", |cell| cell.text.trim())
    }

    /// How many columns the widest row has.
    pub(super) fn width(&self) -> usize {
        self.grid.iter().map(Vec::len).max().unwrap_or_default()
    }
}

/// A part of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Block {
    /// A line of text.
    Line(Line),
    /// A table.
    Table(Table),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_too_far_to_the_right_has_no_place_and_is_told() {
        let cell = |text: &str, columns| Cell { text: text.to_owned(), line: 1, columns, rows: 1 };
        let table = Table::lay_out(1, 1, vec![vec![cell("near", 60), cell("last", 9), cell("far", 1)]]);
        assert_eq!((table.width(), table.text(0, 63)), (WIDEST, "last"));
        assert_eq!(table.without_place().map(|cell| cell.text.as_str()).collect::<Vec<_>>(), ["far"]);
    }
}
