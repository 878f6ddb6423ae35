//! Requests that wait for their reply. A request and its reply make one act, told with the time of the request.

use std::collections::{HashMap, VecDeque};

use super::token::Form;
use crate::device::decode::observation::Observation;
use crate::device::decode::stream_prefix::Act;
use crate::event::{EventBody, Outcome, ProcessKey};

/// Most requests that wait. Each waiting thread of a device has one; the rest have lost their reply.
pub(crate) const MOST_WAITING: usize = 8192;

/// What a reply teaches besides how the request ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Lesson {
    /// Nothing.
    None,
    /// The first node that comes back is the service of this name.
    Service(String),
    /// The first node that comes back is the provider of this authority.
    Authority(String),
}

/// A request.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) act: Act,
    pub(crate) form: Form,
    /// What is told when the reply is known; nothing for a request that is only of use for its lesson.
    pub(crate) body: Option<EventBody>,
    pub(crate) lesson: Lesson,
    /// The method's name, for answers that are read by it.
    pub(crate) method: Option<String>,
}

impl Call {
    /// Tells it without a reply.
    fn tell_unanswered(self, out: &mut Vec<Observation>) {
        if let Some(body) = self.body {
            out.push(self.act.observe(Outcome::Unknown, body));
        }
    }
}

/// The requests that wait, by the number that the driver gave them.
#[derive(Debug, Default)]
pub(crate) struct Calls {
    waiting: HashMap<u64, Call>,
    /// Numbers in the order of arrival; those that were answered are skipped.
    order: VecDeque<u64>,
    /// Requests that had to make room. They were told without their reply.
    pub(crate) evicted: u64,
}

impl Calls {
    /// A request waits. Whatever has to make room is told.
    pub(crate) fn wait(&mut self, debug_id: u64, call: Call, out: &mut Vec<Observation>) {
        if let Some(older) = self.waiting.insert(debug_id, call) {
            // The driver's numbers come again after 2^32 transactions.
            older.tell_unanswered(out);
        } else {
            self.order.push_back(debug_id);
        }
        while self.waiting.len() > MOST_WAITING {
            let Some(oldest) = self.order.pop_front() else { return };
            if let Some(call) = self.waiting.remove(&oldest) {
                self.evicted += 1;
                call.tell_unanswered(out);
            }
        }
        if self.order.len() > 2 * MOST_WAITING {
            self.order.retain(|debug_id| self.waiting.contains_key(debug_id));
        }
    }

    /// The request that a reply answers.
    pub(crate) fn answered(&mut self, debug_id: u64) -> Option<Call> {
        self.waiting.remove(&debug_id)
    }

    /// A process has ended: its requests get no reply any more.
    pub(crate) fn exited(&mut self, process: ProcessKey, out: &mut Vec<Observation>) {
        self.tell_where(out, |call| call.act.process == process);
    }

    /// Nothing more comes.
    pub(crate) fn finish(&mut self, out: &mut Vec<Observation>) {
        self.tell_where(out, |_| true);
        self.order.clear();
    }

    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }

    fn tell_where(&mut self, out: &mut Vec<Observation>, gone: impl Fn(&Call) -> bool) {
        if self.waiting.is_empty() {
            return;
        }
        let mut ids: Vec<u64> = self.waiting.iter().filter(|(_, call)| gone(call)).map(|(id, _)| *id).collect();
        // In the order of the driver, so that the same records give the same events.
        ids.sort_unstable();
        for id in ids {
            if let Some(call) = self.waiting.remove(&id) {
                call.tell_unanswered(out);
            }
        }
    }
}
