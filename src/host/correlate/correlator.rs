//! Entries of a stream in, observed tuples out, with bounded memory.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::clock::Clock;
use super::contacts::looks_like_address;
use super::coverage::Coverage;
use super::facts::{Limit, RateExcess};
use super::flows::{Destination, FlowTable, Names, StatedName};
use super::foresight::{Foreseen, Foresight, Need};
use super::helpers::Helpers;
use super::limits;
use super::on_screen::OnScreen;
use super::profiles::{ActKey, Profile};
use super::tally::{Proof, RateMeter, Tally};
use super::ties::{FlowKey, FlowTally, RecentReadings};
use super::verdict::Actor;
use crate::event::{
    App, ClockAnchor, Endpoint, Event, EventBody, Outcome, Phase, ProcessKey, ProviderAccess, SessionEnd,
    SessionHeader, StreamEntry, Transport, app_id,
};
use crate::host::declared_terms::DeclaredTerms;
use crate::host::ontology::{Ontology, TypeId};

/// How an act ended, as far as rules care.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Effect {
    /// It took effect.
    Done,
    /// It was refused.
    Denied,
    /// It failed for another reason.
    Failed,
}

impl Effect {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Denied => "denied",
            Self::Failed => "failed",
        }
    }

    pub(super) fn of(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Ok | Outcome::InProgress | Outcome::Unknown => Self::Done,
            Outcome::Denied(_) => Self::Denied,
            Outcome::Failed(_) => Self::Failed,
        }
    }
}

/// Choices of the person who checks.
#[derive(Debug, Clone, Copy, Default)]
pub struct CorrelateOptions {
    /// Judge every app of the recording by these terms, whatever its package.
    pub any_package: bool,
    /// Sending counts as following a reading for so long, in nanoseconds; `None` means ten seconds.
    pub window_ns: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct DataKey {
    pub(super) data_type: TypeId,
    pub(super) actor: u32,
    pub(super) phase: u16,
    pub(super) effect: Effect,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct ContactKey {
    pub(super) destination: u32,
    pub(super) actor: u32,
    pub(super) phase: u16,
    pub(super) effect: Effect,
}

/// Sets a stream of entries against terms.
///
/// Entries are added one by one in the order of the recording; where batches end makes no difference. Memory is bounded
/// by `correlate::limits`, whatever the recording holds.
pub struct Correlator<'a> {
    pub(super) terms: &'a DeclaredTerms,
    pub(super) ontology: &'a Ontology,
    pub(super) options: CorrelateOptions,
    pub(super) header: Option<SessionHeader>,
    pub(super) end: Option<SessionEnd>,
    pub(super) clock: Clock,
    /// The header gives no time at all, and no event has given one yet.
    pub(super) no_anchor: bool,
    pub(super) coverage: Coverage,
    pub(super) on_screen: OnScreen,
    pub(super) foresight: Foresight<'a>,
    pub(super) phases: Vec<Phase>,
    pub(super) newest_phase: u16,
    pub(super) actors: Vec<Actor>,
    pub(super) actor_numbers: HashMap<Actor, u32>,
    /// The actor of each process, as far as it was the same the last time: saves making its name to look for it.
    pub(super) actor_of_process: HashMap<ProcessKey, u32>,
    /// Whether events of the app in `newest_app` are judged.
    pub(super) newest_app: Option<(App, bool)>,
    pub(super) judged: BTreeSet<String>,
    pub(super) left_out: BTreeSet<String>,
    pub(super) data: HashMap<DataKey, Tally>,
    pub(super) open_files: HashMap<(ProcessKey, u64), (Vec<DataKey>, u64)>,
    pub(super) names: Names,
    pub(super) flows: FlowTable,
    pub(super) destinations: Vec<Destination>,
    pub(super) destination_numbers: HashMap<Destination, u32>,
    pub(super) contacts: HashMap<ContactKey, Tally>,
    /// Connections of `contacts` that no reading is tied to.
    pub(super) untied: HashMap<ContactKey, Tally>,
    pub(super) recent: RecentReadings,
    pub(super) data_flows: HashMap<FlowKey, FlowTally>,
    pub(super) limits: BTreeMap<TypeId, Limit>,
    pub(super) rates: BTreeMap<(TypeId, String), RateExcess>,
    pub(super) acts: BTreeMap<ActKey, Tally>,
    /// The last time the app did something of its own, by phase number.
    pub(super) last_doing: Vec<u64>,
    pub(super) newest_mark_was_prompt: bool,
    pub(super) profiles: Vec<Profile>,
    pub(super) unknown_providers: BTreeMap<String, u64>,
    pub(super) nameless_local: BTreeMap<String, u64>,
    pub(super) dns_bypass: BTreeMap<String, u64>,
    pub(super) helpers: Helpers,
}

impl<'a> Correlator<'a> {
    /// A correlator for one recording.
    #[must_use]
    pub fn new(terms: &'a DeclaredTerms, ontology: &'a Ontology) -> Self {
        Self::with_options(terms, ontology, CorrelateOptions::default())
    }

    /// A correlator with choices.
    #[must_use]
    pub fn with_options(terms: &'a DeclaredTerms, ontology: &'a Ontology, options: CorrelateOptions) -> Self {
        Self {
            terms,
            ontology,
            options,
            header: None,
            end: None,
            clock: Clock::default(),
            no_anchor: false,
            coverage: Coverage::new(),
            on_screen: OnScreen::default(),
            foresight: Foresight::new(&terms.app.package, ontology),
            phases: Vec::new(),
            newest_phase: 0,
            actors: Vec::new(),
            actor_numbers: HashMap::new(),
            actor_of_process: HashMap::new(),
            newest_app: None,
            judged: BTreeSet::new(),
            left_out: BTreeSet::new(),
            data: HashMap::new(),
            open_files: HashMap::new(),
            names: Names::default(),
            flows: FlowTable::default(),
            destinations: Vec::new(),
            destination_numbers: HashMap::new(),
            contacts: HashMap::new(),
            untied: HashMap::new(),
            recent: RecentReadings::default(),
            data_flows: HashMap::new(),
            limits: Limit::of_terms(terms, ontology),
            rates: BTreeMap::new(),
            acts: BTreeMap::new(),
            last_doing: Vec::new(),
            newest_mark_was_prompt: false,
            profiles: Vec::new(),
            unknown_providers: BTreeMap::new(),
            nameless_local: BTreeMap::new(),
            dns_bypass: BTreeMap::new(),
            helpers: Helpers::default(),
        }
    }

    /// Holds the recording against these profiles. Without any, the clauses of [`super::profiles::DEFAULT_PROFILE`] are
    /// listed and do not count for the outcome.
    #[must_use]
    pub fn with_profiles(mut self, profiles: Vec<Profile>) -> Self {
        self.profiles = profiles;
        self
    }

    /// Adds the next entry of the recording.
    pub fn add(&mut self, entry: &StreamEntry) {
        let foreseen = self.foresight.look(entry);
        self.add_foreseen(entry, &foreseen);
    }

    /// Adds the next entry of the recording, with what a [`Foresight`] for the same terms has told of it. It must have looked
    /// at the entry before as well, or have been told to begin.
    pub fn add_foreseen(&mut self, entry: &StreamEntry, foreseen: &Foreseen) {
        let known = foreseen.same && !self.no_anchor;
        let types = match &foreseen.need {
            Need::Nothing if known => return self.uneventful(foreseen),
            Need::OfFollowed(process, handle) if known && !self.open_files.contains_key(&(*process, *handle)) => {
                return self.uneventful(foreseen);
            }
            Need::Whole(Some(types)) => types,
            Need::Whole(None) | Need::Nothing | Need::OfFollowed(..) => &[][..],
        };
        match entry {
            StreamEntry::Event(event) => self.event(event, foreseen, types),
            StreamEntry::Header(header) => {
                self.coverage.header(header);
                if self.header.is_none() {
                    self.clock = Clock::new(header.started);
                    self.no_anchor = header.started == ClockAnchor::default();
                    self.header = Some((**header).clone());
                }
            }
            StreamEntry::Gap(gap) => self.coverage.gap(gap),
            StreamEntry::Totals(totals) => self.coverage.totals(totals),
            StreamEntry::SelfTest(test) => self.coverage.self_test(test),
            StreamEntry::ClockChange(change) => self.clock.change(change.now),
            StreamEntry::End(end) => {
                self.coverage.end(end);
                self.end = Some((**end).clone());
            }
        }
    }

    /// Packages that the recording names: those of the selected user ids, and those of events. Empty when it names none.
    #[must_use]
    pub fn packages_seen(&self) -> BTreeSet<String> {
        // The list is of the whole device. Of it count those that were selected by user id, for whichever of its users.
        let selected = |header: &SessionHeader, user_id: u32| {
            header.selection.user_ids.iter().any(|selected| app_id(*selected) == app_id(user_id))
        };
        let listed = self.header.iter().flat_map(|header| {
            let entries = header.packages.packages.iter().filter(|entry| selected(header, entry.user_id));
            entries.map(|entry| entry.package.clone())
        });
        let acted = self.left_out.iter().chain(&self.judged).filter(|app| !app.starts_with("uid ")).cloned();
        listed.chain(acted.flat_map(|app| app.split(" or ").map(str::to_owned).collect::<Vec<_>>())).collect()
    }

    /// The package that the terms are about.
    pub(super) fn package(&self) -> &str {
        &self.terms.app.package
    }

    /// An event that only counts.
    fn uneventful(&mut self, foreseen: &Foreseen) {
        self.coverage.same_phase(foreseen.sequence, foreseen.time_ns);
        // The app is that of the event before.
        if foreseen.own_doing && self.newest_app.as_ref().is_some_and(|(_, judged)| *judged) {
            let phase = match self.coverage.newest_phase() {
                Some(phase) if self.phases.get(usize::from(self.newest_phase)) == Some(phase) => self.newest_phase,
                Some(phase) => {
                    let phase = phase.clone();
                    self.phase_number(&phase)
                }
                None => return,
            };
            self.does(phase, foreseen.time_ns);
        }
    }

    /// The app does something of its own.
    fn does(&mut self, phase: u16, time_ns: u64) {
        let phase = usize::from(phase);
        if self.last_doing.len() <= phase {
            self.last_doing.resize(phase + 1, 0);
        }
        if let Some(last) = self.last_doing.get_mut(phase) {
            *last = (*last).max(time_ns);
        }
    }

    /// Looks at an event; `types` is what its path tells of.
    fn event(&mut self, event: &Event, foreseen: &Foreseen, types: &[TypeId]) {
        if self.no_anchor && event.time_ns > 0 {
            // The session began when its first event happened, as far as anybody can know.
            self.no_anchor = false;
            self.clock.started.boot_ns = event.time_ns;
            self.coverage.began(event.time_ns);
        }
        self.coverage.event(event, foreseen.same);
        let judged = match &self.newest_app {
            Some((_, judged)) if foreseen.same => *judged,
            _ => self.is_judged(event),
        };
        if !judged {
            return;
        }
        if foreseen.own_doing {
            let phase = self.phase(event);
            self.does(phase, event.time_ns);
        }
        self.other_acts(event);
        match &event.body {
            EventBody::FileOpen(open) => self.file_open(event, open, types),
            EventBody::FileTotals(totals) => self.file_totals(event, totals, types),
            EventBody::FileRename(rename) => {
                self.read(event, types, Effect::of(event.outcome), &rename.from);
            }
            EventBody::ProcessExec(exec) => self.exec(event, exec),
            EventBody::SocketConnect(connect) => self.connect(event, connect),
            EventBody::SocketAccept(accept) => {
                if let Endpoint::Inet(remote) = accept.remote
                    && event.outcome.took_effect()
                {
                    let mut flow = self.flow(event, remote, accept.transport, "accept");
                    flow.inbound = true;
                    self.begin_flow(event.process.key, accept.handle, flow);
                }
            }
            EventBody::SocketTotals(totals) => match totals.transport {
                Transport::UnixStream | Transport::UnixDatagram => self.unix_totals(event, totals),
                Transport::Tcp | Transport::Udp | Transport::Other => self.socket_totals(event, totals),
            },
            EventBody::SocketBind(bind) if event.outcome.took_effect() => self.serves(Some(&bind.local)),
            EventBody::SocketListen(listen) => self.serves(listen.local.as_ref()),
            EventBody::ProviderAccess(access) => self.provider_access(event, access),
            EventBody::ServiceCall(call) => self.service_call(event, call),
            EventBody::DnsAnswer(answer) => {
                self.names.learn(event.user_id, event.time_ns, answer);
                if self.names.dropped > 0 {
                    self.coverage.overflow("names of addresses");
                    self.names.dropped = 0;
                }
            }
            EventBody::TlsClientHello(hello) => {
                let stated = hello
                    .server_name
                    .as_ref()
                    .map(|name| StatedName { name: name.clone(), cover: hello.encrypted_client_hello });
                self.stated_name(event, hello.handle, hello.remote.as_ref(), stated);
            }
            EventBody::HttpRequest(request) => {
                // A Host header that is an address names nothing.
                let host = request.host.as_ref().filter(|host| !looks_like_address(host));
                let stated = host.map(|name| StatedName { name: name.clone(), cover: false });
                self.stated_name(event, request.handle, request.remote.as_ref(), stated);
            }
            EventBody::ProcessStart(start) => {
                if let Some(parent) = start.parent {
                    self.recent.started(event.process.key, parent);
                }
            }
            EventBody::ProcessImportance(observed) => {
                let room = self.on_screen.observed(event.time_ns, event.process.key, observed.importance);
                self.screen_room(room);
            }
            EventBody::ProcessExit(_) => {
                let room = self.on_screen.ended(event.time_ns, event.process.key);
                self.screen_room(room);
            }
            EventBody::ProcessName(_)
            | EventBody::PackageChange(_)
            | EventBody::BlindSpot(_)
            | EventBody::FileUnlink(_)
            | EventBody::SocketBind(_)
            | EventBody::DnsQuery(_)
            | EventBody::PhaseMark(_) => {}
        }
    }

    fn screen_room(&mut self, room: bool) {
        if !room {
            self.coverage.overflow("changes of the app's place on the screen");
        }
    }

    /// Whether the event belongs to the app that the terms are about. An app that the device knows no package for is
    /// judged: the session was started for it.
    fn is_judged(&mut self, event: &Event) -> bool {
        if let Some((app, judged)) = &self.newest_app
            && *app == event.app
        {
            return *judged;
        }
        let package = &self.terms.app.package;
        let judged = self.options.any_package
            || match (&event.app.package, event.app.candidates.as_slice()) {
                (Some(one), _) => one == package,
                (None, []) => true,
                (None, several) => several.contains(package),
            };
        if !matches!(event.body, EventBody::PhaseMark(_) | EventBody::PackageChange(_)) {
            let list = if judged { &mut self.judged } else { &mut self.left_out };
            if list.len() < limits::LISTED {
                list.insert(app_label(event));
            }
            // Not for a mark, which does not list the app: the next event must.
            self.newest_app = Some((event.app.clone(), judged));
        }
        judged
    }

    /// Notes a provider of another app whose data no table knows.
    pub(super) fn unknown_provider(&mut self, event: &Event, access: &ProviderAccess) {
        if Effect::of(event.outcome) != Effect::Done {
            return;
        }
        self.unknown_data(event, access);
        if self.unknown_providers.len() < limits::LISTED || self.unknown_providers.contains_key(&access.authority) {
            let count = self.unknown_providers.entry(access.authority.clone()).or_insert(0);
            *count = count.saturating_add(1);
        }
    }

    /// Counts one reading of these types.
    pub(super) fn read(&mut self, event: &Event, types: &[TypeId], effect: Effect, place: &str) -> Vec<DataKey> {
        let mut keys = Vec::new();
        if types.is_empty() {
            return keys;
        }
        let actor = self.actor(event);
        let phase = self.phase(event);
        for data_type in types {
            let key = DataKey { data_type: *data_type, actor, phase, effect };
            if self.data.len() >= limits::TUPLES && !self.data.contains_key(&key) {
                self.coverage.overflow("observed data types by actor and phase");
                continue;
            }
            let tally = self.data.entry(key).or_insert_with(Tally::new);
            tally.add(event.time_ns, place, || Proof::of(event, place.to_owned()));
            if effect == Effect::Done {
                self.rate(event, *data_type, place);
                // What every program reads would be tied to everything.
                let weak = self.ontology.data_types.get(*data_type).is_some_and(|entry| entry.weak);
                if !weak && !self.recent.read(event.process.key, key, event.time_ns, event.sequence) {
                    self.coverage.overflow("recent readings by process");
                }
            }
            keys.push(key);
        }
        keys
    }

    fn rate(&mut self, event: &Event, data_type: TypeId, place: &str) {
        let Some(limit) = self.limits.get(&data_type) else { return };
        let key = (data_type, app_label(event));
        if self.rates.len() >= limits::TUPLES && !self.rates.contains_key(&key) {
            self.coverage.overflow("rates by data type and app");
            return;
        }
        let excess = self.rates.entry(key).or_insert_with(|| RateExcess {
            meter: RateMeter::new(),
            above: Tally::new(),
            by_phase: BTreeMap::new(),
            actors: BTreeSet::new(),
        });
        if excess.meter.count(event.time_ns) > limit.per_minute {
            excess.above.add(event.time_ns, place, || Proof::of(event, place.to_owned()));
            let count = excess.by_phase.entry(event.phase.clone()).or_insert(0);
            *count = count.saturating_add(1);
            if excess.actors.len() < limits::PLACES_PER_TUPLE {
                excess.actors.insert(actor_of(event));
            }
        }
    }

    pub(super) fn phase(&mut self, event: &Event) -> u16 {
        self.phase_number(&event.phase)
    }

    fn phase_number(&mut self, wanted: &Phase) -> u16 {
        if self.phases.get(usize::from(self.newest_phase)) == Some(wanted) {
            return self.newest_phase;
        }
        let position = self.phases.iter().position(|phase| phase == wanted).unwrap_or_else(|| {
            self.phases.push(wanted.clone());
            self.phases.len() - 1
        });
        // Marks are bounded far below this; a recording written by hand with more phases merges the last ones.
        self.newest_phase = u16::try_from(position).unwrap_or(u16::MAX);
        self.newest_phase
    }

    pub(super) fn actor(&mut self, event: &Event) -> u32 {
        let known = self.actor_of_process.get(&event.process.key).copied();
        if let Some(number) = known
            && self.actors.get(number as usize).is_some_and(|actor| is_actor(actor, event))
        {
            return number;
        }
        let number = self.actor_number(event);
        // Forgetting everything now and then bounds memory; it is found again by its name.
        if self.actor_of_process.len() >= limits::TUPLES {
            self.actor_of_process.clear();
        }
        self.actor_of_process.insert(event.process.key, number);
        number
    }

    fn actor_number(&mut self, event: &Event) -> u32 {
        let actor = actor_of(event);
        if let Some(number) = self.actor_numbers.get(&actor) {
            return *number;
        }
        if self.actors.len() >= limits::TUPLES {
            self.coverage.overflow("programs that acted");
            return 0;
        }
        let number = u32::try_from(self.actors.len()).unwrap_or(u32::MAX);
        self.actors.push(actor.clone());
        self.actor_numbers.insert(actor, number);
        number
    }
}

/// The app of an event, as reports call it.
fn app_label(event: &Event) -> String {
    match (&event.app.package, event.app.candidates.as_slice()) {
        (Some(package), _) => package.clone(),
        (None, []) => format!("uid {}", event.user_id),
        (None, several) => several.join(" or "),
    }
}

/// Whether the event is this actor's.
fn is_actor(actor: &Actor, event: &Event) -> bool {
    let program = event.process.executable.as_deref().filter(|path| !path.is_empty()).unwrap_or(&event.process.name);
    let same_app = match &event.app.package {
        Some(package) => actor.app == *package,
        None => actor.app == app_label(event),
    };
    same_app && actor.user_id == event.user_id && actor.program == program
}

pub(super) fn actor_of(event: &Event) -> Actor {
    let program = event.process.executable.clone().filter(|path| !path.is_empty());
    Actor {
        app: app_label(event),
        user_id: event.user_id,
        program: program.unwrap_or_else(|| event.process.name.clone()),
    }
}
