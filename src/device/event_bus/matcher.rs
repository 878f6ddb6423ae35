//! A filter, ready to be applied.

use wildmatch::WildMatch;

use crate::event::{Event, EventBody, EventFilter, FilterError, StreamEntry};

/// Tells which events a filter takes.
#[derive(Debug, Clone, Default)]
pub struct Matcher {
    filter: EventFilter,
    paths: Vec<WildMatch>,
    names: Vec<WildMatch>,
}

impl Matcher {
    /// Makes the patterns of a filter ready.
    ///
    /// # Errors
    ///
    /// When the filter is refused by [`EventFilter::validate`].
    pub fn new(filter: EventFilter) -> Result<Self, FilterError> {
        filter.validate()?;
        let paths = filter.path_patterns.iter().map(|pattern| WildMatch::new(pattern)).collect();
        let names = filter.name_patterns.iter().map(|pattern| WildMatch::new_case_insensitive(pattern)).collect();
        Ok(Self { filter, paths, names })
    }

    /// Whether every event is taken.
    #[must_use]
    pub fn takes_all(&self) -> bool {
        self.filter.is_empty()
    }

    /// Whether the entry is taken. Only events are ever left out.
    #[must_use]
    pub fn takes(&self, entry: &StreamEntry) -> bool {
        match entry {
            StreamEntry::Event(event) => self.takes_event(event),
            StreamEntry::Header(_)
            | StreamEntry::Gap(_)
            | StreamEntry::Totals(_)
            | StreamEntry::End(_)
            | StreamEntry::SelfTest(_)
            | StreamEntry::ClockChange(_) => true,
        }
    }

    /// Whether the event is taken.
    #[must_use]
    pub fn takes_event(&self, event: &Event) -> bool {
        if matches!(event.body, EventBody::PhaseMark(_)) {
            return true;
        }
        self.filter.fits_without_patterns(event)
            && (self.paths.is_empty()
                || event.body.paths().iter().any(|path| self.paths.iter().any(|pattern| pattern.matches(path))))
            && (self.names.is_empty()
                || event.body.names().iter().any(|name| self.names.iter().any(|pattern| pattern.matches(name))))
    }
}
