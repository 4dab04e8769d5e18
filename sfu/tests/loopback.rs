//! The SFU over real sockets on loopback.

mod common;

use std::net::UdpSocket;
use std::time::{Duration, Instant};

use common::{Live, ROOM, config, start};
use sfu::{Config, EventKind, OfferError, PeerKey, RoomKey, Sfu, StartError, TapSink};

#[tokio::test]
async fn two_admitted_peers_see_and_hear_each_other() {
    let (sfu, mut events) = start();
    let (host, patient) = (Live::join(&sfu, ROOM, 1).await, Live::join(&sfu, ROOM, 2).await);
    host.until("the host connects", |c| c.connected).await;
    patient.until("the patient connects", |c| c.connected).await;
    sfu.admit(ROOM, host.key);
    sfu.admit(ROOM, patient.key);
    for (me, other) in [(&host, 2), (&patient, 1)] {
        me.until("video decodes", |c| c.received.iter().any(|p| p.keyframe)).await;
        me.until("a hundred packets come", |c| c.from(other) > 100).await;
        assert_eq!(me.with(|c| c.received.len() - c.from(other)), 0);
    }
    let counters = sfu.counters();
    assert_eq!((counters.rooms, counters.peers), (1, 2));
    assert!(counters.forwarded > 200 && counters.packets_in > 200 && counters.packets_out > 200, "{counters:?}");
    sfu.shutdown().await;
    let mut connected = 0;
    let mut slots = 0;
    while let Some(event) = events.recv().await {
        assert_eq!(event.room, ROOM);
        connected += usize::from(event.kind == EventKind::Connected);
        slots += usize::from(matches!(event.kind, EventKind::Slots(shown) if shown.len() == 2));
    }
    assert_eq!(connected, 2);
    assert!(slots >= 2);
}

#[tokio::test]
async fn someone_who_waits_gets_and_gives_nothing() {
    let (sfu, _events) = start();
    let (host, patient) = (Live::join(&sfu, ROOM, 1).await, Live::join(&sfu, ROOM, 2).await);
    sfu.admit(ROOM, host.key);
    patient.until("the patient connects", |c| c.connected).await;
    host.until("the host connects", |c| c.connected).await;
    let end = Instant::now() + Duration::from_secs(20);
    while sfu.counters().dropped_not_admitted < 300 {
        assert!(Instant::now() < end, "the patient's media never came");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(sfu.counters().forwarded, 0);
    assert_eq!(host.with(|c| c.received.len()), 0);
    assert_eq!(patient.with(|c| c.received.len()), 0);
    sfu.shutdown().await;
}

#[tokio::test]
async fn a_reloaded_page_takes_the_same_seat_and_stays_admitted() {
    let (sfu, _events) = start();
    let host = Live::join(&sfu, ROOM, 1).await;
    let mut patient = Live::join(&sfu, ROOM, 2).await;
    sfu.admit(ROOM, host.key);
    sfu.admit(ROOM, patient.key);
    host.until("media flows", |c| c.from(2) > 50).await;
    patient.kill();
    let patient = Live::join(&sfu, ROOM, 2).await;
    let before = host.with(|c| c.from(2));
    patient.until("the new page sees the host", |c| c.from(1) > 50).await;
    host.until("the host sees the new page", |c| c.from(2) > before + 50).await;
    assert_eq!(sfu.counters().peers, 2);
    sfu.shutdown().await;
}

#[tokio::test]
async fn a_killed_browser_is_lost_within_five_seconds() {
    let (sfu, mut events) = start();
    let mut patient = Live::join(&sfu, ROOM, 2).await;
    patient.until("the patient connects", |c| c.connected).await;
    patient.kill();
    let killed = Instant::now();
    while events.recv().await.unwrap().kind != EventKind::Lost {}
    assert!(killed.elapsed() < Duration::from_secs(5), "{:?}", killed.elapsed());
    sfu.shutdown().await;
}

#[tokio::test]
async fn a_tap_reaches_the_recorder_and_a_full_queue_costs_only_holes() {
    let (sfu, _events) = start();
    let (host, patient) = (Live::join(&sfu, ROOM, 1).await, Live::join(&sfu, ROOM, 2).await);
    sfu.admit(ROOM, host.key);
    sfu.admit(ROOM, patient.key);
    let (sender, packets) = std::sync::mpsc::sync_channel(10);
    sfu.tap(ROOM, vec![host.key, patient.key], TapSink::from(sender));
    let end = Instant::now() + Duration::from_secs(20);
    while sfu.counters().dropped_tap < 100 {
        assert!(Instant::now() < end, "the tap never filled its queue");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let first: Vec<_> = packets.try_iter().collect();
    assert!(first.len() >= 10);
    host.until("the call is not disturbed", |c| c.from(2) > 200).await;
    let (sender, packets) = std::sync::mpsc::sync_channel(10_000);
    sfu.tap(ROOM, vec![patient.key], TapSink::from(sender));
    let packet =
        tokio::task::spawn_blocking(move || packets.recv_timeout(Duration::from_secs(20)).unwrap()).await.unwrap();
    assert_eq!(packet.peer, patient.key);
    sfu.shutdown().await;
}

#[tokio::test]
async fn quality_is_summed_up_every_five_seconds_in_both_directions() {
    let (sfu, mut events) = start();
    let (host, patient) = (Live::join(&sfu, ROOM, 1).await, Live::join(&sfu, ROOM, 2).await);
    sfu.admit(ROOM, host.key);
    sfu.admit(ROOM, patient.key);
    let mut seen = vec![];
    while seen.len() < 8 {
        if let EventKind::Quality(interval) = events.recv().await.unwrap().kind {
            seen.push(interval);
        }
    }
    for interval in &seen[4..] {
        assert!(interval.packets > 200, "{interval:?}");
        assert!(interval.loss < 0.05, "{interval:?}");
        assert!(interval.bitrate_bps > 100_000, "{interval:?}");
        assert!(interval.mos.unwrap() > 3.5, "{interval:?}");
        assert!((4_900..6_000).contains(&interval.interval_ms), "{interval:?}");
        assert!(interval.rtt_ms.unwrap() < 1_000.0, "{interval:?}");
    }
    sfu.shutdown().await;
}

#[tokio::test]
async fn a_taken_port_is_named_and_nothing_is_left_bound() {
    let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let below = Config { bind: format!("127.0.0.1:{}", port - 1).parse().unwrap(), tcp: None, ..config(2) };
    match Sfu::start(below) {
        Err(StartError::PortTaken { port: named, .. }) => assert_eq!(named, port),
        other => panic!("{other:?}"),
    }
    UdpSocket::bind(("127.0.0.1", port - 1)).expect("the port before it was let go again");
    let beyond = Config { bind: "127.0.0.1:65535".parse().unwrap(), ..config(2) };
    assert!(matches!(Sfu::start(beyond), Err(StartError::PortRange { base: 65_535, workers: 2 })));
}

#[tokio::test]
async fn rooms_are_spread_over_workers() {
    let (sfu, _events) = Sfu::start(config(2)).unwrap();
    let mut ports = std::collections::BTreeSet::new();
    for id in 1..=4 {
        let mut client = common::client::Client::new(id, "127.0.0.1:9".parse().unwrap(), Instant::now());
        let (offer, _) = client.offer();
        let answer = sfu.offer(RoomKey(u128::from(id)), PeerKey(1), offer).await.unwrap();
        let line = answer.sdp.lines().find(|line| line.starts_with("a=candidate:")).unwrap().to_owned();
        ports.insert(line.split(' ').nth(5).unwrap().to_owned());
    }
    assert_eq!(ports.len(), 2);
    sfu.close_room(RoomKey(1));
    sfu.shutdown().await;
}

#[tokio::test]
async fn a_hostile_offer_is_refused_at_once_and_changes_nothing() {
    let (sfu, _events) = start();
    let mut client = common::client::Client::new(1, "127.0.0.1:9".parse().unwrap(), Instant::now());
    let (offer, _) = client.offer();
    let lines = format!("{offer}{}", "m=audio 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:x\r\n".repeat(100));
    let hostile = [
        String::new(),
        "v=0".to_owned(),
        "\u{0}\u{1}\u{2}".repeat(1_000),
        offer.replace("a=mid", "a=nid"),
        offer.replace("a=ice-ufrag", "a=x"),
        offer.replace("a=fingerprint", "a=x"),
        offer.replace("m=video", "m="),
        offer[..offer.len() / 2].to_owned(),
        format!("{offer}{}", "a=x:y\r\n".repeat(20_000)),
        lines,
    ];
    for sdp in hostile {
        let head: String = sdp.chars().take(40).collect();
        let refused = sfu.offer(ROOM, PeerKey(9), sdp).await;
        assert!(matches!(refused, Err(OfferError::Refused(_))), "{head:?}: {refused:?}");
    }
    assert_eq!(sfu.counters().peers, 0);
    sfu.shutdown().await;
}

#[tokio::test]
async fn each_way_to_each_worker_is_tried_and_one_that_leads_nowhere_is_named() {
    let (sfu, _events) = Sfu::start(config(2)).unwrap();
    let ways = sfu.try_ways(Duration::from_secs(20)).await;
    let expected: Vec<(bool, std::net::SocketAddr, bool)> =
        sfu.addresses().into_iter().flat_map(|address| [(false, address, true), (true, address, true)]).collect();
    assert_eq!(ways.iter().map(|way| (way.tcp, way.address, way.works)).collect::<Vec<_>>(), expected);
    assert_eq!(sfu.counters().dropped_foreign, 0, "the probe is no foreign packet");
    sfu.shutdown().await;
    // Clients are told of an address behind which there is nobody.
    let elsewhere = Config { public: vec!["127.0.0.9".parse().unwrap()], ..config(1) };
    let (sfu, _events) = Sfu::start(elsewhere).unwrap();
    let ways = sfu.try_ways(Duration::from_millis(50)).await;
    assert_eq!(ways.iter().map(|way| way.works).collect::<Vec<_>>(), [false, false]);
    sfu.shutdown().await;
}
