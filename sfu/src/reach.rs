//! Whether packets get from this machine to the addresses that clients are told.
//!
//! A stranger gets no answer from a media port. Hence the probe: bytes that only this process knows, and that a worker
//! counts when they come.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sfu_core::Transport;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpStream, UdpSocket};

use crate::framing::frame;
use crate::handle::Sfu;

const TOKEN: usize = 40;
/// A datagram may be lost: it is sent so often.
const TIMES: u32 = 3;

/// What a worker listens for beside media.
#[derive(Debug)]
pub(crate) struct Probe {
    token: [u8; TOKEN],
    by_udp: AtomicU64,
    by_tcp: AtomicU64,
}

impl Probe {
    pub(crate) fn new() -> Arc<Self> {
        let mut token = [0xff; TOKEN];
        aws_lc_rs::rand::fill(&mut token[8..]).expect("the system has random numbers");
        Arc::new(Self { token, by_udp: AtomicU64::new(0), by_tcp: AtomicU64::new(0) })
    }

    /// Whether a packet of nobody is the probe; it is counted then.
    pub(crate) fn takes(&self, transport: Transport, packet: &[u8]) -> bool {
        let is = packet.len() == TOKEN && packet == self.token;
        if is {
            self.counter(transport == Transport::Tcp).fetch_add(1, Ordering::Relaxed);
        }
        is
    }

    fn counter(&self, tcp: bool) -> &AtomicU64 {
        if tcp { &self.by_tcp } else { &self.by_udp }
    }
}

/// One way to a media port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Way {
    /// By TCP, or by UDP.
    pub tcp: bool,
    /// The address that clients are told.
    pub address: SocketAddr,
    /// The probe arrived.
    pub works: bool,
}

impl Sfu {
    /// Tries each way to each address that clients are told, from this machine. Behind address translation that does not turn
    /// back, a way that works from outside does not from here.
    pub async fn try_ways(&self, within: Duration) -> Vec<Way> {
        let mut tried = Vec::new();
        for (probe, told) in self.probes() {
            for (tcp, addresses) in [(false, told.udp), (true, told.tcp)] {
                for address in addresses {
                    let before = probe.counter(tcp).load(Ordering::Relaxed);
                    let arrived = async {
                        let sent = if tcp { by_tcp(address, &probe).await } else { by_udp(address, &probe).await };
                        // Held open until it has arrived.
                        let Ok(_way) = sent else { return false };
                        while probe.counter(tcp).load(Ordering::Relaxed) == before {
                            tokio::time::sleep(Duration::from_millis(2)).await;
                        }
                        true
                    };
                    let works = tokio::time::timeout(within, arrived).await.unwrap_or(false);
                    tried.push(Way { tcp, address, works });
                }
            }
        }
        tried
    }
}

enum Held {
    Udp(#[expect(dead_code, reason = "kept open")] UdpSocket),
    Tcp(#[expect(dead_code, reason = "kept open")] TcpStream),
}

async fn by_udp(address: SocketAddr, probe: &Probe) -> io::Result<Held> {
    let here: SocketAddr =
        if address.is_ipv6() { (Ipv6Addr::UNSPECIFIED, 0).into() } else { (Ipv4Addr::UNSPECIFIED, 0).into() };
    let socket = UdpSocket::bind(here).await?;
    for _ in 0..TIMES {
        socket.send_to(&probe.token, address).await?;
    }
    Ok(Held::Udp(socket))
}

async fn by_tcp(address: SocketAddr, probe: &Probe) -> io::Result<Held> {
    let mut stream = TcpStream::connect(address).await?;
    let mut framed = Vec::with_capacity(TOKEN + 2);
    frame(&probe.token, &mut framed);
    stream.write_all(&framed).await?;
    Ok(Held::Tcp(stream))
}
