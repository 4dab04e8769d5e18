//! What a client offers, checked before it costs anything.

use crate::tap::Source;

/// Longest accepted offer, bytes.
pub const MAX_OFFER_BYTES: usize = 64 * 1024;
/// Most m-lines in an offer: three to send, and slots.
pub const MAX_MEDIA_LINES: usize = 48;

/// Why an offer is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OfferError {
    /// Longer than [`MAX_OFFER_BYTES`].
    #[error("the offer has {bytes} bytes, {MAX_OFFER_BYTES} are allowed: offer fewer slots")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// More m-lines than [`MAX_MEDIA_LINES`].
    #[error("the offer has {lines} m-lines, {MAX_MEDIA_LINES} are allowed: offer fewer slots")]
    TooManyLines {
        /// How many.
        lines: usize,
    },
    /// Not SDP, or SDP that cannot be answered.
    #[error("the offer cannot be used: offer audio, camera, screen and receive slots in one BUNDLE with rtcp-mux")]
    Malformed,
    /// The room or the worker is full.
    #[error("this visit is full: ask someone to leave, then try again")]
    RoomFull,
}

/// One m-line of an offer, as far as slots and sources need it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    pub mid: String,
    pub audio: bool,
    pub use_: LineUse,
}

/// What an m-line is for, from the client's point of view.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LineUse {
    /// The client sends this source.
    Sends(Source),
    /// The client receives: a slot.
    Slot,
    /// Neither (inactive, rejected, data).
    None,
}

/// The parts of an offer that str0m does not tell us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Outline {
    pub lines: Vec<Line>,
    /// First `a=fingerprint` value: tells a reloaded page from a re-offer.
    pub fingerprint: String,
}

/// Reads the outline of an offer, in the order of its m-lines.
pub(crate) fn outline(sdp: &str) -> Result<Outline, OfferError> {
    if sdp.len() > MAX_OFFER_BYTES {
        return Err(OfferError::TooLong { bytes: sdp.len() });
    }
    let mut sections = sdp.split("\nm=");
    let session = sections.next().unwrap_or_default();
    let sections: Vec<&str> = sections.collect();
    if sections.len() > MAX_MEDIA_LINES {
        return Err(OfferError::TooManyLines { lines: sections.len() });
    }
    let attribute = |section: &str, name: &str| {
        section.lines().find_map(|line| line.trim_end().strip_prefix(name).map(str::to_owned))
    };
    let fingerprint = std::iter::once(session)
        .chain(sections.iter().copied())
        .find_map(|section| attribute(section, "a=fingerprint:"))
        .ok_or(OfferError::Malformed)?;
    let mut videos_sent = 0;
    let mut lines = Vec::with_capacity(sections.len());
    for section in sections {
        let mid = attribute(section, "a=mid:").ok_or(OfferError::Malformed)?;
        let audio = section.starts_with("audio ");
        let video = section.starts_with("video ");
        let has = |wanted: &str| section.lines().any(|line| line.trim_end() == wanted);
        let sends = has("a=sendonly") || has("a=sendrecv");
        let use_ = if sends && audio {
            LineUse::Sends(Source::Microphone)
        } else if sends && video {
            videos_sent += 1;
            match videos_sent {
                1 => LineUse::Sends(Source::Camera),
                2 => LineUse::Sends(Source::Screen),
                _ => LineUse::None,
            }
        } else if (audio || video) && has("a=recvonly") {
            LineUse::Slot
        } else {
            LineUse::None
        };
        lines.push(Line { mid, audio, use_ });
    }
    Ok(Outline { lines, fingerprint })
}
