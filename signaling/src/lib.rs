//! The websocket shell around [`visit::room::Room`]: connections in, frames out, one task per room.
//!
//! What lives here: origin and ticket checks, limits, liveness, the actor that runs a room, the order
//! "evidence first, then effect". What deliberately does not: rules of a visit (`visit`), SQL, SDP, HTTP API.
//! The rest of the server is reached through [`Ports`]; it calls back through [`Signaling`].

mod ports;

pub use ports::{Evidence, Ports, RedeemError, StoreError};
