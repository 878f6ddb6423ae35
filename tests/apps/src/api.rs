//! What differs between Android's releases as far as these programs speak it: the transaction codes of the methods.
//!
//! Candor has tables of its own. This one is kept apart on purpose: a test that compares both finds a slip in either.

use anyhow::{Context, Result, bail};

/// An Android API level.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Api(u32);

impl Api {
    /// The levels these programs know.
    pub const KNOWN: std::ops::RangeInclusive<u32> = 28..=36;
    /// What is spoken when neither the command line nor the device tells.
    const DEFAULT: u32 = 33;

    /// The level `text` names.
    ///
    /// # Errors
    /// When it is not a number within [`Api::KNOWN`].
    pub fn parse(text: &str) -> Result<Self> {
        let level = text.parse().with_context(|| format!("--api {text}: not a number"))?;
        if !Self::KNOWN.contains(&level) {
            bail!("--api {level}: only {} to {} are known", Self::KNOWN.start(), Self::KNOWN.end());
        }
        Ok(Self(level))
    }

    /// The level in the device's `build.prop`, or 33 where there is none.
    pub fn of_device() -> Self {
        let properties = std::fs::read_to_string("/system/build.prop").unwrap_or_default();
        let level = properties.lines().find_map(|line| line.strip_prefix("ro.build.version.sdk="));
        level.and_then(|level| Self::parse(level.trim()).ok()).unwrap_or(Self(Self::DEFAULT))
    }

    /// The number.
    pub fn level(self) -> u32 {
        self.0
    }
}

/// The interface of the service manager.
pub const SERVICE_MANAGER: &str = "android.os.IServiceManager";
/// The interface of the activity manager.
pub const ACTIVITY_MANAGER: &str = "android.app.IActivityManager";
/// The interface of every content provider.
pub const CONTENT_PROVIDER: &str = "android.content.IContentProvider";
/// The interface of a cursor in another process.
pub const BULK_CURSOR: &str = "android.content.IBulkCursor";
/// The interface of the phone's subscriber information.
pub const PHONE_SUB_INFO: &str = "com.android.internal.telephony.IPhoneSubInfo";
/// The interface of the telephony service.
pub const TELEPHONY: &str = "com.android.internal.telephony.ITelephony";
/// The interface of the location manager.
pub const LOCATION_MANAGER: &str = "android.location.ILocationManager";
/// The interface through which positions come back.
pub const LOCATION_LISTENER: &str = "android.location.ILocationListener";
/// The interface of the package manager.
pub const PACKAGE_MANAGER: &str = "android.content.pm.IPackageManager";
/// The interface of the clipboard.
pub const CLIPBOARD: &str = "android.content.IClipboard";
/// The interface of the Wi-Fi service.
pub const WIFI_MANAGER: &str = "android.net.wifi.IWifiManager";
/// An interface no Android has: what the scenarios about threads need, and nothing a privacy trace wants.
pub const TEST_SERVICE: &str = "candor.test.ITestService";

/// `0` stands for a method that the level does not have.
struct Method {
    interface: &'static str,
    name: &'static str,
    /// For 28, 29, 30, 31, 32, 33, 34, 35, 36. Where a level has several numberings it is that of its first release.
    /// No table of level 31 was found; that of 32 stands for it.
    codes: [u32; 9],
}

const fn method(interface: &'static str, name: &'static str, codes: [u32; 9]) -> Method {
    Method { interface, name, codes }
}

/// A method that has the same code at every level.
const fn steady(interface: &'static str, name: &'static str, code: u32) -> Method {
    method(interface, name, [code; 9])
}

const METHODS: &[Method] = &[
    method(SERVICE_MANAGER, "getService", [1; 9]),
    method(SERVICE_MANAGER, "checkService", [2, 2, 2, 2, 2, 2, 2, 2, 3]),
    method(SERVICE_MANAGER, "addService", [3, 3, 3, 3, 3, 3, 3, 3, 5]),
    method(SERVICE_MANAGER, "listServices", [4, 4, 4, 4, 4, 4, 4, 4, 6]),
    method(ACTIVITY_MANAGER, "getContentProvider", [25, 20, 22, 23, 23, 23, 30, 30, 31]),
    method(ACTIVITY_MANAGER, "publishContentProviders", [26, 21, 23, 24, 24, 24, 31, 31, 32]),
    steady(CONTENT_PROVIDER, "query", 1),
    steady(CONTENT_PROVIDER, "getType", 2),
    steady(CONTENT_PROVIDER, "insert", 3),
    steady(CONTENT_PROVIDER, "delete", 4),
    steady(CONTENT_PROVIDER, "update", 10),
    steady(CONTENT_PROVIDER, "openFile", 14),
    steady(CONTENT_PROVIDER, "call", 21),
    method(CONTENT_PROVIDER, "getTypeAsync", [0, 0, 29, 29, 29, 29, 29, 29, 29]),
    steady(BULK_CURSOR, "close", 7),
    method(PHONE_SUB_INFO, "getDeviceIdForPhone", [3, 3, 4, 4, 4, 4, 4, 4, 4]),
    method(PHONE_SUB_INFO, "getImeiForSubscriber", [4, 4, 5, 5, 5, 5, 5, 5, 5]),
    method(PHONE_SUB_INFO, "getSubscriberIdForSubscriber", [8, 8, 10, 10, 10, 10, 10, 10, 10]),
    method(PHONE_SUB_INFO, "getLine1Number", [12, 12, 15, 15, 15, 15, 15, 15, 16]),
    method(PHONE_SUB_INFO, "getLine1NumberForSubscriber", [13, 13, 16, 16, 16, 16, 16, 16, 17]),
    method(TELEPHONY, "getImeiForSlot", [149, 143, 154, 150, 150, 146, 149, 148, 148]),
    method(TELEPHONY, "getAllCellInfo", [82, 69, 69, 69, 69, 69, 72, 72, 72]),
    method(LOCATION_MANAGER, "getLastLocation", [5, 5, 1, 1, 1, 1, 1, 1, 1]),
    method(LOCATION_MANAGER, "requestLocationUpdates", [1, 1, 3, 0, 0, 0, 0, 0, 0]),
    method(LOCATION_MANAGER, "registerLocationListener", [0, 0, 0, 3, 3, 3, 3, 3, 3]),
    steady(LOCATION_LISTENER, "onLocationChanged", 1),
    method(PACKAGE_MANAGER, "getPackageInfo", [3; 9]),
    method(PACKAGE_MANAGER, "getInstalledPackages", [51, 54, 35, 36, 36, 36, 36, 36, 36]),
    method(PACKAGE_MANAGER, "getInstalledApplications", [53, 56, 37, 38, 38, 38, 39, 39, 39]),
    method(CLIPBOARD, "getPrimaryClip", [3, 3, 3, 4, 4, 4, 4, 4, 4]),
    // No public table of the Wi-Fi module tells 35 and 36; the first 41 codes are said to stay those of 34.
    method(WIFI_MANAGER, "getScanResults", [20, 21, 25, 26, 26, 32, 36, 36, 36]),
    method(WIFI_MANAGER, "getConnectionInfo", [24, 25, 29, 30, 30, 36, 41, 41, 41]),
    steady(TEST_SERVICE, "ping", 1),
    steady(TEST_SERVICE, "slow", 2),
    steady(TEST_SERVICE, "callBack", 3),
    steady(TEST_SERVICE, "work", 4),
];

fn column(api: Api) -> usize {
    usize::try_from(api.level() - Api::KNOWN.start()).unwrap_or_default()
}

/// The code of `name` at that level.
///
/// # Errors
/// When the level has no such method.
pub fn code_of(api: Api, interface: &str, name: &str) -> Result<u32> {
    let method = METHODS.iter().find(|method| method.interface == interface && method.name == name);
    match method.and_then(|method| method.codes.get(column(api))) {
        Some(&code) if code != 0 => Ok(code),
        _ => bail!("API level {} has no {interface}.{name}", api.level()),
    }
}

/// The method that has this code at that level; none when these programs do not serve it.
pub fn name_of(api: Api, interface: &str, code: u32) -> Option<&'static str> {
    let mut methods = METHODS.iter().filter(|method| method.interface == interface);
    methods.find(|method| method.codes.get(column(api)) == Some(&code)).map(|method| method.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_methods_of_an_interface_share_a_code() {
        for level in Api::KNOWN {
            let api = Api(level);
            for method in METHODS {
                if let Ok(code) = code_of(api, method.interface, method.name) {
                    assert_eq!(name_of(api, method.interface, code), Some(method.name), "level {level}");
                }
            }
        }
    }

    #[test]
    fn levels_out_of_range_are_refused() {
        assert!(Api::parse("27").is_err() && Api::parse("37").is_err() && Api::parse("x").is_err());
        assert_eq!(Api::parse("36").map(Api::level).ok(), Some(36));
    }
}
