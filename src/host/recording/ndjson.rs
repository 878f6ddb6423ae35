//! Recordings as text: one JSON object a line, each a [`StreamEntry`] in its serialised form.
//!
//! ```text
//! {"header": {"session_id": "by-hand", "started": {"boot_ns": 0, "wall_ns": 0}, ...}}
//! {"event": {"time_ns": 5, "process": {...}, "body": {"file_open": {...}}, ...}}
//! {"end": {"reason": "input_ended", ...}}
//! ```
//!
//! What an import does besides converting: events without a number get the next one; every event is marked as imported,
//! because a text can have been edited; and without an `end` line the recording stays truncated, unless the caller says
//! that it is complete.

use std::io::{self, BufRead, Read as _, Write};
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::event::{Fidelity, FidelityReason, SessionEnd, SessionEndReason, SessionHeader, StreamEntry, Totals};

/// The longest line that is read, in bytes.
const LONGEST_LINE: usize = 16 * 1024 * 1024;

/// Writes one entry as a line.
///
/// # Errors
///
/// When the output fails.
pub fn write_line(out: &mut dyn Write, entry: &StreamEntry) -> io::Result<()> {
    serde_json::to_writer(&mut *out, entry)?;
    out.write_all(b"\n")
}

/// Why a text is not a recording: where, and the way out.
#[derive(Debug, Error)]
#[error("{}:{line}:{column}: {}{message}{}", path.display(), in_field(field), suggested(suggestion))]
pub struct ImportError {
    /// The file.
    pub path: PathBuf,
    /// The line, from 1.
    pub line: u64,
    /// The column in bytes, from 1.
    pub column: usize,
    /// The field, as names joined by dots; empty when no field is concerned.
    pub field: String,
    /// What is wrong.
    pub message: String,
    /// What was probably meant.
    pub suggestion: Option<String>,
}

fn in_field(field: &str) -> String {
    if field.is_empty() { String::new() } else { format!("in `{field}`: ") }
}

fn suggested(suggestion: &Option<String>) -> String {
    suggestion.as_ref().map_or_else(String::new, |name| format!("; did you mean `{name}`?"))
}

/// Reads entries from text. The entries are a well-formed stream: a header first, rising numbers, nothing after the end.
#[derive(Debug)]
pub struct NdjsonReader<R> {
    input: R,
    path: PathBuf,
    add_end: bool,
    line: u64,
    highest_sequence: u64,
    header: Option<Box<SessionHeader>>,
    last_time_ns: u64,
    ended: bool,
    failed: bool,
}

impl<R: BufRead> NdjsonReader<R> {
    /// Reads from `input`; `path` is for messages. With `complete`, a missing end is added: the caller says that nothing
    /// is missing.
    pub fn new(input: R, path: &Path, complete: bool) -> Self {
        Self {
            input,
            path: path.to_owned(),
            add_end: complete,
            line: 0,
            highest_sequence: 0,
            header: None,
            last_time_ns: 0,
            ended: false,
            failed: false,
        }
    }

    fn error(&self, column: usize, field: &str, message: impl Into<String>) -> ImportError {
        ImportError {
            path: self.path.clone(),
            line: self.line.max(1),
            column,
            field: field.to_owned(),
            message: message.into(),
            suggestion: None,
        }
    }

    /// The next line that is not blank, or nothing at the end of the text.
    fn read_line(&mut self, line: &mut Vec<u8>) -> Result<bool, ImportError> {
        loop {
            line.clear();
            self.line += 1;
            let limit = LONGEST_LINE as u64 + 1;
            let read = self.input.by_ref().take(limit).read_until(b'\n', line);
            let length = read.map_err(|error| self.error(1, "", format!("reading failed: {error}")))?;
            if length > LONGEST_LINE {
                return Err(self.error(LONGEST_LINE, "", "the line is longer than 16 MiB"));
            }
            if self.line == 1 && line.starts_with(b"\xef\xbb\xbf") {
                line.drain(..3);
            }
            if length == 0 {
                return Ok(false);
            }
            if !line.trim_ascii().is_empty() {
                return Ok(true);
            }
        }
    }

    fn next_entry(&mut self) -> Result<Option<StreamEntry>, ImportError> {
        let mut line = Vec::new();
        if !self.read_line(&mut line)? {
            return self.at_end_of_text();
        }
        if self.ended {
            return Err(self.error(1, "", "nothing may follow the `end` line"));
        }
        let mut entry = self.parse(&line)?;
        match &mut entry {
            StreamEntry::Header(_) if self.header.is_some() => {
                return Err(self.error(1, "header", "a second header; one file holds one session"));
            }
            StreamEntry::Header(header) => self.header = Some(header.clone()),
            _ if self.header.is_none() => {
                return Err(self.error(
                    1,
                    "",
                    "the first line must be the header: {\"header\": {\"session_id\": ..., \"device\": {}, \"started\": \
                     {\"boot_ns\": ..., \"wall_ns\": ...}, \"selection\": {\"user_ids\": [...]}, \"probes\": [...]}}",
                ));
            }
            StreamEntry::Event(event) => {
                if event.sequence == 0 {
                    event.sequence = self.highest_sequence.saturating_add(1);
                } else if event.sequence <= self.highest_sequence {
                    return Err(self.error(
                        1,
                        "event.sequence",
                        format!(
                            "{} comes after {}; numbers must rise from line to line (leave them out to have the events \
                             numbered)",
                            event.sequence, self.highest_sequence
                        ),
                    ));
                }
                self.highest_sequence = event.sequence;
                self.last_time_ns = self.last_time_ns.max(event.time_ns);
                mark_imported(&mut event.fidelity);
            }
            StreamEntry::Gap(gap) => {
                if let Some(last) = gap.last_sequence {
                    self.highest_sequence = self.highest_sequence.max(last);
                }
            }
            StreamEntry::Totals(_) | StreamEntry::SelfTest(_) | StreamEntry::ClockChange(_) => {}
            StreamEntry::End(_) => self.ended = true,
        }
        Ok(Some(entry))
    }

    fn at_end_of_text(&mut self) -> Result<Option<StreamEntry>, ImportError> {
        let Some(header) = self.header.as_ref() else {
            return Err(self.error(1, "", "there is no header, so this is not a recording"));
        };
        if self.ended || !self.add_end {
            return Ok(None);
        }
        let end = SessionEnd {
            reason: SessionEndReason::InputEnded,
            totals: Totals { time_ns: self.last_time_ns, events: self.highest_sequence, ..Totals::default() },
            probes: header.probes.clone(),
            self_tests: Vec::new(),
        };
        self.ended = true;
        Ok(Some(StreamEntry::End(Box::new(end))))
    }

    fn parse(&self, line: &[u8]) -> Result<StreamEntry, ImportError> {
        let mut deserializer = serde_json::Deserializer::from_slice(line);
        let problem = match serde_path_to_error::deserialize(&mut deserializer) {
            Ok(entry) => match deserializer.end() {
                Ok(()) => return Ok(entry),
                Err(error) => return Err(self.error(error.column(), "", "more text follows the JSON object")),
            },
            Err(problem) => problem,
        };
        let field = match problem.path().to_string() {
            path if path == "." => String::new(),
            path => path.replace(".?", ""),
        };
        let error = problem.into_inner();
        let whole = error.to_string();
        let message = whole.rsplit_once(" at line ").map_or(whole.as_str(), |(message, _position)| message);
        let suggestion = nearest_name(message);
        // A list of thirty names hides the one that was meant.
        let message = match (&suggestion, message.split_once(", expected")) {
            (Some(_), Some((what, _names))) => what,
            _ => message,
        };
        Err(ImportError { suggestion, ..self.error(error.column().max(1), &field, message) })
    }
}

fn mark_imported(fidelity: &mut Fidelity) {
    match fidelity {
        Fidelity::Faithful => *fidelity = Fidelity::imported(),
        Fidelity::Hint(reasons) => {
            if !reasons.contains(&FidelityReason::Imported) {
                reasons.push(FidelityReason::Imported);
            }
            reasons.sort_unstable();
        }
    }
}

/// The name nearest to an unknown one, from serde's message: "unknown field `a`, expected one of `b`, `c`".
fn nearest_name(message: &str) -> Option<String> {
    let names: Vec<&str> = message.split('`').skip(1).step_by(2).collect();
    let (unknown, known) = names.split_first()?;
    if !message.starts_with("unknown ") {
        return None;
    }
    known
        .iter()
        .map(|name| (strsim::jaro_winkler(unknown, name), name))
        .filter(|(likeness, _name)| *likeness > 0.75)
        .max_by(|left, right| left.0.total_cmp(&right.0))
        .map(|(_likeness, name)| (*name).to_owned())
}

impl<R: BufRead> Iterator for NdjsonReader<R> {
    type Item = Result<StreamEntry, ImportError>;

    /// The next entry, or the first error; nothing follows an error.
    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let result = self.next_entry();
        self.failed = result.is_err();
        result.transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{EventBody, FileUnlink};

    const HEADER: &str = r#"{"header": {"session_id": "s", "device": {}, "started": {"boot_ns": 0, "wall_ns": 0},
        "selection": {"user_ids": [10001]}, "probes": []}}"#;
    const EVENT: &str = r#"{"event": {"time_ns": 5, "process": {"key": {"pid": 7, "start_ns": 0}, "name": "app"},
        "user_id": 10001, "phase": "pre_consent", "probe": "procfs", "outcome": "ok",
        "body": {"file_unlink": {"path": "/a"}}}}"#;

    fn one_line(text: &str) -> String {
        text.replace('\n', " ")
    }

    fn import(lines: &[&str], complete: bool) -> Result<Vec<StreamEntry>, ImportError> {
        let text: String = lines.iter().map(|line| one_line(line) + "\n").collect();
        NdjsonReader::new(text.as_bytes(), Path::new("hand.ndjson"), complete).collect()
    }

    fn error(lines: &[&str]) -> String {
        import(lines, false).unwrap_err().to_string()
    }

    #[test]
    fn a_text_written_by_hand_is_read_and_numbered() {
        let entries = import(&[HEADER, "", EVENT, EVENT], false).unwrap();
        let StreamEntry::Event(last) = &entries[2] else { panic!("{entries:?}") };
        assert_eq!(entries.len(), 3);
        assert_eq!(last.sequence, 2);
        assert_eq!(last.fidelity, Fidelity::imported());
        assert_eq!(last.body, EventBody::FileUnlink(FileUnlink { path: "/a".to_owned(), directory: false }));
    }

    #[test]
    fn a_missing_end_is_added_only_when_the_caller_says_so() {
        let entries = import(&[HEADER, EVENT], true).unwrap();
        let Some(StreamEntry::End(end)) = entries.last() else { panic!("{entries:?}") };
        assert_eq!((end.reason, end.totals.events, end.totals.time_ns), (SessionEndReason::InputEnded, 1, 5));
        assert_eq!(import(&[HEADER, EVENT], false).unwrap().len(), 2);
    }

    #[test]
    fn what_is_exported_can_be_imported() {
        let entries = import(&[HEADER, EVENT, EVENT], true).unwrap();
        let mut text = Vec::new();
        for entry in &entries {
            write_line(&mut text, entry).unwrap();
        }
        let again: Result<Vec<_>, _> = NdjsonReader::new(text.as_slice(), Path::new("x"), false).collect();
        assert_eq!(again.unwrap(), entries);
    }

    #[test]
    fn errors_name_line_column_field_and_the_way_out() {
        let cases: &[(&[&str], &[&str])] = &[
            (
                &[HEADER, &EVENT.replace("user_id", "userid")],
                &["hand.ndjson:2:", "unknown field `userid`", "did you mean `user_id`?"],
            ),
            (
                &[HEADER, &EVENT.replace("file_unlink", "file_unlnk")],
                &["in `event.body", "did you mean `file_unlink`?"],
            ),
            (
                &[HEADER, &EVENT.replace("\"user_id\": 10001", "\"user_id\": \"shell\"")],
                &["in `event.user_id`", "expected u32"],
            ),
            (&[HEADER, &EVENT.replace("\"time_ns\": 5,", "")], &["missing field `time_ns`"]),
            (&[HEADER, &EVENT.replace("pre_consent", "Pre Consent")], &["in `event.phase`"]),
            (&[EVENT], &["hand.ndjson:1:1: the first line must be the header"]),
            (&[], &["there is no header"]),
            (&[HEADER, HEADER], &["a second header"]),
            (&[HEADER, "{\"event\": "], &["hand.ndjson:2:", "EOF while parsing"]),
            (&[HEADER, "{\"evnt\": {}}"], &["unknown variant `evnt`", "did you mean `event`?"]),
            (&["hello"], &["hand.ndjson:1:1: expected value"]),
            (
                &[
                    HEADER,
                    &EVENT.replace("\"time_ns\"", "\"sequence\": 4, \"time_ns\""),
                    &EVENT.replace("\"time_ns\"", "\"sequence\": 4, \"time_ns\""),
                ],
                &["hand.ndjson:3:1: in `event.sequence`: 4 comes after 4"],
            ),
        ];
        for (lines, expected) in cases {
            let message = error(lines);
            for part in *expected {
                assert!(message.contains(part), "{message:?} does not say {part:?}");
            }
        }
    }

    #[test]
    fn nothing_follows_the_end() {
        let end = r#"{"end": {"reason": "stopped", "totals": {"time_ns": 0, "events": 0, "loss": {}}, "probes": []}}"#;
        assert!(error(&[HEADER, end, EVENT]).contains("hand.ndjson:3:1: nothing may follow the `end` line"));
    }
}
