//! From what was observed to rows: data type, actor, recipient, phase, how often, and how the terms disclose it.

use super::clock::Clock;
use super::correlator::Effect;
use super::disclosure::Discloser;
use super::facts::{ContactTuple, DataTuple, Facts, FlowTuple};
use super::fingerprint;
use super::observed::{
    CappedEvents, ObservedTuple, Rate, SdkConfidence, SdkName, Tie, TieNotPossible, TupleActor, Tying,
};
use super::standing::DataStanding;
use super::tally::Tally;
use super::verdict::RecipientName;
use crate::event::Phase;
use crate::host::ontology::Recipient;

/// Every row: what was read, what may have been sent to whom, and contacts that nothing is tied to; each sorted.
pub(super) fn of(facts: &Facts<'_>) -> Vec<ObservedTuple> {
    let discloser = Discloser { terms: facts.terms, ontology: facts.ontology };
    let mut rows: Vec<ObservedTuple> = facts.data.iter().map(|tuple| access(facts, &discloser, tuple)).collect();
    rows.extend(facts.flows.iter().map(|tuple| flow(facts, &discloser, tuple)));
    rows.extend(facts.untied.iter().map(|tuple| contact(facts, &discloser, tuple)));
    rows
}

/// How readings are tied to sendings, and what cannot be tied.
pub(super) fn tying(facts: &Facts<'_>) -> Tying {
    let not_possible = |tie, why: &str| TieNotPossible { tie, why: why.to_owned() };
    Tying {
        window_seconds: Clock::seconds(facts.window_ns),
        not_possible: vec![
            not_possible(Tie::Value, "no event of this recording says which values were seen leaving"),
            not_possible(Tie::Path, "no event of this recording says from which file the bytes on a connection came"),
        ],
    }
}

/// Whether the app was on the screen, where the phase says so. Before the answer, after a refusal and in phases of the
/// tester's own it can be either.
fn foreground(phase: &Phase) -> Option<bool> {
    match phase.as_str() {
        "foreground" | "silent" => Some(true),
        "background" | "killed" => Some(false),
        _ => None,
    }
}

fn rate(tally: &Tally) -> Rate {
    Rate { peak_per_second: tally.rate.peak_second, peak_per_minute: tally.rate.peak, period: tally.intervals.period() }
}

fn events(tally: &Tally) -> CappedEvents {
    CappedEvents { events: tally.evidence.iter().map(|proof| proof.sequence).collect(), total: tally.count }
}

fn no_events() -> CappedEvents {
    CappedEvents { events: Vec::new(), total: 0 }
}

fn row_fingerprint(facts: &Facts<'_>, data: &str, host: &str, phase: &Phase, effect: Effect) -> String {
    fingerprint::of_row(&facts.terms.app.package, data, host, phase.as_str(), effect.name())
}

fn access(facts: &Facts<'_>, discloser: &Discloser<'_>, tuple: &DataTuple<'_>) -> ObservedTuple {
    let data_type = facts.data_name(tuple.data_type);
    let discloses = tuple.effect == Effect::Done && !matches!(tuple.standing, DataStanding::Weak);
    ObservedTuple {
        recording: None,
        fingerprint: row_fingerprint(facts, &data_type.id, "", &tuple.phase, tuple.effect),
        data_type: Some(data_type),
        actor: TupleActor { actor: tuple.actor.clone(), sdk: None, code: Vec::new() },
        recipient: None,
        phase: tuple.phase.as_str().to_owned(),
        foreground: foreground(&tuple.phase),
        outcome: tuple.effect.name(),
        tie: Tie::AccessOnly,
        delay_seconds: None,
        reads: tuple.tally.count,
        sends: 0,
        bytes_read: tuple.tally.bytes_in,
        bytes_sent: 0,
        bytes_received: 0,
        rate: rate(&tuple.tally),
        first: facts.clock.moment(tuple.tally.first_ns),
        last: facts.clock.moment(tuple.tally.last_ns),
        read_events: events(&tuple.tally),
        send_events: no_events(),
        disclosure: discloses.then(|| discloser.of_access(tuple.data_type)),
    }
}

fn flow(facts: &Facts<'_>, discloser: &Discloser<'_>, tuple: &FlowTuple<'_>) -> ObservedTuple {
    let mut row = contact(facts, discloser, &tuple.contact);
    let data_type = facts.data_name(tuple.data_type);
    let host = row.recipient.as_ref().map_or("", |name| name.host.as_str());
    row.fingerprint = row_fingerprint(facts, &data_type.id, host, &tuple.contact.phase, tuple.contact.effect);
    row.data_type = Some(data_type);
    row.tie = Tie::Window;
    row.delay_seconds = Some(Clock::seconds(tuple.delay_ns));
    row.reads = tuple.reads;
    row.read_events = CappedEvents { events: tuple.read_events.clone(), total: tuple.reads };
    row.disclosure = discloser.of_flow(Some(tuple.data_type), &tuple.contact.parties);
    row
}

fn contact(facts: &Facts<'_>, discloser: &Discloser<'_>, tuple: &ContactTuple<'_>) -> ObservedTuple {
    let recipient = facts.recipient_name(tuple);
    let disclosure = (tuple.effect == Effect::Done).then(|| discloser.of_flow(None, &tuple.parties)).flatten();
    ObservedTuple {
        recording: None,
        fingerprint: row_fingerprint(facts, "", &recipient.host, &tuple.phase, tuple.effect),
        data_type: None,
        actor: TupleActor {
            actor: tuple.actor.clone(),
            sdk: sdk_of(facts, tuple, &recipient),
            code: tuple.tally.code.listed(),
        },
        recipient: Some(recipient),
        phase: tuple.phase.as_str().to_owned(),
        foreground: foreground(&tuple.phase),
        outcome: tuple.effect.name(),
        tie: Tie::ContactOnly,
        delay_seconds: None,
        reads: 0,
        sends: tuple.tally.count,
        bytes_read: 0,
        bytes_sent: tuple.tally.bytes_out,
        bytes_received: tuple.tally.bytes_in,
        rate: rate(&tuple.tally),
        first: facts.clock.moment(tuple.tally.first_ns),
        last: facts.clock.moment(tuple.tally.last_ns),
        read_events: no_events(),
        send_events: events(&tuple.tally),
        disclosure,
    }
}

/// The SDK that a recipient points to: a third party of known owner is most often contacted by its own code.
fn sdk_of(facts: &Facts<'_>, tuple: &ContactTuple<'_>, name: &RecipientName) -> Option<SdkName> {
    let party = tuple.parties.first()?;
    let same = tuple.parties.iter().all(|other| other.owner == party.owner && !other.is_first_party());
    let owner: &Recipient = facts.ontology.recipients.get(party.owner.filter(|_| same)?)?;
    if owner.is_hosting() || owner.is_resolver() {
        return None;
    }
    Some(SdkName {
        name: if owner.product.is_empty() { owner.owner_en.clone() } else { owner.product.clone() },
        owner_en: owner.owner_en.clone(),
        owner_zh: owner.owner_zh.clone(),
        confidence: SdkConfidence::Low,
        because: format!("the recipient {} is its owner's", name.host),
    })
}
