//! How the daemon is: its process, its sessions, and whom it let in.

use super::AccessReport;
use crate::event::Totals;
use crate::wire::proto;

/// How the daemon is. What one of an older version does not tell is absent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DaemonReport {
    /// Whom it let in.
    pub access: Option<AccessReport>,
    /// The daemon as a process.
    pub process: Option<ProcessReport>,
    /// Each session that it holds, oldest first.
    pub sessions: Vec<SessionReport>,
}

/// The daemon as a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProcessReport {
    /// Bytes of memory now.
    pub resident_bytes: u64,
    /// The most it ever had.
    pub peak_resident_bytes: u64,
    /// Processor time, in milliseconds.
    pub processor_ms: u64,
    /// How long it has been running, in milliseconds.
    pub running_ms: u64,
}

/// The account of one session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionReport {
    /// The session.
    pub session_id: String,
    /// It has not ended.
    pub running: bool,
    /// The account by stage.
    pub totals: Totals,
    /// Streams that read it now.
    pub subscribers: u64,
    /// Memory of its spool, in bytes.
    pub spool_memory_bytes: u64,
    /// Files of its spool, in bytes; 0 when it has none.
    pub spool_file_bytes: u64,
    /// Times that its files could not be written.
    pub spool_write_failures: u64,
}

impl From<proto::DaemonStatus> for ProcessReport {
    fn from(status: proto::DaemonStatus) -> Self {
        let proto::DaemonStatus { resident_bytes, peak_resident_bytes, processor_ms, running_ms } = status;
        Self { resident_bytes, peak_resident_bytes, processor_ms, running_ms }
    }
}
