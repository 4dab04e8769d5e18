//! Keys of one recording, and the one place that seals and opens.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, Salt};
use zeroize::Zeroizing;

/// Length of an authentication tag, bytes.
pub(crate) const TAG_LEN: usize = 16;
/// Length of a file's salt, bytes.
pub(crate) const SALT_LEN: usize = 32;

/// The 256-bit data key of one recording, made and wrapped by `records`. Overwritten when dropped, never shown.
#[derive(Clone)]
pub struct ObjectKey(Zeroizing<[u8; 32]>);

impl ObjectKey {
    /// Takes over the key.
    #[must_use]
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The key of one file: every file has a random salt, so that the same counter nonces never meet the same key,
    /// and a chunk of one file never opens in another.
    pub(crate) fn for_file(&self, salt: &[u8; SALT_LEN], purpose: &[u8], identity: &[u8]) -> FileKey {
        let secret = Salt::new(HKDF_SHA256, salt).extract(self.0.as_ref());
        let info = [purpose, identity];
        let okm = secret.expand(&info, &AES_256_GCM).expect("32 bytes are fewer than HKDF can give");
        FileKey(LessSafeKey::new(UnboundKey::from(okm)))
    }
}

impl From<Zeroizing<[u8; 32]>> for ObjectKey {
    fn from(bytes: Zeroizing<[u8; 32]>) -> Self {
        Self(bytes)
    }
}

impl std::fmt::Debug for ObjectKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ObjectKey")
    }
}

/// AES-256-GCM for one file, numbered chunks.
pub(crate) struct FileKey(LessSafeKey);

impl FileKey {
    /// Seals `chunk` in place and appends the tag. `index` must not have been sealed before with this key.
    pub(crate) fn seal(&self, index: u64, bound: &[u8], chunk: &mut Vec<u8>) {
        self.0
            .seal_in_place_append_tag(nonce(index), Aad::from(bound), chunk)
            .expect("chunks are far below the limit of AES-GCM");
    }

    /// Opens what [`FileKey::seal`] made; `None` if anything differs.
    pub(crate) fn open<'c>(&self, index: u64, bound: &[u8], chunk: &'c mut [u8]) -> Option<&'c mut [u8]> {
        self.0.open_in_place(nonce(index), Aad::from(bound), chunk).ok()
    }
}

fn nonce(index: u64) -> Nonce {
    let mut bytes = [0; NONCE_LEN];
    bytes[NONCE_LEN - 8..].copy_from_slice(&index.to_be_bytes());
    Nonce::assume_unique_for_key(bytes)
}

/// Fresh random bytes for a salt.
pub(crate) fn random_salt() -> [u8; SALT_LEN] {
    let mut salt = [0; SALT_LEN];
    aws_lc_rs::rand::fill(&mut salt).expect("the system's random source answers");
    salt
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunk_opens_only_at_its_index_in_its_file() {
        let key = ObjectKey::new([7; 32]);
        let file = key.for_file(&[1; 32], b"test", b"one");
        let mut chunk = b"plain".to_vec();
        file.seal(3, b"bound", &mut chunk);
        assert_eq!(file.open(3, b"bound", &mut chunk.clone()).unwrap(), b"plain");
        assert!(file.open(4, b"bound", &mut chunk.clone()).is_none());
        assert!(file.open(3, b"other", &mut chunk.clone()).is_none());
        for other in [
            key.for_file(&[2; 32], b"test", b"one"),
            key.for_file(&[1; 32], b"other", b"one"),
            key.for_file(&[1; 32], b"test", b"two"),
            ObjectKey::new([8; 32]).for_file(&[1; 32], b"test", b"one"),
        ] {
            assert!(other.open(3, b"bound", &mut chunk.clone()).is_none());
        }
    }
}
