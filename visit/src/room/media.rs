//! Between a participant and the SFU: offers, answers, slots, what is shown how large, what is muted.

use super::{MediaEvent, Output, Refusal, Room, SfuCommand};
use crate::ParticipantId;
use crate::wire::{RefusalCode, ServerMessage, SlotDemand};

/// How many video slots a client can speak of.
const MAX_SLOTS: usize = 32;
/// Longest `mid` (RFC 8843 ids are short; browsers count from 0).
const MAX_MID_BYTES: usize = 16;
/// How many offers of one seat may be unanswered.
const MAX_UNANSWERED: usize = 4;

impl Room {
    pub(super) fn offer(&mut self, from: ParticipantId, sdp: String) -> Result<(), Refusal> {
        let admitted = self.ledger.admitted(from);
        if let Some(presence) = self.presence.get_mut(&from)
            && let Some(conn) = presence.conn()
        {
            if presence.media.unanswered.len() >= MAX_UNANSWERED {
                return Err(Refusal(RefusalCode::TooFast, "Wait for the answer to your last offer.".into()));
            }
            presence.media.offered = true;
            (presence.media.layers, presence.media.held_back) = (None, Vec::new());
            presence.media.unanswered.push_back(conn);
            self.outputs.push_back(Output::Sfu(SfuCommand::Offer { participant: from, sdp }));
            if admitted {
                self.outputs.push_back(Output::Sfu(SfuCommand::Admit { participant: from }));
            }
        }
        Ok(())
    }

    pub(super) fn demand(&mut self, from: ParticipantId, slots: Vec<SlotDemand>) -> Result<(), Refusal> {
        if slots.len() > MAX_SLOTS || slots.iter().any(|slot| slot.mid.len() > MAX_MID_BYTES) {
            return Err(Refusal(RefusalCode::BadMessage, "Too many slots or a `mid` that is too long.".into()));
        }
        if self.presence.get(&from).is_some_and(|presence| presence.media.offered) {
            self.outputs.push_back(Output::Sfu(SfuCommand::View { participant: from, slots }));
        }
        Ok(())
    }

    pub(super) fn set_muted(
        &mut self,
        from: ParticipantId,
        audio: bool,
        video: bool,
        interrupted: bool,
    ) -> Result<(), Refusal> {
        if let Some(presence) = self.presence.get_mut(&from) {
            presence.audio_muted = audio;
            presence.video_muted = video;
            presence.interrupted = interrupted;
        }
        Ok(())
    }

    pub(super) fn media_event(&mut self, event: MediaEvent) {
        match event {
            MediaEvent::Answered { participant, sdp } => {
                self.answer(participant, ServerMessage::Answer { sdp });
            }
            MediaEvent::OfferRefused { participant, why } => {
                let code = RefusalCode::BadOffer;
                self.answer(participant, ServerMessage::Refused { code, message: why, about: "offer".into() });
            }
            MediaEvent::Connected { participant } => self.set_up(participant, true),
            MediaEvent::Lost { participant } => self.set_up(participant, false),
            MediaEvent::Slots { participant, slots } => {
                if let Some(presence) = self.presence.get_mut(&participant)
                    && presence.leaving().is_none()
                {
                    presence.media.slots = slots;
                    self.send_slots(participant);
                }
            }
            MediaEvent::Layers { participant, rids } => {
                if let Some(presence) = self.here(participant) {
                    presence.media.layers = Some(rids.clone());
                    self.say(participant, ServerMessage::Layers { rids });
                }
            }
            MediaEvent::HeldBack { participant, mids } => {
                if let Some(presence) = self.here(participant) {
                    presence.media.held_back.clone_from(&mids);
                    self.say(participant, ServerMessage::HeldBack { mids });
                }
            }
            MediaEvent::Speaking { participant, speakers } => {
                if let Some(presence) = self.here(participant) {
                    presence.media.speaking.clone_from(&speakers);
                    self.say(participant, ServerMessage::Speaking { participants: speakers });
                }
            }
        }
    }

    /// Tells a connection that came back how its media stands.
    pub(super) fn send_media(&mut self, participant: ParticipantId) {
        let Some(presence) = self.presence.get(&participant) else { return };
        let media = &presence.media;
        let (layers, mids, participants) = (media.layers.clone(), media.held_back.clone(), media.speaking.clone());
        if !media.slots.is_empty() {
            self.send_slots(participant);
        }
        if let Some(rids) = layers {
            self.say(participant, ServerMessage::Layers { rids });
        }
        if !mids.is_empty() {
            self.say(participant, ServerMessage::HeldBack { mids });
        }
        // Somebody who was sent back to wait is not told who speaks inside.
        if !participants.is_empty() && self.ledger.admitted(participant) {
            self.say(participant, ServerMessage::Speaking { participants });
        }
    }

    fn here(&mut self, participant: ParticipantId) -> Option<&mut super::presence::Presence> {
        self.presence.get_mut(&participant).filter(|presence| presence.leaving().is_none())
    }

    fn say(&mut self, participant: ParticipantId, message: ServerMessage) {
        if let Some(conn) = self.presence.get(&participant).and_then(|presence| presence.conn()) {
            self.outputs.push_back(Output::Send { conn, message });
        }
    }

    /// Tells a connection who is on which slot.
    pub(super) fn send_slots(&mut self, participant: ParticipantId) {
        if let Some(presence) = self.presence.get(&participant)
            && let Some(conn) = presence.conn()
        {
            let message = ServerMessage::Slots { slots: presence.media.slots.clone() };
            self.outputs.push_back(Output::Send { conn, message });
        }
    }

    /// An answer goes to the connection that offered, or to nobody when that one was replaced.
    fn answer(&mut self, participant: ParticipantId, message: ServerMessage) {
        if let Some(presence) = self.presence.get_mut(&participant)
            && let Some(asked) = presence.media.unanswered.pop_front()
            && presence.conn() == Some(asked)
        {
            self.outputs.push_back(Output::Send { conn: asked, message });
        }
    }

    fn set_up(&mut self, participant: ParticipantId, up: bool) {
        if let Some(presence) = self.presence.get_mut(&participant)
            && presence.leaving().is_none()
        {
            presence.media.up = up;
        }
    }
}
