//! The real server, spoken to as nobody should: raw sockets, half requests, floods. Each gets a clear answer or the door,
//! and what the server says of it all in its log is fit to be kept.

mod headers;
mod http1;
mod http2;
mod server;
