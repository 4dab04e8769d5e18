//! Datagrams to a room in which a visit runs: from a stranger, and from the address of one who is in it.
#![no_main]

#[path = "../../sfu/core/tests/common/mod.rs"]
mod common;

use std::cell::RefCell;
use std::time::Duration;

use common::World;

thread_local! {
    static VISIT: RefCell<(World, u32)> = RefCell::new((visit(), 0));
}

fn visit() -> World {
    let mut world = World::new(1, 7);
    world.join(0);
    world.join(0);
    world.run_until_connected();
    world.admit(0);
    world.admit(1);
    world.run_for(Duration::from_millis(300));
    world
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    VISIT.with_borrow_mut(|(world, runs)| {
        let mut rest = data;
        while let [who, length, after @ ..] = rest {
            let (datagram, after) = after.split_at(usize::from(*length).min(after.len()));
            let from = match who & 1 {
                0 => world.clients[1].address,
                _ => "198.51.100.1:999".parse().unwrap(),
            };
            if !datagram.is_empty() {
                world.inject(from, datagram);
            }
            rest = after;
        }
        *runs += 1;
        if *runs % 500 == 0 {
            // Whatever came, the one who sent none of it is still served.
            let before = world.clients[1].received.len();
            world.run_for(Duration::from_millis(500));
            assert!(world.clients[1].received.len() > before, "the visit stands still");
            world.clients.iter_mut().for_each(|client| client.received.clear());
        }
        if *runs % 5_000 == 0 {
            *world = visit();
        }
    });
});
