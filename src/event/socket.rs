//! Acts on sockets, and the names seen on them.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

use super::CodeOrigin;

/// The far or near end of a socket.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Endpoint {
    /// IPv4 or IPv6 address and port. An IPv4-mapped IPv6 address is given as IPv4.
    Inet(SocketAddr),
    /// A Unix socket bound to a path.
    UnixPath(String),
    /// A Unix socket in the abstract name space, without the leading zero byte.
    UnixAbstract(String),
    /// A Unix socket without a name.
    UnixUnnamed,
    /// Another address family, by number (`AF_NETLINK` is 16).
    Other(u16),
}

impl fmt::Display for Endpoint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inet(address) => write!(formatter, "{address}"),
            Self::UnixPath(path) => write!(formatter, "unix:{path}"),
            Self::UnixAbstract(name) => write!(formatter, "unix:@{name}"),
            Self::UnixUnnamed => write!(formatter, "unix:"),
            Self::Other(family) => write!(formatter, "family {family}"),
        }
    }
}

/// What carries the bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Transport {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// Unix stream socket.
    UnixStream,
    /// Unix datagram or sequenced-packet socket.
    UnixDatagram,
    /// Anything else.
    Other,
}

/// Which way bytes went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// From the process.
    Sent,
    /// To the process.
    Received,
}

/// A socket was connected, or an attempt was made; or a connected socket was found when tracing began. Sending can connect
/// too (TCP fast open): then this is told before what was sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SocketConnect {
    /// Transport.
    pub transport: Transport,
    /// The peer.
    pub remote: Endpoint,
    /// The local end, when known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub local: Option<Endpoint>,
    /// The descriptor.
    pub descriptor: i32,
    /// Names this socket among all of the process: totals carry the same number.
    pub handle: u64,
    /// The socket was connected before it was first seen.
    #[serde(default)]
    pub preexisting: bool,
    /// Whose code connected it; absent when the probe does not look, when the process was gone before it could be asked, and
    /// for sockets of other families than the Internet's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code_origin: Option<Box<CodeOrigin>>,
}

/// A socket was given a local address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SocketBind {
    /// Transport.
    pub transport: Transport,
    /// The local end.
    pub local: Endpoint,
    /// The descriptor.
    pub descriptor: i32,
    /// The socket.
    pub handle: u64,
}

/// A socket began to accept connections.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SocketListen {
    /// Transport.
    pub transport: Transport,
    /// The local end, when known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub local: Option<Endpoint>,
    /// The descriptor.
    pub descriptor: i32,
    /// The socket.
    pub handle: u64,
    /// How many connections may wait.
    pub backlog: i32,
    /// The socket was listening before it was first seen.
    #[serde(default)]
    pub preexisting: bool,
}

/// A connection was accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SocketAccept {
    /// Transport.
    pub transport: Transport,
    /// The peer.
    pub remote: Endpoint,
    /// The local end, when known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub local: Option<Endpoint>,
    /// The new descriptor.
    pub descriptor: i32,
    /// The new socket.
    pub handle: u64,
}

/// What went through one socket, since it was created or first seen. Cumulative, never reset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SocketTotals {
    /// Transport.
    pub transport: Transport,
    /// The peer. An unconnected datagram socket has several: totals that are not closed come when it turns from one to
    /// another for the first time, with the one before, and name what had gone through the socket until then. Of what goes to
    /// peers in turn afterwards only the sum is known, under the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote: Option<Endpoint>,
    /// The local end, when known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub local: Option<Endpoint>,
    /// The descriptor.
    pub descriptor: i32,
    /// The socket, as in [`SocketConnect::handle`].
    pub handle: u64,
    /// Bytes sent.
    pub bytes_sent: u64,
    /// Bytes received.
    pub bytes_received: u64,
    /// Successful send calls.
    pub send_calls: u64,
    /// Successful receive calls.
    pub receive_calls: u64,
    /// The descriptor was closed: these are the last totals of this handle.
    pub closed: bool,
}

/// A DNS question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DnsQuery {
    /// The name, lower case, without the final dot.
    pub name: String,
    /// The record type by its name in the IANA registry (`A`, `AAAA`, `HTTPS`), or `TYPE` and the number.
    pub record_type: String,
    /// Transaction id.
    pub transaction_id: u16,
    /// The server asked, when known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<Endpoint>,
}

/// One record of a DNS answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DnsRecord {
    /// An address.
    Address(IpAddr),
    /// The name is an alias of this one.
    Alias(String),
}

/// A DNS answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DnsAnswer {
    /// The name that was asked for, lower case, without the final dot.
    pub name: String,
    /// The record type that was asked for.
    pub record_type: String,
    /// Transaction id.
    pub transaction_id: u16,
    /// Response code: 0 no error, 3 no such name (RFC 1035 section 4.1.1).
    pub response_code: u8,
    /// Addresses and aliases, in the order of the message.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub records: Vec<DnsRecord>,
    /// The server that answered, when known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<Endpoint>,
    /// The message was longer than the probe could carry, or broken: records may be missing.
    #[serde(default)]
    pub cut: bool,
}

/// A TLS ClientHello, as far as it is in clear text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsClientHello {
    /// The server name (SNI), lower case; absent when the client sent none, or only an encrypted one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_name: Option<String>,
    /// Application protocols offered (ALPN), such as `h2`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub protocols: Vec<String>,
    /// The client sent an Encrypted Client Hello extension: the server name above is then the public, outer name.
    #[serde(default)]
    pub encrypted_client_hello: bool,
    /// The peer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote: Option<Endpoint>,
    /// The socket.
    pub handle: u64,
    /// The message was longer than the probe could carry: extensions may be missing.
    #[serde(default)]
    pub cut: bool,
}

/// A plain HTTP/1 request, as far as it names the recipient.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpRequest {
    /// Method.
    pub method: String,
    /// The Host header, lower case, without the port; absent when there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// The path without query and fragment: those can hold personal data.
    pub path: String,
    /// The peer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote: Option<Endpoint>,
    /// The socket.
    pub handle: u64,
}
