//! Entries to statements.

use std::borrow::Cow;

use super::super::data::{System, bare_system_heading, system_in};
use super::super::headings::{collects_itself, is_nothing, is_protection, is_the_app, title_words};
use super::super::labels::Role;
use super::seen::Seen;
use super::{Entry, Field, ListKind, Lists, one_line};
use crate::host::declared_terms::{
    Act, Confidence, NotUnderstoodReason, Origin, Party, Provenance, Statement, Subject,
};
use crate::host::ontology::{RecipientId, name_key};

impl Lists<'_> {
    /// Turns an entry into statements; says whether the title was needed for it. What names data or an SDK, and is neither
    /// in a statement nor given back after that, is given back whole.
    pub(super) fn emit(&mut self, entry: &Entry, surest: Confidence) -> bool {
        let (statements, left) = (self.found.statements.len(), self.found.not_understood.len());
        let used = self.say(entry, surest);
        for (field, reason) in self.unaccounted(entry, statements, left) {
            self.leave(&field.at, field.line, &field.value, reason);
        }
        used
    }

    /// The fields of an entry of which nothing came, with the reason to give them back for. `statements` and `left` are
    /// how many there were before the entry.
    fn unaccounted(&self, entry: &Entry, statements: usize, left: usize) -> Vec<(Field, NotUnderstoodReason)> {
        let new = self.found.statements.get(statements..).unwrap_or_default();
        let said: Vec<String> = new
            .iter()
            .flat_map(|statement| {
                let origin = statement.place.origin.as_ref().map(|origin| origin.wording.as_str());
                let texts = statement.purposes.iter().chain(&statement.scenes).map(String::as_str);
                texts.chain(statement.method.as_deref()).chain(statement.retention.as_deref()).chain(origin)
            })
            .map(one_line)
            .collect();
        let back = self.found.not_understood.get(left..).unwrap_or_default();
        let elsewhere = new.is_empty() && back.iter().any(|back| back.reason == NotUnderstoodReason::OtherSystem);
        let mut keys: Option<String> = None;
        let mut found = Vec::new();
        for field in &entry.fields {
            let text = one_line(&field.value);
            let whole = title_words(&text);
            if whole.is_empty() || said.iter().any(|said| said.contains(whole)) {
                continue;
            }
            if field.role == Role::System && bare_system_heading(&text) {
                continue;
            }
            let names = self.see(&field.value).names();
            let link = text.contains("://") || ["隐私", "政策", "协议", "声明"].iter().any(|word| text.contains(word));
            if names.is_empty() || (field.role == Role::Aside && link) {
                continue;
            }
            // What was given back in pieces. A bar is in no name.
            let keys = keys.get_or_insert_with(|| {
                let back = back.iter().map(|back| back.wording.as_str());
                said.iter().map(String::as_str).chain(back).map(name_key).collect::<Vec<_>>().join("|")
            });
            if names.iter().all(|name| keys.contains(name.as_str())) {
                continue;
            }
            let reason = match field.role {
                _ if elsewhere => NotUnderstoodReason::OtherSystem,
                Role::Permission => NotUnderstoodReason::Permission,
                Role::Aside => NotUnderstoodReason::Prose,
                _ => NotUnderstoodReason::NoLabel,
            };
            found.push((field.clone(), reason));
        }
        found
    }

    fn say(&mut self, entry: &Entry, surest: Confidence) -> bool {
        let mut entry = Cow::Borrowed(entry);
        // A kind of data is data where nothing else is.
        if entry.has(Role::Category) && !entry.of(Role::Data).any(|field| !is_nothing(&field.value)) {
            let kinds = entry.to_mut().fields.iter_mut().filter(|field| field.role == Role::Category);
            kinds.for_each(|field| field.role = Role::Data);
        }
        let entry = entry.as_ref();
        let mut named: Vec<(Role, &Field)> = [Role::Name, Role::ThirdParty, Role::Company]
            .into_iter()
            .flat_map(|role| entry.of(role).map(move |field| (role, field)))
            .filter(|(_, field)| !is_nothing(&field.value))
            .collect();
        let mut title_used = false;
        let title = entry.title.as_ref().filter(|title| !title.announces);
        let seen = title.map(|title| self.see(&title.text));
        let title_names = || seen.as_ref().is_some_and(Seen::names_party);
        // "第三方名称" below the name of an SDK is its company.
        if !named.iter().any(|(role, _)| *role == Role::Name) && title_names() {
            named.iter_mut().for_each(|(role, _)| *role = Role::Company);
        }
        let mut party_text = named
            .iter()
            .find(|(role, _)| *role != Role::Company)
            .map(|(_, field)| title_words(&one_line(&field.value)).to_owned());
        if party_text.is_none()
            && let Some(title) = title
            && (!named.is_empty() || self.kind == ListKind::Shared || title_names() || entry.has(Role::Company))
        {
            party_text = Some(one_line(title_words(&title.text)));
            title_used = true;
        }
        let company_text =
            named.iter().find(|(role, _)| *role == Role::Company).map(|(_, field)| one_line(&field.value));
        let party_text = party_text.or_else(|| company_text.clone());
        let own = party_text.as_deref().is_some_and(is_the_app);
        let third = party_text.filter(|_| !own);

        let said_system = entry.texts(Role::System).iter().find_map(|text| system_in(text));
        let in_name = third.as_deref().or(title.map(|title| title.text.as_str())).and_then(system_in);
        let system = said_system.or(in_name).or(self.system);
        self.found.tells_systems |= said_system.or(in_name).is_some();

        for field in entry.of(Role::Permission) {
            if self.see(&field.value).lists_data() {
                self.leave(&field.at, field.line, &field.value, NotUnderstoodReason::Permission);
            }
        }
        for field in entry.of(Role::Aside) {
            // A column of links and policies repeats what the others say; it is given back below, as running text.
            let about_policy = |text: &str| ["://", "隐私", "政策", "声明"].iter().any(|word| text.contains(word));
            let link = about_policy(&field.value) || about_policy(&field.label);
            if !link && self.see(&field.value).lists_data() {
                self.leave(&field.at, field.line, &field.value, NotUnderstoodReason::NoLabel);
            }
        }

        // A column of its own for another system.
        let (elsewhere, data_fields): (Vec<&Field>, Vec<&Field>) =
            entry.of(Role::Data).partition(|field| system_in(&field.label) == Some(System::Other));
        for field in elsewhere.iter().filter(|field| !is_nothing(&field.value)) {
            self.found.tells_systems = true;
            self.leave(&field.at, field.line, &field.value, NotUnderstoodReason::OtherSystem);
        }
        let says_here = |field: &Field| field.role == Role::Data && system_in(&field.label) != Some(System::Other);
        if !elsewhere.is_empty() && !entry.fields.iter().any(says_here) {
            if let Some(third) = &third {
                self.leave(&entry.at, entry.line, third, NotUnderstoodReason::OtherSystem);
            }
            return title_used;
        }
        if third.is_none() && data_fields.is_empty() {
            // Purposes and companies of nothing.
            for field in &entry.fields {
                if !matches!(field.role, Role::Aside | Role::Permission | Role::System) {
                    self.leave_if_telling(&field.at, field.line, &field.value, NotUnderstoodReason::NoLabel);
                }
            }
            return title_used;
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

        let mut statement = Statement::new(Act::Collect, self.place(entry, &data_fields, third.as_deref()));
        statement.purposes = entry.texts(Role::Purpose);
        statement.scenes = entry.texts(Role::Scene);
        statement.method = entry.texts(Role::Method).into_iter().find(|method| !is_protection(method));
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
            return title_used;
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
        let is_sdk = statement.method.as_deref().and_then(collects_itself).unwrap_or_else(|| {
            let said = name_key(&third).contains("sdk")
                || entry.fields.iter().any(|field| field.role == Role::Name && name_key(&field.label).contains("sdk"));
            said || title.is_some_and(|title| name_key(&title.text).contains("sdk")) || self.of_sdks
        });
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

    fn place(&self, entry: &Entry, data_fields: &[&Field], third: Option<&str>) -> Provenance {
        let data: Vec<String> = data_fields.iter().map(|field| one_line(&field.value)).collect();
        let mut wording = data.join("; ");
        // The heading over the data.
        for kind in entry.texts(Role::Category) {
            wording = format!("{kind}: {wording}");
        }
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
