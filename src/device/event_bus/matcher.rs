//! A filter, ready to be applied.

use wildmatch::WildMatch;

use crate::event::{Event, EventBody, EventFilter, FilterError, StreamEntry};
use crate::personal_data::{DataType, read_by, severity};

/// Names that are less alike than this (1 is equal) are not suggested.
const LEAST_ALIKE: f64 = 0.7;

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
        let data_types = filter.data_types.iter().map(|name| data_type(name)).collect::<Result<_, _>>()?;
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
            StreamEntry::Header(_) | StreamEntry::Gap(_) | StreamEntry::Totals(_) | StreamEntry::End(_) => true,
        }
    }

    /// Whether the event is taken.
    #[must_use]
    pub fn takes_event(&self, event: &Event) -> bool {
        if matches!(event.body, EventBody::PhaseMark(_)) {
            return true;
        }
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

/// The kind of data that a client names.
pub(super) fn data_type(name: &str) -> Result<DataType, FilterError> {
    DataType::find(name).ok_or_else(|| {
        // A long name is compared in full time with each: it is not worth a suggestion.
        let close = |known: &'static str| (name.len() <= 64).then(|| strsim::jaro_winkler(name, known)).unwrap_or(0.0);
        let nearest = DataType::all().map(|known| (close(known.id()), known.id())).max_by(|a, b| a.0.total_cmp(&b.0));
        let nearest = nearest.filter(|(alike, _)| *alike >= LEAST_ALIKE).map(|(_, id)| id);
        FilterError::UnknownDataType { name: name.to_owned(), nearest }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_of_data_that_is_not_known_is_refused_with_the_nearest() {
        let refused = |name: &str| {
            let filter = EventFilter { data_types: [name.to_owned()].into(), ..EventFilter::default() };
            Matcher::new(filter).unwrap_err().to_string()
        };
        assert_eq!(
            refused("contcats"),
            "there is no kind of data \"contcats\", did you mean \"contacts\"? (candor terms types lists them)"
        );
        assert_eq!(refused(""), "there is no kind of data \"\" (candor terms types lists them)");
        assert!(!refused(&"contacts".repeat(1000)).contains("did you mean"));
    }
}
