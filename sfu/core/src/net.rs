//! Where packets come from and go to.

use std::net::SocketAddr;

use crate::peer::PacketBytes;

/// What carries a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Transport {
    /// One datagram is one packet.
    Udp,
    /// ICE-TCP (RFC 6544): packets framed by RFC 4571 on a connection that the client opened.
    Tcp,
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
