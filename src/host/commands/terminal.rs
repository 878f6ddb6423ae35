//! What commands print: results to stdout, everything else to stderr, colours only where they are wanted.

use std::io::{self, IsTerminal as _, Write};

use anstream::{AutoStream, ColorChoice};
use anstyle::{AnsiColor, Style};
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use super::{CommandError, Exit};

/// For headings and names.
pub(super) const STRONG: Style = Style::new().bold();
/// For what is less important.
pub(super) const FAINT: Style = Style::new().dimmed();
/// For what went well.
pub(super) const GOOD: Style = AnsiColor::Green.on_default();
/// For what needs a look.
pub(super) const WARN: Style = AnsiColor::Yellow.on_default();
/// For what went wrong.
pub(super) const BAD: Style = AnsiColor::Red.on_default();

/// Standard output, buffered; colours are stripped where they are not wanted (`NO_COLOR`, a pipe).
pub(super) fn stdout() -> Box<dyn Write> {
    let stdout = io::stdout();
    let colours = AutoStream::choice(&stdout) != ColorChoice::Never;
    let buffered: Box<dyn Write> = Box::new(io::BufWriter::with_capacity(64 * 1024, stdout));
    if colours { buffered } else { Box::new(anstream::StripStream::new(buffered)) }
}

/// Says something on standard error. Failing to say it is no reason to fail.
pub(super) fn say(message: impl AsRef<str>) {
    let _ = writeln!(anstream::stderr(), "{}", message.as_ref());
}

/// The width of the terminal that standard output is, or nothing.
pub(super) fn stdout_width() -> Option<usize> {
    if !io::stdout().is_terminal() {
        return None;
    }
    terminal_size::terminal_size().map(|(terminal_size::Width(columns), _height)| usize::from(columns))
}

/// A failure to write a result. That the reader of a pipe has left is not one: see [`super::main`].
pub(super) fn output_error(error: io::Error) -> CommandError {
    if error.kind() == io::ErrorKind::BrokenPipe {
        return CommandError::new(Exit::Ok, "");
    }
    CommandError::new(Exit::InputOutput, format!("writing the output failed: {error}"))
}

/// A text in a style.
pub(super) fn styled(style: Style, text: &str) -> String {
    format!("{style}{text}{style:#}")
}

/// `text` without characters that a terminal would obey: names and paths are chosen by the traced app.
pub(super) fn harmless(text: &str) -> String {
    text.chars()
        .map(|character| if character.is_control() || is_reordering(character) { '\u{fffd}' } else { character })
        .collect()
}

/// Characters that make a text look like another one by changing its direction.
fn is_reordering(character: char) -> bool {
    matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// `text` cut to `width` columns, with an ellipsis where something was cut.
pub(super) fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut taken = String::new();
    let mut columns = 0;
    for character in text.chars() {
        columns += character.width().unwrap_or(0);
        if columns >= width {
            break;
        }
        taken.push(character);
    }
    taken.push('\u{2026}');
    taken
}

/// `text` filled up with blanks to `width` columns.
pub(super) fn padded(text: &str, width: usize) -> String {
    format!("{text}{}", " ".repeat(width.saturating_sub(text.width())))
}

/// A table with aligned columns. A cell is a text and its style.
#[derive(Debug, Default)]
pub(super) struct Table {
    rows: Vec<Vec<(String, Style)>>,
}

impl Table {
    /// A table with these headings.
    pub(super) fn new(headings: &[&str]) -> Self {
        let mut table = Self::default();
        table.row(headings.iter().map(|heading| ((*heading).to_owned(), STRONG)));
        table
    }

    /// Adds a row.
    pub(super) fn row(&mut self, cells: impl IntoIterator<Item = (String, Style)>) {
        self.rows.push(cells.into_iter().map(|(text, style)| (harmless(&text), style)).collect());
    }

    /// Prints it; lines are cut to `width` columns, when there is one.
    pub(super) fn print(&self, out: &mut dyn Write, width: Option<usize>) -> io::Result<()> {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let widths: Vec<usize> = (0..columns)
            .map(|column| self.rows.iter().filter_map(|row| row.get(column)).map(|(text, _)| text.width()).max())
            .map(Option::unwrap_or_default)
            .collect();
        for row in &self.rows {
            let mut left = width.unwrap_or(usize::MAX);
            for (number, ((text, style), column_width)) in row.iter().zip(&widths).enumerate() {
                let last = number + 1 == row.len();
                let cell = cut(text, left);
                left = left.saturating_sub(column_width + 2);
                let cell = if last { cell } else { padded(&cell, column_width + 2) };
                write!(out, "{style}{}{style:#}", if last { cell.trim_end() } else { &cell })?;
                if left == 0 {
                    break;
                }
            }
            writeln!(out)?;
        }
        Ok(())
    }
}

/// A count with its digits in groups of three, such as `12 345`.
pub(super) fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push('\u{a0}');
        }
        text.push(digit);
    }
    text
}

/// `count` and the noun, in the plural unless it is one.
pub(super) fn counted(count: u64, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{} {noun}s", grouped(count)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_cut() {
        let mut table = Table::new(&["NAME", "WHAT"]);
        table.row([("\u{4e2d}\u{56fd}".to_owned(), Style::new()), ("wide".to_owned(), Style::new())]);
        table.row([("a\u{1b}[31m".to_owned(), Style::new()), ("x".to_owned(), Style::new())]);
        let mut out = Vec::new();
        table.print(&mut anstream::StripStream::new(&mut out), None).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text, "NAME    WHAT\n\u{4e2d}\u{56fd}    wide\na\u{fffd}[31m  x\n");
        assert_eq!(cut("abcdef", 4), "abc\u{2026}");
        assert_eq!(cut("abcd", 4), "abcd");
    }

    #[test]
    fn numbers_are_grouped() {
        assert_eq!(grouped(1_234_567), "1\u{a0}234\u{a0}567");
        assert_eq!(counted(1, "event"), "1 event");
        assert_eq!(counted(1200, "event"), "1\u{a0}200 events");
    }
}
