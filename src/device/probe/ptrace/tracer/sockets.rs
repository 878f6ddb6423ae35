//! Ends of sockets: what the kernel says of a socket, or what the app said.

use std::collections::HashSet;
use std::os::fd::OwnedFd;

use super::super::super::record_layout::{socket_end, u16_at};
use super::super::system::{socket_address, socket_option};
use super::memory::number;

const FAMILY_UNIX: u16 = 1;
const FAMILY_INET: u16 = 2;
const FAMILY_INET6: u16 = 10;
pub(super) const TYPE_STREAM: u16 = 1;
pub(super) const TYPE_DATAGRAM: u16 = 2;
pub(super) const TYPE_MASK: u64 = 0xf;
pub(super) const PORT_DNS: u16 = 53;
/// How many of the first bytes sent on a stream are looked at.
pub(super) const STREAM_PREFIX_MAX: u64 = 4096;
/// The socket of the system's resolver.
const RESOLVER_SOCKET: &[u8] = b"/dev/socket/dnsproxyd";
/// Peers of one socket that are remembered as told: when there are more, some are told again.
const TOLD_PEERS_MAX: usize = 1024;
/// The longest name of a Unix socket.
const UNIX_NAME_MAX: usize = 108;
// Options of the level SOL_SOCKET, from include/uapi/asm-generic/socket.h.
const OPTION_TYPE: i32 = 3;
const OPTION_PROTOCOL: i32 = 38;
const OPTION_DOMAIN: i32 = 39;

/// One end of a socket, as in a record.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct End {
    pub(super) bytes: [u8; socket_end::SIZE],
    /// Of a Unix socket.
    pub(super) name: Vec<u8>,
}

impl End {
    /// Reads the `sockaddr` of any family.
    pub(super) fn parse(address: &[u8]) -> Self {
        let mut end = Self::default();
        if address.len() < 2 {
            return end;
        }
        let family = u16_at(address, 0);
        let mut put = |offset: usize, value: &[u8]| {
            if let Some(place) = end.bytes.get_mut(offset..offset + value.len()) {
                place.copy_from_slice(value);
            }
        };
        put(socket_end::FAMILY, &family.to_le_bytes());
        match family {
            FAMILY_INET | FAMILY_INET6 => {
                // In network order there.
                put(socket_end::PORT, &u16_at(address, 2).swap_bytes().to_le_bytes());
                let (from, length) = if family == FAMILY_INET { (4, 4) } else { (8, 16) };
                put(socket_end::ADDRESS, address.get(from..from + length).unwrap_or_default());
                if family == FAMILY_INET6 {
                    put(socket_end::SCOPE, address.get(24..28).unwrap_or_default());
                }
            }
            FAMILY_UNIX => {
                let name = address.get(2..).unwrap_or_default();
                let name = name.get(..UNIX_NAME_MAX).unwrap_or(name);
                // A path ends at its first NUL, wherever the length says; an abstract name may contain some.
                let path_end = name.iter().position(|byte| *byte == 0).filter(|at| *at > 0);
                end.name = name.get(..path_end.unwrap_or(name.len())).unwrap_or_default().to_vec();
                if end.name.iter().all(|byte| *byte == 0) {
                    end.name.clear();
                }
            }
            _ => {}
        }
        end
    }

    pub(super) fn family(&self) -> u16 {
        u16_at(&self.bytes, socket_end::FAMILY)
    }

    pub(super) fn port(&self) -> u16 {
        u16_at(&self.bytes, socket_end::PORT)
    }
}

/// What is known of a socket.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Socket {
    pub(super) family: u16,
    pub(super) kind: u16,
    pub(super) protocol: u16,
    pub(super) local: End,
    pub(super) remote: End,
    pub(super) connected: bool,
    /// How many of the first bytes sent are still to be looked at.
    pub(super) prefix_left: u64,
    /// Of an unconnected datagram socket: peers whose totals were told when it turned to another one.
    pub(super) told_peers: HashSet<[u8; socket_end::SIZE]>,
}

impl Socket {
    /// What the kernel knows of a socket; nothing when it is none.
    pub(super) fn ask(socket: &OwnedFd) -> Option<Self> {
        let option = |option| u16::try_from(socket_option(socket, option)?).ok();
        let mut asked = Self {
            family: option(OPTION_DOMAIN)?,
            kind: option(OPTION_TYPE)?,
            protocol: option(OPTION_PROTOCOL)?,
            ..Self::default()
        };
        asked.local = socket_address(socket, false).map(|bytes| End::parse(&bytes)).unwrap_or_default();
        if let Some(remote) = socket_address(socket, true) {
            asked.remote = End::parse(&remote);
            asked.connected = true;
        }
        Some(asked)
    }

    /// What the arguments of `socket(2)` say.
    pub(super) fn of_arguments(arguments: &[u64; 6]) -> Self {
        let [family, kind, protocol, ..] = *arguments;
        let mut made = Self {
            family: family as u16,
            kind: (kind & TYPE_MASK) as u16,
            protocol: protocol as u16,
            ..Self::default()
        };
        made.begin_stream();
        made
    }

    pub(super) fn is_inet(&self) -> bool {
        is_inet(self.family)
    }

    pub(super) fn is_unix(&self) -> bool {
        self.family == FAMILY_UNIX
    }

    /// Whether it leads to the system's resolver, which apps ask by a Unix socket.
    pub(super) fn is_resolver(&self) -> bool {
        self.is_unix() && self.kind == TYPE_STREAM && self.remote.name == RESOLVER_SOCKET
    }

    pub(super) fn is_datagram(&self) -> bool {
        self.kind == TYPE_DATAGRAM
    }

    /// The socket has no peer yet, as far as is known, and cannot move a byte without one.
    pub(super) fn needs_peer(&self) -> bool {
        self.is_inet() && self.kind == TYPE_STREAM && !self.connected
    }

    /// An unconnected datagram socket sends to this peer, or gets something from it. Gives the peer that it has sent to
    /// before, when that is another one that nothing was told of yet: totals name one peer, so those of the one before
    /// are told now. One is told of so once, or two peers in turn would make a record of each datagram.
    pub(super) fn turn_to(&mut self, named: &End, outward: bool, sent_before: u64) -> Option<End> {
        // Whoever writes to a socket is its peer only as long as the socket has not written to anybody.
        if self.connected || !is_inet(named.family()) || !(outward || sent_before == 0) || self.remote == *named {
            return None;
        }
        let left = std::mem::replace(&mut self.remote, named.clone());
        if !outward || sent_before == 0 || !is_inet(left.family()) || left.port() == PORT_DNS {
            return None;
        }
        if self.told_peers.len() >= TOLD_PEERS_MAX {
            self.told_peers.clear();
        }
        self.told_peers.insert(left.bytes).then_some(left)
    }

    /// From now on its first bytes are looked at, if it is a stream over the network.
    pub(super) fn begin_stream(&mut self) {
        if self.is_inet() && self.kind == TYPE_STREAM {
            self.prefix_left = STREAM_PREFIX_MAX;
        }
    }

    /// Whether bytes that go this way may tell a name.
    pub(super) fn wants_payload(&self, outward: bool) -> bool {
        if self.is_resolver() {
            return true;
        }
        self.is_inet()
            && if self.is_datagram() {
                !self.connected || self.remote.port() == PORT_DNS
            } else {
                self.remote.port() == PORT_DNS || (outward && self.prefix_left > 0)
            }
    }
}

fn is_inet(family: u16) -> bool {
    matches!(family, FAMILY_INET | FAMILY_INET6)
}

/// The length in front of an address that the kernel has filled in.
pub(super) fn address_length(bytes: &[u8]) -> usize {
    usize::try_from(number(bytes, 0, 4)).unwrap_or(0).min(128)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_each_family() {
        let end = End::parse(&[2, 0, 1, 0xbb, 192, 0, 2, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!((end.family(), end.port(), &end.bytes[8..12]), (2, 443, &[192, 0, 2, 1][..]));
        let mut six = vec![10, 0, 0, 53, 0, 0, 0, 0];
        six.extend([0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
        six.extend(3_u32.to_le_bytes());
        let end = End::parse(&six);
        assert_eq!((end.family(), end.port(), end.bytes[4], end.bytes[8], end.bytes[23]), (10, 53, 3, 0xfe, 1));
        assert_eq!(End::parse(b"\x01\0/run/x\0\0\0").name, b"/run/x");
        assert_eq!(End::parse(b"\x01\0\0bus\0x").name, b"\0bus\0x");
        assert_eq!(End::parse(b"\x01\0").name, b"");
        assert_eq!(End::parse(b"\x02"), End::default());
    }

    #[test]
    fn the_kernel_is_asked_about_both_ends() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let stream = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let asked = Socket::ask(&OwnedFd::from(stream)).unwrap();
        assert_eq!((asked.family, asked.kind, asked.protocol, asked.connected), (2, 1, 6, true));
        assert_eq!(asked.remote.port(), listener.local_addr().unwrap().port());
        let asked = Socket::ask(&OwnedFd::from(listener)).unwrap();
        assert!(!asked.connected && asked.local.port() != 0);
        assert_eq!(Socket::ask(&OwnedFd::from(std::fs::File::open("/dev/null").unwrap())), None);
    }

    #[test]
    fn the_peer_that_a_datagram_socket_leaves_is_told_once() {
        let end = |last: u8, port: u8| End::parse(&[2, 0, 0, port, 192, 0, 2, last]);
        let mut socket = Socket::of_arguments(&[2, 2, 17, 0, 0, 0]);
        assert_eq!(socket.turn_to(&end(1, 99), true, 0), None, "the first");
        assert_eq!(socket.turn_to(&end(1, 99), true, 5), None, "the same");
        assert_eq!(socket.turn_to(&end(2, 99), true, 10), Some(end(1, 99)));
        assert_eq!(socket.turn_to(&end(1, 99), true, 15), Some(end(2, 99)));
        assert_eq!(socket.turn_to(&end(2, 99), true, 20), None, "told already");
        assert_eq!(socket.turn_to(&end(3, 99), false, 25), None, "an answer");
        assert_eq!(socket.remote, end(2, 99), "who answers does not become the peer");
        assert_eq!(socket.turn_to(&end(1, 53), true, 25), None);
        assert_eq!(socket.turn_to(&end(4, 99), true, 30), None, "what went to a name server is told by its messages");
        let mut server = Socket::of_arguments(&[2, 2, 17, 0, 0, 0]);
        assert_eq!((server.turn_to(&end(1, 99), false, 0), server.remote), (None, end(1, 99)));
    }

    #[test]
    fn which_bytes_are_looked_at() {
        let mut stream = Socket::of_arguments(&[2, 1 | 0o4000, 0, 0, 0, 0]);
        assert!(stream.wants_payload(true) && !stream.wants_payload(false));
        stream.prefix_left = 0;
        assert!(!stream.wants_payload(true));
        let mut datagram = Socket::of_arguments(&[10, 2, 17, 0, 0, 0]);
        assert!(datagram.wants_payload(false));
        datagram.connected = true;
        assert!(!datagram.wants_payload(true));
        let mut unix = Socket::of_arguments(&[1, 1, 0, 0, 0, 0]);
        assert!(!unix.wants_payload(true));
        unix.remote = End::parse(b"\x01\0/dev/socket/dnsproxyd\0");
        assert!(unix.wants_payload(true) && unix.wants_payload(false));
    }
}
