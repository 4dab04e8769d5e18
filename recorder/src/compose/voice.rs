//! One participant's voice on the composed file's time, and the mix of all.

use std::collections::VecDeque;
use std::io;

use opus::{Application, Bitrate, Channels, Decoder, Encoder};

use visit::ParticipantId;

use super::{GapReason, Span};
use crate::timeline::Timeline;
use crate::track::{Ordered, Track, TrackPackets};

/// Samples per second, everywhere here.
const RATE: i64 = 48_000;
/// Samples of the packets that the mix is cut into: 20 ms.
pub(super) const PACKET: usize = 960;
/// Longest Opus packet, samples: 120 ms.
const MAX_PACKET: usize = 5_760;
/// Longest stretch that the decoder makes up for lost packets, samples: 100 ms. More would be a drone.
const MAX_CONCEALED: i64 = 4_800;
/// Longest loss that is filled before its time has come, samples: 10 s.
const MAX_LOOK_AHEAD: i64 = 480_000;
/// Within this a voice is where it should be, samples: 1 ms.
const NEAR: i64 = 48;
/// Beyond this it is moved at once, samples: 40 ms.
const FAR: i64 = 1_920;
/// Else it is moved by this much in each packet, samples: half a percent of pitch is not heard.
const NUDGE: i64 = 5;
/// Bits per second of the mix.
const BITRATE: i32 = 64_000;
/// Loudest sample after the limiter.
const CEILING: f32 = 0.95;
/// What the limiter gives back per sample: from half to full in about 100 ms.
const RELEASE: f32 = 0.000_1;

/// A place in microseconds as a sample number.
fn samples(us: i64) -> i64 {
    (i128::from(us) * i128::from(RATE) / 1_000_000) as i64
}

fn us(samples: i64) -> i64 {
    samples * 1_000_000 / RATE
}

pub(super) struct Voice<'a> {
    packets: TrackPackets,
    track: &'a Track,
    timeline: &'a Timeline,
    decoder: Decoder,
    waiting: Option<(Ordered, i64)>,
    ended: bool,
    pcm: VecDeque<f32>,
    /// Sample number of the front of `pcm`.
    at: i64,
    /// The stretch of the last packet.
    stretch: Option<usize>,
    /// Where the last packet ended.
    heard_until: i64,
    pub gaps: Vec<Span>,
}

impl<'a> Voice<'a> {
    pub fn new(packets: TrackPackets, track: &'a Track, timeline: &'a Timeline) -> Result<Self, opus::Error> {
        Ok(Self {
            packets,
            track,
            timeline,
            decoder: Decoder::new(RATE as u32, Channels::Mono)?,
            waiting: None,
            ended: false,
            pcm: VecDeque::new(),
            at: 0,
            stretch: None,
            heard_until: 0,
            gaps: Vec::new(),
        })
    }

    fn end(&self) -> i64 {
        self.at + self.pcm.len() as i64
    }

    /// Adds this voice from sample number `from` on to `mix`. Calls follow one another without gaps.
    pub fn add_to(&mut self, from: i64, mix: &mut [f32]) -> io::Result<()> {
        let until = from + mix.len() as i64;
        while self.end() < until && !self.ended {
            let Some((next, place)) = self.next()? else {
                break;
            };
            if place >= until && place > self.end() && !self.conceals(&next, place) {
                self.waiting = Some((next, place));
                break;
            }
            self.take(&next, place);
        }
        while self.at < until {
            let Some(sample) = self.pcm.pop_front() else {
                self.at = until;
                break;
            };
            if self.at >= from {
                mix[(self.at - from) as usize] += sample;
            }
            self.at += 1;
        }
        Ok(())
    }

    fn next(&mut self) -> io::Result<Option<(Ordered, i64)>> {
        if let Some(waiting) = self.waiting.take() {
            return Ok(Some(waiting));
        }
        let next = self.packets.next()?;
        self.ended = next.is_none();
        Ok(next.map(|next| {
            let wall_us = self.track.wall_us(next.stretch, next.rtp_us);
            let place = samples(self.timeline.nearest(wall_us));
            (next, place)
        }))
    }

    /// Whether what is missing before this packet is made up for: then it is taken before its time has come.
    fn conceals(&self, next: &Ordered, place: i64) -> bool {
        let follows = self.stretch == Some(next.stretch);
        follows && next.missing > 0 && place - self.end() <= MAX_LOOK_AHEAD
    }

    fn take(&mut self, next: &Ordered, place: i64) {
        let payload = &next.packet.payload;
        let Ok(length) = self.decoder.get_nb_samples(payload) else {
            return;
        };
        let length = length.min(MAX_PACKET);
        let follows = self.stretch == Some(next.stretch);
        self.stretch = Some(next.stretch);
        if follows && next.missing > 0 {
            if place > self.heard_until {
                let (from_us, to_us) = (us(self.heard_until), us(place));
                self.gaps.push(Span { from_us, to_us, why: GapReason::PacketsLost });
            }
            self.conceal(place - self.end(), length, payload);
        }
        let late = self.end() - place;
        if -late > FAR || (!follows && late < 0) {
            self.silence(-late);
        }
        let mut decoded = [0.0; MAX_PACKET];
        let Ok(count) = self.decoder.decode_float(payload, &mut decoded, false) else {
            return;
        };
        let decoded = &decoded[..count];
        if decoded.is_empty() {
            return;
        }
        match self.end() - place {
            late if late > FAR => {
                // Too late by more than can be made up unheard: what overlaps is left out.
                let cut = usize::try_from(late).unwrap_or(count).min(count);
                self.pcm.extend(&decoded[cut..]);
            }
            late if late > NEAR => self.stretched(decoded, -NUDGE),
            late if late < -NEAR => self.stretched(decoded, NUDGE),
            _ => self.pcm.extend(decoded),
        }
        self.heard_until = self.end();
    }

    /// Fills `missing` samples before a packet of `length` samples, the last of them from the copy in the packet
    /// (RFC 6716, 2.1.7) if there is one.
    fn conceal(&mut self, missing: i64, length: usize, payload: &[u8]) {
        let missing = missing.clamp(0, MAX_CONCEALED) as usize;
        // Opus counts in steps of 2.5 ms.
        let made_up = missing.saturating_sub(length) / 120 * 120;
        let mut decoded = [0.0; MAX_PACKET];
        if made_up > 0
            && let Ok(count) = self.decoder.decode_float(&[], &mut decoded[..made_up], false)
        {
            self.pcm.extend(&decoded[..count]);
        }
        if missing >= length
            && let Ok(count) = self.decoder.decode_float(payload, &mut decoded[..length], true)
        {
            self.pcm.extend(&decoded[..count]);
        }
    }

    fn silence(&mut self, count: i64) {
        // A long silence is not kept in memory: what lies before the current place is over anyway.
        if self.pcm.is_empty() {
            self.at += count;
        } else {
            self.pcm.extend(std::iter::repeat_n(0.0, count.max(0) as usize));
        }
    }

    /// Appends `decoded` made longer or shorter by `by` samples.
    fn stretched(&mut self, decoded: &[f32], by: i64) {
        let wanted = (decoded.len() as i64 + by).max(2) as usize;
        let step = (decoded.len() - 1) as f32 / (wanted - 1) as f32;
        self.pcm.extend((0..wanted).map(|n| {
            let at = n as f32 * step;
            let (whole, part) = (at as usize, at.fract());
            let next = decoded[(whole + 1).min(decoded.len() - 1)];
            decoded[whole] + (next - decoded[whole]) * part
        }));
    }
}

/// Mixes, limits and codes.
pub(super) struct Mixer {
    encoder: Encoder,
    gain: f32,
    mix: [f32; PACKET],
    packets: i64,
}

impl Mixer {
    pub fn new() -> Result<Self, opus::Error> {
        let mut encoder = Encoder::new(RATE as u32, Channels::Mono, Application::Audio)?;
        encoder.set_bitrate(Bitrate::Bits(BITRATE))?;
        Ok(Self { encoder, gain: 1.0, mix: [0.0; PACKET], packets: 0 })
    }

    /// Samples that a player throws away at the begin.
    pub fn pre_skip(&mut self) -> Result<u16, opus::Error> {
        Ok(u16::try_from(self.encoder.get_lookahead()?).unwrap_or(0))
    }

    /// Place of the next packet, microseconds.
    pub fn at_us(&self) -> i64 {
        us(self.packets * PACKET as i64)
    }

    /// The next 20 ms of all voices.
    pub fn packet(&mut self, voices: &mut [(ParticipantId, Voice<'_>)]) -> io::Result<Vec<u8>> {
        self.mix.fill(0.0);
        for (_, voice) in voices {
            voice.add_to(self.packets * PACKET as i64, &mut self.mix)?;
        }
        self.packets += 1;
        for sample in &mut self.mix {
            if sample.abs() * self.gain > CEILING {
                self.gain = CEILING / sample.abs();
            }
            *sample *= self.gain;
            self.gain = (self.gain + RELEASE).min(1.0);
        }
        self.encoder.encode_vec_float(&self.mix, 4_000).map_err(io::Error::other)
    }
}
