//! Just enough of STUN (RFC 8489) to find the peer that a message from an unknown address names. Whether it may name
//! it is decided by [`crate::room::Room::accepts`], which checks its integrity.

/// The receiver's ICE user fragment in a binding request: the part of USERNAME before the colon (RFC 8445, 7.2.2).
pub fn named_ufrag(datagram: &[u8]) -> Option<&str> {
    const BINDING_REQUEST: [u8; 2] = [0, 1];
    const COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];
    const USERNAME: u16 = 6;
    if datagram.get(..2)? != BINDING_REQUEST || datagram.get(4..8)? != COOKIE {
        return None;
    }
    let mut attributes = datagram.get(20..)?;
    loop {
        let head = attributes.get(..4)?;
        let kind = u16::from_be_bytes([head[0], head[1]]);
        let length = usize::from(u16::from_be_bytes([head[2], head[3]]));
        if kind == USERNAME {
            let name = std::str::from_utf8(attributes.get(4..4 + length)?).ok()?;
            return name.split_once(':').map(|(to, _from)| to);
        }
        attributes = attributes.get(4 + length.next_multiple_of(4)..)?;
    }
}

/// Whether a datagram is STUN by its first byte (RFC 7983).
pub fn is_stun(datagram: &[u8]) -> bool {
    datagram.first().is_some_and(|first| *first < 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_before_the_colon_is_found_behind_other_attributes() {
        let mut message = vec![0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42];
        message.extend_from_slice(&[7; 12]);
        message.extend_from_slice(&[0x80, 0x22, 0, 3, 1, 2, 3, 0]);
        message.extend_from_slice(&[0, 6, 0, 9]);
        message.extend_from_slice(b"here:ther\0\0\0");
        assert_eq!(named_ufrag(&message), Some("here"));
        message[1] = 17;
        assert_eq!(named_ufrag(&message), None, "an indication names nobody");
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(tail in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..100)) {
            let mut message = vec![0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
            message.extend_from_slice(&tail);
            named_ufrag(&message);
            named_ufrag(&tail);
        }
    }
}
