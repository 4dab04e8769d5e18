//! The sealed file: one finished recording or one document, encrypted so that any range of it can be read and checked by itself.
//!
//! ```text
//! header   magic 16 | object 16 | salt 32
//! chunk    AES-256-GCM( 65,536 bytes; the last one 1 to 65,536 ) | tag 16
//! ```
//! The key is derived from the object's key, the salt and the object's id. A chunk's number is its nonce; the
//! header, the number and whether it is the last are associated data. So chunks cannot be altered, reordered or
//! swapped between files, and a file cannot be cut short without its new last chunk failing to open as the last.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{Context, SHA256};
use uuid::Uuid;

use crate::aead::{FileKey, ObjectKey, SALT_LEN, TAG_LEN, random_salt};
use crate::capture::sync_dir;
use crate::journal;

/// Plaintext of a chunk, bytes; the last may be shorter.
pub const CHUNK_BYTES: usize = 64 << 10;

const MAGIC: &[u8; 16] = b"BEDSIDE-OBJECT\0\x01";
const HEADER_LEN: usize = 16 + 16 + SALT_LEN;
const SEALED_CHUNK: u64 = (CHUNK_BYTES + TAG_LEN) as u64;

/// Why a sealed file cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ObjectError {
    /// Not a sealed file of this version, or of another recording.
    #[error("this is not the sealed file that it should be: restore it from a backup")]
    NotThisObject,
    /// A chunk does not open: altered, moved, of another file, or the key is wrong.
    #[error("chunk {chunk} of the file was altered or does not belong here: restore the file from a backup")]
    Altered {
        /// Its number, from 0.
        chunk: u64,
    },
    /// The end is missing, or something was appended.
    #[error("the file does not end with its last chunk (it ends with chunk {chunk}): restore the file from a backup")]
    CutOff {
        /// The number of the chunk that it ends with.
        chunk: u64,
    },
    /// The plaintext is whole but not the one that was expected.
    #[error("the recording's hash is {found}, not {expected}: restore the file from a backup")]
    OtherContent {
        /// Hexadecimal SHA-256 that was asked for.
        expected: String,
        /// Hexadecimal SHA-256 that was found.
        found: String,
    },
    /// The disk refuses.
    #[error("the file cannot be read ({0}): check the disk, then try again")]
    Io(#[from] io::Error),
}

struct Header([u8; HEADER_LEN]);

impl Header {
    fn new(object: Uuid) -> Self {
        let mut bytes = [0; HEADER_LEN];
        bytes[..16].copy_from_slice(MAGIC);
        bytes[16..32].copy_from_slice(object.as_bytes());
        bytes[32..].copy_from_slice(&random_salt());
        Self(bytes)
    }

    fn key(&self, key: &ObjectKey) -> FileKey {
        let salt = self.0[32..].try_into().expect("the salt ends the header");
        key.for_file(salt, b"bedside object 1", &self.0[..32])
    }

    fn bound(&self, index: u64, last: bool) -> [u8; HEADER_LEN + 9] {
        let mut bound = [0; HEADER_LEN + 9];
        bound[..HEADER_LEN].copy_from_slice(&self.0);
        bound[HEADER_LEN..HEADER_LEN + 8].copy_from_slice(&index.to_be_bytes());
        bound[HEADER_LEN + 8] = u8::from(last);
        bound
    }
}

/// Writes a sealed file. It has its name only once it is whole and durable.
///
/// The first chunk is sealed last, so that a container format can still fill in its header ([`SealWriter::patch`]).
pub struct SealWriter {
    file: File,
    path: PathBuf,
    partial: PathBuf,
    header: Header,
    key: FileKey,
    first: Vec<u8>,
    current: Vec<u8>,
    /// Number of the chunk that is being filled; 0 is kept in `first`.
    index: u64,
}

impl SealWriter {
    /// Begins `path`; until [`SealWriter::finish`] it is called `path.partial`.
    ///
    /// # Errors
    /// When the file cannot be made.
    pub fn create(path: &Path, key: &ObjectKey, object: impl Into<Uuid>) -> io::Result<Self> {
        let mut partial = path.as_os_str().to_owned();
        partial.push(".partial");
        let partial = PathBuf::from(partial);
        let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&partial)?;
        let header = Header::new(object.into());
        file.write_all_at(&header.0, 0)?;
        let key = header.key(key);
        let buffer = || Vec::with_capacity(CHUNK_BYTES + TAG_LEN);
        Ok(Self { file, path: path.into(), partial, header, key, first: buffer(), current: buffer(), index: 0 })
    }

    /// Bytes of plaintext so far.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.index * CHUNK_BYTES as u64 + self.filling().len() as u64
    }

    fn filling(&self) -> &Vec<u8> {
        if self.index == 0 { &self.first } else { &self.current }
    }

    /// Overwrites plaintext that was written before, within the first chunk.
    ///
    /// # Panics
    /// If the range is not within what was written of the first chunk.
    pub fn patch(&mut self, at: usize, bytes: &[u8]) {
        self.first[at..at + bytes.len()].copy_from_slice(bytes);
    }

    fn seal(&mut self, last: bool) -> io::Result<()> {
        let at = HEADER_LEN as u64 + self.index * SEALED_CHUNK;
        self.key.seal(self.index, &self.header.bound(self.index, last), &mut self.current);
        self.file.write_all_at(&self.current, at)?;
        self.current.clear();
        Ok(())
    }

    /// Seals the rest, makes it durable and gives it its name.
    ///
    /// # Errors
    /// When the disk refuses. The partial file may be left; the next [`SealWriter::create`] overwrites it.
    pub fn finish(mut self) -> io::Result<()> {
        if self.first.is_empty() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "a sealed file holds at least one byte"));
        }
        if self.index > 0 {
            self.seal(true)?;
        }
        let last = self.index == 0;
        self.key.seal(0, &self.header.bound(0, last), &mut self.first);
        self.file.write_all_at(&self.first, HEADER_LEN as u64)?;
        self.file.sync_all()?;
        fs::rename(&self.partial, &self.path)?;
        match self.path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            Some(parent) => sync_dir(parent),
            None => sync_dir(Path::new(".")),
        }
    }
}

impl Write for SealWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.filling().len() == CHUNK_BYTES {
            // Only now is it certain that this chunk is not the last.
            if self.index > 0 {
                self.seal(false)?;
            }
            self.index += 1;
        }
        let filling = if self.index == 0 { &mut self.first } else { &mut self.current };
        let n = bytes.len().min(CHUNK_BYTES - filling.len());
        filling.extend_from_slice(&bytes[..n]);
        Ok(n)
    }

    /// Does nothing: chunks are sealed whole.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A sealed file, open for reading by range.
pub struct SealedObject {
    file: File,
    header: Header,
    key: FileKey,
    len: u64,
}

impl SealedObject {
    /// Opens the file and checks its header, its length and its last chunk.
    ///
    /// # Errors
    /// [`ObjectError`]: not this object, or cut off, or the disk refuses.
    pub fn open(path: &Path, key: &ObjectKey, object: impl Into<Uuid>) -> Result<Self, ObjectError> {
        let object = object.into();
        let file = File::open(path)?;
        let file_len = file.metadata()?.len();
        let mut bytes = [0; HEADER_LEN];
        if file_len <= (HEADER_LEN + TAG_LEN) as u64 {
            return Err(ObjectError::NotThisObject);
        }
        file.read_exact_at(&mut bytes, 0)?;
        if &bytes[..16] != MAGIC || bytes[16..32] != object.as_bytes()[..] {
            return Err(ObjectError::NotThisObject);
        }
        let header = Header(bytes);
        let key = header.key(key);
        let sealed = file_len - HEADER_LEN as u64;
        let chunks = sealed.div_ceil(SEALED_CHUNK);
        let last_len = sealed - (chunks - 1) * SEALED_CHUNK;
        if last_len <= TAG_LEN as u64 {
            return Err(ObjectError::CutOff { chunk: chunks - 1 });
        }
        let object = Self { file, header, key, len: sealed - chunks * TAG_LEN as u64 };
        object.chunk(chunks - 1).map_err(|error| match error {
            ObjectError::Altered { chunk } => ObjectError::CutOff { chunk },
            other => other,
        })?;
        Ok(object)
    }

    /// Length of the plaintext, bytes; never 0.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "an empty one cannot be written")]
    pub fn len(&self) -> u64 {
        self.len
    }

    fn last_chunk(&self) -> u64 {
        (self.len - 1) / CHUNK_BYTES as u64
    }

    fn chunk(&self, index: u64) -> Result<Vec<u8>, ObjectError> {
        let last = index == self.last_chunk();
        let plain_len = if last { self.len - index * CHUNK_BYTES as u64 } else { CHUNK_BYTES as u64 };
        let mut sealed = vec![0; plain_len as usize + TAG_LEN];
        self.file.read_exact_at(&mut sealed, HEADER_LEN as u64 + index * SEALED_CHUNK)?;
        let opened = self.key.open(index, &self.header.bound(index, last), &mut sealed);
        if opened.is_none() {
            return Err(ObjectError::Altered { chunk: index });
        }
        sealed.truncate(plain_len as usize);
        Ok(sealed)
    }

    /// Plaintext from `offset` on: at least one byte and at most up to the end of its chunk and `max` bytes; empty
    /// beyond the end. Nothing that does not open is ever given out.
    ///
    /// # Errors
    /// [`ObjectError::Altered`] naming the chunk, or the disk refuses.
    pub fn read_at(&self, offset: u64, max: usize) -> Result<Vec<u8>, ObjectError> {
        if offset >= self.len || max == 0 {
            return Ok(Vec::new());
        }
        let mut plain = self.chunk(offset / CHUNK_BYTES as u64)?;
        let from = (offset % CHUNK_BYTES as u64) as usize;
        plain.drain(..from);
        plain.truncate(max);
        Ok(plain)
    }
}

/// Proof that a sealed file was read back whole and hashed. Only [`verify_object`] makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedObject {
    object: Uuid,
    /// Hexadecimal SHA-256 of the plaintext.
    pub sha256: String,
    /// Hexadecimal SHA-256 of the file as it is stored.
    pub sealed_sha256: String,
    /// Length of the plaintext, bytes.
    pub bytes: u64,
    /// Length of the file, bytes.
    pub sealed_bytes: u64,
}

/// Reads every chunk of a sealed file back from disk and hashes it. With `expected`, the plaintext's hexadecimal
/// SHA-256 must be that.
///
/// # Errors
/// [`ObjectError`] naming the first chunk that is not as it was sealed.
pub fn verify_object(
    path: &Path,
    key: &ObjectKey,
    object: impl Into<Uuid>,
    expected: Option<&str>,
) -> Result<VerifiedObject, ObjectError> {
    let object = object.into();
    let sealed = SealedObject::open(path, key, object)?;
    let mut plain = Context::new(&SHA256);
    for chunk in 0..=sealed.last_chunk() {
        plain.update(&sealed.chunk(chunk)?);
    }
    let found = hex::encode(plain.finish());
    if let Some(expected) = expected.filter(|&expected| expected != found) {
        return Err(ObjectError::OtherContent { expected: expected.into(), found });
    }
    let mut stored = Context::new(&SHA256);
    let mut buffer = vec![0; CHUNK_BYTES];
    let mut sealed_bytes = 0;
    loop {
        let n = sealed.file.read_at(&mut buffer, sealed_bytes)?;
        if n == 0 {
            break;
        }
        stored.update(&buffer[..n]);
        sealed_bytes += n as u64;
    }
    let sealed_sha256 = hex::encode(stored.finish());
    Ok(VerifiedObject { object, sha256: found, sealed_sha256, bytes: sealed.len, sealed_bytes })
}

/// Why a capture was not deleted.
#[derive(Debug, thiserror::Error)]
pub enum DeleteError {
    /// The proof is about another recording.
    #[error("the verified file belongs to another recording than this capture: verify the right one, then delete")]
    OtherRecording,
    /// The disk refuses.
    #[error("the capture cannot be deleted ({0}): check permissions, then try again")]
    Io(#[from] io::Error),
}

/// Deletes a capture's chunks, which only the proof of a verified composed file allows. Deleting again is no error.
///
/// # Errors
/// [`DeleteError`]; the capture is still there unless the disk refused half-way.
pub fn delete_capture(dir: &Path, verified: &VerifiedObject) -> Result<(), DeleteError> {
    match journal::recording_in(dir) {
        Ok(recording) if recording.map(Uuid::from) != Some(verified.object) => Err(DeleteError::OtherRecording),
        Ok(_) => {
            fs::remove_file(dir.join(journal::FILE_NAME))?;
            Ok(sync_dir(dir)?)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error.into()),
    }
}
#[cfg(test)]
mod tests;
