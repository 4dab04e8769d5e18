//! What other threads ask of a worker, and how it is done.

use std::sync::atomic::Ordering;
use std::sync::mpsc::TryRecvError;
use std::time::Instant;

use sfu_core::Transport;
use sfu_core::event::Demand;
use sfu_core::offer::OfferError;
use sfu_core::room::Room;
use sfu_core::tap::{PeerKey, RoomKey};
use tokio::sync::oneshot;

use super::{Place, Route, Worker};
use crate::tap_sink::TapSink;

/// What other threads ask of a worker.
#[derive(Debug)]
pub(crate) enum Command {
    Offer { room: RoomKey, peer: PeerKey, sdp: String, reply: oneshot::Sender<Result<String, OfferError>> },
    Admit { room: RoomKey, peer: PeerKey },
    Hold { room: RoomKey, peer: PeerKey },
    Close { room: RoomKey, peer: PeerKey },
    CloseRoom { room: RoomKey },
    View { room: RoomKey, peer: PeerKey, demands: Vec<Demand> },
    Tap { room: RoomKey, peers: Vec<PeerKey>, sink: TapSink },
    Untap { room: RoomKey },
    Stop,
}

impl Worker {
    /// False: stop.
    pub(super) fn run_commands(&mut self, now: Instant) -> bool {
        loop {
            match self.queue.try_recv() {
                Ok(Command::Stop) | Err(TryRecvError::Disconnected) => return false,
                Ok(command) => self.command(command, now),
                Err(TryRecvError::Empty) => return true,
            }
        }
    }

    fn command(&mut self, command: Command, now: Instant) {
        match command {
            Command::Offer { room, peer, sdp, reply } => {
                let answer = self.offer(room, peer, &sdp, now);
                // The asker may have gone; the peer is closed by whoever watches it.
                let _gone: Result<(), _> = reply.send(answer);
            }
            Command::Admit { room, peer } => match self.open_place(room) {
                Ok(n) => self.with(n, |room, out| room.admit(peer, now, out)),
                Err(error) => tracing::error!(%error, "could not admit"),
            },
            Command::Hold { room, peer } => self.at(room, |room, out| room.hold(peer, now, out)),
            Command::Close { room, peer } => {
                self.at(room, |room, out| room.close(peer, now, out));
                if let Some(n) = self.by_key.get(&room).copied() {
                    self.forget(n, peer, now);
                }
            }
            Command::CloseRoom { room } => {
                self.at(room, |room, out| room.close_all(now, out));
                self.finish_round(now);
                if let Some(n) = self.by_key.remove(&room) {
                    let gone: Vec<PeerKey> =
                        self.whereabouts.keys().filter(|(place, _)| *place == n).map(|(_, peer)| *peer).collect();
                    for peer in gone {
                        self.forget(n, peer, now);
                    }
                    self.places[n] = None;
                    self.free.push(n);
                }
            }
            Command::View { room, peer, demands } => self.at(room, |room, out| room.view(peer, &demands, now, out)),
            Command::Tap { room, peers, sink } => match self.open_place(room) {
                Ok(n) => {
                    if let Some(place) = &mut self.places[n] {
                        place.sink = Some(sink);
                    }
                    self.with(n, |room, out| room.tap(peers, now, out));
                }
                Err(error) => tracing::error!(%error, "could not tap"),
            },
            Command::Untap { room } => {
                self.at(room, |room, _| room.untap());
                if let Some(Some(place)) = self.by_key.get(&room).and_then(|n| self.places.get_mut(*n)) {
                    place.sink = None;
                }
            }
            Command::Stop => {}
        }
        self.tally.rooms.store(self.by_key.len() as u64, Ordering::Relaxed);
        let peers: usize = self.places.iter().flatten().map(|place| place.room.peers()).sum();
        self.tally.peers.store(peers as u64, Ordering::Relaxed);
    }

    fn offer(&mut self, key: RoomKey, peer: PeerKey, sdp: &str, now: Instant) -> Result<String, OfferError> {
        let n = self.open_place(key)?;
        let mut answered = Err(OfferError::RoomFull);
        let mut ufrag = String::new();
        self.with(n, |room, out| {
            answered = room.offer(peer, sdp, now, out);
            ufrag = room.ufrag(peer).unwrap_or_default().to_owned();
        });
        let answered = answered?;
        if answered.fresh {
            self.forget(n, peer, now);
        }
        let about = self.whereabouts.entry((n, peer)).or_default();
        self.by_ufrag.remove(&std::mem::replace(&mut about.ufrag, ufrag.clone()));
        self.by_ufrag.insert(ufrag, Route { place: n, peer });
        Ok(answered.sdp)
    }

    /// The place of a room, made if it is new.
    fn open_place(&mut self, key: RoomKey) -> Result<usize, OfferError> {
        if let Some(n) = self.by_key.get(&key) {
            return Ok(*n);
        }
        if self.by_key.len() >= self.limits.rooms_per_worker {
            return Err(OfferError::RoomFull);
        }
        let room = Room::new(self.settings.clone());
        let place = Some(Place { key, room, sink: None, scheduled: None, touched: false });
        let n = match self.free.pop() {
            Some(n) => {
                self.places[n] = place;
                n
            }
            None => {
                self.places.push(place);
                self.places.len() - 1
            }
        };
        self.by_key.insert(key, n);
        Ok(n)
    }

    /// Forgets where a peer was.
    fn forget(&mut self, n: usize, peer: PeerKey, now: Instant) {
        if let Some(about) = self.whereabouts.remove(&(n, peer)) {
            self.by_ufrag.remove(&about.ufrag);
            for address in about.addresses {
                if self.by_address.get(&address) == Some(&Route { place: n, peer }) {
                    self.by_address.remove(&address);
                    if let (Transport::Tcp, remote) = address
                        && let Some(streams) = &mut self.streams
                    {
                        streams.left(remote, now);
                    }
                }
            }
        }
    }
}
