//! What strangers and forgers can do to a call: nothing.

mod common;

use std::net::UdpSocket;
use std::time::{Duration, Instant};

use common::{Live, ROOM, start};
use sfu::Sfu;

async fn call() -> (Sfu, tokio::sync::mpsc::Receiver<sfu::Event>, Live, Live) {
    let (sfu, events) = start();
    let (host, patient) = (Live::join(&sfu, ROOM, 1).await, Live::join(&sfu, ROOM, 2).await);
    sfu.admit(ROOM, host.key);
    sfu.admit(ROOM, patient.key);
    host.until("media flows", |c| c.from(2) > 50).await;
    patient.until("media flows", |c| c.from(1) > 50).await;
    (sfu, events, host, patient)
}

async fn until_foreign(sfu: &Sfu, count: u64) {
    let end = Instant::now() + Duration::from_secs(20);
    while sfu.counters().dropped_foreign < count {
        assert!(Instant::now() < end, "{:?}", sfu.counters());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// RTP with a MID and RID extension in the ids that str0m's client uses, and a payload that authenticates nothing.
fn forged(ssrc: u32, mid: &str, rid: Option<&str>) -> Vec<u8> {
    let mut extensions = vec![4 << 4 | (mid.len() as u8 - 1)];
    extensions.extend_from_slice(mid.as_bytes());
    if let Some(rid) = rid {
        extensions.push(10 << 4 | (rid.len() as u8 - 1));
        extensions.extend_from_slice(rid.as_bytes());
    }
    while extensions.len() % 4 != 0 {
        extensions.push(0);
    }
    let mut rtp = vec![0x90, 96, 1, 2, 0, 0, 0, 9];
    rtp.extend_from_slice(&ssrc.to_be_bytes());
    rtp.extend_from_slice(&[0xbe, 0xde, 0, (extensions.len() / 4) as u8]);
    rtp.extend_from_slice(&extensions);
    rtp.extend_from_slice(&[0x5a; 200]);
    rtp
}

#[tokio::test]
async fn packets_from_a_foreign_source_get_no_reply_and_change_nothing() {
    let (sfu, _events, host, patient) = call().await;
    let server = sfu.addresses()[0];
    let stranger = UdpSocket::bind("127.0.0.1:0").unwrap();
    stranger.set_nonblocking(true).unwrap();
    let mid = patient.with(|c| c.mids[1].to_string());
    let mut client_hello = vec![22, 0xfe, 0xfd];
    client_hello.resize(200, 1);
    let mut guessed = vec![0, 1, 0, 16, 0x21, 0x12, 0xa4, 0x42, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];
    guessed.extend_from_slice(&[0, 6, 0, 9]);
    guessed.extend_from_slice(b"abcd:efgh\0\0\0");
    let before = sfu.counters().dropped_foreign;
    for n in 0..500u32 {
        for datagram in [&forged(n, &mid, Some("f")), &client_hello, &guessed, &vec![n as u8; 40]] {
            stranger.send_to(datagram, server).unwrap();
        }
        if n % 50 == 0 {
            tokio::task::yield_now().await;
        }
    }
    until_foreign(&sfu, before + 1_000).await;
    let count = host.with(|c| c.from(2));
    host.until("the call goes on", |c| c.from(2) > count + 100).await;
    let mut reply = [0u8; 100];
    assert!(stranger.recv(&mut reply).is_err(), "a stranger got a reply");
    sfu.shutdown().await;
}

#[tokio::test]
async fn forged_rtp_from_the_victims_own_address_cannot_tear_its_tracks_away() {
    let (sfu, _events, host, patient) = call().await;
    let server = sfu.addresses()[0];
    let (voice, camera) = patient.with(|c| (c.mids[0].to_string(), c.mids[1].to_string()));
    let before = sfu.counters().dropped_foreign;
    for ssrc in 1..5_000u32 {
        patient.socket.send_to(&forged(ssrc, &voice, None), server).unwrap();
        for rid in ["q", "h", "f"] {
            patient.socket.send_to(&forged(ssrc + 1_000_000, &camera, Some(rid)), server).unwrap();
        }
        if ssrc % 100 == 0 {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
    until_foreign(&sfu, before + 5_000).await;
    let (audio, video) = host.with(|c| {
        let video = c.received.iter().filter(|p| p.layer.is_some()).count();
        (c.received.len() - video, video)
    });
    host.until("voice and picture go on", |c| {
        let videos = c.received.iter().filter(|p| p.layer.is_some()).count();
        c.received.len() - videos > audio + 50 && videos > video + 100
    })
    .await;
    sfu.shutdown().await;
}

#[tokio::test]
async fn stun_with_a_known_name_but_without_its_password_moves_nothing() {
    let (sfu, _events, host, patient) = call().await;
    let server = sfu.addresses()[0];
    let stranger = UdpSocket::bind("127.0.0.1:0").unwrap();
    stranger.set_nonblocking(true).unwrap();
    let ufrag = {
        let mut client = common::client::Client::new(2, "127.0.0.1:9".parse().unwrap(), Instant::now());
        let (offer, _) = client.offer();
        let answer = sfu.offer(ROOM, sfu::PeerKey(50), offer).await.unwrap().sdp;
        answer.lines().find_map(|line| line.strip_prefix("a=ice-ufrag:")).unwrap().to_owned()
    };
    let name = format!("{ufrag}:xxxx");
    let mut message = vec![0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];
    message.extend_from_slice(&[0, 6, 0, name.len() as u8]);
    message.extend_from_slice(name.as_bytes());
    while message.len() % 4 != 0 {
        message.push(0);
    }
    message.extend_from_slice(&[0, 8, 0, 20]);
    message.extend_from_slice(&[9; 20]);
    let length = (message.len() - 20) as u16;
    message[2..4].copy_from_slice(&length.to_be_bytes());
    let before = sfu.counters().dropped_foreign;
    for _ in 0..1_000 {
        stranger.send_to(&message, server).unwrap();
    }
    until_foreign(&sfu, before + 200).await;
    let count = host.with(|c| c.from(2));
    host.until("the call goes on", |c| c.from(2) > count + 100).await;
    let mut reply = [0u8; 100];
    assert!(stranger.recv(&mut reply).is_err(), "a stranger got a reply");
    let _both: (&Live, &Live) = (&host, &patient);
    sfu.shutdown().await;
}
