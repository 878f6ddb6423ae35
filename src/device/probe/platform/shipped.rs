//! Method tables that come with Candor.
//!
//! * **In:** the API level; `data/method_tables.txt`, compiled in. **Out:** methods by code, and the release they are of.
//! * **May import:** nothing.
//! * **Test it:** `cargo test platform::shipped`.
//!
//! Two kinds. The tables by release are a fall-back: codes move between releases and even between patch levels, so only
//! what every known revision of a level agrees on is used, and a level that is not known gives nothing. A wrong name
//! would be worse than none. The fixed tables are of interfaces whose codes cannot change.

use std::collections::BTreeMap;

/// Methods of one interface: by code.
pub(super) type MethodsByCode = BTreeMap<u32, String>;

const TABLES: &str = include_str!("../../../../data/method_tables.txt");

/// The tables of an API level.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Shipped {
    /// The revisions that agree on them, such as `34r1, 34r75`; empty when the level is not known.
    pub(super) releases: String,
    /// By descriptor.
    pub(super) interfaces: BTreeMap<&'static str, MethodsByCode>,
}

/// What is known of an API level.
#[must_use]
pub(super) fn of_level(api_level: u32) -> Shipped {
    let mut shipped = Shipped::default();
    let mut columns: Vec<usize> = Vec::new();
    let mut interface = None;
    for line in TABLES.lines().filter(|line| !line.starts_with('#')) {
        let mut words = line.split_whitespace();
        match words.next() {
            Some("releases") => {
                let releases: Vec<_> = words.enumerate().filter(|(_, name)| level(name) == Some(api_level)).collect();
                columns = releases.iter().map(|(column, _)| *column).collect();
                shipped.releases = releases.iter().map(|(_, name)| *name).collect::<Vec<_>>().join(", ");
            }
            Some("interface") => interface = words.next(),
            Some(method) => {
                let codes: Vec<&str> = words.collect();
                let mut codes =
                    columns.iter().map(|column| codes.get(*column).and_then(|code| code.parse::<u32>().ok()));
                if let (Some(interface), Some(Some(first))) = (interface, codes.next())
                    && codes.all(|code| code == Some(first))
                {
                    shipped.interfaces.entry(interface).or_default().insert(first, method.to_owned());
                }
            }
            None => {}
        }
    }
    shipped
}

/// The API level of a release: the number before the revision.
fn level(release: &str) -> Option<u32> {
    release.split('r').next()?.parse().ok()
}

/// Interfaces whose codes never change: written down by hand in the platform, or copied into so many apps that the
/// maker of the device cannot change them without breaking those.
pub(super) const FIXED: &[(&str, &[(u32, &str)])] = &[
    (
        "android.content.IContentProvider",
        &[
            (1, "query"),
            (2, "getType"),
            (3, "insert"),
            (4, "delete"),
            (10, "update"),
            (13, "bulkInsert"),
            (14, "openFile"),
            (15, "openAssetFile"),
            (20, "applyBatch"),
            (21, "call"),
            (22, "getStreamTypes"),
            (23, "openTypedAssetFile"),
            (24, "createCancelationSignal"),
            (25, "canonicalize"),
            (26, "uncanonicalize"),
            (27, "refresh"),
            (28, "checkUriPermission"),
            (29, "getTypeAsync"),
            (30, "canonicalizeAsync"),
            (31, "uncanonicalizeAsync"),
            (32, "getTypeAnonymousAsync"),
        ],
    ),
    (
        "android.gui.SensorServer",
        &[
            (1, "getSensorList"),
            (2, "createSensorEventConnection"),
            (3, "enableDataInjection"),
            (4, "getDynamicSensorList"),
            (5, "createSensorDirectConnection"),
            (6, "setOperationParameter"),
            (7, "getRuntimeSensorList"),
            (8, "enableReplayDataInjection"),
            (9, "enableHalBypassReplayDataInjection"),
        ],
    ),
    (
        "android.gui.SensorEventConnection",
        &[
            (1, "getSensorChannel"),
            (2, "enableDisable"),
            (3, "setEventRate"),
            (4, "flush"),
            (5, "configureChannel"),
            (6, "destroy"),
        ],
    ),
    ("android.media.IMediaRecorder", &[(8, "start"), (12, "setAudioSource")]),
    ("com.uodis.opendevice.aidl.OpenDeviceIdentifierService", &[(1, "getOaid"), (2, "isOaidTrackLimited")]),
    ("com.heytap.openid.IOpenID", &[(1, "getSerID")]),
    ("com.oplus.stdid.IStdID", &[(1, "getSerID")]),
    ("com.samsung.android.deviceidservice.IDeviceIdService", &[(1, "getOAID"), (2, "getVAID"), (3, "getAAID")]),
    (
        "com.asus.msa.SupplementaryDID.IDidAidlInterface",
        &[(1, "isSupport"), (2, "getUDID"), (3, "getOAID"), (4, "getVAID"), (5, "getAAID")],
    ),
    ("com.zui.deviceidservice.IDeviceidInterface", &[(1, "getOAID"), (3, "isSupport")]),
    ("com.coolpad.deviceidsupport.IDeviceIdManager", &[(1, "getUDID"), (2, "getOAID"), (3, "getVAID"), (4, "getAAID")]),
    ("com.qiku.id.IOAIDInterface", &[(2, "getUDID"), (3, "getOAID"), (4, "getVAID"), (5, "getAAID")]),
];

/// How the origin of the fixed tables is told.
pub(super) const FIXED_ORIGIN: &str = "codes that never change";

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::event::privacy_interface;

    fn name(api_level: u32, interface: &str, code: u32) -> Option<String> {
        of_level(api_level).interfaces.get(interface)?.get(&code).cloned()
    }

    #[test]
    fn names_differ_between_releases() {
        assert_eq!(name(28, "android.content.IClipboard", 3).as_deref(), Some("getPrimaryClip"));
        assert_eq!(name(34, "android.content.IClipboard", 4).as_deref(), Some("getPrimaryClip"));
        assert_eq!(name(34, "android.content.IClipboard", 3).as_deref(), Some("clearPrimaryClip"));
        assert_eq!(
            name(29, "com.android.internal.telephony.IPhoneSubInfo", 13).as_deref(),
            Some("getLine1NumberForSubscriber")
        );
        assert_eq!(
            name(36, "com.android.internal.telephony.IPhoneSubInfo", 17).as_deref(),
            Some("getLine1NumberForSubscriber")
        );
    }

    #[test]
    fn what_moved_within_a_level_is_not_named() {
        assert_eq!(of_level(34).releases, "34r1, 34r75");
        // 147 is getDeviceId in the first revision and getDeviceIdWithFeature in the other.
        assert_eq!(name(34, "com.android.internal.telephony.ITelephony", 147), None);
        assert_eq!(
            name(34, "com.android.internal.telephony.ITelephony", 125).as_deref(),
            Some("getLine1NumberForDisplay")
        );
        assert_eq!(name(35, "android.os.IServiceManager", 5), None);
        assert_eq!(name(34, "android.os.IServiceManager", 4).as_deref(), Some("listServices"));
        // A module that is updated apart from the release.
        assert_eq!(name(33, "android.net.wifi.IWifiManager", 36), None);
        assert_eq!(name(29, "android.net.wifi.IWifiManager", 25).as_deref(), Some("getConnectionInfo"));
    }

    #[test]
    fn an_unknown_level_gives_nothing() {
        for level in [0, 1, 27, 31, 37, 10_000, u32::MAX] {
            assert_eq!(of_level(level), Shipped::default(), "{level}");
        }
    }

    #[test]
    fn the_tables_are_well_formed() {
        let mut releases = 0;
        let mut interface = "";
        let mut interfaces = BTreeSet::new();
        let mut methods = BTreeSet::new();
        let mut codes: BTreeMap<(usize, &str), &str> = BTreeMap::new();
        for line in TABLES.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
            let words: Vec<&str> = line.split(' ').collect();
            match words[0] {
                "releases" => {
                    releases = words.len() - 1;
                    assert!(words[1..].iter().all(|name| level(name).is_some()), "{line}");
                }
                "interface" => {
                    interface = words[1];
                    assert!(interfaces.insert(interface), "{interface} stands twice");
                    assert!(privacy_interface(interface).is_some(), "{interface} is not a privacy interface");
                    methods.clear();
                    codes.clear();
                }
                method => {
                    assert_eq!(words.len(), releases + 1, "{interface}: {line}");
                    assert!(methods.insert(method), "{interface}: {method} stands twice");
                    for (column, code) in words[1..].iter().enumerate() {
                        assert!(matches!(*code, "-" | "?") || code.parse().is_ok_and(|code: u32| code > 0), "{line}");
                        if code.parse::<u32>().is_ok() {
                            let other = codes.insert((column, code), method);
                            assert_eq!(other, None, "{interface}: {method} has the code of another, {code}");
                        }
                    }
                }
            }
        }
        assert!(releases == 11 && interfaces.len() > 20, "{releases} releases, {} interfaces", interfaces.len());
    }

    #[test]
    fn fixed_tables_are_of_privacy_interfaces_and_of_no_release() {
        for (interface, methods) in FIXED {
            assert!(privacy_interface(interface).is_some(), "{interface}");
            let codes: BTreeSet<_> = methods.iter().map(|(code, _)| code).collect();
            let names: BTreeSet<_> = methods.iter().map(|(_, name)| name).collect();
            assert!(codes.len() == methods.len() && names.len() == methods.len(), "{interface}");
            assert!(!TABLES.contains(&format!("interface {interface}\n")), "{interface} has both kinds");
        }
    }
}
