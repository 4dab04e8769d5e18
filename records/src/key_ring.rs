//! The key-encryption keys: a local file that only the server's user may read. The door to a cloud key service is here too.

use std::path::Path;
use std::sync::Arc;

/// Key-encryption keys by id; the newest wraps, all unwrap. Cheap to clone.
#[derive(Clone)]
pub struct KeyRing(#[expect(dead_code, reason = "filled in with the data keys")] Arc<()>);

impl KeyRing {
    /// Reads the key ring at `path`, or makes one with a random key if there is no file (mode 0600, fsynced).
    ///
    /// # Errors
    /// See [`KeyRingError`].
    pub fn open_or_create(_path: &Path) -> Result<Self, KeyRingError> {
        Ok(Self(Arc::new(())))
    }
}

/// The key ring can't be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyRingError {
    /// Others may read it.
    #[error("the key ring {path} may be read by others (mode {mode:04o}); run: chmod 600 {path}")]
    TooOpen {
        /// The file.
        path: String,
        /// Its permission bits.
        mode: u32,
    },
    /// Not what was written.
    #[error("the key ring {path} is damaged ({what}); restore it from your backup: without it the records can't be read")]
    Damaged {
        /// The file.
        path: String,
        /// What is wrong.
        what: String,
    },
    /// The file system refused.
    #[error("the key ring {path}: {source}")]
    Io {
        /// The file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
}
