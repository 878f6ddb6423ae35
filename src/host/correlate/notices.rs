//! What is worth knowing and is no violation.

use std::collections::BTreeSet;

use super::clock::Clock;
use super::correlator::Effect;
use super::drafts;
use super::facts::Facts;
use super::standing::{DataStanding, Party, PartyStanding, named, place_in_words};
use super::verdict::Notice;
use crate::host::ontology::Need;

/// All notices, sorted, each once.
pub(super) fn of(facts: &Facts<'_>) -> Vec<Notice> {
    let mut notices = BTreeSet::new();
    let mut note = |kind, message: String| {
        notices.insert(Notice { kind, message });
    };
    for tuple in &facts.data {
        let name = facts.data_name(tuple.data_type);
        let place = tuple.tally.places.sorted().first().copied().unwrap_or_default();
        match tuple.effect {
            Effect::Denied | Effect::Failed if !matches!(tuple.standing, DataStanding::Weak) => {
                let how = if tuple.effect == Effect::Denied { "was refused" } else { "failed" };
                note(
                    "attempted",
                    format!(
                        "{} tried to read {} ({place}) {} in phase {} and {how}: an attempt is not a collection",
                        tuple.actor.app,
                        name.id,
                        times(tuple.tally.count),
                        tuple.phase
                    ),
                );
            }
            Effect::Done => {
                if let Some(period) =
                    tuple.tally.intervals.period().filter(|_| !matches!(tuple.standing, DataStanding::Weak))
                {
                    note(
                        "fixed_interval",
                        format!(
                            "{} read {} at a fixed interval of {:.1} s in phase {} ({} pauses, half of them within {:.1} s of it)",
                            tuple.actor.app, name.id, period.seconds, tuple.phase, period.pauses, period.jitter_seconds
                        ),
                    );
                }
                if let DataStanding::Declared { exact: false, statements } = &tuple.standing
                    && let Some(statement) = statements.first()
                {
                    note(
                        "declared_broadly",
                        format!(
                            "{} is covered only by a broader type declared at {}",
                            name.id,
                            place_in_words(&statement.place)
                        ),
                    );
                }
            }
            Effect::Denied | Effect::Failed => {}
        }
    }
    for tuple in &facts.contacts {
        let name = facts.recipient_name(tuple);
        if tuple.effect != Effect::Done {
            note(
                "attempted",
                format!(
                    "{} tried to reach {} {} in phase {} and did not get through",
                    tuple.actor.app,
                    name.host,
                    times(tuple.tally.count),
                    tuple.phase
                ),
            );
        } else if tuple.parties.len() > 1 {
            let addresses = tuple.tally.places.sorted();
            note(
                "uncertain_recipient",
                format!("connections to {} can have been with any of {}", addresses.join(", "), name.host),
            );
        }
        if tuple.parties.iter().any(|party| owned_by_other(facts, party))
            && let Some(owner) = &name.owner_en
        {
            note(
                "first_party_claim",
                format!("the terms call {} first party, and it is known to belong to {owner}", name.host),
            );
        }
    }
    for (authority, count) in &facts.unknown_providers {
        note(
            "unknown_provider",
            format!("read from the provider {authority} of another app {}: what it holds is not known", times(*count)),
        );
    }
    for (what, count) in &facts.dns_bypass {
        note(
            "dns_bypass",
            format!(
                "names were resolved past the system's DNS {}: {what}; what was contacted next may lack its name",
                times(*count)
            ),
        );
    }
    if !facts.nameless_local.is_empty() {
        let total = facts.nameless_local.values().fold(0_u64, |sum, count| sum.saturating_add(*count));
        let addresses: Vec<&str> = facts.nameless_local.keys().map(String::as_str).collect();
        note(
            "left_out",
            format!(
                "connections to this machine or its own link without a name were left out {}: {}",
                times(total),
                addresses.join(", ")
            ),
        );
    }
    if !facts.left_out.is_empty() {
        let apps: Vec<&str> = facts.left_out.iter().map(String::as_str).collect();
        note("left_out", format!("events of other apps were not judged by these terms: {}", apps.join(", ")));
    }
    for denial in facts.terms.not_share().filter(|denial| !denial.data_types.is_empty()) {
        note(
            "not_decided",
            format!(
                "whether the data types denied at {} were sent is not decided: contents are not looked at",
                place_in_words(&denial.place)
            ),
        );
    }
    if facts.header.is_some() && !facts.clock.has_date() {
        note(
            "no_clock_anchor",
            "the header of the recording has no wall-clock time: dates are not known, and seconds count from its clock of \
             the device, or from the first event"
                .to_owned(),
        );
    }
    phases_as_seen(facts, &mut note);
    unexercised(facts, &mut note);
    not_necessary(facts, &mut note);
    for access in facts.terms.undeclared_access(facts.ontology) {
        note("may_access", format!("{} ({})", access.in_words(facts.ontology), place_in_words(&access.access.place)));
    }
    drafts::notices(facts, &mut note);
    notices.into_iter().collect()
}

/// Less than this is no disagreement: the tester marks and acts by hand, and importance is looked at twice a second.
const MARK_TOLERANCE_NS: u64 = 2_000_000_000;

/// Phases that were marked while the system saw the app elsewhere: what is said of them is said of another state.
fn phases_as_seen(facts: &Facts<'_>, note: &mut impl FnMut(&'static str, String)) {
    for span in &facts.seen.spans {
        let Some(should_be) = span.phase.on_screen() else { continue };
        let seen = facts.on_screen.within(span.from_ns, span.to_ns);
        let elsewhere_ns = if should_be { seen.known_ns - seen.on_screen_ns } else { seen.on_screen_ns };
        if elsewhere_ns < MARK_TOLERANCE_NS {
            continue;
        }
        let place = if should_be { "off" } else { "on" };
        note(
            "phase_disagrees",
            format!(
                "phase {} was marked at {} s for {} s, and by the importance that the system gave its processes the app \
                 was {place} the screen for {} s of it",
                span.phase,
                facts.clock.moment(span.from_ns).seconds,
                Clock::seconds(span.to_ns - span.from_ns),
                Clock::seconds(elsewhere_ns),
            ),
        );
    }
}

/// Statements that the run gave no occasion for: a silent rule says little about them.
fn unexercised(facts: &Facts<'_>, note: &mut impl FnMut(&'static str, String)) {
    let types = &facts.ontology.data_types;
    for collect in facts.terms.collect() {
        for declared in &collect.data_types {
            if !facts.readings().any(|tuple| types.covers(*declared, tuple.data_type)) {
                note(
                    "unexercised_statement",
                    format!(
                        "{} is declared at {} and was not read in this run",
                        types.id_of(*declared),
                        place_in_words(&collect.place)
                    ),
                );
            }
        }
    }
    for share in facts.terms.contacts() {
        let reached = |party: &Party<'_>| match &party.standing {
            PartyStanding::Declared(shares) => shares.iter().any(|declared| declared.place == share.place),
            _ => false,
        };
        if !facts.made_contacts().any(|tuple| tuple.parties.iter().any(reached)) {
            note(
                "unexercised_statement",
                format!(
                    "{} is declared at {} and was not contacted in this run",
                    named(share),
                    place_in_words(&share.place)
                ),
            );
        }
    }
}

/// What was read and the basic function of an app of this type does not need. Collecting it is allowed with consent, so
/// that this is no violation.
fn not_necessary(facts: &Facts<'_>, note: &mut impl FnMut(&'static str, String)) {
    let app_type = facts.terms.app.app_type.and_then(|id| facts.ontology.app_types.get(id));
    let Some(app_type) = app_type else { return };
    for tuple in facts.readings() {
        let id = facts.ontology.data_types.id_of(tuple.data_type);
        let what = match app_type.needs(tuple.data_type, &facts.ontology.data_types) {
            Need::Necessary => continue,
            Need::ForAPart(when) => format!("necessary only {when}"),
            Need::NotNecessary => "not necessary".to_owned(),
        };
        let doubt = if app_type.checked { "" } else { "; the entry was not yet compared with the rule's text" };
        note(
            "not_necessary",
            format!(
                "{id} was read and is {what} for the basic function of \"{}\" ({}) by the 2021 rule: the app must work \
                 for who declines it{doubt}",
                app_type.id, app_type.name_zh
            ),
        );
    }
}

/// Hosting acts for the developer, so a first-party name there is nothing to note.
fn owned_by_other(facts: &Facts<'_>, party: &Party<'_>) -> bool {
    let owner = party.owner.and_then(|id| facts.ontology.recipients.get(id));
    owner.is_some_and(|owner| !owner.is_hosting()) && matches!(party.standing, PartyStanding::FirstParty)
}

fn times(count: u64) -> String {
    match count {
        1 => "once".to_owned(),
        2 => "twice".to_owned(),
        more => format!("{more} times"),
    }
}
