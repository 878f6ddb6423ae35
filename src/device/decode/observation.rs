//! What one record says, before anyone knows which app it was.

use crate::event::{EventBody, FidelityReason, Outcome, ProcessKey};

/// A decoded act. It knows process, thread and user ids only; [`crate::device::attribute`] turns it into an event.
///
/// The body has the shape that the event will have. What only the attribution knows is left empty in it: the path of
/// [`crate::event::FileTotals`], and ends of sockets that the record did not carry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observation {
    /// Session slots it belongs to: bit N is slot N.
    pub sessions: u64,
    /// Nanoseconds of `CLOCK_BOOTTIME` at which the act happened.
    pub time_ns: u64,
    /// The process that acted; its start is 0 when the record did not know it.
    pub process: ProcessKey,
    /// The thread that acted.
    pub thread_id: u32,
    /// Real user id of the process.
    pub user_id: u32,
    /// Name of the thread, made printable.
    pub comm: String,
    /// Why fields are only hints; sorted, each once. Empty when everything was read from kernel objects.
    pub hints: Vec<FidelityReason>,
    /// How the act ended.
    pub outcome: Outcome,
    /// What was done.
    pub body: EventBody,
}
