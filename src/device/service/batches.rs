//! The stream of batches of one subscriber.

use std::sync::Arc;

use prost::Message as _;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use crate::device::event_bus::Subscription;
use crate::event::StreamEntry;
use crate::wire::proto;

/// Encoded bytes of a batch, about: well below the 4 MiB that clients take by default, and enough that the cost of a
/// message does not count.
const BATCH_BYTES: usize = 256 * 1024;
/// Memory of the entries taken from the spool at a time. In memory an entry is larger than encoded, so this is about one
/// batch.
const TAKE_BYTES: usize = 2 * BATCH_BYTES;

/// Sends the subscription's entries until its end or until the client goes.
pub(super) fn stream(mut subscription: Subscription) -> ReceiverStream<Result<proto::StreamEventsResponse, Status>> {
    // One batch ahead of the connection. What a slow client has not read waits in the spool, where it is bounded.
    let (sender, receiver) = mpsc::channel(1);
    tokio::spawn(async move {
        loop {
            let entries = tokio::select! {
                // A client that goes while nothing happens must not leave its subscription behind.
                () = sender.closed() => return,
                entries = subscription.next(TAKE_BYTES) => entries,
            };
            let Some(entries) = entries else { return };
            for batch in batches(&entries) {
                if sender.send(Ok(batch)).await.is_err() {
                    return;
                }
            }
        }
    });
    ReceiverStream::new(receiver)
}

/// Divides entries into batches. An entry larger than the budget is a batch of its own.
fn batches(entries: &[Arc<StreamEntry>]) -> Vec<proto::StreamEventsResponse> {
    let mut batches = Vec::new();
    let mut batch = proto::StreamEventsResponse::default();
    let mut bytes = 0;
    for entry in entries {
        let entry = proto::StreamEntry::from(&**entry);
        let length = entry.encoded_len();
        if bytes + length > BATCH_BYTES && !batch.entries.is_empty() {
            batches.push(std::mem::take(&mut batch));
            bytes = 0;
        }
        bytes += length;
        batch.entries.push(entry);
    }
    if !batch.entries.is_empty() {
        batches.push(batch);
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Gap, Stage};

    #[test]
    fn batches_stay_within_the_budget_and_lose_nothing() {
        let gap = |reason: String| {
            Arc::new(StreamEntry::Gap(Gap {
                stage: Stage::Probe,
                reason,
                count: 1,
                families: Vec::new(),
                first_sequence: None,
                last_sequence: None,
                from_ns: 1,
                to_ns: 2,
            }))
        };
        let mut entries: Vec<_> = (0..1000).map(|_| gap("x".repeat(1000))).collect();
        entries.insert(500, gap("y".repeat(BATCH_BYTES + 1)));
        let batches = batches(&entries);
        assert_eq!(batches.iter().map(|batch| batch.entries.len()).sum::<usize>(), 1001);
        let within =
            batches.iter().filter(|batch| batch.encoded_len() <= BATCH_BYTES + 4 * batch.entries.len()).count();
        assert_eq!(within, batches.len() - 1, "only the oversized entry is over");
        assert!(batches.len() <= 8, "{}", batches.len());
        assert!(super::batches(&[]).is_empty());
    }
}
