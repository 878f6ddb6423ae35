//! Counts by phase, in the shape of the official measurement: how often which kind was accessed, what was uploaded.

use std::collections::BTreeSet;

use crate::host::correlate::observed::Tie;
use crate::host::correlate::verdict::{DataTypeName, PhaseSummary, Verdict};

/// Phases that get a column; further ones are counted in the last column only.
const COLUMNS: usize = 12;

/// How often one kind of data was accessed, by phase.
pub(super) struct KindRow<'v> {
    pub(super) kind: &'v DataTypeName,
    /// Done and refused, for every phase, then for all.
    pub(super) cells: Vec<(u64, u64)>,
}

/// What was sent in a phase.
#[derive(Default)]
pub(super) struct Upload<'v> {
    pub(super) sent: u64,
    pub(super) received: u64,
    recipients: BTreeSet<&'v str>,
    third: BTreeSet<&'v str>,
    /// Kinds that were seen leaving.
    kinds: BTreeSet<&'v str>,
    /// Kinds that were read shortly before something of unknown content was sent.
    kinds_before: BTreeSet<&'v str>,
}

impl Upload<'_> {
    pub(super) fn recipients(&self) -> usize {
        self.recipients.len()
    }

    pub(super) fn third(&self) -> usize {
        self.third.len()
    }

    pub(super) fn kinds(&self) -> usize {
        self.kinds.len()
    }

    pub(super) fn kinds_before(&self) -> usize {
        self.kinds_before.len()
    }
}

pub(super) struct PhaseCounts<'v> {
    pub(super) phases: Vec<&'v PhaseSummary>,
    pub(super) kinds: Vec<KindRow<'v>>,
    /// For every phase, then for all.
    pub(super) uploads: Vec<Upload<'v>>,
    /// How many kinds were read, for every phase, then for all.
    pub(super) kinds_read: Vec<usize>,
    pub(super) seconds: f64,
    pub(super) events: u64,
}

pub(super) fn count(verdict: &Verdict) -> PhaseCounts<'_> {
    let phases: Vec<&PhaseSummary> = verdict.phases.iter().take(COLUMNS).collect();
    let all = phases.len();
    let column = |name: &str| phases.iter().position(|phase| phase.phase == name);
    let mut kinds: Vec<KindRow<'_>> = Vec::new();
    let mut uploads: Vec<Upload<'_>> = (0..=all).map(|_| Upload::default()).collect();
    for data in verdict.data.iter().filter(|data| data.standing != "weak") {
        let index = kinds.iter().position(|row| row.kind == &data.data_type).unwrap_or_else(|| {
            kinds.push(KindRow { kind: &data.data_type, cells: vec![(0, 0); all + 1] });
            kinds.len() - 1
        });
        let Some(row) = kinds.get_mut(index) else { continue };
        for cell in column(&data.phase).into_iter().chain([all]) {
            if let Some((done, refused)) = row.cells.get_mut(cell) {
                let counter = if data.effect == "done" { done } else { refused };
                *counter = counter.saturating_add(data.count);
            }
        }
    }
    for contact in verdict.recipients.iter().filter(|contact| contact.effect == "done") {
        for cell in column(&contact.phase).into_iter().chain([all]) {
            if let Some(upload) = uploads.get_mut(cell) {
                upload.sent = upload.sent.saturating_add(contact.bytes_sent);
                upload.received = upload.received.saturating_add(contact.bytes_received);
                upload.recipients.insert(&contact.recipient.host);
                if contact.recipient.standing != "first_party" {
                    upload.third.insert(&contact.recipient.host);
                }
            }
        }
    }
    for row in verdict.tuples.iter().filter(|row| row.outcome == "done" && row.recipient.is_some()) {
        let Some(kind) = &row.data_type else { continue };
        for cell in column(&row.phase).into_iter().chain([all]) {
            if let Some(upload) = uploads.get_mut(cell) {
                match row.tie {
                    Tie::Value | Tie::Path => upload.kinds.insert(&kind.id),
                    Tie::Window => upload.kinds_before.insert(&kind.id),
                    Tie::AccessOnly | Tie::ContactOnly => false,
                };
            }
        }
    }
    let read = |cell: usize| kinds.iter().filter(|row| row.cells.get(cell).is_some_and(|(done, _)| *done > 0)).count();
    PhaseCounts {
        kinds_read: (0..=all).map(read).collect(),
        seconds: verdict.phases.iter().map(|phase| phase.seconds).sum(),
        events: verdict.phases.iter().map(|phase| phase.events).fold(0, u64::saturating_add),
        phases,
        kinds,
        uploads,
    }
}
