//! From lines and tables to statements: the two lists that apps publish in China, and lists of SDKs of any form.

use std::collections::HashSet;

use super::blocks::{Block, Line, LineKind, Table};
use super::columns::{heads, is_section, origin_row, place_of, settle};
use super::data::{self, System, bare_system_heading, system_in};
use super::headings::{announces_list, collects_itself, is_general, is_nothing, is_the_app, title_words};
use super::labels::{Role, labelled, role};
use crate::host::declared_terms::{
    Act, Confidence, NotUnderstood, NotUnderstoodReason, Origin, Party, Provenance, Statement, Subject,
};
use crate::host::ontology::{Ontology, RecipientId, name_key};

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
        told: HashSet::new(),
        kind: ListKind::Unknown,
        of_sdks: false,
        system: None,
        title: None,
        entry: Entry::default(),
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

struct Lists<'a> {
    file: &'a str,
    ontology: &'a Ontology,
    reader: data::Reader<'a>,
    found: Found,
    /// What was given back already: cells that reach over several rows would be told for each.
    told: HashSet<(String, String)>,
    kind: ListKind,
    /// The list says of itself that it is one of SDKs.
    of_sdks: bool,
    system: Option<System>,
    title: Option<Title>,
    entry: Entry,
    /// The columns of the last table, for tables that go on without heads.
    last_roles: Vec<Option<Role>>,
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

impl Lists<'_> {
    fn leave(&mut self, at: &str, line: u32, wording: &str, reason: NotUnderstoodReason) {
        let wording = one_line(wording);
        if wording.is_empty() || !self.told.insert((at.to_owned(), wording.clone())) {
            return;
        }
        let entry =
            NotUnderstood { file: self.file.to_owned(), at: at.to_owned(), line: Some(line.max(1)), wording, reason };
        self.found.not_understood.push(entry);
    }

    /// Whether a text can name a third party: it says SDK, or has a name that is known.
    fn names_party(&self, text: &str) -> bool {
        let recipients = &self.ontology.recipients;
        name_key(text).contains("sdk")
            || recipients.mentioned(text).is_some()
            || recipients.company_named(text).is_some()
    }

    fn names_data(&self, text: &str) -> bool {
        data::names_data(text, &self.ontology.data_types)
    }

    /// Gives a text back when it names data or a third party.
    fn leave_if_telling(&mut self, at: &str, line: u32, text: &str, reason: NotUnderstoodReason) {
        if self.names_data(text) || self.names_party(text) {
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
                self.field(part.role, part.label, part.value, at, line.line);
            }
            return;
        }
        // A label alone on its line: what follows is its value.
        let bare = text.trim_end_matches([':', '：']);
        let in_entry = !self.entry.fields.is_empty() || self.title.is_some();
        let stands_alone =
            line.kind == LineKind::Term || text.len() > bare.len() || (in_entry && bare.chars().count() <= 10);
        if stands_alone
            && !matches!(line.kind, LineKind::Heading)
            && let Some(role) = role(bare)
            && !(role == Role::Name && self.names_known(bare))
            && !self.names_data(bare)
        {
            self.field(role, bare, "", at, line.line);
            return;
        }
        if self.continues(line) {
            return;
        }
        if self.pair(text, at, line.line) {
            return;
        }
        if self.is_title(line) {
            self.finish();
            self.new_title(text, line.line);
            return;
        }
        self.finish();
        self.leave_if_telling(at, line.line, text, otherwise);
    }

    fn names_known(&self, text: &str) -> bool {
        self.ontology.recipients.mentioned(text).is_some()
    }

    /// Whether the line belongs to the value that was begun last, and adds it.
    fn continues(&mut self, line: &Line) -> bool {
        let text = line.text.trim();
        if line.kind == LineKind::Heading {
            return false;
        }
        let names_data = self.names_data(text);
        let party = self.ontology.recipients.find(text).is_some()
            || (name_key(text).contains("sdk") && text.chars().count() <= 30);
        let Some(last) = self.entry.fields.last_mut() else { return false };
        let begun = last.value.is_empty();
        let goes_on = matches!(last.role, Role::Data | Role::Category)
            && (names_data || text.starts_with(['(', '（', '①', '②', '③']) || matches!(line.kind, LineKind::Item(_)));
        // A name of somebody begins the next entry, except where a name is what is waited for.
        let awaited = begun && matches!(last.role, Role::Name | Role::ThirdParty);
        let too_long = !begun && text.chars().count() > 400;
        if too_long || (party && !awaited && !(begun && names_data)) || !(begun || goes_on) {
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
        if self.names_party(left) && !self.names_data(left) {
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
        if self.kind == ListKind::Collected && !self.names_party(text) {
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

    fn is_title(&self, line: &Line) -> bool {
        let text = line.text.trim();
        let length = text.chars().count();
        if length > 40 || text.ends_with(['。', '；', '，', '!', '！']) {
            return false;
        }
        let numbered = text.starts_with(|character: char| {
            character.is_ascii_digit() || "一二三四五六七八九十（(①②③④⑤⑥⑦⑧⑨".contains(character)
        });
        let structured = line.bold || matches!(line.kind, LineKind::Heading | LineKind::Term | LineKind::Item(_));
        structured || numbered || self.names_party(text) || announces_list(text) || bare_system_heading(text)
    }

    fn new_title(&mut self, text: &str, line: u32) {
        self.finish();
        self.retire_title();
        let key = name_key(text);
        let general = is_general(text);
        if general || announces_list(text) {
            if ["共享", "第三方", "sdk", "合作", "接收方", "委托"].iter().any(|word| key.contains(word)) {
                self.kind = ListKind::Shared;
                self.of_sdks = key.contains("sdk");
            } else if ["收集", "个人信息清单"].iter().any(|word| key.contains(word)) {
                self.kind = ListKind::Collected;
            }
            self.system = system_in(text).filter(|system| *system == System::Other);
            self.found.tells_systems |= system_in(text).is_some();
        }
        self.title = Some(Title { text: text.to_owned(), line, used: general || announces_list(text) });
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
                        && self.title.as_ref().is_none_or(|title| title.used && !self.names_party(&title.text)))
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
        if role == Role::Package && self.entry.fields.is_empty() && self.title.as_ref().is_none_or(|title| title.used) {
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

    // --- Tables ----------------------------------------------------------------------------------------------------

    fn table(&mut self, table: &Table) {
        self.finish();
        self.found.tables += 1;
        let rows = table.grid.len();
        let head = (0..rows.min(6)).find(|row| heads(table, *row).is_some());
        let (roles, first) = match head {
            Some(row) => {
                for above in 0..row {
                    self.section(table, above);
                }
                (heads(table, row).unwrap_or_default(), row + 1)
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
        let mut heads_row = head;
        let title = self.title.clone();
        let mut used = false;
        for row in first..rows {
            if let Some(again) = heads(table, row) {
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

    // --- Statements ------------------------------------------------------------------------------------------------

    /// Turns an entry into statements; says whether the title was needed for it.
    fn emit(&mut self, entry: &Entry, surest: Confidence) -> bool {
        let mut entry = entry.clone();
        // A kind of data is data where nothing else is.
        if !entry.of(Role::Data).any(|field| !is_nothing(&field.value)) {
            entry
                .fields
                .iter_mut()
                .filter(|field| field.role == Role::Category)
                .for_each(|field| field.role = Role::Data);
        }
        let named: Vec<Field> = [Role::Name, Role::ThirdParty, Role::Company]
            .iter()
            .flat_map(|role| entry.of(*role).cloned().collect::<Vec<_>>())
            .filter(|field| !is_nothing(&field.value))
            .collect();
        let mut title_used = false;
        // "第三方名称" below the name of an SDK is its company.
        let title_names = entry.title.as_ref().is_some_and(|title| {
            self.names_party(&title.text) && !is_general(&title.text) && !announces_list(&title.text)
        });
        let mut named = named;
        if title_names && !named.iter().any(|field| field.role == Role::Name) {
            named.iter_mut().for_each(|field| field.role = Role::Company);
        }
        let mut party_text = named.iter().find(|field| field.role != Role::Company).map(|field| one_line(&field.value));
        let title = entry.title.as_ref().filter(|title| !is_general(&title.text) && !announces_list(&title.text));
        if party_text.is_none()
            && let Some(title) = title
            && (!named.is_empty()
                || self.kind == ListKind::Shared
                || self.names_party(&title.text)
                || entry.has(Role::Company))
        {
            party_text = Some(one_line(title_words(&title.text)));
            title_used = true;
        }
        let company_text = named.iter().find(|field| field.role == Role::Company).map(|field| one_line(&field.value));
        let party_text = party_text.or_else(|| company_text.clone());
        let own = party_text.as_deref().is_some_and(is_the_app);
        let third = party_text.filter(|_| !own);

        let said_system = entry.texts(Role::System).iter().find_map(|text| system_in(text));
        let in_name = third.as_deref().or(title.map(|title| title.text.as_str())).and_then(system_in);
        let system = said_system.or(in_name).or(self.system);
        self.found.tells_systems |= said_system.or(in_name).is_some();

        for field in entry.of(Role::Permission).cloned().collect::<Vec<_>>() {
            if self.names_data(&field.value) {
                self.leave(&field.at, field.line, &field.value, NotUnderstoodReason::Permission);
            }
        }
        for field in entry.of(Role::Aside).cloned().collect::<Vec<_>>() {
            let link = field.value.contains("://") || field.value.contains("隐私") || field.value.contains("政策");
            if !link && self.names_data(&field.value) {
                self.leave(&field.at, field.line, &field.value, NotUnderstoodReason::NoLabel);
            }
        }

        let data_fields: Vec<Field> = entry.of(Role::Data).cloned().collect();
        if third.is_none() && data_fields.is_empty() {
            // Purposes and companies of nothing.
            for field in &entry.fields {
                if !matches!(field.role, Role::Aside | Role::Permission | Role::System) {
                    self.leave_if_telling(&field.at, field.line, &field.value.clone(), NotUnderstoodReason::NoLabel);
                }
            }
            return title_used || title.is_some();
        }
        if system == Some(System::Other) {
            self.found.tells_systems = true;
            let words: Vec<String> =
                third.iter().cloned().chain(data_fields.iter().map(|field| one_line(&field.value))).collect();
            self.leave(&entry.at, entry.line, &words.join(": "), NotUnderstoodReason::OtherSystem);
            return title_used;
        }

        let mut types = Vec::new();
        let mut denied = Vec::new();
        let mut confidence = surest;
        for field in &data_fields {
            let cell = self.reader.read(&field.value, system);
            self.found.tells_systems |= cell.tells_systems;
            if third.is_none()
                && !own
                && self.kind == ListKind::Shared
                && (!cell.types.is_empty() || !cell.left.is_empty())
            {
                self.leave(&field.at, field.line, &field.value, NotUnderstoodReason::NoThirdParty);
                continue;
            }
            confidence = confidence.max(cell.confidence.unwrap_or(surest));
            for id in cell.types {
                if !types.contains(&id) {
                    types.push(id);
                }
            }
            for (wording, reason) in cell.left {
                self.leave(&field.at, field.line, &wording, reason);
            }
            if !cell.denied.is_empty() {
                if third.is_some() {
                    self.leave(&field.at, field.line, &field.value, NotUnderstoodReason::Denial);
                } else {
                    denied.extend(cell.denied);
                }
            }
        }

        let mut statement = Statement::new(Act::Collect, self.place(&entry, &data_fields, third.as_deref()));
        statement.purposes = entry.texts(Role::Purpose);
        statement.scenes = entry.texts(Role::Scene);
        statement.method = entry.texts(Role::Method).into_iter().next();
        statement.retention = entry.texts(Role::Retention).into_iter().next();
        statement.data_types = types;
        if !denied.is_empty() {
            let mut denial = Statement::new(Act::NotCollect, statement.place.clone());
            denied.dedup();
            denial.data_types = denied;
            set_confidence(&mut denial, confidence);
            self.found.statements.push(denial);
        }
        let Some(third) = third else {
            if !statement.data_types.is_empty() {
                set_confidence(&mut statement, confidence);
                self.found.statements.push(statement);
            }
            return title_used || title.is_some();
        };
        let package = entry.texts(Role::Package).into_iter().next();
        let (known, sure) = self.recipient(&third, company_text.as_deref(), package.as_deref());
        let name = known
            .and_then(|id| self.ontology.recipients.get(id))
            .map_or_else(|| third.clone(), |recipient| recipient.id.clone());
        if known.is_none() && !self.found.unknown_parties.contains(&name) {
            self.found.unknown_parties.push(name.clone());
        }
        let party = Party { name, known, domains: Vec::new() };
        let is_sdk = statement.method.as_deref().map_or_else(
            || {
                let said = name_key(&third).contains("sdk")
                    || entry
                        .fields
                        .iter()
                        .any(|field| field.role == Role::Name && name_key(&field.label).contains("sdk"));
                said || title.is_some_and(|title| name_key(&title.text).contains("sdk")) || self.of_sdks
            },
            collects_itself,
        );
        if is_sdk {
            statement.subject = Subject::ThirdParty(party);
        } else {
            statement.act = Act::Share;
            statement.recipient = Some(party);
        }
        set_confidence(&mut statement, confidence.max(sure));
        self.found.statements.push(statement);
        title_used
    }

    fn place(&self, entry: &Entry, data_fields: &[Field], third: Option<&str>) -> Provenance {
        let data: Vec<String> = data_fields.iter().map(|field| one_line(&field.value)).collect();
        let mut wording = data.join("; ");
        if let Some(third) = third {
            wording = if wording.is_empty() { third.to_owned() } else { format!("{third}: {wording}") };
        }
        let line = Some(entry.line.max(1));
        let origin = Origin {
            file: self.file.to_owned(),
            at: entry.at.clone(),
            line,
            wording,
            confidence: Confidence::Structured,
        };
        Provenance { file: self.file.to_owned(), line: entry.line.max(1), origin: Some(Box::new(origin)) }
    }

    /// The recipient that is meant, and how sure that is.
    fn recipient(&self, name: &str, company: Option<&str>, package: Option<&str>) -> (Option<RecipientId>, Confidence) {
        let recipients = &self.ontology.recipients;
        if let Some(id) = recipients.find(name) {
            return (Some(id), Confidence::Structured);
        }
        if let Some(id) = recipients.mentioned(name).or_else(|| package.and_then(|package| recipients.find(package))) {
            return (Some(id), Confidence::PhraseMatched);
        }
        let of_company = |text: &str| recipients.company_named(text).and_then(|id| recipients.only_of_company(id));
        if let Some(id) = of_company(name) {
            return (Some(id), Confidence::PhraseMatched);
        }
        match company.filter(|company| *company != name).and_then(of_company) {
            Some(id) => (Some(id), Confidence::Guessed),
            None => (None, Confidence::Structured),
        }
    }
}

fn set_confidence(statement: &mut Statement, confidence: Confidence) {
    if let Some(origin) = &mut statement.place.origin {
        origin.confidence = confidence;
    }
}
