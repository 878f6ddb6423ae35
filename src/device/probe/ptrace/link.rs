//! What the probe and its tracer process say to each other, over a pair of sockets.
//!
//! Every message is its length (u32, of what follows), a kind (u8) and its content; numbers are little-endian.

use std::collections::BTreeSet;

use crate::event::ProgramCounters;

/// No message is longer.
const LONGEST: usize = 16 << 20;

/// From the probe to the tracer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Command {
    /// Trace these for a session. `own`: the process that asks, which is never traced.
    Select { slot: u8, own: u32, trees: BTreeSet<u32>, users: BTreeSet<u32> },
    /// Trace no longer for a session.
    Deselect { slot: u8 },
}

/// From the tracer to the probe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Report {
    /// The first: it works here, or why not.
    Ready(Result<(), String>),
    /// Records, each its length (u32) and its bytes.
    Records(Vec<u8>),
    /// A selection is traced from now on.
    Selected,
    /// It cannot be: a process of it is not there.
    NoSuchProcess(u32),
    /// It cannot be, for this reason.
    Refused(String),
    /// Everything of the session has been sent.
    Deselected,
    /// The accounts: of the tracer, and what was lost for each session.
    Counters(ProgramCounters, Vec<(u8, u64)>),
}

impl Command {
    pub(super) fn encode(&self) -> Vec<u8> {
        match self {
            Self::Select { slot, own, trees, users } => message(1, |bytes| {
                bytes.push(*slot);
                for list in [&BTreeSet::from([*own]), trees, users] {
                    bytes.extend(u32::try_from(list.len()).unwrap_or(u32::MAX).to_le_bytes());
                    list.iter().for_each(|number| bytes.extend(number.to_le_bytes()));
                }
            }),
            Self::Deselect { slot } => message(2, |bytes| bytes.push(*slot)),
        }
    }

    fn decode(kind: u8, content: &[u8]) -> Option<Self> {
        let mut reader = Reader(content);
        let slot = reader.byte()?;
        match kind {
            1 => {
                let own = reader.numbers()?.first().copied()?;
                Some(Self::Select { slot, own, trees: reader.numbers()?, users: reader.numbers()? })
            }
            2 => Some(Self::Deselect { slot }),
            _ => None,
        }
    }
}

impl Report {
    pub(super) fn encode(&self) -> Vec<u8> {
        let text = |kind, text: &str| message(kind, |bytes| bytes.extend(text.as_bytes()));
        match self {
            Self::Ready(Ok(())) => message(16, |_| {}),
            Self::Ready(Err(reason)) => text(17, reason),
            Self::Records(records) => message(18, |bytes| bytes.extend(records)),
            Self::Selected => message(19, |_| {}),
            Self::NoSuchProcess(pid) => message(20, |bytes| bytes.extend(pid.to_le_bytes())),
            Self::Refused(reason) => text(21, reason),
            Self::Deselected => message(22, |_| {}),
            Self::Counters(program, lost) => message(23, |bytes| {
                for number in [program.seen, program.submitted, program.filtered, program.aggregated, program.lost] {
                    bytes.extend(number.to_le_bytes());
                }
                for (slot, count) in lost {
                    bytes.push(*slot);
                    bytes.extend(count.to_le_bytes());
                }
            }),
        }
    }

    fn decode(kind: u8, content: &[u8]) -> Option<Self> {
        let mut reader = Reader(content);
        let text = || String::from_utf8_lossy(content).into_owned();
        Some(match kind {
            16 => Self::Ready(Ok(())),
            17 => Self::Ready(Err(text())),
            18 => Self::Records(content.to_vec()),
            19 => Self::Selected,
            20 => Self::NoSuchProcess(reader.u32()?),
            21 => Self::Refused(text()),
            22 => Self::Deselected,
            23 => {
                let mut number = || reader.u64();
                let program = ProgramCounters {
                    program: super::PROGRAM_NAME.to_owned(),
                    seen: number()?,
                    submitted: number()?,
                    filtered: number()?,
                    aggregated: number()?,
                    lost: number()?,
                };
                let mut lost = Vec::new();
                while let Some(slot) = reader.byte() {
                    lost.push((slot, reader.u64()?));
                }
                Self::Counters(program, lost)
            }
            _ => return None,
        })
    }
}

fn message(kind: u8, fill: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut bytes = vec![0, 0, 0, 0, kind];
    fill(&mut bytes);
    let length = u32::try_from(bytes.len() - 4).unwrap_or(u32::MAX).to_le_bytes();
    if let Some(place) = bytes.first_chunk_mut::<4>() {
        *place = length;
    }
    bytes
}

/// The records of [`Report::Records`].
pub(super) fn records(mut content: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let (length, rest) = content.split_first_chunk::<4>()?;
        let (record, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
        content = rest;
        Some(record)
    })
}

struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn u32(&mut self) -> Option<u32> {
        let (first, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u32::from_le_bytes(*first))
    }

    fn u64(&mut self) -> Option<u64> {
        let (first, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u64::from_le_bytes(*first))
    }

    fn numbers(&mut self) -> Option<BTreeSet<u32>> {
        let count = self.u32()?;
        (0..count).map(|_| self.u32()).collect()
    }
}

/// The other side sent what is no message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Garbled;

/// Bytes as they come, and the messages in them.
#[derive(Debug, Default)]
pub(super) struct Inbox(Vec<u8>);

impl Inbox {
    pub(super) fn add(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    fn next<T>(&mut self, decode: impl Fn(u8, &[u8]) -> Option<T>) -> Result<Option<T>, Garbled> {
        let Some((length, rest)) = self.0.split_first_chunk::<4>() else { return Ok(None) };
        let length = u32::from_le_bytes(*length) as usize;
        if length == 0 || length > LONGEST {
            return Err(Garbled);
        }
        let Some((kind, content)) = rest.get(..length).and_then(<[u8]>::split_first) else { return Ok(None) };
        let message = decode(*kind, content).ok_or(Garbled)?;
        self.0.drain(..4 + length);
        Ok(Some(message))
    }

    pub(super) fn command(&mut self) -> Result<Option<Command>, Garbled> {
        self.next(Command::decode)
    }

    pub(super) fn report(&mut self) -> Result<Option<Report>, Garbled> {
        self.next(Report::decode)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn messages_come_back_however_they_are_cut() {
        let commands = [
            Command::Select { slot: 3, own: 9, trees: [1, 2].into(), users: [10_123].into() },
            Command::Deselect { slot: 63 },
        ];
        let program = ProgramCounters {
            program: super::super::PROGRAM_NAME.to_owned(),
            seen: 6,
            submitted: 1,
            filtered: 2,
            aggregated: 3,
            lost: 0,
        };
        let reports = [
            Report::Ready(Ok(())),
            Report::Ready(Err("no".to_owned())),
            Report::Records(vec![1, 0, 0, 0, 7]),
            Report::Selected,
            Report::NoSuchProcess(7),
            Report::Refused("why".to_owned()),
            Report::Deselected,
            Report::Counters(program, vec![(3, 4), (5, 6)]),
        ];
        let mut inbox = Inbox::default();
        for command in &commands {
            for byte in command.encode() {
                assert_eq!(inbox.command(), Ok(None));
                inbox.add(&[byte]);
            }
            assert_eq!(inbox.command(), Ok(Some(command.clone())));
        }
        reports.iter().for_each(|report| inbox.add(&report.encode()));
        for report in reports {
            assert_eq!(inbox.report(), Ok(Some(report)));
        }
        assert_eq!(records(&[1, 0, 0, 0, 7, 0, 0, 0, 0, 9]).collect::<Vec<_>>(), [&[7][..], &[]]);
    }

    proptest! {
        #[test]
        fn any_bytes_are_messages_or_refused(bytes: Vec<u8>) {
            let mut inbox = Inbox::default();
            inbox.add(&bytes);
            while let Ok(Some(_)) = inbox.report() {}
            let mut inbox = Inbox::default();
            inbox.add(&bytes);
            while let Ok(Some(_)) = inbox.command() {}
            prop_assert!(records(&bytes).count() <= bytes.len());
        }
    }
}
