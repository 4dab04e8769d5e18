//! What signaling is configured with; every limit in one place.

use std::time::Duration;

use visit::room::RoomSettings;

/// Configuration, checked by the caller.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `Origin` values of our own pages, exactly as a browser sends them, e.g. `https://visits.example`.
    pub allowed_origins: Vec<String>,
    /// What every room is told.
    pub room: RoomSettings,
    /// Sizes, rates and times.
    pub limits: Limits,
}

/// Sizes, rates and times. The defaults are meant for production; tests shorten them.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Open websockets on this node.
    pub connections: usize,
    /// Of these, how many may not have said hello yet.
    pub unnamed_connections: usize,
    /// How long a connection may take to say hello.
    pub hello: Duration,
    /// Frames a second that one connection may go on sending.
    pub messages_per_second: u32,
    /// Frames that it may send at once.
    pub burst: u32,
    /// Frames beyond the rate that are dropped with a warning before the connection is closed.
    pub excess: u32,
    /// Malformed messages before the connection is closed.
    pub malformed: u32,
    /// Messages that wait for one connection to read; one more closes it.
    pub outbox: usize,
    /// Messages that wait for one room; senders wait when it is full.
    pub mailbox: usize,
    /// Between two pings.
    pub ping_every: Duration,
    /// A connection that said nothing after this many pings in a row is gone when the next one is due. Counted in
    /// pings, not in time, so that a server that was held up does not take everybody for gone.
    pub unanswered_pings: u32,
    /// How long the store may take for one fact before it counts as failed.
    pub store: Duration,
    /// How long a room that nobody has entered stays.
    pub unentered: Duration,
    /// How long a shutdown may take.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 20_000,
            unnamed_connections: 1_000,
            hello: Duration::from_secs(5),
            messages_per_second: 30,
            burst: 60,
            excess: 120,
            malformed: 5,
            outbox: 256,
            mailbox: 256,
            ping_every: Duration::from_secs(2),
            unanswered_pings: 3,
            store: Duration::from_secs(5),
            unentered: Duration::from_secs(10),
            drain: Duration::from_secs(5),
        }
    }
}
