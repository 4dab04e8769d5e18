//! Sockets, threads and timers around `sfu-core`.
//!
//! One worker thread per core owns whole rooms, one UDP socket, its ICE-TCP connections and one timer heap; nothing on
//! the packet path is shared or locked. Other threads reach a worker only through its bounded command queue ([`Sfu`]), and hear of
//! it through the event channel that [`Sfu::start`] returns. What happens to a packet is `sfu-core`'s business;
//! who may join a room is the caller's.

mod framing;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod handle;
mod reach;
mod streams;
mod sys;
mod tally;
mod tap_sink;
pub mod turn;
mod worker;

pub use handle::{Answer, Config, Counters, Event, OfferError, Sfu, StartError, TcpLimits};
pub use reach::Way;
pub use sfu_core::event::{Demand, Direction, EventKind, Interval, Slot};
pub use sfu_core::quality;
pub use sfu_core::room::Limits;
pub use sfu_core::tap::{PeerKey, RoomKey, Source, TapPacket};
pub use tap_sink::TapSink;
