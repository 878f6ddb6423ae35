//! Everything that was observed, ready to be judged.

use std::collections::{BTreeMap, BTreeSet};

use super::clock::Clock;
use super::correlator::Effect;
use super::coverage::Seen;
use super::drafts;
use super::fingerprint;
use super::flows::Destination;
use super::limits::{EVIDENCE_PER_TUPLE, PLACES_PER_TUPLE};
use super::notices;
use super::on_screen::OnScreen;
use super::permissions;
use super::profiles::{self, ActKey, Profile};
use super::review::ReviewSummary;
use super::rules::{self, ALL_RULES};
use super::standing::{DataStanding, Party, collect_ref, contact_statement, recipient_name};
use super::tally::{Proof, RateMeter, Tally};
use super::tuples;
use super::verdict::{
    Actor, CheckedApp, CheckedSession, DataTypeName, Evidence, Finding, ObservedData, ObservedRecipient, PhaseCount,
    PlaceCount, ProfileResult, RecipientName, RuleOutcome, RuleResult, StatementRef, Subject, VERDICT_SCHEMA, Verdict,
};
use crate::event::{Outcome, Phase, SessionEnd, SessionHeader, WELL_KNOWN_PHASES};
use crate::host::declared_terms::DeclaredTerms;
use crate::host::ontology::{Ontology, TypeId};

/// A declared limit on a rate.
#[derive(Debug, Clone)]
pub(super) struct Limit {
    pub(super) per_minute: u32,
    pub(super) statement: StatementRef,
}

impl Limit {
    /// The limit of each data type: the most that any covering statement allows; none where one sets no limit.
    pub(super) fn of_terms(terms: &DeclaredTerms, ontology: &Ontology) -> BTreeMap<TypeId, Self> {
        let types = &ontology.data_types;
        let mut limits = BTreeMap::new();
        for data_type in types.ids().filter_map(|id| types.find(id)) {
            let covering = || {
                let covers = |declared: &TypeId| types.covers(*declared, data_type);
                terms.collect().filter(move |collect| collect.data_types.iter().any(covers))
            };
            if covering().all(|collect| collect.max_per_minute.is_some())
                && let Some(widest) = covering().max_by_key(|collect| collect.max_per_minute)
                && let Some(per_minute) = widest.max_per_minute
            {
                limits.insert(data_type, Self { per_minute, statement: collect_ref(widest, ontology) });
            }
        }
        limits
    }
}

/// How far a limited data type went above its limit.
#[derive(Debug, Clone)]
pub(super) struct RateExcess {
    pub(super) meter: RateMeter,
    /// The accesses above the limit.
    pub(super) above: Tally,
    pub(super) by_phase: BTreeMap<Phase, u64>,
    pub(super) actors: BTreeSet<Actor>,
}

/// A data type that was read, or tried to.
#[derive(Debug, Clone)]
pub(super) struct DataTuple<'a> {
    pub(super) data_type: TypeId,
    pub(super) actor: Actor,
    pub(super) phase: Phase,
    pub(super) effect: Effect,
    pub(super) standing: DataStanding<'a>,
    pub(super) tally: Tally,
}

impl DataTuple<'_> {
    pub(super) fn order<'s>(&'s self, ontology: &'s Ontology) -> (&'s str, &'s Actor, &'s Phase, Effect) {
        (ontology.data_types.id_of(self.data_type), &self.actor, &self.phase, self.effect)
    }
}

/// A recipient that was contacted, or tried to.
#[derive(Debug, Clone)]
pub(super) struct ContactTuple<'a> {
    pub(super) destination: Destination,
    pub(super) parties: Vec<Party<'a>>,
    pub(super) actor: Actor,
    pub(super) phase: Phase,
    pub(super) effect: Effect,
    pub(super) tally: Tally,
}

impl ContactTuple<'_> {
    pub(super) fn order(&self) -> (&Destination, &Actor, &Phase, Effect) {
        (&self.destination, &self.actor, &self.phase, self.effect)
    }
}

/// Data that was read, and contact afterwards that may have carried it.
#[derive(Debug, Clone)]
pub(super) struct FlowTuple<'a> {
    pub(super) data_type: TypeId,
    /// The contact, counted over the connections that readings are tied to.
    pub(super) contact: ContactTuple<'a>,
    /// Readings, each once for each connection that it is tied to, and the first of their numbers.
    pub(super) reads: u64,
    pub(super) read_events: Vec<u64>,
    /// The shortest time from reading to sending.
    pub(super) delay_ns: u64,
}

impl FlowTuple<'_> {
    pub(super) fn order<'s>(
        &'s self,
        ontology: &'s Ontology,
    ) -> (&'s str, (&'s Destination, &'s Actor, &'s Phase, Effect)) {
        (ontology.data_types.id_of(self.data_type), self.contact.order())
    }
}

/// What tuples share, for merging them into findings.
pub(super) struct Part<'t> {
    pub(super) actor: &'t Actor,
    pub(super) phase: &'t Phase,
    pub(super) tally: &'t Tally,
}

/// Everything that was observed.
pub(super) struct Facts<'a> {
    pub(super) terms: &'a DeclaredTerms,
    pub(super) ontology: &'a Ontology,
    pub(super) clock: Clock,
    pub(super) data: Vec<DataTuple<'a>>,
    pub(super) contacts: Vec<ContactTuple<'a>>,
    /// Contacts that no reading is tied to.
    pub(super) untied: Vec<ContactTuple<'a>>,
    pub(super) flows: Vec<FlowTuple<'a>>,
    /// Sending counts as following a reading for so long.
    pub(super) window_ns: u64,
    pub(super) limits: BTreeMap<TypeId, Limit>,
    pub(super) rates: BTreeMap<(TypeId, String), RateExcess>,
    pub(super) acts: BTreeMap<ActKey, Tally>,
    /// The last time the app did something of its own, by phase.
    pub(super) last_doing: Vec<(Phase, u64)>,
    pub(super) profiles: Vec<Profile>,
    pub(super) unknown_providers: BTreeMap<String, u64>,
    pub(super) nameless_local: BTreeMap<String, u64>,
    pub(super) dns_bypass: BTreeMap<String, u64>,
    pub(super) judged: BTreeSet<String>,
    pub(super) left_out: BTreeSet<String>,
    pub(super) header: Option<SessionHeader>,
    pub(super) end: Option<SessionEnd>,
    pub(super) seen: Seen,
    /// When the system held the app to be on the screen.
    pub(super) on_screen: OnScreen,
}

impl Facts<'_> {
    /// Data that was read, weak types left out: what rules judge.
    pub(super) fn readings(&self) -> impl Iterator<Item = &DataTuple<'_>> {
        self.data.iter().filter(|tuple| tuple.effect == Effect::Done && !matches!(tuple.standing, DataStanding::Weak))
    }

    /// Contacts that were made.
    pub(super) fn made_contacts(&self) -> impl Iterator<Item = &ContactTuple<'_>> {
        self.contacts.iter().filter(|tuple| tuple.effect == Effect::Done)
    }

    pub(super) fn data_name(&self, data_type: TypeId) -> DataTypeName {
        let entry = self.ontology.data_types.get(data_type);
        DataTypeName {
            id: entry.map(|entry| entry.id.clone()).unwrap_or_default(),
            name_en: entry.map(|entry| entry.name_en.clone()).unwrap_or_default(),
            name_zh: entry.map(|entry| entry.name_zh.clone()).unwrap_or_default(),
        }
    }

    pub(super) fn recipient_name(&self, tuple: &ContactTuple<'_>) -> RecipientName {
        recipient_name(&tuple.parties, &tuple.destination, self.ontology)
    }

    /// A finding from the tuples that make it.
    pub(super) fn finding(
        &self,
        rule: &'static str,
        subject: Subject,
        message: String,
        contradicts: Option<StatementRef>,
        parts: &[Part<'_>],
    ) -> Finding {
        let mut actors = BTreeSet::new();
        let mut phases: BTreeMap<&Phase, u64> = BTreeMap::new();
        let mut places: BTreeMap<&str, u64> = BTreeMap::new();
        let mut proofs: Vec<&Proof> = Vec::new();
        let (mut count, mut peak, mut first_ns, mut last_ns, mut more_places) = (0_u64, 0, u64::MAX, 0, false);
        for part in parts {
            actors.insert(part.actor.clone());
            let in_phase = phases.entry(part.phase).or_insert(0);
            *in_phase = in_phase.saturating_add(part.tally.count);
            count = count.saturating_add(part.tally.count);
            peak = peak.max(part.tally.rate.peak);
            first_ns = first_ns.min(part.tally.first_ns);
            last_ns = last_ns.max(part.tally.last_ns);
            more_places |= part.tally.places.more;
            for (place, times) in part.tally.places.iter() {
                let sum = places.entry(place).or_insert(0);
                *sum = sum.saturating_add(times);
            }
            proofs.extend(&part.tally.evidence);
        }
        proofs.sort_by_key(|proof| proof.sequence);
        proofs.dedup_by_key(|proof| proof.sequence);
        proofs.truncate(EVIDENCE_PER_TUPLE);
        let (places, cut) = top_places(places.into_iter());
        Finding {
            rule,
            fingerprint: fingerprint::of_finding(rule, rule, &self.terms.app.package, &subject),
            subject,
            message,
            contradicts,
            only_drafts: Vec::new(),
            actors: actors.into_iter().collect(),
            phases: phases
                .into_iter()
                .map(|(phase, count)| PhaseCount { phase: phase.as_str().to_owned(), count })
                .collect(),
            count,
            peak_per_minute: peak,
            first: self.clock.moment(first_ns),
            last: self.clock.moment(last_ns),
            places,
            more_places: more_places || cut,
            evidence: proofs.into_iter().map(|proof| self.evidence(proof)).collect(),
            review: None,
        }
    }

    fn evidence(&self, proof: &Proof) -> Evidence {
        Evidence {
            recording: None,
            sequence: proof.sequence,
            at: self.clock.moment(proof.time_ns),
            kind: proof.kind,
            pid: proof.pid,
            what: proof.what.clone(),
            outcome: match proof.outcome {
                Outcome::Ok => "ok".to_owned(),
                Outcome::InProgress => "in_progress".to_owned(),
                // A binder transaction has no errno.
                Outcome::Denied(0) => "denied".to_owned(),
                Outcome::Failed(0) => "failed".to_owned(),
                Outcome::Denied(errno) => format!("denied ({errno})"),
                Outcome::Failed(errno) => format!("failed ({errno})"),
                Outcome::Unknown => "unknown".to_owned(),
            },
            hints: proof.hints.clone(),
        }
    }

    pub(super) fn verdict(&self) -> Verdict {
        let mut judged = rules::judge_all(self);
        drafts::point_out(self, &mut judged);
        let rules: Vec<_> = ALL_RULES.iter().map(|rule| rules::conclude(rule, &judged, self)).collect();
        let profiles = profiles::judge(self, &judged);
        let outcome = outcome_of_all(&rules, &profiles);
        Verdict {
            schema: VERDICT_SCHEMA,
            outcome,
            findings: rules.iter().map(|result| result.findings.len()).sum(),
            app: self.checked_app(),
            session: self.checked_session(),
            scenes: Vec::new(),
            rules,
            profiles,
            tuples: tuples::of(self),
            tying: tuples::tying(self),
            data: self.data.iter().map(|tuple| self.observed_data(tuple)).collect(),
            recipients: self.contacts.iter().map(|tuple| self.observed_recipient(tuple)).collect(),
            reviews: ReviewSummary::default(),
            baseline: None,
            may_access: permissions::of(self),
            notices: notices::of(self),
            coverage: self.seen.coverage.clone(),
            phases: self.seen.phases(),
            timeline: self.seen.timeline(&self.clock),
            terms_not_understood: self.terms.not_understood.clone(),
            phases_not_exercised: WELL_KNOWN_PHASES
                .iter()
                .map(|(name, _)| *name)
                .filter(|name| *name != "unmarked" && !self.seen.had_phase(name))
                .collect(),
        }
    }

    fn checked_app(&self) -> CheckedApp {
        let app = &self.terms.app;
        CheckedApp {
            package: app.package.clone(),
            name: app.name.clone(),
            version: app.version.clone(),
            kind: app.kind.clone(),
            app_type: app.app_type.and_then(|id| self.ontology.app_types.get(id)).map(|entry| entry.id.clone()),
            terms_file: self.terms.file.clone(),
            judged: self.judged.iter().cloned().collect(),
            left_out: self.left_out.iter().cloned().collect(),
        }
    }

    fn checked_session(&self) -> CheckedSession {
        let header = self.header.clone().unwrap_or_default();
        CheckedSession {
            id: header.session_id,
            label: header.label,
            started: if self.clock.has_date() { Clock::date(header.started.wall_ns) } else { String::new() },
            seconds: Clock::seconds(self.seen.last_ns.saturating_sub(self.seen.started_ns)),
            end: self.end.as_ref().map(|end| end.reason.name()),
            events: self.seen.events(),
            device: header.device.name,
            kernel: header.device.kernel_release,
            architecture: header.device.architecture,
            daemon_version: header.device.daemon_version,
        }
    }

    fn observed_data(&self, tuple: &DataTuple<'_>) -> ObservedData {
        let (places, cut) = top_places(tuple.tally.places.iter());
        ObservedData {
            recording: None,
            data_type: self.data_name(tuple.data_type),
            actor: tuple.actor.clone(),
            phase: tuple.phase.as_str().to_owned(),
            effect: tuple.effect.name(),
            count: tuple.tally.count,
            peak_per_minute: tuple.tally.rate.peak,
            bytes_read: tuple.tally.bytes_in,
            first: self.clock.moment(tuple.tally.first_ns),
            last: self.clock.moment(tuple.tally.last_ns),
            places,
            more_places: tuple.tally.places.more || cut,
            evidence: tuple.tally.evidence.iter().map(|proof| proof.sequence).collect(),
            standing: tuple.standing.name(),
            statement: tuple.standing.statement(self.ontology),
        }
    }

    fn observed_recipient(&self, tuple: &ContactTuple<'_>) -> ObservedRecipient {
        let (places, cut) = top_places(tuple.tally.places.iter());
        ObservedRecipient {
            recording: None,
            recipient: self.recipient_name(tuple),
            actor: tuple.actor.clone(),
            phase: tuple.phase.as_str().to_owned(),
            effect: tuple.effect.name(),
            count: tuple.tally.count,
            peak_per_minute: tuple.tally.rate.peak,
            bytes_sent: tuple.tally.bytes_out,
            bytes_received: tuple.tally.bytes_in,
            first: self.clock.moment(tuple.tally.first_ns),
            last: self.clock.moment(tuple.tally.last_ns),
            places,
            more_places: tuple.tally.places.more || cut,
            evidence: tuple.tally.evidence.iter().map(|proof| proof.sequence).collect(),
            statement: contact_statement(&tuple.parties, self.ontology),
        }
    }
}

/// All rules, and the profiles that were asked for, together.
pub(super) fn outcome_of_all(rules: &[RuleResult], profiles: &[ProfileResult]) -> RuleOutcome {
    let counting = profiles.iter().filter(|profile| profile.counts_for_outcome).map(|profile| profile.outcome);
    let outcomes: Vec<RuleOutcome> = rules.iter().map(|result| result.outcome).chain(counting).collect();
    let has = |outcome| outcomes.contains(&outcome);
    if has(RuleOutcome::Violation) {
        RuleOutcome::Violation
    } else if has(RuleOutcome::CannotTell) {
        RuleOutcome::CannotTell
    } else {
        RuleOutcome::NoneObserved
    }
}

/// The most frequent places first, then by name; and whether some had to be left out.
fn top_places<'a>(places: impl Iterator<Item = (&'a str, u64)>) -> (Vec<PlaceCount>, bool) {
    let mut sorted: Vec<PlaceCount> =
        places.map(|(place, count)| PlaceCount { place: place.to_owned(), count }).collect();
    sorted.sort_by(|left, right| right.count.cmp(&left.count).then_with(|| left.place.cmp(&right.place)));
    let cut = sorted.len() > PLACES_PER_TUPLE;
    sorted.truncate(PLACES_PER_TUPLE);
    (sorted, cut)
}
