//! What a user id of Android stands for, from nothing but the number.
//!
//! Numbers from `android.os.UserHandle` and `android.os.Process` (Android 9 to 16).

/// User ids of different users of the device (such as a work profile) differ by a multiple of this.
pub const USER_ID_RANGE: u32 = 100_000;

const FIRST_APP: u32 = 10_000;
const LAST_APP: u32 = 19_999;
/// Sandboxes of SDKs (Android 13 and later), each this far above the app it belongs to.
const SANDBOX_DISTANCE: u32 = 10_000;
const FIRST_SANDBOX: u32 = FIRST_APP + SANDBOX_DISTANCE;
const LAST_SANDBOX: u32 = LAST_APP + SANDBOX_DISTANCE;
/// Isolated processes: first those that an app's own zygote forks, then those of the system's.
const FIRST_ISOLATED: u32 = 90_000;
const LAST_ISOLATED: u32 = 99_999;

/// What a user id stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UserIdKind {
    /// The system, or something that is not Android's.
    System,
    /// The packages of this app id; of every user of the device.
    App(u32),
    /// The sandbox in which SDKs of the packages of this app id run.
    SdkSandbox(u32),
    /// An isolated process: it belongs to an app that the number does not name.
    Isolated,
}

/// What a user id stands for.
#[must_use]
pub fn user_id_kind(user_id: u32) -> UserIdKind {
    match user_id % USER_ID_RANGE {
        app @ FIRST_APP..=LAST_APP => UserIdKind::App(app),
        sandbox @ FIRST_SANDBOX..=LAST_SANDBOX => UserIdKind::SdkSandbox(sandbox - SANDBOX_DISTANCE),
        FIRST_ISOLATED..=LAST_ISOLATED => UserIdKind::Isolated,
        _ => UserIdKind::System,
    }
}

/// The app id of a user id: the same for every user of the device.
#[must_use]
pub fn app_id(user_id: u32) -> u32 {
    user_id % USER_ID_RANGE
}

/// Every user id under which a package acts that has `user_id` for the first user of the device: for each of `users`, its
/// own and that of its SDK sandbox.
pub fn user_ids_of_package(user_id: u32, users: &[u32]) -> impl Iterator<Item = u32> + use<'_> {
    let app_id = app_id(user_id);
    let sandbox = matches!(user_id_kind(user_id), UserIdKind::App(_)).then_some(app_id + SANDBOX_DISTANCE);
    users.iter().flat_map(move |user| {
        std::iter::once(app_id).chain(sandbox).filter_map(|id| user.checked_mul(USER_ID_RANGE)?.checked_add(id))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds() {
        assert_eq!(user_id_kind(1000), UserIdKind::System);
        assert_eq!(user_id_kind(10_123), UserIdKind::App(10_123));
        assert_eq!(user_id_kind(1_010_123), UserIdKind::App(10_123), "of user 10");
        assert_eq!(user_id_kind(20_123), UserIdKind::SdkSandbox(10_123));
        assert_eq!(user_id_kind(1_020_123), UserIdKind::SdkSandbox(10_123));
        assert_eq!(user_id_kind(50_123), UserIdKind::System, "a group, never a user");
        assert_eq!((user_id_kind(90_000), user_id_kind(1_099_999)), (UserIdKind::Isolated, UserIdKind::Isolated));
    }

    #[test]
    fn a_package_acts_under_several_user_ids() {
        let ids: Vec<u32> = user_ids_of_package(10_123, &[0, 10]).collect();
        assert_eq!(ids, [10_123, 20_123, 1_010_123, 1_020_123]);
        assert_eq!(user_ids_of_package(1000, &[0]).collect::<Vec<_>>(), [1000], "the system has no sandbox");
        assert_eq!(user_ids_of_package(10_123, &[u32::MAX]).count(), 0);
    }
}
