//! Every receiver gets one continuous stream, whatever layers it is made of and whatever is lost on the way.

mod common;

use std::time::Duration;

use common::client::Received;
use common::{World, key};
use sfu_core::event::Demand;
use sfu_core::tap::{Codec, Source};

fn pair(seed: u64) -> World {
    let mut world = World::new(1, seed);
    let (host, patient) = (world.join(0), world.join(0));
    world.run_until_connected();
    world.run_for(Duration::from_millis(500));
    world.admit(host);
    world.admit(patient);
    world
}

/// The host shows the patient's camera this wide.
fn show(world: &mut World, width: u32) {
    let now = world.now;
    let demands: Vec<Demand> =
        world.clients[0].mids[5..8].iter().map(|mid| Demand { mid: mid.to_string(), width }).collect();
    world.rooms[0].view(key(1), &demands, now, &mut world.out);
}

fn video(world: &World) -> Vec<&Received> {
    world.clients[0].received.iter().filter(|packet| packet.layer.is_some()).collect()
}

fn assert_continuous(packets: &[&Received]) {
    for pair in packets.windows(2) {
        let (a, b) = (pair[0], pair[1]);
        assert_eq!(b.seq, a.seq + 1, "sequence numbers: {a:?} then {b:?}");
        assert!(b.time >= a.time, "timestamps do not go back: {a:?} then {b:?}");
        let step = (b.picture.unwrap() + 0x8000 - a.picture.unwrap()) & 0x7fff;
        let frames = u16::from(b.time != a.time);
        assert_eq!(step, frames, "picture ids count frames: {a:?} then {b:?}");
        assert_eq!(b.tl0.unwrap().wrapping_sub(a.tl0.unwrap()), frames as u8);
        if a.layer != b.layer {
            assert!(b.keyframe, "a switch happens at a keyframe: {a:?} then {b:?}");
        }
    }
}

#[test]
fn layer_switches_are_invisible_in_the_numbering() {
    let mut world = pair(11);
    world.run_for(Duration::from_secs(2));
    let mut shown = vec![];
    for width in [160, 1_280, 640, 320, 1_000, 200] {
        show(&mut world, width);
        // After a small picture it has to be found out first that the network carries a large one.
        world.run_for(Duration::from_secs(8));
        shown.extend(video(&world).last().and_then(|packet| packet.layer));
    }
    assert_eq!(shown, [0, 2, 1, 0, 2, 0], "each width got its layer");
    let mut packets = video(&world);
    packets.sort_by_key(|packet| packet.seq);
    assert_continuous(&packets);
}

#[test]
fn a_hidden_slot_gets_nothing_and_comes_back_with_a_keyframe() {
    let mut world = pair(12);
    world.run_for(Duration::from_secs(1));
    show(&mut world, 0);
    world.run_for(Duration::from_millis(100));
    let before = video(&world).len();
    world.run_for(Duration::from_secs(2));
    assert_eq!(video(&world).len(), before);
    show(&mut world, 1_280);
    world.run_for(Duration::from_secs(1));
    let mut packets = video(&world);
    assert!(packets.len() > before + 50 && packets[before].keyframe);
    packets.sort_by_key(|packet| packet.seq);
    assert_continuous(&packets);
}

#[test]
fn a_layer_that_the_publisher_stops_is_replaced_by_the_next_lower_one() {
    let mut world = pair(13);
    world.run_for(Duration::from_secs(2));
    world.clients[1].live = [true, true, false];
    world.run_for(Duration::from_secs(3));
    let last = video(&world).last().unwrap().layer;
    assert_eq!(last, Some(1));
    world.clients[1].live = [true; 3];
    world.run_for(Duration::from_secs(2));
    let mut packets = video(&world);
    assert_eq!(packets.last().unwrap().layer, Some(2));
    packets.sort_by_key(|packet| packet.seq);
    assert_continuous(&packets);
}

#[test]
fn what_is_lost_on_either_way_is_repaired_by_retransmission() {
    for loss in [(30, 0), (0, 30), (30, 30)] {
        let mut world = pair(14);
        world.run_for(Duration::from_secs(1));
        world.loss = loss;
        world.run_for(Duration::from_secs(8));
        world.loss = (0, 0);
        world.run_for(Duration::from_secs(1));
        let mut packets = video(&world);
        packets.sort_by_key(|packet| packet.seq);
        packets.dedup_by_key(|packet| packet.seq);
        let span = packets.last().unwrap().seq - packets[0].seq + 1;
        let missing = span - packets.len() as u64;
        assert!(span > 700, "{span}");
        assert!(missing * 1_000 < span * 3, "{loss:?}: {missing} of {span} are missing for good");
    }
}

#[test]
fn a_keyframe_whose_packets_overtake_each_other_arrives_whole() {
    for seed in 20..30 {
        let mut world = World::new(1, seed);
        let (host, patient) = (world.join(0), world.join(0));
        world.run_until_connected();
        world.admit(host);
        world.admit(patient);
        world.run_for(Duration::from_secs(1));
        world.reorders = true;
        let before = video(&world).len();
        for width in [160, 1_280, 640, 1_280, 160, 1_280] {
            show(&mut world, width);
            world.run_for(Duration::from_millis(700));
        }
        world.reorders = false;
        world.run_for(Duration::from_millis(300));
        let mut packets = video(&world)[before..].to_vec();
        packets.sort_by_key(|packet| packet.seq);
        assert_continuous(&packets);
    }
}

#[test]
fn heavy_loss_leads_to_a_lower_layer_and_its_end_back_to_the_best() {
    let mut world = pair(15);
    world.run_for(Duration::from_secs(2));
    // Like a browser's, the reports are to tell of what was lost, not of what was left after repair.
    world.clients[0].repairs = false;
    world.loss = (0, 250);
    world.run_for(Duration::from_secs(8));
    assert!(video(&world).last().unwrap().layer < Some(2));
    world.loss = (0, 0);
    world.run_for(Duration::from_secs(40));
    assert_eq!(video(&world).last().unwrap().layer, Some(2));
}

#[test]
fn many_receivers_that_cannot_decode_do_not_flood_the_publisher() {
    let mut world = World::new(1, 16);
    let clients: Vec<usize> = (0..6).map(|_| world.join(0)).collect();
    world.run_until_connected();
    for n in &clients[1..] {
        world.sends[*n] = false;
    }
    clients.iter().for_each(|n| world.admit(*n));
    world.run_for(Duration::from_secs(1));
    world.clients[0].keyframe_requests.clear();
    for _ in 0..100 {
        for client in &mut world.clients[1..] {
            let Some(mid) = client.received.iter().rfind(|p| p.layer.is_some()).map(|p| p.mid.clone()) else {
                continue;
            };
            let mut api = client.rtc.direct_api();
            let stream = api.stream_rx_by_mid(mid.as_str().into(), None).unwrap();
            stream.request_keyframe(str0m::media::KeyframeRequestKind::Pli);
        }
        for client in &mut world.clients[1..] {
            client.tick(world.now);
        }
        world.run_for(Duration::from_millis(20));
    }
    let asked: u32 = world.clients[0].keyframe_requests.values().sum();
    assert!((3..=8).contains(&asked), "2 s of constant asking by five receivers became {asked} requests");
}

#[test]
fn the_tap_is_continuous_starts_with_keyframes_and_holds_only_whom_it_names() {
    let mut world = pair(17);
    world.run_for(Duration::from_secs(1));
    world.tap(0, &[2]);
    world.run_for(Duration::from_secs(3));
    world.rooms[0].untap();
    let paused = world.taps.len();
    world.run_for(Duration::from_secs(1));
    assert_eq!(world.taps.len(), paused);
    world.tap(0, &[2]);
    world.run_for(Duration::from_secs(2));
    assert!(world.taps.len() > paused + 200);
    assert!(world.taps.iter().all(|packet| packet.peer == key(2)));
    for (source, codec, clock) in [(Source::Microphone, Codec::Opus, 48), (Source::Camera, Codec::Vp8, 90)] {
        let mut packets: Vec<_> = world.taps.iter().filter(|packet| packet.source == source).collect();
        assert!(packets.iter().all(|packet| packet.codec == codec));
        let starts = |payload: &[u8]| payload[0] & 0x10 != 0 && payload[6] & 1 == 0;
        if source == Source::Camera {
            assert!(starts(&packets[0].payload));
        }
        packets.sort_by_key(|packet| packet.seq);
        for pair in packets.windows(2) {
            assert_eq!(pair[1].seq, pair[0].seq + 1);
            let media = (pair[1].rtp_time - pair[0].rtp_time) as i64 / clock;
            let wall = (pair[1].received_us - pair[0].received_us) / 1_000;
            assert!((media - wall).abs() < 50, "time stands for time: {media} ms of media in {wall} ms");
        }
    }
}

#[test]
fn a_tap_gets_nothing_of_someone_who_is_not_admitted() {
    let mut world = World::new(1, 18);
    let (host, _patient) = (world.join(0), world.join(0));
    world.run_until_connected();
    world.admit(host);
    world.tap(0, &[1, 2]);
    world.run_for(Duration::from_secs(2));
    assert!(world.taps.iter().all(|packet| packet.peer == key(1)));
    assert!(world.taps.len() > 100);
}
