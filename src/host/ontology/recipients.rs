//! Who stands behind a domain or an address.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

use super::domain::{Domain, suffixes};
use crate::host::toml_source::{self, Diagnostics, SourceFile, TableReader, suggest};

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
    by_domain: HashMap<String, RecipientId>,
    by_address: HashMap<IpAddr, RecipientId>,
}

impl Recipients {
    /// Reads the files in order. Problems are added to `problems`; the table is usable when there are no errors.
    pub(super) fn load(sources: &[SourceFile], problems: &mut Diagnostics) -> Self {
        let mut table = Self::default();
        for source in sources {
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
                table.read_entry(source, entry, &mut seen, problems);
            }
            file.finish(problems);
        }
        table
    }

    fn read_entry(
        &mut self,
        source: &SourceFile,
        mut entry: TableReader<'_>,
        seen: &mut HashMap<String, ()>,
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
        if domains.is_empty() && addresses.is_empty() {
            problems.error(source, &span, "[[recipient]] needs \"domains\" or \"addresses\"", None);
        }
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
        self.entries.push(Recipient {
            id: id.value,
            owner_zh: owner_zh.map_or_else(|| owner_en.value.clone(), |name| name.value),
            owner_en: owner_en.value,
            product: product.map(|product| product.value).unwrap_or_default(),
            purpose: purpose.value,
            source: origin.value,
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

    /// The recipient with this id in text, or with this owner name in either language; letter case is ignored.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<RecipientId> {
        if let Some(id) = self.by_id.get(name) {
            return Some(*id);
        }
        let wanted = name.to_lowercase();
        let found =
            |entry: &Recipient| entry.owner_en.to_lowercase() == wanted || entry.owner_zh.to_lowercase() == wanted;
        // An owner with several products is not one recipient: naming it alone would excuse all of them at once.
        let mut matching = self.entries.iter().enumerate().filter(|(_, entry)| found(entry));
        match (matching.next(), matching.next()) {
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
