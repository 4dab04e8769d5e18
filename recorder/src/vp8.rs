//! VP8 frames out of RTP payloads (RFC 7741). Takes any bytes without panicking: they come from a browser.

use sfu_core::tap::TapPacket;

/// Longest frame that is put together, bytes.
const MAX_FRAME: usize = 4 << 20;
/// Largest picture that is decoded, pixels: 4K. More is a decoder's memory, not a camera.
const MAX_PIXELS: u32 = 4_096 * 2_304;

/// One coded picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Frame {
    pub rtp_time: u64,
    pub received_us: i64,
    /// Width and height if it can be decoded without any other.
    pub key: Option<(u16, u16)>,
    pub data: Vec<u8>,
}

/// What came of a packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Assembled {
    /// The frame needs more packets.
    Nothing,
    /// A frame is whole.
    Frame(Frame),
    /// At least one frame before this packet, or with it, is lost.
    Broken,
}

/// Puts frames together. Packets come in order of their sequence numbers.
#[derive(Debug, Default)]
pub(crate) struct FrameAssembler {
    current: Option<Frame>,
    /// A frame whose rest is thrown away.
    skipped: Option<u64>,
}

impl FrameAssembler {
    /// Takes the next packet; `hole` says that packets are missing before it.
    pub fn push(&mut self, packet: &TapPacket, hole: bool) -> Assembled {
        let mut broken = hole;
        if self.current.as_ref().is_some_and(|frame| hole || frame.rtp_time != packet.rtp_time) {
            self.current = None;
            broken = true;
        }
        let Some((begins, data)) = strip_descriptor(&packet.payload) else {
            return self.skip(packet, broken);
        };
        match &mut self.current {
            Some(frame) if frame.data.len() + data.len() <= MAX_FRAME => frame.data.extend_from_slice(data),
            None if begins => {
                self.current = Some(Frame {
                    rtp_time: packet.rtp_time,
                    received_us: packet.received_us,
                    key: None,
                    data: data.to_vec(),
                });
            }
            _ => return self.skip(packet, broken),
        }
        let frame = if packet.marker { self.current.take() } else { None };
        match frame.map(classified) {
            Some(Some(frame)) if !broken => Assembled::Frame(frame),
            // What is whole after a hole is only of use if it needs nothing from before.
            Some(Some(frame)) if frame.key.is_some() => Assembled::Frame(frame),
            Some(_) => Assembled::Broken,
            None if broken => Assembled::Broken,
            None => Assembled::Nothing,
        }
    }

    fn skip(&mut self, packet: &TapPacket, broken: bool) -> Assembled {
        self.current = None;
        let known = self.skipped == Some(packet.rtp_time) && !broken;
        self.skipped = Some(packet.rtp_time);
        if known { Assembled::Nothing } else { Assembled::Broken }
    }
}

/// Reads the frame header (RFC 6386, 9.1); `None` if a picture like this is not decoded.
fn classified(mut frame: Frame) -> Option<Frame> {
    let first = *frame.data.first()?;
    if first & 1 == 0 {
        let header = frame.data.get(3..10)?;
        if header[..3] != [0x9d, 0x01, 0x2a] {
            return None;
        }
        let width = u16::from_le_bytes([header[3], header[4]]) & 0x3fff;
        let height = u16::from_le_bytes([header[5], header[6]]) & 0x3fff;
        if width == 0 || height == 0 || u32::from(width) * u32::from(height) > MAX_PIXELS {
            return None;
        }
        frame.key = Some((width, height));
    }
    Some(frame)
}

/// The payload without its descriptor (RFC 7741, 4.2), and whether it begins a frame. `None` if it is too short.
pub(crate) fn strip_descriptor(payload: &[u8]) -> Option<(bool, &[u8])> {
    let (&first, mut rest) = payload.split_first()?;
    let mut byte = || {
        let (&byte, after) = rest.split_first()?;
        rest = after;
        Some(byte)
    };
    if first & 0x80 != 0 {
        let extension = byte()?;
        if extension & 0x80 != 0 && byte()? & 0x80 != 0 {
            byte()?;
        }
        if extension & 0x40 != 0 {
            byte()?;
        }
        if extension & 0x30 != 0 {
            byte()?;
        }
    }
    if rest.is_empty() {
        return None;
    }
    let begins = first & 0x10 != 0 && first & 0x07 == 0;
    Some((begins, rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use proptest::prelude::*;
    use sfu_core::tap::{Codec, PeerKey, Source};

    const KEY: [u8; 10] = [0x10, 0, 0, 0x9d, 0x01, 0x2a, 0x80, 0x02, 0x68, 0x01];
    const DELTA: [u8; 10] = [0x11, 0, 0, 1, 2, 3, 4, 5, 6, 7];

    fn packet(seq: u64, rtp_time: u64, marker: bool, payload: &[u8]) -> TapPacket {
        TapPacket {
            peer: PeerKey(1),
            source: Source::Camera,
            codec: Codec::Vp8,
            seq,
            rtp_time,
            marker,
            payload: Bytes::copy_from_slice(payload),
            received_us: 0,
        }
    }

    fn with(descriptor: &[u8], data: &[u8]) -> Vec<u8> {
        [descriptor, data].concat()
    }

    #[test]
    fn every_shape_of_descriptor_is_stripped() {
        for descriptor in [
            &[0x10][..],
            &[0x90, 0x00],
            &[0x90, 0x80, 0x11],
            &[0x90, 0x80, 0x91, 0x22],
            &[0x90, 0xc0, 0x91, 0x22, 0x05],
            &[0x90, 0xe0, 0x91, 0x22, 0x05, 0x40],
            &[0x90, 0x30, 0x40],
        ] {
            assert_eq!(strip_descriptor(&with(descriptor, &KEY)), Some((true, &KEY[..])), "{descriptor:x?}");
            assert_eq!(strip_descriptor(descriptor), None, "{descriptor:x?} alone");
        }
        assert_eq!(strip_descriptor(&with(&[0x00], &DELTA)), Some((false, &DELTA[..])));
        assert_eq!(strip_descriptor(&with(&[0x11], &DELTA)), Some((false, &DELTA[..])), "second partition");
        assert_eq!(strip_descriptor(&[]), None);
    }

    #[test]
    fn a_frame_of_several_packets_is_put_together() {
        let mut assembler = FrameAssembler::default();
        assert_eq!(assembler.push(&packet(1, 9, false, &with(&[0x10], &KEY)), false), Assembled::Nothing);
        let Assembled::Frame(frame) = assembler.push(&packet(2, 9, true, &with(&[0x00], &[7, 8])), false) else {
            panic!("no frame")
        };
        assert_eq!(frame.key, Some((640, 360)));
        assert_eq!(frame.data, with(&KEY, &[7, 8]));
    }

    #[test]
    fn a_hole_breaks_what_depends_on_it_but_not_a_keyframe() {
        let mut assembler = FrameAssembler::default();
        assembler.push(&packet(1, 9, false, &with(&[0x10], &DELTA)), false);
        assert_eq!(assembler.push(&packet(3, 9, true, &with(&[0x00], &[1])), true), Assembled::Broken);
        assert_eq!(assembler.push(&packet(5, 12, true, &with(&[0x10], &DELTA)), true), Assembled::Broken);
        assert!(matches!(assembler.push(&packet(7, 15, true, &with(&[0x10], &KEY)), true), Assembled::Frame(_)));
    }

    #[test]
    fn a_frame_without_its_begin_is_reported_once() {
        let mut assembler = FrameAssembler::default();
        assert_eq!(assembler.push(&packet(2, 9, false, &with(&[0x00], &[1])), false), Assembled::Broken);
        assert_eq!(assembler.push(&packet(3, 9, true, &with(&[0x00], &[1])), false), Assembled::Nothing);
        assert!(matches!(assembler.push(&packet(4, 12, true, &with(&[0x10], &DELTA)), false), Assembled::Frame(_)));
    }

    #[test]
    fn a_picture_too_large_to_decode_is_refused() {
        let mut huge = KEY;
        huge[6..].copy_from_slice(&[0xff, 0x3f, 0xff, 0x3f]);
        assert_eq!(
            FrameAssembler::default().push(&packet(1, 1, true, &with(&[0x10], &huge)), false),
            Assembled::Broken
        );
    }

    proptest! {
        #[test]
        fn garbage_never_panics(
            packets in prop::collection::vec(
                (any::<u64>(), 0..4_u64, any::<bool>(), any::<bool>(), prop::collection::vec(any::<u8>(), 0..40)),
                0..60,
            )
        ) {
            let mut assembler = FrameAssembler::default();
            for (seq, rtp_time, marker, hole, payload) in packets {
                if let Assembled::Frame(frame) = assembler.push(&packet(seq, rtp_time, marker, &payload), hole) {
                    prop_assert!(!frame.data.is_empty());
                }
            }
        }
    }
}
