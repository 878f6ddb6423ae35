//! Entries for thin clients: who did what, when, and how it ended.

use super::proto::{self, stream_entry::Entry};

/// Leaves out what a thin client does without. What is left has its usual meaning; a field that is left out has its
/// default, and means nothing. An event stays an event: it can be read back, has its kind, hints and outcome, and names the
/// same path, host, authority or interface.
///
/// A field mask of the client's choice was rejected: half of its values would make events that mean something else, such
/// as those without hints, which say that every field is to be trusted.
pub fn lighten(entry: &mut proto::StreamEntry) {
    match &mut entry.entry {
        Some(Entry::Header(header)) => {
            if let Some(packages) = &mut header.packages {
                packages.packages = Vec::new();
            }
        }
        Some(Entry::Event(event)) => lighten_event(event),
        Some(Entry::Totals(totals)) => totals.programs = Vec::new(),
        Some(Entry::End(end)) => {
            if let Some(totals) = &mut end.totals {
                totals.programs = Vec::new();
            }
        }
        Some(Entry::Gap(_) | Entry::SelfTest(_) | Entry::ClockChange(_)) | None => {}
    }
}

/// As [`lighten`], for an event alone.
pub fn lighten_event(event: &mut proto::Event) {
    use proto::event::Body;
    event.thread_id = 0;
    if let Some(process) = &mut event.process {
        process.executable = String::new();
    }
    let Some(body) = &mut event.body else { return };
    match body {
        Body::FileOpen(open) => {
            *open = proto::FileOpen {
                path: std::mem::take(&mut open.path),
                access: open.access,
                preexisting: open.preexisting,
                path_cut: open.path_cut,
                ..proto::FileOpen::default()
            }
        }
        Body::FileTotals(totals) => {
            totals.descriptor = 0;
            totals.handle = 0;
        }
        Body::SocketConnect(connect) => {
            connect.local = None;
            connect.descriptor = 0;
            connect.handle = 0;
            connect.code_origin = None;
        }
        Body::SocketBind(bind) => {
            bind.descriptor = 0;
            bind.handle = 0;
        }
        Body::SocketListen(listen) => {
            listen.descriptor = 0;
            listen.handle = 0;
            listen.backlog = 0;
        }
        Body::SocketAccept(accept) => {
            accept.local = None;
            accept.descriptor = 0;
            accept.handle = 0;
        }
        Body::SocketTotals(totals) => {
            totals.local = None;
            totals.descriptor = 0;
            totals.handle = 0;
        }
        Body::DnsQuery(query) => {
            query.transaction_id = 0;
            query.server = None;
        }
        Body::DnsAnswer(answer) => {
            answer.transaction_id = 0;
            answer.server = None;
        }
        Body::TlsClientHello(hello) => {
            hello.protocols = Vec::new();
            hello.handle = 0;
        }
        Body::HttpRequest(request) => request.handle = 0,
        Body::ProcessExec(exec) => {
            exec.requested_path = String::new();
            exec.arguments = Vec::new();
        }
        Body::ProviderAccess(access) => {
            **access = proto::ProviderAccess {
                method: access.method,
                authority: std::mem::take(&mut access.authority),
                android_user: access.android_user,
                uri: access.uri.take(),
                call_method: access.call_method.take(),
                call_argument: access.call_argument.take(),
                result_rows: access.result_rows,
                transaction: access.transaction.take().map(light_transaction),
                ..proto::ProviderAccess::default()
            }
        }
        Body::ServiceCall(call) => {
            **call = proto::ServiceCall {
                service: call.service.take(),
                method: call.method.take(),
                method_source: call.method_source,
                result_count: call.result_count,
                transaction: call.transaction.take().map(light_transaction),
                ..proto::ServiceCall::default()
            }
        }
        // Small, or nothing in them can be done without.
        Body::FileRename(_)
        | Body::FileUnlink(_)
        | Body::ProcessStart(_)
        | Body::ProcessExit(_)
        | Body::ProcessImportance(_)
        | Body::ProcessName(_)
        | Body::PackageChange(_)
        | Body::BlindSpot(_)
        | Body::PhaseMark(_) => {}
    }
}

fn light_transaction(transaction: proto::BinderTransaction) -> proto::BinderTransaction {
    let proto::BinderTransaction { interface, code, owner, cut, decode_error, exception, .. } = transaction;
    let owner = owner.map(|owner| proto::BinderOwner {
        user_id: owner.user_id,
        app: owner.app,
        ..proto::BinderOwner::default()
    });
    proto::BinderTransaction {
        interface,
        code,
        owner,
        cut,
        decode_error,
        exception,
        ..proto::BinderTransaction::default()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use prost::Message as _;

    use super::*;
    use crate::event::{self, EventKind};
    use crate::wire::strategies;

    #[test]
    fn a_light_event_of_every_kind_says_the_same_with_less() {
        for kind in EventKind::ALL {
            proptest!(ProptestConfig::with_cases(64), |(event in strategies::event_of(*kind))| {
                let full = proto::Event::from(&event);
                let mut light = full.clone();
                lighten_event(&mut light);
                prop_assert!(light.encoded_len() <= full.encoded_len());
                let read = event::Event::try_from(light.clone()).unwrap();
                let common = |event: &event::Event| {
                    let event::Event { sequence, time_ns, process, user_id, app, phase, probe, fidelity, outcome, .. } =
                        event.clone();
                    (sequence, time_ns, process.key, process.name, user_id, app, phase, probe, fidelity, outcome)
                };
                prop_assert_eq!(common(&read), common(&event));
                prop_assert_eq!(read.kind(), *kind);
                prop_assert_eq!(read.body.names(), event.body.names());
                prop_assert_eq!(read.body.paths().last().copied(), event.body.paths().last().copied());
                let mut again = light.clone();
                lighten_event(&mut again);
                prop_assert_eq!(again, light);
            });
        }
    }

    proptest! {
        #[test]
        fn any_entry_can_be_read_back(entry in strategies::stream_entry()) {
            let mut light = proto::StreamEntry::from(&entry);
            lighten(&mut light);
            let read = event::StreamEntry::try_from(light).unwrap();
            if let event::StreamEntry::Gap(_) = entry {
                prop_assert_eq!(read, entry);
            }
        }
    }
}
