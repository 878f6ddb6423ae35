//! Whom the daemon let in, and what it refused.

use crate::wire::proto;

/// Whom the daemon let in, and what it refused, since it started.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct AccessReport {
    /// Connections now, this one included.
    pub connections: u64,
    /// Connections so far.
    pub connections_total: u64,
    /// Requests so far.
    pub requests_total: u64,
    /// What was refused, by reason; reasons that never came up are left out.
    pub refusals: Vec<RefusalCount>,
}

/// How often something was refused for one reason.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct RefusalCount {
    /// The reason's name.
    pub reason: String,
    /// How often.
    pub count: u64,
}

impl From<proto::AccessStatus> for AccessReport {
    fn from(status: proto::AccessStatus) -> Self {
        let proto::AccessStatus { connections, connections_total, requests_total, refusals, limits: _ } = status;
        let refusals = refusals.into_iter().filter(|refusal| refusal.count > 0);
        Self {
            connections,
            connections_total,
            requests_total,
            refusals: refusals.map(|refusal| RefusalCount { reason: refusal.reason, count: refusal.count }).collect(),
        }
    }
}
