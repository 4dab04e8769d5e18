//! What one person received: every authenticated RTP packet, counted inside the WebRTC stack.
//!
//! Here: an interceptor for crate `webrtc` that counts packets, gaps, pictures and forwarding delay, and
//! passes keyframe requests on to whoever sends. Not here: decoding; a picture counts when all its packets came
//! in order of a keyframe and its marker.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rtc::interceptor::{Interceptor, Packet, StreamInfo, TaggedPacket};
use rtc::rtcp::payload_feedbacks::full_intra_request::FullIntraRequest;
use rtc::rtcp::payload_feedbacks::picture_loss_indication::PictureLossIndication;
use rtc::sansio::Protocol;
use rtc::shared::error::Error;
use tokio::sync::mpsc;

use crate::media::{OPUS_PAYLOAD_TYPE, VP8_PAYLOAD_TYPE};
use crate::socket::Wire;
use crate::synthetic::{begins_keyframe, stamp_of};

/// A jump in sequence numbers larger than this is a restart of the stream, not loss.
const LARGEST_GAP: u64 = 3_000;

/// Counts of what was received.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    /// Media packets, each once.
    pub packets: u64,
    /// Their payload bytes.
    pub bytes: u64,
    /// Voice packets among them.
    pub voice_packets: u64,
    /// Packets that came twice.
    pub repeated: u64,
    /// Video frames whose last packet came.
    pub frames: u64,
    /// When the first media packet came.
    pub first_packet: Option<Instant>,
    /// When the first keyframe was complete.
    pub first_picture: Option<Instant>,
    /// From one person's socket to the other's, for each voice packet.
    pub delays: Vec<Duration>,
    streams: BTreeMap<u32, Stream>,
}

#[derive(Debug, Clone, Default)]
struct Stream {
    highest: u64,
    missing: BTreeSet<u64>,
    keyframe_time: Option<u32>,
}

impl Tally {
    /// Packets that never came, by gaps in the sequence numbers of each stream.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.streams.values().map(|stream| stream.missing.len() as u64).sum()
    }

    /// Lost packets of all that should have come, 0 to 1.
    #[must_use]
    pub fn loss(&self) -> f64 {
        let expected = self.packets + self.lost();
        if expected == 0 { 0.0 } else { self.lost() as f64 / expected as f64 }
    }

    /// How many streams (SSRCs) packets came from.
    #[cfg(test)]
    pub fn streams(&self) -> usize {
        self.streams.len()
    }

    fn note(&mut self, packet: &rtc::rtp::Packet, speaker: &Wire, at: Instant) {
        let header = &packet.header;
        let voice = header.payload_type == OPUS_PAYLOAD_TYPE;
        if !voice && header.payload_type != VP8_PAYLOAD_TYPE {
            return;
        }
        let known = self.streams.contains_key(&header.ssrc);
        let stream = self.streams.entry(header.ssrc).or_default();
        if !stream.arrived(header.sequence_number, known) {
            self.repeated += 1;
            return;
        }
        self.packets += 1;
        self.bytes += packet.payload.len() as u64;
        if packet.payload.is_empty() {
            return;
        }
        self.first_packet.get_or_insert(at);
        if voice {
            self.voice_packets += 1;
            if let Some(left) = stamp_of(&packet.payload).and_then(|stamp| speaker.departure(stamp)) {
                self.delays.push(at.saturating_duration_since(left));
            }
            return;
        }
        if begins_keyframe(&packet.payload) {
            stream.keyframe_time = Some(header.timestamp);
        }
        if header.marker {
            self.frames += 1;
            if stream.keyframe_time == Some(header.timestamp) {
                self.first_picture.get_or_insert(at);
            }
        }
    }
}

impl Stream {
    /// Notes a sequence number; false when it had come before.
    fn arrived(&mut self, seq: u16, known: bool) -> bool {
        if !known {
            self.highest = u64::from(seq) + (1 << 16);
            return true;
        }
        let forward = u64::from(seq.wrapping_sub(self.highest as u16));
        if forward == 0 {
            return false;
        }
        if forward < 1 << 15 {
            let next = self.highest + forward;
            if forward <= LARGEST_GAP {
                self.missing.extend(self.highest + 1..next);
            }
            self.highest = next;
            return true;
        }
        self.missing.remove(&(self.highest.saturating_sub((1 << 16) - forward)))
    }
}

/// The interceptor. Everything passes through it unchanged.
pub struct Ear {
    tally: Arc<Mutex<Tally>>,
    speaker: Arc<Wire>,
    keyframe_wanted: mpsc::UnboundedSender<u32>,
    read: VecDeque<TaggedPacket>,
    write: VecDeque<TaggedPacket>,
}

impl Ear {
    /// Counts into `tally`; `speaker` is the other person's socket; SSRCs for which somebody
    /// wants a keyframe go to `keyframe_wanted`.
    #[must_use]
    pub fn new(tally: Arc<Mutex<Tally>>, speaker: Arc<Wire>, keyframe_wanted: mpsc::UnboundedSender<u32>) -> Self {
        Self { tally, speaker, keyframe_wanted, read: VecDeque::new(), write: VecDeque::new() }
    }
}

impl Protocol<TaggedPacket, TaggedPacket, ()> for Ear {
    type Rout = TaggedPacket;
    type Wout = TaggedPacket;
    type Eout = ();
    type Error = Error;
    type Time = Instant;

    fn handle_read(&mut self, message: TaggedPacket) -> Result<(), Error> {
        match &message.message.packet {
            Packet::Rtp(packet) => {
                let mut tally = self.tally.lock().unwrap_or_else(PoisonError::into_inner);
                tally.note(packet, &self.speaker, message.now);
            }
            Packet::Rtcp(packets) => {
                for packet in packets.iter().map(|packet| packet.as_any()) {
                    if let Some(pli) = packet.downcast_ref::<PictureLossIndication>() {
                        let _ = self.keyframe_wanted.send(pli.media_ssrc);
                    } else if let Some(request) = packet.downcast_ref::<FullIntraRequest>() {
                        request.fir.iter().for_each(|entry| {
                            let _ = self.keyframe_wanted.send(entry.ssrc);
                        });
                    }
                }
            }
            _ => {}
        }
        self.read.push_back(message);
        Ok(())
    }

    fn poll_read(&mut self) -> Option<TaggedPacket> {
        self.read.pop_front()
    }

    fn handle_write(&mut self, message: TaggedPacket) -> Result<(), Error> {
        self.write.push_back(message);
        Ok(())
    }

    fn poll_write(&mut self) -> Option<TaggedPacket> {
        self.write.pop_front()
    }
}

impl Interceptor for Ear {
    fn bind_local_stream(&mut self, _: &StreamInfo) {}
    fn unbind_local_stream(&mut self, _: &StreamInfo) {}
    fn bind_remote_stream(&mut self, _: &StreamInfo) {}
    fn unbind_remote_stream(&mut self, _: &StreamInfo) {}
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use rtc::rtp::header::Header;

    use super::*;

    fn packet(seq: u16, timestamp: u32, marker: bool, payload: &'static [u8]) -> rtc::rtp::Packet {
        let header = Header {
            version: 2,
            marker,
            payload_type: VP8_PAYLOAD_TYPE,
            sequence_number: seq,
            timestamp,
            ssrc: 9,
            ..Header::default()
        };
        rtc::rtp::Packet { header, payload: Bytes::from_static(payload) }
    }

    #[test]
    fn gaps_are_loss_until_the_packet_comes_late_and_a_repeat_counts_once() {
        let (mut tally, wire, at) = (Tally::default(), Wire::default(), Instant::now());
        for seq in [65_534, 65_535, 2, 3, 3, 0] {
            tally.note(&packet(seq, 0, false, b"\x00x"), &wire, at);
        }
        assert_eq!((tally.packets, tally.repeated, tally.lost()), (5, 1, 1), "only 1 is missing");
        tally.note(&packet(0, 0, false, b"\x00x"), &wire, at);
        assert_eq!((tally.packets, tally.repeated, tally.lost()), (5, 2, 1));
        assert!((tally.loss() - 1.0 / 6.0).abs() < 1e-9);
    }

    #[test]
    fn a_keyframe_request_reaches_the_sender_and_the_packet_goes_on() {
        let (tell, mut wanted) = mpsc::unbounded_channel();
        let mut ear = Ear::new(Arc::default(), Arc::default(), tell);
        let pli = PictureLossIndication { sender_ssrc: 1, media_ssrc: 77 };
        let message = TaggedPacket {
            now: Instant::now(),
            transport: rtc::shared::TransportContext::default(),
            message: rtc::interceptor::AttributedPacket::new(Packet::Rtcp(vec![Box::new(pli)])),
        };
        ear.handle_read(message).expect("read");
        assert_eq!(wanted.try_recv(), Ok(77));
        assert!(ear.poll_read().is_some());
    }

    #[test]
    fn a_picture_counts_once_its_keyframe_is_complete() {
        let (mut tally, wire, start) = (Tally::default(), Wire::default(), Instant::now());
        let at = |ms| start + Duration::from_millis(ms);
        tally.note(&packet(1, 10, true, b"\x10\x01"), &wire, at(1));
        assert_eq!((tally.frames, tally.first_picture), (1, None), "a delta frame shows nothing");
        tally.note(&packet(2, 20, false, b"\x10\x00"), &wire, at(2));
        assert_eq!(tally.first_picture, None);
        tally.note(&packet(3, 20, true, b"\x00\x00"), &wire, at(3));
        assert_eq!((tally.first_packet, tally.first_picture), (Some(at(1)), Some(at(3))));
    }
}
