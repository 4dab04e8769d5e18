//! The file format of a capture: one append-only journal of encrypted, hash-chained chunks.
//!
//! One journal for all tracks, not a file per track: one `fsync` makes everything durable, one chain orders media,
//! pauses and consents among each other, and a torn tail ends all tracks at the same instant.
//!
//! ```text
//! header   magic 16 | recording 16 | visit 16 | started, ms since epoch 8 | salt 32
//! chunk    magic 4 | index 8 | flags 1 (1 = last) | length 4 | AES-256-GCM( chain 32 | frames ) | tag 16
//! frame    1 track   id 2 | peer 16 | source 1 | codec 1 | epoch 4
//!          2 packet  track 2 | marker 1 | seq 8 | rtp time 8 | received, us since epoch 8 | length 4 | payload
//!          3 mark    length 4 | JSON
//! ```
//! Numbers are big-endian. The key is derived from the recording's key, the salt and the identity in the header;
//! the index is the nonce; header and chunk header are associated data. `chain` is SHA-256 over the former chain
//! and the SHA-256 of the former chunk as it stands in the file (for chunk 0: SHA-256 over the file's header), so
//! that a chunk also proves what stood before it. A track is defined anew in each chunk: a damaged chunk costs only its own packets.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;

use aws_lc_rs::digest;
use bytes::Bytes;
use sfu_core::tap::{Codec, PeerKey, Source, TapPacket};
use visit::{Now, RecordingId, VisitId};

use crate::TimedMark;
use crate::aead::{FileKey, ObjectKey, SALT_LEN, TAG_LEN, random_salt};

mod read;
#[cfg(test)]
mod tests;

pub use read::{Damage, DamageKind, Tail};
pub(crate) use read::{Entry, Journal, JournalError};

/// The journal's name in the capture's folder.
pub(crate) const FILE_NAME: &str = "capture.journal";
/// Longest sealed chunk that is ever read, bytes; the writer stays far below.
pub(crate) const MAX_CHUNK: usize = 1 << 20;
/// Longest payload of a packet, bytes: more does not fit into a UDP datagram.
pub(crate) const MAX_PAYLOAD: usize = 65_535;

const MAGIC: &[u8; 16] = b"BEDSIDE-CAPTURE\x01";
const HEADER_LEN: usize = 16 + 16 + 16 + 8 + SALT_LEN;
const CHUNK_MAGIC: &[u8; 4] = b"BCHK";
const CHUNK_HEADER_LEN: usize = 4 + 8 + 1 + 4;
const CHAIN_LEN: usize = 32;
const LAST: u8 = 1;

const TRACK: u8 = 1;
const PACKET: u8 = 2;
const MARK: u8 = 3;

/// SHA-256 over everything before a chunk.
pub(crate) type Chain = [u8; CHAIN_LEN];

/// Which track a packet belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct TrackKey {
    pub peer: PeerKey,
    pub source: Source,
    pub codec: Codec,
}

/// Whose capture a journal is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Identity {
    pub recording: RecordingId,
    pub visit: VisitId,
    pub started: Now,
}

pub(crate) struct Header {
    pub identity: Identity,
    pub bytes: [u8; HEADER_LEN],
}

impl Header {
    fn new(identity: Identity) -> Self {
        let mut bytes = [0; HEADER_LEN];
        bytes[..16].copy_from_slice(MAGIC);
        bytes[16..32].copy_from_slice(identity.recording.0.as_bytes());
        bytes[32..48].copy_from_slice(identity.visit.0.as_bytes());
        bytes[48..56].copy_from_slice(&identity.started.0.to_be_bytes());
        bytes[56..].copy_from_slice(&random_salt());
        Self { identity, bytes }
    }

    fn parse(bytes: [u8; HEADER_LEN]) -> Option<Self> {
        let mut fields = Fields(&bytes);
        if fields.take(16)? != MAGIC {
            return None;
        }
        let identity = Identity {
            recording: RecordingId(uuid::Uuid::from_bytes(fields.array()?)),
            visit: VisitId(uuid::Uuid::from_bytes(fields.array()?)),
            started: Now(i64::from_be_bytes(fields.array()?)),
        };
        Some(Self { identity, bytes })
    }

    fn key(&self, key: &ObjectKey) -> FileKey {
        let salt = self.bytes[HEADER_LEN - SALT_LEN..].try_into().expect("the salt ends the header");
        key.for_file(salt, b"bedside capture 1", &self.bytes[..HEADER_LEN - SALT_LEN])
    }

    fn chain(&self) -> Chain {
        sha256(&[&self.bytes])
    }
}

/// Whose capture a folder holds, as its header claims; `None` if it is not a capture.
pub(crate) fn recording_in(dir: &Path) -> io::Result<Option<RecordingId>> {
    let mut bytes = [0; HEADER_LEN];
    match File::open(dir.join(FILE_NAME))?.read_exact_at(&mut bytes, 0) {
        Ok(()) => Ok(Header::parse(bytes).map(|header| header.identity.recording)),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(error),
    }
}

fn sha256(parts: &[&[u8]]) -> Chain {
    let mut context = digest::Context::new(&digest::SHA256);
    for part in parts {
        context.update(part);
    }
    context.finish().as_ref().try_into().expect("SHA-256 has 32 bytes")
}

/// The chain after a chunk whose header and ciphertext hash to `sealed`.
fn chain_after(before: &Chain, sealed: &Chain) -> Chain {
    sha256(&[before, sealed])
}

fn chunk_header(index: u64, flags: u8, sealed_len: usize) -> [u8; CHUNK_HEADER_LEN] {
    let mut header = [0; CHUNK_HEADER_LEN];
    header[..4].copy_from_slice(CHUNK_MAGIC);
    header[4..12].copy_from_slice(&index.to_be_bytes());
    header[12] = flags;
    let length = u32::try_from(sealed_len).expect("a chunk is at most a few megabytes");
    header[13..].copy_from_slice(&length.to_be_bytes());
    header
}

fn bound(file: &Header, chunk: &[u8; CHUNK_HEADER_LEN]) -> [u8; HEADER_LEN + CHUNK_HEADER_LEN] {
    let mut bound = [0; HEADER_LEN + CHUNK_HEADER_LEN];
    bound[..HEADER_LEN].copy_from_slice(&file.bytes);
    bound[HEADER_LEN..].copy_from_slice(chunk);
    bound
}

/// Appends frames to chunks and chunks to a file. Durability is the caller's: it owns the `fsync`.
pub(crate) struct JournalWriter<W> {
    out: W,
    header: Header,
    key: FileKey,
    chain: Chain,
    next_index: u64,
    /// `chain | frames` of the chunk that is being filled.
    plain: Vec<u8>,
    tracks: Vec<(TrackKey, u32)>,
}

impl<W: Write> JournalWriter<W> {
    /// Writes the header.
    pub fn new(mut out: W, key: &ObjectKey, identity: Identity) -> io::Result<Self> {
        let header = Header::new(identity);
        out.write_all(&header.bytes)?;
        let key = header.key(key);
        let chain = header.chain();
        let plain = Vec::with_capacity(MAX_CHUNK / 2);
        let mut writer = Self { out, header, key, chain, next_index: 0, plain, tracks: Vec::new() };
        writer.begin_chunk();
        Ok(writer)
    }

    fn begin_chunk(&mut self) {
        self.plain.clear();
        self.plain.extend_from_slice(&self.chain);
        self.tracks.clear();
    }

    /// Bytes of frames that are not yet in a chunk.
    pub fn buffered(&self) -> usize {
        self.plain.len() - CHAIN_LEN
    }

    /// The file beneath.
    pub fn get_ref(&self) -> &W {
        &self.out
    }

    /// Buffers a packet. Its payload has at most [`MAX_PAYLOAD`] bytes.
    pub fn packet(&mut self, epoch: u32, packet: &TapPacket) {
        let key = TrackKey { peer: packet.peer, source: packet.source, codec: packet.codec };
        let track = match self.tracks.iter().position(|&known| known == (key, epoch)) {
            Some(track) => track,
            None => {
                let track = self.tracks.len();
                self.tracks.push((key, epoch));
                self.plain.push(TRACK);
                self.plain.extend_from_slice(&(track as u16).to_be_bytes());
                self.plain.extend_from_slice(&key.peer.0.to_be_bytes());
                self.plain.push(source_code(key.source));
                self.plain.push(codec_code(key.codec));
                self.plain.extend_from_slice(&epoch.to_be_bytes());
                track
            }
        };
        self.plain.push(PACKET);
        self.plain.extend_from_slice(&(track as u16).to_be_bytes());
        self.plain.push(u8::from(packet.marker));
        self.plain.extend_from_slice(&packet.seq.to_be_bytes());
        self.plain.extend_from_slice(&packet.rtp_time.to_be_bytes());
        self.plain.extend_from_slice(&packet.received_us.to_be_bytes());
        self.plain.extend_from_slice(&(packet.payload.len() as u32).to_be_bytes());
        self.plain.extend_from_slice(&packet.payload);
    }

    /// Buffers a mark.
    pub fn mark(&mut self, mark: &TimedMark) {
        let json = serde_json::to_vec(mark).expect("marks have string keys only");
        self.plain.push(MARK);
        self.plain.extend_from_slice(&(json.len() as u32).to_be_bytes());
        self.plain.extend_from_slice(&json);
    }

    /// Seals what is buffered into a chunk and writes it in one call. Nothing may follow a `last` chunk.
    pub fn write_chunk(&mut self, last: bool) -> io::Result<()> {
        let header = chunk_header(self.next_index, if last { LAST } else { 0 }, self.plain.len() + TAG_LEN);
        self.key.seal(self.next_index, &bound(&self.header, &header), &mut self.plain);
        self.chain = chain_after(&self.chain, &sha256(&[&header, &self.plain]));
        self.next_index += 1;
        self.plain.splice(..0, header);
        self.out.write_all(&self.plain)?;
        self.begin_chunk();
        Ok(())
    }
}

/// Reads big-endian fields from the front of a slice.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn take(&mut self, n: usize) -> Option<&'a [u8]> {
        let (front, rest) = self.0.split_at_checked(n)?;
        self.0 = rest;
        Some(front)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    fn byte(&mut self) -> Option<u8> {
        self.array::<1>().map(|[byte]| byte)
    }
}

fn source_code(source: Source) -> u8 {
    match source {
        Source::Microphone => 0,
        Source::Camera => 1,
        Source::Screen => 2,
    }
}

fn source_of(code: u8) -> Option<Source> {
    Some(match code {
        0 => Source::Microphone,
        1 => Source::Camera,
        2 => Source::Screen,
        _ => return None,
    })
}

fn codec_code(codec: Codec) -> u8 {
    match codec {
        Codec::Opus => 0,
        Codec::Vp8 => 1,
        Codec::H264 => 2,
    }
}

fn codec_of(code: u8) -> Option<Codec> {
    Some(match code {
        0 => Codec::Opus,
        1 => Codec::Vp8,
        2 => Codec::H264,
        _ => return None,
    })
}

/// The frames of one opened chunk.
fn frames(mut plain: Bytes, each: &mut impl FnMut(Entry)) -> Option<()> {
    let mut tracks: Vec<(TrackKey, u32)> = Vec::new();
    while !plain.is_empty() {
        let mut fields = Fields(&plain);
        match fields.byte()? {
            TRACK => {
                let id = u16::from_be_bytes(fields.array()?);
                if usize::from(id) != tracks.len() {
                    return None;
                }
                let key = TrackKey {
                    peer: PeerKey(u128::from_be_bytes(fields.array()?)),
                    source: source_of(fields.byte()?)?,
                    codec: codec_of(fields.byte()?)?,
                };
                tracks.push((key, u32::from_be_bytes(fields.array()?)));
                plain = plain.slice_ref(fields.0);
            }
            PACKET => {
                let (key, epoch) = *tracks.get(usize::from(u16::from_be_bytes(fields.array()?)))?;
                let marker = fields.byte()? != 0;
                let seq = u64::from_be_bytes(fields.array()?);
                let rtp_time = u64::from_be_bytes(fields.array()?);
                let received_us = i64::from_be_bytes(fields.array()?);
                let length = u32::from_be_bytes(fields.array()?) as usize;
                let payload = plain.slice_ref(fields.take(length)?);
                let rest = plain.slice_ref(fields.0);
                plain = rest;
                let TrackKey { peer, source, codec } = key;
                let packet = TapPacket { peer, source, codec, seq, rtp_time, marker, payload, received_us };
                each(Entry::Packet { epoch, packet });
            }
            MARK => {
                let length = u32::from_be_bytes(fields.array()?) as usize;
                let mark = serde_json::from_slice(fields.take(length)?).ok()?;
                plain = plain.slice_ref(fields.0);
                each(Entry::Mark(mark));
            }
            _ => return None,
        }
    }
    Some(())
}
