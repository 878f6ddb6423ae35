//! TOML files with positions: every problem is found in one pass, each with its file, line, column and a way out.
//!
//! * **In:** the text of a file. **Out:** values that know where they stand, and [`Diagnostic`]s.
//! * **May import:** nothing of ours.
//! * **Test it:** `cargo test host::toml_source`.
//!
//! Serde's derive was rejected for these files: it stops at the first problem, and it cannot say where a value stood
//! once it has been read, which provenance of a declared statement needs.

use std::fmt;
use std::ops::Range;
use std::path::Path;

use serde::Serialize;
use toml::Spanned;
use toml::de::{DeTable, DeValue};
use unicode_width::UnicodeWidthStr;

/// A text file and the name to call it by.
#[derive(Debug, Clone)]
pub struct SourceFile {
    /// The name used in messages, as the user gave it.
    pub name: String,
    /// Its content.
    pub text: String,
}

impl SourceFile {
    /// Reads a file.
    ///
    /// # Errors
    ///
    /// When it cannot be read, or is not UTF-8.
    pub fn read(path: &Path) -> std::io::Result<Self> {
        let text = String::from_utf8(std::fs::read(path)?).map_err(|error| {
            let before = error.as_bytes().get(..error.utf8_error().valid_up_to()).unwrap_or_default();
            let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
            let message = format!("line {line} is not UTF-8: save the file as text in UTF-8");
            std::io::Error::new(std::io::ErrorKind::InvalidData, message)
        })?;
        Ok(Self { name: path.display().to_string(), text })
    }

    /// A text that is already in memory.
    #[must_use]
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Self {
        Self { name: name.into(), text: text.into() }
    }

    /// Line number (from 1), column (from 1, in characters) and the line itself, of a byte offset.
    fn locate(&self, offset: usize) -> (u32, u32, &str) {
        let mut offset = offset.min(self.text.len());
        while !self.text.is_char_boundary(offset) {
            offset -= 1;
        }
        let (before, after) = self.text.split_at(offset);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let line_end = after.find('\n').map_or(self.text.len(), |newline| offset + newline);
        let line = self.text.get(line_start..line_end).unwrap_or_default().trim_end_matches('\r');
        let column = before.get(line_start..).unwrap_or_default().chars().count() + 1;
        let number = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
        (u32::try_from(number).unwrap_or(u32::MAX), u32::try_from(column).unwrap_or(u32::MAX), line)
    }

    /// The line number (from 1) of a byte offset.
    #[must_use]
    pub fn line_of(&self, offset: usize) -> u32 {
        self.locate(offset).0
    }
}

/// How bad a problem is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// The file cannot be used.
    Error,
    /// The file can be used; something in it is probably not what was meant.
    Warning,
}

/// One problem in a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// The file, as the user named it.
    pub file: String,
    /// Line, from 1.
    pub line: u32,
    /// Column, from 1, in characters.
    pub column: u32,
    /// What is wrong.
    pub message: String,
    /// The way out, when one is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
    /// The offending line.
    pub source_line: String,
    /// How many characters of the line are meant, at least 1.
    pub length: u32,
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        let number = self.line.to_string();
        let margin = " ".repeat(number.len());
        // Tabs would put the caret in the wrong place: how wide they are is the terminal's decision.
        let shown = self.source_line.replace('\t', "    ");
        let before: String = self.source_line.chars().take(self.column.saturating_sub(1) as usize).collect();
        let marked: String =
            self.source_line.chars().skip(self.column.saturating_sub(1) as usize).take(self.length as usize).collect();
        let indent = " ".repeat(before.replace('\t', "    ").width());
        let caret = "^".repeat(marked.replace('\t', "    ").width().max(1));
        writeln!(formatter, "{severity}: {}", self.message)?;
        writeln!(formatter, "{margin}--> {}:{}:{}", self.file, self.line, self.column)?;
        writeln!(formatter, "{margin} |")?;
        writeln!(formatter, "{number} | {shown}")?;
        write!(formatter, "{margin} | {indent}{caret}")?;
        if let Some(help) = &self.help {
            write!(formatter, "\n{margin} = help: {help}")?;
        }
        Ok(())
    }
}

/// The problems of one or several files, in the order of the files and lines.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Diagnostics {
    /// The problems.
    pub entries: Vec<Diagnostic>,
}

impl Diagnostics {
    /// Whether any problem makes the file unusable.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.count(Severity::Error) > 0
    }

    /// How many problems have this severity.
    #[must_use]
    pub fn count(&self, severity: Severity) -> usize {
        self.entries.iter().filter(|entry| entry.severity == severity).count()
    }

    /// Adds an error about a stretch of the file.
    pub fn error(
        &mut self,
        source: &SourceFile,
        span: &Range<usize>,
        message: impl Into<String>,
        help: Option<String>,
    ) {
        self.push(Severity::Error, source, span, message.into(), help);
    }

    /// Adds a warning about a stretch of the file.
    pub fn warning(
        &mut self,
        source: &SourceFile,
        span: &Range<usize>,
        message: impl Into<String>,
        help: Option<String>,
    ) {
        self.push(Severity::Warning, source, span, message.into(), help);
    }

    fn push(
        &mut self,
        severity: Severity,
        source: &SourceFile,
        span: &Range<usize>,
        message: String,
        help: Option<String>,
    ) {
        let (line, column, text) = source.locate(span.start);
        let meant = source.text.get(span.clone()).unwrap_or_default().lines().next().unwrap_or_default();
        let length = u32::try_from(meant.chars().count()).unwrap_or(u32::MAX).max(1);
        let entry = Diagnostic {
            severity,
            file: source.name.clone(),
            line,
            column,
            message,
            help,
            source_line: text.to_owned(),
            length,
        };
        if !self.entries.contains(&entry) {
            self.entries.push(entry);
        }
    }

    /// Puts the problems into the order of the lines. The sort is stable, so files keep their order.
    pub fn sort(&mut self) {
        self.entries.sort_by(|left, right| {
            (&left.file, left.line, left.column, left.severity).cmp(&(
                &right.file,
                right.line,
                right.column,
                right.severity,
            ))
        });
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, entry) in self.entries.iter().enumerate() {
            if index > 0 {
                formatter.write_str("\n\n")?;
            }
            entry.fmt(formatter)?;
        }
        Ok(())
    }
}

impl std::error::Error for Diagnostics {}

/// A value and where it stands: byte offsets into the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Located<T> {
    /// The value.
    pub value: T,
    /// The stretch of the file it was read from.
    pub span: Range<usize>,
}

/// The known name that is nearest to a mistyped one, as a help sentence.
#[must_use]
pub fn suggest<'a>(given: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let given = given.to_lowercase();
    // A Jaro-Winkler likeness of 0.8 takes slips and swapped letters and leaves out different words.
    known
        .into_iter()
        .map(|name| (strsim::jaro_winkler(&given, &name.to_lowercase()), name))
        .filter(|(likeness, _)| *likeness >= 0.8)
        .max_by(|left, right| left.0.total_cmp(&right.0).then_with(|| right.1.cmp(left.1)))
        .map(|(_, name)| format!("did you mean \"{name}\"?"))
}

/// Parses a document; syntax errors go to `problems`, and what could be understood is given all the same.
pub fn parse<'a>(source: &'a SourceFile, problems: &mut Diagnostics) -> Spanned<DeTable<'a>> {
    let (document, errors) = DeTable::parse_recoverable(&source.text);
    for error in errors {
        problems.error(source, &error.span().unwrap_or(0..0), format!("not valid TOML: {}", error.message()), None);
    }
    document
}

/// Reads files that hold one list of tables each, `[[key]]`: every entry goes to `read`, any other key is called unknown.
pub fn each_entry(
    sources: &[SourceFile],
    key: &'static str,
    title: &'static str,
    problems: &mut Diagnostics,
    mut read: impl FnMut(&SourceFile, TableReader<'_>, &mut Diagnostics),
) {
    for source in sources {
        let document = parse(source, problems);
        let mut file = TableReader::new(source, document.get_ref(), 0..0, "the file");
        for entry in file.tables(key, title, problems) {
            read(source, entry, problems);
        }
        file.finish(problems);
    }
}

/// Reads the keys of one table and remembers which it was asked for, so that the others can be called unknown.
pub struct TableReader<'a> {
    source: &'a SourceFile,
    table: &'a DeTable<'a>,
    span: Range<usize>,
    /// How messages call the table, such as `[[collect]]`.
    title: &'static str,
    known: Vec<&'static str>,
}

impl<'a> TableReader<'a> {
    /// A reader of this table.
    #[must_use]
    pub fn new(source: &'a SourceFile, table: &'a DeTable<'a>, span: Range<usize>, title: &'static str) -> Self {
        Self { source, table, span, title, known: Vec::new() }
    }

    /// Where the table stands.
    #[must_use]
    pub fn span(&self) -> Range<usize> {
        self.span.clone()
    }

    /// Where a key of the table stands, or the table when it does not have the key.
    #[must_use]
    pub fn key_span(&self, key: &str) -> Range<usize> {
        self.table.get_key_value(key).map_or_else(|| self.span.clone(), |(key, _)| key.span())
    }

    /// Whether the table has the key.
    #[must_use]
    pub fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    fn get(&mut self, key: &'static str) -> Option<&'a Spanned<DeValue<'a>>> {
        self.known.push(key);
        self.table.get(key)
    }

    fn wrong_type(&self, key: &str, wanted: &str, value: &Spanned<DeValue<'_>>, problems: &mut Diagnostics) {
        let got = match value.get_ref() {
            DeValue::String(_) => "a string",
            DeValue::Integer(_) => "an integer",
            DeValue::Float(_) => "a float",
            DeValue::Boolean(_) => "a boolean",
            DeValue::Datetime(_) => "a date",
            DeValue::Array(_) => "an array",
            DeValue::Table(_) => "a table",
        };
        let help = match (wanted, value.get_ref()) {
            ("an array of strings", DeValue::String(text)) => Some(format!("write {key} = [\"{text}\"]")),
            ("true or false", DeValue::String(text)) if matches!(text.as_ref(), "true" | "false") => {
                Some(format!("write {key} = {text}, without quotes"))
            }
            ("a whole number", DeValue::String(text)) if text.parse::<u32>().is_ok() => {
                Some(format!("write {key} = {text}, without quotes"))
            }
            _ => None,
        };
        problems.error(self.source, &value.span(), format!("\"{key}\" must be {wanted}, and is {got}"), help);
    }

    /// An optional string; an empty one is an error.
    pub fn string(&mut self, key: &'static str, problems: &mut Diagnostics) -> Option<Located<String>> {
        let value = self.get(key)?;
        match value.get_ref() {
            DeValue::String(text) if text.trim().is_empty() => {
                problems.error(self.source, &value.span(), format!("\"{key}\" is empty"), None);
                None
            }
            DeValue::String(text) => Some(Located { value: text.to_string(), span: value.span() }),
            _ => {
                self.wrong_type(key, "a string", value, problems);
                None
            }
        }
    }

    /// A string that must be there.
    pub fn required_string(&mut self, key: &'static str, problems: &mut Diagnostics) -> Option<Located<String>> {
        self.require(key, problems);
        self.string(key, problems)
    }

    fn require(&self, key: &str, problems: &mut Diagnostics) {
        if !self.table.contains_key(key) {
            // A mistyped key is reported once, as unknown, with the right spelling.
            let mistyped = self.table.keys().any(|given| strsim::jaro_winkler(given.get_ref(), key) >= 0.9);
            if !mistyped {
                problems.error(self.source, &self.span, format!("{} needs \"{key}\"", self.title), None);
            }
        }
    }

    /// An optional list of strings. Repeated entries and empty ones are errors.
    pub fn strings(&mut self, key: &'static str, problems: &mut Diagnostics) -> Vec<Located<String>> {
        let Some(value) = self.get(key) else { return Vec::new() };
        let DeValue::Array(array) = value.get_ref() else {
            self.wrong_type(key, "an array of strings", value, problems);
            return Vec::new();
        };
        let mut entries: Vec<Located<String>> = Vec::new();
        for entry in array.iter() {
            match entry.get_ref() {
                DeValue::String(text) if text.trim().is_empty() => {
                    problems.error(self.source, &entry.span(), format!("an entry of \"{key}\" is empty"), None);
                }
                DeValue::String(text) if entries.iter().any(|earlier| earlier.value == text.as_ref()) => {
                    problems.error(
                        self.source,
                        &entry.span(),
                        format!("\"{text}\" is listed twice in \"{key}\""),
                        None,
                    );
                }
                DeValue::String(text) => entries.push(Located { value: text.to_string(), span: entry.span() }),
                _ => self.wrong_type(key, "an array of strings", entry, problems),
            }
        }
        entries
    }

    /// A list of strings that must be there and not be empty.
    pub fn required_strings(&mut self, key: &'static str, problems: &mut Diagnostics) -> Vec<Located<String>> {
        self.require(key, problems);
        if let Some(value) = self.table.get(key)
            && let DeValue::Array(array) = value.get_ref()
            && array.is_empty()
        {
            problems.error(self.source, &value.span(), format!("\"{key}\" is empty"), None);
        }
        self.strings(key, problems)
    }

    /// An optional boolean.
    pub fn boolean(&mut self, key: &'static str, problems: &mut Diagnostics) -> Option<bool> {
        let value = self.get(key)?;
        if let DeValue::Boolean(boolean) = value.get_ref() {
            return Some(*boolean);
        }
        self.wrong_type(key, "true or false", value, problems);
        None
    }

    /// An optional whole number from 1.
    pub fn positive(&mut self, key: &'static str, problems: &mut Diagnostics) -> Option<u32> {
        let value = self.get(key)?;
        let DeValue::Integer(integer) = value.get_ref() else {
            self.wrong_type(key, "a whole number", value, problems);
            return None;
        };
        match u32::from_str_radix(integer.as_str(), integer.radix()) {
            Ok(number) if number > 0 => Some(number),
            _ => {
                problems.error(
                    self.source,
                    &value.span(),
                    format!("\"{key}\" must be a whole number from 1 to {}", u32::MAX),
                    None,
                );
                None
            }
        }
    }

    /// An optional whole number from 0, of 63 bits.
    pub fn whole(&mut self, key: &'static str, problems: &mut Diagnostics) -> Option<u64> {
        let value = self.get(key)?;
        let DeValue::Integer(integer) = value.get_ref() else {
            self.wrong_type(key, "a whole number", value, problems);
            return None;
        };
        let number =
            i64::from_str_radix(integer.as_str(), integer.radix()).ok().and_then(|number| number.try_into().ok());
        if number.is_none() {
            let message = format!("\"{key}\" must be a whole number from 0 to {}", i64::MAX);
            problems.error(self.source, &value.span(), message, None);
        }
        number
    }

    /// An optional sub-table.
    pub fn table(
        &mut self,
        key: &'static str,
        title: &'static str,
        problems: &mut Diagnostics,
    ) -> Option<TableReader<'a>> {
        let value = self.get(key)?;
        if let DeValue::Table(table) = value.get_ref() {
            return Some(TableReader::new(self.source, table, value.span(), title));
        }
        self.wrong_type(key, &format!("a table: write [{key}]"), value, problems);
        None
    }

    /// An optional list of tables.
    pub fn tables(
        &mut self,
        key: &'static str,
        title: &'static str,
        problems: &mut Diagnostics,
    ) -> Vec<TableReader<'a>> {
        let Some(value) = self.get(key) else { return Vec::new() };
        let DeValue::Array(array) = value.get_ref() else {
            self.wrong_type(key, &format!("a list of tables: write [[{key}]]"), value, problems);
            return Vec::new();
        };
        let mut readers = Vec::new();
        for entry in array.iter() {
            match entry.get_ref() {
                DeValue::Table(table) => readers.push(TableReader::new(self.source, table, entry.span(), title)),
                _ => self.wrong_type(key, &format!("a list of tables: write [[{key}]]"), entry, problems),
            }
        }
        readers
    }

    /// Calls every key that was not asked for unknown.
    pub fn finish(self, problems: &mut Diagnostics) {
        for key in self.table.keys() {
            if !self.known.iter().any(|known| *known == key.get_ref().as_ref()) {
                let help = suggest(key.get_ref(), self.known.iter().copied())
                    .or_else(|| Some(format!("{} knows: {}", self.title, self.known.join(", "))));
                problems.error(
                    self.source,
                    &key.span(),
                    format!("unknown key \"{}\" in {}", key.get_ref(), self.title),
                    help,
                );
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_diagnostic_points_at_the_characters_meant() {
        let source = SourceFile::new("terms.toml", "[app]\nname = \"手机\"\n\tcolour = 1\n");
        let mut problems = Diagnostics::default();
        let start = source.text.find("colour").unwrap();
        problems.error(&source, &(start..start + 6), "unknown key", Some("no colours here".to_owned()));
        assert_eq!(
            problems.to_string(),
            "error: unknown key\n --> terms.toml:3:2\n  |\n3 |     colour = 1\n  |     ^^^^^^\n  = help: no colours here"
        );
    }

    #[test]
    fn every_problem_is_found_in_one_pass() {
        let source = SourceFile::new("x.toml", "a = 1\nb = [\"one\", \"one\", 2]\nsone = true\nbroken = = 3\n");
        let mut problems = Diagnostics::default();
        let document = parse(&source, &mut problems);
        let mut reader = TableReader::new(&source, document.get_ref(), 0..0, "the file");
        assert_eq!(reader.string("a", &mut problems), None);
        assert_eq!(reader.strings("b", &mut problems).len(), 1);
        assert_eq!(reader.boolean("some", &mut problems), None);
        reader.finish(&mut problems);
        problems.sort();
        let lines: Vec<u32> = problems.entries.iter().map(|entry| entry.line).collect();
        assert!(lines.starts_with(&[1, 2, 2, 3, 4]), "{problems}");
        assert_eq!(problems.entries[3].help.as_deref(), Some("did you mean \"some\"?"));
    }

    #[test]
    fn suggestions_take_slips_and_leave_other_words_alone() {
        assert_eq!(suggest("id.mca", ["id.mac", "contacts"]).as_deref(), Some("did you mean \"id.mac\"?"));
        assert_eq!(suggest("weather", ["id.mac", "contacts"]), None);
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(text in ".{0,200}") {
            let source = SourceFile::new("x", text);
            let mut problems = Diagnostics::default();
            let document = parse(&source, &mut problems);
            let mut reader = TableReader::new(&source, document.get_ref(), 0..0, "the file");
            let _ = reader.strings("a", &mut problems);
            let _ = reader.tables("b", "[[b]]", &mut problems);
            reader.finish(&mut problems);
            let _ = problems.to_string();
        }
    }
}
