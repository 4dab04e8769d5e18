//! Chat: stored, then delivered to everyone who was in the visit when it was written.

use super::evidence::Asker;
use super::ledger::Illegal;
use super::{Output, Refusal, Room};
use crate::wire::{MAX_CHAT_CHARS, RefusalCode, ServerMessage};
use crate::{Fact, Now, ParticipantId};

/// This many lines of one person within [`CHAT_WINDOW_MS`].
const CHAT_LINES: usize = 20;
/// Milliseconds.
const CHAT_WINDOW_MS: i64 = 10_000;

impl Room {
    pub(super) fn chat(
        &mut self,
        from: ParticipantId,
        asker: Asker,
        id: uuid::Uuid,
        text: String,
        now: Now,
    ) -> Result<(), Refusal> {
        if !self.ledger.admitted(from) {
            return Err(Illegal::NotAdmitted.into());
        }
        if text.trim().is_empty() || text.chars().count() > MAX_CHAT_CHARS {
            let message = format!("A message has 1 to {MAX_CHAT_CHARS} characters. Shorten it and send it again.");
            return Err(Refusal(RefusalCode::BadMessage, message));
        }
        if let Some(presence) = self.presence.get_mut(&from) {
            let times = &mut presence.chat_times;
            while times.front().is_some_and(|at| at.plus(CHAT_WINDOW_MS) <= now) {
                times.pop_front();
            }
            if times.len() >= CHAT_LINES {
                let message = "Too many messages in a short time. Wait ten seconds and send it again.";
                return Err(Refusal(RefusalCode::TooFast, message.into()));
            }
            times.push_back(now);
        }
        self.ask(asker, Fact::ChatPosted { id, participant: from, text })
    }

    /// A line that is stored already goes to its author once more, whose first send was not heard.
    pub(super) fn send_again(&mut self, id: uuid::Uuid, author: ParticipantId, text: &str) -> bool {
        let Some(stored) = self.ledger.line(id) else { return false };
        if stored.line.from != author || stored.line.text != text {
            return false;
        }
        let message = ServerMessage::Chat(stored.line.clone());
        if let Some(conn) = self.presence.get(&author).and_then(|presence| presence.conn()) {
            self.outputs.push_back(Output::Send { conn, message });
        }
        true
    }

    /// Brings every connection of someone in the visit up to the last stored line.
    pub(super) fn deliver_chat(&mut self) {
        for (participant, presence) in &mut self.presence {
            let Some(conn) = presence.conn() else { continue };
            if !self.ledger.admitted(*participant) || presence.shown.is_none() {
                continue;
            }
            for stored in &self.ledger.chat[presence.chat_seen..] {
                if stored.readers.contains(participant) {
                    let message = ServerMessage::Chat(stored.line.clone());
                    self.outputs.push_back(Output::Send { conn, message });
                }
            }
            presence.chat_seen = self.ledger.chat.len();
        }
    }
}
