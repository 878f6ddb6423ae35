//! What an entry costs in memory.

use std::mem::size_of;

use crate::event::{
    BinderTransaction, CodeOrigin, DnsRecord, Endpoint, Event, EventBody, NamedCaller, SelfTest, ServiceArgument,
    StreamEntry, ValueShape,
};

/// Roughly the bytes that an entry occupies, allocations included. The spool is bounded by the sum of these; what it
/// must be is monotonic in the lengths that a traced app can choose, so that no app can make the spool outgrow its bound.
pub(super) fn cost(entry: &StreamEntry) -> usize {
    // The reference counts, the place in the queue, and what the allocator keeps for each of the usual allocations.
    const OVERHEAD: usize = 128;
    let owned = match entry {
        StreamEntry::Event(event) => size_of::<Event>() + event_heap(event),
        StreamEntry::Header(header) => {
            size_of_val(&**header)
                + header.packages.packages.iter().map(|entry| entry.package.len() + 128).sum::<usize>()
        }
        StreamEntry::Gap(gap) => gap.reason.len() + gap.families.len(),
        StreamEntry::Totals(totals) => size_of_val(&**totals) + loss_heap(&totals.loss),
        StreamEntry::End(end) => {
            size_of_val(&**end)
                + loss_heap(&end.totals.loss)
                + end.probes.iter().map(|status| size_of_val(status) + status.reason.len()).sum::<usize>()
                + end.self_tests.iter().map(self_test_heap).sum::<usize>()
        }
        StreamEntry::SelfTest(test) => self_test_heap(test),
        StreamEntry::ClockChange(_) => 0,
    };
    OVERHEAD + size_of::<StreamEntry>() + owned
}

fn self_test_heap(test: &SelfTest) -> usize {
    size_of::<SelfTest>() + test.results.iter().map(|result| size_of_val(result) + result.reason.len()).sum::<usize>()
}

fn loss_heap(loss: &crate::event::LossTotals) -> usize {
    loss.stages.len() * 160 + loss.programs.len() * 96
}

fn shapes(shapes: &[ValueShape]) -> usize {
    shapes.iter().map(|shape| size_of::<ValueShape>() + shape.name.len() + shape.kind.len()).sum()
}

fn transaction_heap(transaction: &BinderTransaction) -> usize {
    let text = |text: &Option<String>| text.as_ref().map_or(0, String::len);
    let callers = transaction.named_callers.iter();
    let owner = &transaction.owner;
    transaction.interface.len()
        + text(&transaction.decode_error)
        + owner.name.len()
        + text(&owner.app.package)
        + owner.app.candidates.iter().map(|name| size_of::<String>() + name.len()).sum::<usize>()
        + callers
            .map(|caller| size_of::<NamedCaller>() + caller.package.len() + text(&caller.attribution_tag))
            .sum::<usize>()
}

fn event_heap(event: &Event) -> usize {
    let text = |text: &Option<String>| text.as_ref().map_or(0, String::len);
    let end = |end: &Endpoint| match end {
        Endpoint::UnixPath(name) | Endpoint::UnixAbstract(name) => name.len(),
        Endpoint::Inet(_) | Endpoint::UnixUnnamed | Endpoint::Other(_) => 0,
    };
    let maybe_end = |maybe: &Option<Endpoint>| maybe.as_ref().map_or(0, end);
    let list = |texts: &[String]| texts.iter().map(|text| text.len() + size_of::<String>()).sum::<usize>();
    let body = match &event.body {
        EventBody::ProcessStart(_)
        | EventBody::ProcessExit(_)
        | EventBody::ProcessImportance(_)
        | EventBody::BlindSpot(_) => 0,
        EventBody::ProcessExec(body) => body.path.len() + text(&body.requested_path) + list(&body.arguments),
        EventBody::FileOpen(body) => body.path.len() + text(&body.requested_path),
        EventBody::FileTotals(body) => body.path.len(),
        EventBody::FileRename(body) => body.from.len() + body.to.len(),
        EventBody::FileUnlink(body) => body.path.len(),
        EventBody::SocketConnect(body) => {
            let origin = body.code_origin.as_deref();
            end(&body.remote)
                + maybe_end(&body.local)
                + origin.map_or(0, |origin| size_of::<CodeOrigin>() + origin.file.len() + text(&origin.build_id))
        }
        EventBody::SocketBind(body) => end(&body.local),
        EventBody::SocketListen(body) => maybe_end(&body.local),
        EventBody::SocketAccept(body) => end(&body.remote) + maybe_end(&body.local),
        EventBody::SocketTotals(body) => maybe_end(&body.remote) + maybe_end(&body.local),
        EventBody::DnsQuery(body) => body.name.len() + body.record_type.len() + maybe_end(&body.server),
        EventBody::DnsAnswer(body) => {
            body.name.len()
                + body.record_type.len()
                + maybe_end(&body.server)
                + body
                    .records
                    .iter()
                    .map(|record| {
                        size_of::<DnsRecord>()
                            + match record {
                                DnsRecord::Address(_) => 0,
                                DnsRecord::Alias(name) => name.len(),
                            }
                    })
                    .sum::<usize>()
        }
        EventBody::TlsClientHello(body) => text(&body.server_name) + list(&body.protocols) + maybe_end(&body.remote),
        EventBody::HttpRequest(body) => {
            body.method.len() + text(&body.host) + body.path.len() + maybe_end(&body.remote)
        }
        EventBody::ProviderAccess(body) => {
            body.authority.len()
                + text(&body.uri)
                + list(&body.projection)
                + text(&body.selection)
                + shapes(&body.selection_arguments)
                + text(&body.sort_order)
                + shapes(&body.values)
                + text(&body.call_method)
                + text(&body.call_argument)
                + text(&body.open_mode)
                + list(&body.result_columns)
                + transaction_heap(&body.transaction)
        }
        EventBody::ServiceCall(body) => {
            text(&body.service)
                + text(&body.method)
                + body.method_table.len()
                + body
                    .arguments
                    .iter()
                    .map(|argument| size_of::<ServiceArgument>() + argument.name.len() + argument.value.len())
                    .sum::<usize>()
                + transaction_heap(&body.transaction)
        }
        EventBody::ProcessName(body) => body.name.len(),
        EventBody::PackageChange(body) => body.package.len() + body.data_directory.len(),
        EventBody::PhaseMark(body) => body.phase.as_str().len() + body.note.len(),
    };
    body + event.process.name.len()
        + text(&event.process.executable)
        + text(&event.app.package)
        + list(&event.app.candidates)
        + event.phase.as_str().len()
}
