//! One task per room: inputs one at a time into [`Room`], outputs in order out of it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::{Receiver, UnboundedReceiver};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use visit::room::{ConnId, Input, Output, Room, SfuCommand};
use visit::wire::{CloseReason, RefusalCode, ServerMessage};
use visit::{ClinicId, Fact, Now, Person, VisitId};

use crate::House;
use crate::outbox::Outbox;
use crate::ports::{Evidence, Ports, StoreError};
use crate::rooms::FromConnection;

/// Why the task of a room ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// Empty or over.
    Empty,
    /// What is stored is not what this room believes: it is built anew when someone comes back.
    Conflict,
    /// The server shuts down.
    Restart,
}

pub async fn run<P: Ports>(
    house: Arc<House<P>>,
    clinic: ClinicId,
    visit: VisitId,
    mut connections: Receiver<FromConnection>,
    mut inside: UnboundedReceiver<Input>,
    patience: Duration,
) {
    let end = match load(&house, clinic, visit).await {
        Some(room) => {
            let ports = Arc::clone(&house.ports);
            let mut task = RoomTask {
                ports,
                clinic,
                visit,
                room,
                outboxes: BTreeMap::new(),
                storing: None,
                store_limit: house.settings.limits.store,
                end: None,
            };
            task.run(&house, &mut connections, &mut inside, patience).await
        }
        None => End::Restart,
    };
    house.rooms.forget(visit);
    // Who was on the way in hears that there is no room: after a conflict or when it is empty it asks again.
    connections.close();
    while let Some(message) = connections.recv().await {
        if let FromConnection::Hello { taken, .. } = message
            && end == End::Restart
        {
            let _ = taken.send(Err(CloseReason::Restarting));
        }
    }
}

async fn load<P: Ports>(house: &House<P>, clinic: ClinicId, visit: VisitId) -> Option<Room> {
    let facts = match house.ports.load_facts(clinic, visit).await {
        Ok(facts) => facts,
        Err(error) => {
            tracing::error!(%visit, %error, "signaling.room_not_loaded");
            return None;
        }
    };
    let settings = house.settings.room.clone();
    match Room::rebuild(visit, clinic, settings, facts, house.ports.now()) {
        Ok(room) => Some(room),
        Err(error) => {
            tracing::error!(%visit, %error, "signaling.room_not_rebuilt");
            None
        }
    }
}

struct RoomTask<P> {
    ports: Arc<P>,
    clinic: ClinicId,
    visit: VisitId,
    room: Room,
    outboxes: BTreeMap<ConnId, Outbox>,
    storing: Option<Storing>,
    store_limit: Duration,
    end: Option<End>,
}

/// A fact on its way. It runs in a task of its own, so that giving up waiting does not tear a transaction.
struct Storing {
    seq: u64,
    since: Instant,
    task: JoinHandle<Result<(), StoreError>>,
}

impl<P: Ports> RoomTask<P> {
    async fn run(
        &mut self,
        house: &House<P>,
        connections: &mut Receiver<FromConnection>,
        inside: &mut UnboundedReceiver<Input>,
        patience: Duration,
    ) -> End {
        let mut closing = house.closing.subscribe();
        // A room that has just been rebuilt is not judged empty before its first guest had time to enter.
        let mut unentered = Some(Instant::now() + patience);
        loop {
            if unentered.is_none() {
                self.drain().await;
            }
            if let Some(end) = self.end {
                return self.finish(end).await;
            }
            let due = self.room.poll_timeout();
            let ports = Arc::clone(&self.ports);
            tokio::select! {
                biased;
                _ = closing.wait_for(|closing| *closing) => self.end = Some(End::Restart),
                stored = stored(&mut self.storing, self.store_limit) => self.stored(stored),
                Some(input) = inside.recv() => self.handle(input),
                Some(message) = connections.recv() => {
                    unentered = None;
                    self.take(message);
                }
                () = ports.sleep_until(due.unwrap_or_default()), if due.is_some() && unentered.is_none() => {
                    self.room.handle_timeout(self.ports.now());
                }
                () = wait_until(unentered), if unentered.is_some() => {
                    unentered = None;
                    self.room.handle_timeout(self.ports.now());
                }
            }
        }
    }

    fn handle(&mut self, input: Input) {
        self.room.handle(input, self.ports.now());
    }

    fn take(&mut self, message: FromConnection) {
        match message {
            FromConnection::Hello { conn, who, outbox, taken } => {
                self.outboxes.insert(conn, outbox);
                if taken.send(Ok(())).is_ok() {
                    self.handle(Input::Connected { conn, who });
                } else {
                    self.outboxes.remove(&conn);
                }
            }
            FromConnection::Said { conn, message } if self.outboxes.contains_key(&conn) => {
                self.handle(Input::Message { conn, message });
            }
            FromConnection::Said { .. } => {}
            FromConnection::Gone { conn } => {
                if self.outboxes.remove(&conn).is_some() {
                    self.handle(Input::Disconnected { conn });
                }
            }
        }
    }

    fn stored(&mut self, (seq, result): (u64, Result<(), StoreError>)) {
        match result {
            Ok(()) => self.handle(Input::Persisted { seq }),
            Err(error) => {
                metrics::counter!("bedside_signaling_fact_failures_total").increment(1);
                tracing::warn!(visit = %self.visit, seq, %error, "signaling.fact_not_stored");
                if error == StoreError::Conflict {
                    self.end = Some(End::Conflict);
                } else {
                    self.handle(Input::PersistFailed { seq });
                }
            }
        }
    }

    /// Does what the room says, in its order.
    async fn drain(&mut self) {
        while let Some(output) = self.room.poll_output() {
            match output {
                Output::Send { conn, message } => self.send(conn, message),
                Output::Close { conn, .. } => drop(self.outboxes.remove(&conn)),
                Output::Sfu(command) => self.ports.sfu(self.visit, command).await,
                Output::Recorder(command) => self.ports.recorder(self.clinic, self.visit, command).await,
                Output::Persist { seq, at, fact, by } => self.store(seq, at, fact, by),
                Output::Closed => self.end = self.end.or(Some(End::Empty)),
            }
        }
    }

    fn send(&mut self, conn: ConnId, mut message: ServerMessage) {
        if let ServerMessage::Welcome { participant, ice_servers, .. } = &mut message {
            *ice_servers = self.ports.ice_servers(*participant);
        }
        if let ServerMessage::Refused { code, .. } = &message {
            metrics::counter!("bedside_signaling_refused_total", "code" => refusal_label(*code)).increment(1);
        }
        let too_slow = self.outboxes.get(&conn).is_some_and(|outbox| outbox.say(message).is_err());
        if too_slow {
            self.outboxes.remove(&conn);
            self.handle(Input::Disconnected { conn });
        }
    }

    fn store(&mut self, seq: u64, at: Now, fact: Fact, by: Option<Person>) {
        let evidence = Evidence { clinic: self.clinic, visit: self.visit, seq, at, fact, by };
        let ports = Arc::clone(&self.ports);
        let task = tokio::spawn(async move { ports.persist(evidence).await });
        self.storing = Some(Storing { seq, since: Instant::now(), task });
    }

    async fn finish(&mut self, end: End) -> End {
        if end != End::Empty {
            for outbox in std::mem::take(&mut self.outboxes).into_values() {
                let _ = outbox.say(ServerMessage::Closed { reason: CloseReason::Restarting });
            }
            if stored_in_time(&mut self.storing, self.store_limit).await.is_some() {
                tracing::debug!(visit = %self.visit, "signaling.last_fact_answered");
            }
        }
        if end == End::Conflict {
            self.ports.sfu(self.visit, SfuCommand::CloseRoom).await;
        }
        end
    }
}

/// The answer to the fact on its way; never when there is none.
async fn stored(storing: &mut Option<Storing>, limit: Duration) -> (u64, Result<(), StoreError>) {
    match stored_in_time(storing, limit).await {
        Some(answer) => answer,
        None => std::future::pending().await,
    }
}

async fn stored_in_time(storing: &mut Option<Storing>, limit: Duration) -> Option<(u64, Result<(), StoreError>)> {
    let Storing { seq, since, task } = storing.as_mut()?;
    let (seq, since) = (*seq, *since);
    let result = match tokio::time::timeout_at(since + limit, task).await {
        Ok(Ok(result)) => result,
        // Too late, or the task died: whether it is stored is unknown; if it is, the next fact finds the conflict.
        Ok(Err(_)) | Err(_) => Err(StoreError::Unavailable),
    };
    *storing = None;
    metrics::histogram!("bedside_signaling_fact_seconds").record(since.elapsed());
    Some((seq, result))
}

async fn wait_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

pub fn refusal_label(code: RefusalCode) -> &'static str {
    match code {
        RefusalCode::NotAllowed => "not_allowed",
        RefusalCode::NoSuchParticipant => "no_such_participant",
        RefusalCode::NotAdmitted => "not_admitted",
        RefusalCode::BadMessage => "bad_message",
        RefusalCode::BadOffer => "bad_offer",
        RefusalCode::TooFast => "too_fast",
        RefusalCode::NotStored => "not_stored",
        RefusalCode::RecordingState => "recording_state",
    }
}
