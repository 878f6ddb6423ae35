//! Calls through binder: what a thread tells the driver, read while it stands at the entry of the call, and what the driver tells
//! it, read at the exit.
//!
//! The parcel of a request is the sender's own memory, which another thread of it can change in the moment before the driver copies
//! it: those records say so. An answer is read where the driver put it, which the app can only read. A call that the driver did
//! not take is not told. Who serves is looked up in the driver's log, where there is one.

mod commands;
mod conversation;
mod nodes;

use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::Path;

use self::commands::{EXCHANGE, LONGEST, Said, Transaction, WriteRead};
use self::conversation::{Call, Conversation, MOST, Request, Sent, Told};
pub(super) use self::nodes::Nodes;
use super::super::super::binder_driver::{DEVICES, references};
use super::super::super::record_layout::{
    BINDER_OFFSETS_MAX, BINDER_PARCEL_MAX, HeaderFields, RecordBuilder, binder_device, binder_reply_body, binder_side,
    binder_transaction_body, record_flag, record_header, record_kind, segment_flag, segment_tag,
};
use super::super::system::read_memory;
use super::calls::fd_of;
use super::{PROC, Tracer};
use crate::event::privacy_interface;

/// The most bytes of a buffer of commands that are walked through. A library's has some hundred.
const BUFFER_MAX: u64 = 64 * 1024;
/// The most references of an answer that are told.
const REFERENCES_MAX: usize = 8;
/// Numbers of calls begin here: those of the driver have 32 bits, so none of them is one of these.
const FIRST_NUMBER: u64 = 1 << 32;
/// The descriptor is none, or not of a driver that takes such commands.
const NOT_TAKEN: [i64; 2] = [-(libc::EBADF as i64), -(libc::ENOTTY as i64)];

/// What a thread is in the middle of: with the driver, and in this call into it.
#[derive(Debug, Default)]
pub(super) struct Talk {
    conversation: Conversation,
    exchange: Option<Exchange>,
}

/// A call into the driver, from its entry to its exit.
#[derive(Debug)]
struct Exchange {
    header: HeaderFields,
    /// Of `struct binder_write_read`.
    address: u64,
    before: WriteRead,
    /// What is in the write buffer, with the place behind it.
    sent: Vec<(u64, Sent)>,
    /// Some of what is in it could not be read, or is beyond what is walked through.
    unknown: bool,
}

impl Exchange {
    /// Whether something of interest is said.
    fn matters(&self) -> bool {
        let wanted = |sent: &Sent| matches!(sent, Sent::Call(call) if call.request != Request::Unwanted);
        self.unknown || self.sent.iter().any(|(_, sent)| wanted(sent))
    }
}

/// What could be read of a part of the memory of an app, and how it goes into a segment.
struct Piece {
    bytes: Vec<u8>,
    flags: u8,
}

impl Piece {
    fn read(thread: u32, address: u64, size: u64, most: usize) -> Self {
        let wanted = usize::try_from(size).unwrap_or(usize::MAX).min(most);
        let bytes = if wanted == 0 { Vec::new() } else { read_memory(thread, address, wanted) };
        let flags = match bytes.len() {
            0 if wanted > 0 => segment_flag::UNREADABLE,
            read if read as u64 == size => 0,
            _ => segment_flag::CUT,
        };
        Self { bytes, flags }
    }

    fn record_flags(&self) -> u16 {
        if self.flags & segment_flag::CUT != 0 { record_flag::CUT } else { 0 }
    }
}

/// A parcel and the places of its objects, as far as they are carried.
struct Parcel {
    data: Piece,
    offsets: Piece,
}

impl Parcel {
    fn read(thread: u32, of: &Transaction) -> Self {
        Self {
            data: Piece::read(thread, of.data, of.data_size, BINDER_PARCEL_MAX),
            offsets: Piece::read(thread, of.offsets, of.offsets_size, BINDER_OFFSETS_MAX),
        }
    }

    fn record_flags(&self) -> u16 {
        self.data.record_flags() | self.offsets.record_flags()
    }

    fn add(&self, record: RecordBuilder) -> RecordBuilder {
        let record = record.segment_flagged(segment_tag::PARCEL, &self.data.bytes, self.data.flags);
        if self.offsets.bytes.is_empty() && self.offsets.flags == 0 {
            return record;
        }
        record.segment_flagged(segment_tag::OFFSETS, &self.offsets.bytes, self.offsets.flags)
    }
}

/// Which device a descriptor of a thread is; `None`: it is no device.
fn device_of(thread: u32, fd: i32) -> Option<u16> {
    let metadata = std::fs::metadata(format!("{PROC}/{thread}/fd/{fd}")).ok()?;
    let is_at = |place: &str| {
        std::fs::metadata(Path::new("/").join(place)).is_ok_and(|device| device.rdev() == metadata.rdev())
    };
    let known = || DEVICES.iter().find(|(_, places)| places.iter().copied().any(is_at));
    metadata.file_type().is_char_device().then(|| known().map_or(binder_device::UNKNOWN, |(device, _)| *device))
}

impl Tracer {
    /// A thread enters the driver. Whether the exit is of interest.
    pub(super) fn exchange_begins(&mut self, thread: u32, arguments: &[u64; 6]) -> bool {
        let [fd, _, address, ..] = *arguments;
        let Some(header) = self.header(thread) else { return false };
        let exchange = self.read_exchange(header, fd_of(fd), address);
        let Some(entry) = self.threads.get_mut(&thread) else { return false };
        match &mut entry.talk {
            Some(talk) => talk.exchange = Some(exchange),
            // What is of no interest to begin with can be left alone to its end.
            None if !exchange.matters() => return false,
            None => entry.talk = Some(Box::new(Talk { exchange: Some(exchange), ..Talk::default() })),
        }
        true
    }

    fn read_exchange(&mut self, header: HeaderFields, fd: i32, address: u64) -> Exchange {
        let (thread, pid) = (header.tid, header.tgid);
        let parsed = WriteRead::parse(&read_memory(thread, address, EXCHANGE));
        let unknown = parsed.is_none();
        let before = parsed.unwrap_or_default();
        let mut exchange = Exchange { header, address, before, sent: Vec::new(), unknown };
        let left = before.write_size.saturating_sub(before.write_consumed);
        if left == 0 {
            return exchange;
        }
        let size = usize::try_from(left.min(BUFFER_MAX)).unwrap_or(0);
        let begin = before.write_buffer.wrapping_add(before.write_consumed);
        let bytes = read_memory(thread, begin, size + LONGEST);
        exchange.unknown = left > BUFFER_MAX || bytes.len() < size;
        let (mut device, mut calls) = (None, 0);
        for (end, said) in commands::said(&bytes, size) {
            let sent = match said {
                Said::Call(data) => {
                    // Asked for once, and only when somebody calls.
                    let Some(device) = *device.get_or_insert_with(|| device_of(thread, fd)) else { break };
                    calls += 1;
                    Sent::Call(self.call(&exchange.header, device, &data, calls <= MOST))
                }
                Said::Reply => Sent::Reply,
                Said::Release(handle) => {
                    self.nodes.released(pid, handle);
                    continue;
                }
            };
            exchange.sent.push((before.write_consumed.saturating_add(end), sent));
        }
        exchange
    }

    /// What is remembered of a call; without its record when there is no room.
    fn call(&mut self, header: &HeaderFields, device: u16, data: &Transaction, room: bool) -> Call {
        let parcel = Parcel::read(header.tid, data);
        self.last_call = self.last_call.max(FIRST_NUMBER) + 1;
        let number = self.last_call;
        let request = if parcel.data.flags & segment_flag::UNREADABLE != 0 {
            Request::Unknown
        } else if commands::interface(&parcel.data.bytes).is_some_and(|name| privacy_interface(&name).is_some()) {
            if room { Request::Wanted(self.request(header, number, device, data, &parcel)) } else { Request::Unknown }
        } else {
            Request::Unwanted
        };
        Call { header: header.clone(), number, one_way: data.one_way(), request }
    }

    fn request(
        &mut self,
        header: &HeaderFields,
        number: u64,
        device: u16,
        data: &Transaction,
        parcel: &Parcel,
    ) -> Vec<u8> {
        let node = self.nodes.node(header.tgid, device, data.handle);
        let owner = self.nodes.owner(node).unwrap_or_default();
        let flags = record_flag::USER_MEMORY | parcel.record_flags();
        let record = RecordBuilder::new(header, record_kind::BINDER_TRANSACTION, flags, binder_transaction_body::SIZE)
            .body(binder_transaction_body::DEBUG_ID, &number.to_le_bytes())
            .body(binder_transaction_body::TARGET_NODE, &node.to_le_bytes())
            .body(binder_transaction_body::DATA_SIZE, &data.data_size.to_le_bytes())
            .body(binder_transaction_body::OFFSETS_SIZE, &data.offsets_size.to_le_bytes())
            .body(binder_transaction_body::RECEIVER_START_NS, &owner.start_ns.to_le_bytes())
            .body(binder_transaction_body::RECEIVER_TGID, &owner.pid.to_le_bytes())
            .body(binder_transaction_body::RECEIVER_UID, &owner.uid.to_le_bytes())
            .body(binder_transaction_body::CODE, &data.code.to_le_bytes())
            .body(binder_transaction_body::TRANSACTION_FLAGS, &data.flags.to_le_bytes())
            .body(binder_transaction_body::DEVICE, &device.to_le_bytes())
            .body(binder_transaction_body::SIDE, &binder_side::SENDER.to_le_bytes());
        parcel.add(record).finish()
    }

    /// A thread leaves the driver.
    pub(super) fn exchange_ends(&mut self, header: &HeaderFields, result: i64) {
        let thread = header.tid;
        let Some(mut talk) = self.threads.get_mut(&thread).and_then(|entry| entry.talk.take()) else { return };
        let Some(exchange) = talk.exchange.take() else { return };
        // A structure that neither the driver nor we could read says nothing, and nothing is lost.
        let nothing = exchange.sent.is_empty() && result == -i64::from(libc::EFAULT);
        if !nothing && !NOT_TAKEN.contains(&result) {
            self.hear(header, exchange, &mut talk.conversation);
        }
        if !talk.conversation.is_over()
            && let Some(entry) = self.threads.get_mut(&thread)
        {
            entry.talk = Some(talk);
        }
    }

    fn hear(&mut self, header: &HeaderFields, exchange: Exchange, conversation: &mut Conversation) {
        let Exchange { before, sent, unknown, address, .. } = exchange;
        let mut told = Vec::new();
        let Some(after) = WriteRead::parse(&read_memory(header.tid, address, EXCHANGE)) else {
            return self.lose_thread(header, sent, conversation);
        };
        for (end, sent) in sent {
            if end <= after.write_consumed {
                conversation.sent(sent, &mut told);
            }
        }
        if unknown && after.write_consumed > before.write_consumed {
            told.push(Told::Lost(header.sessions));
        }
        let said = after.read_consumed.saturating_sub(before.read_consumed);
        if said > 0 {
            let size = usize::try_from(said.min(BUFFER_MAX)).unwrap_or(0);
            let begin = before.read_buffer.wrapping_add(before.read_consumed);
            let bytes = read_memory(header.tid, begin, size);
            if bytes.len() as u64 != said {
                told.into_iter().for_each(|told| self.tell(header, told));
                return self.lose_thread(header, Vec::new(), conversation);
            }
            commands::heard(&bytes).for_each(|heard| conversation.heard(heard, &mut told));
        }
        told.into_iter().for_each(|told| self.tell(header, told));
    }

    /// What the driver said could not be read, so nobody knows any more where the thread stands.
    fn lose_thread(&mut self, header: &HeaderFields, sent: Vec<(u64, Sent)>, conversation: &mut Conversation) {
        let mut told = std::mem::take(conversation).unfinished(u64::MAX);
        told.extend(sent.iter().filter_map(|(_, sent)| sent.unfinished(u64::MAX)));
        for told in told {
            self.tell(header, told);
        }
        self.outbox.lose(header.sessions);
    }

    /// Tells something to those of its sessions that are there now.
    fn tell(&mut self, now: &HeaderFields, told: Told) {
        match told {
            Told::Call(record, sessions) => self.tell_call(&record, sessions & now.sessions),
            Told::Lost(sessions) => self.outbox.lose(sessions & now.sessions),
            Told::End(of, number, ending, answer) => {
                let header = HeaderFields { time_ns: now.time_ns, sessions: of.sessions & now.sessions, ..of };
                if header.sessions != 0 {
                    let record = self.end(&header, number, ending, answer);
                    self.outbox.push(&record, header.sessions);
                }
            }
        }
    }

    fn tell_call(&mut self, record: &[u8], sessions: u64) {
        if sessions == 0 {
            return;
        }
        let record = RecordBuilder::continue_from(record).header(record_header::SESSIONS, &sessions.to_le_bytes());
        self.outbox.push(&record.finish(), sessions);
    }

    fn end(&mut self, header: &HeaderFields, number: u64, ending: u32, answer: Option<Transaction>) -> Vec<u8> {
        let parcel = answer.as_ref().map(|answer| Parcel::read(header.tid, answer));
        let flags = parcel.as_ref().map_or(0, Parcel::record_flags);
        let record = RecordBuilder::new(header, record_kind::BINDER_REPLY, flags, binder_reply_body::SIZE)
            .body(binder_reply_body::REQUEST_DEBUG_ID, &number.to_le_bytes())
            .body(binder_reply_body::ENDING, &ending.to_le_bytes());
        let (Some(answer), Some(parcel)) = (answer, parcel) else { return record.finish() };
        let record = record
            .body(binder_reply_body::DATA_SIZE, &answer.data_size.to_le_bytes())
            .body(binder_reply_body::OFFSETS_SIZE, &answer.offsets_size.to_le_bytes())
            .body(binder_reply_body::TRANSACTION_FLAGS, &answer.flags.to_le_bytes());
        let record = parcel.add(record);
        let handles = references(&parcel.data.bytes, &parcel.offsets.bytes).collect::<Vec<u32>>();
        let mut nodes = Vec::new();
        for handle in handles.iter().take(REFERENCES_MAX) {
            let node = self.nodes.node(header.tgid, binder_device::BINDER, *handle);
            nodes.extend([node, u64::from(*handle)].map(u64::to_le_bytes).concat());
        }
        if nodes.is_empty() {
            return record.finish();
        }
        record.segment_cut(segment_tag::NODES, &nodes, handles.len() > REFERENCES_MAX).finish()
    }

    /// A thread ends, becomes another program, or is of no interest to these sessions any more: what it has sent is told without an
    /// end.
    pub(super) fn tell_unfinished(&mut self, thread: u32, sessions: u64) {
        let Some(talk) = self.threads.get(&thread).and_then(|entry| entry.talk.as_deref()) else { return };
        let mut told = talk.conversation.unfinished(sessions);
        let under_way = talk.exchange.iter().flat_map(|exchange| &exchange.sent);
        told.extend(under_way.filter_map(|(_, sent)| sent.unfinished(sessions)));
        for told in told {
            match told {
                Told::Call(record, sessions) => self.tell_call(&record, sessions),
                Told::Lost(sessions) => self.outbox.lose(sessions),
                // What is unfinished has none.
                Told::End(..) => {}
            }
        }
    }
}
