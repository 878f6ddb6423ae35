//! Binder records: transactions and replies to accesses of providers and calls of services.
//!
//! * **In:** records of the binder and platform blocks of `shared_layout.h`. **Out:** observations whose actor is the
//!   process that asked.
//! * **May import:** as all of `decode`.
//! * **Test it:** `cargo test decode::binder` and `cargo test --test binder_parcels`, whose encoder shares no code with this.

mod activity_manager;
mod bundle;
mod caller;
mod calls;
mod content_provider;
mod names;
mod parcel;
mod redact;
mod reply;
mod services;
mod token;
mod uri;

use calls::{Call, Calls, Lesson};
use content_provider::Reading;
use names::{ApiLevel, Names};
use parcel::{Parcel, ParcelError};
use token::Form;

use super::DecodeError;
use super::cursor::Cursor;
use super::layout::SegmentTag;
use super::observation::Observation;
use super::record::{Record, Segment, SegmentTable};
use super::stream_prefix::Act;
use super::text::{before_nul, printable};
use crate::device::probe::record_layout::{
    binder_ending, binder_name_what, binder_node_reference, method_names_source,
};
use crate::event::{
    App, BinderOwner, BinderTransaction, EventBody, MethodSource, Outcome, ProcessKey, ProviderMethod, ServiceCall,
    privacy_interface,
};

/// What decoding of binder remembers: names, and requests without their reply. Bounded; see [`names`] and [`calls`].
#[derive(Debug, Default)]
pub(crate) struct Binder {
    names: Names,
    calls: Calls,
}

/// `struct binder_transaction_body`.
struct TransactionBody {
    debug_id: u64,
    target_node: u64,
    data_size: u64,
    receiver: ProcessKey,
    receiver_uid: u32,
    code: u32,
    flags: u32,
    receiver_comm: String,
}

impl TransactionBody {
    fn read(body: &mut Cursor<'_>) -> Option<Self> {
        let (debug_id, target_node, data_size) = (body.u64_le()?, body.u64_le()?, body.u64_le()?);
        let _offsets_size = body.u64_le()?;
        let start_ns = body.u64_le()?;
        let (tgid, _tid, receiver_uid) = (body.u32_le()?, body.u32_le()?, body.u32_le()?);
        let (code, flags) = (body.u32_le()?, body.u32_le()?);
        // Effective user id as the driver says, device, side: the flags of the record say what matters of them.
        body.skip(12)?;
        let receiver_comm = printable(before_nul(body.take(16)?));
        let receiver = ProcessKey::new(tgid, start_ns);
        Some(Self { debug_id, target_node, data_size, receiver, receiver_uid, code, flags, receiver_comm })
    }
}

impl Binder {
    /// A request, seen at its receiver.
    pub(crate) fn transaction(
        &mut self,
        record: &Record<'_>,
        act: Act,
        out: &mut Vec<Observation>,
    ) -> Result<(), DecodeError> {
        let body = record.body(TransactionBody::read)?;
        let segments = record.segment_table()?;
        let mut parcel = parcel_of(&segments, body.data_size);
        let one_way = body.flags & reply::ONE_WAY != 0;
        let token = token::read(&mut parcel);
        let mut transaction = BinderTransaction {
            // A longer number is the probe's own, and says nothing to anybody else.
            debug_id: if body.debug_id > u64::from(u32::MAX) { 0 } else { body.debug_id },
            interface: token.as_ref().map(|token| token.interface.clone()).unwrap_or_default(),
            code: body.code,
            one_way,
            owner: BinderOwner {
                process: body.receiver,
                name: body.receiver_comm,
                user_id: (body.receiver.pid != 0).then_some(body.receiver_uid),
                app: App::default(),
            },
            parcel_size: body.data_size,
            cut: segments.get(SegmentTag::Parcel).is_none_or(|parcel| parcel.cut() || parcel.unreadable()),
            ..BinderTransaction::default()
        };
        let form = match &token {
            Ok(token) => token.form,
            Err(error) => {
                // Without a token nothing says what is asked for, unless the node does.
                if self.names.node(body.target_node).is_none() {
                    return Ok(());
                }
                note(&mut transaction, *error);
                Form::Api30
            }
        };
        let call = self.call(act, form, body.target_node, transaction, parcel);
        if one_way {
            if let Some(body) = call.body {
                out.push(call.act.observe(Outcome::Unknown, body));
            }
        } else if call.body.is_some() || call.lesson != Lesson::None {
            self.calls.wait(body.debug_id, call, out);
        }
        Ok(())
    }

    /// What a request asks for.
    fn call(&self, act: Act, form: Form, node: u64, transaction: BinderTransaction, mut parcel: Parcel<'_>) -> Call {
        let table = self.names.table(&transaction.interface);
        let method = table.and_then(|table| table.method(transaction.code)).map(str::to_owned);
        let call = |body, lesson| Call { act, form, body, lesson, method: method.clone() };
        match transaction.interface.as_str() {
            content_provider::INTERFACE => {
                let method = content_provider::method(transaction.code);
                let mut access = content_provider::empty(method, transaction);
                let reading = Reading { form, api: self.names.api };
                if let Err(error) = content_provider::arguments(&mut parcel, reading, &mut access) {
                    note(&mut access.transaction, error);
                }
                // Only calls and batches of the oldest releases do not name their authority themselves.
                if access.authority.is_empty()
                    && let Some(name) = self.names.node(node)
                    && let Some(authority) = name.authorities.first().filter(|_| name.authorities.len() == 1)
                {
                    access.authority.clone_from(authority);
                }
                call(Some(access.into()), Lesson::None)
            }
            activity_manager::INTERFACE => {
                match activity_manager::get_content_provider(method.as_deref(), parcel, form) {
                    Some(asked) => {
                        let mut access = content_provider::empty(ProviderMethod::Acquire, transaction);
                        access.transaction.named_callers = asked.caller.into_iter().collect();
                        (access.authority, access.android_user) = uri::split_user(&asked.authority);
                        let lesson = Lesson::Authority(access.authority.clone());
                        call(Some(access.into()), lesson)
                    }
                    // One of the few other methods that matter, such as asking which apps run.
                    None if concerns(&transaction.interface, method.as_deref()) == Some(true) => {
                        call(Some(self.service_call(node, transaction, method.as_deref(), parcel)), Lesson::None)
                    }
                    None => call(None, Lesson::None),
                }
            }
            SERVICE_MANAGER => {
                // `getService`, `checkService` and their later forms: a name goes in, a binder comes out. No codes needed.
                let name = parcel.string16().ok().flatten().filter(|name| !name.is_empty());
                call(None, name.map_or(Lesson::None, Lesson::Service))
            }
            // The machinery of every app, on an interface of which a few methods matter.
            _ if concerns(&transaction.interface, method.as_deref()) == Some(false) => call(None, Lesson::None),
            _ => call(Some(self.service_call(node, transaction, method.as_deref(), parcel)), Lesson::None),
        }
    }

    /// A call of a service.
    fn service_call(
        &self,
        node: u64,
        mut transaction: BinderTransaction,
        method: Option<&str>,
        parcel: Parcel<'_>,
    ) -> EventBody {
        let said = method.map(|method| services::arguments(&transaction.interface, method, parcel)).unwrap_or_default();
        transaction.named_callers = said.callers;
        let table = self.names.table(&transaction.interface).filter(|_| method.is_some());
        let (method_source, method_table) = match table {
            Some(table) => (table.source, table.origin.to_string()),
            None => (MethodSource::Unknown, String::new()),
        };
        EventBody::from(ServiceCall {
            service: self.names.node(node).and_then(|name| name.service.clone()),
            method: method.map(str::to_owned),
            method_source,
            method_table,
            arguments: said.arguments,
            result_count: None,
            transaction,
        })
    }

    /// The end of a request, seen by the process that asked.
    pub(crate) fn reply(&mut self, record: &Record<'_>, out: &mut Vec<Observation>) -> Result<(), DecodeError> {
        let (request, data_size, flags, ending) = record.body(|body| {
            let (request, _reply, data_size, _offsets) =
                (body.u64_le()?, body.u64_le()?, body.u64_le()?, body.u64_le()?);
            Some((request, data_size, body.u32_le()?, body.u32_le()?))
        })?;
        let segments = record.segment_table()?;
        let answered = match ending {
            binder_ending::REPLY => true,
            binder_ending::DEAD | binder_ending::FAILED | binder_ending::FROZEN => false,
            value => return Err(DecodeError::UnknownValue { field: "binder_reply_body.ending", value }),
        };
        // A reply to a request from before the trace, or to one that is of no interest.
        let Some(mut call) = self.calls.answered(request) else { return Ok(()) };
        if answered {
            self.learn(&call.lesson, &segments);
        }
        let Some(mut body) = call.body.take() else { return Ok(()) };
        let outcome = if answered {
            let parcel = parcel_of(&segments, data_size);
            self.answer(&call, parcel, flags, &mut body)
        } else {
            Outcome::Failed(0)
        };
        out.push(call.act.observe(outcome, body));
        Ok(())
    }

    /// Reads an answer into the body, and says how the request ended.
    fn answer(&self, call: &Call, mut parcel: Parcel<'_>, flags: u32, body: &mut EventBody) -> Outcome {
        parcel.stability = call.form >= Form::Api30;
        if flags & reply::STATUS_CODE != 0 {
            return parcel.i32().map_or(Outcome::Unknown, reply::status);
        }
        let Ok(code) = reply::exception(&mut parcel, self.names.api) else { return Outcome::Unknown };
        let outcome = reply::outcome(code);
        match body {
            EventBody::ProviderAccess(access) => {
                access.transaction.exception = Some(code);
                if outcome == Outcome::Ok
                    && let Err(error) = reply::provider(&mut parcel, access)
                {
                    note(&mut access.transaction, error);
                }
            }
            EventBody::ServiceCall(service) => {
                service.transaction.exception = Some(code);
                if outcome == Outcome::Ok
                    && let Some(method) = &call.method
                {
                    service.result_count = services::result_count(&service.transaction.interface, method, parcel);
                }
            }
            _ => {}
        }
        outcome
    }

    fn learn(&mut self, lesson: &Lesson, segments: &SegmentTable<'_>) {
        let nodes = segments.get(SegmentTag::Nodes).map(|segment| segment.bytes).unwrap_or_default();
        let first = nodes.get(..binder_node_reference::SIZE).and_then(|node| Cursor::new(node).u64_le());
        match (lesson, first) {
            (Lesson::Service(name), Some(node)) => self.names.learn_service(node, name.clone()),
            (Lesson::Authority(authority), Some(node)) => self.names.learn_authority(node, authority.clone()),
            (Lesson::None, _) | (_, None) => {}
        }
    }

    /// What the platform is.
    pub(crate) fn platform(&mut self, record: &Record<'_>) -> Result<(), DecodeError> {
        let level = record.body(Cursor::u32_le)?;
        record.segment_table()?;
        self.names.api = ApiLevel::new(level);
        Ok(())
    }

    /// The methods of an interface.
    pub(crate) fn method_names(&mut self, record: &Record<'_>) -> Result<(), DecodeError> {
        let source = match record.body(Cursor::u32_le)? {
            method_names_source::DEVICE_DEX => MethodSource::DeviceDex,
            method_names_source::SHIPPED => MethodSource::Shipped,
            method_names_source::FIXED => MethodSource::Fixed,
            value => return Err(DecodeError::UnknownValue { field: "method_names_body.source", value }),
        };
        let segments = record.segment_table()?;
        let interface = text(&segments, SegmentTag::Name);
        let origin = text(&segments, SegmentTag::Origin);
        let methods = segments.get(SegmentTag::Methods).map(|segment| segment.bytes).unwrap_or_default();
        self.names.learn_methods(interface, source, &origin, MethodList(Cursor::new(methods)));
        Ok(())
    }

    /// What a node is.
    pub(crate) fn binder_name(&mut self, record: &Record<'_>) -> Result<(), DecodeError> {
        let (node, what) = record.body(|body| Some((body.u64_le()?, body.u32_le()?)))?;
        let name = text(&record.segment_table()?, SegmentTag::Name);
        match what {
            binder_name_what::SERVICE => self.names.learn_service(node, name),
            binder_name_what::AUTHORITY => self.names.learn_authority(node, name),
            value => return Err(DecodeError::UnknownValue { field: "binder_name_body.what", value }),
        }
        Ok(())
    }

    /// A process has ended.
    pub(crate) fn exited(&mut self, process: ProcessKey, out: &mut Vec<Observation>) {
        self.calls.exited(process, out);
    }

    /// Nothing more comes.
    pub(crate) fn finish(&mut self, out: &mut Vec<Observation>) {
        self.calls.finish(out);
    }

    /// Requests that had to make room before their reply came, and names there was no room for.
    pub(crate) fn evicted(&self) -> u64 {
        self.calls.evicted.saturating_add(self.names.refused)
    }

    /// Requests that wait for their reply.
    pub(crate) fn waiting(&self) -> usize {
        self.calls.len()
    }
}

/// `android.os.IServiceManager`.
const SERVICE_MANAGER: &str = "android.os.IServiceManager";

/// Whether calls of the method are worth an event; `None` when the method is not named, or the interface is in no table.
fn concerns(interface: &str, method: Option<&str>) -> Option<bool> {
    Some(privacy_interface(interface)?.concerns(method?))
}

fn parcel_of<'a>(segments: &SegmentTable<'a>, data_size: u64) -> Parcel<'a> {
    let bytes = segments.readable(SegmentTag::Parcel).map(|segment| segment.bytes).unwrap_or_default();
    Parcel::new(bytes, data_size)
}

fn text(segments: &SegmentTable<'_>, tag: SegmentTag) -> String {
    segments.get(tag).map(|Segment { bytes, .. }| printable(bytes)).unwrap_or_default()
}

/// Says of a transaction that it could not be read to its end.
fn note(transaction: &mut BinderTransaction, error: ParcelError) {
    transaction.cut = true;
    // What the probe did not carry is no mistake of anybody.
    if error != ParcelError::Cut && transaction.decode_error.is_none() {
        transaction.decode_error = Some(error.reason().to_owned());
    }
}

/// The methods of a segment: for each its code and its name, ended by NUL. Ends where the segment does not.
struct MethodList<'a>(Cursor<'a>);

impl Iterator for MethodList<'_> {
    type Item = (u32, String);

    fn next(&mut self) -> Option<Self::Item> {
        let code = self.0.u32_le()?;
        let rest = self.0.rest();
        let length = rest.iter().position(|byte| *byte == 0)?;
        let (name, behind) = rest.split_at_checked(length)?;
        self.0 = Cursor::new(behind.get(1..).unwrap_or_default());
        Some((code, printable(name)))
    }
}
