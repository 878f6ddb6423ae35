//! The sockets of a process, by the tables of its network name space.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::ffi::OsStrExt as _;

use procfs::net::{TcpState, UnixState};
use procfs::process::Process;

use super::super::record_layout::{HeaderFields, RecordBuilder, record_kind, segment_tag, socket_body, socket_end};

const FAMILY_UNIX: u16 = 1;
const FAMILY_INET: u16 = 2;
const FAMILY_INET6: u16 = 10;
const STREAM: u16 = 1;
const DATAGRAM: u16 = 2;
const PROTOCOL_TCP: u16 = 6;
const PROTOCOL_UDP: u16 = 17;

/// A row of one of the tables.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Row {
    Inet { kind: u16, socket_type: u16, protocol: u16, local: SocketAddr, remote: SocketAddr },
    Unix { kind: u16, socket_type: u16, name: Vec<u8> },
}

/// A descriptor and the socket under it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Socket {
    pub(super) fd: i32,
    inode: u64,
    row: Row,
}

/// The sockets that have an end worth telling, of these descriptors with their inodes.
pub(super) fn list(process: &Process, sockets: &[(i32, u64)]) -> Vec<Socket> {
    if sockets.is_empty() {
        return Vec::new();
    }
    let rows = tables(process);
    let socket = |(fd, inode): &(i32, u64)| Some(Socket { fd: *fd, inode: *inode, row: rows.get(inode)?.clone() });
    sockets.iter().filter_map(socket).collect()
}

/// The record of a socket.
pub(super) fn record(socket: &Socket, header: &HeaderFields, flags: u16, handle: u64) -> Vec<u8> {
    let (kind, family, socket_type, protocol) = match &socket.row {
        Row::Inet { kind, socket_type, protocol, local, .. } => {
            (*kind, if local.is_ipv4() { FAMILY_INET } else { FAMILY_INET6 }, *socket_type, *protocol)
        }
        Row::Unix { kind, socket_type, .. } => (*kind, FAMILY_UNIX, *socket_type, 0),
    };
    let mut builder = RecordBuilder::new(header, kind, flags, socket_body::SIZE)
        .body(socket_body::HANDLE, &handle.to_le_bytes())
        .body(socket_body::FD, &socket.fd.to_le_bytes())
        .body(socket_body::FAMILY, &family.to_le_bytes())
        .body(socket_body::TYPE, &socket_type.to_le_bytes())
        .body(socket_body::PROTOCOL, &protocol.to_le_bytes());
    match &socket.row {
        Row::Inet { local, remote, .. } => {
            builder = builder.body(socket_body::LOCAL, &end(*local));
            if kind == record_kind::SOCKET_CONNECT {
                builder = builder.body(socket_body::REMOTE, &end(*remote));
            }
        }
        Row::Unix { name, .. } => {
            builder = builder.body(socket_body::LOCAL, &FAMILY_UNIX.to_le_bytes());
            if !name.is_empty() {
                builder = builder.segment(segment_tag::UNIX_LOCAL, name);
            }
        }
    }
    builder.finish()
}

/// The tables by inode. A table that cannot be read (no IPv6, for one) has no rows.
fn tables(process: &Process) -> HashMap<u64, Row> {
    let mut rows = HashMap::new();
    for entry in [process.tcp(), process.tcp6()].into_iter().flatten().flatten() {
        let kind = match entry.state {
            TcpState::Listen => record_kind::SOCKET_LISTEN,
            // Bound or fresh, or over: there is no peer.
            TcpState::Close | TcpState::TimeWait => continue,
            _ => record_kind::SOCKET_CONNECT,
        };
        let (local, remote) = (entry.local_address, entry.remote_address);
        rows.insert(entry.inode, Row::Inet { kind, socket_type: STREAM, protocol: PROTOCOL_TCP, local, remote });
    }
    for entry in [process.udp(), process.udp6()].into_iter().flatten().flatten() {
        let (local, remote) = (entry.local_address, entry.remote_address);
        let kind = if remote.port() == 0 { record_kind::SOCKET_BIND } else { record_kind::SOCKET_CONNECT };
        rows.insert(entry.inode, Row::Inet { kind, socket_type: DATAGRAM, protocol: PROTOCOL_UDP, local, remote });
    }
    for entry in process.unix().unwrap_or_default() {
        let name = entry.path.as_deref().map(|path| unix_name(path.as_os_str().as_bytes())).unwrap_or_default();
        let kind = match entry.state {
            // The table does not tell whom it is connected to. A name of its own shows that it was accepted there.
            UnixState::CONNECTED | UnixState::CONNECTING => record_kind::SOCKET_CONNECT,
            _ if name.is_empty() => continue,
            _ => record_kind::SOCKET_LISTEN,
        };
        // A pair without names leads nowhere that could be told.
        if name.is_empty() {
            continue;
        }
        rows.insert(entry.inode, Row::Unix { kind, socket_type: entry.socket_type, name });
    }
    rows
}

/// The table writes `@` for the NUL in front of an abstract name.
fn unix_name(path: &[u8]) -> Vec<u8> {
    match path.split_first() {
        Some((b'@', rest)) => [b"\0", rest].concat(),
        _ => path.to_vec(),
    }
}

fn end(address: SocketAddr) -> [u8; socket_end::SIZE] {
    let mut bytes = [0; socket_end::SIZE];
    let family = if address.is_ipv4() { FAMILY_INET } else { FAMILY_INET6 };
    let octets = match address.ip() {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    };
    let fields = family.to_le_bytes().into_iter().chain(address.port().to_le_bytes()).chain([0; 4]).chain(octets);
    for (to, from) in bytes.iter_mut().zip(fields) {
        *to = from;
    }
    bytes
}
