//! Arguments of service calls that say what was asked for: the package that the caller names, a provider of positions, an
//! operation number. One table; whatever else is in the parcel is left alone.

use super::parcel::{Parcel, Read, is_package_name};
use crate::event::{NamedCaller, ServiceArgument};

/// One argument of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Argument {
    /// The package that the caller names.
    Package,
    /// The attribution tag behind it.
    Tag,
    /// A word of the platform's own, told under this name.
    Word(&'static str),
    /// A number, told under this name.
    Number(&'static str),
    /// A number of no interest.
    SkipNumber,
    /// A binder of no interest.
    SkipBinder,
}

use Argument::{Number, Package, SkipBinder, SkipNumber, Tag, Word};

/// How the arguments of a method begin. The first row that fits is taken: a method whose arguments differ between releases
/// has several, and a row fits when every argument of it can be read and looks like what it is.
struct Row {
    interface: &'static str,
    /// Names of methods; a name that ends in `*` stands for all that begin like it.
    method: &'static str,
    arguments: &'static [Argument],
}

const fn row(interface: &'static str, method: &'static str, arguments: &'static [Argument]) -> Row {
    Row { interface, method, arguments }
}

const LOCATION: &str = "android.location.ILocationManager";
const PHONE_SUB_INFO: &str = "com.android.internal.telephony.IPhoneSubInfo";
const TELEPHONY: &str = "com.android.internal.telephony.ITelephony";
const SUBSCRIPTION: &str = "com.android.internal.telephony.ISub";
const WIFI: &str = "android.net.wifi.IWifiManager";
const CLIPBOARD: &str = "android.content.IClipboard";
const IDENTIFIERS: &str = "android.os.IDeviceIdentifiersPolicyService";
const APP_OPS: &str = "com.android.internal.app.IAppOpsService";
const ACCOUNTS: &str = "android.accounts.IAccountManager";
const PACKAGES: &str = "android.content.pm.IPackageManager";
const CAMERA: &str = "android.hardware.ICameraService";
const SENSOR_EVENTS: &str = "android.gui.SensorEventConnection";
const USAGE: &str = "android.app.usage.IUsageStatsManager";

/// Orders of arguments as in AOSP's AIDL files of API 28 to 36.
const ROWS: &[Row] = &[
    row(LOCATION, "getLastLocation", &[Word("provider")]),
    row(LOCATION, "getCurrentLocation", &[Word("provider")]),
    row(LOCATION, "registerLocationListener", &[Word("provider")]),
    row(LOCATION, "registerLocationPendingIntent", &[Word("provider")]),
    row(PHONE_SUB_INFO, "*ForSubscriber", &[Number("subscription"), Package, Tag]),
    row(PHONE_SUB_INFO, "*ForSubscriber", &[Number("subscription"), Package]),
    row(PHONE_SUB_INFO, "getDeviceIdForPhone", &[Number("slot"), Package, Tag]),
    row(PHONE_SUB_INFO, "*", &[Package, Tag]),
    row(PHONE_SUB_INFO, "*", &[Package]),
    row(TELEPHONY, "*ForSlot", &[Number("slot"), Package]),
    row(TELEPHONY, "*ForSubscriber", &[Number("subscription"), Package]),
    row(TELEPHONY, "*", &[Package]),
    row(SUBSCRIPTION, "*", &[Package]),
    row(WIFI, "*", &[Package, Tag]),
    row(WIFI, "*", &[Package]),
    row(CLIPBOARD, "*", &[Package, Tag]),
    row(CLIPBOARD, "*", &[Package]),
    row(IDENTIFIERS, "getSerialForPackage", &[Package]),
    row(APP_OPS, "*", &[Number("operation"), Number("user_id"), Package]),
    row(ACCOUNTS, "getAccountsAsUser", &[Word("account_type")]),
    row(PACKAGES, "getPackageInfo", &[Word("package")]),
    row(PACKAGES, "getApplicationInfo", &[Word("package")]),
    row(PACKAGES, "getPackageInfoVersioned", &[]),
    row(CAMERA, "connectDevice", &[SkipBinder, Word("camera"), Package]),
    row(SENSOR_EVENTS, "enableDisable", &[Number("sensor"), Number("enabled")]),
    row(USAGE, "queryUsageStats", &[Number("interval")]),
    row(USAGE, "*", &[SkipNumber]),
];

/// What the arguments say.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) callers: Vec<NamedCaller>,
    pub(crate) arguments: Vec<ServiceArgument>,
}

/// Reads the arguments of a call. Nothing is no error: most methods have none that is told.
pub(crate) fn arguments(interface: &str, method: &str, parcel: Parcel<'_>) -> Said {
    ROWS.iter()
        .filter(|row| row.interface == interface && fits(row.method, method))
        .find_map(|row| read(row.arguments, parcel).ok().flatten())
        .unwrap_or_default()
}

/// `*` at one end stands for anything.
fn fits(pattern: &str, method: &str) -> bool {
    match (pattern.strip_prefix('*'), pattern.strip_suffix('*')) {
        (Some(end), _) => method.ends_with(end),
        (None, Some(beginning)) => method.starts_with(beginning),
        (None, None) => pattern == method,
    }
}

fn read(arguments: &[Argument], mut parcel: Parcel<'_>) -> Read<Option<Said>> {
    let mut said = Said::default();
    for argument in arguments {
        match argument {
            Package => {
                let Some(package) = parcel.string16()?.filter(|text| is_package_name(text)) else { return Ok(None) };
                said.callers.push(NamedCaller { package, user_id: None, attribution_tag: None });
            }
            Tag => {
                let tag = parcel.string16()?;
                if let Some(caller) = said.callers.last_mut() {
                    caller.attribution_tag = tag;
                }
            }
            Word(name) => {
                let Some(value) = parcel.string16()?.filter(|text| is_word(text)) else { return Ok(None) };
                said.arguments.push(ServiceArgument { name: (*name).to_owned(), value });
            }
            Number(name) => {
                let value = parcel.i32()?.to_string();
                said.arguments.push(ServiceArgument { name: (*name).to_owned(), value });
            }
            SkipNumber => {
                parcel.i32()?;
            }
            SkipBinder => {
                parcel.binder()?;
            }
        }
    }
    Ok(Some(said))
}

/// Words of the platform: `gps`, `fused`, `com.google`, camera `0`. Anything longer or with other letters may be somebody's.
fn is_word(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    (1..=128).contains(&text.len()) && text.bytes().all(allowed)
}

/// Methods whose granted answer begins with a list, and how.
const LISTS: &[(&str, &str, Listing)] = &[
    (PACKAGES, "getInstalledPackages", Listing::Slice),
    (PACKAGES, "getInstalledApplications", Listing::Slice),
    (PACKAGES, "queryIntentActivities", Listing::Slice),
    (WIFI, "getScanResults", Listing::List),
    (ACCOUNTS, "getAccountsAsUser", Listing::List),
    (ACCOUNTS, "getAccountsForPackage", Listing::List),
];

/// How a list is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Listing {
    /// `ParceledListSlice` as a typed object: the whole number, though only the first elements are here.
    Slice,
    /// A typed list or array.
    List,
}

/// The number of elements of an answer, when the method's answer is a list.
pub(crate) fn result_count(interface: &str, method: &str, mut parcel: Parcel<'_>) -> Option<u32> {
    let (.., listing) = LISTS.iter().find(|(of, name, _)| *of == interface && *name == method)?;
    if *listing == Listing::Slice && parcel.i32().ok()? == 0 {
        return None;
    }
    let count = u32::try_from(parcel.i32().ok()?).ok()?;
    // A parcelable that is not a list would give any number here; no device has so many of anything.
    (count <= 100_000).then_some(count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::decode::binder::content_provider;

    #[test]
    fn rows_are_reachable() {
        for (position, row) in ROWS.iter().enumerate() {
            let hidden = ROWS.iter().take(position).any(|before| {
                before.interface == row.interface
                    && before.method == row.method
                    && row.arguments.starts_with(before.arguments)
            });
            assert!(!hidden, "{} {} comes after a row that fits whenever it does", row.interface, row.method);
            assert_ne!(row.interface, content_provider::INTERFACE, "providers have a decoder of their own");
        }
    }

    #[test]
    fn patterns() {
        assert!(fits("*", "anything") && fits("*ForSubscriber", "getLine1NumberForSubscriber"));
        assert!(fits("getLastLocation", "getLastLocation") && !fits("getLastLocation", "getLastLocations"));
    }
}
