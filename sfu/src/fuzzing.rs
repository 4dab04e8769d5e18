//! What fuzzers reach (`fuzz/`): the parts that read bytes of strangers. Built for them alone.

use std::time::{Duration, Instant};

use crate::framing::{BadFrame, Deframer, LONGEST};

/// A stream cut in pieces gives the same packets as in one, and ends at the same fault.
pub fn framing(data: &[u8]) {
    let [piece, stream @ ..] = data else { return };
    let whole = deframed([stream]);
    let pieces = deframed(stream.chunks(usize::from(*piece) + 1));
    assert_eq!(whole, pieces);
    crate::turn::fuzzing::framing(stream);
}

fn deframed<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> (Vec<Vec<u8>>, Result<(), BadFrame>) {
    let (mut deframer, mut packets) = (Deframer::default(), vec![]);
    for piece in pieces {
        let end = deframer.push(piece, |packet| {
            assert!((1..=LONGEST).contains(&packet.len()));
            packets.push(packet.to_vec());
        });
        if end.is_err() {
            return (packets, end);
        }
    }
    (packets, Ok(()))
}

/// Messages to the relay, one after the other: the first byte says whose, the next two how long.
pub fn relay(data: &[u8]) {
    let mut stage = crate::turn::fuzzing::Stage::new(Instant::now());
    let mut rest = data;
    while let [who, length, after @ ..] = rest {
        let (message, after) = after.split_at(usize::from(*length).min(after.len()));
        stage.later(Duration::from_secs(u64::from(who >> 4) * 20));
        match who & 3 {
            0 => stage.of_stranger(message),
            1 => stage.of_client(message),
            2 => stage.signed(message),
            _ => stage.of_media(message),
        }
        rest = after;
    }
}
