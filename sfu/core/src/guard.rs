//! Which SSRCs a client may use.
//!
//! str0m binds an unknown SSRC to a track by the clear-text MID and RID of its first packet, before SRTP has
//! authenticated it. Someone who can forge the client's address could so tear a running track away, or fill
//! memory. Hence: a track whose SSRC was authenticated and heard lately is not given to another, and the number of
//! SSRCs is capped.

use std::time::{Duration, Instant};

/// SSRCs that one client may use: microphone, three camera layers and screen, each with its repair, and as many
/// again after replacing tracks.
pub const MAX_SSRCS: usize = 32;
/// For how long an authenticated SSRC holds its track without a packet.
const HELD: Duration = Duration::from_secs(2);

/// What to do with a datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Not RTP, or of a known SSRC.
    Pass,
    /// The first packet of an SSRC: tell [`Guard::proved`] if it turns out to be authentic. To make room,
    /// `evicted` was forgotten.
    Try { ssrc: u32, evicted: Option<u32> },
    /// Must not reach str0m.
    Refuse,
}

/// MID, RID and whether it repairs: what an SSRC is bound to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Track {
    mid: Option<[u8; 16]>,
    rid: Option<[u8; 16]>,
    repair: bool,
}

#[derive(Debug)]
struct Binding {
    ssrc: u32,
    track: Track,
    proven: bool,
    heard: Instant,
}

#[derive(Debug, Default)]
pub(crate) struct Guard {
    mid: Option<u8>,
    rid: Option<u8>,
    repaired: Option<u8>,
    bindings: Vec<Binding>,
}

impl Guard {
    /// Header extension ids, as negotiated.
    pub(crate) fn learn(&mut self, mid: Option<u8>, rid: Option<u8>, repaired: Option<u8>) {
        self.mid = self.mid.or(mid);
        self.rid = self.rid.or(rid);
        self.repaired = self.repaired.or(repaired);
    }

    pub(crate) fn judge(&mut self, datagram: &[u8], now: Instant) -> Verdict {
        let Some(ssrc) = rtp_ssrc(datagram) else {
            return Verdict::Pass;
        };
        // SSRC 0 carries padding for bandwidth probes only; str0m keeps one stream for it.
        if ssrc == 0 {
            return Verdict::Pass;
        }
        if let Some(binding) = self.bindings.iter_mut().find(|b| b.ssrc == ssrc) {
            if binding.proven {
                binding.heard = now;
                return Verdict::Pass;
            }
            return Verdict::Try { ssrc, evicted: None };
        }
        let track = self.track(datagram);
        let held = |b: &Binding| b.proven && b.track == track && now.saturating_duration_since(b.heard) < HELD;
        if track.mid.is_some() && self.bindings.iter().any(held) {
            return Verdict::Refuse;
        }
        let mut evicted = None;
        if self.bindings.len() >= MAX_SSRCS {
            let Some(oldest) =
                self.bindings.iter().position(|b| !b.proven || now.saturating_duration_since(b.heard) > HELD * 5)
            else {
                return Verdict::Refuse;
            };
            evicted = Some(self.bindings.remove(oldest).ssrc);
        }
        self.bindings.push(Binding { ssrc, track, proven: false, heard: now });
        Verdict::Try { ssrc, evicted }
    }

    /// A packet of this SSRC passed authentication.
    pub(crate) fn proved(&mut self, ssrc: u32, now: Instant) {
        if let Some(binding) = self.bindings.iter_mut().find(|b| b.ssrc == ssrc) {
            binding.proven = true;
            binding.heard = now;
        }
    }

    /// Reads MID and RID from the header extension block (RFC 8285, both forms).
    fn track(&self, rtp: &[u8]) -> Track {
        let mut track = Track::default();
        let csrcs = usize::from(rtp[0] & 0x0f) * 4;
        if rtp[0] & 0x10 == 0 {
            return track;
        }
        let Some(header) = rtp.get(12 + csrcs..16 + csrcs) else {
            return track;
        };
        let profile = u16::from_be_bytes([header[0], header[1]]);
        let length = usize::from(u16::from_be_bytes([header[2], header[3]])) * 4;
        let start = 16 + csrcs;
        let Some(mut block) = rtp.get(start..start + length) else {
            return track;
        };
        let short = profile == 0xbede;
        if !short && profile & 0xfff0 != 0x1000 {
            return track;
        }
        while let Some(&first) = block.first() {
            if first == 0 {
                block = &block[1..];
                continue;
            }
            let (id, length, skip) = if short {
                (first >> 4, usize::from(first & 0x0f) + 1, 1)
            } else {
                (first, usize::from(block.get(1).copied().unwrap_or(0)), 2)
            };
            if short && id == 15 {
                break;
            }
            let Some(value) = block.get(skip..skip + length) else {
                break;
            };
            if Some(id) == self.mid {
                track.mid = Some(label(value));
            } else if Some(id) == self.rid {
                track.rid = Some(label(value));
            } else if Some(id) == self.repaired {
                track.rid = Some(label(value));
                track.repair = true;
            }
            block = &block[skip + length..];
        }
        track
    }
}

fn label(value: &[u8]) -> [u8; 16] {
    let mut label = [0; 16];
    let length = value.len().min(16);
    label[..length].copy_from_slice(&value[..length]);
    label
}

/// The SSRC if this is RTP (RFC 7983 demultiplexing, RFC 5761 for RTCP).
fn rtp_ssrc(datagram: &[u8]) -> Option<u32> {
    let (first, second) = (*datagram.first()?, *datagram.get(1)?);
    if !(128..192).contains(&first) || (64..96).contains(&(second & 0x7f)) {
        return None;
    }
    let ssrc = datagram.get(8..12)?;
    Some(u32::from_be_bytes([ssrc[0], ssrc[1], ssrc[2], ssrc[3]]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(ssrc: u32, mid: &str, rid: &str) -> Vec<u8> {
        let mut extensions = vec![];
        for (id, value) in [(4u8, mid), (10, rid)] {
            if !value.is_empty() {
                extensions.push(id << 4 | (value.len() as u8 - 1));
                extensions.extend_from_slice(value.as_bytes());
            }
        }
        while extensions.len() % 4 != 0 {
            extensions.push(0);
        }
        let mut rtp = vec![0x90, 96, 0, 1, 0, 0, 0, 0];
        rtp.extend_from_slice(&ssrc.to_be_bytes());
        rtp.extend_from_slice(&[0xbe, 0xde, 0, (extensions.len() / 4) as u8]);
        rtp.extend_from_slice(&extensions);
        rtp.extend_from_slice(b"payload");
        rtp
    }

    fn guard() -> Guard {
        let mut guard = Guard::default();
        guard.learn(Some(4), Some(10), Some(11));
        guard
    }

    #[test]
    fn a_running_track_is_not_given_to_another_ssrc() {
        let now = crate::testing::start();
        let mut guard = guard();
        assert_eq!(guard.judge(&packet(7, "1", "q"), now), Verdict::Try { ssrc: 7, evicted: None });
        guard.proved(7, now);
        assert_eq!(guard.judge(&packet(7, "1", "q"), now), Verdict::Pass);
        assert_eq!(guard.judge(&packet(8, "1", "q"), now), Verdict::Refuse);
        assert_eq!(guard.judge(&packet(9, "1", "h"), now), Verdict::Try { ssrc: 9, evicted: None }, "another layer");
    }

    #[test]
    fn a_track_that_fell_silent_may_change_its_ssrc() {
        let now = crate::testing::start();
        let mut guard = guard();
        guard.judge(&packet(7, "1", ""), now);
        guard.proved(7, now);
        let later = now + HELD;
        assert_eq!(guard.judge(&packet(8, "1", ""), later), Verdict::Try { ssrc: 8, evicted: None });
    }

    #[test]
    fn unproven_ssrcs_never_number_more_than_the_cap_nor_push_out_a_proven_one() {
        let now = crate::testing::start();
        let mut guard = guard();
        guard.judge(&packet(7, "1", "q"), now);
        guard.proved(7, now);
        for ssrc in 1_000..101_000 {
            assert!(matches!(guard.judge(&packet(ssrc, "2", ""), now), Verdict::Try { .. }));
            assert!(guard.bindings.len() <= MAX_SSRCS);
        }
        assert_eq!(guard.judge(&packet(7, "1", "q"), now), Verdict::Pass);
    }

    #[test]
    fn proven_ssrcs_are_capped() {
        let now = crate::testing::start();
        let mut guard = guard();
        let mut passed = 0;
        for ssrc in 1..100_000 {
            if let Verdict::Try { ssrc, .. } = guard.judge(&packet(ssrc, "", ""), now) {
                guard.proved(ssrc, now);
                passed += 1;
            }
        }
        assert_eq!(passed, MAX_SSRCS);
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_judged_without_panic(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200)) {
            guard().judge(&bytes, crate::testing::start());
            let mut rtp = bytes;
            if let Some(first) = rtp.first_mut() { *first = 0x90 | (*first & 0x0f); }
            guard().judge(&rtp, crate::testing::start());
        }
    }
}
