//! What the system holds a process to be worth: whether its app is on the screen.

use serde::{Deserialize, Serialize};

use super::Phase;

/// The class of a process in the eyes of the system, from the score that Android's activity manager writes to
/// `/proc/PID/oom_score_adj` (the bounds are the constants of `com.android.server.am.ProcessList`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Importance {
    /// Below 0: a part of the system, or not under the activity manager at all.
    System,
    /// 0 to 199: the user operates it or sees it (`FOREGROUND_APP_ADJ` 0, `VISIBLE_APP_ADJ` 100).
    Foreground,
    /// 200 to 299: not on the screen, and the user can perceive it, as music or a foreground service
    /// (`PERCEPTIBLE_APP_ADJ` 200, `PERCEPTIBLE_LOW_APP_ADJ` 250).
    Perceptible,
    /// 300 and more: the user perceives nothing of it (`BACKUP_APP_ADJ` 300, `SERVICE_ADJ` 500, `CACHED_APP_MIN_ADJ` 900).
    Background,
}

impl Importance {
    /// Every class, the most important first.
    pub const ALL: &'static [Self] = &[Self::System, Self::Foreground, Self::Perceptible, Self::Background];

    /// The name used in files and reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Foreground => "foreground",
            Self::Perceptible => "perceptible",
            Self::Background => "background",
        }
    }

    /// The class of a score.
    #[must_use]
    pub fn of_score(oom_score_adj: i32) -> Self {
        match oom_score_adj {
            ..=-1 => Self::System,
            0..=199 => Self::Foreground,
            200..=299 => Self::Perceptible,
            300.. => Self::Background,
        }
    }
}

impl Phase {
    /// Whether the app should be on the screen in this phase, as far as the phase says anything about that.
    #[must_use]
    pub fn on_screen(&self) -> Option<bool> {
        match self.as_str() {
            "foreground" | "silent" => Some(true),
            "background" | "killed" => Some(false),
            _ => None,
        }
    }
}

/// The class of a process was seen for the first time, or has changed since it was last looked at (about twice a second).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProcessImportance {
    /// The class.
    pub importance: Importance,
    /// The score it was read from, -1000 to 1000.
    pub oom_score_adj: i32,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::phase::WELL_KNOWN_PHASES;

    #[test]
    fn the_scores_of_android_have_their_classes() {
        // Constant of ProcessList, and the class.
        let scores = [
            (-1000, Importance::System),    // NATIVE_ADJ
            (-800, Importance::System),     // PERSISTENT_PROC_ADJ
            (0, Importance::Foreground),    // FOREGROUND_APP_ADJ
            (50, Importance::Foreground),   // PERCEPTIBLE_RECENT_FOREGROUND_APP_ADJ
            (100, Importance::Foreground),  // VISIBLE_APP_ADJ
            (200, Importance::Perceptible), // PERCEPTIBLE_APP_ADJ
            (250, Importance::Perceptible), // PERCEPTIBLE_LOW_APP_ADJ
            (300, Importance::Background),  // BACKUP_APP_ADJ
            (700, Importance::Background),  // PREVIOUS_APP_ADJ
            (999, Importance::Background),  // CACHED_APP_MAX_ADJ
        ];
        for (score, class) in scores {
            assert_eq!(Importance::of_score(score), class, "{score}");
        }
    }

    #[test]
    fn four_of_the_well_known_phases_say_where_the_app_is() {
        let says = |on_screen| {
            let phases = WELL_KNOWN_PHASES.iter().map(|(name, _)| *name);
            phases.filter(|name| name.parse::<Phase>().unwrap().on_screen() == on_screen).collect::<Vec<_>>()
        };
        assert_eq!(says(Some(true)), ["foreground", "silent"]);
        assert_eq!(says(Some(false)), ["background", "killed"]);
    }
}
