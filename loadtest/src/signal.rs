//! One person's websocket: `bedside.v1`, with what the server said last kept at hand.
//!
//! Here: connecting, sending, waiting for a state of the room, asking for the size that is shown.
//! Not here: SDP and media, which `media` makes.

use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use futures_util::{SinkExt, StreamExt};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio_tungstenite::tungstenite::client::ClientRequestBuilder;
use tokio_tungstenite::tungstenite::{Message, http::Uri};
use visit::ParticipantId;
use visit::wire::{
    ClientMessage, ClientQuality, CloseReason, ParticipantView, RoomView, SUBPROTOCOL, ServerMessage, Slot, SlotDemand,
    Source,
};

use crate::http::Server;

/// Longest time the server may take to react to a message.
pub const REACTION_TIMEOUT: Duration = Duration::from_secs(15);
/// Width in pixels at which a camera is shown: the full layer's.
const SHOWN_WIDTH: u32 = 640;

/// What the server has said so far.
#[derive(Debug, Clone, Default)]
pub struct Heard {
    /// My seat, once hello was accepted.
    pub seat: Option<ParticipantId>,
    /// The last view of the room.
    pub room: Option<RoomView>,
    /// The last answer to an offer.
    pub answer: Option<String>,
    /// Who is on my slots.
    pub slots: Vec<Slot>,
    /// The last refusal, as `about: code: message`.
    pub refused: Option<String>,
    /// Why the server closed the connection.
    pub closed: Option<CloseReason>,
    /// The connection is gone.
    pub gone: bool,
}

impl Heard {
    /// The person with this seat, if I see them.
    #[must_use]
    pub fn person(&self, seat: ParticipantId) -> Option<&ParticipantView> {
        self.room.as_ref()?.participants.iter().find(|person| person.participant == seat)
    }

    /// Myself, as the room shows me.
    #[must_use]
    pub fn me(&self) -> Option<&ParticipantView> {
        self.person(self.seat?)
    }
}

/// An open websocket.
#[derive(Debug)]
pub struct Signal {
    say: mpsc::UnboundedSender<ClientMessage>,
    heard: watch::Receiver<Heard>,
    pump: JoinHandle<()>,
}

impl Signal {
    /// Connects and takes a seat with `ticket`.
    ///
    /// # Errors
    /// When the handshake fails or the server does not welcome the ticket in time.
    pub async fn connect(server: &Server, ticket: String) -> Result<(Self, ParticipantId)> {
        let uri: Uri = server.websocket().parse().context("address of the websocket")?;
        let request =
            ClientRequestBuilder::new(uri).with_header("Origin", server.origin()).with_sub_protocol(SUBPROTOCOL);
        let (socket, _) = tokio_tungstenite::connect_async_with_config(request, None, true)
            .await
            .with_context(|| format!("websocket {} did not open", server.websocket()))?;
        let (say, mut to_say) = mpsc::unbounded_channel::<ClientMessage>();
        let (tell, heard) = watch::channel(Heard::default());
        let demand = say.downgrade();
        let (mut sink, mut stream) = socket.split();
        let pump = tokio::spawn(async move {
            loop {
                tokio::select! {
                    message = to_say.recv() => {
                        let Some(message) = message else { break };
                        let Ok(text) = serde_json::to_string(&message) else { continue };
                        if sink.send(Message::text(text)).await.is_err() {
                            break;
                        }
                    }
                    frame = stream.next() => match frame {
                        Some(Ok(Message::Text(text))) => match serde_json::from_str::<ServerMessage>(&text) {
                            Ok(message) => {
                                if let (Some(say), ServerMessage::Slots { slots }) = (demand.upgrade(), &message) {
                                    let _ = say.send(view_of(slots));
                                }
                                tell.send_modify(|heard| note(heard, message));
                            }
                            Err(error) => tracing::warn!(%error, "the server said something that is not of bedside.v1"),
                        },
                        Some(Ok(Message::Close(_)) | Err(_)) | None => break,
                        Some(Ok(_)) => {}
                    },
                }
            }
            let _ = sink.close().await;
            tell.send_modify(|heard| heard.gone = true);
        });
        let signal = Self { say, heard, pump };
        signal.say(ClientMessage::Hello { ticket })?;
        let seat = signal.until("welcome", |heard| heard.seat).await?;
        Ok((signal, seat))
    }

    /// Sends a message.
    ///
    /// # Errors
    /// When the connection is gone.
    pub fn say(&self, message: ClientMessage) -> Result<()> {
        self.say.send(message).map_err(|_| anyhow!("the websocket is closed{}", self.why_closed()))
    }

    /// Reports what was received in the last interval.
    pub fn report_quality(&self, quality: ClientQuality) {
        let _ = self.say(ClientMessage::Quality(quality));
    }

    /// Waits until `found` finds what it looks for in what the server said.
    ///
    /// # Errors
    /// When the server refuses something meanwhile, closes, or takes longer than [`REACTION_TIMEOUT`].
    pub async fn until<T>(&self, what: &str, mut found: impl FnMut(&Heard) -> Option<T>) -> Result<T> {
        let mut heard = self.heard.clone();
        let wait = async {
            loop {
                {
                    let heard = heard.borrow_and_update();
                    if let Some(value) = found(&heard) {
                        return Ok(value);
                    }
                    if let Some(refusal) = &heard.refused {
                        bail!("while waiting for {what}, the server refused {refusal}");
                    }
                    if heard.gone || heard.closed.is_some() {
                        break;
                    }
                }
                if heard.changed().await.is_err() {
                    break;
                }
            }
            Err(anyhow!("while waiting for {what}, the server closed the websocket{}", self.why_closed()))
        };
        tokio::time::timeout(REACTION_TIMEOUT, wait)
            .await
            .unwrap_or_else(|_| Err(anyhow!("no {what} from the server within {} s", REACTION_TIMEOUT.as_secs())))
    }

    /// Waits until the server has closed the connection; true when it named a reason.
    pub async fn closed(&self) -> bool {
        let mut heard = self.heard.clone();
        let gone = heard.wait_for(|heard| heard.gone || heard.closed.is_some());
        let _ = tokio::time::timeout(REACTION_TIMEOUT, gone).await;
        self.heard.borrow().closed.is_some()
    }

    fn why_closed(&self) -> String {
        self.heard.borrow().closed.map(|reason| format!(": {reason:?}")).unwrap_or_default()
    }
}

impl Drop for Signal {
    fn drop(&mut self) {
        self.pump.abort();
    }
}

fn note(heard: &mut Heard, message: ServerMessage) {
    match message {
        ServerMessage::Welcome { participant, .. } => heard.seat = Some(participant),
        ServerMessage::Room(view) => {
            if heard.room.as_ref().is_none_or(|seen| seen.version <= view.version) {
                heard.room = Some(view);
            }
        }
        ServerMessage::Answer { sdp } => heard.answer = Some(sdp),
        ServerMessage::Slots { slots } => heard.slots = slots,
        ServerMessage::Refused { code, message, about } => {
            heard.refused = Some(format!("{about}: {code:?}: {message}"))
        }
        ServerMessage::Closed { reason } => heard.closed = Some(reason),
        ServerMessage::Layers { .. }
        | ServerMessage::HeldBack { .. }
        | ServerMessage::Speaking { .. }
        | ServerMessage::Chat(_)
        | ServerMessage::Pong { .. } => {}
    }
}

fn view_of(slots: &[Slot]) -> ClientMessage {
    let shown = slots.iter().filter(|slot| slot.source != Source::Microphone);
    ClientMessage::View { slots: shown.map(|slot| SlotDemand { mid: slot.mid.clone(), width: SHOWN_WIDTH }).collect() }
}
