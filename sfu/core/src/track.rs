//! What one client publishes from one source: its simulcast layers.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use str0m::media::Rid;

use crate::allocator::{LayerView, WIDEST, ideal};
use crate::keyframes::KeyframeRequests;
use crate::peer::Incoming;
use crate::tap::Source;

/// A layer without a packet for this long has stopped. Longer than the pause between two frames of a screen that
/// shows little movement, shorter than what a viewer forgives.
const STOPPED_AFTER: Duration = Duration::from_millis(1_000);
/// How often liveness and bit rates are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// A layer that nobody watched for this long is switched off at the sender.
const UNWATCHED: Duration = Duration::from_secs(4);
/// A layer that was switched on again has this long to come; otherwise it is not counted on for [`SHUNNED`].
const COMES_WITHIN: Duration = Duration::from_secs(3);
const SHUNNED: Duration = Duration::from_secs(30);
/// What layers cost before they were measured, bits per second: the limits that clients are asked to set.
const USUAL_BPS: [f64; 4] = [150e3, 500e3, 1_500e3, 1_500e3];

/// Packets kept while someone waits: more than a large keyframe's.
const EARLY: usize = 64;

#[derive(Debug)]
pub(crate) struct Layer {
    pub rid: Option<Rid>,
    pub ssrc: u32,
    pub requests: KeyframeRequests,
    /// Packets that came while someone waited for a keyframe: it may have begun, and its first packet be late.
    early: VecDeque<Incoming>,
    rank: u8,
    width: Option<u32>,
    heard: Instant,
    live: bool,
    bytes: u64,
    bps: f64,
    /// Whether the client was told to send it. All are sent until it is told otherwise.
    asked: bool,
    /// Since when nobody watched it.
    unwatched: Option<Instant>,
    /// Switched on again, and not seen since.
    awaited: Option<Instant>,
    shunned: Option<Instant>,
}

#[derive(Debug)]
pub(crate) struct Track {
    pub line: usize,
    pub source: Source,
    /// Lowest first.
    pub layers: Vec<Layer>,
    /// The widest live one.
    pub best: Option<usize>,
    looked: Instant,
}

/// What a packet changed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Noted {
    /// Which layer it is of.
    pub layer: usize,
    /// Layers came, stopped or changed their size: receivers' layers have to be chosen again.
    pub changed: bool,
}

impl Layer {
    /// Whether it arrives, or would if the client were asked to send it (`sending`: it sends anything).
    fn obtainable(&self, sending: bool, now: Instant) -> bool {
        let shunned = self.shunned.is_some_and(|since| now.saturating_duration_since(since) < SHUNNED);
        self.live || (sending && !shunned && (!self.asked || self.awaited.is_some()))
    }

    /// Keeps a packet while someone waits for a keyframe of this layer.
    pub(crate) fn keep(&mut self, packet: &Incoming) {
        if self.early.len() == EARLY {
            self.early.pop_front();
        }
        self.early.push_back(packet.clone());
    }

    /// Nobody waits any more.
    pub(crate) fn let_go(&mut self) {
        self.early.clear();
    }

    /// What arrived before `start`, the first packet of a keyframe, but belongs after it.
    pub(crate) fn after(&self, start: &Incoming) -> Vec<Incoming> {
        let belongs = |packet: &&Incoming| packet.ssrc == start.ssrc && packet.seq > start.seq;
        self.early.iter().filter(belongs).cloned().collect()
    }
}

impl Track {
    pub(crate) fn new(line: usize, source: Source, now: Instant) -> Self {
        Self { line, source, layers: Vec::new(), best: None, looked: now }
    }

    /// Notes a packet; `width` is that of the keyframe it starts, if it does.
    pub(crate) fn note(&mut self, packet: &Incoming, keyframe: bool, width: Option<u32>, now: Instant) -> Noted {
        let mut changed = false;
        let at = match self.layers.iter().position(|layer| layer.ssrc == packet.ssrc) {
            Some(at) => at,
            None => {
                changed = true;
                self.adopt(packet, now)
            }
        };
        let layer = &mut self.layers[at];
        layer.heard = now;
        layer.bytes += packet.payload.len() as u64;
        changed |= !std::mem::replace(&mut layer.live, true);
        (layer.awaited, layer.shunned) = (None, None);
        if keyframe {
            layer.requests.arrived();
            changed |= width.is_some() && layer.width != width;
            layer.width = width.or(layer.width);
        }
        let passed = now.saturating_duration_since(self.looked);
        if passed >= LOOK_EVERY {
            self.looked = now;
            for layer in &mut self.layers {
                let bps = std::mem::take(&mut layer.bytes) as f64 * 8.0 / passed.as_secs_f64();
                // What a layer cost is remembered while it is off.
                if bps > 0.0 {
                    layer.bps += (bps - layer.bps) * if layer.bps > 0.0 { 0.3 } else { 1.0 };
                }
                let stopped = layer.live && now.saturating_duration_since(layer.heard) > STOPPED_AFTER;
                layer.live &= !stopped;
                changed |= stopped;
            }
        }
        if changed {
            let mut views = self.views(now);
            views.iter_mut().zip(&self.layers).for_each(|(view, layer)| view.live = layer.live);
            self.best = ideal(&views, WIDEST);
        }
        Noted { layer: at, changed }
    }

    /// A new SSRC: a layer of its own, or the successor of the layer with the same RID.
    fn adopt(&mut self, packet: &Incoming, now: Instant) -> usize {
        if let Some(at) = self.layers.iter().position(|layer| layer.rid == packet.rid) {
            self.layers[at].ssrc = packet.ssrc;
            return at;
        }
        let rank = match packet.rid.as_deref() {
            Some("q") => 0,
            Some("h") => 1,
            Some("f") => 2,
            _ => 3,
        };
        let layer = Layer {
            rid: packet.rid,
            ssrc: packet.ssrc,
            requests: KeyframeRequests::default(),
            early: VecDeque::new(),
            rank,
            width: None,
            heard: now,
            live: false,
            bytes: 0,
            bps: 0.0,
            asked: true,
            unwatched: None,
            awaited: None,
            shunned: None,
        };
        let at = self.layers.partition_point(|other| other.rank <= rank);
        self.layers.insert(at, layer);
        at
    }

    /// Whether anything arrived lately.
    pub(crate) fn live(&self, now: Instant, within: Duration) -> bool {
        self.layers.iter().any(|layer| now.saturating_duration_since(layer.heard) <= within)
    }

    /// The layers as the allocator needs them.
    pub(crate) fn views(&self, now: Instant) -> Vec<LayerView> {
        let widest = self.layers.iter().filter_map(|layer| layer.width).max();
        let sending = self.layers.first().is_some_and(|lowest| lowest.live);
        self.layers
            .iter()
            .map(|layer| {
                // Before its first keyframe a layer's width is guessed from the contract's scales 4, 2, 1.
                let guess = widest.unwrap_or(1_280) >> (2 - layer.rank.min(2));
                let usual = USUAL_BPS[usize::from(layer.rank.min(3))];
                let bps = if layer.bps > 0.0 { layer.bps } else { usual };
                LayerView { live: layer.obtainable(sending, now), width: layer.width.unwrap_or(guess), bps }
            })
            .collect()
    }

    /// Follows who watches which layer (`watched`, by layer); true if the client has to be told what to send.
    /// A layer is switched on at once and off only after a while; the lowest is always sent, so that whoever comes is
    /// shown something soon.
    pub(crate) fn follow(&mut self, watched: &[bool], now: Instant) -> bool {
        if self.layers.len() < 2 || self.source != Source::Camera {
            return false;
        }
        let mut told = false;
        for (n, layer) in self.layers.iter_mut().enumerate() {
            if layer.awaited.is_some_and(|since| now.saturating_duration_since(since) >= COMES_WITHIN) {
                (layer.awaited, layer.shunned) = (None, Some(now));
            }
            if n == 0 || watched.get(n).copied().unwrap_or(false) {
                layer.unwatched = None;
                if !layer.asked {
                    (layer.asked, layer.awaited, told) = (true, Some(now), true);
                }
                continue;
            }
            let since = *layer.unwatched.get_or_insert(now);
            if layer.asked && now.saturating_duration_since(since) >= UNWATCHED {
                (layer.asked, layer.awaited, told) = (false, None, true);
            }
        }
        told
    }

    /// The layers that the client is to send, by their `rid`.
    pub(crate) fn asked(&self) -> Vec<String> {
        let asked = self.layers.iter().filter(|layer| layer.asked);
        asked.filter_map(|layer| layer.rid.map(|rid| rid.to_string())).collect()
    }
}

/// Width of a VP8 keyframe (RFC 6386, 9.1), given its RTP payload.
pub(crate) fn vp8_width(payload: &[u8]) -> Option<u32> {
    // The start code 9d 01 2a stands 3 bytes into the frame, the descriptor before it has 1 to 6 bytes.
    let at = payload.get(..16.min(payload.len()))?.windows(3).position(|bytes| bytes == [0x9d, 0x01, 0x2a])?;
    let width = payload.get(at + 3..at + 5)?;
    Some(u32::from(u16::from_le_bytes([width[0], width[1]]) & 0x3fff))
}
