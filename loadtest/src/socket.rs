//! What really crosses a client's UDP socket, counted below the WebRTC stack.
//!
//! Here: a runtime for crate `webrtc` whose sockets count RTP datagrams and note when each stamped
//! packet left. Not here: anything about what the packets mean.
//!
//! Counting here and not above is the point: a packet that the server forwards to somebody who was not
//! admitted is seen even when the client's stack would drop it as belonging to no track.

use std::collections::BTreeMap;
use std::future::Future;
use std::io::{self, IoSliceMut};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use webrtc::runtime::{
    AsyncInterval, AsyncTcpListener, AsyncTcpStream, AsyncUdpSocket, JoinHandle, RecvMeta, Runtime, TokioRuntime,
    Transmit,
};

use crate::synthetic::Stamp;

/// Departures older than this many packets are forgotten: about 20 s of a person's voice.
const DEPARTURES_KEPT: usize = 1_024;

/// What crossed the sockets of one person.
#[derive(Debug, Default)]
pub struct Wire {
    rtp_in: AtomicU64,
    rtp_out: AtomicU64,
    voice_ssrc: u32,
    departures: Mutex<BTreeMap<u64, (u16, Instant)>>,
    departed: AtomicU64,
}

impl Wire {
    /// Counts for a person whose voice is sent as `voice_ssrc`.
    #[must_use]
    pub fn of(voice_ssrc: u32) -> Self {
        Self { voice_ssrc, ..Self::default() }
    }

    /// The SSRC of this person's voice.
    #[must_use]
    pub fn voice_ssrc(&self) -> u32 {
        self.voice_ssrc
    }

    /// RTP datagrams received, whatever stream they claim to belong to.
    #[must_use]
    pub fn rtp_in(&self) -> u64 {
        self.rtp_in.load(Ordering::Relaxed)
    }

    /// RTP datagrams sent.
    #[must_use]
    pub fn rtp_out(&self) -> u64 {
        self.rtp_out.load(Ordering::Relaxed)
    }

    /// When the packet with this stamp was handed to the kernel, if it was ours and not long ago.
    #[must_use]
    pub fn departure(&self, stamp: Stamp) -> Option<Instant> {
        if stamp.ssrc != self.voice_ssrc {
            return None;
        }
        let departures = self.departures.lock().unwrap_or_else(PoisonError::into_inner);
        departures.values().rev().find(|(seq, _)| *seq == stamp.seq).map(|&(_, at)| at)
    }

    fn received(&self, datagram: &[u8]) {
        if rtp_ssrc(datagram).is_some() {
            self.rtp_in.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn sent(&self, datagram: &[u8], at: Instant) {
        let Some(ssrc) = rtp_ssrc(datagram) else { return };
        self.rtp_out.fetch_add(1, Ordering::Relaxed);
        if ssrc == self.voice_ssrc {
            let seq = u16::from_be_bytes([datagram[2], datagram[3]]);
            let mut departures = self.departures.lock().unwrap_or_else(PoisonError::into_inner);
            departures.insert(self.departed.fetch_add(1, Ordering::Relaxed), (seq, at));
            while departures.len() > DEPARTURES_KEPT {
                departures.pop_first();
            }
        }
    }
}

/// The SSRC of a datagram that is RTP and not RTCP, STUN or DTLS (RFC 7983, RFC 5761 section 4).
fn rtp_ssrc(datagram: &[u8]) -> Option<u32> {
    let header: &[u8; 12] = datagram.first_chunk()?;
    let is_rtp_or_rtcp = (128..=191).contains(&header[0]);
    let is_rtcp = (192..=223).contains(&header[1]);
    (is_rtp_or_rtcp && !is_rtcp).then(|| u32::from_be_bytes([header[8], header[9], header[10], header[11]]))
}

/// Tokio, with sockets that count into one person's [`Wire`].
#[derive(Debug)]
pub struct CountingRuntime(pub Arc<Wire>);

impl Runtime for CountingRuntime {
    fn spawn(&self, future: Pin<Box<dyn Future<Output = ()> + Send>>) -> Box<dyn JoinHandle> {
        TokioRuntime.spawn(future)
    }

    fn wrap_udp_socket(&self, socket: std::net::UdpSocket) -> io::Result<Arc<dyn AsyncUdpSocket>> {
        Ok(Arc::new(CountingSocket { inner: TokioRuntime.wrap_udp_socket(socket)?, wire: Arc::clone(&self.0) }))
    }

    fn wrap_tcp_listener(&self, listener: std::net::TcpListener) -> io::Result<Arc<dyn AsyncTcpListener>> {
        TokioRuntime.wrap_tcp_listener(listener)
    }

    fn connect_tcp<'a>(
        &'a self,
        remote_addr: SocketAddr,
    ) -> Pin<Box<dyn Future<Output = io::Result<Arc<dyn AsyncTcpStream>>> + Send + 'a>> {
        Box::pin(async move { TokioRuntime.connect_tcp(remote_addr).await })
    }

    fn resolve_host<'a>(
        &'a self,
        host: &'a str,
    ) -> Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send + 'a>> {
        Box::pin(async move { TokioRuntime.resolve_host(host).await })
    }

    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + 'static>> {
        TokioRuntime.sleep(duration)
    }

    fn interval(&self, period: Duration) -> Box<dyn AsyncInterval> {
        TokioRuntime.interval(period)
    }

    fn block_on(&self, future: Pin<Box<dyn Future<Output = ()> + '_>>) {
        TokioRuntime.block_on(future);
    }

    fn name(&self) -> &'static str {
        "tokio, counted"
    }
}

#[derive(Debug)]
struct CountingSocket {
    inner: Arc<dyn AsyncUdpSocket>,
    wire: Arc<Wire>,
}

impl AsyncUdpSocket for CountingSocket {
    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.inner.local_addr()
    }

    fn poll_send(&self, cx: &mut Context<'_>, transmit: &Transmit<'_>) -> Poll<io::Result<usize>> {
        let at = Instant::now();
        let sent = self.inner.poll_send(cx, transmit);
        if let Poll::Ready(Ok(_)) = sent {
            let segment = transmit.segment_size.unwrap_or(transmit.contents.len()).max(1);
            transmit.contents.chunks(segment).for_each(|datagram| self.wire.sent(datagram, at));
        }
        sent
    }

    fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        let received = self.inner.poll_recv(cx, bufs, meta);
        if let Poll::Ready(Ok(count)) = received {
            for (buf, meta) in bufs.iter().zip(meta.iter()).take(count) {
                buf[..meta.len].chunks(meta.stride.max(1)).for_each(|datagram| self.wire.received(datagram));
            }
        }
        received
    }

    fn max_gso_segments(&self) -> usize {
        self.inner.max_gso_segments()
    }

    fn max_gro_segments(&self) -> usize {
        self.inner.max_gro_segments()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_rtp_counts_as_rtp() {
        let mut datagram = [0_u8; 40];
        datagram[8..12].copy_from_slice(&7_u32.to_be_bytes());
        let first_two = |a, b| {
            let mut datagram = datagram;
            (datagram[0], datagram[1]) = (a, b);
            rtp_ssrc(&datagram)
        };
        assert_eq!(first_two(0x80, 96), Some(7));
        assert_eq!(first_two(0x90, 0x80 | 111), Some(7), "extension and marker bits");
        assert_eq!(first_two(0x80, 200), None, "a sender report");
        assert_eq!(first_two(0x81, 205), None, "transport feedback");
        assert_eq!(first_two(0, 1), None, "STUN");
        assert_eq!(first_two(22, 254), None, "DTLS");
        assert_eq!(rtp_ssrc(&datagram[..11]), None);
    }

    #[test]
    fn a_departure_is_found_by_its_latest_stamp_and_forgotten_in_time() {
        let wire = Wire::of(7);
        let start = Instant::now();
        let mut datagram = [0_u8; 20];
        datagram[0] = 0x80;
        datagram[8..12].copy_from_slice(&7_u32.to_be_bytes());
        for n in 0..=DEPARTURES_KEPT as u64 {
            datagram[2..4].copy_from_slice(&(n as u16).to_be_bytes());
            wire.sent(&datagram, start + Duration::from_millis(n));
        }
        assert_eq!(wire.rtp_out(), 1 + DEPARTURES_KEPT as u64);
        assert_eq!(wire.departure(Stamp { ssrc: 7, seq: 0 }), None);
        assert_eq!(wire.departure(Stamp { ssrc: 7, seq: 9 }), Some(start + Duration::from_millis(9)));
        assert_eq!(wire.departure(Stamp { ssrc: 8, seq: 9 }), None);
    }
}
