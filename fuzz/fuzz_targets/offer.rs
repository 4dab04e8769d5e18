//! SDP offers: changed ones of a browser's kind, and anything else.
#![no_main]

#[path = "../../sfu/core/tests/common/mod.rs"]
mod common;

use std::cell::RefCell;

use common::{World, client::Client, key};

thread_local! {
    static WORLD: RefCell<(World, String)> = RefCell::new({
        let mut world = World::new(1, 7);
        world.join(0);
        let offer = Client::new(9, "10.0.1.9:5000".parse().unwrap(), world.now).offer().0;
        (world, offer)
    });
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    WORLD.with_borrow_mut(|(world, good)| {
        let sdp = match data {
            // Positions in a good offer, each with the text that is put there instead of some of it.
            [0, edits @ ..] => {
                let mut sdp = good.clone().into_bytes();
                let mut rest = edits;
                while let [high, low, cut, length, after @ ..] = rest {
                    let (text, after) = after.split_at(usize::from(*length).min(after.len()));
                    let at = usize::from(u16::from_be_bytes([*high, *low])) % (sdp.len() + 1);
                    let end = (at + usize::from(*cut)).min(sdp.len());
                    sdp.splice(at..end, text.iter().copied());
                    rest = after;
                }
                String::from_utf8_lossy(&sdp).into_owned()
            }
            _ => String::from_utf8_lossy(data).into_owned(),
        };
        let now = world.now;
        let _refused = world.rooms[0].offer(key(9), &sdp, now, &mut world.out);
        world.rooms[0].close(key(9), now, &mut world.out);
        assert_eq!(world.rooms[0].peers(), 1);
        world.out.transmits.clear();
        world.out.events.clear();
    });
});
