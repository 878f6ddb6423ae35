//! The export of the Google Play Data safety form: five columns, one row for each possible answer.
//!
//! Only the machine-readable ids count: labels are in the language of whoever exported it. Ids are compared whole,
//! because several are the beginning of others (`PSL_OTHER`, `PSL_OTHER_MESSAGES`).

use std::collections::BTreeMap;

use super::Imported;
use super::error::ImportError;
use super::text;
use crate::host::declared_terms::{Act, Confidence, NotUnderstood, NotUnderstoodReason, Origin, Provenance, Statement};
use crate::host::ontology::{Ontology, TypeId};

/// The question group, the answer's id, and our data type. The form knows no others.
const TYPES: &[(&str, &str, &str)] = &[
    ("PERSONAL", "PSL_NAME", "personal.name"),
    ("PERSONAL", "PSL_EMAIL", "personal.email"),
    ("PERSONAL", "PSL_USER_ACCOUNT", "account"),
    ("PERSONAL", "PSL_ADDRESS", "personal.address"),
    ("PERSONAL", "PSL_PHONE", "phone_number"),
    ("PERSONAL", "PSL_RACE_ETHNICITY", "personal.race"),
    ("PERSONAL", "PSL_POLITICAL_RELIGIOUS", "personal.belief"),
    ("PERSONAL", "PSL_SEXUAL_ORIENTATION_GENDER_IDENTITY", "personal.orientation"),
    ("PERSONAL", "PSL_OTHER_PERSONAL", "personal.other"),
    ("FINANCIAL", "PSL_CREDIT_DEBIT_BANK_ACCOUNT_NUMBER", "finance.payment"),
    ("FINANCIAL", "PSL_PURCHASE_HISTORY", "finance.orders"),
    ("FINANCIAL", "PSL_CREDIT_SCORE", "finance.credit"),
    ("FINANCIAL", "PSL_OTHER", "finance"),
    ("LOCATION", "PSL_APPROX_LOCATION", "location.coarse"),
    ("LOCATION", "PSL_PRECISE_LOCATION", "location.precise"),
    ("SEARCH_AND_BROWSING", "PSL_WEB_BROWSING_HISTORY", "browsing_history"),
    ("EMAIL_AND_TEXT", "PSL_EMAILS", "messages.email"),
    ("EMAIL_AND_TEXT", "PSL_SMS_CALL_LOG", "sms"),
    ("EMAIL_AND_TEXT", "PSL_OTHER_MESSAGES", "messages.in_app"),
    ("PHOTOS_AND_VIDEOS", "PSL_PHOTOS", "photos"),
    ("PHOTOS_AND_VIDEOS", "PSL_VIDEOS", "videos"),
    ("AUDIO", "PSL_AUDIO", "audio.recordings"),
    ("AUDIO", "PSL_MUSIC", "music"),
    ("AUDIO", "PSL_OTHER_AUDIO", "music"),
    ("HEALTH_AND_FITNESS", "PSL_HEALTH", "health"),
    ("HEALTH_AND_FITNESS", "PSL_FITNESS", "health.fitness"),
    ("CONTACTS", "PSL_CONTACTS", "contacts"),
    ("CALENDAR", "PSL_CALENDAR", "calendar"),
    ("APP_PERFORMANCE", "PSL_CRASH_LOGS", "diagnostics.crash"),
    ("APP_PERFORMANCE", "PSL_PERFORMANCE_DIAGNOSTICS", "diagnostics.performance"),
    ("APP_PERFORMANCE", "PSL_OTHER_PERFORMANCE", "diagnostics"),
    ("FILES_AND_DOCS", "PSL_FILES_AND_DOCS", "files.shared"),
    ("APP_ACTIVITY", "PSL_USER_INTERACTION", "app_activity"),
    ("APP_ACTIVITY", "PSL_IN_APP_SEARCH_HISTORY", "app_activity.search"),
    ("APP_ACTIVITY", "PSL_APPS_ON_DEVICE", "app_list"),
    ("APP_ACTIVITY", "PSL_USER_GENERATED_CONTENT", "user_content"),
    ("APP_ACTIVITY", "PSL_OTHER_APP_ACTIVITY", "app_activity.other"),
    ("IDENTIFIERS", "PSL_DEVICE_ID", "device_id"),
];

/// An answer that names a sensible second data type: sounds recorded by the user come from the microphone, and the form
/// knows calls and messages as one.
const ALSO: &[(&str, &str)] = &[("PSL_AUDIO", "audio.microphone"), ("PSL_SMS_CALL_LOG", "call_log")];

const PURPOSES: &[(&str, &str)] = &[
    ("PSL_APP_FUNCTIONALITY", "app functionality"),
    ("PSL_ANALYTICS", "analytics"),
    ("PSL_DEVELOPER_COMMUNICATIONS", "developer communications"),
    ("PSL_ADVERTISING", "advertising or marketing"),
    ("PSL_FRAUD_PREVENTION_SECURITY", "fraud prevention, security and compliance"),
    ("PSL_PERSONALIZATION", "personalisation"),
    ("PSL_ACCOUNT_MANAGEMENT", "account management"),
];

/// Questions about the app as a whole, and what a yes means. They make no statements.
const GENERAL: &[(&str, &str)] = &[
    ("PSL_DATA_COLLECTION_COLLECTS_PERSONAL_DATA", "collects or shares user data"),
    ("PSL_DATA_COLLECTION_ENCRYPTED_IN_TRANSIT", "user data is encrypted in transit"),
    ("PSL_SUPPORTED_ACCOUNT_CREATION_METHODS", "ways of creating an account"),
    ("PSL_ACM_SPECIFY", "ways of creating an account"),
    ("PSL_ACCOUNT_DELETION_URL", "where an account is deleted"),
    ("PSL_SUPPORT_DATA_DELETION_BY_USER", "users can ask for deletion"),
    ("PSL_DATA_DELETION_URL", "where data is deleted"),
    ("PSL_DATA_COLLECTION_COMPLIES_FAMILY_POLICY", "committed to the families policy"),
    ("PSL_INDEPENDENTLY_VALIDATED", "validated by an independent party"),
    ("PSL_UPI_BADGE_OPT_IN", "shows the UPI badge"),
    ("PSL_HAS_OUTSIDE_APP_ACCOUNTS", "accounts made outside the app"),
    ("PSL_OUTSIDE_APP_ACCOUNT_TYPES", "accounts made outside the app"),
    ("PSL_OUTSIDE_APP_ACCOUNT_TYPE_SPECIFY", "accounts made outside the app"),
];

const USAGE: &str = "PSL_DATA_USAGE_RESPONSES";

#[derive(Debug, Default)]
struct Answers {
    ticked: Option<u64>,
    collected: Option<u64>,
    shared: Option<u64>,
    ephemeral: Option<bool>,
    optional: Option<bool>,
    collection_purposes: Vec<String>,
    sharing_purposes: Vec<String>,
    /// Line of the first usage answer.
    usage: Option<u64>,
}

/// Reads an export of the form.
///
/// # Errors
///
/// When it is no such export, lacks columns, or nothing has been answered in it.
pub fn data_safety(file: &str, bytes: &[u8], ontology: &Ontology) -> Result<Imported, ImportError> {
    let decoded = text::decode(file, bytes)?;
    let mut form =
        Form { file, ontology, answers: BTreeMap::new(), left: Vec::new(), notes: decoded.notes, collects: None };
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(delimiter(&decoded.text))
        .from_reader(decoded.text.as_bytes());
    let mut lines = Lines { text: decoded.text.as_bytes(), read: 0, line: 1 };
    let bad = |line: u64, what: String| ImportError::NotTheForm { file: file.to_owned(), line, what };
    let (mut known, mut answered) = (0_usize, 0_usize);
    for record in reader.records() {
        let record = record.map_err(|error| {
            let line = error.position().map_or(1, |position| lines.at(position.byte()));
            bad(line, format!("not readable as CSV: {error}"))
        })?;
        let line = record.position().map_or(1, |position| lines.at(position.byte()));
        let cell = |index: usize| record.get(index).unwrap_or_default().trim();
        let is_question = is_known(cell(0));
        if known == 0 && !is_question && !cell(0).starts_with("PSL_") {
            // The heads, in whatever language; more than a few lines of something else are another file.
            if line > 5 {
                return Err(bad(line, not_an_export(cell(0))));
            }
            continue;
        }
        if is_question && record.len() < 3 {
            let what = format!(
                "the row has {} columns: an export has five, and the first three (question id, response id, value) are needed",
                record.len()
            );
            return Err(bad(line, what));
        }
        known += usize::from(is_question);
        if !cell(2).is_empty() {
            answered += 1;
            form.row(line, cell(0), cell(1), cell(2));
        }
    }
    if known == 0 {
        return Err(bad(1, not_an_export("")));
    }
    if answered == 0 {
        let what = "the form is blank: no answer is filled in; export it from the app's own page".to_owned();
        return Err(ImportError::NoList { file: file.to_owned(), what });
    }
    Ok(form.finish())
}

/// What stands between the columns. Exports have commas; tables that a spreadsheet has saved again have what is usual
/// where its user lives.
fn delimiter(text: &str) -> u8 {
    let first = text.lines().map(|line| line.trim_start_matches('"')).find(|line| line.starts_with("PSL_"));
    let mark = first.and_then(|line| line.bytes().find(|byte| matches!(byte, b',' | b';' | b'\t')));
    mark.unwrap_or(b',')
}

/// Counts lines up to the records of a table, one after the other. The reader of CSV counts the end of a line of Windows
/// to the record behind it.
struct Lines<'a> {
    text: &'a [u8],
    read: usize,
    line: u64,
}

impl Lines<'_> {
    /// The line, from 1, of the first character of the record that begins at or behind an offset.
    fn at(&mut self, offset: u64) -> u64 {
        let offset = usize::try_from(offset).unwrap_or(self.text.len()).max(self.read);
        let rest = self.text.get(offset..).unwrap_or_default();
        let end = offset + rest.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        for byte in self.text.get(self.read..end).unwrap_or_default() {
            self.line += u64::from(*byte == b'\n');
        }
        self.read = end.min(self.text.len());
        self.line
    }
}

fn not_an_export(found: &str) -> String {
    let found = if found.is_empty() { String::new() } else { format!(", and {found:?} is none") };
    format!(
        "no export of the Data safety form: its rows begin with ids such as {}{found}",
        GENERAL.first().map_or("", |row| row.0)
    )
}

fn is_known(question: &str) -> bool {
    let question = question.split(':').next().unwrap_or_default();
    question == USAGE
        || question.strip_prefix("PSL_DATA_TYPES_").is_some_and(|group| TYPES.iter().any(|row| row.0 == group))
        || GENERAL.iter().any(|row| row.0 == question)
}

struct Form<'a> {
    file: &'a str,
    ontology: &'a Ontology,
    answers: BTreeMap<&'static str, Answers>,
    left: Vec<NotUnderstood>,
    notes: Vec<String>,
    collects: Option<bool>,
}

fn yes(value: &str) -> Option<bool> {
    match value.to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" => Some(true),
        "false" | "0" | "no" => Some(false),
        _ => None,
    }
}

impl Form<'_> {
    fn leave(&mut self, line: u64, wording: &str, reason: NotUnderstoodReason) {
        self.left.push(NotUnderstood {
            file: self.file.to_owned(),
            at: format!("line {line}"),
            line: u32::try_from(line).ok(),
            wording: wording.to_owned(),
            reason,
        });
    }

    fn row(&mut self, line: u64, question: &str, response: &str, value: &str) {
        let wording = format!("{question} {response} = {value}");
        let mut parts = question.split(':');
        let first = parts.next().unwrap_or_default();
        if first == USAGE {
            let (kind, about) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
            if !self.usage(line, kind, about, response, value) {
                self.leave(line, &wording, NotUnderstoodReason::UnknownId);
            }
            return;
        }
        if let Some(group) = first.strip_prefix("PSL_DATA_TYPES_") {
            let row = TYPES.iter().find(|row| row.0 == group && row.1 == response);
            match (row, yes(value)) {
                (Some(row), Some(true)) => self.answers.entry(row.1).or_default().ticked = Some(line),
                (Some(_), Some(false)) => {}
                _ => self.leave(line, &wording, NotUnderstoodReason::UnknownId),
            }
            return;
        }
        let Some((_, meaning)) = GENERAL.iter().find(|row| row.0 == first) else {
            self.leave(line, &wording, NotUnderstoodReason::UnknownId);
            return;
        };
        if first == "PSL_DATA_COLLECTION_COLLECTS_PERSONAL_DATA" {
            self.collects = yes(value);
            if self.collects.is_none() {
                self.leave(line, &wording, NotUnderstoodReason::UnknownId);
            }
            return;
        }
        let answer = match (yes(value), response) {
            (Some(true), "") => "yes".to_owned(),
            (Some(false), "") => "no".to_owned(),
            (Some(true), response) => response.to_owned(),
            (Some(false), _) => return,
            (None, _) => value.to_owned(),
        };
        self.notes.push(format!("line {line}: {meaning}: {answer}"));
    }

    /// Takes in an answer about one data type; says whether its ids are known.
    fn usage(&mut self, line: u64, kind: &str, about: &str, response: &str, value: &str) -> bool {
        let Some((_, kind, _)) = TYPES.iter().find(|row| row.1 == kind) else { return false };
        let Some(value) = yes(value) else { return false };
        let purpose = || PURPOSES.iter().find(|row| row.0 == response).map(|row| row.1.to_owned());
        let answers = self.answers.entry(kind).or_default();
        match (about, response) {
            ("PSL_DATA_USAGE_COLLECTION_AND_SHARING", "PSL_DATA_USAGE_ONLY_COLLECTED") => {
                answers.collected = value.then_some(line);
            }
            ("PSL_DATA_USAGE_COLLECTION_AND_SHARING", "PSL_DATA_USAGE_ONLY_SHARED") => {
                answers.shared = value.then_some(line);
            }
            ("PSL_DATA_USAGE_EPHEMERAL", _) => answers.ephemeral = Some(value),
            ("DATA_USAGE_USER_CONTROL", "PSL_DATA_USAGE_USER_CONTROL_OPTIONAL") => {
                if value {
                    answers.optional = Some(true);
                }
            }
            ("DATA_USAGE_USER_CONTROL", "PSL_DATA_USAGE_USER_CONTROL_REQUIRED") => {
                if value {
                    answers.optional = Some(false);
                }
            }
            ("DATA_USAGE_COLLECTION_PURPOSE", _) => match purpose() {
                Some(purpose) if value => answers.collection_purposes.push(purpose),
                Some(_) => {}
                None => return false,
            },
            ("DATA_USAGE_SHARING_PURPOSE", _) => match purpose() {
                Some(purpose) if value => answers.sharing_purposes.push(purpose),
                Some(_) => {}
                None => return false,
            },
            _ => return false,
        }
        if value && answers.usage.is_none() {
            answers.usage = Some(line);
        }
        true
    }

    fn types_of(&self, kind: &str) -> Vec<TypeId> {
        let own = TYPES.iter().filter(|row| row.1 == kind).map(|row| row.2);
        let also = ALSO.iter().filter(|row| row.0 == kind).map(|row| row.1);
        own.chain(also).filter_map(|id| self.ontology.data_types.find(id)).collect()
    }

    fn place(&self, line: u64, wording: String) -> Provenance {
        let number = u32::try_from(line).unwrap_or(u32::MAX).max(1);
        let origin = Origin {
            file: self.file.to_owned(),
            at: format!("line {line}"),
            line: Some(number),
            wording,
            confidence: Confidence::Structured,
        };
        Provenance { file: self.file.to_owned(), line: number, origin: Some(Box::new(origin)) }
    }

    fn finish(mut self) -> Imported {
        let mut statements = Vec::new();
        let answers = std::mem::take(&mut self.answers);
        let any_ticked = answers.values().any(|answers| answers.ticked.is_some());
        let mut shares = false;
        for (kind, answers) in &answers {
            let Some(ticked) = answers.ticked else {
                if let Some(line) = answers.usage {
                    let wording = format!("{kind}: answers about its use, and the type itself is not ticked");
                    self.leave(line, &wording, NotUnderstoodReason::Contradiction);
                }
                continue;
            };
            if self.collects == Some(false) {
                let wording = format!("{kind} is ticked, and the form says that no user data is collected");
                self.leave(ticked, &wording, NotUnderstoodReason::Contradiction);
                continue;
            }
            if answers.collected.is_none() && answers.shared.is_none() {
                let wording = format!("{kind} is ticked, and the form does not say whether it is collected or shared");
                self.leave(ticked, &wording, NotUnderstoodReason::Contradiction);
                continue;
            }
            let data_types = self.types_of(kind);
            if let Some(line) = answers.collected {
                let place = self.place(line, format!("{kind} PSL_DATA_USAGE_ONLY_COLLECTED"));
                let mut collect = Statement::new(Act::Collect, place);
                collect.data_types.clone_from(&data_types);
                collect.purposes.clone_from(&answers.collection_purposes);
                collect.ephemeral = answers.ephemeral;
                collect.optional = answers.optional;
                statements.push(collect);
            }
            if let Some(line) = answers.shared {
                shares = true;
                let place = self.place(line, format!("{kind} PSL_DATA_USAGE_ONLY_SHARED"));
                let mut share = Statement::new(Act::Share, place);
                share.data_types = data_types;
                share.purposes.clone_from(&answers.sharing_purposes);
                statements.push(share);
            }
        }
        match self.collects {
            Some(false) if !any_ticked => {
                let mut all: Vec<TypeId> = TYPES.iter().flat_map(|row| self.types_of(row.1)).collect();
                all.sort();
                all.dedup();
                let mut denial = Statement::new(
                    Act::NotCollect,
                    self.place(1, "PSL_DATA_COLLECTION_COLLECTS_PERSONAL_DATA = false".to_owned()),
                );
                denial.data_types = all;
                statements.push(denial);
            }
            Some(true) if !any_ticked => {
                self.leave(
                    1,
                    "the form says that user data is collected, and no type is ticked",
                    NotUnderstoodReason::Contradiction,
                );
            }
            _ => {}
        }
        self.notes.push("under this form \"collected\" means that it leaves the device".to_owned());
        if shares {
            self.notes.push(
                "the form does not name recipients: who gets what is shared is not declared; add a list of recipients \
                 with `candor terms merge`"
                    .to_owned(),
            );
        }
        statements.sort_by_key(|statement| statement.act);
        self.left.sort_by_key(|entry| entry.line);
        Imported { notes: self.notes, ..Imported::of(self.file, None, statements, self.left) }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn ontology() -> Ontology {
        Ontology::built_in().unwrap()
    }

    const HEAD: &str = "Question ID (machine readable),Response ID (machine readable),Response value,Answer requirement,Human-friendly question label\n";

    fn import(rows: &str) -> Result<Imported, ImportError> {
        data_safety("form.csv", format!("{HEAD}{rows}").as_bytes(), &ontology())
    }

    #[test]
    fn the_form_has_38_types_and_each_leads_to_one_that_says_so() {
        let ontology = ontology();
        let ids: BTreeSet<&str> = TYPES.iter().map(|row| row.1).collect();
        assert_eq!((TYPES.len(), ids.len()), (38, 38));
        for (_, id, data_type) in TYPES {
            let found = ontology.data_types.find(data_type).and_then(|found| ontology.data_types.get(found));
            let found = found.unwrap_or_else(|| panic!("{data_type}"));
            assert!(found.play.iter().any(|play| play == id), "{id}: {data_type}");
        }
    }

    #[test]
    fn whole_ids_decide() {
        let imported = import(
            "PSL_DATA_COLLECTION_COLLECTS_PERSONAL_DATA,,true,REQUIRED,x\n\
             PSL_DATA_TYPES_FINANCIAL,PSL_OTHER,,MULTIPLE_CHOICE,x\n\
             PSL_DATA_TYPES_EMAIL_AND_TEXT,PSL_OTHER_MESSAGES,TRUE,MULTIPLE_CHOICE,x\n\
             PSL_DATA_USAGE_RESPONSES:PSL_OTHER_MESSAGES:PSL_DATA_USAGE_COLLECTION_AND_SHARING,PSL_DATA_USAGE_ONLY_COLLECTED,true,,x\n\
             PSL_DATA_USAGE_RESPONSES:PSL_OTHER_MESSAGES:PSL_DATA_USAGE_COLLECTION_AND_SHARING,PSL_DATA_USAGE_ONLY_SHARED,true,,x\n\
             PSL_DATA_USAGE_RESPONSES:PSL_OTHER_MESSAGES:PSL_DATA_USAGE_EPHEMERAL,,false,,x\n\
             PSL_DATA_USAGE_RESPONSES:PSL_OTHER_MESSAGES:DATA_USAGE_USER_CONTROL,PSL_DATA_USAGE_USER_CONTROL_OPTIONAL,true,,x\n\
             PSL_DATA_USAGE_RESPONSES:PSL_OTHER_MESSAGES:DATA_USAGE_COLLECTION_PURPOSE,PSL_ANALYTICS,true,,x\n\
             PSL_DATA_USAGE_RESPONSES:PSL_OTHER_MESSAGES:DATA_USAGE_SHARING_PURPOSE,PSL_ADVERTISING,true,,x\n\
             PSL_DATA_USAGE_RESPONSES:PSL_OTHER:DATA_USAGE_SHARING_PURPOSE,PSL_ADVERTISING,,,x\n",
        )
        .unwrap();
        let types = ontology().data_types;
        let wanted = types.find("messages.in_app").unwrap();
        let acts: Vec<(Act, Vec<TypeId>)> =
            imported.statements.iter().map(|statement| (statement.act, statement.data_types.clone())).collect();
        assert_eq!(acts, [(Act::Collect, vec![wanted]), (Act::Share, vec![wanted])]);
        let collect = &imported.statements[0];
        assert_eq!((collect.optional, collect.ephemeral), (Some(true), Some(false)));
        assert_eq!(collect.purposes, ["analytics"]);
        assert_eq!(imported.statements[1].purposes, ["advertising or marketing"]);
        assert_eq!(collect.place.origin.as_ref().unwrap().line, Some(5));
        assert!(imported.not_understood.is_empty());
        assert!(imported.notes.iter().any(|note| note.contains("does not name recipients")));
    }

    #[test]
    fn contradictions_and_unknown_ids_are_given_back() {
        let imported = import(
            "PSL_DATA_COLLECTION_COLLECTS_PERSONAL_DATA,,true,,x\n\
             PSL_DATA_TYPES_LOCATION,PSL_PRECISE_LOCATION,true,,x\n\
             PSL_DATA_TYPES_LOCATION,PSL_MARS_LOCATION,true,,x\n\
             PSL_DATA_USAGE_RESPONSES:PSL_NAME:PSL_DATA_USAGE_COLLECTION_AND_SHARING,PSL_DATA_USAGE_ONLY_SHARED,true,,x\n\
             PSL_NEW_QUESTION,,true,,x\n\
             PSL_DATA_COLLECTION_ENCRYPTED_IN_TRANSIT,,maybe,,x\n",
        )
        .unwrap();
        assert!(imported.statements.is_empty() && imported.is_partial());
        let told: Vec<(Option<u32>, NotUnderstoodReason)> =
            imported.not_understood.iter().map(|entry| (entry.line, entry.reason)).collect();
        assert_eq!(
            told,
            [
                (Some(3), NotUnderstoodReason::Contradiction),
                (Some(4), NotUnderstoodReason::UnknownId),
                (Some(5), NotUnderstoodReason::Contradiction),
                (Some(6), NotUnderstoodReason::UnknownId),
            ]
        );
    }

    #[test]
    fn a_form_that_says_no_denies_every_type() {
        let imported = import("PSL_DATA_COLLECTION_COLLECTS_PERSONAL_DATA,,false,,x\n").unwrap();
        assert_eq!(imported.statements[0].act, Act::NotCollect);
        assert!(imported.statements[0].data_types.len() > 30);
    }

    #[test]
    fn bad_forms_say_what_is_wrong_and_where() {
        let error = |rows: &str| import(rows).unwrap_err().to_string();
        assert!(
            error("PSL_DATA_TYPES_LOCATION,PSL_PRECISE_LOCATION,,MULTIPLE_CHOICE,x\n").contains("the form is blank")
        );
        assert!(
            error("PSL_DATA_TYPES_LOCATION,PSL_PRECISE_LOCATION\n").contains("form.csv, line 2: the row has 2 columns")
        );
        let other = data_safety("a.csv", b"name,age\nbob,3\n", &ontology()).unwrap_err().to_string();
        assert!(other.contains("a.csv, line 1: no export"), "{other}");
        let with_bom =
            format!("\u{feff}{HEAD}PSL_DATA_COLLECTION_COLLECTS_PERSONAL_DATA,,false,,标签\n").replace('\n', "\r\n");
        assert_eq!(data_safety("a.csv", with_bom.as_bytes(), &ontology()).unwrap().statements.len(), 1);
    }

    #[test]
    fn tables_that_a_spreadsheet_saved_again_are_read_and_keep_their_lines() {
        let rows = "PSL_DATA_COLLECTION_COLLECTS_PERSONAL_DATA,,true,,x\n\n\"PSL_NEW_QUESTION\",,true,,\"a\nb\"\n\
                    PSL_NEWER_QUESTION,,true,,x\n";
        let table = format!("{HEAD}{rows}");
        for changed in [table.clone(), table.replace('\n', "\r\n"), table.replace(',', ";"), table.replace(',', "\t")] {
            let imported = data_safety("a.csv", changed.as_bytes(), &ontology()).unwrap();
            let unknown = |entry: &&NotUnderstood| entry.reason == NotUnderstoodReason::UnknownId;
            let lines: Vec<Option<u32>> =
                imported.not_understood.iter().filter(unknown).map(|entry| entry.line).collect();
            assert_eq!(lines, [Some(4), Some(6)], "{changed:?}");
        }
        let short = format!("{HEAD}PSL_DATA_TYPES_LOCATION,PSL_PRECISE_LOCATION\n").replace('\n', "\r\n");
        let error = data_safety("a.csv", short.as_bytes(), &ontology()).unwrap_err().to_string();
        assert!(error.contains("a.csv, line 2: the row has 2 columns"), "{error}");
    }
}
