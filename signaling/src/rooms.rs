//! Which rooms are running, and how to reach each.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use visit::room::{ConnId, Identity, Input};
use visit::wire::{ClientMessage, CloseReason};
use visit::{ClinicId, VisitId};

use crate::outbox::Outbox;
use crate::{House, Ports, room_task};

/// What a connection tells its room.
#[derive(Debug)]
pub enum FromConnection {
    /// Said hello. Answered `Err` when the room can't take it; dropped unanswered when the room has just been
    /// forgotten: then ask for the room again.
    Hello { conn: ConnId, who: Identity, outbox: Outbox, taken: oneshot::Sender<Result<(), CloseReason>> },
    /// Said something.
    Said { conn: ConnId, message: ClientMessage },
    /// Is gone.
    Gone { conn: ConnId },
}

/// How to reach a running room.
#[derive(Debug, Clone)]
pub struct RoomDoor {
    /// Bounded: connections wait when it is full.
    pub connections: mpsc::Sender<FromConnection>,
    /// From our own SFU and recorder: unbounded so that neither can ever wait for a room that waits for it.
    inside: mpsc::UnboundedSender<Input>,
}

/// The running rooms of this node.
#[derive(Debug, Default)]
pub struct Rooms {
    doors: Mutex<BTreeMap<VisitId, RoomDoor>>,
}

impl Rooms {
    fn doors(&self) -> MutexGuard<'_, BTreeMap<VisitId, RoomDoor>> {
        self.doors.lock().expect("nothing panics while holding it")
    }

    pub fn len(&self) -> usize {
        self.doors().len()
    }

    pub fn tell(&self, visit: VisitId, input: Input) {
        if let Some(door) = self.doors().get(&visit) {
            let _ = door.inside.send(input);
        }
    }

    pub fn tell_all(&self, input: impl Fn() -> Input) {
        for door in self.doors().values() {
            let _ = door.inside.send(input());
        }
    }

    /// Takes a room off the list; who asks from now on starts a new one.
    pub fn forget(&self, visit: VisitId) {
        self.doors().remove(&visit);
        metrics::gauge!("bedside_signaling_rooms").decrement(1);
    }
}

impl<P: Ports> House<P> {
    /// The room of `visit`, started if it is not running; it stays for `patience` when nobody enters.
    /// `None` when the server is shutting down.
    pub(crate) fn room(house: &Arc<Self>, clinic: ClinicId, visit: VisitId, patience: Duration) -> Option<RoomDoor> {
        let mut doors = house.rooms.doors();
        if let Some(door) = doors.get(&visit) {
            return Some(door.clone());
        }
        let alive = house.join_living()?;
        let (connections, from_connections) = mpsc::channel(house.settings.limits.mailbox);
        let (inside, from_inside) = mpsc::unbounded_channel();
        let door = RoomDoor { connections, inside };
        doors.insert(visit, door.clone());
        metrics::gauge!("bedside_signaling_rooms").increment(1);
        let task = room_task::run(Arc::clone(house), clinic, visit, from_connections, from_inside, patience);
        tokio::spawn(async move {
            task.await;
            drop(alive);
        });
        Some(door)
    }
}
