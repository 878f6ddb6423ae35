//! Which app it was. Android gives each package a user id, or lets packages of one signer share one; and an isolated process
//! has a user id that names no package at all. Then other evidence decides, each kind with its reason, or nothing does.

use super::PackageDirectory;
use super::process_history::ProcessHistory;
use crate::event::{App, FidelityReason, ProcessKey, UserIdKind, app_id, user_id_kind};

/// The most bytes of a thread's name.
const COMM_MAX: usize = 15;
/// How far up parents are asked.
const MOST_PARENTS: usize = 8;
/// What Android appends to the name of a package for processes that it makes for it: the zygote of an app that brings its own
/// (`ProcessList`), and the sandbox of its SDKs (`SdkSandboxManagerService`).
const SUFFIXES: &[&str] = &["_zygote", "_sdk_sandbox"];

/// Who acted, as far as a record says.
#[derive(Debug, Clone, Copy)]
pub(super) struct Actor<'a> {
    pub(super) user_id: u32,
    pub(super) process: ProcessKey,
    /// The name of the process's first thread, when that thread acted.
    pub(super) main_thread: Option<&'a str>,
    /// The package that it named as its own in this act.
    pub(super) caller: Option<&'a str>,
}

/// The packages that a user id leaves possible.
enum Possible<'a> {
    /// These.
    Some(&'a [String]),
    /// Any that the device has.
    Any,
}

impl Possible<'_> {
    fn contains(&self, packages: &PackageDirectory, name: &str) -> bool {
        match self {
            Self::Some(names) => names.iter().any(|known| known == name),
            Self::Any => packages.contains(name),
        }
    }
}

/// The app that a user id stands for by itself. Without packages (not Android, or the list cannot be read) it is not known.
pub(super) fn by_user_id(packages: &PackageDirectory, user_id: u32) -> App {
    match names_of(packages, user_id) {
        [] => App::default(),
        [package] => App { package: Some(package.clone()), candidates: Vec::new() },
        several => App { package: None, candidates: several.to_vec() },
    }
}

fn names_of(packages: &PackageDirectory, user_id: u32) -> &[String] {
    match user_id_kind(user_id) {
        UserIdKind::System => packages.names_of(app_id(user_id)),
        UserIdKind::App(app) | UserIdKind::SdkSandbox(app) => packages.names_of(app),
        UserIdKind::Isolated => &[],
    }
}

/// Whether the user id alone says all that can be said.
pub(super) fn is_decided(packages: &PackageDirectory, user_id: u32) -> bool {
    user_id_kind(user_id) != UserIdKind::Isolated && names_of(packages, user_id).len() < 2
}

/// The app that acted, and what said so when the user id alone does not.
///
/// The evidence in the order of its worth: what the act itself names; the name of the process, which Android gives it and an
/// app can change; what the process named as its own before, as long as that was always the same; the parents. All of
/// them choose among packages that the user id allows: a wrong name can blame a package of the same signer only.
pub(super) fn owner(
    packages: &PackageDirectory,
    processes: &ProcessHistory,
    actor: &Actor<'_>,
) -> (App, Option<FidelityReason>) {
    let by_user_id = by_user_id(packages, actor.user_id);
    if is_decided(packages, actor.user_id) {
        return (by_user_id, None);
    }
    let possible = match user_id_kind(actor.user_id) {
        UserIdKind::Isolated => Possible::Any,
        _ => Possible::Some(names_of(packages, actor.user_id)),
    };
    let named = |name: &str| possible.contains(packages, name).then(|| name.to_owned());
    // An isolated process could claim to be anybody.
    let claimed = |name: &str| if matches!(possible, Possible::Any) { None } else { named(name) };
    let of_process = |name: &str| named(package_in(name));
    let identity = processes.identity(actor.process);
    let found = actor
        .caller
        .and_then(claimed)
        .map(|package| (package, FidelityReason::NamedByCaller))
        .or_else(|| Some((of_process(identity?.name.as_deref()?)?, FidelityReason::NamedByProcess)))
        .or_else(|| {
            let Possible::Some(names) = possible else { return None };
            Some((by_thread_name(names, actor.main_thread?)?, FidelityReason::NamedByProcess))
        })
        .or_else(|| Some((claimed(identity?.caller()?)?, FidelityReason::NamedByCaller)))
        .or_else(|| {
            let mut parent = identity?.parent?;
            for _ in 0..MOST_PARENTS {
                let identity = processes.identity(parent)?;
                let name = identity.name.as_deref().and_then(of_process).or_else(|| claimed(identity.caller()?));
                if let Some(package) = name {
                    return Some((package, FidelityReason::NamedByParent));
                }
                parent = identity.parent?;
            }
            None
        });
    match found {
        Some((package, reason)) => (App { package: Some(package), candidates: Vec::new() }, Some(reason)),
        None => (by_user_id, None),
    }
}

/// The package in the name of a process: `package`, `package:suffix`, or `package` with what Android appends.
fn package_in(name: &str) -> &str {
    let name = name.split_once(':').map_or(name, |(package, _)| package);
    SUFFIXES.iter().find_map(|suffix| name.strip_suffix(suffix)).unwrap_or(name)
}

/// The one package whose process can have a first thread of this name: Android takes the last bytes of the process's name.
fn by_thread_name(names: &[String], thread: &str) -> Option<String> {
    let is_tail = thread.len() == COMM_MAX;
    let package = package_in(thread);
    if package.is_empty() {
        return None;
    }
    let fits = |name: &&String| if is_tail { name.ends_with(package) } else { *name == package };
    let mut fitting = names.iter().filter(fits);
    let first = fitting.next()?;
    fitting.next().is_none().then(|| first.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::package_list;

    const LIST: &[u8] = b"a.one 10001 0 /d s g\nb.two.of.a.long.name 10002 0 /d s g\nb.three 10002 0 /d s g\n";

    fn packages() -> PackageDirectory {
        PackageDirectory::from_list(&package_list::parse(LIST))
    }

    fn one(package: &str) -> App {
        App { package: Some(package.to_owned()), candidates: Vec::new() }
    }

    fn key(pid: u32) -> ProcessKey {
        ProcessKey::new(pid, 50_000_000)
    }

    fn actor(user_id: u32, pid: u32) -> Actor<'static> {
        Actor { user_id, process: key(pid), main_thread: None, caller: None }
    }

    #[test]
    fn a_user_id_that_is_one_packages_decides_whatever_names_say() {
        let (packages, mut processes) = (packages(), ProcessHistory::default());
        processes.named(key(1), "b.three");
        for user_id in [10_001, 1_110_001, 20_001, 1_120_001] {
            assert_eq!(owner(&packages, &processes, &actor(user_id, 1)), (one("a.one"), None), "{user_id}");
        }
        assert_eq!(owner(&packages, &processes, &actor(10_003, 1)), (App::default(), None));
        assert_eq!(owner(&packages, &processes, &actor(0, 1)), (App::default(), None));
    }

    #[test]
    fn a_shared_user_id_is_resolved_by_names_or_stays_ambiguous() {
        let (packages, mut processes) = (packages(), ProcessHistory::default());
        let candidates = vec!["b.three".to_owned(), "b.two.of.a.long.name".to_owned()];
        let ambiguous = (App { package: None, candidates }, None);
        let by = |package: &str, reason| (one(package), Some(reason));
        let mut actor = actor(10_002, 1);
        assert_eq!(owner(&packages, &processes, &actor), ambiguous);
        actor.main_thread = Some("of.a.long.name");
        assert_eq!(owner(&packages, &processes, &actor), ambiguous, "not the last 15 bytes");
        actor.main_thread = Some(".of.a.long.name");
        let two = by("b.two.of.a.long.name", FidelityReason::NamedByProcess);
        assert_eq!(owner(&packages, &processes, &actor), two);
        actor.main_thread = Some("f.a.long.name:x");
        assert_eq!(owner(&packages, &processes, &actor), two, "of a process with a name of its own");
        actor.main_thread = Some(".three");
        assert_eq!(owner(&packages, &processes, &actor), ambiguous, "too short to be the end of a longer name");
        processes.named(key(1), "b.three:remote");
        let three = by("b.three", FidelityReason::NamedByProcess);
        assert_eq!(owner(&packages, &processes, &actor), three, "the whole name is worth more");
        actor.caller = Some("b.two.of.a.long.name");
        let two = by("b.two.of.a.long.name", FidelityReason::NamedByCaller);
        assert_eq!(owner(&packages, &processes, &actor), two, "and what the act names still more");
        actor.caller = Some("a.one");
        assert_eq!(owner(&packages, &processes, &actor), three, "a package of another user id is not believed");
    }

    #[test]
    fn what_a_process_named_before_counts_while_it_is_always_the_same() {
        let (packages, mut processes) = (packages(), ProcessHistory::default());
        processes.called_as(key(1), "b.three");
        processes.called_as(key(1), "b.three");
        let found = owner(&packages, &processes, &actor(10_002, 1));
        assert_eq!(found, (one("b.three"), Some(FidelityReason::NamedByCaller)));
        processes.called_as(key(1), "b.two.of.a.long.name");
        assert_eq!(owner(&packages, &processes, &actor(10_002, 1)).0.package, None);
    }

    #[test]
    fn an_isolated_process_is_the_apps_that_its_name_or_its_parent_says() {
        let (packages, mut processes) = (packages(), ProcessHistory::default());
        assert_eq!(owner(&packages, &processes, &actor(99_001, 1)), (App::default(), None), "nothing says whose it is");
        let claims = Actor { caller: Some("a.one"), ..actor(99_001, 1) };
        assert_eq!(owner(&packages, &processes, &claims), (App::default(), None), "it could claim to be anybody");
        processes.named(key(1), "a.one:sandboxed_process0:org.example.Service:0");
        let found = owner(&packages, &processes, &actor(1_099_001, 1));
        assert_eq!(found, (one("a.one"), Some(FidelityReason::NamedByProcess)));
        processes.named(key(2), "a.one_zygote");
        processes.started(key(3), Some(key(2)), 60_000_000, 1);
        processes.started(key(4), Some(key(3)), 60_000_000, 1);
        let found = owner(&packages, &processes, &actor(90_004, 4));
        assert_eq!(found, (one("a.one"), Some(FidelityReason::NamedByParent)));
        processes.named(key(5), "zygote64");
        processes.started(key(6), Some(key(5)), 60_000_000, 1);
        assert_eq!(owner(&packages, &processes, &actor(99_002, 6)), (App::default(), None));
    }
}
