//! Where packets come from and go to.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::peer::PacketBytes;

/// What carries a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Transport {
    /// One datagram is one packet.
    Udp,
    /// ICE-TCP (RFC 6544): packets framed by RFC 4571 on a connection that the client opened.
    Tcp,
    /// Through our own TURN relay: one message of it is one packet.
    Relay,
}

/// The two ends of a packet's way, and what carries it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Path {
    /// Over what.
    pub transport: Transport,
    /// The client's end.
    pub remote: SocketAddr,
    /// Our end: one of the candidates.
    pub local: SocketAddr,
}

impl Path {
    /// A way by UDP.
    pub fn udp(remote: SocketAddr, local: SocketAddr) -> Self {
        Self { transport: Transport::Udp, remote, local }
    }
}

/// The addresses that clients are told.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Candidates {
    /// UDP host candidates.
    pub udp: Vec<SocketAddr>,
    /// Passive ICE-TCP host candidates (RFC 6544).
    pub tcp: Vec<SocketAddr>,
}

/// A packet to send.
#[derive(Debug)]
pub struct Transmit {
    /// Which way.
    pub path: Path,
    /// UDP payload, or the content of one RFC 4571 frame.
    pub contents: PacketBytes,
}

/// An address that the TURN relay lends to a client. Both come from blocks that no network routes (RFC 5737, RFC 6666):
/// packets to them go to the relay in this process, never to a socket.
pub fn relayed(v6: bool, port: u16) -> SocketAddr {
    SocketAddr::new(if v6 { IpAddr::V6(RELAYED_V6) } else { IpAddr::V4(RELAYED_V4) }, port)
}

/// Whether an address is one that the relay lends.
pub fn is_relayed(address: SocketAddr) -> bool {
    match address.ip() {
        IpAddr::V4(ip) => ip == RELAYED_V4,
        IpAddr::V6(ip) => ip == RELAYED_V6,
    }
}

const RELAYED_V4: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const RELAYED_V6: Ipv6Addr = Ipv6Addr::new(0x100, 0, 0, 0, 0, 0, 0, 1);

impl Transmit {
    /// Whether it is RTP (RFC 7983), rather than RTCP (RFC 5761), STUN or DTLS.
    pub(crate) fn is_rtp(&self) -> bool {
        matches!(self.contents[..], [128..192, kind, ..] if !(64..96).contains(&(kind & 0x7f)))
    }
}
