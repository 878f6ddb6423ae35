//! A stream that survives the loss of its connection.
//!
//! The daemon keeps the events of a session; a reader that comes back names the first one it has not got. Between the two
//! nothing is lost and nothing comes twice, as long as the daemon still holds it: what it does not is a gap in the stream.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;

use super::{ClientError, DaemonClient, EventStream};
use crate::wire::proto::{self, stream_entry::Entry};

/// The first pause before trying again; each one is twice as long as the one before, up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// What a resuming stream tells.
#[derive(Debug)]
pub enum Delivery {
    /// A message, with nothing in it that was delivered before. Boxed: the others are small.
    Message(Box<proto::StreamEventsResponse>),
    /// The connection was lost, for this reason. What follows is that it is back, or that it failed.
    Lost(String),
    /// The connection is back.
    Resumed,
    /// The stream cannot be had any more. Nothing follows.
    Failed(ClientError),
}

/// The messages of one session, over as many connections as it takes.
#[derive(Debug)]
pub struct ResumingStream {
    deliveries: mpsc::Receiver<Delivery>,
}

impl ResumingStream {
    /// Goes on with a stream that was just opened. A lost connection is tried again for `patience`, counted anew whenever
    /// something came; none at all when it is zero.
    #[must_use]
    pub fn new(client: DaemonClient, session_id: String, stream: EventStream, patience: Duration) -> Self {
        // One message ahead: what is not fetched waits in the daemon's spool, where it is bounded.
        let (sender, deliveries) = mpsc::channel(1);
        let pump = Pump { client, session_id, patience, place: Place::default(), sender };
        tokio::spawn(pump.run(stream));
        Self { deliveries }
    }

    /// The next thing to tell; nothing after the session's end, or after a failure. Cancelling it loses nothing.
    pub async fn next(&mut self) -> Option<Delivery> {
        self.deliveries.recv().await
    }
}

struct Pump {
    client: DaemonClient,
    session_id: String,
    patience: Duration,
    place: Place,
    sender: mpsc::Sender<Delivery>,
}

impl Pump {
    async fn run(mut self, mut stream: EventStream) {
        let mut give_up_at = None;
        loop {
            let lost = tokio::select! {
                () = self.sender.closed() => return,
                message = stream.next() => match message {
                    Ok(Some(message)) => {
                        let fresh = self.place.fresh(message);
                        if fresh.entries.is_empty() {
                            continue;
                        }
                        give_up_at = None;
                        if self.sender.send(Delivery::Message(Box::new(fresh))).await.is_err() || self.place.ended {
                            return;
                        }
                        continue;
                    }
                    Ok(None) => self.client.gone("it closed the stream"),
                    Err(error) => error,
                },
            };
            let ClientError::Gone { detail, .. } = &lost else { return self.fail(lost).await };
            if self.patience.is_zero() {
                return self.fail(lost).await;
            }
            if self.sender.send(Delivery::Lost(detail.clone())).await.is_err() {
                return;
            }
            let give_up_at = *give_up_at.get_or_insert_with(|| Instant::now() + self.patience);
            stream = match self.again(give_up_at, lost).await {
                Ok(stream) => stream,
                Err(error) => return self.fail(error).await,
            };
            if self.sender.send(Delivery::Resumed).await.is_err() {
                return;
            }
        }
    }

    /// Tries until it works or the time is over.
    async fn again(&mut self, give_up_at: Instant, mut last: ClientError) -> Result<EventStream, ClientError> {
        let mut pause = FIRST_PAUSE;
        while Instant::now() < give_up_at {
            tokio::select! {
                () = self.sender.closed() => return Err(last),
                () = tokio::time::sleep(pause) => {}
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
            match self.client.stream_from(&self.session_id, self.place.next_sequence()).await {
                Ok(stream) => return Ok(stream),
                // The daemon is back and has no such session, or the like: waiting does not help.
                Err(
                    error @ (ClientError::Refused { .. }
                    | ClientError::NotPermitted { .. }
                    | ClientError::NotAdmitted { .. }
                    | ClientError::NotTrusted { .. }),
                ) => return Err(error),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    async fn fail(&self, error: ClientError) {
        // When nobody listens any more, nobody needs to know.
        let _ = self.sender.send(Delivery::Failed(error)).await;
    }
}

/// How far a stream has come.
#[derive(Debug, Default)]
struct Place {
    header_seen: bool,
    last_sequence: u64,
    /// Gaps since the last event: after a resumption they come again.
    gaps: Vec<proto::Gap>,
    ended: bool,
}

impl Place {
    fn next_sequence(&self) -> u64 {
        self.last_sequence.saturating_add(1)
    }

    /// Leaves out what was delivered before.
    fn fresh(&mut self, mut message: proto::StreamEventsResponse) -> proto::StreamEventsResponse {
        message.entries.retain(|entry| match &entry.entry {
            Some(Entry::Header(_)) => !std::mem::replace(&mut self.header_seen, true),
            Some(Entry::Event(event)) => {
                let fresh = event.sequence > self.last_sequence;
                if fresh {
                    self.last_sequence = event.sequence;
                    self.gaps.clear();
                }
                fresh
            }
            Some(Entry::Gap(gap)) => {
                let fresh = !self.gaps.contains(gap);
                if fresh {
                    self.gaps.push(gap.clone());
                    self.last_sequence = self.last_sequence.max(gap.last_sequence.unwrap_or(0));
                }
                fresh
            }
            Some(Entry::End(_)) => {
                self.ended = true;
                true
            }
            // Totals are cumulative: an older one again says nothing wrong, nor does a self-test or a clock. What is not
            // known is not judged.
            Some(Entry::Totals(_) | Entry::SelfTest(_) | Entry::ClockChange(_)) | None => true,
        });
        message
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(entry: Entry) -> proto::StreamEntry {
        proto::StreamEntry { entry: Some(entry) }
    }

    fn event(sequence: u64) -> proto::StreamEntry {
        entry(Entry::Event(proto::Event { sequence, ..proto::Event::default() }))
    }

    fn gap(reason: &str) -> proto::StreamEntry {
        entry(Entry::Gap(proto::Gap { reason: reason.to_owned(), ..proto::Gap::default() }))
    }

    fn header() -> proto::StreamEntry {
        entry(Entry::Header(proto::SessionHeader::default()))
    }

    #[test]
    fn what_comes_again_is_left_out() {
        let mut place = Place::default();
        let mut fresh = |entries: Vec<proto::StreamEntry>| place.fresh(proto::StreamEventsResponse { entries }).entries;
        let first = vec![header(), event(1), gap("a"), event(2), gap("b"), gap("c")];
        assert_eq!(fresh(first.clone()), first);
        // Resumed at 3: the gaps after 2 stand before it.
        assert_eq!(fresh(vec![header(), gap("b"), gap("c"), gap("d"), event(3)]), [gap("d"), event(3)]);
        // A daemon that does not heed the number asked for.
        assert_eq!(fresh(vec![header(), event(1), event(2), event(3), event(4)]), [event(4)]);
        // The same loss once more is another loss.
        assert_eq!(fresh(vec![gap("b")]), [gap("b")]);
        assert_eq!(place.next_sequence(), 5);
    }
}
