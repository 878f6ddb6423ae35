//! The one table of exit statuses. They are a contract: scripts and CI servers read them.

use std::fmt;

use thiserror::Error;

macro_rules! exits {
    ($($variant:ident = $code:literal, $about:literal;)*) => {
        /// How `candor` ends.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Exit { $(#[doc = $about] $variant,)* }

        impl Exit {
            /// Every way to end.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The exit status.
            #[must_use]
            pub fn code(self) -> u8 {
                match self { $(Self::$variant => $code,)* }
            }

            /// The end that has this exit status; statuses that mean nothing to `candor` are internal errors.
            #[must_use]
            pub fn from_code(code: u8) -> Self {
                Self::ALL.iter().copied().find(|exit| exit.code() == code).unwrap_or(Self::Internal)
            }

            /// What it means, for help texts.
            #[must_use]
            pub fn about(self) -> &'static str {
                match self { $(Self::$variant => $about,)* }
            }
        }
    };
}

// From 64 on, the numbers are those of the BSD sysexits.h.
exits! {
    Ok = 0, "Done; for a check: no violation was observed; for a watch: nothing was met.";
    Violations = 1, "A check found violations; a watch met a condition.";
    CannotTell = 2, "A check found no violation, but could not see everything: loss, a blind spot, a truncated recording. A watch met nothing and missed events. An import understood a part only.";
    Usage = 64, "The command line is wrong, or names a program that does not exist.";
    BadData = 65, "An input is not what it should be: a damaged recording, terms that do not parse.";
    NoInput = 66, "An input file does not exist or cannot be read.";
    Unavailable = 69, "The daemon cannot be reached, or went away.";
    Internal = 70, "An error in Candor itself.";
    CannotCreate = 73, "An output file cannot be created.";
    InputOutput = 74, "Reading or writing failed on the way, such as on a full disk.";
    NoPermission = 77, "Not permitted: tracing needs root.";
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// Why a command could not do its work: what a person reads, and the exit status.
#[derive(Debug, Error)]
pub struct CommandError {
    /// The exit status.
    pub exit: Exit,
    /// What went wrong: names the thing, and the way out where there is one.
    pub message: String,
}

impl CommandError {
    /// An error with this exit status and message.
    #[must_use]
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into() }
    }
}

impl fmt::Display for CommandError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::Exit;

    #[test]
    fn codes_are_unique_and_explained() {
        let mut seen = BTreeSet::new();
        for exit in Exit::ALL {
            assert!(seen.insert(exit.code()), "{} occurs twice", exit.code());
            assert!(exit.about().ends_with('.'));
        }
    }
}
