//! Types of apps, and the personal information that the basic function of each needs.

use std::collections::BTreeMap;

use super::data_types::{DataTypes, TypeId};
use super::names::name_key;
use crate::host::toml_source::{self, Diagnostics, SourceFile, TableReader};

/// Names one type of an [`AppTypes`] table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AppTypeId(usize);

/// A type of app.
#[derive(Debug, Clone)]
pub struct AppType {
    /// The id that terms use, such as `map-navigation`.
    pub id: String,
    /// Its number in the rule, from 1.
    pub number: u32,
    /// English name.
    pub name_en: String,
    /// Chinese name, as the rule has it.
    pub name_zh: String,
    /// What the basic function needs.
    pub necessary: Vec<TypeId>,
    /// What only a part of the basic function needs, and which part.
    pub for_a_part: Vec<(TypeId, String)>,
    /// What the rule names and no data type stands for.
    pub also: Vec<String>,
    /// Whether the fields were compared with the text of the rule.
    pub checked: bool,
    /// Where the entry comes from.
    pub source: String,
}

/// Whether the basic function of an app needs a data type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need<'a> {
    /// It does.
    Necessary,
    /// A part of it does; the words say which.
    ForAPart(&'a str),
    /// It does not.
    NotNecessary,
}

impl AppType {
    /// Whether the basic function needs this data type. Who needs a broader type needs the narrower ones.
    #[must_use]
    pub fn needs(&self, data_type: TypeId, types: &DataTypes) -> Need<'_> {
        if self.necessary.iter().any(|needed| types.covers(*needed, data_type)) {
            return Need::Necessary;
        }
        let part = self.for_a_part.iter().find(|(needed, _)| types.covers(*needed, data_type));
        part.map_or(Need::NotNecessary, |(_, when)| Need::ForAPart(when))
    }

    /// Whether it needs no personal information at all.
    #[must_use]
    pub fn needs_nothing(&self) -> bool {
        self.necessary.is_empty() && self.for_a_part.is_empty() && self.also.is_empty()
    }
}

/// The table of types of apps.
#[derive(Debug, Default)]
pub struct AppTypes {
    entries: Vec<AppType>,
    by_id: BTreeMap<String, AppTypeId>,
}

impl AppTypes {
    /// Reads the files in order. Problems are added to `problems`; the table is usable when there are no errors.
    pub(super) fn load(sources: &[SourceFile], data_types: &DataTypes, problems: &mut Diagnostics) -> Self {
        let mut table = Self::default();
        toml_source::each_entry(sources, "app_type", "[[app_type]]", problems, |source, entry, problems| {
            table.read_entry(source, entry, data_types, problems);
        });
        table
    }

    fn read_entry(
        &mut self,
        source: &SourceFile,
        mut entry: TableReader<'_>,
        data_types: &DataTypes,
        problems: &mut Diagnostics,
    ) {
        let id = entry.required_string("id", problems);
        let number = entry.positive("number", problems);
        let name_en = entry.required_string("name_en", problems);
        let name_zh = entry.required_string("name_zh", problems);
        // An empty list is an answer here: 13 types need nothing.
        let has_list = entry.has("necessary");
        let necessary: Vec<TypeId> = entry
            .strings("necessary", problems)
            .iter()
            .filter_map(|name| data_types.named_by(source, name, problems))
            .collect();
        let mut for_a_part = Vec::new();
        for mut part in entry.tables("for_a_part", "for_a_part", problems) {
            let data_type = part.required_string("data_type", problems);
            let when = part.required_string("when", problems);
            part.finish(problems);
            let data_type = data_type.and_then(|name| data_types.named_by(source, &name, problems));
            for_a_part.extend(data_type.zip(when.map(|when| when.value)));
        }
        let also = entry.strings("also", problems).into_iter().map(|name| name.value).collect();
        let checked = entry.boolean("checked", problems);
        let origin = entry.required_string("source", problems);
        let span = entry.span();
        entry.finish(problems);
        let (Some(id), Some(name_en), Some(name_zh), Some(origin)) = (id, name_en, name_zh, origin) else { return };
        let (Some(number), Some(checked), true) = (number, checked, has_list) else {
            let message = "[[app_type]] needs \"number\", \"checked\" and \"necessary\"";
            problems.error(source, &span, message, None);
            return;
        };
        if !id.value.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-')) {
            problems.error(source, &id.span, "ids of app types have lower-case letters, digits and '-' only", None);
        }
        if let Some(twice) = self.entries.iter().find(|known| known.number == number || known.name_zh == name_zh.value)
        {
            let message = format!("the number or the name is that of \"{}\" already", twice.id);
            problems.error(source, &id.span, message, None);
        }
        let app_type = AppTypeId(self.entries.len());
        if self.by_id.insert(id.value.clone(), app_type).is_some() {
            problems.error(source, &id.span, format!("app type \"{}\" is there twice", id.value), None);
        }
        self.entries.push(AppType {
            id: id.value,
            number,
            name_en: name_en.value,
            name_zh: name_zh.value,
            necessary,
            for_a_part,
            also,
            checked,
            source: origin.value,
        });
    }

    /// The type with this id, or with this name in either language; the Chinese one also without 类 at its end.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<AppTypeId> {
        if let Some(id) = self.by_id.get(name) {
            return Some(*id);
        }
        let key = name_key(name);
        let same = |entry: &AppType| {
            let chinese = name_key(&entry.name_zh);
            name_key(&entry.name_en) == key || chinese == key || chinese.strip_suffix('类') == Some(key.as_str())
        };
        self.entries.iter().position(same).map(AppTypeId)
    }

    /// A type. `None` only for an id of another table.
    #[must_use]
    pub fn get(&self, id: AppTypeId) -> Option<&AppType> {
        self.entries.get(id.0)
    }

    /// Every type, in the order of the rule.
    pub fn iter(&self) -> impl Iterator<Item = &AppType> {
        self.entries.iter()
    }

    /// Every id, sorted.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.by_id.keys().map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::ontology::Ontology;

    fn built_in() -> Ontology {
        Ontology::built_in().unwrap_or_else(|problems| panic!("{problems}"))
    }

    #[test]
    fn all_39_types_are_there_in_the_order_of_the_rule() {
        let ontology = built_in();
        let types: Vec<&AppType> = ontology.app_types.iter().collect();
        assert_eq!(types.len(), 39);
        assert!(types.iter().enumerate().all(|(index, entry)| usize::try_from(entry.number).unwrap() == index + 1));
        let names: Vec<&str> = types.iter().map(|entry| entry.name_zh.as_str()).collect();
        assert_eq!(names[..3], ["地图导航类", "网络约车类", "即时通信类"]);
        assert_eq!(names[36..], ["应用商店类", "实用工具类", "演出票务类"]);
        assert!(names.iter().all(|name| name.ends_with('类')));
        let nothing: Vec<u32> = types.iter().filter(|entry| entry.needs_nothing()).map(|entry| entry.number).collect();
        assert_eq!(nothing, [21, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38]);
    }

    #[test]
    fn single_types_need_what_the_rule_says() {
        let ontology = built_in();
        let needs = |app: &str, data: &str| {
            let app = ontology.app_types.find(app).and_then(|id| ontology.app_types.get(id)).unwrap();
            match app.needs(ontology.data_types.find(data).unwrap(), &ontology.data_types) {
                Need::Necessary => "yes",
                Need::ForAPart(_) => "in part",
                Need::NotNecessary => "no",
            }
        };
        for (app, data, wanted) in [
            ("map-navigation", "location", "yes"),
            ("map-navigation", "location.precise", "yes"),
            ("map-navigation", "phone_number", "no"),
            ("ride-hailing", "phone_number", "yes"),
            ("ride-hailing", "finance.payment", "in part"),
            ("instant-messaging", "friends", "yes"),
            ("instant-messaging", "contacts", "no"),
            ("online-shopping", "personal.address", "yes"),
            ("online-shopping", "location", "no"),
            ("dating", "personal.marriage", "yes"),
            ("vehicle-services", "location", "in part"),
            ("news", "phone_number", "no"),
            ("utilities", "id.android_id", "no"),
            ("show-tickets", "phone_number", "yes"),
        ] {
            assert_eq!(needs(app, data), wanted, "{app} {data}");
        }
        // No type needs any of these.
        for data in ["id.imei", "id.android_id", "app_list", "contacts", "sms", "call_log", "calendar", "clipboard"] {
            assert!(ontology.app_types.iter().all(|entry| needs(&entry.id, data) == "no"), "{data}");
        }
    }

    /// Every type that needs something, as article 5 of the rule has it: data types, and after a bar those for a part only.
    #[test]
    fn every_type_needs_what_the_rule_lists() {
        const RULE: &[(u32, &str)] = &[
            (1, "location"),
            (2, "location phone_number | finance.payment"),
            (3, "account friends phone_number"),
            (4, "phone_number"),
            (5, "finance.payment personal.identity personal.name phone_number"),
            (6, "finance.payment personal.address personal.name phone_number"),
            (7, "finance.payment personal.address personal.name phone_number"),
            (8, "personal.address personal.identity personal.name phone_number"),
            (9, "finance.payment personal.identity personal.name phone_number"),
            (10, "personal.birth personal.gender personal.marriage phone_number"),
            (11, "personal.work phone_number"),
            (12, "finance.payment personal.identity personal.name phone_number"),
            (13, "phone_number"),
            (14, "personal.identity personal.name phone_number"),
            (15, "phone_number | health personal.identity personal.name"),
            (16, "personal.identity personal.name phone_number"),
            (17, "personal.name phone_number"),
            (18, "phone_number"),
            (19, "phone_number"),
            (20, "phone_number"),
            (22, "finance.payment phone_number | location personal.identity"),
            (23, "finance.payment personal.identity personal.name phone_number"),
            (24, "finance.payment personal.identity personal.name phone_number"),
            (25, "phone_number"),
            (26, "phone_number"),
            (39, "finance.payment phone_number"),
        ];
        let ontology = built_in();
        let ids = |types: &mut dyn Iterator<Item = TypeId>| {
            let mut ids: Vec<&str> = types.map(|id| ontology.data_types.id_of(id)).collect();
            ids.sort_unstable();
            ids.join(" ")
        };
        let needing = ontology.app_types.iter().filter(|entry| !entry.needs_nothing());
        let found: Vec<(u32, String)> = needing
            .map(|entry| {
                let necessary = ids(&mut entry.necessary.iter().copied());
                let parts = ids(&mut entry.for_a_part.iter().map(|part| part.0));
                let bar = if parts.is_empty() { "" } else { " | " };
                (entry.number, format!("{necessary}{bar}{parts}"))
            })
            .collect();
        let found: Vec<(u32, &str)> = found.iter().map(|(number, needs)| (*number, needs.as_str())).collect();
        assert_eq!(found, RULE);
        assert!(ontology.app_types.iter().all(|entry| entry.checked));
    }

    #[test]
    fn a_type_is_found_by_its_names() {
        let types = built_in().app_types;
        let id = types.find("map-navigation");
        assert!(id.is_some());
        for name in ["地图导航类", "地图导航", "地圖導航類", "Maps and navigation"] {
            assert_eq!(types.find(name), id, "{name}");
        }
        assert_eq!(types.find("map"), None);
    }

    #[test]
    fn a_broken_table_is_told() {
        let ontology = built_in();
        let entry = "[[app_type]]\nid = \"a\"\nnumber = 1\nname_en = \"A\"\nname_zh = \"甲类\"\nsource = \"x\"\n";
        for (text, wanted) in [
            (format!("{entry}checked = true\nnecessary = [\"locaton\"]\n"), "unknown data type \"locaton\""),
            (format!("{entry}checked = true\n"), "needs \"number\", \"checked\" and \"necessary\""),
            (
                format!("{0}checked = true\nnecessary = []\n{0}checked = true\nnecessary = []\n", entry),
                "is there twice",
            ),
        ] {
            let mut problems = Diagnostics::default();
            AppTypes::load(&[SourceFile::new("t", &text)], &ontology.data_types, &mut problems);
            assert!(problems.to_string().contains(wanted), "{problems}");
        }
    }
}
