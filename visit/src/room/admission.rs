//! From hello to goodbye: seats, the waiting room, being let in and sent back, leaving, the end.

use super::evidence::Asker;
use super::ledger::Place;
use super::presence::{Link, Media, Presence};
use super::{ConnId, Identity, Output, Refusal, Room, SfuCommand};
use crate::fact::LeaveReason;
use crate::wire::{CloseReason, RefusalCode, SEAT_HELD_MS, ServerMessage};
use crate::{Fact, Now, ParticipantId, Person};

/// A connection whose seat is not proven yet.
#[derive(Debug)]
pub(super) struct Arrival {
    pub conn: ConnId,
    pub participant: ParticipantId,
    pub who: Identity,
}

impl Room {
    pub(super) fn connected(&mut self, conn: ConnId, who: Identity) {
        let participant = ParticipantId::of(self.visit, who.person);
        let seat_role = self.ledger.seated(participant).map(|seat| seat.role);
        if who.visit != self.visit
            || who.clinic != self.clinic
            || !who.role.joins_visits()
            || seat_role.is_some_and(|role| role != who.role)
        {
            return self.close(conn, CloseReason::BadTicket);
        }
        self.closed = false;
        if self.ledger.ended {
            return self.close(conn, CloseReason::VisitEnded);
        }
        let staying = self.presence.get(&participant).is_some_and(|presence| presence.leaving().is_none());
        if staying {
            return self.bind(conn, participant, who.name, true);
        }
        if let Some(older) = self.arriving(participant) {
            self.close(older, CloseReason::Replaced);
        }
        let taken = self.presence.len() + self.arrivals.len();
        if taken >= self.settings.seats && !self.presence.contains_key(&participant) {
            return self.close(conn, CloseReason::RoomFull);
        }
        let fact = Fact::Joined { participant, person: who.person, role: who.role };
        self.arrivals.push(Arrival { conn, participant, who });
        if let Err(Refusal(code, message)) = self.ask(Asker { conn, about: "hello" }, fact) {
            self.refuse(Asker { conn, about: "hello" }, code, &message);
            self.close(conn, CloseReason::Restarting);
        }
    }

    pub(super) fn disconnected(&mut self, conn: ConnId, now: Now) {
        self.arrivals.retain(|arrival| arrival.conn != conn);
        if let Some(participant) = self.conns.remove(&conn)
            && let Some(presence) = self.presence.get_mut(&participant)
        {
            presence.link = Link::Lost { until: now.plus(SEAT_HELD_MS) };
        }
    }

    pub(super) fn revoked(&mut self, person: Person) {
        let participant = ParticipantId::of(self.visit, person);
        let seated = self.presence.get(&participant).and_then(Presence::conn);
        if let Some(conn) = seated.or_else(|| self.arriving(participant)) {
            self.close(conn, CloseReason::Revoked);
        }
        self.begin_leaving(participant, LeaveReason::Revoked);
    }

    /// Whether the arrival `conn` needs no new seat: it went away, or its seat is there after all.
    pub(super) fn seat_is_there(&mut self, conn: ConnId, participant: ParticipantId) -> bool {
        let Some(arrival) = self.arrivals.iter().position(|arrival| arrival.conn == conn) else { return true };
        if self.ledger.seated(participant).is_none() {
            return false;
        }
        let name = self.arrivals.remove(arrival).who.name;
        self.bind(conn, participant, name, true);
        true
    }

    /// The seat could not be proven.
    pub(super) fn turn_away(&mut self, participant: ParticipantId) {
        if let Some(conn) = self.arriving(participant) {
            self.close(conn, CloseReason::Restarting);
        }
    }

    fn arriving(&self, participant: ParticipantId) -> Option<ConnId> {
        self.arrivals.iter().find(|arrival| arrival.participant == participant).map(|arrival| arrival.conn)
    }

    fn bind(&mut self, conn: ConnId, participant: ParticipantId, name: String, resumed: bool) {
        self.names.insert(participant, name);
        let presence = self.presence.entry(participant).or_insert_with(|| Presence::new(Link::Up(conn)));
        let older = presence.conn().filter(|older| *older != conn);
        presence.link = Link::Up(conn);
        presence.shown = None;
        presence.chat_seen = 0;
        if let Some(older) = older {
            self.close(older, CloseReason::Replaced);
        }
        self.conns.insert(conn, participant);
        // Relays are the shell's business: their credentials need a clock and a secret.
        let welcome = ServerMessage::Welcome {
            participant,
            visit: self.visit,
            seat_held_ms: SEAT_HELD_MS,
            resumed,
            ice_servers: Vec::new(),
        };
        self.outputs.push_back(Output::Send { conn, message: welcome });
    }

    pub(super) fn join_waiting_room(&mut self, from: ParticipantId, asker: Asker) -> Result<(), Refusal> {
        if self.ledger.seated(from).is_some_and(|seat| seat.role.hosts()) {
            return Err(Refusal(RefusalCode::NotAllowed, "You enter without waiting.".into()));
        }
        self.ask(asker, Fact::Waiting { participant: from })
    }

    pub(super) fn leave(&mut self, from: ParticipantId) -> Result<(), Refusal> {
        if let Some(conn) = self.presence.get(&from).and_then(Presence::conn) {
            self.close(conn, CloseReason::Left);
        }
        self.begin_leaving(from, LeaveReason::Left);
        Ok(())
    }

    pub(super) fn empty_overdue_seats(&mut self, now: Now) {
        let overdue = |presence: &Presence| presence.held_until().is_some_and(|until| until <= now);
        let gone: Vec<_> = self.presence.iter().filter(|(_, p)| overdue(p)).map(|(id, _)| *id).collect();
        for participant in gone {
            self.begin_leaving(participant, LeaveReason::TimedOut);
        }
    }

    /// Media is closed at once; the fact follows.
    fn begin_leaving(&mut self, participant: ParticipantId, why: LeaveReason) {
        if let Some(presence) = self.presence.get_mut(&participant)
            && presence.leaving().is_none()
        {
            presence.link = Link::Leaving(why);
            presence.media = Media::default();
            self.settle_recording();
            self.outputs.push_back(Output::Sfu(SfuCommand::Close { participant }));
        }
    }

    /// The next fact about a seat that must be stored: someone who left, or a host who enters.
    pub(super) fn seat_demanded(&self) -> Option<Fact> {
        let leaving = self
            .presence
            .iter()
            .find_map(|(id, presence)| presence.leaving().map(|why| Fact::Left { participant: *id, why }));
        leaving.or_else(|| {
            let enters = |(_, seat): &(_, &super::ledger::Seat)| seat.role.hosts() && seat.place == Place::CheckingIn;
            self.ledger.seats.iter().find(enters).map(|(id, _)| Fact::Admitted { participant: *id, by: *id })
        })
    }

    pub(super) fn seat_fact_stored(&mut self, fact: &Fact, now: Now) {
        match fact {
            Fact::Joined { participant, .. } => {
                match self.arrivals.iter().position(|arrival| arrival.participant == *participant) {
                    Some(index) => {
                        let Arrival { conn, participant, who } = self.arrivals.remove(index);
                        self.bind(conn, participant, who.name, false);
                    }
                    None => {
                        self.presence.insert(*participant, Presence::lost(now));
                    }
                }
            }
            Fact::Admitted { participant, .. }
                if self.presence.get(participant).is_some_and(|presence| presence.leaving().is_none()) =>
            {
                self.outputs.push_back(Output::Sfu(SfuCommand::Admit { participant: *participant }));
            }
            Fact::ReturnedToWaiting { participant, .. } => {
                self.outputs.push_back(Output::Sfu(SfuCommand::Hold { participant: *participant }));
            }
            Fact::Left { participant, .. } => {
                self.presence.remove(participant);
            }
            Fact::Ended { .. } => self.end(),
            _ => {}
        }
    }

    fn end(&mut self) {
        self.evidence.forget_wishes();
        let here = self.conns.keys().copied();
        let all: Vec<ConnId> = here.chain(self.arrivals.iter().map(|arrival| arrival.conn)).collect();
        for conn in all {
            self.close(conn, CloseReason::VisitEnded);
        }
        self.presence.clear();
        self.outputs.push_back(Output::Sfu(SfuCommand::CloseRoom));
    }
}
