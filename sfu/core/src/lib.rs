//! The selective forwarding unit without sockets, threads or clock.
//!
//! [`room::Room`] is the front door: datagrams, commands and time go in; datagrams, events and tapped packets come
//! out in an [`room::Outbox`]. Behind it three layers: `peer` (the only file that names str0m's `Rtc`),
//! `forwarder` (renumbers packets, no crypto) and `allocator` (which simulcast layer a receiver gets). Everything
//! takes `now`. Which rooms exist, threads and sockets are the crate `sfu`'s business; who may come in is the caller's.

mod allocator;
pub mod event;
mod forwarder;
mod guard;
mod keyframes;
pub mod net;
pub mod offer;
mod outbox;
mod peer;
pub mod quality;
pub mod room;
mod seat;
mod settings;
mod speaker;
pub mod stun;
mod tapping;
mod track;

pub mod tap;

pub use guard::MAX_SSRCS;
pub use net::{Candidates, Path, Transmit, Transport};
pub use peer::PacketBytes;

#[cfg(test)]
mod testing {
    /// Where a test's time begins.
    #[expect(
        clippy::disallowed_methods,
        reason = "an Instant can't be made otherwise; only differences to it are used"
    )]
    pub(crate) fn start() -> std::time::Instant {
        std::time::Instant::now()
    }
}
