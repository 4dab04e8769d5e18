//! What the recorder is handed: authenticated, decrypted packets of participants who allowed it.

use bytes::Bytes;

/// One peer of one room, numbered by the caller (a participant's UUID as a number).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerKey(pub u128);

/// One room, numbered by the caller (a visit's UUID as a number).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RoomKey(pub u128);

/// What a track shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// A microphone.
    Microphone,
    /// A camera.
    Camera,
    /// A shared screen.
    Screen,
}

/// How a payload is coded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Codec {
    /// RFC 7587, 48 kHz clock.
    Opus,
    /// RFC 7741, 90 kHz clock.
    Vp8,
    /// RFC 6184, 90 kHz clock.
    H264,
}

/// One RTP packet of a tapped track, renumbered so that `seq` and `rtp_time` are continuous over layer switches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TapPacket {
    /// Whose.
    pub peer: PeerKey,
    /// Which track.
    pub source: Source,
    /// Its coding.
    pub codec: Codec,
    /// Extended sequence number; a hole is a packet that was lost or dropped.
    pub seq: u64,
    /// Extended RTP timestamp in units of the codec's clock.
    pub rtp_time: u64,
    /// RTP marker bit (last packet of a video frame).
    pub marker: bool,
    /// RTP payload without padding.
    pub payload: Bytes,
    /// When the server received it, microseconds since the Unix epoch.
    pub received_us: i64,
}
