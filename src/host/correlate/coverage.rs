//! What was seen and what was not: probes, gaps, accounts, blind spots, holes in the numbering, phases.

use std::collections::{BTreeMap, BTreeSet};

use super::clock::Clock;
use super::limits;
use super::verdict::{self, FamilyCoverage, PhaseSpan, PhaseSummary};
use crate::event::{
    BlindSpotKind, Event, EventBody, Family, Gap, Phase, ProbeId, ProbeState, ProbeStatus, SelfTest, SelfTestMoment,
    SessionEnd, SessionHeader, Totals,
};
use crate::host::recording::RecordingCondition;

/// Something that was not seen.
#[derive(Debug, Clone)]
struct Blindness {
    /// The families concerned; empty means all.
    families: Vec<Family>,
    /// Between these boot times, in nanoseconds.
    from_ns: u64,
    to_ns: u64,
    reason: String,
}

impl Blindness {
    fn always(families: &[Family], reason: String) -> Self {
        Self { families: families.to_vec(), from_ns: 0, to_ns: u64::MAX, reason }
    }

    fn concerns(&self, family: Family) -> bool {
        self.families.is_empty() || self.families.contains(&family)
    }
}

/// Follows what was seen and what was not.
#[derive(Debug)]
pub(super) struct Coverage {
    started_ns: u64,
    has_header: bool,
    headers: u32,
    at_start: Vec<ProbeStatus>,
    at_end: Option<Vec<ProbeStatus>>,
    /// The last account, and whether it is the final one.
    pub(super) totals: Option<Totals>,
    gaps: Vec<Gap>,
    gap_count: u64,
    unplaced_gaps: u64,
    pub(super) missing_events: u64,
    gap_of_unknown_size: bool,
    blind_spots: BTreeMap<(BlindSpotKind, u32), u64>,
    more_blind_spots: bool,
    last_sequence: u64,
    /// Missing numbers that no gap explains.
    holes: u64,
    backwards: u64,
    /// Number up to which gaps explain missing events.
    explained_to: u64,
    cut_paths: u64,
    /// Bounds that were reached.
    overflows: BTreeMap<&'static str, u64>,
    /// Events that were seen and say too little to be judged.
    undecided: BTreeMap<(Family, &'static str), u64>,
    /// Names of Unix sockets over which other programs answered, and since when.
    helpers: Vec<(String, u64)>,
    pub(super) last_ns: u64,
    /// Families whose known act was not seen, with what was missing; a set, as each test can come more than once.
    unreliable: BTreeSet<(SelfTestMoment, Family, String)>,
    marks: Vec<(u64, Phase, String)>,
    marks_dropped: u64,
    /// Events, first and last time by phase stamp.
    stamped: BTreeMap<Phase, (u64, u64, u64)>,
    newest_stamp: Option<(Phase, u64, u64, u64)>,
}

impl Coverage {
    pub(super) fn new() -> Self {
        Self {
            started_ns: 0,
            has_header: false,
            headers: 0,
            at_start: Vec::new(),
            at_end: None,
            totals: None,
            gaps: Vec::new(),
            gap_count: 0,
            unplaced_gaps: 0,
            missing_events: 0,
            gap_of_unknown_size: false,
            blind_spots: BTreeMap::new(),
            more_blind_spots: false,
            last_sequence: 0,
            holes: 0,
            backwards: 0,
            explained_to: 0,
            cut_paths: 0,
            overflows: BTreeMap::new(),
            undecided: BTreeMap::new(),
            helpers: Vec::new(),
            last_ns: 0,
            unreliable: BTreeSet::new(),
            marks: Vec::new(),
            marks_dropped: 0,
            stamped: BTreeMap::new(),
            newest_stamp: None,
        }
    }

    pub(super) fn header(&mut self, header: &SessionHeader) {
        self.headers = self.headers.saturating_add(1);
        if self.has_header {
            return;
        }
        self.has_header = true;
        self.started_ns = header.started.boot_ns;
        self.last_ns = self.last_ns.max(header.started.boot_ns);
        self.at_start.clone_from(&header.probes);
        self.marks.push((header.started.boot_ns, header.initial_phase.clone(), String::new()));
    }

    /// Notes when the session began, where its header does not say: before any event is noted.
    pub(super) fn began(&mut self, time_ns: u64) {
        self.started_ns = time_ns;
        if let Some((from_ns, _, _)) = self.marks.first_mut() {
            *from_ns = time_ns;
        }
    }

    /// Notes an event in the phase of the one before, of which nothing else is to be noted.
    pub(super) fn same_phase(&mut self, sequence: u64, time_ns: u64) {
        self.last_ns = self.last_ns.max(time_ns);
        self.sequence(sequence);
        if let Some((_, count, first, last)) = &mut self.newest_stamp {
            *count = count.saturating_add(1);
            *first = (*first).min(time_ns);
            *last = (*last).max(time_ns);
        }
    }

    /// The phase of the newest event.
    pub(super) fn newest_phase(&self) -> Option<&Phase> {
        self.newest_stamp.as_ref().map(|(phase, ..)| phase)
    }

    /// Notes an event; called for every one, so it does no more than it must. `same_phase`: it is surely in the phase of the
    /// event before.
    pub(super) fn event(&mut self, event: &Event, same_phase: bool) {
        if self.newest_phase().is_none_or(|phase| !same_phase && *phase != event.phase) {
            self.put_stamp_away();
            self.newest_stamp = Some((event.phase.clone(), 0, event.time_ns, event.time_ns));
        }
        self.same_phase(event.sequence, event.time_ns);
        match &event.body {
            EventBody::BlindSpot(spot) => {
                let key = (spot.what, event.process.key.pid);
                if self.blind_spots.len() >= limits::BLIND_SPOTS && !self.blind_spots.contains_key(&key) {
                    self.more_blind_spots = true;
                } else {
                    let since = self.blind_spots.entry(key).or_insert(event.time_ns);
                    *since = (*since).min(event.time_ns);
                }
            }
            EventBody::PhaseMark(mark) => {
                if self.marks.len() < limits::PHASE_MARKS {
                    self.marks.push((event.time_ns, mark.phase.clone(), mark.note.clone()));
                } else {
                    self.marks_dropped = self.marks_dropped.saturating_add(1);
                }
            }
            EventBody::FileOpen(open) if open.path_cut => self.cut_paths = self.cut_paths.saturating_add(1),
            _ => {}
        }
    }

    fn put_stamp_away(&mut self) {
        if let Some((phase, count, first, last)) = self.newest_stamp.take() {
            let entry = self.stamped.entry(phase).or_insert((0, first, last));
            entry.0 = entry.0.saturating_add(count);
            entry.1 = entry.1.min(first);
            entry.2 = entry.2.max(last);
        }
    }

    fn sequence(&mut self, sequence: u64) {
        let known = self.last_sequence.max(self.explained_to);
        if sequence <= self.last_sequence {
            self.backwards = self.backwards.saturating_add(1);
        } else if sequence > known.saturating_add(1) {
            self.holes = self.holes.saturating_add(sequence - known - 1);
        }
        self.last_sequence = self.last_sequence.max(sequence);
    }

    pub(super) fn gap(&mut self, gap: &Gap) {
        self.gap_count = self.gap_count.saturating_add(1);
        self.missing_events = self.missing_events.saturating_add(gap.count);
        self.gap_of_unknown_size |= gap.count == 0;
        if let (Some(first), Some(last)) = (gap.first_sequence, gap.last_sequence) {
            // Only a gap that begins where the numbers stop explains the hole.
            if first <= self.last_sequence.max(self.explained_to).saturating_add(1) {
                self.explained_to = self.explained_to.max(last);
            }
        }
        if self.gaps.len() < limits::GAPS {
            self.gaps.push(gap.clone());
        } else {
            self.unplaced_gaps = self.unplaced_gaps.saturating_add(1);
        }
    }

    pub(super) fn totals(&mut self, totals: &Totals) {
        self.last_ns = self.last_ns.max(totals.time_ns);
        self.totals = Some(totals.clone());
    }

    pub(super) fn end(&mut self, end: &SessionEnd) {
        self.totals(&end.totals);
        self.at_end = Some(end.probes.clone());
        end.self_tests.iter().for_each(|test| self.self_test(test));
    }

    /// Notes a self-test. What was not tested is no blindness: the probe's status says whether the family is watched.
    pub(super) fn self_test(&mut self, test: &SelfTest) {
        self.last_ns = self.last_ns.max(test.time_ns);
        for result in test.not_seen() {
            self.unreliable.insert((test.moment, result.family, result.reason.clone()));
        }
    }

    /// Notes that a bound on memory was reached.
    pub(super) fn overflow(&mut self, what: &'static str) {
        let count = self.overflows.entry(what).or_insert(0);
        *count = count.saturating_add(1);
    }

    /// Notes an event of a family that says too little to be judged.
    pub(super) fn undecided(&mut self, family: Family, why: &'static str) {
        let count = self.undecided.entry((family, why)).or_insert(0);
        *count = count.saturating_add(1);
    }

    /// Notes that another program answered over this Unix socket.
    pub(super) fn helper(&mut self, name: &str, since_ns: u64) {
        self.helpers.push((name.to_owned(), since_ns));
    }

    /// Closes the books.
    pub(super) fn finish(mut self, condition: &RecordingCondition) -> Seen {
        self.put_stamp_away();
        let mut blindness = self.blindness(condition);
        let spans = self.spans();
        for (phase, (_, first, last)) in &self.stamped {
            // A recording written by hand may stamp phases without marking them.
            if !spans.iter().any(|span| span.phase == *phase) && spans.len() > 1 {
                let reason = format!(
                    "events {} ns to {} ns are stamped with phase {phase}, which was never marked",
                    first, last
                );
                blindness.push(Blindness::always(&[], reason));
            }
        }
        let families = Family::ALL
            .iter()
            .filter(|family| **family != Family::Session)
            .map(|family| self.family(*family, &blindness))
            .collect();
        Seen {
            coverage: verdict::Coverage {
                families,
                recording_whole: condition.is_whole(),
                damage: condition.damage.clone(),
                missing_events: self.missing_events,
                gaps: self.gap_count,
                totals: self.totals.clone(),
            },
            blindness,
            spans,
            stamped: self.stamped,
            started_ns: self.started_ns,
            last_ns: self.last_ns,
        }
    }

    fn family(&self, family: Family, blindness: &[Blindness]) -> FamilyCoverage {
        let of = |statuses: &[ProbeStatus]| -> Vec<ProbeStatus> {
            statuses.iter().filter(|status| status.family == family).cloned().collect()
        };
        let mut reasons: Vec<String> =
            blindness.iter().filter(|blind| blind.concerns(family)).map(|blind| blind.reason.clone()).collect();
        reasons.dedup();
        FamilyCoverage {
            family: family.name(),
            watched: reasons.is_empty(),
            reasons,
            at_start: of(&self.at_start),
            at_end: of(self.at_end.as_deref().unwrap_or_default()),
        }
    }

    fn blindness(&self, condition: &RecordingCondition) -> Vec<Blindness> {
        let mut blind = Vec::new();
        if !self.has_header {
            blind.push(Blindness::always(
                &[],
                "the recording has no header, so nobody knows what was watched".to_owned(),
            ));
        }
        if self.headers > 1 {
            let reason = format!("the recording holds {} sessions; a verdict is about one", self.headers);
            blind.push(Blindness::always(&[], reason));
        }
        if self.has_header {
            for family in Family::TRACED.iter().copied() {
                if let Some(reason) = not_watched(&self.at_start, family) {
                    let reason = format!("{} events were not fully watched: {reason}", family.name());
                    blind.push(Blindness::always(&[family], reason));
                } else if let Some(reason) = self.at_end.as_deref().and_then(|end| not_watched(end, family)) {
                    let reason = format!("{} events were not fully watched to the end: {reason}", family.name());
                    blind.push(Blindness::always(&[family], reason));
                }
            }
        }
        for (moment, family, missing) in &self.unreliable {
            // For the whole session: nobody knows since when the probe has been blind.
            let reason = format!(
                "the self-test {} did a known act of the {} family and did not see it: {missing}",
                at_moment(*moment),
                family.name()
            );
            blind.push(Blindness::always(&[*family], reason));
        }
        if !condition.complete {
            let reason = "the recording is truncated: what happened after its last entry is not known".to_owned();
            blind.push(Blindness { families: Vec::new(), from_ns: self.last_ns, to_ns: u64::MAX, reason });
        }
        for damage in &condition.damage {
            let reason = format!(
                "{} bytes of the recording at offset {} cannot be read: {}",
                damage.length, damage.offset, damage.reason
            );
            blind.push(Blindness::always(&[], reason));
        }
        // What the reader noticed and the lines above do not say; the reader follows sequence numbers as well.
        if condition.more_damage > 0 || condition.more_missing > 0 || condition.header_missing {
            for complaint in condition
                .complaints()
                .into_iter()
                .filter(|text| text.starts_with("The session") || text.contains("not listed"))
            {
                blind.push(Blindness::always(&[], complaint.trim_end_matches('.').to_owned()));
            }
        }
        self.losses(&mut blind);
        for ((what, pid), since) in &self.blind_spots {
            blind.push(Blindness {
                families: what.families().to_vec(),
                from_ns: *since,
                to_ns: u64::MAX,
                reason: format!("process {pid} acted through {}, which the probes cannot see", what.name()),
            });
        }
        if self.more_blind_spots {
            blind.push(Blindness::always(&[], "more processes acted in ways the probes cannot see".to_owned()));
        }
        if self.cut_paths > 0 {
            let reason = format!("{} paths were too long to be carried whole, and could not be judged", self.cut_paths);
            blind.push(Blindness::always(&[Family::File], reason));
        }
        for ((family, why), count) in &self.undecided {
            blind.push(Blindness::always(&[*family], format!("{why} ({count} times)")));
        }
        for (name, since) in &self.helpers {
            blind.push(Blindness {
                families: vec![Family::File, Family::Provider, Family::Service],
                from_ns: *since,
                to_ns: u64::MAX,
                reason: format!(
                    "another program answered over the Unix socket {name}: what it had read for the app is not seen"
                ),
            });
        }
        for (what, count) in &self.overflows {
            blind.push(Blindness::always(&[], format!("too much at once to keep: {what} ({count} times)")));
        }
        blind
    }

    fn losses(&self, blind: &mut Vec<Blindness>) {
        for gap in &self.gaps {
            let count = match gap.count {
                0 => "an unknown number of events".to_owned(),
                1 => "1 event".to_owned(),
                count => format!("{count} events"),
            };
            blind.push(Blindness {
                families: gap.families.clone(),
                from_ns: gap.from_ns,
                to_ns: gap.to_ns,
                reason: format!("{count} lost ({}: {})", gap.stage.name(), gap.reason),
            });
        }
        if self.unplaced_gaps > 0 {
            blind.push(Blindness::always(&[], format!("{} more gaps in the stream", self.unplaced_gaps)));
        }
        if self.holes > 0 {
            let reason = format!("{} sequence numbers are missing and no gap says why", self.holes);
            blind.push(Blindness::always(&[], reason));
        }
        if self.backwards > 0 {
            let reason = format!("{} events are out of order or there twice", self.backwards);
            blind.push(Blindness::always(&[], reason));
        }
        if self.marks_dropped > 0 {
            blind.push(Blindness::always(&[], format!("{} phase marks too many to keep", self.marks_dropped)));
        }
        let Some(totals) = &self.totals else { return };
        let dropped = totals.loss.dropped_total();
        if dropped > self.missing_events && !self.gap_of_unknown_size {
            // The account knows of losses that no gap places: they can be anywhere.
            let unplaced = dropped - self.missing_events;
            let by_reason: Vec<String> = totals
                .loss
                .stages
                .iter()
                .flat_map(|(stage, account)| {
                    account.dropped.iter().map(move |(reason, count)| format!("{} {reason} {count}", stage.name()))
                })
                .collect();
            let reason = format!("{unplaced} records lost, no gap says when ({})", by_reason.join(", "));
            blind.push(Blindness::always(&[], reason));
        }
        if self.at_end.is_some() {
            for (stage, account) in &totals.loss.stages {
                if !account.is_balanced() {
                    let reason = format!(
                        "the account of stage {} does not add up: produced {}, delivered {}, filtered {}, dropped {}",
                        stage.name(),
                        account.produced,
                        account.delivered,
                        account.filtered,
                        account.dropped_total()
                    );
                    blind.push(Blindness::always(&[], reason));
                }
            }
            let known = self.last_sequence.max(self.explained_to);
            if totals.events > known {
                let reason = format!("the session numbered {} events, the recording ends at {known}", totals.events);
                blind.push(Blindness::always(&[], reason));
            }
        }
    }

    fn spans(&self) -> Vec<Span> {
        let mut marks: Vec<&(u64, Phase, String)> = self.marks.iter().collect();
        marks.sort_by_key(|mark| mark.0);
        let ends = marks.iter().skip(1).map(|mark| mark.0).chain(std::iter::once(self.last_ns.max(self.started_ns)));
        marks
            .iter()
            .zip(ends)
            .map(|((from_ns, phase, note), to_ns)| Span {
                phase: phase.clone(),
                from_ns: *from_ns,
                to_ns: to_ns.max(*from_ns),
                note: note.clone(),
            })
            .collect()
    }
}

fn at_moment(moment: SelfTestMoment) -> &'static str {
    match moment {
        SelfTestMoment::Start => "at the start",
        SelfTestMoment::Rearm => "after the device had slept or its clock was set",
        SelfTestMoment::End => "at the end",
    }
}

/// Why a family is not fully watched, by these statuses; `None` when it is.
///
/// A family counts as watched when at least one probe that does not sample is attached for it. Polling `/proc` sees
/// what is there at the moments it looks, so it alone proves no absence, however attached it is.
fn not_watched(statuses: &[ProbeStatus], family: Family) -> Option<String> {
    let samples = |status: &ProbeStatus| status.probe == ProbeId::Procfs;
    let of_family = || statuses.iter().filter(|status| status.family == family);
    let watches = |status: &ProbeStatus| match status.state {
        ProbeState::Attached => !samples(status),
        // There is nothing to be watched.
        ProbeState::Absent => true,
        ProbeState::Partial | ProbeState::Unsupported | ProbeState::Denied => false,
    };
    if of_family().any(watches) {
        return None;
    }
    let reasons: Vec<String> = of_family()
        .map(|status| {
            let state = match status.state {
                ProbeState::Attached => "only samples",
                ProbeState::Partial => "partial",
                ProbeState::Unsupported => "unsupported",
                ProbeState::Denied => "denied",
                ProbeState::Absent => "absent",
            };
            if status.reason.is_empty() {
                format!("{} {state}", status.probe.name())
            } else {
                format!("{} {state}, {}", status.probe.name(), status.reason)
            }
        })
        .collect();
    Some(if reasons.is_empty() { "no probe was attached".to_owned() } else { reasons.join("; ") })
}

/// A stretch of one phase.
#[derive(Debug, Clone)]
pub(super) struct Span {
    pub(super) phase: Phase,
    pub(super) from_ns: u64,
    pub(super) to_ns: u64,
    note: String,
}

/// The closed books.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) coverage: verdict::Coverage,
    blindness: Vec<Blindness>,
    pub(super) spans: Vec<Span>,
    stamped: BTreeMap<Phase, (u64, u64, u64)>,
    pub(super) started_ns: u64,
    pub(super) last_ns: u64,
}

impl Seen {
    /// Why something of these families may not have been seen; with a phase, only what can lie in that phase.
    pub(super) fn blind_to(&self, families: &[Family], phase: Option<&str>) -> Vec<String> {
        let overlaps = |blind: &Blindness| match phase {
            None => true,
            Some(phase) => self.intervals(phase).any(|(from, to)| blind.from_ns <= to && blind.to_ns >= from),
        };
        let mut reasons: Vec<String> = Vec::new();
        for blind in &self.blindness {
            let concerned = families.iter().any(|family| blind.concerns(*family));
            if concerned && overlaps(blind) && !reasons.contains(&blind.reason) {
                reasons.push(blind.reason.clone());
            }
        }
        reasons
    }

    fn intervals<'s>(&'s self, phase: &'s str) -> impl Iterator<Item = (u64, u64)> + 's {
        let marked = self.spans.iter().filter(move |span| span.phase.as_str() == phase);
        let stamped = self.stamped.iter().filter(move |(name, _)| name.as_str() == phase);
        marked.map(|span| (span.from_ns, span.to_ns)).chain(stamped.map(|(_, (_, first, last))| (*first, *last)))
    }

    /// Whether the phase was part of the session.
    pub(super) fn had_phase(&self, phase: &str) -> bool {
        self.intervals(phase).next().is_some()
    }

    /// Every phase with its length and events, in the order in which they began.
    pub(super) fn phases(&self) -> Vec<PhaseSummary> {
        let mut names: Vec<&Phase> = Vec::new();
        for name in self.spans.iter().map(|span| &span.phase).chain(self.stamped.keys()) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names
            .into_iter()
            .map(|name| {
                let marked: u64 = self
                    .spans
                    .iter()
                    .filter(|span| span.phase == *name)
                    .map(|span| span.to_ns - span.from_ns)
                    .fold(0, u64::saturating_add);
                let stamped = self.stamped.get(name).copied();
                let length = if self.spans.iter().any(|span| span.phase == *name) {
                    marked
                } else {
                    stamped.map_or(0, |(_, first, last)| last - first)
                };
                PhaseSummary {
                    phase: name.as_str().to_owned(),
                    seconds: Clock::seconds(length),
                    events: stamped.map_or(0, |(count, _, _)| count),
                }
            })
            .filter(|summary| summary.events > 0 || summary.seconds > 0.0)
            .collect()
    }

    pub(super) fn timeline(&self, clock: &Clock) -> Vec<PhaseSpan> {
        self.spans
            .iter()
            .filter(|span| span.to_ns > span.from_ns || self.spans.len() == 1)
            .map(|span| PhaseSpan {
                recording: None,
                phase: span.phase.as_str().to_owned(),
                from: clock.moment(span.from_ns),
                to: clock.moment(span.to_ns),
                note: span.note.clone(),
            })
            .collect()
    }

    pub(super) fn events(&self) -> u64 {
        self.stamped.values().fold(0, |sum, entry| sum.saturating_add(entry.0))
    }
}
