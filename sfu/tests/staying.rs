//! A phone leaves the Wi-Fi: another address, the same visit.

mod common;

use std::net::UdpSocket;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use common::client::{Client, Metronome};
use common::{Live, ROOM, start};
use sfu::{EventKind, PeerKey, Sfu};
use str0m::Candidate;
use str0m::change::SdpAnswer;

/// A client and the socket that it has now.
struct Phone {
    client: Client,
    socket: UdpSocket,
}

/// A client that can change its socket, with a thread.
struct Roaming {
    key: PeerKey,
    phone: Arc<Mutex<Phone>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

fn socket() -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(2))).unwrap();
    socket
}

impl Roaming {
    async fn join(sfu: &Sfu, id: u8) -> Self {
        let socket = socket();
        let mut client = Client::new(id, socket.local_addr().unwrap(), Instant::now());
        let (offer, pending) = client.offer();
        let answer = sfu.offer(ROOM, PeerKey(u128::from(id)), offer).await.unwrap();
        client.answer(pending, &answer.sdp, Instant::now());
        let phone = Arc::new(Mutex::new(Phone { client, socket }));
        let stop = Arc::new(AtomicBool::new(false));
        let thread = {
            let (phone, stop) = (phone.clone(), stop.clone());
            std::thread::spawn(move || run(&phone, &stop))
        };
        Self { key: PeerKey(u128::from(id)), phone, stop, thread: Some(thread) }
    }

    /// The old socket is gone; nothing was said to anybody.
    fn moves(&self) {
        let mut phone = self.phone.lock().unwrap();
        phone.socket = socket();
        let old = Candidate::host(phone.client.address, "udp").unwrap();
        phone.client.address = phone.socket.local_addr().unwrap();
        let new = Candidate::host(phone.client.address, "udp").unwrap();
        phone.client.rtc.add_local_candidate(new);
        phone.client.rtc.direct_api().invalidate_candidate(&old);
        phone.client.tick(Instant::now());
    }

    /// The same, and the client asks for a restart of ICE.
    async fn moves_and_restarts(&self, sfu: &Sfu) {
        let (offer, pending) = {
            let mut phone = self.phone.lock().unwrap();
            phone.socket = socket();
            phone.client.address = phone.socket.local_addr().unwrap();
            let mut api = phone.client.rtc.sdp_api();
            api.ice_restart(false);
            api.apply().unwrap()
        };
        let answer = sfu.offer(ROOM, self.key, offer.to_sdp_string()).await.unwrap();
        let mut phone = self.phone.lock().unwrap();
        let answer = SdpAnswer::from_sdp_string(&answer.sdp).unwrap();
        phone.client.rtc.sdp_api().accept_answer(pending, answer).unwrap();
        let new = Candidate::host(phone.client.address, "udp").unwrap();
        phone.client.rtc.add_local_candidate(new);
        phone.client.tick(Instant::now());
    }

    async fn until(&self, what: &str, done: impl Fn(&Client) -> bool) {
        let end = Instant::now() + Duration::from_secs(20);
        while !done(&self.phone.lock().unwrap().client) {
            assert!(Instant::now() < end, "never came: {what}");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    fn heard(&self, from: u8) -> usize {
        self.phone.lock().unwrap().client.from(from)
    }
}

impl Drop for Roaming {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

fn run(phone: &Mutex<Phone>, stop: &AtomicBool) {
    let mut metronome = Metronome::new(Instant::now());
    let mut buffer = [0u8; 2_048];
    while !stop.load(Ordering::Relaxed) {
        // Waits without holding the phone; by then it may have moved, and what came is for its old address.
        let (waits, address) = {
            let phone = phone.lock().unwrap();
            (phone.socket.try_clone().unwrap(), phone.client.address)
        };
        let got = waits.recv_from(&mut buffer).ok();
        let mut held = phone.lock().unwrap();
        let Phone { client, socket } = &mut *held;
        let now = Instant::now();
        if let Some((length, from)) = got.filter(|_| client.address == address) {
            client.receive(from, &buffer[..length], now);
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
        for (to, bytes) in std::mem::take(&mut client.outgoing) {
            let _gone: std::io::Result<usize> = socket.send_to(&bytes, to);
        }
    }
}

/// Media both ways, `more` packets each from now on.
async fn both_hear(host: &Live, phone: &Roaming, more: usize) {
    let (host_heard, phone_heard) = (host.with(|c| c.from(2)), phone.heard(1));
    host.until("the host hears the phone", |c| c.from(2) > host_heard + more).await;
    phone.until("the phone hears the host", |c| c.from(1) > phone_heard + more).await;
}

#[tokio::test]
async fn a_phone_that_changes_its_network_stays_in_the_visit() {
    let (sfu, mut events) = start();
    let (host, phone) = (Live::join(&sfu, ROOM, 1).await, Roaming::join(&sfu, 2).await);
    sfu.admit(ROOM, host.key);
    sfu.admit(ROOM, phone.key);
    both_hear(&host, &phone, 50).await;
    for _ in 0..3 {
        phone.moves();
        both_hear(&host, &phone, 100).await;
    }
    for _ in 0..3 {
        phone.moves_and_restarts(&sfu).await;
        both_hear(&host, &phone, 100).await;
    }
    assert_eq!(sfu.counters().peers, 2);
    sfu.shutdown().await;
    // Never lost, never connected anew: one handshake each.
    let mut connected = 0;
    while let Some(event) = events.recv().await {
        assert_ne!(event.kind, EventKind::Lost);
        connected += usize::from(event.kind == EventKind::Connected);
    }
    assert_eq!(connected, 2);
}

#[tokio::test]
async fn after_a_restart_the_old_password_moves_nothing() {
    let (sfu, _events) = start();
    let (host, phone) = (Live::join(&sfu, ROOM, 1).await, Roaming::join(&sfu, 2).await);
    sfu.admit(ROOM, host.key);
    sfu.admit(ROOM, phone.key);
    both_hear(&host, &phone, 50).await;
    // What the phone asked of the server before: good STUN of that time.
    let end = Instant::now() + Duration::from_secs(20);
    let overheard = loop {
        assert!(Instant::now() < end, "no STUN was sent");
        let stun = {
            let mut phone = phone.phone.lock().unwrap();
            phone.client.tick(Instant::now());
            let Phone { client, socket } = &mut *phone;
            let outgoing = std::mem::take(&mut client.outgoing);
            outgoing.iter().for_each(|(to, bytes)| drop(socket.send_to(bytes, to)));
            outgoing.into_iter().find(|(_, bytes)| bytes[..2] == [0, 1])
        };
        if let Some((_, bytes)) = stun {
            break bytes;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    };
    phone.moves_and_restarts(&sfu).await;
    both_hear(&host, &phone, 50).await;
    let foreign = sfu.counters().dropped_foreign;
    // Connected, so that it hears the server alone: others' strays may still come to a port that was theirs.
    let thief = socket();
    thief.connect(sfu.addresses()[0]).unwrap();
    for _ in 0..100 {
        thief.send(&overheard).unwrap();
    }
    let end = Instant::now() + Duration::from_secs(20);
    while sfu.counters().dropped_foreign < foreign + 100 {
        assert!(Instant::now() < end, "{:?}", sfu.counters());
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    both_hear(&host, &phone, 50).await;
    assert!(thief.recv(&mut [0; 100]).is_err(), "the thief got an answer");
    sfu.shutdown().await;
}
