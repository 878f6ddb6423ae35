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

/// One recording along its time.
pub(super) struct Timeline<'v> {
    /// Its name, when there are several.
    pub(super) recording: Option<&'v str>,
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

/// Recordings that have a timeline; the list of stretches below it is about all.
const TIMELINES: usize = 30;

/// A timeline for each recording: each has a clock of its own.
pub(super) fn timelines<'v>(verdict: &'v Verdict, cards: &[Card<'v>]) -> Vec<Timeline<'v>> {
    if verdict.scenes.is_empty() {
        return vec![timeline(verdict, None, cards)];
    }
    let names = verdict.scenes.iter().take(TIMELINES).map(|scene| scene.recording.as_str());
    names.map(|name| timeline(verdict, Some(name), cards)).collect()
}

fn timeline<'v>(verdict: &'v Verdict, recording: Option<&'v str>, cards: &[Card<'v>]) -> Timeline<'v> {
    let spans: Vec<_> = verdict.timeline.iter().filter(|span| span.recording.as_deref() == recording).collect();
    let begin = spans.first().map_or(0.0, |span| span.from.seconds);
    let end = spans.last().map_or(0.0, |span| span.to.seconds);
    let total = (end - begin).max(f64::MIN_POSITIVE);
    let share = |seconds: f64| ((seconds - begin) / total * 100.0).clamp(0.0, 100.0);
    let stretches = spans
        .iter()
        .take(STRETCHES)
        .map(|span| Stretch {
            phase: &span.phase,
            left: percent(share(span.from.seconds)),
            width: percent(share(span.to.seconds) - share(span.from.seconds)),
            tone: verdict.phases.iter().position(|phase| phase.phase == span.phase).unwrap_or(0) % 6,
        })
        .collect();
    // When a finding was first seen in this recording: of several recordings its events say.
    let first = |card: &Card<'_>| match recording {
        None => Some(card.finding.first.seconds),
        Some(_) => {
            let mut events = card.finding.evidence.iter();
            events.find(|event| event.recording.as_deref() == recording).map(|event| event.at.seconds)
        }
    };
    let mut in_time: Vec<(f64, &Card<'_>)> = cards.iter().filter_map(|card| Some((first(card)?, card))).collect();
    in_time.sort_by(|left, right| left.0.total_cmp(&right.0));
    let mut ends = [-TICK_ROOM; LANES];
    let mut ticks = Vec::new();
    let mut lanes = 0;
    for (seconds, card) in in_time {
        let left = share(seconds);
        let Some((lane, free)) = ends.iter_mut().enumerate().find(|(_, end)| left - **end >= TICK_ROOM) else {
            continue;
        };
        *free = left;
        lanes = lanes.max(lane + 1);
        ticks.push(Tick { number: card.number, left: percent(left), lane, indication: card.indication });
    }
    Timeline { recording, stretches, ticks, lanes }
}

fn percent(share: f64) -> String {
    format!("{share:.3}")
}
