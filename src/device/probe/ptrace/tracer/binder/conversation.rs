//! What a thread has said to the driver, and waits for: how an end finds its call.

use std::collections::VecDeque;

use super::super::super::super::record_layout::{HeaderFields, binder_ending};
use super::commands::{Failure, Heard, Transaction};

/// So many calls deep, and so many records of calls that were sent and not yet taken: no library does more, and whoever does is not
/// to fill the memory. The kernel programs go as deep.
pub(super) const MOST: usize = 16;
/// So many things that were sent and not yet taken, without their records.
const MOST_UNTAKEN: usize = 1024;

/// What is known of a call that was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Request {
    /// The record that tells it.
    Wanted(Vec<u8>),
    /// Of an interface that nobody asked for.
    Unwanted,
    /// Its parcel could not be read, or there was no room for its record: it is lost, unless the driver refuses it.
    Unknown,
}

/// A call that was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Call {
    /// Who called, and when.
    pub(super) header: HeaderFields,
    /// Pairs the record of the call with that of its end.
    pub(super) number: u64,
    pub(super) one_way: bool,
    pub(super) request: Request,
}

/// What was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Sent {
    Call(Call),
    /// The answer to a call that the thread serves.
    Reply,
}

/// What a thread is in the middle of.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Open {
    /// It waits for the end of this call, which was told.
    Waiting(HeaderFields, u64),
    /// It waits for the end of a call that is of no interest.
    WaitingUntold,
    /// It serves a call meanwhile.
    Serving,
}

/// What is to be told.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// A call, by this record of these sessions.
    Call(Vec<u8>, u64),
    /// A call that nobody knows, of these sessions.
    Lost(u64),
    /// The end of the call of this number: `binder_ending`, with the answer if there is one.
    End(HeaderFields, u64, u32, Option<Transaction>),
}

/// Of one thread. It mirrors the driver's own stack, which answers the calls of a thread in one order only.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Conversation {
    /// Sent; the driver has not said yet that it took it. The oldest first: the driver says so in this order.
    untaken: VecDeque<Sent>,
    /// The uppermost last.
    open: Vec<Open>,
}

impl Conversation {
    /// Nothing is under way.
    pub(super) fn is_over(&self) -> bool {
        self.untaken.is_empty() && self.open.is_empty()
    }

    /// The driver has read this.
    pub(super) fn sent(&mut self, mut sent: Sent, told: &mut Vec<Told>) {
        if sent == Sent::Reply && self.open.last() == Some(&Open::Serving) {
            self.open.pop();
        }
        if let Some(request @ Request::Wanted(_)) = sent.request_mut()
            && self.untaken.iter_mut().filter_map(Sent::request_mut).filter(|one| one.is_carried()).count() >= MOST
        {
            *request = Request::Unknown;
        }
        self.untaken.push_back(sent);
        if self.untaken.len() > MOST_UNTAKEN
            && let Some(Sent::Call(call)) = self.untaken.pop_front()
            && call.request != Request::Unwanted
        {
            told.push(Told::Lost(call.header.sessions));
        }
    }

    /// The driver has said this.
    pub(super) fn heard(&mut self, heard: Heard, told: &mut Vec<Told>) {
        match heard {
            Heard::Taken => {
                if let Some(Sent::Call(call)) = self.untaken.pop_front() {
                    self.taken(call, told);
                }
            }
            // What was refused never reached anybody: nothing is told of it, as it is under the kernel programs.
            Heard::Failure(_) if self.untaken.pop_front().is_some() => {}
            Heard::Failure(failure) => {
                // A thread that serves does not wait.
                if self.open.last().is_some_and(|open| *open != Open::Serving) {
                    let ending = match failure {
                        Failure::Dead => binder_ending::DEAD,
                        Failure::Failed => binder_ending::FAILED,
                        Failure::Frozen => binder_ending::FROZEN,
                    };
                    self.ended(ending, None, told);
                }
            }
            Heard::Reply(answer) => {
                while self.open.last() == Some(&Open::Serving) {
                    self.open.pop();
                }
                self.ended(binder_ending::REPLY, Some(answer), told);
            }
            // Only what comes while the thread waits for one of its own calls can come between that and its end.
            Heard::Call(call) if !call.one_way() && !self.open.is_empty() => self.push(Open::Serving),
            Heard::Call(_) => {}
        }
    }

    fn taken(&mut self, call: Call, told: &mut Vec<Told>) {
        let Call { header, number, one_way, request } = call;
        let open = match &request {
            Request::Wanted(_) => Open::Waiting(header.clone(), number),
            Request::Unwanted | Request::Unknown => Open::WaitingUntold,
        };
        match request {
            Request::Wanted(record) => told.push(Told::Call(record, header.sessions)),
            Request::Unknown => told.push(Told::Lost(header.sessions)),
            Request::Unwanted => {}
        }
        if !one_way {
            // The driver lets no thread call while it waits for an answer: what is on top has ended without being seen to.
            while self.open.last().is_some_and(|open| *open != Open::Serving) {
                self.open.pop();
            }
            self.push(open);
        }
    }

    fn push(&mut self, open: Open) {
        self.open.push(open);
        if self.open.len() > MOST {
            // Its end will not be known; those above it still find theirs.
            self.open.remove(0);
        }
    }

    fn ended(&mut self, ending: u32, answer: Option<Transaction>, told: &mut Vec<Told>) {
        if let Some(Open::Waiting(header, number)) = self.open.pop() {
            told.push(Told::End(header, number, ending, answer));
        }
    }

    /// Nothing more will be heard, or nobody of these sessions will listen: what was sent is told as it is.
    pub(super) fn unfinished(&self, sessions: u64) -> Vec<Told> {
        self.untaken.iter().filter_map(|sent| sent.unfinished(sessions)).collect()
    }
}

impl Request {
    fn is_carried(&self) -> bool {
        matches!(self, Self::Wanted(_))
    }
}

impl Sent {
    fn request_mut(&mut self) -> Option<&mut Request> {
        match self {
            Self::Call(call) => Some(&mut call.request),
            Self::Reply => None,
        }
    }

    /// What is told of it to these sessions when it is not known what became of it.
    pub(super) fn unfinished(&self, sessions: u64) -> Option<Told> {
        let Self::Call(call) = self else { return None };
        let sessions = call.header.sessions & sessions;
        match &call.request {
            _ if sessions == 0 => None,
            Request::Wanted(record) => Some(Told::Call(record.clone(), sessions)),
            Request::Unknown => Some(Told::Lost(sessions)),
            Request::Unwanted => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn call(number: u8) -> Call {
        Call {
            header: HeaderFields { sessions: 4, ..HeaderFields::default() },
            number: number.into(),
            one_way: false,
            request: Request::Wanted(vec![number]),
        }
    }

    fn one_way(number: u8) -> Call {
        Call { one_way: true, ..call(number) }
    }

    fn unwanted(number: u8) -> Call {
        Call { request: Request::Unwanted, ..call(number) }
    }

    const SERVED: Heard = Heard::Call(Transaction {
        handle: 0,
        code: 1,
        flags: 0x10,
        data_size: 0,
        offsets_size: 0,
        data: 0,
        offsets: 0,
    });

    fn reply() -> Heard {
        Heard::Reply(Transaction::default())
    }

    #[derive(Debug, Clone)]
    enum Step {
        Sent(Sent),
        Heard(Heard),
    }

    /// What is told, in short: a call by its number, an end by its number and how, what is lost by zero.
    fn told(steps: Vec<Step>) -> (Vec<(u64, u32)>, Conversation) {
        let mut conversation = Conversation::default();
        let mut told = Vec::new();
        for step in steps {
            match step {
                Step::Sent(sent) => conversation.sent(sent, &mut told),
                Step::Heard(heard) => conversation.heard(heard, &mut told),
            }
        }
        let short = told.iter().map(|told| match told {
            Told::Call(record, _) => (record[0].into(), 0),
            Told::Lost(_) => (0, 0),
            Told::End(_, number, ending, _) => (*number, *ending),
        });
        (short.collect(), conversation)
    }

    fn sent(call: Call) -> Step {
        Step::Sent(Sent::Call(call))
    }

    fn heard(heard: Heard) -> Step {
        Step::Heard(heard)
    }

    #[test]
    fn a_call_is_told_when_it_is_taken_and_its_end_when_it_comes() {
        let (seen, conversation) = told(vec![sent(call(1)), heard(Heard::Taken), heard(reply())]);
        assert_eq!(seen, [(1, 0), (1, binder_ending::REPLY)]);
        assert!(conversation.is_over());
        let (seen, conversation) = told(vec![sent(one_way(2)), heard(Heard::Taken)]);
        assert_eq!(seen, [(2, 0)]);
        assert!(conversation.is_over());
        let dead = heard(Heard::Failure(Failure::Dead));
        let (seen, _) = told(vec![sent(call(3)), heard(Heard::Taken), dead]);
        assert_eq!(seen, [(3, 0), (3, binder_ending::DEAD)]);
    }

    #[test]
    fn what_is_refused_is_not_told_and_ends_no_other_call() {
        let failed = || heard(Heard::Failure(Failure::Failed));
        let (seen, conversation) = told(vec![sent(call(1)), failed()]);
        assert!(seen.is_empty() && conversation.is_over());
        let (seen, _) =
            told(vec![sent(call(1)), sent(call(2)), heard(Heard::Taken), failed(), heard(reply()), heard(reply())]);
        assert_eq!(seen, [(1, 0), (1, binder_ending::REPLY)]);
        // While it serves, a call of its own is refused.
        let serving = [sent(call(1)), heard(Heard::Taken), heard(SERVED), sent(call(2)), failed(), failed()].to_vec();
        let answered = [Step::Sent(Sent::Reply), heard(Heard::Taken), heard(reply())].to_vec();
        let (seen, conversation) = told([serving, answered].concat());
        assert_eq!(seen, [(1, 0), (1, binder_ending::REPLY)]);
        assert!(conversation.is_over());
    }

    #[test]
    fn calls_within_calls_end_with_their_own_replies() {
        let steps = vec![
            sent(call(1)),
            heard(Heard::Taken),
            heard(SERVED),
            sent(call(2)),
            heard(Heard::Taken),
            heard(reply()),
            Step::Sent(Sent::Reply),
            heard(Heard::Taken),
            heard(reply()),
        ];
        let (seen, conversation) = told(steps);
        assert_eq!(seen, [(1, 0), (2, 0), (2, binder_ending::REPLY), (1, binder_ending::REPLY)]);
        assert!(conversation.is_over());
    }

    #[test]
    fn calls_of_no_interest_keep_their_place() {
        let steps = vec![sent(unwanted(1)), sent(one_way(2)), heard(Heard::Taken), heard(Heard::Taken), heard(reply())];
        let (seen, conversation) = told(steps);
        assert_eq!(seen, [(2, 0)]);
        assert!(conversation.is_over());
    }

    #[test]
    fn a_reply_to_a_call_from_before_the_start_is_nobodys() {
        let (seen, _) = told(vec![heard(reply()), heard(SERVED), heard(Heard::Taken), sent(call(1))]);
        assert!(seen.is_empty());
    }

    #[test]
    fn what_is_unfinished_is_told_to_the_sessions_that_have_it() {
        let (_, conversation) = told(vec![sent(call(1)), Step::Sent(Sent::Reply), sent(unwanted(2))]);
        assert_eq!(conversation.unfinished(u64::MAX), [Told::Call(vec![1], 4)]);
        assert!(conversation.unfinished(3).is_empty());
        let unreadable = Call { request: Request::Unknown, ..call(1) };
        assert_eq!(told(vec![sent(unreadable), heard(Heard::Taken)]).0, [(0, 0)]);
    }

    #[test]
    fn whoever_never_listens_fills_no_memory_and_every_call_is_accounted_for() {
        let sends = (0..3000).map(|_| sent(one_way(7)));
        let takes = (0..3000).map(|_| heard(Heard::Taken));
        let (seen, conversation) = told(sends.chain(takes).collect());
        assert_eq!(seen.len(), 3000);
        assert!(seen.iter().filter(|(number, _)| *number == 7).count() <= MOST);
        assert!(conversation.is_over());
        let (seen, _) = told((0..40).flat_map(|_| [sent(one_way(7)), heard(Heard::Taken)]).collect());
        assert_eq!(seen, [(7, 0); 40]);
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            (1_u8..200).prop_map(|number| sent(call(number))),
            (1_u8..200).prop_map(|number| sent(one_way(number))),
            (1_u8..200).prop_map(|number| sent(unwanted(number))),
            Just(Step::Sent(Sent::Reply)),
            Just(heard(Heard::Taken)),
            Just(heard(SERVED)),
            Just(heard(reply())),
            Just(heard(Heard::Failure(Failure::Frozen))),
        ]
    }

    proptest! {
        /// Each call is told once at most, or counted as lost, and nothing grows beyond its bounds.
        #[test]
        fn any_conversation_stays_within_its_bounds(steps in proptest::collection::vec(step(), 0..300)) {
            let calls = steps.iter().filter(|step| matches!(step, Step::Sent(Sent::Call(_)))).count();
            let (seen, conversation) = told(steps);
            prop_assert!(seen.iter().filter(|(_, ending)| *ending == 0).count() <= calls);
            prop_assert!(seen.iter().filter(|(_, ending)| *ending != 0).count() <= calls);
            prop_assert!(conversation.untaken.len() <= MOST_UNTAKEN && conversation.open.len() <= MOST);
        }
    }
}
