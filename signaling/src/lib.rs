//! The websocket shell around [`visit::room::Room`]: connections in, frames out, one task per room.
//!
//! What lives here: origin and ticket checks, limits, liveness, the task that runs a room, the order
//! "evidence first, then effect". What deliberately does not: rules of a visit (`visit`), SQL, SDP, HTTP API.
//! The rest of the server is reached through [`Ports`]; it calls back through [`Signaling`].
//!
//! A websocket comes to `GET /signal` ([`router`]), says hello within seconds, is handed to its room, and from then
//! on two queues join them: a bounded one into the room, a bounded one out of it. A room starts when the first
//! connection comes (rebuilt from its facts) and is forgotten when it is empty or over.

mod connection;
mod outbox;
mod pace;
mod ports;
mod problem;
mod room_task;
mod rooms;
mod settings;
mod upgrade;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::{Semaphore, mpsc, watch};
use visit::room::{ConnId, Input, MediaEvent, RecorderEvent};
use visit::{ClinicId, Person, VisitId};

pub use ports::{Evidence, Ports, RedeemError, StoreError};
pub use settings::{Limits, Settings};
pub use upgrade::router;

use rooms::Rooms;

/// All rooms and connections of this node. Cheap to clone.
pub struct Signaling<P> {
    house: Arc<House<P>>,
}

impl<P> Clone for Signaling<P> {
    fn clone(&self) -> Self {
        Self { house: Arc::clone(&self.house) }
    }
}

/// What all tasks share.
struct House<P> {
    ports: Arc<P>,
    settings: Settings,
    rooms: Rooms,
    next_conn: AtomicU64,
    connections: Arc<Semaphore>,
    hellos: Arc<Semaphore>,
    closing: watch::Sender<bool>,
    /// Held by every task; gone when all have ended.
    alive: std::sync::Mutex<Option<mpsc::Sender<()>>>,
    ended: tokio::sync::Mutex<mpsc::Receiver<()>>,
}

impl<P: Ports> Signaling<P> {
    /// Nothing is running yet: the first connection starts the first room.
    #[must_use]
    pub fn new(ports: Arc<P>, settings: Settings) -> Self {
        let (alive, ended) = mpsc::channel(1);
        let house = House {
            ports,
            rooms: Rooms::default(),
            next_conn: AtomicU64::new(1),
            connections: Arc::new(Semaphore::new(settings.limits.connections)),
            hellos: Arc::new(Semaphore::new(settings.limits.unnamed_connections)),
            closing: watch::Sender::new(false),
            alive: std::sync::Mutex::new(Some(alive)),
            ended: tokio::sync::Mutex::new(ended),
            settings,
        };
        Self { house: Arc::new(house) }
    }

    /// Something about a participant's media, from the SFU. Dropped when the room is gone. Never blocks.
    pub fn media_event(&self, visit: VisitId, event: MediaEvent) {
        self.house.rooms.tell(visit, Input::Media(event));
    }

    /// Something about a recording, from the recorder. Dropped when the room is gone. Never blocks.
    pub fn recorder_event(&self, visit: VisitId, event: RecorderEvent) {
        self.house.rooms.tell(visit, Input::Recorder(event));
    }

    /// Session or link of this person was revoked: out of every room at once, media too.
    pub fn revoke(&self, person: Person) {
        self.house.rooms.tell_all(|| Input::Revoked { person });
    }

    /// The session that brought this person into this visit has ended: out of its room at once, media too.
    pub fn revoke_in(&self, visit: VisitId, person: Person) {
        self.house.rooms.tell(visit, Input::Revoked { person });
    }

    /// Starts the room of a visit that was going on when the server went down, before anyone has come back:
    /// an interrupted recording gets its end, and seats are given up when their time is over.
    /// For every visit that has begun and not ended, once after a start. Needs a tokio runtime.
    pub fn revive(&self, clinic: ClinicId, visit: VisitId) {
        let _ = House::room(&self.house, clinic, visit, std::time::Duration::ZERO);
    }

    /// How many rooms are running.
    #[must_use]
    pub fn rooms(&self) -> usize {
        self.house.rooms.len()
    }

    /// Says `closed` with `restarting` to everyone, takes nobody new, waits until every fact on its way has its
    /// answer and every connection is closed (at most [`Limits::drain`]).
    pub async fn shutdown(&self) {
        self.house.closing.send_replace(true);
        drop(self.house.alive.lock().expect("nothing panics while holding it").take());
        let all_ended = async { while self.house.ended.lock().await.recv().await.is_some() {} };
        if tokio::time::timeout(self.house.settings.limits.drain, all_ended).await.is_err() {
            tracing::warn!("signaling.drain_incomplete");
        }
    }
}

impl<P> House<P> {
    fn next_conn(&self) -> ConnId {
        ConnId(self.next_conn.fetch_add(1, Ordering::Relaxed))
    }

    /// Counts a task among the living; `None` when the server is shutting down.
    fn join_living(&self) -> Option<mpsc::Sender<()>> {
        self.alive.lock().expect("nothing panics while holding it").clone()
    }
}
