//! Watches on the wire.

use super::enumerations::required;
use super::{WireError, proto};
use crate::event;

impl From<&event::WatchCondition> for proto::WatchCondition {
    fn from(condition: &event::WatchCondition) -> Self {
        use proto::watch_condition::When;
        let event::WatchCondition { id, filter, most_matches, when } = condition;
        let when = match when {
            event::WatchWhen::UnknownDomain { known } => {
                When::UnknownDomain(proto::UnknownDomain { known: known.clone() })
            }
            event::WatchWhen::EarlyRead { data_types, phases } => When::EarlyRead(proto::EarlyRead {
                data_types: data_types.iter().cloned().collect(),
                phases: phases.iter().map(|phase| phase.as_str().to_owned()).collect(),
            }),
            event::WatchWhen::EachEvent => When::EachEvent(proto::EachEvent {}),
            event::WatchWhen::Threshold { count, within_ms } => {
                When::Threshold(proto::Threshold { count: *count, within_ms: *within_ms })
            }
            event::WatchWhen::SessionOver => When::SessionOver(proto::SessionOver {}),
        };
        let filter = (!filter.is_empty()).then(|| filter.into());
        Self { id: id.clone(), filter, most_matches: *most_matches, when: Some(when) }
    }
}

impl TryFrom<proto::WatchCondition> for event::WatchCondition {
    type Error = WireError;

    /// Does not judge the condition.
    fn try_from(message: proto::WatchCondition) -> Result<Self, WireError> {
        use proto::watch_condition::When;
        let proto::WatchCondition { id, filter, most_matches, when } = message;
        let when = match when.ok_or(WireError::Missing { field: "WatchCondition.when" })? {
            When::UnknownDomain(proto::UnknownDomain { known }) => event::WatchWhen::UnknownDomain { known },
            When::EarlyRead(proto::EarlyRead { data_types, phases }) => event::WatchWhen::EarlyRead {
                data_types: data_types.into_iter().collect(),
                phases: phases
                    .into_iter()
                    .map(|name| super::from_wire::phase(name, "EarlyRead.phases"))
                    .collect::<Result<_, _>>()?,
            },
            When::EachEvent(proto::EachEvent {}) => event::WatchWhen::EachEvent,
            When::Threshold(proto::Threshold { count, within_ms }) => event::WatchWhen::Threshold { count, within_ms },
            When::SessionOver(proto::SessionOver {}) => event::WatchWhen::SessionOver,
        };
        Ok(Self { id, filter: filter.unwrap_or_default().try_into()?, most_matches, when })
    }
}

impl From<&event::WatchNews> for proto::WatchResponse {
    fn from(news: &event::WatchNews) -> Self {
        use proto::watch_response::Told;
        let told = match news {
            event::WatchNews::Match(found) => {
                let event::WatchMatch { condition_id, number, event, domain, data_types, severity, count } = &**found;
                Told::Match(proto::WatchMatch {
                    condition_id: condition_id.clone(),
                    number: *number,
                    event: event.as_ref().map(Into::into),
                    domain: domain.clone(),
                    data_types: data_types.clone(),
                    severity: severity.map_or(0, |severity| proto::Severity::from(severity).into()),
                    count: *count,
                })
            }
            event::WatchNews::Gap(gap) => Told::Gap(gap.into()),
            event::WatchNews::End(end) => {
                let event::WatchEnd { reason, session_end, events, gaps } = &**end;
                Told::End(proto::WatchEnd {
                    reason: proto::WatchEndReason::from(*reason).into(),
                    session_end: session_end.as_ref().map(Into::into),
                    events: *events,
                    gaps: *gaps,
                })
            }
        };
        Self { told: Some(told) }
    }
}

impl TryFrom<proto::WatchResponse> for event::WatchNews {
    type Error = WireError;

    fn try_from(message: proto::WatchResponse) -> Result<Self, WireError> {
        use proto::watch_response::Told;
        Ok(match message.told.ok_or(WireError::Missing { field: "WatchResponse.told" })? {
            Told::Match(found) => {
                let proto::WatchMatch { condition_id, number, event, domain, data_types, severity, count } = found;
                Self::Match(Box::new(event::WatchMatch {
                    condition_id,
                    number,
                    event: event.map(TryInto::try_into).transpose()?,
                    domain,
                    data_types,
                    severity: match severity {
                        0 => None,
                        value => Some(required::<proto::Severity>(value, "WatchMatch.severity")?),
                    },
                    count,
                }))
            }
            Told::Gap(gap) => Self::Gap(gap.try_into()?),
            Told::End(end) => {
                let proto::WatchEnd { reason, session_end, events, gaps } = end;
                Self::End(Box::new(event::WatchEnd {
                    reason: required::<proto::WatchEndReason>(reason, "WatchEnd.reason")?,
                    session_end: session_end.map(TryInto::try_into).transpose()?,
                    events,
                    gaps,
                }))
            }
        })
    }
}
