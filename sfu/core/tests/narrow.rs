//! Narrow networks: the voice is never broken for the picture's sake, the picture is held back and comes back by itself, and
//! layers that nobody watches are switched off at the sender.

mod common;

use std::time::Duration;

use common::{World, key};
use sfu_core::event::{Demand, EventKind};

/// The second client only listens; what follows is said of its downlink.
fn pair(seed: u64) -> World {
    let mut world = World::new(1, seed);
    let (host, patient) = (world.join(0), world.join(0));
    world.sends[patient] = false;
    world.run_until_connected();
    world.admit(host);
    world.admit(patient);
    world.run_for(Duration::from_secs(6));
    world
}

/// (voice packets, picture packets) that reached the patient during this.
fn count(world: &mut World, time: Duration) -> (usize, usize) {
    let before = world.clients[1].received.len();
    world.run_for(time);
    let new = &world.clients[1].received[before..];
    let voices = new.iter().filter(|packet| packet.layer.is_none()).count();
    (voices, new.len() - voices)
}

fn held_back(world: &World) -> Vec<bool> {
    let told = world.events.iter().filter_map(|(_, _, peer, kind)| match kind {
        EventKind::HeldBack(mids) if *peer == key(2) => Some(!mids.is_empty()),
        _ => None,
    });
    told.collect()
}

#[test]
fn a_network_for_a_voice_carries_an_unbroken_voice_and_the_picture_comes_back_by_itself() {
    for seed in 1..=5 {
        let mut world = pair(seed);
        assert_eq!(held_back(&world), [] as [bool; 0]);
        // 54 kbit/s of voice with all headers, and the padding that keeps looking for more.
        world.band.insert(1, 120_000);
        // The queue before the narrow link drains, and the estimate falls.
        world.run_for(Duration::from_secs(8));
        let (voices, pictures) = count(&mut world, Duration::from_secs(20));
        assert!(voices >= 990, "seed {seed}: {voices} of 1000 voice packets, {pictures} of pictures");
        assert!(pictures < 20, "seed {seed}: {pictures} packets of pictures");
        assert_eq!(held_back(&world).last(), Some(&true), "it was told");
        world.band.clear();
        world.run_until("the picture is back", |world| held_back(world).last() == Some(&false));
        let (_, pictures) = count(&mut world, Duration::from_secs(5));
        assert!(pictures > 100, "seed {seed}: {pictures}");
        let changes = held_back(&world).len();
        assert!(changes <= 6, "seed {seed}: it blinked {changes} times");
    }
}

#[test]
fn a_network_for_a_small_picture_gets_a_small_picture_with_little_loss() {
    let mut world = pair(21);
    world.band.insert(1, 500_000);
    world.run_for(Duration::from_secs(15));
    let (voices, pictures) = count(&mut world, Duration::from_secs(20));
    assert!(voices >= 990, "{voices} of 1000 voice packets");
    assert!(pictures >= 500, "a picture is there: {pictures}");
    let layers: Vec<u8> = world.clients[1].received.iter().rev().filter_map(|packet| packet.layer).take(500).collect();
    assert!(layers.iter().all(|layer| *layer < 2), "1.1 Mbit/s do not go through 500 kbit/s");
    world.band.clear();
    world.run_until("the best picture is back", |world| {
        world.clients[1].received.last().is_some_and(|packet| packet.layer == Some(2))
    });
}

#[test]
fn layers_that_nobody_watches_are_switched_off_and_on_again_when_they_are_wanted() {
    let mut world = pair(31);
    let asked = |world: &World| {
        world.events.iter().rev().find_map(|(_, _, peer, kind)| match kind {
            EventKind::Asked(rids) if *peer == key(1) => Some(rids.join(" ")),
            _ => None,
        })
    };
    let show = |world: &mut World, width: u32| {
        let demands: Vec<Demand> =
            world.clients[1].mids[5..8].iter().map(|mid| Demand { mid: mid.to_string(), width }).collect();
        let now = world.now;
        world.rooms[0].view(key(2), &demands, now, &mut world.out);
    };
    assert_eq!(asked(&world).as_deref(), Some("q f"), "the middle one is not watched");
    show(&mut world, 160);
    world.run_for(Duration::from_secs(6));
    assert_eq!(asked(&world).as_deref(), Some("q"));
    world.clients[0].live = [true, false, false];
    world.run_for(Duration::from_secs(3));
    show(&mut world, 1_280);
    // At once, though perhaps the middle one first: what the network takes has to be found out again.
    world.run_for(Duration::from_millis(100));
    assert!(matches!(asked(&world).as_deref(), Some("q h" | "q f")), "{:?}", asked(&world));
    world.clients[0].live = [true; 3];
    world.run_until("the largest is back", |world| {
        world.clients[1].received.iter().rev().find_map(|packet| packet.layer) == Some(2)
    });
}

#[test]
fn a_layer_that_was_asked_for_and_does_not_come_leaves_the_picture_as_it_is() {
    let mut world = pair(41);
    world.clients[0].live = [true, false, false];
    world.run_for(Duration::from_secs(30));
    let (_, pictures) = count(&mut world, Duration::from_secs(5));
    assert!(pictures > 120, "the small picture goes on: {pictures}");
}
