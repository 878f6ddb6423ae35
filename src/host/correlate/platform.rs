//! Accesses of content providers and calls of system services: what was taken, by the app that asked.
//!
//! The process that served is never the actor: its own reading of files is its own, and the rows it hands out are the
//! asking app's.

use super::correlator::{Correlator, Effect};
use crate::event::{BinderOwner, Event, Family, MethodSource, ProviderAccess, ProviderMethod, ServiceCall};
use crate::host::ontology::Taken;
use crate::personal_data::{is_own, path_of};

/// Why accesses could not be judged.
const UNKNOWN_PROVIDER: &str = "readings of a content provider whose authority was not seen could not be judged";
const HIDDEN_ROWS: &str =
    "readings of a content provider whose rows cannot be told apart from outside could not be judged";
const UNNAMED_METHOD: &str = "calls of services whose method no table names could not be judged";

impl Correlator<'_> {
    pub(super) fn provider_access(&mut self, event: &Event, access: &ProviderAccess) {
        // Getting hold of a provider, asking for types and the like take nothing; changing rows takes nothing either.
        if !access.method.reads() || access.method == ProviderMethod::Refresh {
            return;
        }
        if is_own(&event.app, &access.transaction.owner) {
            return;
        }
        if access.authority.is_empty() {
            if Effect::of(event.outcome) == Effect::Done {
                self.coverage.undecided(Family::Provider, UNKNOWN_PROVIDER);
            }
            return;
        }
        let path = access.uri.as_deref().map(path_of).unwrap_or_default();
        let call =
            access.call_method.as_deref().map(|method| (method, access.call_argument.as_deref().unwrap_or_default()));
        let types = match self.ontology.platform.of_provider(&access.authority, path, call) {
            Taken::Types(types) => types.to_vec(),
            Taken::AtLeast(types) => {
                if Effect::of(event.outcome) == Effect::Done {
                    self.coverage.undecided(Family::Provider, HIDDEN_ROWS);
                }
                types.to_vec()
            }
            Taken::Unknown => return self.unknown_provider(event, access),
        };
        let place = place_of_access(access);
        self.read(event, &types, Effect::of(event.outcome), &place);
    }

    pub(super) fn service_call(&mut self, event: &Event, call: &ServiceCall) {
        if is_own(&event.app, &call.transaction.owner) {
            return;
        }
        let transaction = &call.transaction;
        let platform = &self.ontology.platform;
        let types = match platform.of_service(&transaction.interface, call.method.as_deref(), transaction.code) {
            Taken::Types(types) => types.to_vec(),
            Taken::AtLeast(types) => {
                if Effect::of(event.outcome) == Effect::Done {
                    self.coverage.undecided(Family::Service, UNNAMED_METHOD);
                }
                types.to_vec()
            }
            Taken::Unknown => return,
        };
        let place = place_of_call(call);
        self.read(event, &types, Effect::of(event.outcome), &place);
    }
}

fn method_of(call: &ServiceCall) -> String {
    call.method.clone().unwrap_or_else(|| format!("code {}", call.transaction.code))
}

/// What evidence and places say of an access: what was asked, of whom.
fn place_of_access(access: &ProviderAccess) -> String {
    let mut place = access.method.name().to_owned();
    place.push(' ');
    place.push_str(access.uri.as_deref().unwrap_or(&access.authority));
    for part in [&access.call_method, &access.call_argument].into_iter().flatten() {
        place.push(' ');
        place.push_str(part);
    }
    if !access.projection.is_empty() {
        place.push_str(&format!(" [{}]", access.projection.join(", ")));
    }
    place.push_str(&served_by(&access.transaction.owner));
    place
}

fn place_of_call(call: &ServiceCall) -> String {
    let arguments: Vec<String> =
        call.arguments.iter().map(|argument| format!("{}={}", argument.name, argument.value)).collect();
    let mark = if call.method_source == MethodSource::Shipped { " (name from a shipped table)" } else { "" };
    format!(
        "{}.{}({}){mark}{}",
        call.transaction.interface,
        method_of(call),
        arguments.join(", "),
        served_by(&call.transaction.owner)
    )
}

/// Who served, by package, or by user id.
fn served_by(owner: &BinderOwner) -> String {
    match (&owner.app.package, owner.app.candidates.as_slice(), owner.user_id) {
        (Some(package), ..) => format!(" served by {package}"),
        (None, [], Some(user_id)) => format!(" served by uid {user_id}"),
        (None, [], None) => String::new(),
        (None, several, _) => format!(" served by {}", several.join(" or ")),
    }
}
