//! The selective forwarding unit without sockets, threads or clock.

pub mod tap;
