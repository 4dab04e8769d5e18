//! How good the call is: counting what arrives, summing up what receivers report, and an estimate of what people hear.

use std::time::{Duration, Instant};

use crate::event::{Direction, Interval};
use crate::tap::Codec;

/// How often a peer is summed up.
pub const INTERVAL: Duration = Duration::from_secs(5);

/// The formula of [`mos`], to be shown beside its values.
pub const MOS_FORMULA: &str = "d = rtt/2 + 2*jitter + 26.5 ms; \
R = 93.2 - 0.024*d - 0.11*max(0, d - 177.3) - 95*loss%/(loss% + 20); \
MOS = 1 + 0.035*R + 0.000007*R*(R - 60)*(100 - R), 1 to 4.5 (ITU-T G.107 simplified)";

/// Estimated mean opinion score of voice, 1 (bad) to 4.5 (best), by a simplified ITU-T G.107 E-model.
///
/// `rtt_ms` and `jitter_ms` in milliseconds, `loss` as a share 0 to 1.
///
/// - Rating `R = R0 - Id - Ie,eff` with the default `R0 - Is = 93.2` (G.107, 2015, table 3).
/// - Mouth-to-ear delay `d`: half the round trip, a jitter buffer of twice the jitter, and 26.5 ms for a 20 ms Opus
///   frame with its 6.5 ms look-ahead (RFC 6716).
/// - `Id = 0.024 d + 0.11 max(0, d - 177.3)`: Cole and Rosenbluth, "Voice over IP performance monitoring", ACM CCR
///   31(2), 2001, fitted to G.107.
/// - `Ie,eff = Ie + (95 - Ie) Ppl / (Ppl + Bpl)` for random loss (G.107, 7-29). G.113 lists no values for Opus:
///   `Ie = 0` and `Bpl = 20` are assumed, between G.711 with concealment (25.1) and G.729A (19), so the score
///   compares calls with each other rather than with other codecs.
/// - `MOS` from `R`: G.107, annex B.
pub fn mos(rtt_ms: f32, jitter_ms: f32, loss: f32, codec: Codec) -> f32 {
    let (impairment, robustness, coding_ms) = match codec {
        Codec::Opus | Codec::Vp8 | Codec::H264 => (0.0, 20.0, 26.5),
    };
    let delay = rtt_ms.max(0.0) / 2.0 + 2.0 * jitter_ms.max(0.0) + coding_ms;
    let percent = loss.clamp(0.0, 1.0) * 100.0;
    let delayed = 0.024 * delay + 0.11 * (delay - 177.3).max(0.0);
    let lossy = impairment + (95.0 - impairment) * percent / (percent + robustness);
    let r = (93.2 - delayed - lossy).clamp(0.0, 100.0);
    (1.0 + 0.035 * r + 0.000_007 * r * (r - 60.0) * (100.0 - r)).clamp(1.0, 4.5)
}

/// Counts one incoming stream.
#[derive(Debug)]
struct Stream {
    ssrc: u32,
    audio: bool,
    clock: f64,
    highest: u64,
    /// `highest` when the interval began.
    from: u64,
    received: u64,
    bytes: u64,
    transit: Option<f64>,
    /// Ticks.
    jitter: f64,
}

/// What one receive slot was reported to be like, since the interval began.
#[derive(Debug, Default, Clone, Copy)]
struct Report {
    packets: u64,
    bytes: u64,
    lost: f64,
    /// Ticks.
    jitter: u32,
    audio: bool,
    packets_before: u64,
    bytes_before: u64,
    nacks_before: u64,
}

/// A receiver's report of one slot, over about a second.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SlotReport {
    pub line: usize,
    pub audio: bool,
    pub loss: Option<f32>,
    pub jitter: u32,
    /// Totals.
    pub packets: u64,
    pub bytes: u64,
    pub nacks: u64,
}

/// Measures one peer in both directions.
#[derive(Debug)]
pub(crate) struct Meter {
    began: Instant,
    epoch: Instant,
    rtt: Option<Duration>,
    up: Vec<Stream>,
    down: Vec<(usize, Report)>,
}

impl Meter {
    pub(crate) fn new(now: Instant) -> Self {
        Self { began: now, epoch: now, rtt: None, up: Vec::new(), down: Vec::new() }
    }

    pub(crate) fn rtt(&mut self, rtt: Option<Duration>) {
        self.rtt = rtt.or(self.rtt);
    }

    /// A packet arrived from the client.
    pub(crate) fn arrived(&mut self, ssrc: u32, codec: Codec, seq: u64, time: u64, bytes: usize, now: Instant) {
        let at = match self.up.iter().position(|stream| stream.ssrc == ssrc) {
            Some(at) => at,
            None => {
                let audio = codec == Codec::Opus;
                let clock = if audio { 48_000.0 } else { 90_000.0 };
                let from = seq.saturating_sub(1);
                let stream = Stream {
                    ssrc,
                    audio,
                    clock,
                    highest: from,
                    from,
                    received: 0,
                    bytes: 0,
                    transit: None,
                    jitter: 0.0,
                };
                self.up.push(stream);
                self.up.len() - 1
            }
        };
        let stream = &mut self.up[at];
        stream.received += 1;
        stream.bytes += bytes as u64;
        if seq > stream.highest {
            stream.highest = seq;
            // RFC 3550, A.8. Repaired packets come late and would look like jitter: only new ones count.
            let arrival = now.saturating_duration_since(self.epoch).as_secs_f64() * stream.clock;
            let transit = arrival - time as f64;
            if let Some(before) = stream.transit.replace(transit) {
                stream.jitter += ((transit - before).abs() - stream.jitter) / 16.0;
            }
        }
    }

    /// The client reported on a slot. Gives what was sent on it since the last report (packets, bytes) and the NACKs
    /// that were new.
    pub(crate) fn reported(&mut self, report: SlotReport) -> (u64, u64, u64) {
        let at = match self.down.iter().position(|(line, _)| *line == report.line) {
            Some(at) => at,
            None => {
                self.down.push((report.line, Report { audio: report.audio, ..Report::default() }));
                self.down.len() - 1
            }
        };
        let slot = &mut self.down[at].1;
        let packets = report.packets.saturating_sub(slot.packets_before);
        let bytes = report.bytes.saturating_sub(slot.bytes_before);
        let nacks = report.nacks.saturating_sub(slot.nacks_before);
        slot.packets_before = report.packets;
        slot.bytes_before = report.bytes;
        slot.nacks_before = report.nacks;
        slot.packets += packets;
        slot.bytes += bytes;
        slot.lost += f64::from(report.loss.unwrap_or(0.0)) * packets as f64;
        slot.jitter = report.jitter;
        (packets, bytes, nacks)
    }

    /// When the interval ends.
    pub(crate) fn due(&self) -> Instant {
        self.began + INTERVAL
    }

    /// Ends the interval.
    pub(crate) fn sum(&mut self, now: Instant) -> [Interval; 2] {
        let length = now.saturating_duration_since(self.began).max(Duration::from_millis(1));
        self.began = now;
        let rtt_ms = self.rtt.map(|rtt| rtt.as_secs_f32() * 1_000.0);
        let mut up = Sum::default();
        for stream in &mut self.up {
            let expected = stream.highest - stream.from;
            let lost = expected.saturating_sub(stream.received) as f64;
            let jitter_ms = stream.jitter / stream.clock * 1_000.0;
            if stream.received > 0 {
                up.add(
                    stream.audio,
                    stream.received,
                    expected.max(stream.received) as f64,
                    lost,
                    stream.bytes,
                    jitter_ms,
                );
            }
            stream.from = stream.highest;
            stream.received = 0;
            stream.bytes = 0;
        }
        let mut down = Sum::default();
        for (_, slot) in &mut self.down {
            let clock = if slot.audio { 48.0 } else { 90.0 };
            if slot.packets > 0 {
                let jitter_ms = f64::from(slot.jitter) / clock;
                down.add(slot.audio, slot.packets, slot.packets as f64, slot.lost, slot.bytes, jitter_ms);
            }
            slot.packets = 0;
            slot.bytes = 0;
            slot.lost = 0.0;
        }
        [up.interval(Direction::Up, rtt_ms, length), down.interval(Direction::Down, rtt_ms, length)]
    }
}

#[derive(Default)]
struct Sum {
    packets: u64,
    expected: f64,
    lost: f64,
    bytes: u64,
    video_jitter_ms: f64,
    voice: Option<Voice>,
}

#[derive(Default, Clone, Copy)]
struct Voice {
    expected: f64,
    lost: f64,
    jitter_ms: f64,
}

impl Sum {
    fn add(&mut self, audio: bool, packets: u64, expected: f64, lost: f64, bytes: u64, jitter_ms: f64) {
        self.packets += packets;
        self.expected += expected;
        self.lost += lost;
        self.bytes += bytes;
        if audio {
            let voice = self.voice.get_or_insert_default();
            voice.expected += expected;
            voice.lost += lost;
            voice.jitter_ms = voice.jitter_ms.max(jitter_ms);
        } else {
            self.video_jitter_ms = self.video_jitter_ms.max(jitter_ms);
        }
    }

    fn interval(&self, direction: Direction, rtt_ms: Option<f32>, length: Duration) -> Interval {
        let share = |lost: f64, expected: f64| {
            if expected > 0.0 { (lost / expected) as f32 } else { 0.0 }
        };
        let mos = self.voice.map(|voice| {
            let loss = share(voice.lost, voice.expected);
            mos(rtt_ms.unwrap_or(0.0), voice.jitter_ms as f32, loss, Codec::Opus)
        });
        Interval {
            direction,
            rtt_ms,
            loss: share(self.lost, self.expected),
            jitter_ms: self.voice.map_or(self.video_jitter_ms, |voice| voice.jitter_ms) as f32,
            bitrate_bps: (self.bytes as f64 * 8.0 / length.as_secs_f64()) as u64,
            packets: self.packets,
            interval_ms: u32::try_from(length.as_millis()).unwrap_or(u32::MAX),
            mos,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_perfect_line_scores_best_and_every_impairment_lowers_it() {
        let best = mos(0.0, 0.0, 0.0, Codec::Opus);
        assert!(best > 4.35, "{best}");
        for worse in
            [mos(400.0, 0.0, 0.0, Codec::Opus), mos(0.0, 60.0, 0.0, Codec::Opus), mos(0.0, 0.0, 0.05, Codec::Opus)]
        {
            assert!(worse < best - 0.05, "{worse}");
        }
        assert_eq!(mos(60_000.0, 1_000.0, 1.0, Codec::Opus), 1.0);
    }

    #[test]
    fn mos_agrees_with_values_computed_by_hand() {
        // d = 26.5: Id = 0.636, R = 92.564.
        assert!((mos(0.0, 0.0, 0.0, Codec::Opus) - 4.395).abs() < 0.005);
        // rtt 300, jitter 10, 2 %: d = 196.5, Id = 6.828, Ie = 8.636, R = 77.736.
        assert!((mos(300.0, 10.0, 0.02, Codec::Opus) - 3.936).abs() < 0.005);
    }

    #[test]
    fn holes_in_the_numbering_are_loss_and_repaired_ones_are_not() {
        let start = crate::testing::start();
        let mut meter = Meter::new(start);
        for n in 0..100u64 {
            if n % 10 != 3 {
                meter.arrived(7, Codec::Opus, 500 + n, n * 960, 100, start + Duration::from_millis(n * 20));
            }
        }
        for n in [3u64, 13, 23, 33, 43] {
            meter.arrived(7, Codec::Opus, 500 + n, n * 960, 100, start + Duration::from_millis(1_990));
        }
        let [up, down] = meter.sum(start + Duration::from_secs(5));
        assert!((up.loss - 0.05).abs() < 0.001, "{}", up.loss);
        assert!(up.jitter_ms < 0.01, "evenly spaced, so no jitter: {}", up.jitter_ms);
        assert_eq!((up.packets, up.bitrate_bps), (95, 95 * 100 * 8 / 5));
        assert_eq!((down.packets, down.mos), (0, None));
    }

    #[test]
    fn uneven_arrival_is_jitter() {
        let start = crate::testing::start();
        let mut meter = Meter::new(start);
        for n in 0..200u64 {
            let late = if n % 2 == 0 { 10 } else { 0 };
            meter.arrived(7, Codec::Opus, n + 1, n * 960, 100, start + Duration::from_millis(n * 20 + late));
        }
        let [up, _] = meter.sum(start + INTERVAL);
        assert!((up.jitter_ms - 10.0).abs() < 0.2, "{}", up.jitter_ms);
    }
}
