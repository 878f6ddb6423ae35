//! Who stands behind a domain or an address.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::ops::Range;

use super::domain::{Domain, suffixes};
use super::names::{NameTable, TextKey, name_key};
use crate::host::toml_source::{self, Diagnostics, Located, SourceFile, TableReader, suggest};

/// Names one recipient of a [`Recipients`] table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecipientId(usize);

/// What a recipient does with what it gets, in one word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Purpose {
    /// The id.
    pub id: String,
    /// English name.
    pub name_en: String,
    /// Chinese name.
    pub name_zh: String,
}

/// Names one company of a [`Recipients`] table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CompanyId(usize);

/// A company behind recipients.
#[derive(Debug, Clone)]
pub struct Company {
    /// The id.
    pub id: String,
    /// English name.
    pub name_en: String,
    /// Chinese name.
    pub name_zh: String,
    /// The company that it belongs to.
    pub parent: Option<CompanyId>,
}

/// Someone who can receive data.
#[derive(Debug, Clone)]
pub struct Recipient {
    /// The id; terms may name it.
    pub id: String,
    /// English name of the owner.
    pub owner_en: String,
    /// Chinese name of the owner.
    pub owner_zh: String,
    /// What of the owner's is behind the domains.
    pub product: String,
    /// Id of its purpose.
    pub purpose: String,
    /// Where the entry comes from.
    pub source: String,
    /// Its company, when the tables know it.
    pub company: Option<CompanyId>,
}

impl Recipient {
    /// Hosting acts for the app's developer.
    #[must_use]
    pub fn is_hosting(&self) -> bool {
        self.purpose == "hosting"
    }

    /// A name service used past the system's own.
    #[must_use]
    pub fn is_resolver(&self) -> bool {
        self.purpose == "resolver"
    }
}

/// The table of recipients.
#[derive(Debug, Default)]
pub struct Recipients {
    entries: Vec<Recipient>,
    purposes: BTreeMap<String, Purpose>,
    by_id: BTreeMap<String, RecipientId>,
    /// By the owner's name in lower case; `None` where several have it.
    by_owner: HashMap<String, Option<RecipientId>>,
    by_domain: HashMap<String, RecipientId>,
    by_address: HashMap<IpAddr, RecipientId>,
    names: NameTable<RecipientId>,
    companies: Vec<Company>,
    company_names: NameTable<CompanyId>,
}

/// Names given to a recipient: in which file, to whom, of what company.
struct NamesDraft {
    file: usize,
    of: Located<String>,
    company: Option<Located<String>>,
    names: Vec<Located<String>>,
}

/// What is only known once every file has been read.
#[derive(Default)]
struct Later {
    names: Vec<NamesDraft>,
    /// File, company, id of its parent.
    parents: Vec<(usize, CompanyId, Located<String>)>,
    company_ids: BTreeMap<String, CompanyId>,
    /// Where each company stands, for the lint.
    company_spans: Vec<(usize, Range<usize>)>,
    /// Recipients without domains and addresses, which must have names.
    unreachable: Vec<(usize, RecipientId, Range<usize>)>,
}

/// What makes no difference between two names of a recipient: besides [`name_key`], "SDK" at the end.
fn recipient_key(name: &str) -> String {
    let key = name_key(name);
    match key.strip_suffix("sdk") {
        Some("") | None => key,
        Some(rest) => rest.to_owned(),
    }
}

impl Recipients {
    /// Reads the files in order. Problems are added to `problems`; the table is usable when there are no errors.
    pub(super) fn load(sources: &[SourceFile], problems: &mut Diagnostics) -> Self {
        let mut table = Self::default();
        let mut later = Later::default();
        for (number, source) in sources.iter().enumerate() {
            let document = toml_source::parse(source, problems);
            let mut file = TableReader::new(source, document.get_ref(), 0..0, "the file");
            for mut purpose in file.tables("purpose", "[[purpose]]", problems) {
                let id = purpose.required_string("id", problems);
                let name_en = purpose.required_string("name_en", problems);
                let name_zh = purpose.required_string("name_zh", problems);
                purpose.finish(problems);
                if let (Some(id), Some(name_en), Some(name_zh)) = (id, name_en, name_zh) {
                    let entry = Purpose { id: id.value.clone(), name_en: name_en.value, name_zh: name_zh.value };
                    if table.purposes.insert(id.value.clone(), entry).is_some() {
                        problems.error(source, &id.span, format!("purpose \"{}\" is there twice", id.value), None);
                    }
                }
            }
            // A domain may be there twice in different files (the later one wins), not in the same file.
            let mut seen = HashMap::new();
            for entry in file.tables("recipient", "[[recipient]]", problems) {
                table.read_entry(source, number, entry, &mut seen, &mut later, problems);
            }
            for entry in file.tables("company", "[[company]]", problems) {
                table.read_company(source, number, entry, &mut later, problems);
            }
            for mut entry in file.tables("names", "[[names]]", problems) {
                let of = entry.required_string("of", problems);
                let company = entry.string("company", problems);
                let names = entry.strings("names", problems);
                entry.finish(problems);
                later.names.extend(of.map(|of| NamesDraft { file: number, of, company, names }));
            }
            file.finish(problems);
        }
        table.link(sources, &later, problems);
        table
    }

    fn read_company(
        &mut self,
        source: &SourceFile,
        number: usize,
        mut entry: TableReader<'_>,
        later: &mut Later,
        problems: &mut Diagnostics,
    ) -> Option<()> {
        let id = entry.required_string("id", problems);
        let name_en = entry.required_string("name_en", problems);
        let name_zh = entry.string("name_zh", problems);
        let parent = entry.string("parent", problems);
        let names = entry.strings("names", problems);
        let span = entry.span();
        entry.finish(problems);
        let (id, name_en) = (id?, name_en?);
        let company = CompanyId(self.companies.len());
        if later.company_ids.insert(id.value.clone(), company).is_some() {
            problems.error(source, &id.span, format!("company \"{}\" is there twice", id.value), None);
            return None;
        }
        later.company_spans.push((number, span));
        later.parents.extend(parent.map(|parent| (number, company, parent)));
        for name in names.iter().chain([&name_en]).chain(&name_zh) {
            if self.company_names.insert(&name_key(&name.value), company).is_err() {
                let message = format!("\"{}\" is already a name of another company", name.value);
                problems.error(source, &name.span, message, None);
            }
        }
        let name_zh = name_zh.map_or_else(|| name_en.value.clone(), |name| name.value);
        self.companies.push(Company { id: id.value, name_en: name_en.value, name_zh, parent: None });
        Some(())
    }

    /// Resolves names, companies and parents, and refuses circles, names with two meanings, and what nothing leads to.
    fn link(&mut self, sources: &[SourceFile], later: &Later, problems: &mut Diagnostics) {
        let mut used = vec![false; self.companies.len()];
        for (number, company, parent) in &later.parents {
            let Some(source) = sources.get(*number) else { continue };
            let Some(found) = later.company_ids.get(&parent.value).copied() else {
                let help = suggest(&parent.value, later.company_ids.keys().map(String::as_str));
                problems.error(source, &parent.span, format!("unknown company \"{}\"", parent.value), help);
                continue;
            };
            used.get_mut(found.0).into_iter().for_each(|used| *used = true);
            if let Some(entry) = self.companies.get_mut(company.0) {
                entry.parent = Some(found);
            }
            let mut above = Some(found);
            while let Some(next) = above {
                if next == *company {
                    problems.error(source, &parent.span, "the company is its own parent, by a circle", None);
                    self.companies.get_mut(company.0).into_iter().for_each(|entry| entry.parent = None);
                    break;
                }
                above = self.companies.get(next.0).and_then(|entry| entry.parent);
            }
        }
        let mut named = vec![false; self.entries.len()];
        for NamesDraft { file, of, company, names } in &later.names {
            let Some(source) = sources.get(*file) else { continue };
            let Some(id) = self.by_id.get(&of.value).copied() else {
                let help = suggest(&of.value, self.by_id.keys().map(String::as_str));
                problems.error(source, &of.span, format!("names for \"{}\", which is no recipient", of.value), help);
                continue;
            };
            if let Some(company) = company {
                match later.company_ids.get(&company.value).copied() {
                    Some(found) => {
                        used.get_mut(found.0).into_iter().for_each(|used| *used = true);
                        self.entries.get_mut(id.0).into_iter().for_each(|entry| entry.company = Some(found));
                    }
                    None => {
                        let help = suggest(&company.value, later.company_ids.keys().map(String::as_str));
                        let message = format!("unknown company \"{}\"", company.value);
                        problems.error(source, &company.span, message, help);
                    }
                }
            }
            for name in names {
                named.get_mut(id.0).into_iter().for_each(|named| *named = true);
                if let Err(other) = self.names.insert(&recipient_key(&name.value), id) {
                    let other = self.get(other).map(|entry| entry.id.as_str()).unwrap_or_default();
                    let message = format!("\"{}\" is already a name of \"{other}\"", name.value);
                    problems.error(source, &name.span, message, None);
                }
            }
        }
        for (number, id, span) in &later.unreachable {
            if !named.get(id.0).copied().unwrap_or_default()
                && let Some(source) = sources.get(*number)
            {
                let message = "[[recipient]] needs \"domains\" or \"addresses\", or [[names]] to be known by";
                problems.error(source, span, message, None);
            }
        }
        for (used, (number, span)) in used.iter().zip(&later.company_spans) {
            if !used && let Some(source) = sources.get(*number) {
                problems.error(source, span, "no recipient and no company belongs to this [[company]]", None);
            }
        }
    }

    fn read_entry(
        &mut self,
        source: &SourceFile,
        number: usize,
        mut entry: TableReader<'_>,
        seen: &mut HashMap<String, ()>,
        later: &mut Later,
        problems: &mut Diagnostics,
    ) -> Option<()> {
        let id = entry.required_string("id", problems);
        let owner_en = entry.required_string("owner_en", problems);
        let owner_zh = entry.string("owner_zh", problems);
        let product = entry.string("product", problems);
        let purpose = entry.required_string("purpose", problems);
        let domains = entry.strings("domains", problems);
        let addresses = entry.strings("addresses", problems);
        let origin = entry.required_string("source", problems);
        let span = entry.span();
        entry.finish(problems);
        let (id, owner_en, purpose, origin) = (id?, owner_en?, purpose?, origin?);
        if !self.purposes.contains_key(&purpose.value) {
            let help = suggest(&purpose.value, self.purposes.keys().map(String::as_str)).or_else(|| {
                let known: Vec<&str> = self.purposes.keys().map(String::as_str).collect();
                Some(format!("known purposes: {}; others need a [[purpose]] entry", known.join(", ")))
            });
            problems.error(source, &purpose.span, format!("unknown purpose \"{}\"", purpose.value), help);
        }
        let recipient_id = RecipientId(self.entries.len());
        if self.by_id.insert(id.value.clone(), recipient_id).is_some() {
            problems.error(source, &id.span, format!("recipient \"{}\" is there twice", id.value), None);
            return None;
        }
        if domains.is_empty() && addresses.is_empty() {
            later.unreachable.push((number, recipient_id, span));
        }
        for domain in &domains {
            match Domain::parse(&domain.value) {
                Ok(name) => {
                    if seen.insert(name.as_str().to_owned(), ()).is_some() {
                        problems.error(source, &domain.span, format!("\"{name}\" has two owners"), None);
                    }
                    self.by_domain.insert(name.as_str().to_owned(), recipient_id);
                }
                Err(error) => {
                    let help = error.instead.as_ref().map(|instead| format!("write \"{instead}\""));
                    problems.error(source, &domain.span, error.to_string(), help);
                }
            }
        }
        for address in &addresses {
            match address.value.parse::<IpAddr>() {
                Ok(parsed) => {
                    self.by_address.insert(parsed, recipient_id);
                }
                Err(_) => {
                    problems.error(source, &address.span, format!("\"{}\" is not an IP address", address.value), None);
                }
            }
        }
        let owner_zh = owner_zh.map_or_else(|| owner_en.value.clone(), |name| name.value);
        for owner in [&owner_en.value, &owner_zh] {
            let known = self.by_owner.entry(owner.to_lowercase()).or_insert(Some(recipient_id));
            *known = known.filter(|known| *known == recipient_id);
        }
        self.entries.push(Recipient {
            id: id.value,
            owner_zh,
            owner_en: owner_en.value,
            product: product.map(|product| product.value).unwrap_or_default(),
            purpose: purpose.value,
            source: origin.value,
            company: None,
        });
        Some(())
    }

    /// Every recipient, in the order of the files.
    pub fn iter(&self) -> impl Iterator<Item = &Recipient> {
        self.entries.iter()
    }

    /// A recipient. `None` only for an id of another table.
    #[must_use]
    pub fn get(&self, id: RecipientId) -> Option<&Recipient> {
        self.entries.get(id.0)
    }

    /// The recipient with this id in text, with this owner name in either language (letter case is ignored), or that
    /// lists call by this name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<RecipientId> {
        if let Some(id) = self.by_id.get(name) {
            return Some(*id);
        }
        // An owner with several products is not one recipient: naming it alone would excuse all of them at once.
        let of_owner = self.by_owner.get(&name.to_lowercase()).copied().flatten();
        of_owner.or_else(|| self.names.get(&recipient_key(name)))
    }

    /// The recipient of the longest name in the text, for texts such as "消息推送（某某推送SDK）".
    ///
    /// Names in Latin letters count at word borders only, and of Chinese ones at least two characters are needed: "QQ"
    /// is no part of "QQQ".
    #[must_use]
    pub fn mentioned(&self, text: &str) -> Option<RecipientId> {
        self.mentioned_in(&TextKey::new(text))
    }

    /// The same for a text whose key is there already.
    #[must_use]
    pub fn mentioned_in(&self, key: &TextKey) -> Option<RecipientId> {
        let characters = key.characters();
        let mut best: Option<(usize, RecipientId)> = None;
        for start in 0..characters.len() {
            let rest = characters.get(start..).unwrap_or_default();
            let Some((length, id)) = self.names.longest_prefix(rest) else { continue };
            let after = rest.get(length..).unwrap_or_default();
            // "SDK" without a space after the name is a border too.
            let ends = after.starts_with(&['s', 'd', 'k']) || !key.is_within_word(start + length);
            let begins = !key.is_within_word(start);
            if length >= 2 && ends && begins && best.is_none_or(|(known, _)| length > known) {
                best = Some((length, id));
            }
        }
        best.map(|(_, id)| id)
    }

    /// The longest name that the characters of a key begin with, and its length in characters.
    #[must_use]
    pub fn longest_name(&self, key: &[char]) -> Option<(usize, RecipientId)> {
        self.names.longest_prefix(key)
    }

    /// The company of this legal name, or of the longest one in the text.
    #[must_use]
    pub fn company_named(&self, text: &str) -> Option<CompanyId> {
        self.company_in(&TextKey::new(text))
    }

    /// The same for a text whose key is there already.
    #[must_use]
    pub fn company_in(&self, key: &TextKey) -> Option<CompanyId> {
        let characters = key.characters();
        let found = (0..characters.len()).filter_map(|start| {
            let (length, id) = self.company_names.longest_prefix(characters.get(start..)?)?;
            Some((length, id)).filter(|_| length >= 4 || (start == 0 && length == characters.len()))
        });
        // Of two that are as long, the last one.
        found.max_by_key(|(length, _)| *length).map(|(_, id)| id)
    }

    /// A company. `None` only for an id of another table.
    #[must_use]
    pub fn company(&self, id: CompanyId) -> Option<&Company> {
        self.companies.get(id.0)
    }

    /// The one recipient of a company; `None` when it has none or several.
    #[must_use]
    pub fn only_of_company(&self, company: CompanyId) -> Option<RecipientId> {
        let mut of_it = self.entries.iter().enumerate().filter(|(_, entry)| entry.company == Some(company));
        match (of_it.next(), of_it.next()) {
            (Some((index, _)), None) => Some(RecipientId(index)),
            _ => None,
        }
    }

    /// The owner of the longest suffix of this host, with that suffix.
    #[must_use]
    pub fn of_domain<'h>(&self, host: &'h str) -> Option<(RecipientId, &'h str)> {
        suffixes(host).find_map(|suffix| self.by_domain.get(suffix).map(|id| (*id, suffix)))
    }

    /// The owner of an address that is used without a name.
    #[must_use]
    pub fn of_address(&self, address: IpAddr) -> Option<RecipientId> {
        self.by_address.get(&address).copied()
    }

    /// A purpose.
    #[must_use]
    pub fn purpose(&self, id: &str) -> Option<&Purpose> {
        self.purposes.get(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::ontology::Ontology;

    #[test]
    fn the_longest_suffix_at_a_label_border_owns_a_host() {
        let recipients = Ontology::built_in().unwrap().recipients;
        let owner = |host: &str| {
            recipients.of_domain(host).and_then(|(id, _)| recipients.get(id)).map(|entry| entry.id.clone())
        };
        assert_eq!(owner("sdk.e.qq.com").as_deref(), Some("tencent_ads"));
        assert_eq!(owner("alog.umeng.com").as_deref(), Some("umeng"));
        assert_eq!(owner("umengacs.m.taobao.com").as_deref(), Some("umeng"));
        assert_eq!(owner("httpdns.ocloud.oppomobile.com").as_deref(), Some("oppo_httpdns"));
        assert_eq!(owner("x.oppomobile.com").as_deref(), Some("oppo"));
        assert_eq!(owner("www.qq.com"), None);
        assert_eq!(owner("notumeng.com"), None);
        assert!(recipients.of_address("119.29.29.29".parse().unwrap()).is_some());
    }

    #[test]
    fn a_recipient_is_found_by_id_or_by_an_owner_that_is_one() {
        let recipients = Ontology::built_in().unwrap().recipients;
        assert!(recipients.find("umeng").is_some());
        assert!(recipients.find("AppsFlyer").is_some());
        assert!(recipients.find("tencent").is_none(), "several products");
    }

    #[test]
    fn a_domain_of_the_users_file_wins_and_its_mistakes_are_told() {
        let mine = SourceFile::new(
            "mine.toml",
            "[[recipient]]\nid = \"lab\"\nowner_en = \"Lab\"\npurpose = \"analytics\"\ndomains = [\"umeng.com\"]\nsource = \"me\"\n",
        );
        let recipients = Ontology::with(&[], &[mine]).unwrap().recipients;
        let (id, _) = recipients.of_domain("a.umeng.com").unwrap();
        assert_eq!(recipients.get(id).unwrap().id, "lab");
        let bad = SourceFile::new(
            "bad.toml",
            "[[recipient]]\nid = \"umeng\"\nowner_en = \"Lab\"\npurpose = \"analytic\"\ndomains = [\"https://a.example\"]\nsource = \"me\"\n",
        );
        let problems = Ontology::with(&[], &[bad]).unwrap_err().to_string();
        for wanted in ["did you mean \"analytics\"?", "\"umeng\" is there twice"] {
            assert!(problems.contains(wanted), "{wanted} is missing in:\n{problems}");
        }
    }
}
