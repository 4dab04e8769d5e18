//! A connection's way out: a bounded queue, and a cut for those who do not read it.

use tokio::sync::{mpsc, watch};
use visit::wire::{CloseReason, ServerMessage};

/// What the writer of a connection is given.
#[derive(Debug)]
pub enum Outgoing {
    /// A message of the protocol; after `closed` nothing more is written.
    Say(ServerMessage),
    /// A websocket ping.
    Ping,
}

/// The sending end. When all of them are gone the writer closes the connection.
#[derive(Debug, Clone)]
pub struct Outbox {
    queue: mpsc::Sender<Outgoing>,
    cut: watch::Sender<Option<CloseReason>>,
}

/// Only the cut, without a place in line.
#[derive(Debug)]
pub struct Cutter(watch::Sender<Option<CloseReason>>);

/// The writer's end.
#[derive(Debug)]
pub struct OutboxReader {
    pub queue: mpsc::Receiver<Outgoing>,
    pub cut: watch::Receiver<Option<CloseReason>>,
}

/// The queue is full: its reader was cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooSlow;

pub fn outbox(size: usize) -> (Outbox, OutboxReader) {
    let (queue, queue_reader) = mpsc::channel(size);
    let cut = watch::Sender::new(None);
    let cut_reader = cut.subscribe();
    (Outbox { queue, cut }, OutboxReader { queue: queue_reader, cut: cut_reader })
}

impl Outbox {
    /// Puts a message in line, or cuts the connection off when the line is full.
    pub fn say(&self, message: ServerMessage) -> Result<(), TooSlow> {
        match self.queue.try_send(Outgoing::Say(message)) {
            Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => Ok(()),
            Err(mpsc::error::TrySendError::Full(_)) => {
                self.cut_off(CloseReason::TooSlow);
                Err(TooSlow)
            }
        }
    }

    /// Asks the other side for a sign of life; a full line needs none.
    pub fn ping(&self) {
        let _ = self.queue.try_send(Outgoing::Ping);
    }

    /// Ends the connection after what is in line; at once when the line is full.
    pub fn close(&self, reason: CloseReason) {
        if self.queue.try_send(Outgoing::Say(ServerMessage::Closed { reason })).is_err() {
            self.cut_off(reason);
        }
    }

    /// Ends the connection past whatever is in line.
    pub fn cut_off(&self, reason: CloseReason) {
        self.cutter().cut_off(reason);
    }

    /// The cut alone.
    pub fn cutter(&self) -> Cutter {
        Cutter(self.cut.clone())
    }
}

impl Cutter {
    /// Ends the connection past whatever is in line.
    pub fn cut_off(&self, reason: CloseReason) {
        self.0.send_if_modified(|cut| {
            let first = cut.is_none();
            if first {
                *cut = Some(reason);
            }
            first
        });
    }
}
