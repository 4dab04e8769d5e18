//! What the synthetic people show and say: real encoded frames, looped for as long as a visit lasts.
//!
//! Here: a two-second VP8 clip in three sizes and a second of Opus, and the RTP payloads made of them.
//! Not here: sockets, clocks, encryption.
//!
//! Every Opus packet carries, in padding that a decoder ignores (RFC 6716 section 3.2.5), a [`Stamp`] that
//! says which packet of which sender it was. The server renumbers packets, so this is how a receiver
//! finds out when what it hears was sent.

use std::io::Cursor;

use anyhow::{Context, Result};
use bytes::{BufMut, Bytes, BytesMut};
use rtc::media::io::ivf_reader::IVFReader;
use rtc::media::io::ogg_reader::OggReader;
use rtc::rtp::codec::vp8::Vp8Payloader;
use rtc::rtp::packetizer::Payloader;

/// Length of one Opus frame in units of its 48 kHz clock: 20 ms.
pub const OPUS_FRAME_TICKS: u32 = 960;
/// Frames per second of the VP8 clips.
pub const VIDEO_FRAMES_PER_SECOND: u32 = 15;
/// Length of one VP8 frame in units of its 90 kHz clock.
pub const VIDEO_FRAME_TICKS: u32 = 90_000 / VIDEO_FRAMES_PER_SECOND;
/// Largest VP8 payload of one packet unless said otherwise, bytes, payload descriptor included.
pub const VIDEO_PAYLOAD_BYTES: u16 = 1_150;

const VOICE: &[u8] = include_bytes!("../media/voice.ogg");
const STAMP_MAGIC: [u8; 4] = *b"bsd1";
const STAMP_BYTES: usize = 10;

/// The simulcast layers in the order of the offer: rid, divisor of the full size, clip.
const LAYERS: [(&str, f64, &[u8]); 3] = [
    ("q", 4.0, include_bytes!("../media/q.ivf")),
    ("h", 2.0, include_bytes!("../media/h.ivf")),
    ("f", 1.0, include_bytes!("../media/f.ivf")),
];

/// One simulcast layer: its name and its clip, which begins with its only keyframe.
#[derive(Debug, Clone)]
pub struct Layer {
    /// RFC 8852 stream id.
    pub rid: &'static str,
    /// By how much it is smaller than the full size.
    pub scale_down_by: f64,
    /// Encoded frames.
    pub frames: Vec<Bytes>,
}

/// The layers `q`, `h`, `f`, or `f` alone.
///
/// # Errors
/// When an embedded clip can't be read.
pub fn camera(simulcast: bool) -> Result<Vec<Layer>> {
    LAYERS
        .iter()
        .filter(|(rid, ..)| simulcast || *rid == "f")
        .map(|&(rid, scale_down_by, clip)| {
            let (mut ivf, header) =
                IVFReader::new(Cursor::new(clip)).with_context(|| format!("clip of layer {rid}"))?;
            let frames =
                (0..header.num_frames).map(|_| Ok(ivf.parse_next_frame()?.0.freeze())).collect::<Result<Vec<_>>>()?;
            anyhow::ensure!(!frames.is_empty(), "clip of layer {rid} is empty");
            Ok(Layer { rid, scale_down_by, frames })
        })
        .collect()
}

/// One second of encoded voice, 20 ms a frame.
///
/// # Errors
/// When the embedded file can't be read.
pub fn voice() -> Result<Vec<Bytes>> {
    let (mut ogg, _) = OggReader::new(Cursor::new(VOICE), true).context("embedded voice")?;
    let mut frames = Vec::new();
    while let Ok((page, _)) = ogg.parse_next_page() {
        if !page.starts_with(b"OpusTags") {
            frames.push(page.freeze());
        }
    }
    anyhow::ensure!(!frames.is_empty(), "embedded voice is empty");
    Ok(frames)
}

/// Plays a layer's clip over and over; starts again with its keyframe when asked.
#[derive(Debug)]
pub struct Playback {
    frames: Vec<Bytes>,
    next: usize,
    payload_bytes: usize,
    payloader: Vp8Payloader,
}

impl Playback {
    /// Plays `layer` from its keyframe in payloads of at most `payload_bytes`.
    #[must_use]
    pub fn new(layer: &Layer, payload_bytes: u16) -> Self {
        let mut payloader = Vp8Payloader::default();
        payloader.enable_picture_id = true;
        Self { frames: layer.frames.clone(), next: 0, payload_bytes: payload_bytes.into(), payloader }
    }

    /// The next frame will be a keyframe.
    pub fn restart(&mut self) {
        self.next = 0;
    }

    /// The RTP payloads (RFC 7741) of the next frame.
    ///
    /// # Errors
    /// When the frame can't be split, which an embedded clip never causes.
    pub fn next_frame(&mut self) -> Result<Vec<Bytes>> {
        let frame = &self.frames[self.next];
        self.next = (self.next + 1) % self.frames.len();
        Ok(self.payloader.payload(self.payload_bytes, frame)?)
    }
}

/// Which packet of which sender an Opus packet is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Stamp {
    /// SSRC at the sender.
    pub ssrc: u32,
    /// Sequence number at the sender.
    pub seq: u16,
}

/// `frame` (a packet of one Opus frame, code 0) as a packet of code 3 that carries `stamp` in its padding.
/// A frame of another kind is returned as it is.
#[must_use]
pub fn stamped(frame: &Bytes, stamp: Stamp) -> Bytes {
    const PADDED_ONE_FRAME: u8 = 0b0100_0001;
    let Some((&toc, coded)) = frame.split_first() else { return frame.clone() };
    if toc & 0b11 != 0 {
        return frame.clone();
    }
    let mut packet = BytesMut::with_capacity(frame.len() + 2 + STAMP_BYTES);
    packet.put_u8(toc | 0b11);
    packet.put_u8(PADDED_ONE_FRAME);
    packet.put_u8(STAMP_BYTES as u8);
    packet.put_slice(coded);
    packet.put_slice(&STAMP_MAGIC);
    packet.put_u32(stamp.ssrc);
    packet.put_u16(stamp.seq);
    packet.freeze()
}

/// The stamp in an Opus packet that [`stamped`] made.
#[must_use]
pub fn stamp_of(packet: &[u8]) -> Option<Stamp> {
    let stamp = packet.len().checked_sub(STAMP_BYTES).map(|at| &packet[at..])?;
    let rest = stamp.strip_prefix(&STAMP_MAGIC)?;
    Some(Stamp {
        ssrc: u32::from_be_bytes(rest[..4].try_into().ok()?),
        seq: u16::from_be_bytes(rest[4..].try_into().ok()?),
    })
}

/// Whether a VP8 payload (RFC 7741) begins a keyframe.
#[must_use]
pub fn begins_keyframe(payload: &[u8]) -> bool {
    let Some(&descriptor) = payload.first() else { return false };
    let begins_frame = descriptor & 0x10 != 0 && descriptor & 0x07 == 0;
    let mut at = 1;
    if descriptor & 0x80 != 0 {
        let Some(&extension) = payload.get(1) else { return false };
        at += 1;
        if extension & 0x80 != 0 {
            at += if payload.get(at).is_some_and(|id| id & 0x80 != 0) { 2 } else { 1 };
        }
        at += usize::from(extension & 0x40 != 0);
        at += usize::from(extension & 0x30 != 0);
    }
    begins_frame && payload.get(at).is_some_and(|frame| frame & 1 == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_layers_grow_and_begin_with_a_keyframe() {
        let layers = camera(true).expect("clips");
        assert_eq!(layers.iter().map(|layer| layer.rid).collect::<Vec<_>>(), ["q", "h", "f"]);
        let sizes: Vec<usize> = layers.iter().map(|layer| layer.frames.iter().map(Bytes::len).sum()).collect();
        assert!(sizes.is_sorted(), "{sizes:?}");
        for layer in &layers {
            assert_eq!(layer.frames.len() as u32, 2 * VIDEO_FRAMES_PER_SECOND);
            let mut playback = Playback::new(layer, VIDEO_PAYLOAD_BYTES);
            let starts: Vec<bool> = (0..layer.frames.len() + 1)
                .map(|_| begins_keyframe(&playback.next_frame().expect("payloads")[0]))
                .collect();
            assert_eq!(starts.iter().filter(|&&key| key).count(), 2, "the first frame and the first of the next round");
            assert!(starts[0] && starts[layer.frames.len()]);
        }
    }

    #[test]
    fn a_keyframe_is_seen_with_a_long_picture_id_too() {
        let layer = &camera(false).expect("clip")[0];
        let mut playback = Playback::new(layer, VIDEO_PAYLOAD_BYTES);
        for _ in 0..300 {
            playback.next_frame().expect("payloads");
        }
        playback.restart();
        let payloads = playback.next_frame().expect("payloads");
        assert!(payloads.len() > 1, "a keyframe of the full size needs several packets");
        assert!(begins_keyframe(&payloads[0]));
        assert!(!begins_keyframe(&payloads[1]));
    }

    #[test]
    fn a_stamp_comes_back_and_leaves_the_frame_as_it_was() {
        let frames = voice().expect("voice");
        assert!(frames.len() >= 50, "a second of 20 ms frames, not {}", frames.len());
        for (seq, frame) in (0_u16..).zip(&frames) {
            let stamp = Stamp { ssrc: 0xfeed_0001, seq };
            let packet = stamped(frame, stamp);
            assert_eq!(stamp_of(&packet), Some(stamp));
            assert_eq!(packet[0] >> 2, frame[0] >> 2, "same mode, bandwidth, frame size and channels");
            assert_eq!(&packet[3..packet.len() - STAMP_BYTES], &frame[1..]);
            assert_eq!(stamp_of(frame), None);
        }
    }
}
