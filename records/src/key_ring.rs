//! The key-encryption keys: a local file that only the server's user may read.
//!
//! [`KeyRing::wrap`] and [`KeyRing::unwrap`] are the one door through which data keys pass, so a cloud key service can
//! stand behind it as well.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::rand;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use zeroize::{ZeroizeOnDrop, Zeroizing};

use crate::Error;
use crate::token::sha256;

/// Permission bits that nobody but the owner may have.
const OTHERS: u32 = 0o077;

/// Key-encryption keys by id; the newest wraps, all unwrap. Cheap to clone.
#[derive(Clone)]
pub struct KeyRing(Arc<Vec<WrappingKey>>);

struct WrappingKey {
    id: String,
    key: RandomizedNonceKey,
}

/// The file: JSON, oldest key first.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RingFile {
    format: u32,
    keys: Vec<KeyEntry>,
}

#[derive(Serialize, Deserialize, ZeroizeOnDrop)]
#[serde(deny_unknown_fields)]
struct KeyEntry {
    /// First 8 bytes of the key's SHA-256, hex: names the key and tells a damaged one.
    id: String,
    /// 32 bytes, base64.
    key: String,
}

const FORMAT: u32 = 1;

impl KeyRing {
    /// Reads the key ring at `path`, or makes one with a random key if there is no file (mode 0600, fsynced).
    ///
    /// # Errors
    /// See [`KeyRingError`].
    pub fn open_or_create(path: &Path) -> Result<Self, KeyRingError> {
        match Self::open(path) {
            Err(KeyRingError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                create(path).map_err(|source| KeyRingError::Io { path: path.display().to_string(), source })?;
                Self::open(path)
            }
            opened => opened,
        }
    }

    /// Reads the key ring at `path`.
    ///
    /// # Errors
    /// See [`KeyRingError`]; also if there is no file.
    pub fn open(path: &Path) -> Result<Self, KeyRingError> {
        let shown = || path.display().to_string();
        let io = |source| KeyRingError::Io { path: shown(), source };
        let damaged = |what: &str| KeyRingError::Damaged { path: shown(), what: what.to_owned() };

        let file = File::open(path).map_err(io)?;
        let mode = file.metadata().map_err(io)?.mode() & 0o7777;
        if mode & OTHERS != 0 {
            return Err(KeyRingError::TooOpen { path: shown(), mode });
        }
        let text = Zeroizing::new(io::read_to_string(file).map_err(io)?);
        let ring: RingFile = serde_json::from_str(&text).map_err(|_| damaged("not the JSON that it should be"))?;
        if ring.format != FORMAT {
            return Err(damaged(&format!("format {} is not {FORMAT}", ring.format)));
        }
        let mut keys = Vec::with_capacity(ring.keys.len());
        for entry in &ring.keys {
            let bytes =
                Zeroizing::new(STANDARD.decode(entry.key.as_bytes()).map_err(|_| damaged("a key is not base64"))?);
            if bytes.len() != 32 || key_id(&bytes) != entry.id {
                return Err(damaged(&format!("key {} is not the one that was written", entry.id)));
            }
            let key = RandomizedNonceKey::new(&AES_256_GCM, &bytes).map_err(|_| damaged("a key can't be used"))?;
            keys.push(WrappingKey { id: entry.id.clone(), key });
        }
        if keys.is_empty() {
            return Err(damaged("it has no key"));
        }
        Ok(Self(Arc::new(keys)))
    }

    /// Whether a data key that was wrapped by this one can be unwrapped.
    pub(crate) fn has(&self, wrapping_key: &str) -> bool {
        self.0.iter().any(|key| key.id == wrapping_key)
    }

    /// Encrypts a data key with the newest key-encryption key; gives that key's id, too. `bound` must be said again to
    /// unwrap.
    pub(crate) fn wrap(&self, data_key: &[u8; 32], bound: &str) -> Result<(String, Vec<u8>), Error> {
        let newest = self.0.last().expect("a ring without keys does not open");
        let mut sealed = data_key.to_vec();
        let nonce = newest
            .key
            .seal_in_place_append_tag(Aad::from(bound), &mut sealed)
            .map_err(|_| Error::Sealed("data key"))?;
        sealed.splice(0..0, nonce.as_ref().iter().copied());
        Ok((newest.id.clone(), sealed))
    }

    /// Decrypts a data key.
    pub(crate) fn unwrap(&self, wrapping_key: &str, wrapped: &[u8], bound: &str) -> Result<Zeroizing<[u8; 32]>, Error> {
        const BAD: Error = Error::Sealed("data key");
        let key = &self
            .0
            .iter()
            .find(|key| key.id == wrapping_key)
            .ok_or(Error::Sealed("data key: its wrapping key is not in the key ring"))?
            .key;
        let (nonce, sealed) = wrapped.split_at_checked(NONCE_LEN).ok_or(BAD)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| BAD)?;
        let mut sealed = Zeroizing::new(sealed.to_vec());
        let plain = key.open_in_place(nonce, Aad::from(bound), &mut sealed).map_err(|_| BAD)?;
        Ok(Zeroizing::new(<[u8; 32]>::try_from(&*plain).map_err(|_| BAD)?))
    }
}

fn key_id(key: &[u8]) -> String {
    hex::encode(&sha256(key)[..8])
}

/// Writes a ring with one random key beside `path` and renames it there, so that a crash leaves no half of one.
fn create(path: &Path) -> io::Result<()> {
    let mut key = Zeroizing::new([0u8; 32]);
    rand::fill(&mut *key).map_err(|_| io::Error::other("the operating system gives no randomness"))?;
    let ring = RingFile { format: FORMAT, keys: vec![KeyEntry { id: key_id(&*key), key: STANDARD.encode(*key) }] };
    let text = Zeroizing::new(serde_json::to_string_pretty(&ring).map_err(io::Error::other)?);

    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let fresh = path.with_extension("new");
    let _ = fs::remove_file(&fresh);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&fresh)?;
    file.write_all(text.as_bytes())?;
    file.write_all(b"\n")?;
    file.sync_all()?;
    // A ring that appeared meanwhile is not overwritten: data may be sealed with it already.
    fs::hard_link(&fresh, path)
        .or_else(|error| if error.kind() == io::ErrorKind::AlreadyExists { Ok(()) } else { Err(error) })?;
    fs::remove_file(&fresh)?;
    File::open(folder)?.sync_all()
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
    #[error(
        "the key ring {path} is damaged ({what}); restore it from your backup: without it the records can't be read"
    )]
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
        source: io::Error,
    },
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_ring_that_others_may_read_is_refused_with_the_command_that_mends_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.json");
        KeyRing::open_or_create(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        for mode in [0o640, 0o604, 0o660, 0o644] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let refusal = KeyRing::open_or_create(&path).err().expect("must be refused").to_string();
            assert!(refusal.contains("chmod 600"), "{refusal}");
            assert!(!refusal.contains('\n'), "{refusal}");
        }
    }

    #[test]
    fn a_data_key_opens_again_after_a_restart_and_only_where_it_was_bound() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.json");
        let (id, wrapped) = KeyRing::open_or_create(&path).unwrap().wrap(&[7; 32], "patient|a").unwrap();
        let again = KeyRing::open_or_create(&path).unwrap();
        assert_eq!(*again.unwrap(&id, &wrapped, "patient|a").unwrap(), [7; 32]);
        assert!(again.unwrap(&id, &wrapped, "patient|b").is_err());
        let other = KeyRing::open_or_create(&folder.path().join("other.json")).unwrap();
        assert!(other.unwrap(&id, &wrapped, "patient|a").is_err());
    }

    #[test]
    fn a_damaged_ring_is_never_replaced_by_a_new_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.json");
        KeyRing::open_or_create(&path).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        let at = text.find("\"key\": \"").unwrap() + 8;
        let mut bytes = text.into_bytes();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        fs::write(&path, &bytes).unwrap();
        assert!(matches!(KeyRing::open_or_create(&path), Err(KeyRingError::Damaged { .. })));
        assert_eq!(fs::read(&path).unwrap(), bytes);
    }
}
