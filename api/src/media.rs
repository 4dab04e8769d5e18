//! The door to recorded media: `server` opens it with `recorder`, this crate only reads ranges from it.

use std::future::Future;
use std::io;
use std::pin::Pin;

use visit::{ClinicId, RecordingId};

/// Opens composed recordings. Who may is decided before this is called.
pub trait RecordingMedia: Send + Sync + 'static {
    /// The plain WebM of `recording`, decrypted as it is read; `None` if there is no such file.
    fn open(&self, clinic: ClinicId, recording: RecordingId) -> Opening<'_>;
}

/// What [`RecordingMedia::open`] gives, once awaited.
pub type Opening<'a> = Pin<Box<dyn Future<Output = Result<Option<Box<dyn SeekableMedia>>, MediaError>> + Send + 'a>>;

/// Decrypted media with random access. Calls block (disk, cipher): they are made off the async threads.
pub trait SeekableMedia: Send {
    /// Length in bytes.
    fn byte_len(&self) -> u64;

    /// Fills `buffer` from `offset` on and says how many bytes that were; 0 only at the end.
    ///
    /// # Errors
    /// Reading failed, or a chunk is not what was written (its seal does not open).
    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> io::Result<usize>;
}

/// The recording is there, but could not be opened.
#[derive(Debug, thiserror::Error)]
#[error("the recording could not be opened: {0}")]
pub struct MediaError(pub String);
