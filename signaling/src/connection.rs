//! One websocket from hello to goodbye: ticket, pace, malformed frames, signs of life.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, close_code};
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};
use visit::room::{ConnId, Identity};
use visit::wire::{ClientMessage, CloseReason, RefusalCode, ServerMessage};
use visit::{ClinicId, ParticipantId, VisitId};

use crate::outbox::{Outbox, OutboxReader, Outgoing, outbox};
use crate::pace::Pace;
use crate::room_task::refusal_label;
use crate::rooms::FromConnection;
use crate::{House, Ports, RedeemError};

/// How long the last words of a connection may take.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// How often a room that was just being forgotten is asked for again.
const ROOM_ATTEMPTS: usize = 5;
/// Least time between two quality reports that are taken.
const QUALITY_EVERY: Duration = Duration::from_secs(1);

/// Serves one websocket until it is over.
pub async fn serve<P: Ports>(house: Arc<House<P>>, socket: WebSocket, origin: String, unnamed: OwnedSemaphorePermit) {
    metrics::gauge!("bedside_signaling_connections").increment(1);
    let (sink, stream) = socket.split();
    let (outbox, reader) = outbox(house.settings.limits.outbox);
    let seated = Arc::new(AtomicBool::new(false));
    let (written, until_written) = oneshot::channel();
    let writer = write(sink, reader, Arc::clone(&seated));
    let mut writer = tokio::spawn(async move {
        writer.await;
        drop(written);
    });
    let conn = house.next_conn();
    // Of no use for saying anything, so that the writer still sees when all outboxes are gone.
    let cut = outbox.cutter();
    let connection = Connection { house, conn, stream, outbox, seated, until_written };
    let mut stream = connection.serve(&origin, unnamed).await;
    // Ends by itself, since every outbox is gone or has said its last word; unless the client does not read it.
    if timeout(LAST_WORDS, &mut writer).await.is_err() {
        cut.cut_off(CloseReason::TooSlow);
        let _ = writer.await;
    }
    // What the client still sends is read: closing with unread bytes would reset the connection and lose that word.
    let _ = timeout(LAST_WORDS, async { while let Some(Ok(_)) = stream.next().await {} }).await;
    metrics::gauge!("bedside_signaling_connections").decrement(1);
}

struct Connection<P> {
    house: Arc<House<P>>,
    conn: ConnId,
    stream: SplitStream<WebSocket>,
    outbox: Outbox,
    seated: Arc<AtomicBool>,
    until_written: oneshot::Receiver<()>,
}

impl<P: Ports> Connection<P> {
    async fn serve(mut self, origin: &str, unnamed: OwnedSemaphorePermit) -> SplitStream<WebSocket> {
        let mut closing = self.house.closing.subscribe();
        let named = tokio::select! {
            named = timeout(self.house.settings.limits.hello, self.hello(origin)) => named,
            _ = closing.wait_for(|closing| *closing) => Ok(Err(CloseReason::Restarting)),
        };
        drop(unnamed);
        let entered = match named {
            Ok(Ok(who)) => self.enter(who).await,
            Ok(Err(reason)) => Err(reason),
            Err(_too_late) => Err(CloseReason::Misbehaved),
        };
        match entered {
            Ok((room, at)) => {
                let reason = self.listen(&room, &at).await;
                let _ = room.send(FromConnection::Gone { conn: self.conn }).await;
                if let Some(reason) = reason {
                    self.outbox.close(reason);
                }
            }
            Err(reason) => self.outbox.close(reason),
        }
        self.stream
    }

    /// The first message, and whose ticket it holds.
    async fn hello(&mut self, origin: &str) -> Result<Identity, CloseReason> {
        let text = loop {
            match self.stream.next().await {
                Some(Ok(Message::Text(text))) => break text,
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(Message::Binary(_) | Message::Close(_)) | Err(_)) | None => {
                    return Err(CloseReason::Misbehaved);
                }
            }
        };
        let Ok(ClientMessage::Hello { ticket }) = serde_json::from_str(&text) else {
            return Err(CloseReason::Misbehaved);
        };
        self.house.ports.redeem(&ticket, origin).await.map_err(|error| match error {
            RedeemError::NotUsable => CloseReason::BadTicket,
            RedeemError::Unavailable => CloseReason::Restarting,
        })
    }

    /// Goes to the room of the visit.
    async fn enter(&mut self, who: Identity) -> Result<(mpsc::Sender<FromConnection>, Place), CloseReason> {
        let Identity { clinic, visit, person, .. } = who;
        let place = Place { clinic, visit, participant: ParticipantId::of(visit, person) };
        let patience = self.house.settings.limits.unentered;
        for _ in 0..ROOM_ATTEMPTS {
            let Some(door) = House::room(&self.house, clinic, visit, patience) else { break };
            let (taken, answer) = oneshot::channel();
            let hello = FromConnection::Hello { conn: self.conn, who: who.clone(), outbox: self.outbox.clone(), taken };
            if door.connections.send(hello).await.is_err() {
                continue;
            }
            match answer.await {
                Ok(Ok(())) => return Ok((door.connections, place)),
                Ok(Err(reason)) => return Err(reason),
                Err(_forgotten) => {}
            }
        }
        Err(CloseReason::Restarting)
    }

    /// Reads until the connection is over; the reason if it is we who end it.
    async fn listen(&mut self, room: &mpsc::Sender<FromConnection>, at: &Place) -> Option<CloseReason> {
        let limits = self.house.settings.limits.clone();
        let mut pace = Pace::new(limits.messages_per_second, limits.burst, Instant::now());
        let mut ping = interval(limits.ping_every);
        ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut unanswered = 0;
        let (mut excess, mut malformed) = (0, 0);
        let mut warned: Option<Instant> = None;
        let mut measured: Option<Instant> = None;
        loop {
            let frame = tokio::select! {
                biased;
                _ = &mut self.until_written => return None,
                frame = self.stream.next() => frame,
                _ = ping.tick() => {
                    if unanswered >= limits.unanswered_pings {
                        tracing::debug!(conn = self.conn.0, "signaling.silent");
                        return None;
                    }
                    unanswered += 1;
                    self.outbox.ping();
                    continue;
                }
            };
            let now = Instant::now();
            unanswered = 0;
            let text = match frame {
                None | Some(Ok(Message::Close(_))) => return None,
                // Too large, not UTF-8, or the network: nothing more can be read.
                Some(Err(_)) => return Some(CloseReason::Misbehaved),
                Some(Ok(frame)) => {
                    if !pace.take(now) {
                        excess += 1;
                        if excess > limits.excess {
                            return Some(CloseReason::Misbehaved);
                        }
                        if warned.is_none_or(|at| now.duration_since(at) >= Duration::from_secs(1)) {
                            warned = Some(now);
                            self.refuse(RefusalCode::TooFast, "Too many messages. Wait a second.")?;
                        }
                        continue;
                    }
                    match frame {
                        Message::Text(text) => text,
                        Message::Binary(_) => Utf8Bytes::default(),
                        Message::Ping(_) | Message::Pong(_) | Message::Close(_) => continue,
                    }
                }
            };
            metrics::counter!("bedside_signaling_messages_total").increment(1);
            match serde_json::from_str(&text) {
                Ok(ClientMessage::Ping { n }) => self.outbox.say(ServerMessage::Pong { n }).ok()?,
                Ok(ClientMessage::Quality(quality)) => {
                    let due = measured.is_none_or(|at| now.duration_since(at) >= QUALITY_EVERY);
                    if due && self.seated.load(Ordering::Relaxed) {
                        measured = Some(now);
                        self.house.ports.quality(at.clinic, at.visit, at.participant, quality).await;
                    }
                }
                Ok(message) => {
                    let said = FromConnection::Said { conn: self.conn, message };
                    if room.send(said).await.is_err() {
                        return None;
                    }
                }
                Err(_) => {
                    malformed += 1;
                    if malformed > limits.malformed {
                        return Some(CloseReason::Misbehaved);
                    }
                    self.refuse(RefusalCode::BadMessage, "That was not understood. Reload the page.")?;
                }
            }
        }
    }

    fn refuse(&self, code: RefusalCode, message: &str) -> Option<()> {
        metrics::counter!("bedside_signaling_refused_total", "code" => refusal_label(code)).increment(1);
        let about = String::new();
        self.outbox.say(ServerMessage::Refused { code, message: message.into(), about }).ok()
    }
}

/// Where a connection's participant sits.
struct Place {
    clinic: ClinicId,
    visit: VisitId,
    participant: ParticipantId,
}

/// Writes what is in line until the last word, the cut, or the end of the line.
async fn write(mut sink: SplitSink<WebSocket, Message>, mut reader: OutboxReader, seated: Arc<AtomicBool>) {
    loop {
        let next = tokio::select! {
            biased;
            Ok(cut) = reader.cut.wait_for(Option::is_some) => Err(*cut),
            next = reader.queue.recv() => Ok(next),
        };
        let frame = match next {
            Err(cut) => return last_words(&mut sink, cut).await,
            Ok(None) => return last_words(&mut sink, None).await,
            Ok(Some(Outgoing::Ping)) => Message::Ping(Bytes::new()),
            Ok(Some(Outgoing::Say(ServerMessage::Closed { reason }))) => {
                return last_words(&mut sink, Some(reason)).await;
            }
            Ok(Some(Outgoing::Say(message))) => {
                if matches!(message, ServerMessage::Welcome { .. }) {
                    seated.store(true, Ordering::Relaxed);
                }
                text(&message)
            }
        };
        let written = tokio::select! {
            biased;
            written = sink.send(frame) => Ok(written),
            Ok(cut) = reader.cut.wait_for(Option::is_some) => Err(*cut),
        };
        match written {
            Ok(Ok(())) => {}
            Ok(Err(_gone)) => return,
            Err(cut) => return last_words(&mut sink, cut).await,
        }
    }
}

async fn last_words(sink: &mut SplitSink<WebSocket, Message>, reason: Option<CloseReason>) {
    let say = async {
        if let Some(reason) = reason {
            metrics::counter!("bedside_signaling_closed_total", "reason" => close_label(reason)).increment(1);
            sink.send(text(&ServerMessage::Closed { reason })).await?;
        }
        let frame = CloseFrame { code: close_code::NORMAL, reason: Utf8Bytes::default() };
        sink.send(Message::Close(Some(frame))).await
    };
    let _ = timeout(LAST_WORDS, say).await;
}

fn text(message: &ServerMessage) -> Message {
    Message::text(serde_json::to_string(message).expect("the protocol's types have string keys and finite numbers"))
}

fn close_label(reason: CloseReason) -> &'static str {
    match reason {
        CloseReason::BadTicket => "bad_ticket",
        CloseReason::Left => "left",
        CloseReason::VisitEnded => "visit_ended",
        CloseReason::Replaced => "replaced",
        CloseReason::TooSlow => "too_slow",
        CloseReason::Misbehaved => "misbehaved",
        CloseReason::Revoked => "revoked",
        CloseReason::Restarting => "restarting",
        CloseReason::RoomFull => "room_full",
    }
}
