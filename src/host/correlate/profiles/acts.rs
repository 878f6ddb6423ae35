//! Acts that are neither reading nor contact, and that some clauses are about: counted by kind, subject, actor, phase.

use super::super::correlator::{Correlator, Effect};
use super::super::limits;
use super::super::tally::{Proof, Tally};
use super::super::verdict::Actor;
use crate::event::{Event, EventBody, Phase, ProviderAccess, app_id};

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in super::super) enum ActKind {
    /// A process of the app began.
    Start,
    /// A process of the app ended.
    Exit,
    /// Values were written into a content provider of another installed app.
    Given,
    /// A request was sent in clear text; its subject is the host.
    ClearText,
    /// Something was read from a provider of another installed app whose data no table knows; its subject is the authority.
    UnknownData,
    /// A permission dialog was marked directly after another one.
    PromptAgain,
}

/// The phase that a tester marks when a permission dialog is on the screen.
pub(super) const PERMISSION_PROMPT: &str = "permission_prompt";

/// User ids below this belong to the system (`android.os.Process.FIRST_APPLICATION_UID`).
const FIRST_APPLICATION: u32 = 10_000;

/// One sort of act.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(in super::super) struct ActKey {
    pub(in super::super) kind: ActKind,
    pub(in super::super) subject: String,
    pub(in super::super) actor: Actor,
    pub(in super::super) phase: Phase,
}

impl Correlator<'_> {
    /// Notes an event that is judged, as far as clauses ask for more than readings and contacts.
    pub(in super::super) fn other_acts(&mut self, event: &Event) {
        match &event.body {
            EventBody::ProcessStart(start) if !start.preexisting => {
                self.act(event, ActKind::Start, "a process", "process started".to_owned());
            }
            EventBody::ProcessExit(_) => self.act(event, ActKind::Exit, "a process", "process ended".to_owned()),
            EventBody::ProviderAccess(access) if Effect::of(event.outcome) == Effect::Done => self.given(event, access),
            EventBody::HttpRequest(request) => {
                let host = request.host.clone().unwrap_or_else(|| "an unnamed host".to_owned());
                self.act(event, ActKind::ClearText, &host, format!("request in clear text to {host}"));
            }
            EventBody::PhaseMark(mark) => {
                let prompt = mark.phase.as_str() == PERMISSION_PROMPT;
                if prompt && self.newest_mark_was_prompt {
                    let what = format!("permission dialog marked again: {}", mark.note);
                    self.act(event, ActKind::PromptAgain, "a permission dialog", what);
                }
                self.newest_mark_was_prompt = prompt;
            }
            _ => {}
        }
    }

    /// The package of another installed app that serves a provider; `None` for the app's own and the platform's, which run
    /// under user ids of apps, too.
    fn other_app<'e>(event: &Event, access: &'e ProviderAccess) -> Option<&'e str> {
        let owner = &access.transaction.owner;
        let installed = owner.user_id.is_some_and(|id| app_id(id) >= FIRST_APPLICATION);
        let package = owner.app.package.as_deref()?;
        let own = event.app.package.as_deref() == Some(package)
            || event.app.candidates.iter().any(|candidate| candidate == package);
        let platform = ["com.android.", "com.google.android."].iter().any(|vendor| package.starts_with(vendor));
        (installed && !own && !platform && package != "android").then_some(package)
    }

    fn given(&mut self, event: &Event, access: &ProviderAccess) {
        if let Some(package) = Self::other_app(event, access).filter(|_| access.method.writes()) {
            let what = format!("{} {}", access.method.name(), access.uri.as_deref().unwrap_or(&access.authority));
            self.act(event, ActKind::Given, package, what);
        }
    }

    /// Notes a reading of a provider whose data no table knows.
    pub(in super::super) fn unknown_data(&mut self, event: &Event, access: &ProviderAccess) {
        if Self::other_app(event, access).is_some() {
            let what = format!("{} {}", access.method.name(), access.uri.as_deref().unwrap_or(&access.authority));
            self.act(event, ActKind::UnknownData, &access.authority, what);
        }
    }

    fn act(&mut self, event: &Event, kind: ActKind, subject: &str, what: String) {
        let actor = super::super::correlator::actor_of(event);
        let key = ActKey { kind, subject: subject.to_owned(), actor, phase: event.phase.clone() };
        if self.acts.len() >= limits::TUPLES && !self.acts.contains_key(&key) {
            self.coverage.overflow("other acts by actor and phase");
            return;
        }
        let tally = self.acts.entry(key).or_insert_with(Tally::new);
        tally.add(event.time_ns, what.as_str(), || Proof::of(event, what.clone()));
    }
}
