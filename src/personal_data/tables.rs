//! The tables of `data/`, as constants.

use std::fmt;

use crate::event::FilterError;

/// Names that are less alike than this (1 is equal) are not suggested, nor are longer ones than this (bytes) compared.
const LEAST_ALIKE: f64 = 0.7;
const LONGEST_COMPARED: usize = 64;

/// A kind of personal data, by its place in the tables.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DataType(u8);

/// How a kind of data stands to the law, as far as the severity of an event goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DataClass {
    /// GB/T 35273-2020 or article 28 of the PIPL calls it sensitive.
    Sensitive,
    /// Whether it is sensitive depends on what is in it, or is not known.
    Open,
    /// A place where all sorts of data are: what was read there is not known.
    Place,
    /// Personal, and sensitive to neither.
    Personal,
    /// Every program reads it.
    Weak,
}

impl DataClass {
    /// Every class, the most grave first.
    pub const ALL: &'static [Self] = &[Self::Sensitive, Self::Open, Self::Place, Self::Personal, Self::Weak];
}

struct TypeRow {
    id: &'static str,
    broader_or_same: &'static [u8],
    class: DataClass,
    fallback: bool,
}

struct ProviderRow {
    authorities: &'static [&'static str],
    paths: &'static [&'static str],
    calls: &'static [&'static str],
    types: &'static [u8],
    undecided: bool,
}

struct ServiceRow {
    interface: &'static str,
    methods: &'static [&'static str],
    types: &'static [u8],
}

include!(concat!(env!("OUT_DIR"), "/personal_data_tables.rs"));

/// What a table says of an access.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Taken {
    /// No row is about it.
    Unknown,
    /// These kinds of data.
    Types(&'static [u8]),
    /// At least these, and perhaps more.
    AtLeast(&'static [u8]),
}

impl DataType {
    /// Every kind, in the order of the tables.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..=u8::MAX).zip(TYPES).map(|(number, _)| Self(number))
    }

    /// The kind of this id.
    #[must_use]
    pub fn find(id: &str) -> Option<Self> {
        Self::all().find(|data_type| data_type.id() == id)
    }

    /// The kind that somebody names.
    ///
    /// # Errors
    ///
    /// When no table has it, with the one that looks most like it.
    pub fn named(name: &str) -> Result<Self, FilterError> {
        Self::find(name).ok_or_else(|| {
            // A long name is compared in full with each: it is not worth a suggestion.
            let alike = |id| if name.len() <= LONGEST_COMPARED { strsim::jaro_winkler(name, id) } else { 0.0 };
            let nearest = Self::all().map(|known| (alike(known.id()), known.id())).max_by(|a, b| a.0.total_cmp(&b.0));
            let nearest = nearest.filter(|(alike, _)| *alike >= LEAST_ALIKE).map(|(_, id)| id);
            FilterError::UnknownDataType { name: name.to_owned(), nearest }
        })
    }

    /// Its id, such as `id.mac`.
    #[must_use]
    pub fn id(self) -> &'static str {
        self.row().map_or("", |row| row.id)
    }

    /// How it stands to the law.
    #[must_use]
    pub fn class(self) -> DataClass {
        self.row().map_or(DataClass::Open, |row| row.class)
    }

    /// Whether it is `broad`, or narrower.
    #[must_use]
    pub fn is_within(self, broad: Self) -> bool {
        self.row().is_some_and(|row| row.broader_or_same.contains(&broad.0))
    }

    fn row(self) -> Option<&'static TypeRow> {
        TYPES.get(usize::from(self.0))
    }
}

impl fmt::Debug for DataType {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.id())
    }
}

pub(super) fn types(numbers: &[u8]) -> Vec<DataType> {
    numbers.iter().copied().map(DataType).collect()
}

/// The kinds of data that reading this path tells of, narrowest only, sorted.
pub(super) fn of_path(path: &str) -> Vec<DataType> {
    // Most paths begin with none of the patterns' beginnings: comparing a few bytes is far cheaper than a pattern.
    let begins = |pattern: &&(&str, u8)| {
        let literal = pattern.0.split(['*', '?', '[', '{', '\\']).next().unwrap_or_default();
        path.as_bytes().get(..literal.len()).is_some_and(|head| head.eq_ignore_ascii_case(literal.as_bytes()))
    };
    let mut candidates = PATHS.iter().filter(begins).peekable();
    if candidates.peek().is_none() {
        return Vec::new();
    }
    let lowered = path.to_ascii_lowercase();
    narrowest(candidates.filter(|(pattern, _)| fast_glob::glob_match(pattern, &lowered)).map(|(_, number)| *number))
}

/// The kinds of data that starting this program with these arguments (program name first) tells of.
pub(super) fn of_command(path: &str, arguments: &[String]) -> Vec<DataType> {
    let name = path.rsplit('/').next().unwrap_or(path);
    // Multi-call programs such as toybox are known by the name they were called with.
    let called = arguments.first().and_then(|first| first.rsplit('/').next()).unwrap_or(name);
    let matches = |words: &[&str]| {
        let Some((program, wanted)) = words.split_first() else { return false };
        let mut given = arguments.iter().skip(1);
        (*program == name || *program == called) && wanted.iter().all(|word| given.any(|argument| argument == word))
    };
    narrowest(COMMANDS.iter().filter(|(words, _)| matches(words)).map(|(_, number)| *number))
}

fn narrowest(numbers: impl Iterator<Item = u8>) -> Vec<DataType> {
    let mut found: Vec<DataType> = numbers.map(DataType).collect();
    found.sort_unstable();
    found.dedup();
    let is_fallback = |data_type: &DataType| data_type.row().is_some_and(|row| row.fallback);
    if !found.iter().all(is_fallback) {
        found.retain(|data_type| !is_fallback(data_type));
    }
    let all = found.clone();
    found.retain(|broad| !all.iter().any(|narrow| narrow != broad && narrow.is_within(*broad)));
    found
}

/// What an access of a provider takes. `path` is that of the URI; `call` the method and argument of a `call`.
pub(super) fn of_provider(authority: &str, path: &str, call: Option<(&str, &str)>) -> Taken {
    let mut of_authority =
        PROVIDERS.iter().filter(|row| row.authorities.iter().any(|pattern| fits(pattern, authority))).peekable();
    if of_authority.peek().is_none() {
        return Taken::Unknown;
    }
    let row_fits = |row: &&ProviderRow| {
        (row.paths.is_empty() || row.paths.iter().any(|beginning| begins(path, beginning)))
            && match call {
                Some(call) => row.calls.iter().any(|wanted| is_call(wanted, call)),
                None => row.calls.is_empty(),
            }
    };
    match of_authority.find(row_fits) {
        Some(row) if row.undecided => Taken::AtLeast(row.types),
        Some(row) => Taken::Types(row.types),
        None if call.is_some() => Taken::Types(&[]),
        None => Taken::Unknown,
    }
}

/// What a call of a service takes. `method` is `None` where no table names the code.
pub(super) fn of_service(interface: &str, method: Option<&str>, code: u32) -> Taken {
    let of_interface = || SERVICES.iter().filter(|row| row.interface == interface);
    let named = |row: &&ServiceRow, name: &str| row.methods.iter().any(|pattern| fits(pattern, name));
    let any = || of_interface().find(|row| row.methods.is_empty());
    if let Some(method) = method {
        let found = of_interface().find(|row| row.methods.is_empty() || named(row, method));
        return found.map_or(Taken::Unknown, |row| Taken::Types(row.types));
    }
    let code = format!("code {code}");
    if let Some(row) = of_interface().find(|row| named(row, &code)) {
        return Taken::Types(row.types);
    }
    let types = any().map_or(&[][..], |row| row.types);
    if of_interface().any(|row| !row.methods.is_empty() && !row.types.is_empty()) {
        Taken::AtLeast(types)
    } else if any().is_some() {
        Taken::Types(types)
    } else {
        Taken::Unknown
    }
}

/// A name, or part of one: `*` at either end stands for anything.
fn fits(pattern: &str, text: &str) -> bool {
    match (pattern.strip_prefix('*'), pattern.strip_suffix('*')) {
        (Some(end), _) => text.ends_with(end),
        (None, Some(beginning)) => text.starts_with(beginning),
        (None, None) => pattern == text,
    }
}

/// A path begins with whole segments; a segment `*` of the beginning stands for any one segment.
fn begins(path: &str, beginning: &str) -> bool {
    let mut segments = path.split('/');
    beginning.split('/').all(|wanted| segments.next().is_some_and(|given| wanted == "*" || wanted == given))
}

/// `*` alone stands for any call.
fn is_call(wanted: &str, (method, argument): (&str, &str)) -> bool {
    match wanted.split_once(' ') {
        Some((wanted_method, wanted_argument)) => wanted_method == method && wanted_argument == argument,
        None => wanted == "*" || wanted == method,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_of_data_that_is_not_known_is_refused_with_the_nearest() {
        let refused = |name: &str| DataType::named(name).unwrap_err().to_string();
        assert_eq!(
            refused("contcats"),
            "there is no kind of data \"contcats\", did you mean \"contacts\"? (candor terms types lists them)"
        );
        assert_eq!(refused(""), "there is no kind of data \"\" (candor terms types lists them)");
        assert!(!refused(&"contacts".repeat(1000)).contains("did you mean"));
    }

    #[test]
    fn every_pattern_of_a_path_is_one() {
        for (pattern, _) in PATHS {
            assert_eq!(fast_glob::validate(pattern), Ok(()), "{pattern}");
            assert!(pattern.starts_with('/') && !pattern.bytes().any(|byte| byte.is_ascii_uppercase()), "{pattern}");
        }
    }

    #[test]
    fn ids_lead_to_their_kind_and_kinds_to_the_broader_ones() {
        for data_type in DataType::all() {
            assert_eq!(DataType::find(data_type.id()), Some(data_type));
            assert!(data_type.is_within(data_type));
        }
        let find = |id| DataType::find(id).unwrap();
        assert!(find("id.mac").is_within(find("id")));
        assert!(!find("id").is_within(find("id.mac")));
        assert_eq!(DataType::find("contcats"), None);
        assert_eq!(find("contacts").class(), DataClass::Sensitive);
        assert_eq!(find("id.mac").class(), DataClass::Personal);
        assert_eq!(find("camera").class(), DataClass::Open);
        assert_eq!(find("files.shared").class(), DataClass::Place);
        assert_eq!(find("id.boot_id").class(), DataClass::Weak);
    }
}
