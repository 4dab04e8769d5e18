//! Signaling over real sockets: a listening server, websocket clients, and ports that keep what they are given.

mod abuse;
mod client;
mod clinic;
mod failures;
mod upgrade;
mod visits;
