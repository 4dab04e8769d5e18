//! Reading a journal back, past whatever happened to it.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use bytes::Bytes;
use sfu_core::tap::TapPacket;

use super::{
    CHAIN_LEN, CHUNK_HEADER_LEN, CHUNK_MAGIC, Chain, FILE_NAME, Fields, HEADER_LEN, Header, Identity, LAST, MAX_CHUNK,
    TAG_LEN, bound, chain_after, frames, sha256,
};
use crate::TimedMark;
use crate::aead::{FileKey, ObjectKey};

/// False starts of chunks that are tried before the rest of a damaged file is given up.
const MAX_FALSE_STARTS: u32 = 10_000;

/// One thing in a journal, in the order in which it was written.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Entry {
    Packet { epoch: u32, packet: TapPacket },
    Mark(TimedMark),
}

/// Why a journal cannot be read at all.
#[derive(Debug, thiserror::Error)]
pub(crate) enum JournalError {
    #[error("there is no capture here")]
    Missing,
    #[error("this is not a capture, or one of a newer version")]
    NotACapture,
    #[error("cannot read the capture: {0}")]
    Io(#[from] io::Error),
}

/// Something in a capture that is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Damage {
    /// Number of the chunk that should stand here, from 0.
    pub chunk: u64,
    /// Where in the file, bytes.
    pub offset: u64,
    /// What is wrong.
    #[serde(flatten)]
    pub kind: DamageKind,
}

/// What is wrong with a chunk.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "damage", rename_all = "snake_case")]
pub enum DamageKind {
    /// The bytes were changed, or belong to another file.
    Altered,
    /// Another chunk of this file stands here.
    Misplaced {
        /// Its number.
        found: u64,
    },
    /// What stood before this chunk is not what stood there when it was written.
    ChainBroken,
    /// Something follows the last chunk.
    Trailing,
}

/// How a capture ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tail {
    /// With the chunk that says it is the last.
    Complete,
    /// After a whole chunk that is not the last: the writer was ended, or the file cut off between chunks.
    Unfinished,
    /// Within a chunk: the writer was ended, or the file cut off, in the middle of writing.
    Torn,
}

/// A journal that is read from front to back. It never changes the file.
pub(crate) struct Journal {
    file: File,
    len: u64,
    header: Header,
    key: FileKey,
    chain: Chain,
    offset: u64,
    expected: u64,
    opened: u64,
    false_starts: u32,
    tail: Option<Tail>,
    damage: Vec<Damage>,
    entries: VecDeque<Entry>,
}

enum Read {
    Chunk { index: u64, last: bool, plain: Vec<u8>, sealed_len: usize, after: Chain, before: Chain },
    Bad,
    Short,
}

impl Journal {
    pub fn open(dir: &Path, key: &ObjectKey) -> Result<Self, JournalError> {
        let file = File::open(dir.join(FILE_NAME)).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => JournalError::Missing,
            _ => JournalError::Io(error),
        })?;
        let len = file.metadata()?.len();
        let mut bytes = [0; HEADER_LEN];
        file.read_exact_at(&mut bytes, 0).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => JournalError::NotACapture,
            _ => JournalError::Io(error),
        })?;
        let header = Header::parse(bytes).ok_or(JournalError::NotACapture)?;
        let key = header.key(key);
        let chain = header.chain();
        Ok(Self {
            file,
            len,
            header,
            key,
            chain,
            offset: HEADER_LEN as u64,
            expected: 0,
            opened: 0,
            false_starts: 0,
            tail: None,
            damage: Vec::new(),
            entries: VecDeque::new(),
        })
    }

    pub fn identity(&self) -> Identity {
        self.header.identity
    }

    /// Chunks opened so far.
    pub fn chunks(&self) -> u64 {
        self.opened
    }

    /// The chain after the last chunk that was opened.
    pub fn chain(&self) -> Chain {
        self.chain
    }

    /// How it ends; known when [`Journal::next`] has answered `None`.
    pub fn tail(&self) -> Tail {
        self.tail.unwrap_or(Tail::Unfinished)
    }

    /// What was found to be wrong so far.
    pub fn damage(&self) -> &[Damage] {
        &self.damage
    }

    /// Length of the file, bytes.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// The next entry, or `None` at the end.
    pub fn next(&mut self) -> io::Result<Option<Entry>> {
        loop {
            if let Some(entry) = self.entries.pop_front() {
                return Ok(Some(entry));
            }
            if self.tail.is_some() {
                return Ok(None);
            }
            self.read_chunk()?;
        }
    }

    fn wrong(&mut self, kind: DamageKind) {
        self.damage.push(Damage { chunk: self.expected, offset: self.offset, kind });
    }

    fn read_chunk(&mut self) -> io::Result<()> {
        match self.chunk_at(self.offset)? {
            Read::Chunk { index, last, plain, sealed_len, after, before } => {
                let end = self.offset + (CHUNK_HEADER_LEN + sealed_len) as u64;
                if index != self.expected {
                    self.wrong(DamageKind::Misplaced { found: index });
                } else if before != self.chain {
                    self.wrong(DamageKind::ChainBroken);
                }
                // A chunk that comes again or too late was copied here: its packets are not delivered twice.
                if index >= self.expected {
                    self.chain = after;
                    self.expected = index + 1;
                    self.opened += 1;
                    let entries = &mut self.entries;
                    let whole = frames(Bytes::from(plain), &mut |entry| entries.push_back(entry));
                    if whole.is_none() {
                        self.damage.push(Damage { chunk: index, offset: self.offset, kind: DamageKind::Altered });
                    }
                    if last {
                        self.tail = Some(Tail::Complete);
                        if end < self.len {
                            self.offset = end;
                            self.wrong(DamageKind::Trailing);
                        }
                    }
                }
                self.offset = end;
            }
            outcome => {
                if self.offset == self.len {
                    self.tail = Some(Tail::Unfinished);
                } else if let Some(next) = self.resync()? {
                    self.wrong(DamageKind::Altered);
                    self.offset = next;
                } else if matches!(outcome, Read::Short) || self.rest_is_zero()? {
                    self.tail = Some(Tail::Torn);
                } else {
                    self.wrong(DamageKind::Altered);
                    self.tail = Some(Tail::Torn);
                }
            }
        }
        Ok(())
    }

    /// Tries to open a chunk at `offset`.
    fn chunk_at(&self, offset: u64) -> io::Result<Read> {
        let left = self.len.saturating_sub(offset);
        if left < CHUNK_HEADER_LEN as u64 {
            return Ok(Read::Short);
        }
        let mut header = [0; CHUNK_HEADER_LEN];
        self.file.read_exact_at(&mut header, offset)?;
        let Some((index, flags, length)) = parse_chunk_header(&header) else {
            return Ok(Read::Bad);
        };
        if !(CHAIN_LEN + TAG_LEN..=MAX_CHUNK).contains(&length) {
            return Ok(Read::Bad);
        }
        if (length as u64) > left - CHUNK_HEADER_LEN as u64 {
            return Ok(Read::Short);
        }
        let mut sealed = vec![0; length];
        self.file.read_exact_at(&mut sealed, offset + CHUNK_HEADER_LEN as u64)?;
        // Opening overwrites the ciphertext.
        let as_sealed = sha256(&[&header, &sealed]);
        let Some(plain) = self.key.open(index, &bound(&self.header, &header), &mut sealed) else {
            return Ok(Read::Bad);
        };
        let (before, _) = plain.split_at(CHAIN_LEN);
        let before: Chain = before.try_into().expect("split at this length");
        let after = chain_after(&before, &as_sealed);
        let plain_len = plain.len();
        sealed.truncate(plain_len);
        sealed.drain(..CHAIN_LEN);
        Ok(Read::Chunk { index, last: flags & LAST != 0, plain: sealed, sealed_len: length, after, before })
    }

    /// Looks for the next place from which on a later chunk can be opened.
    fn resync(&mut self) -> io::Result<Option<u64>> {
        const WINDOW: usize = 1 << 16;
        let mut window = vec![0; WINDOW];
        let mut at = self.offset + 1;
        while at < self.len {
            let wanted = usize::try_from(self.len - at).unwrap_or(WINDOW).min(WINDOW);
            self.file.read_exact_at(&mut window[..wanted], at)?;
            for start in 0..wanted.saturating_sub(CHUNK_MAGIC.len() - 1) {
                if &window[start..start + CHUNK_MAGIC.len()] != CHUNK_MAGIC {
                    continue;
                }
                let candidate = at + start as u64;
                if matches!(self.chunk_at(candidate)?, Read::Chunk { .. }) {
                    return Ok(Some(candidate));
                }
                self.false_starts += 1;
                if self.false_starts > MAX_FALSE_STARTS {
                    return Ok(None);
                }
            }
            if wanted < WINDOW {
                break;
            }
            at += (WINDOW - (CHUNK_MAGIC.len() - 1)) as u64;
        }
        Ok(None)
    }

    /// Whether only zeros are left, as after a power cut on some file systems.
    fn rest_is_zero(&self) -> io::Result<bool> {
        let mut window = vec![0; 1 << 16];
        let mut at = self.offset;
        while at < self.len {
            let wanted = usize::try_from(self.len - at).unwrap_or(window.len()).min(window.len());
            self.file.read_exact_at(&mut window[..wanted], at)?;
            if window[..wanted].iter().any(|&byte| byte != 0) {
                return Ok(false);
            }
            at += wanted as u64;
        }
        Ok(true)
    }
}

fn parse_chunk_header(header: &[u8; CHUNK_HEADER_LEN]) -> Option<(u64, u8, usize)> {
    let mut fields = Fields(header);
    if fields.take(4)? != CHUNK_MAGIC {
        return None;
    }
    let index = u64::from_be_bytes(fields.array()?);
    let flags = fields.byte()?;
    Some((index, flags, u32::from_be_bytes(fields.array()?) as usize))
}
