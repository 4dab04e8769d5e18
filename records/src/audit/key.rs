//! The log's signing key: a file in the data folder that only the server's user may read. It is never in PostgreSQL.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::sync::Arc;

use aws_lc_rs::rand;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use uuid::Uuid;
use zeroize::{ZeroizeOnDrop, Zeroizing};

use super::checkpoint::{Checkpoint, VerifyingKey, origin};

/// Permission bits that nobody but the owner may have.
const OTHERS: u32 = 0o077;
const FORMAT: u32 = 1;

/// Signs checkpoints. Cheap to clone.
#[derive(Clone)]
pub struct SigningKey(Arc<Inner>);

struct Inner {
    pair: Ed25519KeyPair,
    public: VerifyingKey,
}

#[derive(Serialize, Deserialize, ZeroizeOnDrop)]
#[serde(deny_unknown_fields)]
struct KeyFile {
    format: u32,
    /// Names the log; with the seed, never changed.
    #[zeroize(skip)]
    installation: Uuid,
    /// 32 bytes, base64.
    ed25519_seed: String,
}

impl SigningKey {
    /// Reads the key at `path`, or makes one if there is no file (mode 0600, fsynced).
    ///
    /// # Errors
    /// See [`AuditKeyError`].
    pub fn open_or_create(path: &Path) -> Result<Self, AuditKeyError> {
        let io = |source| AuditKeyError::Io { path: path.display().to_string(), source };
        match Self::open(path) {
            Err(AuditKeyError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                create(path).map_err(io)?;
                Self::open(path)
            }
            opened => opened,
        }
    }

    /// Reads the key at `path`.
    ///
    /// # Errors
    /// See [`AuditKeyError`]; also if there is no file.
    pub fn open(path: &Path) -> Result<Self, AuditKeyError> {
        let shown = || path.display().to_string();
        let io = |source| AuditKeyError::Io { path: shown(), source };
        let damaged = || AuditKeyError::Damaged { path: shown() };
        let file = File::open(path).map_err(io)?;
        let mode = file.metadata().map_err(io)?.mode() & 0o7777;
        if mode & OTHERS != 0 {
            return Err(AuditKeyError::TooOpen { path: shown(), mode });
        }
        let text = Zeroizing::new(io::read_to_string(file).map_err(io)?);
        let file: KeyFile = serde_json::from_str(&text).map_err(|_| damaged())?;
        if file.format != FORMAT {
            return Err(damaged());
        }
        let seed = Zeroizing::new(STANDARD.decode(file.ed25519_seed.as_bytes()).map_err(|_| damaged())?);
        let pair = Ed25519KeyPair::from_seed_unchecked(&seed).map_err(|_| damaged())?;
        let public = pair.public_key().as_ref().try_into().map_err(|_| damaged())?;
        let public = VerifyingKey::new(origin(file.installation), public);
        Ok(Self(Arc::new(Inner { pair, public })))
    }

    /// What checks what this key signs.
    #[must_use]
    pub fn public(&self) -> &VerifyingKey {
        &self.0.public
    }

    pub(crate) fn sign(&self, checkpoint: &Checkpoint) -> String {
        checkpoint.sign(&self.0.public, &self.0.pair)
    }

    pub(crate) fn sign_bytes(&self, message: &[u8]) -> Vec<u8> {
        self.0.pair.sign(message).as_ref().to_vec()
    }
}

/// Writes a new key beside `path` and links it there: a key that appeared meanwhile is never overwritten.
fn create(path: &Path) -> io::Result<()> {
    let mut seed = Zeroizing::new([0u8; 32]);
    rand::fill(&mut *seed).map_err(|_| io::Error::other("the operating system gives no randomness"))?;
    let file = KeyFile { format: FORMAT, installation: Uuid::new_v4(), ed25519_seed: STANDARD.encode(*seed) };
    let text = Zeroizing::new(serde_json::to_string_pretty(&file).map_err(io::Error::other)?);
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let fresh = path.with_extension(format!("new-{}", std::process::id()));
    let _ = fs::remove_file(&fresh);
    let mut out = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&fresh)?;
    out.write_all(text.as_bytes())?;
    out.write_all(b"\n")?;
    out.sync_all()?;
    fs::hard_link(&fresh, path)
        .or_else(|error| if error.kind() == io::ErrorKind::AlreadyExists { Ok(()) } else { Err(error) })?;
    fs::remove_file(&fresh)?;
    File::open(folder)?.sync_all()
}

/// The signing key can't be used.
#[derive(Debug, thiserror::Error)]
pub enum AuditKeyError {
    /// Others may read it.
    #[error("the audit key {path} may be read by others (mode {mode:04o}); run: chmod 600 {path}")]
    TooOpen {
        /// The file.
        path: String,
        /// Its permission bits.
        mode: u32,
    },
    /// Not what was written.
    #[error(
        "the audit key {path} is damaged; restore it from your backup, so that the log goes on under the same name"
    )]
    Damaged {
        /// The file.
        path: String,
    },
    /// The file system refused.
    #[error("the audit key {path}: {source}")]
    Io {
        /// The file.
        path: String,
        /// Why.
        source: io::Error,
    },
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn the_key_is_made_once_and_refused_when_others_may_read_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.key");
        let made = SigningKey::open_or_create(&path).unwrap();
        assert_eq!(SigningKey::open_or_create(&path).unwrap().public(), made.public());
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(SigningKey::open_or_create(&path), Err(AuditKeyError::TooOpen { mode: 0o640, .. })));
    }

    #[test]
    fn a_key_that_appeared_meanwhile_is_the_one_that_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.key");
        create(&path).unwrap();
        let first = fs::read_to_string(&path).unwrap();
        create(&path).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), first);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside it");
        assert!(create(&folder.path().join("nowhere/audit.key")).is_err());
    }

    #[test]
    fn a_damaged_key_is_never_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.key");
        SigningKey::open_or_create(&path).unwrap();
        fs::write(&path, "{}").unwrap();
        assert!(matches!(SigningKey::open_or_create(&path), Err(AuditKeyError::Damaged { .. })));
        assert_eq!(fs::read_to_string(&path).unwrap(), "{}");
    }
}
