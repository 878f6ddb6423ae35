//! `struct socket_end` and Unix names to [`Endpoint`]; family, type and protocol to [`Transport`].

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

use super::cursor::Cursor;
use super::record::Segment;
use super::text::printable;
use crate::event::{Endpoint, Transport};

// Numbers from include/linux/socket.h, include/uapi/linux/in.h and include/linux/net.h: equal on x86_64 and arm64.
const AF_UNSPEC: u16 = 0;
const AF_UNIX: u16 = 1;
const AF_INET: u16 = 2;
const AF_INET6: u16 = 10;
const SOCK_TYPE_MASK: u16 = 0xf;
const SOCK_STREAM: u16 = 1;
const SOCK_DGRAM: u16 = 2;
const SOCK_SEQPACKET: u16 = 5;
const IPPROTO_DEFAULT: u16 = 0;
const IPPROTO_TCP: u16 = 6;
const IPPROTO_UDP: u16 = 17;
/// Multipath TCP carries the same bytes as TCP and falls back to it.
const IPPROTO_MPTCP: u16 = 262;

/// What a socket is, as the record has it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SocketType {
    pub(crate) family: u16,
    kind: u16,
    protocol: u16,
}

impl SocketType {
    pub(crate) fn read(cursor: &mut Cursor<'_>) -> Option<Self> {
        Some(Self {
            family: cursor.u16_le()?,
            // A type from system-call arguments can carry SOCK_CLOEXEC and SOCK_NONBLOCK.
            kind: cursor.u16_le()? & SOCK_TYPE_MASK,
            protocol: cursor.u16_le()?,
        })
    }

    pub(crate) fn is_stream(self) -> bool {
        self.kind == SOCK_STREAM
    }

    pub(crate) fn transport(self) -> Transport {
        match (self.family, self.kind, self.protocol) {
            (AF_UNIX, SOCK_STREAM, _) => Transport::UnixStream,
            (AF_UNIX, SOCK_DGRAM | SOCK_SEQPACKET, _) => Transport::UnixDatagram,
            (AF_INET | AF_INET6, SOCK_STREAM, IPPROTO_DEFAULT | IPPROTO_TCP | IPPROTO_MPTCP)
            | (AF_INET | AF_INET6, 0, IPPROTO_TCP | IPPROTO_MPTCP) => Transport::Tcp,
            // ICMP "ping" sockets are datagram sockets too, with a protocol of their own.
            (AF_INET | AF_INET6, SOCK_DGRAM, IPPROTO_DEFAULT | IPPROTO_UDP) | (AF_INET | AF_INET6, 0, IPPROTO_UDP) => {
                Transport::Udp
            }
            _ => Transport::Other,
        }
    }
}

/// `struct socket_end`, before the Unix name of a segment is joined to it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SocketEnd {
    family: u16,
    port: u16,
    scope: u32,
    address: [u8; 16],
}

impl SocketEnd {
    pub(crate) fn read(cursor: &mut Cursor<'_>) -> Option<Self> {
        Some(Self {
            family: cursor.u16_le()?,
            port: cursor.u16_le()?,
            scope: cursor.u32_le()?,
            address: cursor.array()?,
        })
    }

    /// The end, or nothing when the record does not know it. `name` is the segment with the Unix name.
    pub(crate) fn endpoint(&self, name: Option<&Segment<'_>>) -> Option<Endpoint> {
        match self.family {
            AF_UNSPEC => None,
            AF_UNIX => Some(unix_endpoint(name)),
            AF_INET => {
                let [a, b, c, d, ..] = self.address;
                Some(Endpoint::Inet(SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::new(a, b, c, d), self.port))))
            }
            AF_INET6 => {
                let address = Ipv6Addr::from(self.address);
                Some(Endpoint::Inet(match address.to_ipv4_mapped() {
                    Some(mapped) => SocketAddr::V4(SocketAddrV4::new(mapped, self.port)),
                    None => SocketAddr::V6(SocketAddrV6::new(address, self.port, 0, self.scope)),
                }))
            }
            family => Some(Endpoint::Other(family)),
        }
    }
}

/// The end to report where an event must have one: what the record knows, otherwise the bare family of the socket.
pub(crate) fn endpoint_or_family(known: Option<Endpoint>, family: u16) -> Endpoint {
    known.unwrap_or(match family {
        AF_UNIX => Endpoint::UnixUnnamed,
        family => Endpoint::Other(family),
    })
}

fn unix_endpoint(name: Option<&Segment<'_>>) -> Endpoint {
    let Some(name) = name else { return Endpoint::UnixUnnamed };
    if name.unreadable() {
        // There was a name, and nobody knows it: neither unnamed nor a path.
        return Endpoint::Other(AF_UNIX);
    }
    match name.bytes {
        [] => Endpoint::UnixUnnamed,
        [0, rest @ ..] => Endpoint::UnixAbstract(printable(rest)),
        path => Endpoint::UnixPath(printable(super::text::before_nul(path))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::decode::layout::{SEGMENT_FLAG_UNREADABLE, SegmentTag};

    fn end(family: u16, port: u16, address: &[u8]) -> SocketEnd {
        let mut padded = [0; 16];
        padded[..address.len()].copy_from_slice(address);
        SocketEnd { family, port, scope: 0, address: padded }
    }

    #[test]
    fn internet_addresses() {
        assert_eq!(end(2, 443, &[192, 0, 2, 1]).endpoint(None).unwrap().to_string(), "192.0.2.1:443");
        let mut documentation = [0; 16];
        documentation[..4].copy_from_slice(&[0x20, 0x01, 0x0d, 0xb8]);
        documentation[15] = 1;
        assert_eq!(end(10, 53, &documentation).endpoint(None).unwrap().to_string(), "[2001:db8::1]:53");
        let mapped = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 127, 0, 0, 1];
        assert_eq!(end(10, 80, &mapped).endpoint(None), end(2, 80, &[127, 0, 0, 1]).endpoint(None));
        assert_eq!(end(0, 80, &[127, 0, 0, 1]).endpoint(None), None);
        assert_eq!(end(16, 0, &[]).endpoint(None), Some(Endpoint::Other(16)));
    }

    #[test]
    fn unix_names() {
        let segment = |bytes, flags| Segment { tag: SegmentTag::UnixRemote, flags, bytes };
        let of = |bytes: &'static [u8]| end(1, 0, &[]).endpoint(Some(&segment(bytes, 0))).unwrap();
        assert_eq!(of(b"/run/x.sock"), Endpoint::UnixPath("/run/x.sock".to_owned()));
        assert_eq!(of(b"/run/x.sock\0\0"), Endpoint::UnixPath("/run/x.sock".to_owned()));
        assert_eq!(of(b"\0bus"), Endpoint::UnixAbstract("bus".to_owned()));
        assert_eq!(of(b"\0b\0s"), Endpoint::UnixAbstract("b\\x00s".to_owned()), "NULs belong to an abstract name");
        assert_eq!(of(b""), Endpoint::UnixUnnamed);
        assert_eq!(end(1, 0, &[]).endpoint(None), Some(Endpoint::UnixUnnamed));
        let unreadable = segment(b"", SEGMENT_FLAG_UNREADABLE);
        assert_eq!(end(1, 0, &[]).endpoint(Some(&unreadable)), Some(Endpoint::Other(1)));
    }

    #[test]
    fn transports() {
        let of = |family, kind: u16, protocol: u16| {
            let bytes = [u16::to_le_bytes(family), kind.to_le_bytes(), protocol.to_le_bytes()].concat();
            SocketType::read(&mut Cursor::new(&bytes)).unwrap().transport()
        };
        assert_eq!(of(2, 1, 6), Transport::Tcp);
        assert_eq!(of(10, 1 | 0o4000, 0), Transport::Tcp);
        assert_eq!(of(2, 1, 262), Transport::Tcp);
        assert_eq!(of(10, 2, 17), Transport::Udp);
        assert_eq!(of(2, 2, 1), Transport::Other, "a ping socket");
        assert_eq!(of(2, 1, 132), Transport::Other, "SCTP");
        assert_eq!(of(2, 0, 17), Transport::Udp);
        assert_eq!(of(1, 1, 0), Transport::UnixStream);
        assert_eq!(of(1, 5, 0), Transport::UnixDatagram);
        assert_eq!(of(16, 3, 0), Transport::Other);
    }
}
