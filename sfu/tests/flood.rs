//! Floods at a worker's socket beside a running visit. They are paced by what the worker has counted, so that what is
//! shown is what it makes of them, and not how much a kernel's buffer holds.

mod common;

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use common::client::Client;
use common::{Live, ROOM, start};
use sfu::{PeerKey, RoomKey, Sfu};

const JUNK: u64 = 50_000;
const AT_ONCE: u64 = 250;

async fn until_foreign(sfu: &Sfu, count: u64) {
    let end = Instant::now() + Duration::from_secs(20);
    while sfu.counters().dropped_foreign < count {
        assert!(Instant::now() < end, "{:?}", sfu.counters());
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// A DTLS ClientHello as anybody can write one.
fn client_hello(n: u32) -> Vec<u8> {
    let mut body = vec![0xfe, 0xfd];
    body.extend_from_slice(&[n as u8; 32]);
    // No session, no cookie, one suite, no compression, one group, one signature.
    body.extend_from_slice(&[0, 0, 0, 2, 0xc0, 0x2b, 1, 0, 0, 16, 0, 10, 0, 4, 0, 2, 0, 23, 0, 13, 0, 4, 0, 2, 4, 3]);
    let length = (body.len() as u32).to_be_bytes();
    let mut hello = vec![1];
    hello.extend_from_slice(&length[1..]);
    hello.extend_from_slice(&[0, 0, 0, 0, 0]);
    hello.extend_from_slice(&length[1..]);
    hello.extend_from_slice(&body);
    let mut record = vec![22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, n as u8];
    record.extend_from_slice(&(hello.len() as u16).to_be_bytes());
    record.extend_from_slice(&hello);
    record
}

fn junk(n: u64) -> Vec<u8> {
    let mut stun = vec![0, 1, 0, 16, 0x21, 0x12, 0xa4, 0x42];
    stun.extend_from_slice(&n.to_be_bytes());
    stun.extend_from_slice(&[0; 4]);
    match n % 4 {
        0 => [&stun[..], b"\0\x06\0\x09nobo:ther\0\0\0"].concat(),
        1 => client_hello(n as u32),
        2 => [&[0x90, 96][..], &n.to_be_bytes(), &[0x5a; 200]].concat(),
        _ => n.to_be_bytes().repeat(20),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_thousand_junk_datagrams_cost_a_visit_not_one_packet() {
    let (sfu, _events) = start();
    let (host, patient) = (Live::join(&sfu, ROOM, 1).await, Live::join(&sfu, ROOM, 2).await);
    sfu.admit(ROOM, host.key);
    sfu.admit(ROOM, patient.key);
    host.until("media flows", |c| c.from(2) > 50).await;
    patient.until("media flows", |c| c.from(1) > 50).await;
    let server = sfu.addresses()[0];
    let strangers: Vec<UdpSocket> = (0..50).map(|_| UdpSocket::bind("127.0.0.1:0").unwrap()).collect();
    let before = sfu.counters();
    for batch in 0..JUNK / AT_ONCE {
        for n in 0..AT_ONCE {
            strangers[(n % 50) as usize].send_to(&junk(batch * AT_ONCE + n), server).unwrap();
        }
        until_foreign(&sfu, before.dropped_foreign + (batch + 1) * AT_ONCE).await;
    }
    let after = sfu.counters();
    assert_eq!(after.dropped_foreign - before.dropped_foreign, JUNK, "each was counted, and nothing else was refused");
    assert_eq!((after.peers, after.rooms, after.dropped_send), (2, 1, before.dropped_send));
    for (who, from) in [(&host, 2), (&patient, 1)] {
        let heard = who.with(|c| c.from(from));
        who.until("the visit goes on", |c| c.from(from) > heard + 100).await;
        let sound: Vec<u64> = who.with(|c| c.received.iter().filter(|p| p.layer.is_none()).map(|p| p.seq).collect());
        assert!(sound.windows(2).all(|pair| pair[1] == pair[0] + 1), "sound was lost: {sound:?}");
    }
    for stranger in strangers {
        stranger.set_nonblocking(true).unwrap();
        assert!(stranger.recv(&mut [0; 100]).is_err(), "a stranger got a reply");
    }
    sfu.shutdown().await;
}

/// Sends until it is told to stop.
fn spray(server: SocketAddr, stop: Arc<AtomicBool>) -> std::thread::JoinHandle<u64> {
    std::thread::spawn(move || {
        let sockets: Vec<UdpSocket> = (0..20).map(|_| UdpSocket::bind("127.0.0.1:0").unwrap()).collect();
        sockets[0].set_read_timeout(Some(Duration::from_millis(1))).unwrap();
        let mut sent = 0;
        while !stop.load(Ordering::Relaxed) {
            for socket in &sockets {
                sent += u64::from(socket.send_to(&client_hello(sent as u32), server).is_ok());
            }
            assert!(sockets[0].recv(&mut [0; 100]).is_err(), "a stranger got a reply");
        }
        sent
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn client_hellos_from_everywhere_break_no_handshake() {
    let (sfu, _events) = start();
    let stop = Arc::new(AtomicBool::new(false));
    let sprayer = spray(sfu.addresses()[0], stop.clone());
    // CVE-2023-49786: whose ClientHello comes first must not matter.
    for id in 1..=30 {
        let joined = Live::join(&sfu, RoomKey(u128::from(id)), id).await;
        joined.until("it connects", |c| c.connected).await;
    }
    stop.store(true, Ordering::Relaxed);
    let sent = sprayer.join().unwrap();
    until_foreign(&sfu, 1).await;
    assert!(sent > 100, "{sent} were sprayed");
    sfu.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn huge_and_hostile_offers_are_refused_and_leave_nothing() {
    let (sfu, _events) = start();
    let mut client = Client::new(1, "127.0.0.1:9".parse().unwrap(), Instant::now());
    let (good, _) = client.offer();
    let mut refused = 0;
    for n in 0..200u32 {
        let line = "a=ssrc:1 cname:x\r\n";
        let sdp = match n % 5 {
            0 => format!("{good}{}", line.repeat(64 * 1024 / line.len())),
            1 => format!("{good}{}", format!("m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:{n}\r\n").repeat(60)),
            2 => "v=0\r\n".repeat(n as usize * 100),
            3 => good.replace("m=video", &format!("m={}", "v".repeat(n as usize))),
            _ => good.replace("a=ice-pwd:", "a=ice-pwd:\u{0}\r\n"),
        };
        refused += u32::from(sfu.offer(RoomKey(u128::from(n)), PeerKey(1), sdp).await.is_err());
    }
    assert!(refused >= 120, "{refused} of 200");
    let peers = sfu.counters().peers;
    assert_eq!(peers, u64::from(200 - refused), "a refused one left a peer behind");
    sfu.shutdown().await;
}
