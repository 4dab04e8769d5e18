//! Payloads of one who is authenticated: VP8 descriptors and frames, as they reach forwarding.
#![no_main]

#[path = "../../sfu/core/tests/common/mod.rs"]
mod common;

use std::cell::RefCell;
use std::time::Duration;

use common::World;
use str0m::format::Codec;
use str0m::rtp::RtpWrite;

thread_local! {
    static VISIT: RefCell<World> = RefCell::new({
        let mut world = World::new(1, 7);
        world.join(0);
        world.join(0);
        world.run_until_connected();
        world.admit(0);
        world.admit(1);
        world.run_for(Duration::from_millis(300));
        world
    });
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    VISIT.with_borrow_mut(|world| {
        let now = world.now;
        let client = &mut world.clients[1];
        let pt = client.rtc.codec_config().find(|p| p.spec().codec == Codec::Vp8).unwrap().pt();
        let mid = client.mids[1];
        let mut rest = data;
        while let [length, after @ ..] = rest {
            let (payload, after) = after.split_at(usize::from(*length).min(after.len()));
            client.layers[2].seq += 1;
            let (seq, time) = (client.layers[2].seq, client.layers[2].time);
            // The receiver in this test reads who sent it from the last two bytes.
            let payload = [payload, &[2, 2]].concat();
            let write = RtpWrite::new(pt, seq.into(), time, now, payload).nackable(true);
            client.rtc.direct_api().stream_tx_by_mid(mid, Some("f".into())).unwrap().write_rtp(write);
            rest = after;
        }
        client.tick(now);
        let before = world.clients[1].received.len();
        world.run_for(Duration::from_millis(40));
        assert!(world.clients[1].received.len() > before, "the visit stands still");
        world.clients.iter_mut().for_each(|client| client.received.clear());
    });
});
