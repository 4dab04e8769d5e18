//! Who speaks, from the audio levels that clients send (RFC 6464): stable, without flicker, for any number of people.
//!
//! Each voice's loudness is smoothed over about a syllable and compared with that voice's own quiet, so that a noisy
//! room does not speak. Someone who fell silent keeps speaking for a pause between two sentences, and the first place
//! changes hands only to someone who was clearly louder for a while: a cough or a "yes" does not move it.

use std::time::{Duration, Instant};

use crate::tap::PeerKey;

/// Smoothing of the loudness, seconds.
const SYLLABLE: f32 = 0.15;
/// Loudness is 0 (silence) to 127; this is never speech.
const FLOOR: f32 = 60.0;
/// How far above a voice's own quiet speech is.
const ABOVE_QUIET: f32 = 12.0;
/// Speech must last this long to count.
const ATTACK: Duration = Duration::from_millis(200);
/// A pause between two sentences.
const PAUSE: Duration = Duration::from_millis(1_500);
/// The first place changes hands to someone louder by this much for this long.
const LOUDER: f32 = 6.0;
const TAKES_OVER: Duration = Duration::from_millis(800);
/// Somebody whose packets stop is silent (DTX sends one every 400 ms at least).
const GONE: Duration = Duration::from_millis(1_000);

#[derive(Debug)]
struct Voice {
    key: PeerKey,
    level: f32,
    /// What this voice's silence sounds like.
    quiet: f32,
    heard: Instant,
    /// Above its quiet since.
    above: Option<Instant>,
    /// When it last was above its quiet for long enough.
    spoke: Option<Instant>,
    /// Louder than the first since.
    louder: Option<Instant>,
}

/// The voices of a room.
#[derive(Debug, Default)]
pub(crate) struct Speakers {
    voices: Vec<Voice>,
    speaking: Vec<PeerKey>,
}

impl Speakers {
    /// A packet of this level arrived (RFC 6464: 0 is loudest, 127 silence). `speech`: the client says so itself.
    pub(crate) fn heard(&mut self, key: PeerKey, level: u8, speech: Option<bool>, now: Instant) {
        let loudness = f32::from(127 - level.min(127));
        let voice = match self.voices.iter_mut().find(|voice| voice.key == key) {
            Some(voice) => voice,
            None => {
                let new = Voice { key, level: 0.0, quiet: 0.0, heard: now, above: None, spoke: None, louder: None };
                self.voices.push(new);
                self.voices.last_mut().expect("just pushed")
            }
        };
        let passed = now.saturating_duration_since(voice.heard).as_secs_f32().clamp(0.0, 0.5);
        voice.heard = now;
        voice.level += (loudness - voice.level) * (1.0 - (-passed / SYLLABLE).exp());
        // Quiet is found quickly and forgotten slowly.
        let rate = if voice.level < voice.quiet { 0.5 } else { 12.0 };
        voice.quiet += (voice.level.min(FLOOR + 20.0) - voice.quiet) * (1.0 - (-passed / rate).exp());
        let speaks = voice.level > FLOOR && voice.level > voice.quiet + ABOVE_QUIET && speech != Some(false);
        if !speaks {
            voice.above = None;
        } else if now.saturating_duration_since(*voice.above.get_or_insert(now)) >= ATTACK {
            voice.spoke = Some(now);
        }
    }

    /// Forgets someone.
    pub(crate) fn forget(&mut self, key: PeerKey) {
        self.voices.retain(|voice| voice.key != key);
    }

    /// Loudness of late, 0 (silence) to 127.
    pub(crate) fn loudness(&self, key: PeerKey) -> f32 {
        self.voices.iter().find(|voice| voice.key == key).map_or(0.0, |voice| voice.level)
    }

    /// When this voice last spoke.
    pub(crate) fn spoke(&self, key: PeerKey) -> Option<Instant> {
        self.voices.iter().find(|voice| voice.key == key)?.spoke
    }

    /// Who speaks now, whoever holds the floor first; true if that changed.
    pub(crate) fn settle(&mut self, now: Instant) -> bool {
        for voice in &mut self.voices {
            if now.saturating_duration_since(voice.heard) > GONE {
                (voice.level, voice.above) = (0.0, None);
            }
        }
        let recent = |voice: &Voice| voice.spoke.is_some_and(|at| now.saturating_duration_since(at) < PAUSE);
        let mut next: Vec<PeerKey> = Vec::with_capacity(self.voices.len());
        // Who spoke before keeps the place; newcomers follow in the order of their loudness.
        next.extend(self.speaking.iter().filter(|key| self.voices.iter().any(|v| v.key == **key && recent(v))));
        let mut new: Vec<&Voice> = self.voices.iter().filter(|v| recent(v) && !next.contains(&v.key)).collect();
        new.sort_by(|a, b| b.level.total_cmp(&a.level).then(a.key.cmp(&b.key)));
        next.extend(new.into_iter().map(|voice| voice.key));
        // When the first falls silent, whoever spoke last takes over: most likely to go on.
        if next.first() != self.speaking.first() {
            let spoke = |key: &PeerKey| self.voices.iter().find(|v| v.key == *key).and_then(|v| v.spoke);
            if !self.speaking.is_empty()
                && let Some(at) = (0..next.len()).rev().max_by_key(|n| spoke(&next[*n]))
            {
                let last = next.remove(at);
                next.insert(0, last);
            }
            self.voices.iter_mut().for_each(|voice| voice.louder = None);
        }
        if let Some(first) = next.first().copied() {
            let floor = self.loudness(first);
            let mut taker: Option<(PeerKey, f32)> = None;
            for voice in &mut self.voices {
                let challenges = voice.key != first && next.contains(&voice.key) && voice.level > floor + LOUDER;
                if !challenges {
                    voice.louder = None;
                } else if now.saturating_duration_since(*voice.louder.get_or_insert(now)) >= TAKES_OVER
                    && taker.is_none_or(|(_, level)| voice.level > level)
                {
                    taker = Some((voice.key, voice.level));
                }
            }
            if let Some((key, _)) = taker {
                next.retain(|other| *other != key);
                next.insert(0, key);
                self.voices.iter_mut().for_each(|voice| voice.louder = None);
            }
        }
        let changed = next != self.speaking;
        self.speaking = next;
        changed
    }

    /// Whoever speaks, the holder of the floor first.
    pub(crate) fn speaking(&self) -> &[PeerKey] {
        &self.speaking
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// 20 ms packets for this long; `level` gives each voice's level at each packet.
    fn talk(
        speakers: &mut Speakers,
        now: &mut Instant,
        ms: u64,
        level: impl Fn(u64) -> Vec<u8>,
    ) -> Vec<(u64, Vec<PeerKey>)> {
        let mut changes = vec![];
        for at in (0..ms).step_by(20) {
            *now += Duration::from_millis(20);
            for (n, level) in level(at).into_iter().enumerate() {
                speakers.heard(PeerKey(n as u128), level, None, *now);
            }
            if at % 100 == 0 && speakers.settle(*now) {
                changes.push((at, speakers.speaking().to_vec()));
            }
        }
        changes
    }

    const QUIET: u8 = 90;
    const SPEECH: u8 = 30;

    #[test]
    fn who_speaks_is_found_within_half_a_second_and_kept_through_a_pause() {
        let (mut speakers, mut now) = (Speakers::default(), crate::testing::start());
        assert_eq!(talk(&mut speakers, &mut now, 2_000, |_| vec![QUIET; 5]), []);
        let changes = talk(&mut speakers, &mut now, 3_000, |_| vec![QUIET, SPEECH, QUIET, QUIET, QUIET]);
        assert_eq!(changes.len(), 1);
        assert!(changes[0].0 <= 500 && changes[0].1 == [PeerKey(1)], "{changes:?}");
        assert_eq!(talk(&mut speakers, &mut now, 1_000, |_| vec![QUIET; 5]), [], "a pause");
        assert_eq!(talk(&mut speakers, &mut now, 2_000, |_| vec![QUIET; 5]).len(), 1, "silence");
        assert!(speakers.speaking().is_empty());
    }

    #[test]
    fn a_cough_does_not_take_the_floor_and_a_louder_voice_does_after_a_while() {
        let (mut speakers, mut now) = (Speakers::default(), crate::testing::start());
        talk(&mut speakers, &mut now, 2_000, |_| vec![QUIET; 3]);
        talk(&mut speakers, &mut now, 3_000, |_| vec![SPEECH, QUIET, QUIET]);
        talk(&mut speakers, &mut now, 3_000, |at| vec![SPEECH, if at < 150 { 5 } else { QUIET }, QUIET]);
        assert_eq!(speakers.speaking().first(), Some(&PeerKey(0)));
        talk(&mut speakers, &mut now, 2_500, |_| vec![SPEECH, QUIET, SPEECH - 12]);
        assert_eq!(speakers.speaking(), [PeerKey(2), PeerKey(0)]);
    }

    #[test]
    fn a_room_that_is_always_noisy_does_not_speak_for_ever() {
        let (mut speakers, mut now) = (Speakers::default(), crate::testing::start());
        talk(&mut speakers, &mut now, 60_000, |_| vec![55, QUIET]);
        assert_eq!(speakers.speaking(), [], "a fan");
        talk(&mut speakers, &mut now, 1_000, |_| vec![25, QUIET]);
        assert_eq!(speakers.speaking(), [PeerKey(0)], "someone speaks beside it");
    }

    #[test]
    fn a_client_that_says_it_is_no_speech_is_believed_and_one_that_falls_silent_is_let_go() {
        let (mut speakers, mut now) = (Speakers::default(), crate::testing::start());
        for _ in 0..200 {
            now += Duration::from_millis(20);
            speakers.heard(PeerKey(1), SPEECH, Some(false), now);
            speakers.heard(PeerKey(2), SPEECH, Some(true), now);
            speakers.settle(now);
        }
        assert_eq!(speakers.speaking(), [PeerKey(2)]);
        assert!(speakers.settle(now + PAUSE), "no packets any more");
        assert_eq!(speakers.speaking(), []);
    }

    proptest! {
        /// Any number of people talking across each other: the floor does not flicker.
        #[test]
        fn the_floor_changes_hands_at_most_once_in_a_while(seed in any::<u64>(), people in 2usize..12) {
            let (mut speakers, mut now) = (Speakers::default(), crate::testing::start());
            let mut state = seed | 1;
            let mut dice = || {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                (state >> 33) as u8
            };
            let mut levels = vec![QUIET; people];
            let mut holder: Option<(Instant, PeerKey)> = None;
            for step in 0..3_000u64 {
                now += Duration::from_millis(20);
                for (n, level) in levels.iter_mut().enumerate() {
                    // Someone begins or ends a phrase now and then; loudness wanders within it.
                    if dice() <= 2 {
                        *level = if *level > 60 { 20 + dice() % 30 } else { QUIET };
                    }
                    speakers.heard(PeerKey(n as u128), level.saturating_add(dice() % 8), None, now);
                }
                if step % 5 == 0 && speakers.settle(now) {
                    let unique: std::collections::BTreeSet<_> = speakers.speaking().iter().collect();
                    prop_assert_eq!(unique.len(), speakers.speaking().len());
                    let first = speakers.speaking().first().copied();
                    if let (Some(first), Some((since, before))) = (first, holder) && first != before {
                        // Somebody who still speaks loses the floor only after having held it for a while.
                        let still = speakers.speaking().contains(&before);
                        prop_assert!(!still || now - since >= TAKES_OVER, "{:?} after {:?}", first, now - since);
                    }
                    if first != holder.map(|(_, key)| key) {
                        holder = first.map(|first| (now, first));
                    }
                }
            }
        }
    }
}
