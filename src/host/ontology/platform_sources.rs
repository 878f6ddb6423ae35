//! What an app takes when it asks a content provider or a system service.

use super::data_types::{DataTypes, TypeId};
use crate::host::toml_source::{self, Diagnostics, Located, SourceFile, TableReader, suggest};

/// The table of platform sources.
#[derive(Debug, Default)]
pub struct PlatformSources {
    providers: Vec<ProviderRow>,
    services: Vec<ServiceRow>,
}

#[derive(Debug)]
struct ProviderRow {
    authorities: Vec<Pattern>,
    paths: Vec<String>,
    calls: Vec<String>,
    types: Vec<TypeId>,
}

#[derive(Debug)]
struct ServiceRow {
    interface: String,
    methods: Vec<Pattern>,
    types: Vec<TypeId>,
}

/// A name, or part of one: `*` at either end stands for anything.
#[derive(Debug, PartialEq, Eq)]
enum Pattern {
    Whole(String),
    Beginning(String),
    End(String),
}

impl Pattern {
    fn new(text: &str) -> Self {
        match (text.strip_prefix('*'), text.strip_suffix('*')) {
            (Some(end), _) => Self::End(end.to_owned()),
            (None, Some(beginning)) => Self::Beginning(beginning.to_owned()),
            (None, None) => Self::Whole(text.to_owned()),
        }
    }

    fn fits(&self, text: &str) -> bool {
        match self {
            Self::Whole(whole) => whole == text,
            Self::Beginning(beginning) => text.starts_with(beginning.as_str()),
            Self::End(end) => text.ends_with(end.as_str()),
        }
    }
}

/// What is known of an access.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken<'a> {
    /// No row is about it.
    Unknown,
    /// These kinds of data; none, when the row says that it is nothing personal.
    Types(&'a [TypeId]),
}

impl PlatformSources {
    pub(super) fn load(sources: &[SourceFile], data_types: &DataTypes, problems: &mut Diagnostics) -> Self {
        let mut table = Self::default();
        for source in sources {
            let document = toml_source::parse(source, problems);
            let mut file = TableReader::new(source, document.get_ref(), 0..0, "the file");
            for mut entry in file.tables("provider", "[[provider]]", problems) {
                let authorities = entry.required_strings("authorities", problems);
                let paths = entry.strings("paths", problems);
                let calls = entry.strings("calls", problems);
                let types = read_types(source, &mut entry, data_types, problems);
                entry.finish(problems);
                for path in paths.iter().filter(|path| !path.value.starts_with('/')) {
                    problems.error(source, &path.span, "a path of a URI begins with '/'", None);
                }
                table.providers.push(ProviderRow {
                    authorities: authorities.iter().map(|authority| Pattern::new(&authority.value)).collect(),
                    paths: values(paths),
                    calls: values(calls),
                    types,
                });
            }
            for mut entry in file.tables("service", "[[service]]", problems) {
                let interface = entry.required_string("interface", problems);
                let methods = entry.strings("methods", problems);
                let types = read_types(source, &mut entry, data_types, problems);
                entry.finish(problems);
                let Some(interface) = interface else { continue };
                let row = ServiceRow {
                    methods: methods.iter().map(|method| Pattern::new(&method.value)).collect(),
                    interface: interface.value,
                    types,
                };
                let hidden = |before: &ServiceRow| before.interface == row.interface && before.methods.is_empty();
                if table.services.iter().any(hidden) {
                    let message = "comes after an entry of this interface that fits any method, so it never counts";
                    problems.error(source, &interface.span, message, None);
                }
                table.services.push(row);
            }
            file.finish(problems);
        }
        table
    }

    /// What an access of a provider takes. `path` is that of the URI; `call` the method and argument of a `call`.
    #[must_use]
    pub fn of_provider(&self, authority: &str, path: &str, call: Option<(&str, &str)>) -> Taken<'_> {
        let fits = |row: &&ProviderRow| {
            row.authorities.iter().any(|pattern| pattern.fits(authority))
                && (row.paths.is_empty() || row.paths.iter().any(|beginning| begins(path, beginning)))
                && (row.calls.is_empty()
                    || call.is_some_and(|call| row.calls.iter().any(|wanted| is_call(wanted, call))))
        };
        self.providers.iter().find(fits).map_or(Taken::Unknown, |row| Taken::Types(&row.types))
    }

    /// What a call of a service takes. A method that no table names is given as `code N`.
    #[must_use]
    pub fn of_service(&self, interface: &str, method: &str) -> Taken<'_> {
        let fits = |row: &&ServiceRow| {
            row.interface == interface
                && (row.methods.is_empty() || row.methods.iter().any(|pattern| pattern.fits(method)))
        };
        self.services.iter().find(fits).map_or(Taken::Unknown, |row| Taken::Types(&row.types))
    }

    /// Interfaces that the table knows.
    pub fn interfaces(&self) -> impl Iterator<Item = &str> {
        self.services.iter().map(|row| row.interface.as_str())
    }
}

/// A path begins with whole segments: `/external/images` is no beginning of `/external/images2`.
fn begins(path: &str, beginning: &str) -> bool {
    path.strip_prefix(beginning).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn is_call(wanted: &str, (method, argument): (&str, &str)) -> bool {
    match wanted.split_once(' ') {
        Some((wanted_method, wanted_argument)) => wanted_method == method && wanted_argument == argument,
        None => wanted == method,
    }
}

fn values(given: Vec<Located<String>>) -> Vec<String> {
    given.into_iter().map(|value| value.value).collect()
}

fn read_types(
    source: &SourceFile,
    entry: &mut TableReader<'_>,
    data_types: &DataTypes,
    problems: &mut Diagnostics,
) -> Vec<TypeId> {
    let given = entry.strings("data_types", problems);
    let about = entry.string("about", problems);
    let _ = entry.required_string("source", problems);
    if given.is_empty() && about.is_none() {
        let span = entry.span();
        problems.error(
            source,
            &span,
            "an entry without data_types says in \"about\" why that is nothing personal",
            None,
        );
    }
    let known = |name: &Located<String>, problems: &mut Diagnostics| {
        let found = data_types.find(&name.value);
        if found.is_none() {
            let help = suggest(&name.value, data_types.iter().map(|entry| entry.id.as_str()));
            problems.error(source, &name.span, format!("unknown data type \"{}\"", name.value), help);
        }
        found
    };
    given.iter().filter_map(|name| known(name, problems)).collect()
}

#[cfg(test)]
mod tests {
    use crate::host::ontology::Ontology;

    use super::*;

    fn ontology() -> Ontology {
        Ontology::built_in().unwrap_or_else(|problems| panic!("{problems}"))
    }

    fn ids<'a>(ontology: &'a Ontology, taken: Taken<'_>) -> Option<Vec<&'a str>> {
        match taken {
            Taken::Unknown => None,
            Taken::Types(types) => Some(types.iter().map(|id| ontology.data_types.id_of(*id)).collect()),
        }
    }

    #[test]
    fn providers_give_what_they_hold() {
        let ontology = ontology();
        let of = |authority: &str, path: &str, call: Option<(&str, &str)>| {
            ids(&ontology, ontology.platform.of_provider(authority, path, call))
        };
        assert_eq!(of("com.android.contacts", "/data/phones", None), Some(vec!["contacts"]));
        assert_eq!(of("call_log", "/calls", None), Some(vec!["call_log"]));
        assert_eq!(of("media", "/external/images/media", None), Some(vec!["photos"]));
        assert_eq!(of("media", "/external/file", None), Some(vec!["media"]));
        assert_eq!(of("media", "/internal/audio/media", None), Some(vec![]));
        assert_eq!(of("settings", "", Some(("GET_secure", "android_id"))), Some(vec!["id.android_id"]));
        assert_eq!(of("settings", "", Some(("GET_system", "screen_brightness"))), Some(vec![]));
        assert_eq!(of("com.example.notes", "/1", None), None);
    }

    #[test]
    fn services_give_what_their_methods_give() {
        let ontology = ontology();
        let of = |interface: &str, method: &str| ids(&ontology, ontology.platform.of_service(interface, method));
        let sub_info = "com.android.internal.telephony.IPhoneSubInfo";
        assert_eq!(of("android.location.ILocationManager", "getLastLocation"), Some(vec!["location"]));
        assert_eq!(of(sub_info, "getLine1NumberForSubscriber"), Some(vec!["phone_number"]));
        assert_eq!(of(sub_info, "code 15"), Some(vec!["device_id"]));
        assert_eq!(of("android.content.pm.IPackageManager", "getInstalledPackages"), Some(vec!["app_list"]));
        assert_eq!(of("android.content.pm.IPackageManager", "getPackageInfo"), Some(vec![]));
        assert_eq!(of("example.IService", "get"), None);
    }

    #[test]
    fn mistakes_are_placed() {
        let mut problems = Diagnostics::default();
        let text = concat!(
            "[[provider]]\nauthorities = [\"a\"]\npaths = [\"b\"]\ndata_types = [\"contcats\"]\nsource = \"me\"\n",
            "[[service]]\ninterface = \"i\"\ndata_types = []\nsource = \"me\"\n",
            "[[service]]\ninterface = \"i\"\nmethods = [\"m\"]\ndata_types = [\"contacts\"]\nsource = \"me\"\n",
        );
        PlatformSources::load(&[SourceFile::new("mine.toml", text)], &ontology().data_types, &mut problems);
        let problems = problems.to_string();
        for wanted in [
            "begins with '/'",
            "unknown data type \"contcats\"",
            "did you mean \"contacts\"?",
            "says in \"about\" why",
            "never counts",
            "mine.toml:3",
        ] {
            assert!(problems.contains(wanted), "{wanted} is missing in:\n{problems}");
        }
    }
}
