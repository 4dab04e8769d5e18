//! Clients whose network lets only TCP out (ICE-TCP, RFC 6544), and strangers on that port.

mod common;

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use common::client::{Client, Metronome};
use common::{Live, ROOM, config, start};
use sfu::{Config, EventKind, PeerKey, RoomKey, Sfu, TcpLimits};

/// A client on one TCP connection, with a thread.
struct ByTcp {
    key: PeerKey,
    client: Arc<Mutex<Client>>,
    /// While set, it reads nothing.
    deaf: Arc<AtomicBool>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl ByTcp {
    async fn join(sfu: &Sfu, room: RoomKey, id: u8) -> Self {
        Self::in_pieces(sfu, room, id, usize::MAX).await
    }

    /// Its network hands on so many bytes at a time.
    async fn in_pieces(sfu: &Sfu, room: RoomKey, id: u8, piece: usize) -> Self {
        let stream = TcpStream::connect(sfu.addresses()[0]).unwrap();
        let mut client = Client::by_tcp(id, stream.local_addr().unwrap(), Instant::now());
        let (offer, pending) = client.offer();
        let answer = sfu.offer(room, PeerKey(u128::from(id)), offer).await.unwrap();
        assert!(answer.sdp.contains("tcptype passive"), "{}", answer.sdp);
        client.answer(pending, &answer.sdp, Instant::now());
        let client = Arc::new(Mutex::new(client));
        let (deaf, stop) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let thread = {
            let (client, deaf, stop) = (client.clone(), deaf.clone(), stop.clone());
            std::thread::spawn(move || run(&client, stream, piece, &deaf, &stop))
        };
        Self { key: PeerKey(u128::from(id)), client, deaf, stop, thread: Some(thread) }
    }

    async fn until(&self, what: &str, done: impl Fn(&Client) -> bool) {
        let end = Instant::now() + Duration::from_secs(20);
        while !done(&self.client.lock().unwrap()) {
            assert!(Instant::now() < end, "never came: {what}");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    fn kill(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

impl Drop for ByTcp {
    fn drop(&mut self) {
        self.kill();
    }
}

fn run(client: &Mutex<Client>, mut stream: TcpStream, piece: usize, deaf: &AtomicBool, stop: &AtomicBool) {
    let server: SocketAddr = stream.peer_addr().unwrap();
    stream.set_read_timeout(Some(Duration::from_millis(2))).unwrap();
    stream.set_nodelay(true).unwrap();
    let mut metronome = Metronome::new(Instant::now());
    let (mut got, mut buffer) = (vec![], vec![0u8; 65_536]);
    while !stop.load(Ordering::Relaxed) {
        if deaf.load(Ordering::Relaxed) {
            std::thread::yield_now();
        } else if let Ok(count) = stream.read(&mut buffer) {
            got.extend_from_slice(&buffer[..count]);
        }
        let now = Instant::now();
        let mut client = client.lock().unwrap();
        while got.len() >= 2 && got.len() >= 2 + usize::from(u16::from_be_bytes([got[0], got[1]])) {
            let length = usize::from(u16::from_be_bytes([got[0], got[1]]));
            client.receive(server, &got[2..2 + length], now);
            got.drain(..2 + length);
        }
        let (voice, film) = metronome.due(now);
        if voice {
            client.speak(-30, now);
        }
        if film {
            client.film(now);
        }
        if client.deadline <= now {
            client.tick(now);
        }
        let outgoing = std::mem::take(&mut client.outgoing);
        drop(client);
        for (to, bytes) in outgoing {
            assert_eq!(to, server);
            let mut framed = u16::try_from(bytes.len()).unwrap().to_be_bytes().to_vec();
            framed.extend_from_slice(&bytes);
            // Without Nagle's delay each write is a segment of its own.
            if framed.chunks(piece).any(|part| stream.write_all(part).is_err()) {
                return;
            }
        }
    }
}

#[tokio::test]
async fn one_who_has_only_tcp_sees_and_hears_one_who_has_udp() {
    let (sfu, _events) = start();
    let (host, patient) = (Live::join(&sfu, ROOM, 1).await, ByTcp::join(&sfu, ROOM, 2).await);
    host.until("the host connects", |c| c.connected).await;
    patient.until("the patient connects", |c| c.connected).await;
    assert_eq!(sfu.counters().forwarded, 0, "nobody is admitted yet");
    sfu.admit(ROOM, host.key);
    sfu.admit(ROOM, patient.key);
    host.until("the patient's picture comes", |c| c.received.iter().any(|p| p.keyframe) && c.from(2) > 300).await;
    patient.until("the host's picture comes", |c| c.received.iter().any(|p| p.keyframe) && c.from(1) > 300).await;
    sfu.shutdown().await;
}

#[tokio::test]
async fn a_connection_that_ends_is_lost_and_a_new_one_takes_the_same_seat() {
    let (sfu, mut events) = start();
    let host = Live::join(&sfu, ROOM, 1).await;
    let mut patient = ByTcp::join(&sfu, ROOM, 2).await;
    sfu.admit(ROOM, host.key);
    sfu.admit(ROOM, patient.key);
    host.until("media flows", |c| c.from(2) > 50).await;
    patient.kill();
    while events.recv().await.unwrap().kind != (EventKind::Lost {}) {}
    let patient = ByTcp::join(&sfu, ROOM, 2).await;
    let before = host.with(|c| c.from(2));
    patient.until("the new connection sees the host", |c| c.from(1) > 50).await;
    host.until("the host sees it", |c| c.from(2) > before + 50).await;
    assert_eq!(sfu.counters().peers, 2);
    sfu.shutdown().await;
}

#[tokio::test]
async fn one_who_does_not_read_loses_packets_and_disturbs_nobody() {
    let (sfu, _events) = start();
    let (host, slow) = (Live::join(&sfu, ROOM, 1).await, ByTcp::join(&sfu, ROOM, 2).await);
    let third = Live::join(&sfu, ROOM, 3).await;
    for key in [host.key, slow.key, third.key] {
        sfu.admit(ROOM, key);
    }
    slow.until("media flows", |c| c.from(1) > 50).await;
    slow.deaf.store(true, Ordering::Relaxed);
    let end = Instant::now() + Duration::from_secs(60);
    while sfu.counters().dropped_send < 500 {
        assert!(Instant::now() < end, "never dropped: {:?}", sfu.counters());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let before = (host.with(|c| c.from(3)), third.with(|c| c.from(1)));
    host.until("the others go on", |c| c.from(3) > before.0 + 200).await;
    third.until("the others go on", |c| c.from(1) > before.1 + 200).await;
    slow.deaf.store(false, Ordering::Relaxed);
    let heard = slow.client.lock().unwrap().from(1);
    slow.until("it hears again once it reads", |c| c.from(1) > heard + 1_000).await;
    sfu.shutdown().await;
}

/// Reads until the server ends the connection.
fn ended(mut stream: TcpStream) -> Vec<u8> {
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut said = vec![];
    match stream.read_to_end(&mut said) {
        Ok(_) => said,
        Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => said,
        Err(error) => panic!("the server did not end it: {error}"),
    }
}

#[tokio::test]
async fn strangers_get_no_answer_and_are_sent_away() {
    let (sfu, _events) = start();
    let (host, patient) = (Live::join(&sfu, ROOM, 1).await, ByTcp::join(&sfu, ROOM, 2).await);
    sfu.admit(ROOM, host.key);
    sfu.admit(ROOM, patient.key);
    patient.until("media flows", |c| c.from(1) > 50).await;
    let mut stun = vec![0, 1, 0, 16, 0x21, 0x12, 0xa4, 0x42];
    stun.extend_from_slice(&[9; 12]);
    stun.extend_from_slice(b"\0\x06\0\x09nobo:ther\0\0\0");
    let framed = |packet: &[u8]| [&u16::try_from(packet.len()).unwrap().to_be_bytes(), packet].concat();
    let says = [
        vec![],
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(),
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec(),
        framed(&stun),
        framed(&[0x80; 1_000]),
        vec![0, 0],
        vec![0xff, 0xff],
        vec![0, 100, 1, 2, 3],
        framed(&[0; 1]).repeat(1_000),
    ];
    let strangers: Vec<(Vec<u8>, TcpStream)> = says
        .into_iter()
        .map(|said| {
            let mut stream = TcpStream::connect(sfu.addresses()[0]).unwrap();
            // The server may close before all is written.
            let _sent: std::io::Result<()> = stream.write_all(&said);
            (said, stream)
        })
        .collect();
    let before = patient.client.lock().unwrap().from(1);
    for (said, stream) in strangers {
        let answer = tokio::task::spawn_blocking(move || ended(stream)).await.unwrap();
        assert_eq!(answer, b"", "after {:?}", String::from_utf8_lossy(&said[..said.len().min(20)]));
    }
    patient.until("the visit goes on", |c| c.from(1) > before + 100).await;
    assert_eq!(sfu.counters().peers, 2);
    sfu.shutdown().await;
}

/// Waits until that many connections are open.
async fn open(sfu: &Sfu, connections: u64) {
    let end = Instant::now() + Duration::from_secs(20);
    while sfu.counters().streams != connections {
        assert!(Instant::now() < end, "never {connections}: {:?}", sfu.counters());
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

#[tokio::test]
async fn one_address_gets_a_bounded_number_of_connections() {
    // An hour to prove it: nothing ends by time in this test.
    let limits = TcpLimits { connections: 100, per_network: 8, proof_within: Duration::from_secs(3_600) };
    let (sfu, _events) = Sfu::start(Config { tcp: Some(limits), ..config(1) }).unwrap();
    let mut taken: Vec<TcpStream> = (0..8).map(|_| TcpStream::connect(sfu.addresses()[0]).unwrap()).collect();
    open(&sfu, 8).await;
    for _ in 0..40 {
        let beyond = TcpStream::connect(sfu.addresses()[0]).unwrap();
        assert_eq!(tokio::task::spawn_blocking(move || ended(beyond)).await.unwrap(), b"");
    }
    assert_eq!((sfu.counters().streams, sfu.counters().streams_refused), (8, 40));
    taken.truncate(3);
    open(&sfu, 3).await;
    taken.push(TcpStream::connect(sfu.addresses()[0]).unwrap());
    open(&sfu, 4).await;
    sfu.shutdown().await;
}

#[tokio::test]
async fn idle_strangers_in_numbers_are_sent_away_and_a_call_goes_on() {
    let limits = TcpLimits { proof_within: Duration::from_millis(100), ..TcpLimits::default() };
    let (sfu, _events) = Sfu::start(Config { tcp: Some(limits), ..config(1) }).unwrap();
    let (host, patient) = (Live::join(&sfu, ROOM, 1).await, Live::join(&sfu, ROOM, 2).await);
    sfu.admit(ROOM, host.key);
    sfu.admit(ROOM, patient.key);
    let idle: Vec<TcpStream> = (0..200).map(|_| TcpStream::connect(sfu.addresses()[0]).unwrap()).collect();
    let ends = tokio::task::spawn_blocking(|| idle.into_iter().map(ended).filter(Vec::is_empty).count());
    assert_eq!(ends.await.unwrap(), 200);
    open(&sfu, 0).await;
    assert_eq!(sfu.counters().streams_refused, 200);
    host.until("the call goes on", |c| c.from(2) > 100).await;
    sfu.shutdown().await;
}

#[tokio::test]
async fn a_network_that_hands_on_three_bytes_at_a_time_loses_nothing() {
    let (sfu, _events) = start();
    let (host, patient) = (Live::join(&sfu, ROOM, 1).await, ByTcp::in_pieces(&sfu, ROOM, 2, 3).await);
    sfu.admit(ROOM, host.key);
    sfu.admit(ROOM, patient.key);
    host.until("sound comes", |c| c.received.iter().filter(|p| p.layer.is_none()).count() > 100).await;
    let sound: Vec<u64> = host.with(|c| c.received.iter().filter(|p| p.layer.is_none()).map(|p| p.seq).collect());
    assert!(sound.windows(2).all(|pair| pair[1] == pair[0] + 1), "{sound:?}");
    sfu.shutdown().await;
}

#[tokio::test]
async fn without_udp_only_tcp_is_told() {
    let (sfu, _events) = Sfu::start(Config { udp: false, ..config(1) }).unwrap();
    let mut client = Client::new(1, "127.0.0.1:9".parse().unwrap(), Instant::now());
    let (offer, _) = client.offer();
    let answer = sfu.offer(ROOM, PeerKey(1), offer).await.unwrap().sdp;
    let candidates: Vec<&str> = answer.lines().filter(|line| line.starts_with("a=candidate:")).collect();
    assert!(!candidates.is_empty() && candidates.iter().all(|line| line.contains(" tcp ")), "{candidates:?}");
    sfu.shutdown().await;
}
