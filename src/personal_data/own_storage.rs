//! An app's own storage is not personal data by itself.

use crate::event::App;

/// Roots below which directories are named after packages, with as many wildcard levels as given between.
const PACKAGE_ROOTS: &[(&str, usize)] = &[
    ("/data/data/", 0),
    ("/data/user/", 1),
    ("/data/user_de/", 1),
    ("/storage/emulated/", 1),
    ("/data/media/", 1),
    ("/storage/self/primary/", 0),
    ("/sdcard/", 0),
    ("/mnt/sdcard/", 0),
];

/// Directories of shared storage that are split up by package.
const SHARED_PARTS: &[&str] = &["Android/data/", "Android/media/", "Android/obb/"];

/// What serves shared storage to apps (FUSE, Android 11 and later). An app's open of `/storage/emulated/0/x` is the access;
/// that of `/data/media/0/x` by this package, which follows from it, is its shadow and not a second one.
const MEDIA_PROVIDERS: &[&str] =
    &["com.android.providers.media.module", "com.google.android.providers.media.module", "com.android.providers.media"];
const LOWER_STORAGE: &str = "/data/media/";

/// The package whose storage a path lies in.
fn owner(path: &str) -> Option<&str> {
    let (root, levels) = PACKAGE_ROOTS.iter().find(|(root, _)| path.starts_with(root))?;
    let mut rest = path.get(root.len()..)?;
    for _ in 0..*levels {
        rest = rest.split_once('/')?.1;
    }
    if !root.starts_with("/data/data/") && !root.starts_with("/data/user") {
        rest = SHARED_PARTS.iter().find_map(|part| rest.strip_prefix(part))?;
    }
    rest.split('/').next().filter(|package| !package.is_empty())
}

/// Whether a path lies in the storage of the app that acted. Where the device knows no package for the app, the package
/// of the terms stands for it.
#[must_use]
pub fn is_own_storage(path: &str, app: &App, terms_package: &str) -> bool {
    let serves = |package: &String| MEDIA_PROVIDERS.contains(&package.as_str());
    if path.starts_with(LOWER_STORAGE) && app.package.iter().chain(&app.candidates).any(serves) {
        return true;
    }
    let Some(owner) = owner(path) else { return false };
    match (&app.package, app.candidates.as_slice()) {
        (Some(package), _) => package == owner,
        (None, []) => terms_package == owner,
        (None, several) => several.iter().any(|package| package == owner),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_storage_is_known_in_every_form_and_others_is_not() {
        let app = App { package: Some("com.example.shop".to_owned()), candidates: Vec::new() };
        for own in [
            "/data/data/com.example.shop/files/a",
            "/data/data/com.example.shop",
            "/data/user/0/com.example.shop/databases/x.db",
            "/data/user_de/10/com.example.shop/x",
            "/storage/emulated/0/Android/data/com.example.shop/cache/x",
            "/sdcard/Android/media/com.example.shop/x",
        ] {
            assert!(is_own_storage(own, &app, "com.example.shop"), "{own}");
        }
        for other in [
            "/data/data/com.example.shopping/files/a",
            "/data/user/0/com.android.providers.contacts/databases/contacts2.db",
            "/storage/emulated/0/DCIM/com.example.shop/x.jpg",
            "/data/data/",
            "/data/user/0",
            "",
        ] {
            assert!(!is_own_storage(other, &app, "com.example.shop"), "{other}");
        }
        let provider = App { package: Some("com.android.providers.media.module".to_owned()), candidates: Vec::new() };
        assert!(is_own_storage("/data/media/0/DCIM/x.jpg", &provider, ""), "the shadow of an app's access");
        assert!(!is_own_storage("/data/media/0/DCIM/x.jpg", &app, ""), "an app that gets past the provider");
        assert!(!is_own_storage("/storage/emulated/0/DCIM/x.jpg", &provider, ""), "an access of the provider's own");
        let nobody = App::default();
        assert!(is_own_storage("/data/data/com.example.shop/x", &nobody, "com.example.shop"));
        assert!(!is_own_storage("/data/data/com.example.shop/x", &nobody, "com.other"));
    }
}
