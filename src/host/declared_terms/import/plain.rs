//! Plain text and Markdown to lines and tables.

use super::blocks::{Block, Cell, Line, LineKind, Table};
use super::labels::{labelled, role};

/// Reads a text. Rows of cells between bars or tabs become tables; `#`, `-` and `**` of Markdown are understood.
pub(super) fn read(text: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut rows: Vec<Vec<Cell>> = Vec::new();
    let mut number = 0;
    // How many bars the last row of heads had: headings may stand between it and its rows.
    let mut bars_of_heads = 0;
    for (index, source) in text.lines().enumerate() {
        let line = u32::try_from(index + 1).unwrap_or(u32::MAX);
        let bars = source.matches(['|', '｜']).count();
        let row = if bars > 0 && (bars == bars_of_heads || is_heads(source)) {
            bars_of_heads = bars;
            Some(between_bars(source.trim()))
        } else {
            cells(source, !rows.is_empty())
        };
        if let Some(cells) = row {
            if !is_ruler(&cells) {
                let cell = |text: String| Cell { text, line, columns: 1, rows: 1 };
                rows.push(cells.into_iter().map(cell).collect());
            }
            continue;
        }
        end_table(&mut rows, &mut number, &mut blocks);
        if let Some(entry) = read_line(source, line) {
            blocks.push(Block::Line(entry));
        }
    }
    end_table(&mut rows, &mut number, &mut blocks);
    blocks
}

fn end_table(rows: &mut Vec<Vec<Cell>>, number: &mut usize, blocks: &mut Vec<Block>) {
    let rows = std::mem::take(rows);
    let Some(line) = rows.first().and_then(|row| row.first()).map(|cell| cell.line) else { return };
    *number += 1;
    blocks.push(Block::Table(Table::lay_out(*number, line, rows)));
}

/// The cells of a line that is a row: at least two, between bars or tabs.
fn cells(source: &str, in_table: bool) -> Option<Vec<String>> {
    let trimmed = source.trim();
    let bars = trimmed.matches(['|', '｜']).count();
    let fenced = trimmed.starts_with(['|', '｜']);
    // Bars between the names of a list behind a label are no columns.
    if bars >= 2 && (fenced || ((in_table || bars >= 3) && labelled(trimmed).1.is_empty())) {
        return Some(between_bars(trimmed));
    }
    // A tab that indents is none between cells.
    let body = source.trim_start_matches([' ', '\t']);
    if body.matches('\t').count() >= if in_table { 1 } else { 2 } && source.starts_with(body) {
        return Some(body.split('\t').map(cell_text).collect());
    }
    None
}

fn between_bars(row: &str) -> Vec<String> {
    let inner = row.strip_prefix(['|', '｜']).unwrap_or(row);
    let inner = inner.strip_suffix(['|', '｜']).unwrap_or(inner);
    inner.split(['|', '｜']).map(cell_text).collect()
}

fn cell_text(cell: &str) -> String {
    unmarked(&cell.replace("<br>", "\n").replace("<br/>", "\n"))
}

/// Whether a line is heads between bars, and nothing else.
fn is_heads(source: &str) -> bool {
    let cells = between_bars(source.trim());
    cells.len() >= 2 && cells.iter().all(|cell| role(cell).is_some())
}

/// The line below the heads of a Markdown table.
fn is_ruler(cells: &[String]) -> bool {
    let rule =
        |cell: &String| !cell.is_empty() && cell.chars().all(|character| matches!(character, '-' | ':' | ' ' | '='));
    cells.iter().all(rule)
}

/// A text without the marks of bold type and of links.
fn unmarked(text: &str) -> String {
    let text = text.replace("**", "").replace("__", "");
    let mut out = String::new();
    let mut rest = text.as_str();
    while let Some(start) = rest.find("](") {
        let (before, after) = rest.split_at(start);
        let Some(end) = after.find(')') else { break };
        match before.rfind('[') {
            Some(open) => {
                out.push_str(before.get(..open).unwrap_or_default());
                out.push_str(before.get(open + 1..).unwrap_or_default());
            }
            None => out.push_str(before),
        }
        rest = after.get(end + 1..).unwrap_or_default();
    }
    out.push_str(rest);
    out.trim().to_owned()
}

fn read_line(source: &str, line: u32) -> Option<Line> {
    let indent = source.chars().take_while(|character| character.is_whitespace()).count();
    let text = source.trim();
    let whole_bold = text.len() > 4 && text.starts_with("**") && text.ends_with("**");
    let (kind, text) = if text.starts_with('#') {
        (LineKind::Heading, text.trim_start_matches('#'))
    } else if let Some(rest) =
        ["- ", "* ", "+ ", "• ", "·", "●", "■", "◆"].iter().find_map(|mark| text.strip_prefix(mark))
    {
        (LineKind::Item(u8::try_from(1 + indent / 2).unwrap_or(u8::MAX)), rest)
    } else {
        (LineKind::Paragraph, text)
    };
    let text = unmarked(text);
    let rule = text.chars().all(|character| matches!(character, '-' | '=' | '*' | '_' | '~'));
    if text.is_empty() || rule {
        return None;
    }
    Some(Line { text, kind, bold: whole_bold, line })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_and_tabs_make_tables() {
        for text in ["|a|b|\n|---|---|\n|1|2|\n\nend", "a\tb\tc\n1\t2\t3\nend"] {
            let blocks = read(text);
            assert_eq!(blocks.len(), 2, "{blocks:?}");
            let Some(Block::Table(table)) = blocks.first() else { panic!("{blocks:?}") };
            assert_eq!((table.text(0, 0), table.text(1, 1)), ("a", "2"));
            assert_eq!(table.cell(1, 0).unwrap().line, if text.starts_with('|') { 3 } else { 2 });
        }
    }

    #[test]
    fn heads_between_bars_make_rows_of_what_has_as_many_bars() {
        let blocks = read("信息名称｜使用目的\n一、账号\n手机号｜登录\n");
        let tables = blocks.iter().filter(|block| matches!(block, Block::Table(_))).count();
        assert_eq!((tables, blocks.len()), (2, 3), "{blocks:?}");
    }

    #[test]
    fn marks_are_taken_off() {
        let blocks = read("## 清单\n\n**甲SDK**\n- 目的：[登录](https://a.example/)\n---\n");
        let lines: Vec<(&str, LineKind, bool)> = blocks
            .iter()
            .filter_map(|block| match block {
                Block::Line(line) => Some((line.text.as_str(), line.kind, line.bold)),
                Block::Table(_) => None,
            })
            .collect();
        assert_eq!(
            lines,
            [
                ("清单", LineKind::Heading, false),
                ("甲SDK", LineKind::Paragraph, true),
                ("目的：登录", LineKind::Item(1), false)
            ]
        );
    }
}
