//! Packets on a byte stream (RFC 4571): each behind its length, two bytes, big endian.

/// Longest packet that is taken. Media and STUN stay below 1,500 bytes; who announces more means harm.
pub(crate) const LONGEST: usize = 2_048;

/// Appends a packet with its length. False: it is too long to be framed.
pub(crate) fn frame(packet: &[u8], onto: &mut Vec<u8>) -> bool {
    let Ok(length) = u16::try_from(packet.len()) else {
        return false;
    };
    onto.extend_from_slice(&length.to_be_bytes());
    onto.extend_from_slice(packet);
    true
}

/// A stream announced a packet that is longer than [`LONGEST`], or empty.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct BadFrame;

/// Finds packets in what arrives, in pieces of any size. Keeps at most one unfinished packet.
#[derive(Debug, Default)]
pub(crate) struct Deframer {
    rest: Vec<u8>,
}

impl Deframer {
    /// Takes `bytes` and gives each packet that is whole now to `packet`.
    pub(crate) fn push(&mut self, mut bytes: &[u8], mut packet: impl FnMut(&[u8])) -> Result<(), BadFrame> {
        loop {
            // What was left over is completed first; all else is handed on from where it lies.
            if !self.rest.is_empty() {
                let wanted = match self.rest.as_slice() {
                    [_] => 2,
                    [high, low, ..] => 2 + length(*high, *low)?,
                    [] => 0,
                };
                let taken = (wanted - self.rest.len()).min(bytes.len());
                self.rest.extend_from_slice(&bytes[..taken]);
                bytes = &bytes[taken..];
                if self.rest.len() < wanted {
                    return Ok(());
                }
                if wanted > 2 {
                    packet(&self.rest[2..]);
                    self.rest.clear();
                } else {
                    length(self.rest[0], self.rest[1])?;
                    if bytes.is_empty() {
                        return Ok(());
                    }
                }
                continue;
            }
            match bytes {
                [] => return Ok(()),
                [high, low, body @ ..] if body.len() >= length(*high, *low)? => {
                    let (whole, after) = body.split_at(length(*high, *low)?);
                    packet(whole);
                    bytes = after;
                }
                _ => {
                    self.rest.extend_from_slice(bytes);
                    if let [high, low, ..] = self.rest.as_slice() {
                        length(*high, *low)?;
                    }
                    return Ok(());
                }
            }
        }
    }
}

fn length(high: u8, low: u8) -> Result<usize, BadFrame> {
    match usize::from(u16::from_be_bytes([high, low])) {
        0 => Err(BadFrame),
        length if length > LONGEST => Err(BadFrame),
        length => Ok(length),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_empty_or_overlong_packet_ends_the_stream() {
        for head in [[0, 0], [0x08, 0x01], [0xff, 0xff]] {
            assert_eq!(Deframer::default().push(&head, |_| panic!("no packet")), Err(BadFrame));
            let mut slow = Deframer::default();
            assert_eq!(slow.push(&head[..1], |_| panic!("no packet")), Ok(()));
            assert_eq!(slow.push(&head[1..], |_| panic!("no packet")), Err(BadFrame));
        }
    }

    proptest! {
        #[test]
        fn packets_come_out_as_they_went_in_however_the_stream_is_cut(
            packets in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..300), 0..20),
            cuts in prop::collection::vec(1usize..400, 1..50),
        ) {
            let mut stream = vec![];
            for packet in &packets {
                prop_assert!(frame(packet, &mut stream));
            }
            let mut deframer = Deframer::default();
            let mut out: Vec<Vec<u8>> = vec![];
            let mut rest = stream.as_slice();
            let mut cuts = cuts.iter().cycle();
            while !rest.is_empty() {
                let (piece, after) = rest.split_at((*cuts.next().unwrap()).min(rest.len()));
                deframer.push(piece, |packet| out.push(packet.to_vec())).unwrap();
                prop_assert!(deframer.rest.len() <= LONGEST + 2);
                rest = after;
            }
            prop_assert_eq!(out, packets);
        }

        #[test]
        fn any_bytes_are_read_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..3_000)) {
            let _end: Result<(), BadFrame> = Deframer::default().push(&bytes, |packet| assert!(packet.len() <= LONGEST));
        }
    }
}
