//! Captured bytes of sockets: DNS messages, and the first message a client sends on a stream. Anything else is not
//! interpreted and nothing of it is kept.

use super::body::is_cut;
use super::layout::{PAYLOAD_DNS, PAYLOAD_RECEIVED, PAYLOAD_RESOLVER, PAYLOAD_SENT, PAYLOAD_STREAM_PREFIX, SegmentTag};
use super::record::Record;
use super::resolver_proxy::{self, Line};
use super::socket_address::{SocketEnd, SocketType};
use super::stream_prefix::{Act, Appended, Flow, FlowKey, MOST_FLOWS, Purpose, StreamPrefixes};
use super::{DecodeError, Observation, Questions, dns, http_request, tls_client_hello};
use crate::event::{Direction, DnsAnswer, DnsQuery, Endpoint, EventBody, HttpRequest, Outcome, TlsClientHello};

/// `struct socket_payload_body` with its segments.
struct Payload<'a> {
    handle: u64,
    offset: u64,
    descriptor: i32,
    socket: SocketType,
    direction: Direction,
    purpose: Purpose,
    remote: Option<Endpoint>,
    bytes: &'a [u8],
    /// The call moved more bytes than were captured.
    cut: bool,
}

impl<'a> Payload<'a> {
    fn read(record: &Record<'a>) -> Result<Self, DecodeError> {
        let (handle, offset, wire_length, descriptor, socket, direction, purpose, remote) = record.body(|body| {
            let (handle, offset, wire_length) = (body.u64_le()?, body.u64_le()?, body.u64_le()?);
            let descriptor = body.i32_le()?;
            let socket = SocketType::read(body)?;
            let (direction, purpose) = (body.u8()?, body.u8()?);
            body.skip(4)?;
            let _local = SocketEnd::read(body)?;
            Some((handle, offset, wire_length, descriptor, socket, direction, purpose, SocketEnd::read(body)?))
        })?;
        let direction = match direction {
            PAYLOAD_SENT => Direction::Sent,
            PAYLOAD_RECEIVED => Direction::Received,
            value => return Err(DecodeError::UnknownValue { field: "direction", value: value.into() }),
        };
        let purpose = match purpose {
            PAYLOAD_STREAM_PREFIX => Purpose::FirstMessage,
            PAYLOAD_DNS => Purpose::Dns,
            PAYLOAD_RESOLVER => Purpose::Resolver,
            value => return Err(DecodeError::UnknownValue { field: "purpose", value: value.into() }),
        };
        let segments = record.segment_table()?;
        let segment = segments.readable(SegmentTag::Payload);
        let bytes = segment.map(|segment| segment.bytes).unwrap_or_default();
        let cut = (bytes.len() as u64) < wire_length || is_cut(record) || segment.is_none_or(|segment| segment.cut());
        if bytes.is_empty() && wire_length > 0 {
            // Which names were in it nobody knows: that is no payload without names.
            return Err(DecodeError::MemoryUnreadable { length: wire_length });
        }
        let remote = remote.endpoint(segments.get(SegmentTag::UnixRemote));
        Ok(Self { handle, offset, descriptor, socket, direction, purpose, remote, bytes, cut })
    }
}

/// Decodes a payload record.
pub(crate) fn decode(
    record: &Record<'_>,
    act: Act,
    streams: &mut StreamPrefixes,
    questions: &mut Questions,
    out: &mut Vec<Observation>,
) -> Result<(), DecodeError> {
    let payload = Payload::read(record)?;
    if payload.purpose == Purpose::Dns && !payload.socket.is_stream() {
        dns_message(payload.bytes, payload.cut, payload.direction, &act, payload.remote.as_ref(), out);
        return Ok(());
    }
    if payload.purpose == Purpose::FirstMessage && payload.direction == Direction::Received {
        // What a server receives names the server itself, not a recipient.
        return Ok(());
    }
    let key = FlowKey::new(act.process, payload.handle, payload.descriptor, payload.direction);
    let mut flow = streams.take(&key);
    if let Some(known) = flow.take_if(|flow| flow.is_restart(payload.offset) || flow.purpose != payload.purpose) {
        finish(known, questions, out);
    }
    let mut flow = match flow {
        Some(flow) => flow,
        // The beginning of the stream was decided upon already, or was never seen.
        None if payload.offset != 0 => return Ok(()),
        None => Flow::new(key, payload.purpose, act.clone(), payload.remote.clone()),
    };
    if flow.remote.is_none() {
        flow.remote.clone_from(&payload.remote);
    }
    if flow.bytes.is_empty() {
        flow.act = act.clone();
    }
    let appended = flow.append(payload.offset, payload.bytes);
    let go_on = advance(&mut flow, &act, questions, out);
    if !go_on {
        return Ok(());
    }
    if appended == Appended::Broken || payload.cut {
        finish(flow, questions, out);
        return Ok(());
    }
    let mut evicted = Vec::new();
    streams.put(flow, &mut evicted);
    for flow in evicted {
        finish(flow, questions, out);
    }
    Ok(())
}

/// Makes what can be made of the bytes of a flow. `false` when it has nothing more to tell.
fn advance(flow: &mut Flow, act: &Act, questions: &mut Questions, out: &mut Vec<Observation>) -> bool {
    if flow.purpose == Purpose::Resolver {
        return advance_resolver(flow, false, questions, out);
    }
    if flow.purpose == Purpose::Dns {
        while let Some((message, used)) = dns::split_stream_message(&flow.bytes) {
            dns_message(message, false, flow.key.direction, &flow.act, flow.remote.as_ref(), out);
            flow.consume(used, act);
        }
        return true;
    }
    match tls_client_hello::parse(&flow.bytes) {
        tls_client_hello::Parsed::Complete(hello) => {
            out.push(observe_hello(flow, hello));
            return false;
        }
        tls_client_hello::Parsed::Incomplete(_) | tls_client_hello::Parsed::Undecided => return true,
        tls_client_hello::Parsed::Other => {}
    }
    match http_request::parse(&flow.bytes) {
        http_request::Parsed::Complete(request) => {
            // Behind the request to a proxy for a tunnel begins the tunnel, usually with a ClientHello.
            let tunnel = request.header_length.filter(|_| request.method == "CONNECT");
            out.push(observe_request(flow, request));
            let Some(used) = tunnel else { return false };
            flow.consume(used, act);
            flow.bytes.is_empty() || advance(flow, act, questions, out)
        }
        http_request::Parsed::Incomplete(_) | http_request::Parsed::Undecided => true,
        http_request::Parsed::Other => false,
    }
}

/// Tells what a flow holds that will not go on.
pub(crate) fn finish(mut flow: Flow, questions: &mut Questions, out: &mut Vec<Observation>) {
    if flow.purpose == Purpose::Resolver {
        advance_resolver(&mut flow, true, questions, out);
        return;
    }
    if flow.purpose == Purpose::Dns {
        let message = flow.bytes.get(2..).unwrap_or_default();
        dns_message(message, true, flow.key.direction, &flow.act, flow.remote.as_ref(), out);
        return;
    }
    match tls_client_hello::parse(&flow.bytes) {
        tls_client_hello::Parsed::Incomplete(hello) => out.push(observe_hello(&flow, hello)),
        _ => {
            if let http_request::Parsed::Incomplete(request) = http_request::parse(&flow.bytes) {
                out.push(observe_request(&flow, request));
            }
        }
    }
}

/// A question to the system's resolver, or the answer to one. `ended`: nothing more comes. `false` when there is nothing more
/// to tell: a connection carries one question.
fn advance_resolver(flow: &mut Flow, ended: bool, questions: &mut Questions, out: &mut Vec<Observation>) -> bool {
    if flow.key.direction == Direction::Sent {
        match resolver_proxy::line(&flow.bytes) {
            Line::Incomplete => return true,
            Line::Other => {}
            Line::Question(question) => {
                out.extend(question.bodies().into_iter().map(|body| flow.act.clone().observe(Outcome::Ok, body)));
                // Beyond, answers stay untold: each is remembered until its socket or its process ends.
                if questions.len() < MOST_FLOWS {
                    questions.insert(FlowKey { direction: Direction::Received, ..flow.key }, question);
                }
            }
        }
        return false;
    }
    let Some(question) = questions.get(&flow.key) else { return false };
    let Some(bodies) = question.answer(&flow.bytes, ended) else { return true };
    out.extend(bodies.into_iter().map(|body| flow.act.clone().observe(Outcome::Ok, body)));
    questions.remove(&flow.key);
    false
}

fn observe_hello(flow: &Flow, hello: tls_client_hello::ClientHello) -> Observation {
    let body = EventBody::TlsClientHello(TlsClientHello {
        server_name: hello.server_name,
        protocols: hello.protocols,
        encrypted_client_hello: hello.encrypted_client_hello,
        remote: flow.remote.clone(),
        handle: flow.key.handle,
        cut: hello.cut,
    });
    flow.act.clone().observe(Outcome::Ok, body)
}

fn observe_request(flow: &Flow, request: http_request::Request) -> Observation {
    let body = EventBody::HttpRequest(HttpRequest {
        method: request.method,
        host: request.host,
        path: request.path,
        remote: flow.remote.clone(),
        handle: flow.key.handle,
    });
    flow.act.clone().observe(Outcome::Ok, body)
}

/// Questions that were sent and answers that were received; the other two are those of a DNS server.
fn dns_message(
    bytes: &[u8],
    cut: bool,
    direction: Direction,
    act: &Act,
    server: Option<&Endpoint>,
    out: &mut Vec<Observation>,
) {
    let Some(message) = dns::parse(bytes, cut) else { return };
    if message.response != (direction == Direction::Received) {
        return;
    }
    for (name, record_type) in &message.questions {
        let (name, record_type, server) = (name.clone(), record_type.clone(), server.cloned());
        let transaction_id = message.transaction_id;
        let body = if message.response {
            EventBody::DnsAnswer(DnsAnswer {
                records: message.records_of(&name),
                name,
                record_type,
                transaction_id,
                response_code: message.response_code,
                server,
                cut: message.cut,
            })
        } else {
            EventBody::DnsQuery(DnsQuery { name, record_type, transaction_id, server })
        };
        out.push(act.clone().observe(Outcome::Ok, body));
    }
}
