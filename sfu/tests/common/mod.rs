//! An SFU on loopback sockets and clients that run in threads.

#![expect(dead_code, reason = "each test file uses a part")]

#[path = "../../core/tests/common/client.rs"]
pub mod client;

use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use client::{Client, Metronome};
use sfu::{Config, Event, Limits, PeerKey, RoomKey, Sfu, TcpLimits};

pub const ROOM: RoomKey = RoomKey(77);

pub fn config(workers: usize) -> Config {
    Config {
        bind: "127.0.0.1:0".parse().unwrap(),
        public: vec![],
        workers,
        udp: true,
        tcp: Some(TcpLimits::default()),
        limits: Limits::default(),
    }
}

pub fn start() -> (Sfu, tokio::sync::mpsc::Receiver<Event>) {
    Sfu::start(config(1)).unwrap()
}

/// A client with its own socket and thread.
pub struct Live {
    pub key: PeerKey,
    pub client: Arc<Mutex<Client>>,
    pub socket: Arc<UdpSocket>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Live {
    /// Joins the room and sends voice and camera.
    pub async fn join(sfu: &Sfu, room: RoomKey, id: u8) -> Self {
        let socket = Arc::new(UdpSocket::bind("127.0.0.1:0").unwrap());
        let mut client = Client::new(id, socket.local_addr().unwrap(), Instant::now());
        let key = PeerKey(u128::from(id));
        let (offer, pending) = client.offer();
        let answer = sfu.offer(room, key, offer).await.unwrap();
        client.answer(pending, &answer.sdp, Instant::now());
        let client = Arc::new(Mutex::new(client));
        let stop = Arc::new(AtomicBool::new(false));
        let thread = {
            let (client, socket, stop) = (client.clone(), socket.clone(), stop.clone());
            std::thread::spawn(move || run(&client, &socket, &stop))
        };
        Self { key, client, socket, stop, thread: Some(thread) }
    }

    /// Waits, at most 20 s, until the client is as wanted.
    pub async fn until(&self, what: &str, done: impl Fn(&Client) -> bool) {
        let end = Instant::now() + Duration::from_secs(20);
        while !done(&self.client.lock().unwrap()) {
            assert!(Instant::now() < end, "never came: {what}");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    pub fn with<T>(&self, look: impl FnOnce(&mut Client) -> T) -> T {
        look(&mut self.client.lock().unwrap())
    }

    /// Dies without a word.
    pub fn kill(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.kill();
    }
}

fn run(client: &Mutex<Client>, socket: &UdpSocket, stop: &AtomicBool) {
    socket.set_read_timeout(Some(Duration::from_millis(2))).unwrap();
    let mut metronome = Metronome::new(Instant::now());
    let mut buffer = [0u8; 2_048];
    while !stop.load(Ordering::Relaxed) {
        let got: Option<(usize, SocketAddr)> = socket.recv_from(&mut buffer).ok();
        let now = Instant::now();
        let mut client = client.lock().unwrap();
        if let Some((length, from)) = got {
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
