//! Clients whose network lets them reach nothing but the relay, and what else one could want from a relay.

mod common;

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use common::client::{Client, Metronome};
use common::{Live, ROOM, start};
use sfu::turn::{Credentials, Limits, Turn};
use sfu::{PeerKey, RoomKey, Sfu};
use stun_types::attribute::{AttributeWrite, ErrorCode, Nonce, Realm, Username};
use stun_types::message::{
    IntegrityAlgorithm, LongTermKeyCredentials, Message, MessageClass, MessageWrite as _, MessageWriteExt as _,
    MessageWriteVec, Method,
};
use turn_types::attribute::{ChannelNumber, Data, RequestedTransport, XorPeerAddress, XorRelayedAddress};
use turn_types::message::{ALLOCATE, CHANNEL_BIND, CREATE_PERMISSION, SEND};

const GOOD: Duration = Duration::from_secs(600);

/// The way to the relay.
enum Wire {
    Udp(UdpSocket),
    Tcp(TcpStream, Vec<u8>),
}

impl Wire {
    fn udp(relay: SocketAddr) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.connect(relay).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(2))).unwrap();
        Self::Udp(socket)
    }

    fn tcp(relay: SocketAddr) -> Self {
        let stream = TcpStream::connect(relay).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(Duration::from_millis(2))).unwrap();
        Self::Tcp(stream, vec![])
    }

    fn send(&mut self, message: &[u8]) {
        match self {
            Self::Udp(socket) => drop(socket.send(message)),
            Self::Tcp(stream, _) => {
                let padding = &[0; 3][..message.len().next_multiple_of(4) - message.len()];
                drop(stream.write_all(&[message, padding].concat()));
            }
        }
    }

    /// One message, or nothing within 2 ms.
    fn receive(&mut self) -> Option<Vec<u8>> {
        let mut buffer = [0; 65_536];
        match self {
            Self::Udp(socket) => socket.recv(&mut buffer).ok().map(|count| buffer[..count].to_vec()),
            Self::Tcp(stream, rest) => {
                let whole = |rest: &[u8]| {
                    let [first, _, high, low, ..] = rest else { return None };
                    let length = usize::from(u16::from_be_bytes([*high, *low]));
                    let total = if *first < 4 { 20 + length } else { 4 + length.next_multiple_of(4) };
                    (rest.len() >= total).then_some(total)
                };
                if whole(rest).is_none()
                    && let Ok(count) = stream.read(&mut buffer)
                {
                    rest.extend_from_slice(&buffer[..count]);
                }
                let total = whole(rest)?;
                Some(rest.drain(..total).collect())
            }
        }
    }
}

/// A client of the relay.
struct Guest {
    wire: Wire,
    user: Credentials,
    nonce: String,
}

impl Guest {
    fn new(mut wire: Wire, user: Credentials) -> Self {
        wire.send(&Message::builder_request(ALLOCATE, MessageWriteVec::new()).finish());
        let mut guest = Self { wire, user, nonce: String::new() };
        let answer = guest.answer();
        let answer = Message::from_bytes(&answer).unwrap();
        assert_eq!(answer.attribute::<ErrorCode>().unwrap().code(), 401);
        guest.nonce = answer.attribute::<Nonce>().unwrap().nonce().to_owned();
        guest
    }

    fn answer(&mut self) -> Vec<u8> {
        let end = Instant::now() + Duration::from_secs(20);
        loop {
            assert!(Instant::now() < end, "no answer");
            if let Some(message) = self.wire.receive()
                && Message::from_bytes(&message).is_ok_and(|message| message.class() != MessageClass::Indication)
            {
                return message;
            }
        }
    }

    /// The code of the error, or 0, and the answer.
    fn ask(&mut self, method: Method, peer: Option<SocketAddr>, more: &[&dyn AttributeWrite]) -> (u16, Vec<u8>) {
        let mut message = Message::builder_request(method, MessageWriteVec::new());
        for attribute in more {
            message.add_attribute(*attribute).unwrap();
        }
        if let Some(peer) = peer {
            let peer = XorPeerAddress::new(peer, message.transaction_id());
            message.add_attribute(&peer).unwrap();
        }
        message.add_attribute(&Username::new(&self.user.username).unwrap()).unwrap();
        message.add_attribute(&Realm::new("bedside").unwrap()).unwrap();
        message.add_attribute(&Nonce::new(&self.nonce).unwrap()).unwrap();
        let (name, password) = (self.user.username.clone(), self.user.password.clone());
        let key = LongTermKeyCredentials::new(name, password, "bedside".into());
        message.add_message_integrity(&key.into(), IntegrityAlgorithm::Sha1).unwrap();
        self.wire.send(&message.finish());
        let answer = self.answer();
        let code = Message::from_bytes(&answer).unwrap().attribute::<ErrorCode>().map_or(0, |error| error.code());
        (code, answer)
    }

    fn allocate(&mut self) -> Result<SocketAddr, u16> {
        match self.ask(ALLOCATE, None, &[&RequestedTransport::new(RequestedTransport::UDP)]) {
            (0, answer) => {
                let answer = Message::from_bytes(&answer).unwrap();
                Ok(answer.attribute::<XorRelayedAddress>().unwrap().addr(answer.transaction_id()))
            }
            (code, _) => Err(code),
        }
    }

    fn send(&mut self, peer: SocketAddr, packet: &[u8]) {
        let mut message = Message::builder_indication(SEND, MessageWriteVec::new());
        let peer = XorPeerAddress::new(peer, message.transaction_id());
        message.add_attribute(&peer).unwrap();
        message.add_attribute(&Data::new(packet)).unwrap();
        self.wire.send(&message.finish());
    }

    fn receive(&mut self) -> Option<Vec<u8>> {
        let message = self.wire.receive()?;
        if message[0] >= 0x40 {
            let length = usize::from(u16::from_be_bytes([message[2], message[3]]));
            return Some(message[4..4 + length].to_vec());
        }
        Message::from_bytes(&message).ok()?.attribute::<Data<'_>>().ok().map(|data| data.data().to_vec())
    }
}

/// A peer that reaches media through the relay, with a thread.
struct Relayed {
    key: PeerKey,
    client: Arc<Mutex<Client>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Relayed {
    async fn join(sfu: &Sfu, room: RoomKey, id: u8, mut guest: Guest, channel: bool) -> Self {
        let relayed = guest.allocate().unwrap();
        let media = sfu.candidates()[0];
        assert_eq!(guest.ask(CREATE_PERMISSION, Some(media), &[]).0, 0);
        if channel {
            assert_eq!(guest.ask(CHANNEL_BIND, Some(media), &[&ChannelNumber::new(0x4000)]).0, 0);
        }
        let mut client = Client::new(id, relayed, Instant::now());
        let (offer, pending) = client.offer();
        let answer = sfu.offer(room, PeerKey(u128::from(id)), offer).await.unwrap();
        client.answer(pending, &answer.sdp, Instant::now());
        let (client, stop) = (Arc::new(Mutex::new(client)), Arc::new(AtomicBool::new(false)));
        let thread = {
            let (client, stop) = (client.clone(), stop.clone());
            std::thread::spawn(move || run(&client, guest, media, channel, &stop))
        };
        Self { key: PeerKey(u128::from(id)), client, stop, thread: Some(thread) }
    }

    async fn until(&self, what: &str, done: impl Fn(&Client) -> bool) {
        let end = Instant::now() + Duration::from_secs(20);
        while !done(&self.client.lock().unwrap()) {
            assert!(Instant::now() < end, "never came: {what}");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}

impl Drop for Relayed {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

fn run(client: &Mutex<Client>, mut guest: Guest, media: SocketAddr, channel: bool, stop: &AtomicBool) {
    let mut metronome = Metronome::new(Instant::now());
    while !stop.load(Ordering::Relaxed) {
        let got = guest.receive();
        let now = Instant::now();
        let mut client = client.lock().unwrap();
        if let Some(packet) = got {
            client.receive(media, &packet, now);
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
        for (to, packet) in outgoing {
            assert_eq!(to, media);
            if channel {
                let mut framed = vec![0x40, 0];
                framed.extend_from_slice(&u16::try_from(packet.len()).unwrap().to_be_bytes());
                framed.extend_from_slice(&packet);
                guest.wire.send(&framed);
            } else {
                guest.send(media, &packet);
            }
        }
    }
}

async fn relay(limits: Limits) -> (Sfu, tokio::sync::mpsc::Receiver<sfu::Event>, Turn, SocketAddr) {
    let (sfu, events) = start();
    let turn = Turn::new(&sfu, limits).unwrap();
    assert!(Turn::new(&sfu, limits).is_none(), "one relay has the packets");
    let address = turn.listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
    (sfu, events, turn, address)
}

#[tokio::test(flavor = "multi_thread")]
async fn one_who_reaches_only_the_relay_sees_and_hears_one_who_has_udp() {
    for (tcp, channel) in [(false, false), (false, true), (true, false), (true, true)] {
        let (sfu, _events, turn, address) = relay(Limits::default()).await;
        let wire = if tcp { Wire::tcp(address) } else { Wire::udp(address) };
        let guest = Guest::new(wire, turn.credentials("patient", GOOD));
        let host = Live::join(&sfu, ROOM, 1).await;
        let patient = Relayed::join(&sfu, ROOM, 2, guest, channel).await;
        host.until("the host connects", |c| c.connected).await;
        patient.until("the patient connects", |c| c.connected).await;
        assert_eq!(sfu.counters().forwarded, 0, "nobody is admitted yet");
        sfu.admit(ROOM, host.key);
        sfu.admit(ROOM, patient.key);
        host.until("the patient's picture", |c| c.received.iter().any(|p| p.keyframe) && c.from(2) > 300).await;
        patient.until("the host's picture", |c| c.received.iter().any(|p| p.keyframe) && c.from(1) > 300).await;
        let counters = turn.counters();
        assert!(counters.packets_to_media > 300 && counters.packets_to_clients > 300, "{counters:?}");
        assert_eq!(counters.allocations, 1);
        drop(patient);
        if tcp {
            until(&turn, "its address is given back with its connection", |c| c.allocations == 0).await;
        }
        turn.close();
        sfu.shutdown().await;
    }
}

async fn until(turn: &Turn, what: &str, done: impl Fn(&sfu::turn::TurnCounters) -> bool) {
    let end = Instant::now() + Duration::from_secs(20);
    while !done(&turn.counters()) {
        assert!(Instant::now() < end, "never came: {what}: {:?}", turn.counters());
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_packet_gets_anywhere_but_to_media() {
    let (sfu, _events, turn, address) = relay(Limits::default()).await;
    // Others on this machine, where a relay would be most welcome.
    let canaries: Vec<UdpSocket> =
        ["127.0.0.1:0", "127.0.0.2:0", "0.0.0.0:0"].map(|a| UdpSocket::bind(a).unwrap()).into();
    let mut guest = Guest::new(Wire::udp(address), turn.credentials("patient", GOOD));
    guest.allocate().unwrap();
    // Media's address is all that it may get, and it gets it; so that what is refused below is refused by its port.
    let media = sfu.candidates()[0];
    assert_eq!(guest.ask(CREATE_PERMISSION, Some(media), &[]).0, 0);
    let mut targets: Vec<SocketAddr> = canaries.iter().map(|canary| canary.local_addr().unwrap()).collect();
    let elsewhere = ["169.254.169.254:80", "10.0.0.1:53", "192.0.2.1:1", "8.8.8.8:53"];
    targets.extend(elsewhere.map(|text| text.parse::<SocketAddr>().unwrap()));
    targets.push(address);
    let mut forbidden = 0;
    for (n, target) in targets.iter().enumerate() {
        let expected = if target.ip() == media.ip() { 0 } else { 403 };
        assert_eq!(guest.ask(CREATE_PERMISSION, Some(*target), &[]).0, expected, "{target}");
        let channel = ChannelNumber::new(0x4000 + n as u16);
        assert_eq!(guest.ask(CHANNEL_BIND, Some(*target), &[&channel]).0, 403, "{target}");
        forbidden += 1 + u64::from(expected == 403);
        for _ in 0..100 {
            guest.send(*target, b"let me in");
            guest.wire.send(&[0x40, n as u8, 0, 1, 7]);
        }
    }
    // Datagrams are taken in order: once this one is answered, all before were taken (or lost on a full socket).
    assert_eq!(guest.ask(CREATE_PERMISSION, Some(media), &[]).0, 0);
    let counters = turn.counters();
    assert_eq!((counters.forbidden, counters.packets_to_media), (forbidden, 0));
    assert_eq!(counters.dropped, 200 * targets.len() as u64);
    for canary in canaries {
        canary.set_nonblocking(true).unwrap();
        assert!(canary.recv_from(&mut [0; 100]).is_err(), "a packet got through");
    }
    turn.close();
    sfu.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn expired_and_forged_credentials_give_no_address() {
    let (sfu, _events, turn, address) = relay(Limits::default()).await;
    let good = turn.credentials("patient", GOOD);
    let (_, whom) = good.username.split_once(':').unwrap();
    let later = good.username.replace(good.username.split(':').next().unwrap(), "9999999999");
    let forged = [
        turn.credentials("patient", Duration::ZERO),
        Credentials { username: later, ..good.clone() },
        Credentials { username: good.username.replace(whom, "provider"), ..good.clone() },
        Credentials { password: "guess".into(), ..good.clone() },
    ];
    for (n, user) in forged.into_iter().enumerate() {
        for wire in [Wire::udp(address), Wire::tcp(address)] {
            assert_eq!(Guest::new(wire, user.clone()).allocate(), Err(401), "case {n}");
        }
    }
    assert_eq!((turn.counters().refused_credentials, turn.counters().allocated), (8, 0));
    Guest::new(Wire::udp(address), good).allocate().unwrap();
    turn.close();
    sfu.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_on_connections_are_sent_away() {
    let limits = Limits { proof_within: Duration::from_millis(200), per_network: 40, ..Limits::default() };
    let (sfu, _events, turn, address) = relay(limits).await;
    let says = [
        vec![],
        b"GET / HTTP/1.1\r\n\r\n".to_vec(),
        b"\x16\x03\x01\x02\x00\x01\x00".to_vec(),
        vec![0, 3],
        vec![0, 3, 0xff, 0xfc],
        vec![0x40, 0, 0xff, 0xff],
        vec![0x40; 100_000],
    ];
    let mut ends = 0;
    let mut streams: Vec<TcpStream> = vec![];
    for said in says {
        let mut stream = TcpStream::connect(address).unwrap();
        // The relay may close before all is written.
        let _sent: std::io::Result<()> = stream.write_all(&said);
        streams.push(stream);
    }
    // And more than one network may have.
    streams.extend((0..60).map(|_| TcpStream::connect(address).unwrap()));
    for mut stream in streams {
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let mut answer = vec![];
        match stream.read_to_end(&mut answer) {
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => {}
            Err(error) => panic!("the relay did not end it: {error}"),
        }
        assert_eq!(answer, b"");
        ends += 1;
    }
    assert_eq!(ends, 67);
    turn.close();
    sfu.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_on_the_relays_port_leaves_a_call_through_it_alone() {
    let (sfu, _events, turn, address) = relay(Limits::default()).await;
    let guest = Guest::new(Wire::tcp(address), turn.credentials("patient", GOOD));
    let host = Live::join(&sfu, ROOM, 1).await;
    let patient = Relayed::join(&sfu, ROOM, 2, guest, true).await;
    sfu.admit(ROOM, host.key);
    sfu.admit(ROOM, patient.key);
    host.until("media flows", |c| c.from(2) > 50).await;
    let allocate = Message::builder_request(ALLOCATE, MessageWriteVec::new()).finish();
    let flood = std::thread::spawn(move || {
        let sockets: Vec<UdpSocket> = (0..20).map(|_| UdpSocket::bind("127.0.0.1:0").unwrap()).collect();
        for n in 0..100_000u32 {
            let junk = [&n.to_be_bytes()[..], &[0x40; 40]].concat();
            let packet = if n % 2 == 0 { &allocate } else { &junk };
            let _full: std::io::Result<usize> = sockets[n as usize % 20].send_to(packet, address);
        }
    });
    tokio::task::spawn_blocking(|| flood.join().unwrap()).await.unwrap();
    let before = (host.with(|c| c.from(2)), patient.client.lock().unwrap().from(1));
    host.until("the call goes on", |c| c.from(2) > before.0 + 100).await;
    patient.until("the call goes on", |c| c.from(1) > before.1 + 100).await;
    assert_eq!((turn.counters().allocations, turn.counters().allocated), (1, 1));
    turn.close();
    sfu.shutdown().await;
}
