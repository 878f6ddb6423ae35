//! User id to app. Android gives each package a user id, or lets packages of one signer share one.

use super::PackageDirectory;
use crate::event::App;

/// User ids of one user of the device: `user_id / USER_ID_RANGE` is the user, the remainder the app id.
pub(crate) const USER_ID_RANGE: u32 = 100_000;
/// App ids of SDK sandboxes (Android 13 and later), each this far above the app it belongs to.
const SANDBOX_FIRST: u32 = 20_000;
const SANDBOX_LAST: u32 = 29_999;
const SANDBOX_DISTANCE: u32 = 10_000;

/// The app id of a user id: the same for every user of the device.
pub(crate) fn app_id(user_id: u32) -> u32 {
    user_id % USER_ID_RANGE
}

/// The app that a user id stands for. Without packages (not Android, or the list cannot be read) it is not known.
///
/// Isolated processes (app ids from 90000) belong to an app that their user id does not name; they stay unattributed
/// rather than guessed.
pub(crate) fn owner(packages: &PackageDirectory, user_id: u32) -> App {
    let app_id = match app_id(user_id) {
        sandbox @ SANDBOX_FIRST..=SANDBOX_LAST => sandbox - SANDBOX_DISTANCE,
        app_id => app_id,
    };
    match packages.names_of(app_id) {
        [] => App::default(),
        [package] => App { package: Some(package.clone()), candidates: Vec::new() },
        several => App { package: None, candidates: several.to_vec() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owners() {
        let packages = PackageDirectory::parse(b"a.one 10001 0 /d s g\nb.two 10002 0 /d s g\nb.three 10002 0 /d s g\n");
        let one = App { package: Some("a.one".to_owned()), candidates: Vec::new() };
        assert_eq!(owner(&packages, 10_001), one);
        assert_eq!(owner(&packages, 1_110_001), one, "another user of the device");
        assert_eq!(owner(&packages, 20_001), one, "its SDK sandbox");
        let candidates = vec!["b.three".to_owned(), "b.two".to_owned()];
        assert_eq!(owner(&packages, 10_002), App { package: None, candidates });
        assert_eq!(owner(&packages, 10_003), App::default());
        assert_eq!(owner(&packages, 99_001), App::default());
    }
}
