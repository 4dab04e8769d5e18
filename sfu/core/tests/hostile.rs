//! What a client that is connected and authenticated, but means ill, can do: nothing to the others, nothing without bounds.

mod common;

use std::time::Duration;

use common::{World, key};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use sfu_core::event::EventKind;
use sfu_core::room::Limits;
use str0m::format::Codec;
use str0m::rtp::RtpWrite;

fn call(seed: u64) -> World {
    let mut world = World::new(1, seed);
    (0..2).for_each(|_| {
        world.join(0);
    });
    world.run_until_connected();
    world.run_for(Duration::from_millis(300));
    world.admit(0);
    world.admit(1);
    world.run_for(Duration::from_millis(300));
    world
}

/// The second client sends this as a camera frame, well encrypted.
fn film(world: &mut World, payload: &[u8]) {
    let now = world.now;
    let client = &mut world.clients[1];
    let pt = client.rtc.codec_config().find(|p| p.spec().codec == Codec::Vp8).unwrap().pt();
    let mid = client.mids[1];
    client.layers[2].seq += 1;
    let (seq, time) = (client.layers[2].seq, client.layers[2].time);
    let write = RtpWrite::new(pt, seq.into(), time, now, payload).nackable(true);
    client.rtc.direct_api().stream_tx_by_mid(mid, Some("f".into())).unwrap().write_rtp(write);
    client.tick(now);
}

#[test]
fn authenticated_garbage_as_video_harms_nobody() {
    let mut world = call(31);
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    // Marked bytes, so that the test's own receiver can read who sent it.
    let payloads = prop::collection::vec(any::<u8>(), 1..120);
    for _ in 0..2_000 {
        let mut payload = payloads.new_tree(&mut runner).unwrap().current();
        payload.extend_from_slice(&[2, 2]);
        film(&mut world, &payload);
        world.run_for(Duration::from_millis(1));
    }
    let (mine, theirs) = (world.clients[0].received.len(), world.clients[1].received.len());
    world.run_for(Duration::from_secs(1));
    assert!(world.clients[0].received.len() > mine + 50 && world.clients[1].received.len() > theirs + 50);
}

#[test]
fn any_datagram_from_a_peers_own_address_is_survived() {
    let mut world = call(32);
    let address = world.clients[1].address;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let bytes = prop::collection::vec(any::<u8>(), 0..300);
    for first in 0..=255u8 {
        for _ in 0..40 {
            let mut datagram = bytes.new_tree(&mut runner).unwrap().current();
            if let Some(byte) = datagram.first_mut() {
                *byte = first;
            }
            world.inject(address, &datagram);
        }
    }
    let before = world.clients[0].received.len();
    world.run_for(Duration::from_secs(1));
    assert!(world.clients[0].received.len() > before + 50, "the call goes on");
    assert!(!world.events.iter().any(|(.., kind)| *kind == EventKind::Lost));
}

#[test]
fn a_room_takes_no_more_peers_than_it_may() {
    let limits = Limits { peers_per_room: 2, ..Limits::default() };
    let mut world = World::with_limits(1, 33, limits);
    (0..2).for_each(|_| {
        world.join(0);
    });
    let mut third = common::client::Client::new(3, "10.0.1.3:5000".parse().unwrap(), world.now);
    let (offer, _) = third.offer();
    let now = world.now;
    let refused = world.rooms[0].offer(key(3), &offer, now, &mut world.out);
    assert_eq!(refused, Err(sfu_core::offer::OfferError::RoomFull));
    let again = world.clients[1].offer().0;
    assert!(world.rooms[0].offer(key(2), &again, now, &mut world.out).is_ok(), "who is in may offer again");
}
