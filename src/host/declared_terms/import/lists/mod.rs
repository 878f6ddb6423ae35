//! From lines and tables to statements: the two lists that apps publish in China, and lists of SDKs of any form.

mod seen;
mod statements;
mod tables;

use std::collections::HashMap;

use self::seen::{PIECES, Seen};
use super::blocks::{Block, Line, LineKind};
use super::data::{self, System, bare_system_heading, system_in};
use super::headings::{announces_list, is_general, is_nothing, is_word_of_heads, names_own_sdk};
use super::labels::{Role, can_be_label, labelled, role};
use crate::host::declared_terms::{Confidence, NotUnderstood, NotUnderstoodReason, Statement};
use crate::host::ontology::{Ontology, name_key};

/// What a list is about.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum ListKind {
    #[default]
    Unknown,
    /// What is collected.
    Collected,
    /// With whom it is shared, or which SDKs there are.
    Shared,
}

/// A text with its label and its place.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Field {
    role: Role,
    label: String,
    value: String,
    at: String,
    line: u32,
}

/// What one row, or one entry of a list, says.
#[derive(Debug, Clone, Default)]
struct Entry {
    fields: Vec<Field>,
    /// The heading above it.
    title: Option<Title>,
    at: String,
    line: u32,
}

impl Entry {
    fn of(&self, role: Role) -> impl Iterator<Item = &Field> {
        self.fields.iter().filter(move |field| field.role == role && !field.value.trim().is_empty())
    }

    fn has(&self, role: Role) -> bool {
        self.fields.iter().any(|field| field.role == role)
    }

    fn texts(&self, role: Role) -> Vec<String> {
        let mut texts: Vec<String> = Vec::new();
        for field in self.of(role) {
            let text = one_line(&field.value);
            if !is_nothing(&text) && !texts.contains(&text) {
                texts.push(text);
            }
        }
        texts
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Title {
    text: String,
    line: u32,
    used: bool,
    /// It only says that lists follow, and of what.
    announces: bool,
}

/// What has been read from a document.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) statements: Vec<Statement>,
    pub(super) not_understood: Vec<NotUnderstood>,
    /// The package that the document says it is about, and where.
    pub(super) package: Option<(String, String)>,
    pub(super) tables: usize,
    pub(super) tells_systems: bool,
    pub(super) unknown_parties: Vec<String>,
}

/// Reads the blocks of a document.
pub(super) fn read(file: &str, blocks: &[Block], ontology: &Ontology) -> Found {
    let mut lists = Lists {
        file,
        ontology,
        reader: data::Reader::new(&ontology.data_types),
        found: Found::default(),
        told: HashMap::new(),
        kind: ListKind::Unknown,
        of_sdks: false,
        system: None,
        title: None,
        entry: Entry::default(),
        heads: HashMap::new(),
        last_roles: Vec::new(),
    };
    for block in blocks {
        match block {
            Block::Line(line) => lists.line(line, &format!("line {}", line.line), NotUnderstoodReason::Prose),
            Block::Table(table) => lists.table(table),
        }
    }
    lists.finish();
    lists.retire_title();
    lists.found
}

/// At most so many heads are kept.
const HEADS_KEPT: usize = 4_096;

struct Lists<'a> {
    file: &'a str,
    ontology: &'a Ontology,
    reader: data::Reader<'a>,
    found: Found,
    /// What was given back already, by its place: cells that reach over several rows would be told for each.
    told: HashMap<String, Vec<usize>>,
    kind: ListKind,
    /// The list says of itself that it is one of SDKs.
    of_sdks: bool,
    system: Option<System>,
    title: Option<Title>,
    entry: Entry,
    /// Heads and labels that were taken, and whether they say more than what stands below them.
    heads: HashMap<String, bool>,
    /// The columns of the last table, for tables that go on without heads.
    last_roles: Vec<Option<Role>>,
}

/// Whether a text begins with what numbers an entry.
fn is_numbered(text: &str) -> bool {
    text.starts_with(|character: char| {
        character.is_ascii_digit() || "一二三四五六七八九十（(①②③④⑤⑥⑦⑧⑨".contains(character)
    })
}

/// Whether a text is the name of a package and nothing else.
fn is_package(text: &str) -> bool {
    let text = text.trim();
    text.contains('.') && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
}

/// Whether a line is the heading of what follows.
fn is_title(line: &Line, seen: &Seen<'_>) -> bool {
    let text = line.text.trim();
    let length = text.chars().count();
    if length > 40 || text.ends_with(['。', '；', '，', '!', '！']) {
        return false;
    }
    let numbered = is_numbered(text);
    let structured = line.bold || matches!(line.kind, LineKind::Heading | LineKind::Term | LineKind::Item(_));
    structured || numbered || seen.names_party() || announces_list(text) || bare_system_heading(text)
}

fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for word in text.split_whitespace() {
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    line
}

impl Lists<'_> {
    fn leave(&mut self, at: &str, line: u32, wording: &str, reason: NotUnderstoodReason) {
        let wording = one_line(wording);
        if wording.is_empty() {
            return;
        }
        let entries = &mut self.found.not_understood;
        let told = self.told.entry(at.to_owned()).or_default();
        if told.iter().any(|index| entries.get(*index).is_some_and(|entry| entry.wording == wording)) {
            return;
        }
        told.push(entries.len());
        let entry =
            NotUnderstood { file: self.file.to_owned(), at: at.to_owned(), line: Some(line.max(1)), wording, reason };
        entries.push(entry);
    }

    fn see<'t>(&self, text: &'t str) -> Seen<'t>
    where
        Self: 't,
    {
        Seen::new(text, self.ontology)
    }

    /// Gives a text back when it names data or a third party.
    fn leave_if_telling(&mut self, at: &str, line: u32, text: &str, reason: NotUnderstoodReason) {
        let seen = self.see(text);
        if seen.lists_data() || seen.names_party() {
            self.leave(at, line, text, reason);
        }
    }

    /// Takes a text that only says what others are: a head, a label, a heading of a list. One that names data or somebody
    /// itself says more than that, and is given back besides. "公司名称" is a head although it is data, too.
    fn take_as_name(&mut self, at: &str, line: u32, text: &str, reason: NotUnderstoodReason) {
        let seen = self.see(text);
        let somebody =
            || seen.names_known() || text.split(PIECES).any(|piece| !is_package(piece) && names_own_sdk(piece));
        let is_head = |name: &String| name.contains("sdk") || is_word_of_heads(name) || role(name).is_some();
        let says_more = || !seen.names().iter().all(is_head) || somebody();
        // The tables of a page have the same heads.
        let known = self.heads.get(text).copied();
        let says_more = known.unwrap_or_else(says_more);
        if known.is_none() && self.heads.len() < HEADS_KEPT {
            self.heads.insert(text.to_owned(), says_more);
        }
        if says_more {
            self.leave(at, line, text, reason);
        }
    }

    // --- Lines -----------------------------------------------------------------------------------------------------

    fn line(&mut self, line: &Line, at: &str, otherwise: NotUnderstoodReason) {
        let text = line.text.trim();
        let (head, parts) = labelled(text);
        if !parts.is_empty() {
            if !head.is_empty() {
                self.new_title(head, line.line);
            }
            for part in parts {
                self.take_as_name(at, line.line, part.label, NotUnderstoodReason::NoLabel);
                self.field(part.role, part.label, part.value, at, line.line);
            }
            return;
        }
        // A label alone on its line: what follows is its value.
        let bare = text.trim_end_matches([':', '：']);
        let in_entry = !self.entry.fields.is_empty() || self.title.is_some();
        let stands_alone = line.kind == LineKind::Term
            || text.len() > bare.len()
            || (in_entry && !is_numbered(text) && bare.chars().count() <= 10);
        if stands_alone
            && !matches!(line.kind, LineKind::Heading)
            && let Some(role) = role(bare)
            && can_be_label(bare)
            && !(role == Role::Name && self.see(bare).names_known())
            && !self.see(bare).names_data()
        {
            self.take_as_name(at, line.line, bare, NotUnderstoodReason::NoLabel);
            self.field(role, bare, "", at, line.line);
            return;
        }
        let seen = Seen::new(text, self.ontology);
        if self.continues(line, &seen) {
            return;
        }
        if self.pair(text, at, line.line) {
            return;
        }
        if is_title(line, &seen) {
            self.finish();
            self.new_title(text, line.line);
            return;
        }
        self.finish();
        if seen.lists_data() || seen.names_party() {
            self.leave(at, line.line, text, otherwise);
        }
    }

    /// Whether the line belongs to the value that was begun last, and adds it.
    fn continues(&mut self, line: &Line, seen: &Seen<'_>) -> bool {
        let text = line.text.trim();
        let Some(last) = self.entry.fields.last_mut().filter(|_| line.kind != LineKind::Heading) else { return false };
        let names_data = seen.names_data();
        let party = self.ontology.recipients.find(text).is_some() || (seen.says_sdk() && text.chars().count() <= 30);
        let begun = last.value.is_empty();
        let goes_on = matches!(last.role, Role::Data | Role::Category)
            && (names_data || text.starts_with(['(', '（', '①', '②', '③']) || matches!(line.kind, LineKind::Item(_)));
        // A name of somebody begins the next entry, except where a name is what is waited for.
        let awaited = begun && matches!(last.role, Role::Name | Role::ThirdParty);
        let too_long = !begun && text.chars().count() > 400;
        let sentence =
            !begun && text.ends_with(['。', '.']) && ["我们", "We "].iter().any(|word| text.starts_with(word));
        if too_long || sentence || (party && !awaited && !(begun && names_data)) || !(begun || goes_on) {
            return false;
        }
        if !begun {
            last.value.push('\n');
        }
        last.value.push_str(text);
        true
    }

    /// "友盟SDK：IMEI、MAC地址" and, in a list of what is collected, "位置信息：用于定位".
    fn pair(&mut self, text: &str, at: &str, line: u32) -> bool {
        let Some((left, right)) = text.split_once(['：', ':']) else { return false };
        let (left, right) = (left.trim(), right.trim());
        if left.is_empty() || right.is_empty() || left.chars().count() > 30 || right.starts_with("//") {
            return false;
        }
        let field =
            |role, value: &str| Field { role, label: String::new(), value: value.to_owned(), at: at.to_owned(), line };
        let whole = |fields| Entry { fields, title: None, at: at.to_owned(), line };
        let seen = self.see(left);
        if seen.names_party() && !seen.names_data() {
            let cell = self.reader.read(right, self.system);
            let unknown = cell.left.iter().filter(|left| left.1 == NotUnderstoodReason::UnknownDataType).count();
            if cell.types.is_empty() || unknown > cell.types.len() {
                return false;
            }
            self.finish();
            let entry = whole(vec![field(Role::Name, left), field(Role::Data, right)]);
            self.emit(&entry, Confidence::PhraseMatched);
            return true;
        }
        if self.kind == ListKind::Collected && !self.see(text).names_party() {
            let cell = self.reader.read(left, self.system);
            if cell.types.is_empty() || !cell.left.is_empty() {
                return false;
            }
            self.finish();
            // What follows is either more data of this kind or what it is for.
            let more = self.reader.read(right, self.system);
            let entry = if more.types.is_empty() {
                whole(vec![field(Role::Data, left), field(Role::Purpose, right)])
            } else {
                whole(vec![field(Role::Data, text)])
            };
            self.emit(&entry, Confidence::PhraseMatched);
            return true;
        }
        false
    }

    fn new_title(&mut self, text: &str, line: u32) {
        self.finish();
        self.retire_title();
        let announces = is_general(text) || announces_list(text);
        if announces {
            let key = name_key(text);
            if ["共享", "第三方", "sdk", "合作", "接收方", "委托"].iter().any(|word| key.contains(word)) {
                self.kind = ListKind::Shared;
                self.of_sdks = key.contains("sdk");
            } else if ["收集", "个人信息清单"].iter().any(|word| key.contains(word)) {
                self.kind = ListKind::Collected;
            }
            self.system = system_in(text).filter(|system| *system == System::Other);
            self.found.tells_systems |= system_in(text).is_some();
            self.take_as_name(&format!("line {line}"), line, text, NotUnderstoodReason::Prose);
        }
        self.title = Some(Title { text: text.to_owned(), line, used: announces, announces });
    }

    /// A title that nothing used, and that names somebody or something, is given back.
    fn retire_title(&mut self) {
        let Some(title) = self.title.take() else { return };
        if !title.used {
            self.leave_if_telling(&format!("line {}", title.line), title.line, &title.text, NotUnderstoodReason::Prose);
        }
    }

    fn field(&mut self, role: Role, label: &str, value: &str, at: &str, line: u32) {
        let named = |entry: &Entry| entry.has(Role::Name) || entry.has(Role::ThirdParty);
        let begins = match role {
            Role::Name | Role::ThirdParty => {
                let same = self.entry.fields.iter().any(|field| field.role == role && field.label == label);
                same || (named(&self.entry) && self.entry.has(Role::Data))
                    || (!named(&self.entry)
                        && self.entry.has(Role::Data)
                        && self.title.as_ref().is_none_or(|title| title.used && !self.see(&title.text).names_party()))
            }
            Role::Company => self.entry.has(Role::Company),
            Role::Data | Role::Category => {
                self.entry.fields.iter().any(|field| field.role == role && field.label == label)
            }
            _ => false,
        };
        if begins {
            let same_title = if matches!(role, Role::Data | Role::Category) && !named(&self.entry) {
                self.title.clone()
            } else {
                None
            };
            self.finish();
            if same_title.is_some() {
                self.title = same_title;
            }
        }
        let of_the_app = self.entry.fields.is_empty() && self.title.as_ref().is_none_or(|title| title.used);
        if role == Role::Package && of_the_app && is_package(value) {
            if self.found.package.is_none() {
                self.found.package = Some((value.trim().to_owned(), at.to_owned()));
            }
            return;
        }
        if self.entry.fields.is_empty() {
            self.entry.at = at.to_owned();
            self.entry.line = line;
        }
        let field = Field { role, label: label.to_owned(), value: value.to_owned(), at: at.to_owned(), line };
        self.entry.fields.push(field);
    }

    /// Ends the entry that was being read.
    fn finish(&mut self) {
        let mut entry = std::mem::take(&mut self.entry);
        if entry.fields.is_empty() {
            return;
        }
        entry.title.clone_from(&self.title);
        let used = self.emit(&entry, Confidence::Structured);
        if used && let Some(title) = &mut self.title {
            title.used = true;
        }
    }
}
