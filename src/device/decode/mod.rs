//! Raw records to observations.
//!
//! * **In:** the bytes of one record, in the layout of `probe/ebpf/programs/shared_layout.h`. **Out:** [`Observation`]s,
//!   or a [`DecodeError`] that names what is damaged.
//! * **May import:** `event` and the standard library. No I/O, no clock, no other stage: a replayed capture gives the
//!   same observations, on any system.
//! * **Test it:** `cargo test device::decode`; `fuzz/` has a target for each parser.

mod binder;
mod body;
mod code_origin;
mod cursor;
pub mod dns;
mod error;
pub mod http_request;
pub mod layout;
mod observation;
mod open_flags;
pub mod path;
mod payload;
mod record;
pub mod resolver_proxy;
mod socket_address;
pub mod stream_prefix;
#[doc(hidden)]
pub mod test_support;
mod text;
pub mod tls_client_hello;

pub use error::DecodeError;
pub use observation::Observation;

use std::collections::HashMap;

use binder::Binder;
use body::Decoded;
use layout::{RECORD_FLAG_SAMPLED, RECORD_FLAG_USER_MEMORY, RecordKind};
use record::{Header, Record};
use resolver_proxy::Question;
use stream_prefix::{Act, FlowKey, StreamPrefixes};
use text::printable;

use crate::event::{Direction, EventBody, FidelityReason, ProcessKey};

/// Questions to the system's resolver, by the flow that their answers come in. As many as there are flows at most.
type Questions = HashMap<FlowKey, Question>;

/// Turns records into observations. It remembers the beginnings of streams whose first message is not whole yet, within
/// the bounds of [`stream_prefix`]; everything else is decided from the record alone.
#[derive(Debug, Default)]
pub struct Decoder {
    streams: StreamPrefixes,
    /// What was asked of the system's resolver, until its answer is whole.
    questions: Questions,
    binder: Binder,
}

impl Decoder {
    /// A decoder that remembers nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Decodes one record and appends what it says to `out`: nothing (a payload that is no known protocol, or whose
    /// message is not whole yet), one observation, or several (a DNS message with several questions; the end of a
    /// process, before which its unfinished messages are told).
    ///
    /// # Errors
    ///
    /// When the record is damaged. Then nothing was appended, and the record counts as lost for the reason given by
    /// [`DecodeError::reason`].
    pub fn decode(&mut self, record: &[u8], out: &mut Vec<Observation>) -> Result<(), DecodeError> {
        let record = Record::parse(record)?;
        let mut act = act(&record.header);
        let Decoded { outcome, body } = match record.kind {
            RecordKind::ProcessStart => body::process_start(&record)?,
            RecordKind::ProcessExec => body::process_exec(&record, &mut act.hints)?,
            RecordKind::ProcessExit => body::process_exit(&record)?,
            RecordKind::ProcessName => body::process_name(&record)?,
            RecordKind::Package => body::package(&record)?,
            RecordKind::BlindSpot => body::blind_spot(&record)?,
            RecordKind::ProcessImportance => body::process_importance(&record)?,
            RecordKind::FileOpen => body::file_open(&record, &mut act.hints)?,
            RecordKind::FileTotals => body::file_totals(&record)?,
            RecordKind::FileRename | RecordKind::FileUnlink => body::path_change(&record, &mut act.hints)?,
            RecordKind::SocketConnect
            | RecordKind::SocketBind
            | RecordKind::SocketListen
            | RecordKind::SocketAccept => body::socket_act(&record)?,
            RecordKind::SocketTotals => body::socket_totals(&record)?,
            RecordKind::BinderTransaction => return self.binder.transaction(&record, act, out),
            RecordKind::BinderReply => return self.binder.reply(&record, out),
            RecordKind::Platform => return self.binder.platform(&record),
            RecordKind::MethodNames => return self.binder.method_names(&record),
            RecordKind::BinderName => return self.binder.binder_name(&record),
            RecordKind::SocketPayload => {
                return payload::decode(&record, act, &mut self.streams, &mut self.questions, out);
            }
        };
        self.finish_open(&act, &body, out);
        out.push(act.observe(outcome, body));
        Ok(())
    }

    /// Unfinished messages that had to make room for others, since the decoder was made. They were told, marked as cut.
    #[must_use]
    pub fn evicted_streams(&self) -> u64 {
        self.streams.evicted()
    }

    /// Unfinished messages remembered now.
    #[must_use]
    pub fn open_streams(&self) -> usize {
        self.streams.len()
    }

    /// Binder requests that had to make room before their reply came, and names there was no room for. The requests were
    /// told, without how they ended.
    #[must_use]
    pub fn evicted_binder(&self) -> u64 {
        self.binder.evicted()
    }

    /// Binder requests that wait for their reply.
    #[must_use]
    pub fn open_binder_calls(&self) -> usize {
        self.binder.waiting()
    }

    /// Tells the requests whose reply was not seen, because no more records come.
    pub fn finish(&mut self, out: &mut Vec<Observation>) {
        self.binder.finish(out);
    }

    /// A closed socket or an ended process completes no message, and an ended process gets no reply any more.
    fn finish_open(&mut self, act: &Act, body: &EventBody, out: &mut Vec<Observation>) {
        match body {
            EventBody::SocketTotals(totals) if totals.closed => {
                for direction in [Direction::Sent, Direction::Received] {
                    let key = FlowKey::new(act.process, totals.handle, totals.descriptor, direction);
                    if let Some(flow) = self.streams.take(&key) {
                        payload::finish(flow, &mut self.questions, out);
                    }
                }
                let key = FlowKey::new(act.process, totals.handle, totals.descriptor, Direction::Received);
                self.questions.remove(&key);
            }
            EventBody::ProcessExit(_) => {
                self.binder.exited(act.process, out);
                for flow in self.streams.take_process(act.process) {
                    payload::finish(flow, &mut self.questions, out);
                }
                self.questions.retain(|key, _| key.process != act.process);
            }
            _ => {}
        }
    }
}

fn act(header: &Header<'_>) -> Act {
    let mut hints = Vec::new();
    if header.has(RECORD_FLAG_SAMPLED) {
        hints.push(FidelityReason::Sampled);
    }
    if header.has(RECORD_FLAG_USER_MEMORY) {
        hints.push(FidelityReason::UserMemory);
    }
    Act {
        sessions: header.sessions,
        time_ns: header.time_ns,
        process: ProcessKey::new(header.tgid, header.start_ns),
        thread_id: header.tid,
        user_id: header.uid,
        comm: printable(header.comm),
        hints,
    }
}

#[cfg(test)]
mod tests;
