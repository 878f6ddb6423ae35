//! The elements of a manifest to what they mean.

use super::chunks::Value;
use super::element::Element;
use super::resources::Resources;
use crate::host::declared_terms::{Component, ComponentKind};

/// What a manifest says, before it is set beside the ontology.
#[derive(Debug, Default)]
pub(super) struct Said {
    pub(super) package: Option<String>,
    pub(super) label: Option<String>,
    pub(super) version: Option<String>,
    pub(super) version_code: Option<u64>,
    pub(super) min_sdk: Option<u32>,
    pub(super) target_sdk: Option<u32>,
    pub(super) split: Option<String>,
    pub(super) permissions: Vec<Asked>,
    pub(super) components: Vec<(Component, u32)>,
    pub(super) queries: Vec<String>,
    /// What could not be read: the line, what stands there, and why.
    pub(super) left: Vec<(u32, String)>,
}

/// A permission that is asked for.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) name: String,
    pub(super) element: String,
    pub(super) line: u32,
    pub(super) max_sdk: Option<u32>,
    /// The app promises not to find the user's location by it.
    pub(super) never_for_location: bool,
}

/// A flag of `usesPermissionFlags`.
const NEVER_FOR_LOCATION: u32 = 0x0001_0000;

/// Flags of `foregroundServiceType`.
const SERVICE_TYPES: &[(u32, &str)] = &[
    (1, "dataSync"),
    (1 << 1, "mediaPlayback"),
    (1 << 2, "phoneCall"),
    (1 << 3, "location"),
    (1 << 4, "connectedDevice"),
    (1 << 5, "mediaProjection"),
    (1 << 6, "camera"),
    (1 << 7, "microphone"),
    (1 << 8, "health"),
    (1 << 9, "remoteMessaging"),
    (1 << 10, "systemExempted"),
    (1 << 11, "shortService"),
    (1 << 13, "mediaProcessing"),
    (1 << 30, "specialUse"),
];

const ASKING: &[&str] = &["uses-permission", "uses-permission-sdk-23", "uses-permission-sdk-m"];

pub(super) struct Reader<'a> {
    pub(super) resources: Option<Resources<'a>>,
    pub(super) said: Said,
}

impl Reader<'_> {
    /// The value of an attribute, behind references.
    fn value(&mut self, element: &Element, name: &str) -> Option<Value> {
        let value = element.get(name)?;
        let Value::Reference(id) = value else { return Some(value.clone()) };
        match self.resources.as_ref().map(|resources| resources.resolve(*id)) {
            Some(Ok(Some(found))) => Some(found),
            Some(Err(damage)) => {
                let what =
                    format!("{name} of <{}>: resources.arsc, byte {}: {}", element.name, damage.offset, damage.what);
                self.said.left.push((element.line, what));
                None
            }
            // Of the platform, or of a file without a table.
            Some(Ok(None)) | None => None,
        }
    }

    fn text(&mut self, element: &Element, name: &str) -> Option<String> {
        match self.value(element, name)? {
            Value::Text(text) if !text.trim().is_empty() => Some(text.trim().to_owned()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        }
    }

    /// A text that stands for itself; one that a build still has to fill in is none.
    fn settled(&mut self, element: &Element, name: &str) -> Option<String> {
        self.text(element, name).filter(|text| !text.starts_with(['@', '?']) && !text.contains("${"))
    }

    fn number(&mut self, element: &Element, name: &str) -> Option<u32> {
        match self.value(element, name)? {
            Value::Number(number) => Some(number),
            Value::Text(text) => text.parse().ok(),
            _ => None,
        }
    }

    fn truth(&mut self, element: &Element, name: &str) -> Option<bool> {
        match self.value(element, name)? {
            Value::Truth(truth) => Some(truth),
            Value::Number(number) => Some(number != 0),
            _ => None,
        }
    }

    fn list(&mut self, element: &Element, name: &str) -> Vec<String> {
        let text = self.text(element, name).unwrap_or_default();
        text.split(';').map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect()
    }

    pub(super) fn manifest(&mut self, root: &Element) {
        self.said.package = self.settled(root, "package");
        self.said.version = self.settled(root, "android:versionName");
        self.said.split = self.text(root, "split");
        let major = self.number(root, "android:versionCodeMajor").unwrap_or_default();
        let minor = self.number(root, "android:versionCode");
        self.said.version_code = minor.map(|minor| (u64::from(major) << 32) | u64::from(minor));
        for sdk in root.children(&["uses-sdk"]) {
            self.said.min_sdk = self.number(sdk, "android:minSdkVersion").or(self.said.min_sdk);
            self.said.target_sdk = self.number(sdk, "android:targetSdkVersion").or(self.said.target_sdk);
        }
        for asked in root.children(ASKING) {
            self.permission(asked);
        }
        for queries in root.children(&["queries"]) {
            for query in &queries.children {
                self.query(query);
            }
        }
        for application in root.children(&["application"]) {
            if let Some(label) = self.settled(application, "android:label") {
                self.said.label.get_or_insert(label);
            }
            for component in &application.children {
                self.component(component);
            }
        }
    }

    fn permission(&mut self, asked: &Element) {
        let Some(name) = self.text(asked, "android:name") else {
            self.said.left.push((asked.line, format!("<{}> without a name that can be read", asked.name)));
            return;
        };
        let never_for_location = match self.value(asked, "android:usesPermissionFlags") {
            Some(Value::Number(flags)) => flags & NEVER_FOR_LOCATION != 0,
            Some(Value::Text(flags)) => flags.split('|').any(|flag| flag.trim() == "neverForLocation"),
            _ => false,
        };
        let max_sdk = self.number(asked, "android:maxSdkVersion");
        let element = asked.name.clone();
        self.said.permissions.push(Asked { name, element, line: asked.line, max_sdk, never_for_location });
    }

    fn query(&mut self, query: &Element) {
        let words = match query.name.as_str() {
            "package" => self.text(query, "android:name").map(|name| format!("package {name}")),
            "provider" => self.text(query, "android:authorities").map(|authorities| format!("provider {authorities}")),
            "intent" => {
                let mut words = vec!["intent".to_owned()];
                for part in &query.children {
                    for name in ["android:name", "android:scheme", "android:host", "android:mimeType"] {
                        words.extend(self.text(part, name));
                    }
                }
                (words.len() > 1).then(|| words.join(" "))
            }
            _ => None,
        };
        match words {
            Some(words) if !self.said.queries.contains(&words) => self.said.queries.push(words),
            Some(_) => {}
            None => self.said.left.push((query.line, format!("<{}> in <queries>, which is not known", query.name))),
        }
    }

    fn component(&mut self, element: &Element) {
        let kind = match element.name.as_str() {
            "activity" => ComponentKind::Activity,
            "activity-alias" => ComponentKind::ActivityAlias,
            "service" => ComponentKind::Service,
            "receiver" => ComponentKind::Receiver,
            "provider" => ComponentKind::Provider,
            _ => return,
        };
        let Some(name) = self.text(element, "android:name") else {
            self.said.left.push((element.line, format!("<{}> without a name that can be read", element.name)));
            return;
        };
        let package = self.said.package.as_deref().unwrap_or_default();
        let name = match name.strip_prefix('.') {
            Some(_) => format!("{package}{name}"),
            None if !name.contains('.') && !package.is_empty() => format!("{package}.{name}"),
            None => name,
        };
        // What Android takes when the manifest does not say it.
        let by_default = match kind {
            ComponentKind::Provider => self.said.target_sdk.is_some_and(|level| level < 17),
            _ => element.children(&["intent-filter"]).next().is_some(),
        };
        let exported = self.truth(element, "android:exported").unwrap_or(by_default);
        let mut permissions = Vec::new();
        for name in ["android:permission", "android:readPermission", "android:writePermission"] {
            if let Some(permission) = self.text(element, name)
                && !permissions.contains(&permission)
            {
                permissions.push(permission);
            }
        }
        let mut authorities = self.list(element, "android:authorities");
        authorities.dedup();
        let foreground_service_types = match self.value(element, "android:foregroundServiceType") {
            Some(Value::Number(flags)) => service_types(flags),
            Some(Value::Text(words)) => words.split('|').map(|word| word.trim().to_owned()).collect(),
            _ => Vec::new(),
        };
        let component = Component { kind, name, exported, permissions, authorities, foreground_service_types };
        self.said.components.push((component, element.line));
    }
}

fn service_types(flags: u32) -> Vec<String> {
    let known = SERVICE_TYPES.iter().filter(|known| flags & known.0 != 0).map(|known| known.1.to_owned());
    let rest = SERVICE_TYPES.iter().fold(flags, |rest, known| rest & !known.0);
    known.chain((rest != 0).then(|| format!("{rest:#x}"))).collect()
}
