//! The room as each person may see it, sent whenever it differs from what that person was shown last.

use super::ledger::{Place, Recording, Seat};
use super::presence::{Link, Presence};
use super::{Output, Room};
use crate::ParticipantId;
use crate::wire::{ParticipantView, PhaseView, RecordingView, RoomView, ServerMessage};

impl Room {
    /// The room as `participant` may see it; `None` without a seat.
    ///
    /// A host sees everyone. A guest who was let in sees who else was let in. One who waits sees only itself.
    #[must_use]
    pub fn view_for(&self, participant: ParticipantId) -> Option<RoomView> {
        let own = self.ledger.seated(participant)?;
        self.presence.get(&participant)?;
        let inside = own.place == Place::Admitted;
        let host = inside && own.role.hosts();
        let mut seats: Vec<_> = self.ledger.seats.iter().collect();
        seats.sort_by_key(|(_, seat)| seat.joined);
        let participants = seats
            .into_iter()
            .filter(|(id, seat)| {
                let among_us = match seat.place {
                    Place::Admitted | Place::Left { was_admitted: true, .. } => inside,
                    Place::CheckingIn | Place::Waiting { .. } | Place::Left { was_admitted: false, .. } => host,
                };
                **id == participant || among_us
            })
            .map(|(id, seat)| self.participant_view(*id, seat))
            .collect();
        let recording = if inside { self.recording_view() } else { RecordingView::Off { last: None } };
        Some(RoomView { version: self.version, you: participant, participants, recording })
    }

    fn participant_view(&self, participant: ParticipantId, seat: &Seat) -> ParticipantView {
        let presence = self.presence.get(&participant);
        ParticipantView {
            participant,
            name: self.names.get(&participant).cloned().unwrap_or_default(),
            role: seat.role,
            phase: phase(seat.place, presence),
            audio_muted: presence.is_some_and(|p| p.audio_muted),
            video_muted: presence.is_some_and(|p| p.video_muted),
        }
    }

    fn recording_view(&self) -> RecordingView {
        let (consent, asked, paused) = match &self.ledger.recording {
            Recording::Off { last } => return RecordingView::Off { last: *last },
            Recording::Asked(consent) => (consent, true, false),
            Recording::Running(consent) => (consent, false, self.capture.pause_is_owed()),
            Recording::Paused(consent) => (consent, false, true),
        };
        let recording = consent.recording;
        let missing = self.ledger.missing();
        let text_version = consent.text_version.clone();
        if self.capture.stop_is_wanted() {
            RecordingView::Stopping { recording }
        } else if asked {
            RecordingView::AwaitingConsent { recording, missing, text_version }
        } else if paused {
            RecordingView::Paused { recording, missing, text_version }
        } else if let Some(since) = self.capture.durable_since(recording) {
            RecordingView::On { recording, since }
        } else {
            RecordingView::Starting { recording }
        }
    }

    /// Sends every connection its view when that has changed; to a new connection also its media and chat.
    pub(super) fn publish(&mut self) {
        let mut bumped = false;
        let here: Vec<_> = self.presence.iter().filter_map(|(id, p)| Some((*id, p.conn()?))).collect();
        for (participant, conn) in here {
            let Some(mut view) = self.view_for(participant) else { continue };
            let Some(presence) = self.presence.get_mut(&participant) else { continue };
            let greeting = presence.shown.is_none();
            if let Some(shown) = &presence.shown {
                view.version = shown.version;
                if view == *shown {
                    continue;
                }
            }
            if !bumped {
                self.version += 1;
                bumped = true;
            }
            view.version = self.version;
            presence.shown = Some(view.clone());
            self.outputs.push_back(Output::Send { conn, message: ServerMessage::Room(view) });
            if greeting {
                self.send_media(participant);
            }
        }
        self.deliver_chat();
    }
}

fn phase(place: Place, presence: Option<&Presence>) -> PhaseView {
    match (place, presence.map(|p| p.link)) {
        (Place::Left { why, .. }, _) | (_, Some(Link::Leaving(why))) => PhaseView::Left { why },
        (_, Some(Link::Lost { until })) => PhaseView::Reconnecting { until },
        (Place::CheckingIn, _) => PhaseView::CheckingIn,
        (Place::Waiting { since }, _) => PhaseView::Waiting { since },
        (Place::Admitted, _) => match presence {
            Some(p) if p.interrupted => PhaseView::Interrupted,
            Some(p) if p.media.up => PhaseView::Live,
            _ => PhaseView::Admitted,
        },
    }
}
