//! What an app takes when it asks a content provider or a system service, and which Unix sockets of the system give nothing.

use super::data_types::{DataTypes, TypeId};
use crate::host::toml_source::{self, Diagnostics, Located, SourceFile, TableReader};

/// The table of platform sources.
#[derive(Debug, Default)]
pub struct PlatformSources {
    providers: Vec<ProviderRow>,
    services: Vec<ServiceRow>,
    /// Unix sockets of the system that hand over nothing personal.
    sockets: Vec<Pattern>,
}

#[derive(Debug)]
struct ProviderRow {
    authorities: Vec<Pattern>,
    paths: Vec<String>,
    calls: Vec<String>,
    types: Vec<TypeId>,
    /// What is taken depends on something that stays on the device.
    undecided: bool,
}

#[derive(Debug)]
struct ServiceRow {
    interface: String,
    methods: Vec<Pattern>,
    types: Vec<TypeId>,
}

impl ProviderRow {
    /// Whether nothing of `authority` is left for a row that comes later.
    fn takes_all_of(&self, authority: &str, later: &Self) -> bool {
        let calls = |wanted: &String| self.calls.contains(wanted) || self.calls.iter().any(|call| call == "*");
        self.authorities.iter().any(|pattern| pattern.fits(authority))
            && (self.paths.is_empty()
                || (!later.paths.is_empty() && later.paths.iter().all(|path| self.paths.contains(path))))
            && self.calls.is_empty() == later.calls.is_empty()
            && later.calls.iter().all(calls)
    }
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
    /// At least these, and perhaps more: the method has no name, or what is taken depends on what stays on the device.
    AtLeast(&'a [TypeId]),
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
                let undecided = entry.boolean("undecided", problems).unwrap_or_default();
                let types = read_types(source, &mut entry, data_types, problems);
                entry.finish(problems);
                for path in paths.iter().filter(|path| !path.value.starts_with('/')) {
                    problems.error(source, &path.span, "a path of a URI begins with '/'", None);
                }
                let row = ProviderRow {
                    authorities: authorities.iter().map(|authority| Pattern::new(&authority.value)).collect(),
                    paths: values(paths),
                    calls: values(calls),
                    types,
                    undecided,
                };
                for authority in &authorities {
                    let hides = |before: &ProviderRow| before.takes_all_of(&authority.value, &row);
                    if table.providers.iter().any(hides) {
                        let message = "comes after an entry that fits all of this already, so it never counts";
                        problems.error(source, &authority.span, message, None);
                    }
                }
                table.providers.push(row);
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
                for method in &methods {
                    let named = |before: &ServiceRow| before.methods.iter().any(|pattern| pattern.fits(&method.value));
                    if table.services.iter().any(|before| before.interface == row.interface && named(before)) {
                        let message = "an entry before this one has the method already, so here it never counts";
                        problems.error(source, &method.span, message, None);
                    }
                }
                let hidden = |before: &ServiceRow| before.interface == row.interface && before.methods.is_empty();
                if table.services.iter().any(hidden) {
                    let message = "comes after an entry of this interface that fits any method, so it never counts";
                    problems.error(source, &interface.span, message, None);
                }
                table.services.push(row);
            }
            for mut entry in file.tables("unix_socket", "[[unix_socket]]", problems) {
                let names = entry.required_strings("names", problems);
                let _ = entry.required_string("about", problems);
                let _ = entry.required_string("source", problems);
                entry.finish(problems);
                for name in &names {
                    if !name.value.starts_with(['/', '@']) && !name.value.starts_with("*/") {
                        let message = "a name begins with '/' (or \"*/\"), or with '@' in the abstract name space";
                        problems.error(source, &name.span, message, None);
                    }
                    table.sockets.push(Pattern::new(&name.value));
                }
            }
            file.finish(problems);
        }
        table
    }

    /// Whether a Unix socket is one of the system's that hand over nothing personal. `name` is a path, or a name of the
    /// abstract name space behind `@`.
    #[must_use]
    pub fn is_harmless_socket(&self, name: &str) -> bool {
        self.sockets.iter().any(|pattern| pattern.fits(name))
    }

    /// What an access of a provider takes. `path` is that of the URI; `call` the method and argument of a `call`.
    #[must_use]
    pub fn of_provider(&self, authority: &str, path: &str, call: Option<(&str, &str)>) -> Taken<'_> {
        let mut of_authority = self
            .providers
            .iter()
            .filter(|row| row.authorities.iter().any(|pattern| pattern.fits(authority)))
            .peekable();
        if of_authority.peek().is_none() {
            return Taken::Unknown;
        }
        let fits = |row: &&ProviderRow| {
            (row.paths.is_empty() || row.paths.iter().any(|beginning| begins(path, beginning)))
                && match call {
                    // Providers have calls for all sorts of housekeeping, so that only those count that are named.
                    Some(call) => row.calls.iter().any(|wanted| is_call(wanted, call)),
                    None => row.calls.is_empty(),
                }
        };
        match of_authority.find(fits) {
            Some(row) if row.undecided => Taken::AtLeast(&row.types),
            Some(row) => Taken::Types(&row.types),
            None if call.is_some() => Taken::Types(&[]),
            None => Taken::Unknown,
        }
    }

    /// What a call of a service takes. `method` is `None` where no table names the code.
    #[must_use]
    pub fn of_service(&self, interface: &str, method: Option<&str>, code: u32) -> Taken<'_> {
        let of_interface = || self.services.iter().filter(|row| row.interface == interface);
        let named = |row: &&ServiceRow, name: &str| row.methods.iter().any(|pattern| pattern.fits(name));
        let any = || of_interface().find(|row| row.methods.is_empty());
        if let Some(method) = method {
            let found = of_interface().find(|row| row.methods.is_empty() || named(row, method));
            return found.map_or(Taken::Unknown, |row| Taken::Types(&row.types));
        }
        let code = format!("code {code}");
        if let Some(row) = of_interface().find(|row| named(row, &code)) {
            return Taken::Types(&row.types);
        }
        let types = any().map_or(&[][..], |row| row.types.as_slice());
        if of_interface().any(|row| !row.methods.is_empty() && !row.types.is_empty()) {
            Taken::AtLeast(types)
        } else if any().is_some() {
            Taken::Types(types)
        } else {
            Taken::Unknown
        }
    }

    /// Interfaces that the table knows.
    pub fn interfaces(&self) -> impl Iterator<Item = &str> {
        self.services.iter().map(|row| row.interface.as_str())
    }
}

/// A path begins with whole segments: `/external/images` is no beginning of `/external/images2`. A segment `*` of the
/// beginning stands for any one segment.
fn begins(path: &str, beginning: &str) -> bool {
    let mut segments = path.split('/');
    beginning.split('/').all(|wanted| segments.next().is_some_and(|given| wanted == "*" || wanted == given))
}

/// `*` alone stands for any call.
fn is_call(wanted: &str, (method, argument): (&str, &str)) -> bool {
    if wanted == "*" {
        return true;
    }
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
    given.iter().filter_map(|name| data_types.named_by(source, name, problems)).collect()
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
            Taken::Types(types) | Taken::AtLeast(types) => {
                Some(types.iter().map(|id| ontology.data_types.id_of(*id)).collect())
            }
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
        // Volumes of storage cards have names of their own.
        assert_eq!(of("media", "/12ab-34cd/images/media/7", None), Some(vec!["photos"]));
        assert_eq!(of("media", "/external_primary/video/media", None), Some(vec!["videos"]));
        assert_eq!(of("media", "/external/images2", None), Some(vec!["media"]));
        // Housekeeping by `call` is not what the rows hold.
        assert_eq!(of("media", "", Some(("get_version", ""))), Some(vec![]));
        assert_eq!(of("com.android.contacts", "", Some(("authorization", ""))), Some(vec![]));
        assert_eq!(of("com.example.notes", "", Some(("get", ""))), None);
        assert_eq!(of("settings", "/secure/android_id", None), Some(vec!["id.android_id"]));
        assert_eq!(of("settings", "/system/volume_ring", None), Some(vec![]));
        assert_eq!(ontology.platform.of_provider("settings", "/secure", None), Taken::AtLeast(&[]));
        assert_eq!(of("telephony", "/siminfo/1", None), Some(vec!["id.iccid", "phone_number"]));
        assert_eq!(of("com.vivo.vms.IdProvider", "/IdentifierId/OAID", None), Some(vec!["id.oaid"]));
        assert_eq!(of("com.vivo.vms.IdProvider", "", Some(("get", ""))), Some(vec!["id.oaid"]));
    }

    #[test]
    fn services_give_what_their_methods_give() {
        let ontology = ontology();
        let taken = |interface: &str, method: &str| match method.strip_prefix("code ") {
            Some(code) => ontology.platform.of_service(interface, None, code.parse().unwrap()),
            None => ontology.platform.of_service(interface, Some(method), 1),
        };
        let of = |interface: &str, method: &str| ids(&ontology, taken(interface, method));
        let sub_info = "com.android.internal.telephony.IPhoneSubInfo";
        assert_eq!(of("android.location.ILocationManager", "getLastLocation"), Some(vec!["location"]));
        assert_eq!(of(sub_info, "getLine1NumberForSubscriber"), Some(vec!["phone_number"]));
        assert_eq!(of(sub_info, "code 15"), Some(vec!["device_id"]));
        assert_eq!(of("android.content.pm.IPackageManager", "getInstalledPackages"), Some(vec!["app_list"]));
        assert_eq!(of("android.content.pm.IPackageManager", "getPackageInfo"), Some(vec![]));
        assert_eq!(of("android.content.pm.IPackageManager", "getPackagesForUid"), Some(vec![]), "one is not the list");
        assert_eq!(of("example.IService", "get"), None);
        // A call without a name may be one that takes something, so that it proves nothing.
        for interface in ["android.content.pm.IPackageManager", "android.location.ILocationManager", sub_info] {
            assert!(matches!(taken(interface, "code 999"), Taken::AtLeast(_)), "{interface}");
        }
        let oaid = "com.uodis.opendevice.aidl.OpenDeviceIdentifierService";
        assert!(matches!(taken(oaid, "code 1"), Taken::Types([_])), "whatever it is, it is that");
    }

    #[test]
    fn sockets_of_the_system_are_known_and_others_are_not() {
        let platform = &ontology().platform;
        for name in [
            "/dev/socket/logdw",
            "/dev/socket/dnsproxyd",
            "@jdwp-control",
            "/dev/socket/tombstoned_crash",
            "/run/candor/candord.sock.new",
            "/tmp/lab/candord.sock.new",
        ] {
            assert!(platform.is_harmless_socket(name), "{name}");
        }
        for name in ["/data/local/tmp/helper.sock", "@helper", "/dev/socket/zygote", "/dev/socket/logdw2"] {
            assert!(!platform.is_harmless_socket(name), "{name}");
        }
    }

    /// Whoever adds an interface to the table of the device says here what it gives, or why it gives nothing.
    #[test]
    fn every_interface_that_is_traced_has_a_row() {
        let ontology = ontology();
        let elsewhere = ["android.content.IContentProvider", "android.os.IServiceManager"];
        for interface in crate::event::PRIVACY_INTERFACES {
            let known = ontology.platform.interfaces().any(|known| known == interface.descriptor);
            assert_eq!(known, !elsewhere.contains(&interface.descriptor), "{}", interface.descriptor);
        }
        for interface in ontology.platform.interfaces() {
            assert!(crate::event::privacy_interface(interface).is_some(), "{interface} is not traced");
        }
    }

    #[test]
    fn mistakes_are_placed() {
        let mut problems = Diagnostics::default();
        let text = concat!(
            "[[provider]]\nauthorities = [\"a\"]\npaths = [\"b\"]\ndata_types = [\"contcats\"]\nsource = \"me\"\n",
            "[[service]]\ninterface = \"i\"\ndata_types = []\nsource = \"me\"\n",
            "[[service]]\ninterface = \"i\"\nmethods = [\"m\"]\ndata_types = [\"contacts\"]\nsource = \"me\"\n",
            "[[service]]\ninterface = \"j\"\nmethods = [\"get*\"]\ndata_types = [\"sms\"]\nsource = \"me\"\n",
            "[[service]]\ninterface = \"j\"\nmethods = [\"getIt\"]\ndata_types = [\"sms\"]\nsource = \"me\"\n",
            "[[provider]]\nauthorities = [\"b\"]\ndata_types = [\"sms\"]\n",
            "[[unix_socket]]\nnames = [\"helper\"]\nabout = \"nothing\"\nsource = \"me\"\n",
            "[[provider]]\nauthorities = [\"b\"]\npaths = [\"/x\"]\ndata_types = [\"sms\"]\nsource = \"me\"\n",
        );
        PlatformSources::load(&[SourceFile::new("mine.toml", text)], &ontology().data_types, &mut problems);
        let problems = problems.to_string();
        for wanted in [
            "begins with '/'",
            "begins with '/' (or",
            "unknown data type \"contcats\"",
            "did you mean \"contacts\"?",
            "says in \"about\" why",
            "any method, so it never counts",
            "has the method already",
            "fits all of this already",
            "\"source\"",
            "mine.toml:3",
        ] {
            assert!(problems.contains(wanted), "{wanted} is missing in:\n{problems}");
        }
    }
}
