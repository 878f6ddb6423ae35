//! `Watch`: conditions of a client, held against the entries of a session.

use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use super::status::{session_status, wire_status};
use crate::device::event_bus::{Subscription, Watch};
use crate::device::session::{SessionError, SessionManager};
use crate::event::{EventFilter, WatchCondition, WatchNews};
use crate::wire::proto;

/// Memory of the entries looked at in one go.
const TAKE_BYTES: usize = 512 * 1024;

/// Answers a request with a stream of news.
pub(super) fn watch(
    sessions: &SessionManager,
    request: proto::WatchRequest,
) -> Result<ReceiverStream<Result<proto::WatchResponse, Status>>, Status> {
    let proto::WatchRequest { session_id, from_sequence, from_now, conditions, most_matches } = request;
    if from_now && from_sequence > 0 {
        return Err(Status::invalid_argument("from_now and from_sequence exclude each other"));
    }
    let conditions = conditions.into_iter().map(WatchCondition::try_from).collect::<Result<_, _>>();
    let conditions = conditions.map_err(|error| wire_status(&error))?;
    let watch = Watch::new(conditions, most_matches).map_err(|error| session_status(&SessionError::Watch(error)))?;
    let from = if from_now {
        let spool = sessions.spool(&session_id).map_err(|error| session_status(&error))?;
        spool.account().events.saturating_add(1)
    } else {
        from_sequence
    };
    let subscription = sessions.subscribe(&session_id, from, EventFilter::default());
    Ok(stream(subscription.map_err(|error| session_status(&error))?, watch))
}

fn stream(mut subscription: Subscription, mut watch: Watch) -> ReceiverStream<Result<proto::WatchResponse, Status>> {
    let (sender, receiver) = mpsc::channel(1);
    tokio::spawn(async move {
        loop {
            let entries = tokio::select! {
                () = sender.closed() => return,
                entries = subscription.next(TAKE_BYTES) => entries,
            };
            let Some(entries) = entries else { return };
            for entry in entries {
                for news in watch.look(&entry) {
                    let is_end = matches!(news, WatchNews::End(_));
                    if sender.send(Ok((&news).into())).await.is_err() || is_end {
                        return;
                    }
                }
            }
        }
    });
    ReceiverStream::new(receiver)
}
