//! The phases along time, and where the findings are.

use super::findings::Card;
use crate::host::correlate::verdict::Verdict;

/// A stretch in one phase, in percent of the width.
pub(super) struct Stretch<'v> {
    pub(super) phase: &'v str,
    pub(super) left: String,
    pub(super) width: String,
    /// One of six colours.
    pub(super) tone: usize,
}

/// A finding at the time of its first event.
pub(super) struct Tick {
    pub(super) number: usize,
    pub(super) left: String,
    /// From 0; findings that are close together stand below one another.
    pub(super) lane: usize,
    pub(super) indication: bool,
}

pub(super) struct Timeline<'v> {
    pub(super) stretches: Vec<Stretch<'v>>,
    pub(super) ticks: Vec<Tick>,
    pub(super) lanes: usize,
}

/// Lanes of ticks; what does not fit is in the list of findings only.
const LANES: usize = 6;
/// Stretches that are drawn: more than this many are thinner than a pixel.
const STRETCHES: usize = 400;
/// The room that one tick takes, in percent of the width of a narrow screen.
const TICK_ROOM: f64 = 7.0;

pub(super) fn timeline<'v>(verdict: &'v Verdict, cards: &[Card<'v>]) -> Timeline<'v> {
    let begin = verdict.timeline.first().map_or(0.0, |span| span.from.seconds);
    let end = verdict.timeline.last().map_or(0.0, |span| span.to.seconds);
    let total = (end - begin).max(f64::MIN_POSITIVE);
    let share = |seconds: f64| ((seconds - begin) / total * 100.0).clamp(0.0, 100.0);
    let stretches = verdict
        .timeline
        .iter()
        .take(STRETCHES)
        .map(|span| Stretch {
            phase: &span.phase,
            left: percent(share(span.from.seconds)),
            width: percent(share(span.to.seconds) - share(span.from.seconds)),
            tone: verdict.phases.iter().position(|phase| phase.phase == span.phase).unwrap_or(0) % 6,
        })
        .collect();
    let mut in_time: Vec<&Card<'_>> = cards.iter().collect();
    in_time.sort_by(|left, right| left.finding.first.seconds.total_cmp(&right.finding.first.seconds));
    let mut ends = [-TICK_ROOM; LANES];
    let mut ticks = Vec::new();
    let mut lanes = 0;
    for card in in_time {
        let left = share(card.finding.first.seconds);
        let Some((lane, free)) = ends.iter_mut().enumerate().find(|(_, end)| left - **end >= TICK_ROOM) else {
            continue;
        };
        *free = left;
        lanes = lanes.max(lane + 1);
        ticks.push(Tick { number: card.number, left: percent(left), lane, indication: card.indication });
    }
    Timeline { stretches, ticks, lanes }
}

fn percent(share: f64) -> String {
    format!("{share:.3}")
}
