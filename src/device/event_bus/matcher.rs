//! A filter, ready to be applied.

use wildmatch::WildMatch;

use crate::event::{Event, EventBody, EventFilter, FilterError, StreamEntry};
use crate::personal_data::{DataType, read_by, severity};

/// Tells which events a filter takes.
#[derive(Debug, Clone, Default)]
pub struct Matcher {
    filter: EventFilter,
    paths: Vec<WildMatch>,
    names: Vec<WildMatch>,
    data_types: Vec<DataType>,
}

impl Matcher {
    /// Makes the patterns and the kinds of data of a filter ready.
    ///
    /// # Errors
    ///
    /// When the filter is refused by [`EventFilter::validate`], or names a kind of data that no table has.
    pub fn new(filter: EventFilter) -> Result<Self, FilterError> {
        filter.validate()?;
        let paths = filter.path_patterns.iter().map(|pattern| WildMatch::new(pattern)).collect();
        let names = filter.name_patterns.iter().map(|pattern| WildMatch::new_case_insensitive(pattern)).collect();
        let data_types = filter.data_types.iter().map(|name| DataType::named(name)).collect::<Result<_, _>>()?;
        Ok(Self { filter, paths, names, data_types })
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

    /// Whether the event is taken. Phase marks always are.
    #[must_use]
    pub fn takes_event(&self, event: &Event) -> bool {
        matches!(event.body, EventBody::PhaseMark(_)) || self.fits_event(event)
    }

    /// Whether the event fits, also where it is a phase mark.
    #[must_use]
    pub fn fits_event(&self, event: &Event) -> bool {
        self.filter.fits_by_fields(event)
            && (self.paths.is_empty()
                || event.body.paths().iter().any(|path| self.paths.iter().any(|pattern| pattern.matches(path))))
            && (self.names.is_empty()
                || event.body.names().iter().any(|name| self.names.iter().any(|pattern| pattern.matches(name))))
            && (self.data_types.is_empty()
                || read_by(event).types.iter().any(|read| self.data_types.iter().any(|broad| read.is_within(*broad))))
            && self.filter.minimum_severity.is_none_or(|least| severity(event) >= least)
    }
}
