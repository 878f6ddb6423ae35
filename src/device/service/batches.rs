//! The stream of batches of one subscriber.

use std::collections::VecDeque;
use std::sync::Arc;

use prost::Message as _;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use crate::device::event_bus::{DropQueue, QueueLimits, Subscription};
use crate::event::StreamEntry;
use crate::wire::{lighten, proto};

/// Encoded bytes of a batch, about: well below the 4 MiB that clients take by default, and enough that the cost of a
/// message does not count.
const BATCH_BYTES: usize = 256 * 1024;
/// Memory of the entries taken from the spool at a time. In memory an entry is larger than encoded, so this is about one
/// batch.
const TAKE_BYTES: usize = 2 * BATCH_BYTES;

/// Memory of what waits for a subscriber that would rather miss events than wait.
const QUEUE_BYTES: usize = 8 << 20;
const DEFAULT_QUEUE_EVENTS: u32 = 4096;
const LONGEST_QUEUE_EVENTS: u32 = 65_536;

/// How a subscriber wants its stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Manner {
    /// The queue of one that would rather miss events than wait.
    queue: Option<QueueLimits>,
    /// Only who did what, when, and how it ended.
    light: bool,
}

impl Manner {
    /// What a request says.
    pub(super) fn of(when_slow: i32, queue_events: u32, detail: i32) -> Result<Self, Status> {
        let unknown = |what: &str, number: i32| {
            Status::invalid_argument(format!("{what} {number} is not known to this version; use a newer one"))
        };
        let drops = match proto::SlowPolicy::try_from(when_slow) {
            Ok(proto::SlowPolicy::Drop) => true,
            Ok(proto::SlowPolicy::WaitOnSpool | proto::SlowPolicy::Unspecified) => false,
            Err(_) => return Err(unknown("when_slow", when_slow)),
        };
        let light = match proto::Detail::try_from(detail) {
            Ok(proto::Detail::Light) => true,
            Ok(proto::Detail::Full | proto::Detail::Unspecified) => false,
            Err(_) => return Err(unknown("detail", detail)),
        };
        if !drops && queue_events > 0 {
            let message = "queue_events is for SLOW_POLICY_DROP: a subscriber that waits on the spool has no queue";
            return Err(Status::invalid_argument(message));
        }
        if queue_events > LONGEST_QUEUE_EVENTS {
            let message = format!("a queue of {queue_events} events; at most {LONGEST_QUEUE_EVENTS} may wait");
            return Err(Status::invalid_argument(message));
        }
        let events = if queue_events == 0 { DEFAULT_QUEUE_EVENTS } else { queue_events };
        let events = usize::try_from(events).unwrap_or(usize::MAX);
        Ok(Self { queue: drops.then_some(QueueLimits { events, bytes: QUEUE_BYTES }), light })
    }
}

type Sender = mpsc::Sender<Result<proto::StreamEventsResponse, Status>>;

/// Sends the subscription's entries until its end or until the client goes.
pub(super) fn stream(
    subscription: Subscription,
    manner: Manner,
) -> ReceiverStream<Result<proto::StreamEventsResponse, Status>> {
    // One batch ahead of the connection. What a slow client has not read waits in the spool, or in its queue; both are
    // bounded.
    let (sender, receiver) = mpsc::channel(1);
    tokio::spawn(async move {
        match manner.queue {
            None => send_all(subscription, manner.light, &sender).await,
            Some(limits) => send_newest(subscription, DropQueue::new(limits), manner.light, &sender).await,
        }
    });
    ReceiverStream::new(receiver)
}

async fn send_all(mut subscription: Subscription, light: bool, sender: &Sender) {
    loop {
        let entries = tokio::select! {
            // A client that goes while nothing happens must not leave its subscription behind.
            () = sender.closed() => return,
            entries = subscription.next(TAKE_BYTES) => entries,
        };
        let Some(entries) = entries else { return };
        for batch in batches(&entries, light) {
            if sender.send(Ok(batch)).await.is_err() {
                return;
            }
        }
    }
}

/// Reads at the pace of the session and sends at that of the client.
async fn send_newest(mut subscription: Subscription, mut queue: DropQueue, light: bool, sender: &Sender) {
    let mut ready = VecDeque::new();
    let mut ended = false;
    loop {
        if ready.is_empty() && queue.is_empty() && ended {
            return;
        }
        tokio::select! {
            () = sender.closed() => return,
            place = sender.reserve(), if !(ready.is_empty() && queue.is_empty()) => {
                let Ok(place) = place else { return };
                if ready.is_empty() {
                    // Not more than about one batch: what is taken out can no longer be dropped.
                    ready.extend(batches(&queue.take(BATCH_BYTES), light));
                }
                if let Some(batch) = ready.pop_front() {
                    place.send(Ok(batch));
                }
            }
            entries = subscription.next(TAKE_BYTES), if !ended => match entries {
                Some(entries) => entries.into_iter().for_each(|entry| queue.push(entry)),
                None => ended = true,
            },
        }
    }
}

/// Divides entries into batches. An entry larger than the budget is a batch of its own.
fn batches(entries: &[Arc<StreamEntry>], light: bool) -> Vec<proto::StreamEventsResponse> {
    let mut batches = Vec::new();
    let mut batch = proto::StreamEventsResponse::default();
    let mut bytes = 0;
    for entry in entries {
        let mut entry = proto::StreamEntry::from(&**entry);
        if light {
            lighten(&mut entry);
        }
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
        let batches = batches(&entries, false);
        assert_eq!(batches.iter().map(|batch| batch.entries.len()).sum::<usize>(), 1001);
        let within =
            batches.iter().filter(|batch| batch.encoded_len() <= BATCH_BYTES + 4 * batch.entries.len()).count();
        assert_eq!(within, batches.len() - 1, "only the oversized entry is over");
        assert!(batches.len() <= 8, "{}", batches.len());
        assert!(super::batches(&[], false).is_empty());
    }
}
