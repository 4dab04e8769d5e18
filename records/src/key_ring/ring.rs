//! The local key ring in memory. The file is looked at again before anything is wrapped, and when a key is asked for that
//! is not known: a running server uses a key that `bedside keys add` has made from then on.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use aws_lc_rs::aead::{Aad, NONCE_LEN, Nonce};

use super::ring_file::{self, Stamp, WrappingKey};
use super::{Bound, DataKey, KeyRingError, KeyService, KeyServiceError, RingKey, Wrapped};

/// Key-encryption keys by id; the newest wraps, all unwrap. Cheap to clone.
#[derive(Clone)]
pub struct KeyRing(Arc<Ring>);

struct Ring {
    path: PathBuf,
    read: RwLock<(Stamp, Arc<Vec<WrappingKey>>)>,
}

impl KeyRing {
    /// Reads the key ring at `path`, or makes one with a random key if there is no file (mode 0600, fsynced).
    ///
    /// # Errors
    /// See [`KeyRingError`].
    pub fn open_or_create(path: &Path) -> Result<Self, KeyRingError> {
        match Self::open(path) {
            Err(KeyRingError::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
                ring_file::create(path)?;
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
        let (stamp, keys) = ring_file::read(path)?;
        Ok(Self(Arc::new(Ring { path: path.to_owned(), read: RwLock::new((stamp, Arc::new(keys))) })))
    }

    /// Makes a new random key, which wraps from now on, and gives its id. The file is replaced as a whole, fsynced.
    ///
    /// # Errors
    /// See [`KeyRingError`]; the file is then as it was.
    pub fn add(path: &Path, now: time::OffsetDateTime) -> Result<String, KeyRingError> {
        ring_file::add(path, now)
    }

    /// Takes a key out. What it has wrapped, here or in a backup, can't be read any more: the caller has made sure that
    /// nothing here is.
    ///
    /// # Errors
    /// See [`KeyRingError`]; the newest key is never taken out.
    pub fn remove(path: &Path, id: &str) -> Result<(), KeyRingError> {
        ring_file::remove(path, id)
    }

    /// The keys in the file, oldest first, without their secrets.
    ///
    /// # Errors
    /// See [`KeyRingError`].
    pub fn list(path: &Path) -> Result<Vec<RingKey>, KeyRingError> {
        ring_file::list(path)
    }

    fn known(&self) -> Arc<Vec<WrappingKey>> {
        self.0.read.read().unwrap_or_else(PoisonError::into_inner).1.clone()
    }

    /// The keys as the file has them now. What wraps must stand in the file: a key that only this process remembers
    /// would be lost with it.
    fn current(&self) -> Result<Arc<Vec<WrappingKey>>, KeyRingError> {
        let stamp = ring_file::stamp(&self.0.path)?;
        {
            let read = self.0.read.read().unwrap_or_else(PoisonError::into_inner);
            if read.0 == stamp {
                return Ok(read.1.clone());
            }
        }
        let (stamp, keys) = ring_file::read(&self.0.path)?;
        let keys = Arc::new(keys);
        *self.0.read.write().unwrap_or_else(PoisonError::into_inner) = (stamp, keys.clone());
        Ok(keys)
    }
}

impl From<KeyRingError> for KeyServiceError {
    fn from(error: KeyRingError) -> Self {
        Self::Refused(error.to_string())
    }
}

#[async_trait::async_trait]
impl KeyService for KeyRing {
    fn made(&self, wrapping_key: &str) -> bool {
        let among = |keys: &[WrappingKey]| keys.iter().any(|key| key.id == wrapping_key);
        among(&self.known()) || self.current().is_ok_and(|keys| among(&keys))
    }

    fn remote(&self) -> bool {
        false
    }

    async fn newest(&self) -> Result<String, KeyServiceError> {
        let keys = self.current()?;
        Ok(keys.last().expect("a ring without keys does not open").id.clone())
    }

    async fn wrap(&self, key: &DataKey, bound: Bound<'_>) -> Result<Wrapped, KeyServiceError> {
        let keys = self.current()?;
        let newest = keys.last().expect("a ring without keys does not open");
        let mut sealed = key.to_vec();
        let nonce = newest
            .key
            .seal_in_place_append_tag(Aad::from(bound.text()), &mut sealed)
            .map_err(|_| KeyServiceError::Damaged)?;
        sealed.splice(0..0, nonce.as_ref().iter().copied());
        Ok(Wrapped { wrapping_key: newest.id.clone(), bytes: sealed })
    }

    async fn unwrap(&self, wrapped: &Wrapped, bound: Bound<'_>) -> Result<DataKey, KeyServiceError> {
        const BAD: KeyServiceError = KeyServiceError::Damaged;
        let named = |keys: &Arc<Vec<WrappingKey>>| keys.iter().position(|key| key.id == wrapped.wrapping_key);
        let mut keys = self.known();
        let at = match named(&keys) {
            Some(at) => at,
            None => {
                keys = self.current()?;
                named(&keys).ok_or_else(|| KeyServiceError::Unknown(wrapped.wrapping_key.clone()))?
            }
        };
        let (nonce, sealed) = wrapped.bytes.split_at_checked(NONCE_LEN).ok_or(BAD)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| BAD)?;
        let mut sealed = zeroize::Zeroizing::new(sealed.to_vec());
        let plain = keys[at].key.open_in_place(nonce, Aad::from(bound.text()), &mut sealed).map_err(|_| BAD)?;
        Ok(DataKey::new(<[u8; 32]>::try_from(&*plain).map_err(|_| BAD)?))
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;
    use uuid::Uuid;

    use super::*;

    const NOW: time::OffsetDateTime = datetime!(2026-11-24 15:00 UTC);
    const BOUND: Bound<'_> = Bound { purpose: "patient", owner: Uuid::nil(), version: 1 };

    #[tokio::test]
    async fn a_data_key_opens_again_after_a_restart_and_only_where_it_was_bound() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.json");
        let wrapped = KeyRing::open_or_create(&path).unwrap().wrap(&DataKey::new([7; 32]), BOUND).await.unwrap();
        let again = KeyRing::open_or_create(&path).unwrap();
        assert_eq!(*again.unwrap(&wrapped, BOUND).await.unwrap(), [7; 32]);
        for other in
            [Bound { purpose: "clinic", ..BOUND }, Bound { owner: Uuid::max(), ..BOUND }, Bound { version: 2, ..BOUND }]
        {
            assert_eq!(again.unwrap(&wrapped, other).await, Err(KeyServiceError::Damaged));
        }
        let other = KeyRing::open_or_create(&folder.path().join("other.json")).unwrap();
        assert!(matches!(other.unwrap(&wrapped, BOUND).await, Err(KeyServiceError::Unknown(_))));
        let fresh = again.generate(BOUND).await.unwrap();
        assert_ne!(*fresh.0, *again.generate(BOUND).await.unwrap().0);
        assert_eq!(*again.unwrap(&fresh.1, BOUND).await.unwrap(), *fresh.0);
    }

    #[tokio::test]
    async fn a_key_that_is_added_while_the_server_runs_wraps_at_once_and_the_old_one_still_opens() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.json");
        let running = KeyRing::open_or_create(&path).unwrap();
        let key = DataKey::new([7; 32]);
        let old = running.wrap(&key, BOUND).await.unwrap();
        let id = KeyRing::add(&path, NOW).unwrap();
        assert!(running.made(&id), "known at once");
        assert_eq!(running.newest().await.unwrap(), id);
        let new = running.rewrap(&old, BOUND).await.unwrap();
        assert_eq!(new.wrapping_key, id);
        assert_eq!(*running.unwrap(&old, BOUND).await.unwrap(), *key);
        assert_eq!(*running.unwrap(&new, BOUND).await.unwrap(), *key);

        // Another process wraps with a key that this one has not seen yet.
        let later = KeyRing::add(&path, NOW).unwrap();
        let foreign = KeyRing::open(&path).unwrap().wrap(&key, BOUND).await.unwrap();
        assert_eq!(foreign.wrapping_key, later);
        assert_eq!(*running.unwrap(&foreign, BOUND).await.unwrap(), *key);

        assert!(matches!(KeyRing::remove(&path, &later), Err(KeyRingError::Newest { .. })));
        assert!(matches!(KeyRing::remove(&path, "none"), Err(KeyRingError::NoSuchKey { .. })));
        KeyRing::remove(&path, &old.wrapping_key).unwrap();
        let again = KeyRing::open(&path).unwrap();
        assert!(matches!(again.unwrap(&old, BOUND).await, Err(KeyServiceError::Unknown(_))));
        assert!(again.unwrap(&new, BOUND).await.is_ok());
    }

    #[tokio::test]
    async fn nothing_is_wrapped_with_a_key_that_is_in_no_file_any_more() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.json");
        let running = KeyRing::open_or_create(&path).unwrap();
        let key = DataKey::new([7; 32]);
        let wrapped = running.wrap(&key, BOUND).await.unwrap();
        std::fs::remove_file(&path).unwrap();
        assert!(matches!(running.wrap(&key, BOUND).await, Err(KeyServiceError::Refused(_))));
        assert!(running.unwrap(&wrapped, BOUND).await.is_ok(), "reading goes on");
    }
}
