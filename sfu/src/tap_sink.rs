//! The way from a worker to the recorder: never waits.

use std::sync::mpsc::SyncSender;

use sfu_core::tap::TapPacket;

/// Takes tapped packets without ever blocking the packet path. A packet that it refuses is counted and shows to the
/// recorder as a hole in `seq`.
pub struct TapSink(Box<dyn FnMut(TapPacket) -> bool + Send>);

impl TapSink {
    /// A sink that calls `take`, which must return at once: true if it took the packet.
    pub fn new(take: impl FnMut(TapPacket) -> bool + Send + 'static) -> Self {
        Self(Box::new(take))
    }

    pub(crate) fn offer(&mut self, packet: TapPacket) -> bool {
        (self.0)(packet)
    }
}

impl From<SyncSender<TapPacket>> for TapSink {
    fn from(sender: SyncSender<TapPacket>) -> Self {
        Self::new(move |packet| sender.try_send(packet).is_ok())
    }
}

impl From<tokio::sync::mpsc::Sender<TapPacket>> for TapSink {
    fn from(sender: tokio::sync::mpsc::Sender<TapPacket>) -> Self {
        Self::new(move |packet| sender.try_send(packet).is_ok())
    }
}

impl std::fmt::Debug for TapSink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TapSink")
    }
}
