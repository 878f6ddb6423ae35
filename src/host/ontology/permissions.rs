//! What a permission lets an app reach.

use super::data_types::{DataTypes, TypeId};
use crate::host::toml_source::{self, Diagnostics, Located, SourceFile, TableReader};

/// The table of permissions.
#[derive(Debug, Default)]
pub struct Permissions {
    rows: Vec<Permission>,
}

/// A permission, or several that begin alike.
#[derive(Debug)]
pub struct Permission {
    name: String,
    /// Every permission that begins with `name`.
    is_beginning: bool,
    /// What it opens on any version of Android.
    pub data_types: Vec<TypeId>,
    /// What it opens besides on devices below this API level.
    pub older: Option<(u32, Vec<TypeId>)>,
    /// It is demanded by a service of the app, which the system then gives the data to.
    pub of_component: bool,
    /// What decides, where the name does not say it; empty where nothing has to be said.
    pub note: String,
}

impl Permission {
    fn fits(&self, name: &str) -> bool {
        if self.is_beginning { name.starts_with(&self.name) } else { name == self.name }
    }

    /// What it opens to an app that runs on devices from API level `min_sdk`; an unknown one means any.
    #[must_use]
    pub fn opens(&self, min_sdk: Option<u32>) -> Vec<TypeId> {
        let mut types = self.data_types.clone();
        if let Some((before, older)) = &self.older
            && min_sdk.is_none_or(|level| level < *before)
        {
            types.extend(older);
        }
        types
    }
}

impl Permissions {
    pub(super) fn load(sources: &[SourceFile], data_types: &DataTypes, problems: &mut Diagnostics) -> Self {
        let mut table = Self::default();
        toml_source::each_entry(sources, "permission", "[[permission]]", problems, |source, entry, problems| {
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
        let name = entry.required_string("name", problems);
        let given = entry.required_strings("data_types", problems);
        let before = entry.positive("before_api", problems);
        let older = entry.strings("older_types", problems);
        let of_component = entry.boolean("of_component", problems).unwrap_or_default();
        let note = entry.string("note", problems).map(|note| note.value).unwrap_or_default();
        entry.required_string("source", problems);
        let span = entry.span();
        entry.finish(problems);
        let mut types = |names: &[Located<String>]| -> Vec<TypeId> {
            names.iter().filter_map(|name| data_types.named_by(source, name, problems)).collect()
        };
        let (given, older) = (types(&given), types(&older));
        if before.is_some() == older.is_empty() {
            problems.error(source, &span, "\"before_api\" and \"older_types\" go together", None);
        }
        let Some(name) = name else { return };
        if self.rows.iter().any(|row| row.fits(name.value.trim_end_matches('*'))) {
            problems.error(source, &name.span, format!("\"{}\" is covered by an entry above", name.value), None);
        }
        self.rows.push(Permission {
            is_beginning: name.value.ends_with('*'),
            name: name.value.trim_end_matches('*').to_owned(),
            data_types: given,
            older: before.map(|before| (before, older)),
            of_component,
            note,
        });
    }

    /// The entry about a permission; `None` when it opens no data that is known.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&Permission> {
        self.rows.iter().find(|row| row.fits(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::ontology::Ontology;

    #[test]
    fn what_a_permission_opens_depends_on_the_devices_it_runs_on() {
        let ontology = Ontology::built_in().unwrap_or_else(|problems| panic!("{problems}"));
        let opens = |name: &str, min_sdk| -> Vec<&str> {
            let found = ontology.permissions.find(name).map(|row| row.opens(min_sdk)).unwrap_or_default();
            found.into_iter().map(|id| ontology.data_types.id_of(id)).collect()
        };
        assert_eq!(opens("android.permission.READ_CONTACTS", None), ["contacts"]);
        assert_eq!(opens("android.permission.READ_PHONE_STATE", Some(29)), ["network.carrier"]);
        assert!(opens("android.permission.READ_PHONE_STATE", Some(28)).contains(&"id.imei"));
        assert!(opens("android.permission.READ_PHONE_STATE", None).contains(&"id.imei"));
        assert_eq!(opens("android.permission.health.READ_SLEEP", None), ["health"]);
        assert!(opens("android.permission.READ_CONTACTS2", None).is_empty());
        assert!(opens("android.permission.INTERNET", None).is_empty());
    }

    #[test]
    fn mistakes_in_the_table_are_told() {
        let ontology = Ontology::built_in().unwrap_or_else(|problems| panic!("{problems}"));
        let text = "[[permission]]\nname = \"a.*\"\ndata_types = [\"contcts\"]\nsource = \"x\"\n\
            [[permission]]\nname = \"a.b\"\ndata_types = [\"sms\"]\nbefore_api = 3\nsource = \"x\"\n";
        let mut problems = Diagnostics::default();
        let _ = Permissions::load(&[SourceFile::new("p", text)], &ontology.data_types, &mut problems);
        let told = problems.to_string();
        for wanted in
            ["unknown data type \"contcts\"", "did you mean \"contacts\"", "covered by an entry", "go together"]
        {
            assert!(told.contains(wanted), "{wanted}: {told}");
        }
    }
}
