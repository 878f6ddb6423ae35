//! Acts at a fixed interval: found with bounded memory, and not fooled by bursts, jitter or a missed beat.

use super::observed::Period;

/// Acts closer together than this are one act in several steps.
const BURST_NS: u64 = 200_000_000;
/// So many pauses before an interval is called fixed.
const ENOUGH_PAUSES: usize = 5;
/// Half of the pauses are at most this far from the median, as a part of it.
const JITTER: f64 = 0.1;
/// And at least so many, as a part of all, are within twice that: the rest are missed beats.
const REGULAR: f64 = 0.75;
/// Pauses kept. When there are more, every second one is dropped, and from then on every second one is kept, and so on:
/// what is kept is spread over the whole run.
const KEPT: usize = 128;

/// The pauses between acts, in milliseconds, from the beginning of one burst to the beginning of the next.
#[derive(Debug, Clone, Default)]
pub(super) struct Intervals {
    kept: Vec<u32>,
    /// Of so many pauses one is kept.
    stride: u32,
    since_kept: u32,
    /// Pauses in all.
    pauses: u32,
    burst_began_ns: u64,
    last_ns: u64,
}

impl Intervals {
    /// Notes an act. Those that come out of order belong to the newest burst.
    pub(super) fn act(&mut self, time_ns: u64) {
        if self.last_ns == 0 {
            self.burst_began_ns = time_ns;
            self.last_ns = time_ns;
            return;
        }
        let since_last = time_ns.saturating_sub(self.last_ns);
        self.last_ns = self.last_ns.max(time_ns);
        if since_last < BURST_NS {
            return;
        }
        let pause = u32::try_from((time_ns - self.burst_began_ns) / 1_000_000).unwrap_or(u32::MAX);
        self.burst_began_ns = time_ns;
        self.pauses = self.pauses.saturating_add(1);
        self.since_kept += 1;
        if self.since_kept < self.stride {
            return;
        }
        self.since_kept = 0;
        if self.kept.len() >= KEPT {
            let mut odd = false;
            self.kept.retain(|_| {
                odd = !odd;
                odd
            });
            self.stride = self.stride.max(1).saturating_mul(2);
        }
        self.kept.push(pause);
    }

    /// The fixed interval, if there is one.
    ///
    /// The median rather than the mean, because one long pause (the screen was off) moves the mean and not the habit.
    pub(super) fn period(&self) -> Option<Period> {
        if self.kept.len() < ENOUGH_PAUSES {
            return None;
        }
        let median = median(self.kept.clone())?;
        let mut distances: Vec<u32> = self.kept.iter().map(|pause| pause.abs_diff(median)).collect();
        let allowed = f64::from(median) * JITTER;
        let regular = distances.iter().filter(|distance| f64::from(**distance) <= 2.0 * allowed).count();
        distances.sort_unstable();
        let jitter = self::median(distances)?;
        #[expect(clippy::cast_precision_loss, reason = "a few hundred at most")]
        let share = regular as f64 / self.kept.len() as f64;
        let fixed = f64::from(jitter) <= allowed && share >= REGULAR;
        fixed.then(|| Period {
            seconds: f64::from(median) / 1_000.0,
            pauses: self.pauses,
            jitter_seconds: f64::from(jitter) / 1_000.0,
        })
    }
}

fn median(mut values: Vec<u32>) -> Option<u32> {
    values.sort_unstable();
    values.get(values.len() / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MILLISECOND: u64 = 1_000_000;

    /// Acts with these pauses, in milliseconds, between them.
    fn after(pauses: impl IntoIterator<Item = u64>) -> Option<Period> {
        let mut intervals = Intervals::default();
        let mut now = 5_000 * MILLISECOND;
        intervals.act(now);
        for pause in pauses {
            now += pause * MILLISECOND;
            intervals.act(now);
        }
        intervals.period()
    }

    /// Numbers that look like chance, the same in every run.
    fn noise(seed: u64) -> impl Iterator<Item = u64> {
        let mut state = seed;
        std::iter::repeat_with(move || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            state >> 33
        })
    }

    #[test]
    fn an_even_beat_is_found_and_named() {
        let period = after([30_000; 6]).unwrap();
        assert_eq!((period.seconds, period.pauses, period.jitter_seconds), (30.0, 6, 0.0));
        assert_eq!(after([30_000; 4]), None, "too few to tell");
    }

    #[test]
    fn jitter_missed_beats_and_bursts_do_not_hide_it() {
        let jittered = after(noise(7).take(40).map(|number| 29_000 + number % 2_000)).unwrap();
        assert!((jittered.seconds - 30.0).abs() < 1.0 && jittered.jitter_seconds < 1.0, "{jittered:?}");
        let missed = after((1..40).map(|beat| if beat % 6 == 0 { 60_000 } else { 30_000 })).unwrap();
        assert!((missed.seconds - 30.0).abs() < 1e-9, "{missed:?}");
        // Three steps of one reading, then a pause: thirty seconds from beginning to beginning.
        let bursts = after((0..60).map(|step| [50, 50, 29_900][step % 3])).unwrap();
        assert!((bursts.seconds - 30.0).abs() < 1e-9, "{bursts:?}");
        let with_one_long_rest = after((0..30).map(|beat| if beat == 12 { 3_600_000 } else { 5_000 })).unwrap();
        assert!((with_one_long_rest.seconds - 5.0).abs() < 1e-9);
    }

    #[test]
    fn what_has_no_beat_has_no_period() {
        for seed in 0..20 {
            assert_eq!(after(noise(seed).take(60).map(|number| 300 + number % 20_000)), None, "seed {seed}");
        }
        // A finger: short pauses with long ones between them.
        assert_eq!(after((0..40).map(|step| if step % 3 == 0 { 9_000 } else { 800 + 137 * (step % 7) })), None);
        // Two beats in one another.
        assert_eq!(after((0..40).map(|step| if step % 2 == 0 { 2_000 } else { 28_000 })), None);
        assert_eq!(after([]), None);
    }

    #[test]
    fn memory_is_bounded_and_the_period_of_a_long_run_is_found() {
        let mut intervals = Intervals::default();
        for beat in 1..100_000_u64 {
            intervals.act(beat * 2_000 * MILLISECOND);
        }
        assert!(intervals.kept.len() <= KEPT);
        let period = intervals.period().unwrap();
        assert_eq!((period.seconds, period.pauses), (2.0, 99_998));
    }
}
