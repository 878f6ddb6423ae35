//! The one table of binder interfaces that matter for privacy.
//!
//! * **In:** nothing. **Out:** a static table.
//! * **May import:** nothing.
//! * **Test it:** `cargo test privacy_interfaces`.
//!
//! The kernel programs keep transactions of these interfaces and count all others as filtered; method tables are
//! gathered for these; services are looked up by the names that stand here.

use PrivacyMethods::All;

/// How the entry is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InterfaceOrigin {
    /// An interface of the platform, seen in its published sources or in tables made from them.
    Platform,
    /// A device maker's, or a library's; its descriptor was read in published client code of several independent apps.
    Clients,
    /// From general knowledge: no source was read. To be checked on a device.
    Unsourced,
}

/// Which of an interface's methods concern privacy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PrivacyMethods {
    /// All of them are worth an event.
    All,
    /// These only: the rest of the interface is the machinery of every app.
    Only(&'static [&'static str]),
}

/// A binder interface that matters for privacy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PrivacyInterface {
    /// Descriptor, as it stands in the token of a parcel. At most [`DESCRIPTOR_MAX_UNITS`] UTF-16 units.
    pub descriptor: &'static str,
    /// Names under which the service manager knows services of this interface; empty when it is reached otherwise.
    pub services: &'static [&'static str],
    /// What it gives, in a few words.
    pub about: &'static str,
    /// Which of its methods count.
    pub methods: PrivacyMethods,
    /// How the entry is known.
    pub origin: InterfaceOrigin,
}

impl PrivacyInterface {
    /// Whether calls of `method` are worth an event.
    #[must_use]
    pub fn concerns(&self, method: &str) -> bool {
        match self.methods {
            All => true,
            PrivacyMethods::Only(methods) => methods.contains(&method),
        }
    }
}

/// The longest descriptor: the kernel programs compare 128 bytes, of which the last two stay zero.
///
/// `com.google.android.gms.ads.identifier.internal.IAdvertisingIdService` is longer, and therefore not in the table.
pub const DESCRIPTOR_MAX_UNITS: usize = 63;

/// Of the activity manager: how content providers are had, what other apps run, and what is sent to everybody.
const ACTIVITY_MANAGER: PrivacyMethods =
    PrivacyMethods::Only(&["getContentProvider", "getContentProviderExternal", "getRunningAppProcesses", "getTasks"]);
/// Of the service manager: being asked for a service.
const SERVICE_MANAGER: PrivacyMethods =
    PrivacyMethods::Only(&["getService", "getService2", "checkService", "checkService2", "listServices"]);
/// Of the activity task manager: what other apps run.
const ACTIVITY_TASK_MANAGER: PrivacyMethods = PrivacyMethods::Only(&["getTasks", "getRecentTasks"]);

macro_rules! interfaces {
    ($($descriptor:literal, $services:expr, $methods:expr, $origin:ident, $about:literal;)*) => {
        /// Every interface that matters, sorted by descriptor.
        pub const PRIVACY_INTERFACES: &[PrivacyInterface] = &[$(PrivacyInterface {
            descriptor: $descriptor,
            services: &$services,
            about: $about,
            methods: $methods,
            origin: InterfaceOrigin::$origin,
        },)*];
    };
}

interfaces! {
    "android.accounts.IAccountManager", ["account"], All, Platform, "accounts of the user";
    "android.adservices.adid.IAdIdService", [], All, Unsourced, "advertising id of the platform's own service";
    "android.app.IActivityManager", ["activity"], ACTIVITY_MANAGER, Platform, "handing out content providers; running apps";
    "android.app.IActivityTaskManager", ["activity_task"], ACTIVITY_TASK_MANAGER, Platform, "tasks of other apps";
    "android.app.INotificationManager", ["notification"], All, Unsourced, "notifications";
    "android.app.usage.IUsageStatsManager", ["usagestats"], All, Platform, "which apps are used, and when";
    "android.bluetooth.IBluetooth", [], All, Platform, "Bluetooth address, name, paired and nearby devices";
    "android.bluetooth.IBluetoothGatt", [], All, Platform, "Bluetooth low energy: scans and connections";
    "android.bluetooth.IBluetoothManager", ["bluetooth_manager"], All, Platform, "Bluetooth address and name";
    "android.bluetooth.IBluetoothScan", [], All, Platform, "Bluetooth low energy: scans, on later releases";
    "android.content.IClipboard", ["clipboard"], All, Platform, "the clipboard";
    "android.content.IContentProvider", [], All, Platform, "content providers: contacts, calls, messages, settings";
    "android.content.IContentService", ["content"], All, Platform, "being told when a provider's content changes";
    "android.content.pm.ILauncherApps", ["launcherapps"], All, Unsourced, "apps that can be launched";
    "android.content.pm.IPackageManager", ["package"], All, Platform, "installed apps";
    "android.gui.SensorEventConnection", [], All, Platform, "switching sensors on and off";
    "android.gui.SensorServer", ["sensorservice"], All, Platform, "sensors";
    "android.hardware.ICameraService", ["media.camera"], All, Platform, "the camera";
    "android.hardware.ISensorPrivacyManager", ["sensor_privacy"], All, Platform, "the switches for camera and microphone";
    "android.location.ILocationManager", ["location"], All, Platform, "the position";
    "android.media.IAudioFlinger", ["media.audio_flinger"], All, Platform, "audio: recording, up to API level 30";
    "android.media.IAudioFlingerService", ["media.audio_flinger"], All, Platform, "audio: recording, from API level 31";
    "android.media.IAudioPolicyService", ["media.audio_policy"], All, Platform, "audio: the choice of an input";
    "android.media.IAudioRecord", [], All, Platform, "beginning and end of a recording";
    "android.media.IMediaRecorder", [], All, Platform, "recording sound and video";
    "android.media.projection.IMediaProjectionManager", ["media_projection"], All, Unsourced, "recording the screen";
    "android.net.IConnectivityManager", ["connectivity"], All, Platform, "networks and their state";
    "android.net.INetworkStatsService", ["netstats"], All, Unsourced, "traffic of each app";
    "android.net.wifi.IWifiManager", ["wifi"], All, Platform, "Wi-Fi: addresses, the network in use, networks nearby";
    "android.net.wifi.IWifiScanner", ["wifiscanner"], All, Unsourced, "Wi-Fi: networks nearby";
    "android.os.IDeviceIdentifiersPolicyService", ["device_identifiers"], All, Platform, "the serial number";
    "android.os.IServiceManager", ["manager"], SERVICE_MANAGER, Platform, "which services are asked for";
    "android.os.IUserManager", ["user"], All, Platform, "users of the device";
    "android.view.accessibility.IAccessibilityManager", ["accessibility"], All, Platform, "accessibility services";
    "com.android.creator.IdsSupplier", [], All, Clients, "advertising id (OAID) of Freeme";
    "com.android.internal.app.IAppOpsService", ["appops"], All, Platform, "permissions as they are used";
    "com.android.internal.telecom.ITelecomService", ["telecom"], All, Unsourced, "calls and phone accounts";
    "com.android.internal.telephony.IPhoneSubInfo", ["iphonesubinfo"], All, Platform, "IMEI, IMSI, ICCID, phone number";
    "com.android.internal.telephony.ISms", ["isms"], All, Unsourced, "sending text messages";
    "com.android.internal.telephony.ISub", ["isub"], All, Platform, "SIM cards and phone numbers";
    "com.android.internal.telephony.ITelephony", ["phone"], All, Platform, "IMEI, cells, phone numbers, state of the phone";
    "com.android.internal.telephony.ITelephonyRegistry", ["telephony.registry"], All, Platform, "being told of calls and cells";
    "com.asus.msa.SupplementaryDID.IDidAidlInterface", [], All, Clients, "advertising id (OAID) of Asus";
    "com.bun.lib.MsaIdInterface", [], All, Clients, "advertising id (OAID) of ZTE, Nubia and others";
    "com.coolpad.deviceidsupport.IDeviceIdManager", [], All, Clients, "advertising id (OAID) of Coolpad";
    "com.heytap.openid.IOpenID", [], All, Clients, "advertising id (OAID) of Oppo, OnePlus, Realme";
    "com.hihonor.cloudservice.oaid.IOAIDService", [], All, Clients, "advertising id (OAID) of Honor";
    "com.oplus.stdid.IStdID", [], All, Clients, "advertising id (OAID) of Oppo, later releases";
    "com.qiku.id.IOAIDInterface", ["qikuid"], All, Clients, "advertising id (OAID) of Qiku and 360";
    "com.samsung.android.deviceidservice.IDeviceIdService", [], All, Clients, "advertising id (OAID) of Samsung in China";
    "com.uodis.opendevice.aidl.OpenDeviceIdentifierService", [], All, Clients, "advertising id (OAID) of Huawei";
    "com.zui.deviceidservice.IDeviceidInterface", [], All, Clients, "advertising id (OAID) of Lenovo";
}

/// The entry of a descriptor.
#[must_use]
pub fn privacy_interface(descriptor: &str) -> Option<&'static PrivacyInterface> {
    let place = PRIVACY_INTERFACES.binary_search_by_key(&descriptor, |interface| interface.descriptor).ok()?;
    PRIVACY_INTERFACES.get(place)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_table_is_sorted_and_fits_the_programs() {
        assert!(
            PRIVACY_INTERFACES.windows(2).all(|pair| pair[0].descriptor < pair[1].descriptor),
            "sorted, no repetition"
        );
        for interface in PRIVACY_INTERFACES {
            let name = interface.descriptor;
            assert!(name.contains('.') && !name.contains(char::is_whitespace), "{name}");
            assert!(name.encode_utf16().count() <= DESCRIPTOR_MAX_UNITS, "{name} is too long for the programs' key");
            assert!(!interface.about.is_empty() && !interface.about.ends_with('.'), "{name}");
            let services: BTreeSet<_> = interface.services.iter().collect();
            assert_eq!(services.len(), interface.services.len(), "{name} has a service twice");
            for service in interface.services {
                assert!(!service.is_empty() && !service.contains(char::is_whitespace), "{name}: {service:?}");
            }
            if let PrivacyMethods::Only(methods) = interface.methods {
                assert!(!methods.is_empty() && methods.iter().all(|method| interface.concerns(method)), "{name}");
                assert!(!interface.concerns("no_such_method"), "{name}");
            }
        }
    }

    #[test]
    fn entries_are_found_by_their_descriptor() {
        for interface in PRIVACY_INTERFACES {
            assert_eq!(privacy_interface(interface.descriptor), Some(interface));
        }
        assert_eq!(privacy_interface("android.location.ILocationManage"), None);
        assert_eq!(privacy_interface(""), None);
    }
}
