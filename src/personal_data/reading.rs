//! What an event reads.

use super::is_own_storage;
use super::tables::{self, DataType, Taken};
use crate::event::{App, BinderOwner, Event, EventBody, OpenAccess, ProviderMethod};

/// What an event reads, or tries to: how it ended is the outcome's to say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reading {
    /// Kinds of personal data, the narrowest that are known, sorted.
    pub types: Vec<DataType>,
    /// There may be more to it than `types`: a provider that no table knows, a method without a name.
    pub open: bool,
}

/// What the event reads. An app's own files, its own provider and its own service give it nothing that it had not; of an
/// app that the device knows no package for, no files are known to be its own.
///
/// Reading is opening for reading, totals of bytes read where the opening was not seen (or was: both count), moving a file
/// elsewhere, starting a program that prints the data, asking a provider of another app, calling a service.
#[must_use]
pub fn read_by(event: &Event) -> Reading {
    let types = |types| Reading { types, open: false };
    match &event.body {
        EventBody::FileOpen(open) if matches!(open.access, OpenAccess::Read | OpenAccess::ReadWrite) => {
            types(of_path(event, &open.path, open.requested_path.as_deref()))
        }
        EventBody::FileTotals(totals) if totals.bytes_read > 0 || totals.read_calls > 0 => {
            types(of_path(event, &totals.path, None))
        }
        EventBody::FileRename(rename) => types(of_path(event, &rename.from, None)),
        EventBody::ProcessExec(exec) => types(tables::of_command(&exec.path, &exec.arguments)),
        EventBody::ProviderAccess(access) => {
            let reads = access.method.reads() && access.method != ProviderMethod::Refresh;
            if !reads || is_own(&event.app, &access.transaction.owner) {
                return Reading::default();
            }
            let path = access.uri.as_deref().map(path_of).unwrap_or_default();
            let argument = access.call_argument.as_deref().unwrap_or_default();
            let call = access.call_method.as_deref().map(|method| (method, argument));
            reading(tables::of_provider(&access.authority, path, call), true)
        }
        EventBody::ServiceCall(call) if !is_own(&event.app, &call.transaction.owner) => {
            let transaction = &call.transaction;
            // A service that no table knows is none of those that give personal data away.
            reading(tables::of_service(&transaction.interface, call.method.as_deref(), transaction.code), false)
        }
        _ => Reading::default(),
    }
}

fn reading(taken: Taken, unknown_is_open: bool) -> Reading {
    let sorted = |numbers| {
        let mut types = tables::types(numbers);
        types.sort_unstable();
        types
    };
    match taken {
        Taken::Types(numbers) => Reading { types: sorted(numbers), open: false },
        Taken::AtLeast(numbers) => Reading { types: sorted(numbers), open: true },
        Taken::Unknown => Reading { types: Vec::new(), open: unknown_is_open },
    }
}

fn of_path(event: &Event, path: &str, requested: Option<&str>) -> Vec<DataType> {
    let of = |path: &str| {
        let types = tables::of_path(path);
        // Looked at last: hardly any path has a type.
        if types.is_empty() || is_own_storage(path, &event.app, "") { Vec::new() } else { types }
    };
    if is_own_storage(path, &event.app, "") {
        return Vec::new();
    }
    let types = of(path);
    match requested {
        // What the app asked for tells when the resolved path does not, as with a bind mount.
        Some(requested) if types.is_empty() && requested.starts_with('/') && !requested.contains("/..") => {
            of(requested)
        }
        _ => types,
    }
}

/// The app's own provider or service: what an app keeps for itself is not taken from anybody.
#[must_use]
pub fn is_own(app: &App, owner: &BinderOwner) -> bool {
    match (&app.package, &owner.app.package) {
        (Some(asking), Some(serving)) => asking == serving,
        // Packages that share a user id share their storage as well.
        (None, None) => !app.candidates.is_empty() && app.candidates == owner.app.candidates,
        _ => false,
    }
}

/// The path of a URI.
#[must_use]
pub fn path_of(uri: &str) -> &str {
    let rest = uri.split_once("://").map_or("", |(_, rest)| rest);
    let path = rest.find('/').and_then(|slash| rest.get(slash..)).unwrap_or_default();
    path.split(['?', '#']).next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::path_of;

    #[test]
    fn the_path_of_a_uri() {
        assert_eq!(path_of("content://com.android.contacts/data/phones?limit=*"), "/data/phones");
        assert_eq!(path_of("content://settings"), "");
        assert_eq!(path_of("tel:*"), "");
    }
}
