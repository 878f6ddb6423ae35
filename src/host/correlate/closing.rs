//! The end of a recording: from what was counted to what is judged.

use super::correlator::{ContactKey, Correlator, Effect};
use super::facts::{ContactTuple, DataTuple, Facts, FlowTuple};
use super::profiles::{DEFAULT_PROFILE, Profile};
use super::standing::Standings;
use super::tally::Tally;
use super::ties::{FlowKey, FlowTally, WINDOW_NS};
use super::verdict::{Actor, Verdict};
use crate::host::recording::RecordingCondition;

impl Correlator<'_> {
    /// Closes the books and gives the verdict.
    #[must_use]
    pub fn finish(mut self, condition: &RecordingCondition) -> Verdict {
        for flow in self.flows.drain() {
            self.settle(&flow);
        }
        if self.profiles.is_empty()
            && let Some(Ok(mut listed)) = Profile::built_in(DEFAULT_PROFILE, self.ontology)
        {
            listed.asked_for = false;
            self.profiles.push(listed);
        }
        for (name, since_ns) in self.helpers.strangers() {
            self.coverage.helper(name, since_ns);
        }
        let (acts, profiles) = (std::mem::take(&mut self.acts), std::mem::take(&mut self.profiles));
        let (untied, data_flows) = (std::mem::take(&mut self.untied), std::mem::take(&mut self.data_flows));
        let window_ns = self.options.window_ns.unwrap_or(WINDOW_NS);
        let Self { terms, ontology, phases, actors, destinations, .. } = &self;
        let mut standings = Standings::new(terms, ontology);
        let nobody = || Actor { app: String::new(), user_id: 0, program: String::new() };
        let actor = |number: u32| actors.get(number as usize).cloned().unwrap_or_else(nobody);
        let phase = |number: u16| phases.get(usize::from(number)).cloned().unwrap_or_default();
        let mut data: Vec<DataTuple> = self
            .data
            .iter()
            .map(|(key, tally)| DataTuple {
                data_type: key.data_type,
                actor: actor(key.actor),
                phase: phase(key.phase),
                effect: key.effect,
                standing: standings.of_data(key.data_type),
                tally: tally.clone(),
            })
            .collect();
        data.sort_by(|left, right| left.order(ontology).cmp(&right.order(ontology)));
        let mut contact = |key: &ContactKey, tally: &Tally| {
            let destination = destinations.get(key.destination as usize)?;
            Some(ContactTuple {
                parties: standings.of_destination(key.destination, destination),
                destination: destination.clone(),
                actor: actor(key.actor),
                phase: phase(key.phase),
                effect: key.effect,
                tally: tally.clone(),
            })
        };
        let mut untied: Vec<ContactTuple> = untied.iter().filter_map(|(key, tally)| contact(key, tally)).collect();
        untied.sort_by(|left, right| left.order().cmp(&right.order()));
        let mut flows: Vec<FlowTuple> = data_flows
            .into_iter()
            .filter_map(|(key, tally)| {
                let FlowKey { data_type, destination, actor, phase } = key;
                let key = ContactKey { destination, actor, phase, effect: Effect::Done };
                let contact = contact(&key, &tally.sends)?;
                let FlowTally { reads, read_events, delay_ns, .. } = tally;
                Some(FlowTuple { data_type, contact, reads, read_events, delay_ns })
            })
            .collect();
        flows.sort_by(|left, right| left.order(ontology).cmp(&right.order(ontology)));
        let mut contacts: Vec<ContactTuple> =
            self.contacts.iter().filter_map(|(key, tally)| contact(key, tally)).collect();
        contacts.sort_by(|left, right| left.order().cmp(&right.order()));
        let last_doing = self
            .last_doing
            .iter()
            .zip(phases)
            .filter(|(time, _)| **time > 0)
            .map(|(time, phase)| (phase.clone(), *time));
        let facts = Facts {
            last_doing: last_doing.collect(),
            acts,
            profiles,
            terms,
            ontology,
            clock: self.clock,
            data,
            contacts,
            untied,
            flows,
            window_ns,
            limits: self.limits,
            rates: self.rates,
            unknown_providers: self.unknown_providers,
            nameless_local: self.nameless_local,
            dns_bypass: self.dns_bypass,
            judged: self.judged,
            left_out: self.left_out,
            header: self.header,
            end: self.end,
            seen: self.coverage.finish(condition),
            on_screen: self.on_screen,
        };
        facts.verdict()
    }
}
