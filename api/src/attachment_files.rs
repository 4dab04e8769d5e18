//! The door to patients' documents as files: `server` seals them with `recorder`, this crate hands over and reads.

use std::future::Future;
use std::pin::Pin;

use visit::AttachmentId;
use zeroize::Zeroizing;

use crate::media::{MediaError, Opening};

/// What a file's own key is derived from. Made for each document, kept by `records`.
pub type FileKey = Zeroizing<[u8; 32]>;

/// Keeps documents. Who may is decided, and what they are is checked, before this is called.
pub trait AttachmentFiles: Send + Sync + 'static {
    /// Seals `bytes` into a file of this document; durable once this is done.
    fn store(&self, attachment: AttachmentId, key: FileKey, bytes: Vec<u8>) -> Storing<'_>;

    /// The plain document, decrypted as it is read; `None` if there is no such file.
    fn open(&self, attachment: AttachmentId, key: FileKey) -> Opening<'_>;

    /// Throws away a file whose document did not get on record.
    fn discard(&self, attachment: AttachmentId);
}

/// What [`AttachmentFiles::store`] gives, once awaited.
pub type Storing<'a> = Pin<Box<dyn Future<Output = Result<(), MediaError>> + Send + 'a>>;
