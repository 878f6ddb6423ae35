//! Which app may do what: one table.

use crate::service::Exception;
use rsbinder::thread_state::get_calling_uid;

/// The permissions of the apps, by package. Whoever is not named may do nothing that needs a permission; the system
/// (user ids below 10000) may do everything.
const GRANTED: &[(&str, &[&str])] = &[
    (
        "com.example.leaky",
        &[
            "READ_CONTACTS",
            "WRITE_CONTACTS",
            "READ_SMS",
            "ACCESS_FINE_LOCATION",
            "READ_PHONE_NUMBERS",
            "QUERY_ALL_PACKAGES",
            "ACCESS_WIFI_STATE",
            "READ_MEDIA_IMAGES",
        ],
    ),
    ("com.example.honest", &["READ_CONTACTS", "READ_CALENDAR", "WRITE_CALENDAR"]),
    ("com.example.photonotes", &["READ_CONTACTS", "READ_MEDIA_IMAGES"]),
];

/// Who calls, and what it may do.
pub struct Guard {
    packages: Vec<(String, u32)>,
}

impl Guard {
    /// With the packages of the device. To be made as root or system, since apps cannot read the list.
    pub fn new(packages: Vec<(String, u32)>) -> Self {
        Self { packages }
    }

    /// The packages and their user ids.
    pub fn packages(&self) -> &[(String, u32)] {
        &self.packages
    }

    /// Throws what Android throws when the calling app lacks `permission`. `doing` begins the message.
    ///
    /// # Errors
    /// When it lacks it.
    pub fn require(&self, permission: &str, doing: &str) -> Result<(), Exception> {
        let uid = get_calling_uid();
        if uid < 10_000 {
            return Ok(());
        }
        let mut names =
            self.packages.iter().filter(|(_, package_uid)| *package_uid == uid).map(|(name, _)| name.as_str());
        let granted = |name: &str| {
            GRANTED.iter().any(|(package, permissions)| *package == name && permissions.contains(&permission))
        };
        if names.any(granted) {
            return Ok(());
        }
        Err(Exception::Security(format!("{doing} from uid {uid} requires android.permission.{permission}")))
    }
}
