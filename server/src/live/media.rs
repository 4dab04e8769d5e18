//! Between the SFU's events and the rest: slots and connections to signaling, intervals of quality to the record.

use sfu::{EventKind, PeerKey, RoomKey};
use uuid::Uuid;
use visit::room::MediaEvent;
use visit::wire::{Slot, SlotDemand, Source};
use visit::{ParticipantId, VisitId};

/// The SFU's number of a visit.
#[must_use]
pub fn room_key(visit: VisitId) -> RoomKey {
    RoomKey(visit.0.as_u128())
}

/// The SFU's number of a participant.
#[must_use]
pub fn peer_key(participant: ParticipantId) -> PeerKey {
    PeerKey(participant.0.as_u128())
}

/// The visit that a room stands for.
#[must_use]
pub fn visit_of(room: RoomKey) -> VisitId {
    VisitId(Uuid::from_u128(room.0))
}

/// The participant that a peer stands for.
#[must_use]
pub fn participant_of(peer: PeerKey) -> ParticipantId {
    ParticipantId(Uuid::from_u128(peer.0))
}

/// What the room machine is told of an SFU event; `None` for those that are not its business.
#[must_use]
pub fn for_room(peer: PeerKey, kind: &EventKind) -> Option<MediaEvent> {
    let participant = participant_of(peer);
    match kind {
        EventKind::Connected => Some(MediaEvent::Connected { participant }),
        EventKind::Lost => Some(MediaEvent::Lost { participant }),
        EventKind::Slots(slots) => Some(MediaEvent::Slots { participant, slots: slots.iter().map(slot).collect() }),
        EventKind::Asked(rids) => Some(MediaEvent::Layers { participant, rids: rids.clone() }),
        EventKind::HeldBack(mids) => Some(MediaEvent::HeldBack { participant, mids: mids.clone() }),
        EventKind::Speaking(peers) => {
            let speakers = peers.iter().copied().map(participant_of).collect();
            Some(MediaEvent::Speaking { participant, speakers })
        }
        EventKind::Quality(_) => None,
    }
}

fn slot(slot: &sfu::Slot) -> Slot {
    Slot { mid: slot.mid.clone(), source: source(slot.source), participant: participant_of(slot.from) }
}

fn source(source: sfu::Source) -> Source {
    match source {
        sfu::Source::Microphone => Source::Microphone,
        sfu::Source::Camera => Source::Camera,
        sfu::Source::Screen => Source::Screen,
    }
}

/// The SFU's form of what a client shows.
#[must_use]
pub fn demands(slots: &[SlotDemand]) -> Vec<sfu::Demand> {
    slots.iter().map(|slot| sfu::Demand { mid: slot.mid.clone(), width: slot.width }).collect()
}
