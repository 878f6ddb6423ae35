//! Kinds of personal data, their narrower-than relation, and the paths and commands that tell that one was read.

use std::collections::{BTreeMap, BTreeSet};

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

use super::names::{NameTable, name_key};

use crate::host::toml_source::{self, Diagnostics, Located, SourceFile, TableReader, suggest};

/// Names one data type of a [`DataTypes`] table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TypeId(u16);

/// A kind of personal data.
#[derive(Debug, Clone)]
pub struct DataType {
    /// The id that terms and reports use, such as `id.mac`.
    pub id: String,
    /// English name.
    pub name_en: String,
    /// Chinese name.
    pub name_zh: String,
    /// Class of GB/T 35273-2020 annex A; empty when none fits.
    pub gb_35273: String,
    /// Ids of the Google Play Data safety form.
    pub play: Vec<String>,
    /// Whether GB/T 35273-2020 annex B calls it sensitive; `None` where it depends or is not known.
    pub sensitive_gb_35273: Option<bool>,
    /// Whether article 28 of the PIPL calls it sensitive; `None` where it depends or is not known.
    pub sensitive_pipl: Option<bool>,
    /// Every program reads it, so that reading it is never a finding by itself.
    pub weak: bool,
    /// Where the entry comes from.
    pub source: String,
    /// This type and every broader one.
    broader_or_same: BTreeSet<TypeId>,
    fallback: bool,
}

/// What a name in a list stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DataName {
    /// A data type.
    Type(TypeId),
    /// A heading that says nothing by itself, such as "basic information": what it encloses counts.
    Group,
    /// Something that only another system than Android has.
    OtherSystem,
}

/// The table of data types.
#[derive(Debug)]
pub struct DataTypes {
    entries: Vec<DataType>,
    by_id: BTreeMap<String, TypeId>,
    globs: GlobSet,
    glob_types: Vec<TypeId>,
    /// What every pattern begins with, up to its first wildcard, in lower case. Most paths begin with none of these,
    /// and comparing a few bytes is fifty times cheaper than running the patterns.
    prefixes: Vec<String>,
    /// The four bytes after the first slash of every one of them; `None` when one is shorter.
    heads: Option<Vec<[u8; 4]>>,
    /// First word, the words that must follow in order, and the type.
    commands: Vec<(Vec<String>, TypeId)>,
    names: NameTable<DataName>,
}

/// An entry as read, before its links are known to lead somewhere.
struct Draft {
    source: usize,
    id: Located<String>,
    narrower_than: Vec<Located<String>>,
    /// The names of the entry itself and those of its `names`.
    names: Vec<Located<String>>,
}

/// Names given to a data type in a table of their own; `of` is `None` for what is no data type.
struct NamesDraft {
    source: usize,
    of: Result<Located<String>, DataName>,
    names: Vec<Located<String>>,
}

impl DataTypes {
    /// Reads the files in order. Problems are added to `problems`; the table is usable when there are no errors.
    pub(super) fn load(sources: &[SourceFile], problems: &mut Diagnostics) -> Self {
        let mut table = Self {
            entries: Vec::new(),
            by_id: BTreeMap::new(),
            globs: GlobSet::empty(),
            glob_types: Vec::new(),
            prefixes: Vec::new(),
            heads: None,
            commands: Vec::new(),
            names: NameTable::default(),
        };
        let mut names = Vec::new();
        let mut globs = GlobSetBuilder::new();
        let mut drafts = Vec::new();
        let mut roots: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (number, source) in sources.iter().enumerate() {
            let document = toml_source::parse(source, problems);
            let mut file = TableReader::new(source, document.get_ref(), 0..0, "the file");
            for mut root in file.tables("path_root", "[[path_root]]", problems) {
                let name = root.required_string("name", problems);
                let _ = root.required_string("about", problems);
                let paths = root.required_strings("paths", problems);
                root.finish(problems);
                if let Some(name) = name {
                    let paths = paths.into_iter().map(|path| path.value).collect();
                    if roots.insert(name.value.clone(), paths).is_some() {
                        problems.error(
                            source,
                            &name.span,
                            format!("path root \"{}\" is there twice", name.value),
                            None,
                        );
                    }
                }
            }
            for entry in file.tables("data_type", "[[data_type]]", problems) {
                if let Some(draft) = table.read_entry(source, number, entry, &roots, &mut globs, problems) {
                    drafts.push(draft);
                }
            }
            for mut entry in file.tables("names", "[[names]]", problems) {
                let of = entry.required_string("of", problems);
                let given = entry.required_strings("names", problems);
                entry.finish(problems);
                names.extend(of.map(|of| NamesDraft { source: number, of: Ok(of), names: given }));
            }
            for mut entry in file.tables("group", "[[group]]", problems) {
                let given = entry.required_strings("names", problems);
                entry.finish(problems);
                names.push(NamesDraft { source: number, of: Err(DataName::Group), names: given });
            }
            for mut entry in file.tables("other_system", "[[other_system]]", problems) {
                let _ = entry.required_string("system", problems);
                let given = entry.required_strings("names", problems);
                entry.finish(problems);
                names.push(NamesDraft { source: number, of: Err(DataName::OtherSystem), names: given });
            }
            file.finish(problems);
        }
        let heads = table.prefixes.iter().map(|prefix| head(prefix)).collect::<Option<BTreeSet<_>>>();
        table.heads = heads.map(|heads| heads.into_iter().collect());
        table.link(sources, &drafts, problems);
        table.name(sources, drafts, names, problems);
        match globs.build() {
            Ok(set) => table.globs = set,
            Err(error) => {
                if let Some(source) = sources.first() {
                    problems.error(
                        source,
                        &(0..0),
                        format!("the path patterns do not compile together: {error}"),
                        None,
                    );
                }
            }
        }
        table
    }

    fn read_entry(
        &mut self,
        source: &SourceFile,
        number: usize,
        mut entry: TableReader<'_>,
        roots: &BTreeMap<String, Vec<String>>,
        globs: &mut GlobSetBuilder,
        problems: &mut Diagnostics,
    ) -> Option<Draft> {
        let id = entry.required_string("id", problems);
        let name_en = entry.required_string("name_en", problems);
        let name_zh = entry.required_string("name_zh", problems);
        let narrower_than = entry.strings("narrower_than", problems);
        let mut names = entry.strings("names", problems);
        let gb_35273 = entry.string("gb_35273", problems);
        let play = entry.strings("play", problems);
        let sensitive_gb_35273 = entry.boolean("sensitive_gb_35273", problems);
        let sensitive_pipl = entry.boolean("sensitive_pipl", problems);
        let paths = entry.strings("paths", problems);
        let commands = entry.strings("commands", problems);
        let weak = entry.boolean("weak", problems).unwrap_or(false);
        let fallback = entry.boolean("fallback", problems).unwrap_or(false);
        let origin = entry.required_string("source", problems);
        entry.finish(problems);
        let (id, name_en, name_zh, origin) = (id?, name_en?, name_zh?, origin?);
        let well_formed = id.value.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'.'));
        if !well_formed {
            problems.error(source, &id.span, "ids have lower-case letters, digits, '_' and '.' only", None);
            return None;
        }
        let Ok(index) = u16::try_from(self.entries.len()) else {
            problems.error(source, &id.span, "more than 65536 data types", None);
            return None;
        };
        let type_id = TypeId(index);
        if self.by_id.insert(id.value.clone(), type_id).is_some() {
            problems.error(source, &id.span, format!("data type \"{}\" is there twice", id.value), None);
            return None;
        }
        for pattern in &paths {
            for path in expand(pattern, source, roots, problems) {
                match GlobBuilder::new(&path).literal_separator(true).case_insensitive(true).build() {
                    Ok(glob) => {
                        globs.add(glob);
                        self.glob_types.push(type_id);
                        self.add_prefix(&path);
                    }
                    Err(error) => problems.error(source, &pattern.span, format!("not a path pattern: {error}"), None),
                }
            }
        }
        for command in commands {
            let words = command.value.split_whitespace().map(str::to_owned).collect();
            self.commands.push((words, type_id));
        }
        names.extend([name_en.clone(), name_zh.clone()]);
        self.entries.push(DataType {
            id: id.value.clone(),
            name_en: name_en.value,
            name_zh: name_zh.value,
            gb_35273: gb_35273.map(|class| class.value).unwrap_or_default(),
            play: play.into_iter().map(|column| column.value).collect(),
            sensitive_gb_35273,
            sensitive_pipl,
            weak,
            source: origin.value,
            broader_or_same: BTreeSet::from([type_id]),
            fallback,
        });
        Some(Draft { source: number, id, narrower_than, names })
    }

    /// Keeps the shortest literal beginnings: one that continues another adds nothing.
    fn add_prefix(&mut self, pattern: &str) {
        let literal = pattern.split(['*', '?', '[', '{', '\\']).next().unwrap_or_default().to_ascii_lowercase();
        if self.prefixes.iter().any(|known| literal.starts_with(known.as_str())) {
            return;
        }
        self.prefixes.retain(|known| !known.starts_with(&literal));
        self.prefixes.push(literal);
    }

    /// Resolves the links to broader types, closes them transitively, and refuses circles.
    fn link(&mut self, sources: &[SourceFile], drafts: &[Draft], problems: &mut Diagnostics) {
        let mut parents: BTreeMap<TypeId, Vec<TypeId>> = BTreeMap::new();
        for draft in drafts {
            let (Some(source), Some(id)) = (sources.get(draft.source), self.by_id.get(&draft.id.value)) else {
                continue;
            };
            for broader in &draft.narrower_than {
                match self.by_id.get(&broader.value) {
                    Some(parent) => parents.entry(*id).or_default().push(*parent),
                    None => problems.error(
                        source,
                        &broader.span,
                        format!("unknown data type \"{}\"", broader.value),
                        suggest(&broader.value, self.by_id.keys().map(String::as_str)),
                    ),
                }
            }
        }
        for draft in drafts {
            let (Some(source), Some(id)) = (sources.get(draft.source), self.by_id.get(&draft.id.value).copied()) else {
                continue;
            };
            let mut reached = BTreeSet::new();
            let mut open: Vec<TypeId> = parents.get(&id).cloned().unwrap_or_default();
            while let Some(next) = open.pop() {
                if next == id {
                    problems.error(
                        source,
                        &draft.id.span,
                        format!("\"{}\" is narrower than itself, by a circle", draft.id.value),
                        None,
                    );
                    break;
                }
                if reached.insert(next) {
                    open.extend(parents.get(&next).into_iter().flatten().copied());
                }
            }
            if let Some(entry) = self.entries.get_mut(usize::from(id.0)) {
                entry.broader_or_same.extend(reached);
            }
        }
    }

    /// Enters the names. A name with two meanings is an error: which one a list means could not be told.
    fn name(
        &mut self,
        sources: &[SourceFile],
        drafts: Vec<Draft>,
        tables: Vec<NamesDraft>,
        problems: &mut Diagnostics,
    ) {
        let of_entries =
            drafts.into_iter().map(|draft| NamesDraft { source: draft.source, of: Ok(draft.id), names: draft.names });
        for table in of_entries.chain(tables) {
            let Some(source) = sources.get(table.source) else { continue };
            let meaning = match &table.of {
                Err(meaning) => *meaning,
                Ok(of) => match self.by_id.get(&of.value) {
                    Some(id) => DataName::Type(*id),
                    None => {
                        let help = suggest(&of.value, self.by_id.keys().map(String::as_str));
                        let message = format!("names for \"{}\", which is no data type", of.value);
                        problems.error(source, &of.span, message, help);
                        continue;
                    }
                },
            };
            for name in table.names {
                if let Err(known) = self.names.insert(&name_key(&name.value), meaning) {
                    let known = match known {
                        DataName::Type(id) => self.id_of(id).to_owned(),
                        DataName::Group => "a heading".to_owned(),
                        DataName::OtherSystem => "a thing of another system".to_owned(),
                    };
                    let message = format!("\"{}\" is already a name of {known}", name.value);
                    problems.error(source, &name.span, message, None);
                }
            }
        }
    }

    /// What a name stands for; `key` comes from [`name_key`].
    #[must_use]
    pub fn named(&self, key: &str) -> Option<DataName> {
        self.names.get(key)
    }

    /// The longest name that the characters of a key begin with, and its length in characters.
    #[must_use]
    pub fn longest_name(&self, key: &[char]) -> Option<(usize, DataName)> {
        self.names.longest_prefix(key)
    }

    /// The data type of this id.
    #[must_use]
    pub fn find(&self, id: &str) -> Option<TypeId> {
        self.by_id.get(id).copied()
    }

    /// The data type of an id that a file gives; an unknown one is told, with the id that was probably meant.
    pub fn named_by(&self, source: &SourceFile, id: &Located<String>, problems: &mut Diagnostics) -> Option<TypeId> {
        let found = self.find(&id.value);
        if found.is_none() {
            let message = format!("unknown data type \"{}\"", id.value);
            problems.error(source, &id.span, message, suggest(&id.value, self.ids()));
        }
        found
    }

    /// Every id, sorted.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.by_id.keys().map(String::as_str)
    }

    /// Every data type, in the order of the files.
    pub fn iter(&self) -> impl Iterator<Item = &DataType> {
        self.entries.iter()
    }

    /// A data type. `None` only for an id of another table.
    #[must_use]
    pub fn get(&self, id: TypeId) -> Option<&DataType> {
        self.entries.get(usize::from(id.0))
    }

    /// The id in text; empty only for an id of another table.
    #[must_use]
    pub fn id_of(&self, id: TypeId) -> &str {
        self.get(id).map_or("", |entry| entry.id.as_str())
    }

    /// Whether who names `broad` has named `narrow` too: it is the same type or a narrower one.
    #[must_use]
    pub fn covers(&self, broad: TypeId, narrow: TypeId) -> bool {
        self.get(narrow).is_some_and(|entry| entry.broader_or_same.contains(&broad))
    }

    /// Whether a path can tell of anything, by a glance at its beginning: most paths of a system cannot.
    #[must_use]
    pub fn may_know(&self, path: &str) -> bool {
        match (&self.heads, head(path)) {
            (Some(heads), Some(head)) => heads.contains(&head),
            _ => true,
        }
    }

    /// The data types that reading this path tells of, narrowest only, sorted.
    #[must_use]
    pub fn of_path(&self, path: &str) -> Vec<TypeId> {
        let begins = |prefix: &String| {
            let head = path.as_bytes().get(..prefix.len());
            head.is_some_and(|head| head.eq_ignore_ascii_case(prefix.as_bytes()))
        };
        if !self.prefixes.iter().any(begins) {
            return Vec::new();
        }
        let types = self.globs.matches(path).into_iter().filter_map(|index| self.glob_types.get(index).copied());
        self.narrowest(types.collect())
    }

    /// The data types that starting this program with these arguments (program name first) tells of.
    #[must_use]
    pub fn of_command(&self, path: &str, arguments: &[String]) -> Vec<TypeId> {
        let name = path.rsplit('/').next().unwrap_or(path);
        // Multi-call programs such as toybox are known by the name they were called with.
        let called = arguments.first().and_then(|first| first.rsplit('/').next()).unwrap_or(name);
        let matches = |words: &[String]| {
            let Some((program, wanted)) = words.split_first() else { return false };
            if program != name && program != called {
                return false;
            }
            let mut given = arguments.iter().skip(1);
            wanted.iter().all(|word| given.any(|argument| argument == word))
        };
        self.narrowest(self.commands.iter().filter(|(words, _)| matches(words)).map(|(_, id)| *id).collect())
    }

    fn narrowest(&self, types: BTreeSet<TypeId>) -> Vec<TypeId> {
        let is_fallback = |id: &TypeId| self.get(*id).is_some_and(|entry| entry.fallback);
        let specific: BTreeSet<TypeId> = types.iter().copied().filter(|id| !is_fallback(id)).collect();
        let kept = if specific.is_empty() { types } else { specific };
        kept.iter()
            .copied()
            .filter(|broad| !kept.iter().any(|narrow| narrow != broad && self.covers(*broad, *narrow)))
            .collect()
    }
}

/// The four bytes after the first one, in lower case.
fn head(path: &str) -> Option<[u8; 4]> {
    let head: [u8; 4] = path.as_bytes().get(1..5)?.try_into().ok()?;
    Some(head.map(|byte| byte.to_ascii_lowercase()))
}

/// Replaces a leading `$name` by each path of that root.
fn expand(
    pattern: &Located<String>,
    source: &SourceFile,
    roots: &BTreeMap<String, Vec<String>>,
    problems: &mut Diagnostics,
) -> Vec<String> {
    let text = &pattern.value;
    let Some(rest) = text.strip_prefix('$') else {
        if !text.starts_with('/') {
            problems.error(source, &pattern.span, "a path pattern begins with '/' or with a $root", None);
            return Vec::new();
        }
        return vec![text.clone()];
    };
    let (name, tail) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    match roots.get(name) {
        Some(paths) => paths.iter().map(|root| format!("{root}{tail}")).collect(),
        None => {
            let help = suggest(name, roots.keys().map(String::as_str));
            problems.error(source, &pattern.span, format!("unknown path root \"${name}\""), help);
            Vec::new()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::ontology::Ontology;

    fn names_of(path: &str) -> Vec<String> {
        let ontology = Ontology::built_in().unwrap();
        ontology.data_types.of_path(path).iter().map(|id| ontology.data_types.id_of(*id).to_owned()).collect()
    }

    #[test]
    fn paths_lead_to_the_narrowest_type_in_every_form() {
        for (path, wanted) in [
            ("/sys/class/net/wlan0/address", "id.mac"),
            ("/sys/devices/pci0000:00/0000:00:03.0/virtio0/net/eth0/address", "id.mac"),
            ("/sys/devices/virtual/net/lo/address", "id.mac"),
            ("/storage/emulated/0/DCIM/Camera/IMG_1.JPG", "photos"),
            ("/storage/emulated/0/DCIM/IMG_1.jpg", "photos"),
            ("/sdcard/DCIM/IMG_1.jpg", "photos"),
            ("/SDCARD/dcim/IMG_1.jpg", "photos"),
            ("/data/media/0/DCIM/clip.mp4", "videos"),
            ("/storage/emulated/0/DCIM/Camera", "media"),
            ("/storage/emulated/0/Download/bill.pdf", "documents"),
            ("/storage/emulated/0/notes.txt", "files.shared"),
            ("/data/data/com.android.providers.contacts/databases/contacts2.db", "contacts"),
            ("/data/user/0/com.android.providers.contacts/databases/contacts2.db-wal", "contacts"),
            ("/data/user_de/0/com.android.providers.telephony/databases/mmssms.db", "sms"),
            ("/data/data/com.other/shared_prefs/a.xml", "other_app_data"),
            ("/proc/net/arp", "location.coarse"),
            ("/proc/self/net/arp", "location.coarse"),
            ("/proc/cpuinfo", "device_fingerprint"),
        ] {
            assert_eq!(names_of(path), [wanted], "{path}");
        }
        let types = Ontology::built_in().unwrap().data_types;
        assert!(!types.may_know("/apex/com.android.runtime/lib64/bionic/libc.so"), "a glance tells most paths");
        for path in ["/sys/class/net/wlan0/address", "/STORAGE/emulated/0/DCIM/a.jpg", "/s", ""] {
            assert!(types.may_know(path), "{path}");
        }
        for path in ["/etc/passwd", "/sys/class/net/wlan0/mtu", "/usr/lib/libc.so", "", "/storage/emulated/0"] {
            assert!(names_of(path).is_empty(), "{path}");
        }
    }

    #[test]
    fn commands_match_by_program_and_words_in_order() {
        let ontology = Ontology::built_in().unwrap();
        let of = |path: &str, words: &[&str]| -> Vec<String> {
            let arguments: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
            let found = ontology.data_types.of_command(path, &arguments);
            found.iter().map(|id| ontology.data_types.id_of(*id).to_owned()).collect()
        };
        assert_eq!(of("/system/bin/toolbox", &["getprop", "ro.serialno"]), ["id.serial"]);
        assert_eq!(of("/system/bin/pm", &["pm", "list", "packages", "-f"]), ["app_list"]);
        assert!(of("/system/bin/getprop", &["getprop", "ro.product.model"]).is_empty());
        assert!(of("/bin/cat", &["cat", "ro.serialno"]).is_empty());
        assert!(of("", &[]).is_empty());
    }

    #[test]
    fn broader_types_cover_narrower_ones_and_not_the_other_way_round() {
        let types = Ontology::built_in().unwrap().data_types;
        let find = |id: &str| types.find(id).unwrap();
        assert!(types.covers(find("id"), find("id.mac")));
        assert!(types.covers(find("id.mac"), find("id.mac")));
        assert!(!types.covers(find("id.mac"), find("device_id")));
        assert!(!types.covers(find("contacts"), find("photos")));
    }

    #[test]
    fn a_file_of_the_users_is_linted_like_the_built_in_one() {
        let bad = SourceFile::new(
            "mine.toml",
            concat!(
                "[[data_type]]\nid = \"a\"\nname_en = \"A\"\nname_zh = \"A\"\nnarrower_than = [\"b\"]\nsource = \"me\"\n",
                "[[data_type]]\nid = \"b\"\nname_en = \"B\"\nname_zh = \"B\"\nnarrower_than = [\"a\", \"contcats\"]\nsource = \"me\"\n",
                "paths = [\"$nowhere/x\", \"relative\", \"/a[\"]\n",
                "[[data_type]]\nid = \"id.mac\"\nname_en = \"M\"\nname_zh = \"M\"\nsource = \"me\"\n",
                "[[data_type]]\nid = \"c\"\nname_en = \"C\"\nname_zh = \"C\"\n",
            ),
        );
        let problems = Ontology::with(&[bad], &[]).unwrap_err().to_string();
        for wanted in [
            "narrower than itself",
            "did you mean \"contacts\"?",
            "unknown path root \"$nowhere\"",
            "begins with '/'",
            "not a path pattern",
            "\"id.mac\" is there twice",
            "[[data_type]] needs \"source\"",
        ] {
            assert!(problems.contains(wanted), "{wanted} is missing in:\n{problems}");
        }
    }
}
