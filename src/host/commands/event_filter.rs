//! Options that say which events are meant.

use std::collections::BTreeSet;

use clap::Args;
use clap::builder::PossibleValuesParser;

use super::{CommandError, Exit};
use crate::event::{EventFilter, EventKind, Family, Phase, Severity};
use crate::personal_data::DataType;

/// Which events are meant; options of different names are joined by "and", those of one name by "or".
#[derive(Debug, Default, Args)]
pub(super) struct FilterArguments {
    /// Only events of this family; may be given several times
    #[arg(long, value_parser = PossibleValuesParser::new(Family::ALL.iter().map(|family| family.name())))]
    family: Vec<String>,
    /// Only events of this kind, such as file_open; may be given several times
    #[arg(long, hide_possible_values = true, value_parser = PossibleValuesParser::new(EventKind::ALL.iter().map(|kind| kind.name())))]
    kind: Vec<String>,
    /// Only events of this phase; may be given several times
    #[arg(long)]
    phase: Vec<Phase>,
    /// Only events that read this kind of personal data, or a narrower one (candor terms types); may be given several times
    #[arg(long, value_name = "ID")]
    data_type: Vec<String>,
    /// Only events that matter at least so much
    #[arg(long, value_name = "SEVERITY", value_parser = PossibleValuesParser::new(Severity::ALL.iter().map(|severity| severity.name())))]
    min_severity: Option<String>,
}

impl FilterArguments {
    /// The filter.
    pub(super) fn filter(&self) -> Result<EventFilter, CommandError> {
        for name in &self.data_type {
            DataType::named(name).map_err(|error| CommandError::new(Exit::Usage, error.to_string()))?;
        }
        let named = |names: &[String], name: &str| names.iter().any(|wanted| wanted == name);
        let families = Family::ALL.iter().copied().filter(|family| named(&self.family, family.name()));
        let kinds = EventKind::ALL.iter().copied().filter(|kind| named(&self.kind, kind.name()));
        let least = self.min_severity.as_deref();
        Ok(EventFilter {
            families: families.collect(),
            kinds: kinds.collect(),
            phases: self.phase.iter().cloned().collect(),
            data_types: self.data_type.iter().cloned().collect::<BTreeSet<_>>(),
            minimum_severity: Severity::ALL.iter().copied().find(|severity| Some(severity.name()) == least),
            ..EventFilter::default()
        })
    }
}
