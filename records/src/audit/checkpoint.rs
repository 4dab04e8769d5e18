//! Checkpoints: what is signed. The C2SP formats `tlog-checkpoint` inside `signed-note`, Ed25519. Pure.
//!
//! ```text
//! bedside.audit/<installation>
//! <leaves in the tree>
//! <root, base64>
//! index <hash over the index of all leaves, base64>
//! time <microseconds since 1970>
//!
//! — bedside.audit/<installation> <key id and signature, base64>
//! ```
//!
//! The two lines after the root are extension lines. `index` covers what stands beside each leaf's hash
//! ([`super::leaves`]), so that a row that is gone can be named for certain.

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::tree::{Hash, sha256};

/// Signature type Ed25519 of `signed-note`.
const ED25519_NOTE: u8 = 1;
const PREFIX: &str = "bedside.audit/";

/// What a checkpoint says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Leaves in the tree.
    pub size: u64,
    /// Its root.
    pub root: Hash,
    /// The chain over the index of all leaves.
    pub index: Hash,
    /// When it was signed, microseconds since 1970.
    pub time: i64,
}

/// The log's name for an installation; also the name of its key.
#[must_use]
pub fn origin(installation: uuid::Uuid) -> String {
    format!("{PREFIX}{installation}")
}

/// The public half of a log's key: enough to check checkpoints.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifyingKey {
    name: String,
    public: [u8; 32],
}

impl VerifyingKey {
    /// A key by its log's name.
    #[must_use]
    pub fn new(name: String, public: [u8; 32]) -> Self {
        Self { name, public }
    }

    /// Reads the form `<name>+<key id, hex>+<type and key, base64>` of [`VerifyingKey::to_vkey`].
    #[must_use]
    pub fn from_vkey(text: &str) -> Option<Self> {
        // Base64 has a plus of its own; the name and the id never have.
        let mut parts = text.trim().splitn(3, '+');
        let (name, id, key) = (parts.next()?, parts.next()?, parts.next()?);
        let key = STANDARD.decode(key).ok()?;
        let (&kind, public) = key.split_first()?;
        let found = Self { name: name.to_owned(), public: public.try_into().ok()? };
        (kind == ED25519_NOTE && hex::encode(found.id()) == id && !name.is_empty()).then_some(found)
    }

    /// `<name>+<key id, hex>+<type and key, base64>`, as `signed-note` writes verifier keys.
    #[must_use]
    pub fn to_vkey(&self) -> String {
        let mut key = vec![ED25519_NOTE];
        key.extend_from_slice(&self.public);
        format!("{}+{}+{}", self.name, hex::encode(self.id()), STANDARD.encode(key))
    }

    /// First four bytes of SHA-256(name, newline, type, public key).
    #[must_use]
    pub fn id(&self) -> [u8; 4] {
        let mut bytes = self.name.as_bytes().to_vec();
        bytes.extend_from_slice(&[b'\n', ED25519_NOTE]);
        bytes.extend_from_slice(&self.public);
        sha256(&bytes)[..4].try_into().expect("4 bytes")
    }

    /// Whether `signature` is this key's over `message`.
    #[must_use]
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, &self.public).verify(message, signature).is_ok()
    }
}

impl Checkpoint {
    /// The text that is signed, with its last newline.
    fn text(&self, origin: &str) -> String {
        format!(
            "{origin}\n{}\n{}\nindex {}\ntime {}\n",
            self.size,
            STANDARD.encode(self.root),
            STANDARD.encode(self.index),
            self.time
        )
    }

    /// The signed note.
    #[must_use]
    pub fn sign(&self, key: &VerifyingKey, pair: &Ed25519KeyPair) -> String {
        let text = self.text(&key.name);
        let mut signature = key.id().to_vec();
        signature.extend_from_slice(pair.sign(text.as_bytes()).as_ref());
        format!("{text}\n\u{2014} {} {}\n", key.name, STANDARD.encode(signature))
    }

    /// What a note says, without asking who signed it.
    ///
    /// # Errors
    /// [`NoteError::Malformed`].
    pub fn read(note: &str) -> Result<Self, NoteError> {
        parse(note).map(|(_, checkpoint, _)| checkpoint)
    }

    /// What a note says that `key` signed.
    ///
    /// # Errors
    /// See [`NoteError`].
    pub fn open(note: &str, key: &VerifyingKey) -> Result<Self, NoteError> {
        let (origin, checkpoint, signatures) = parse(note)?;
        if origin != key.name {
            return Err(NoteError::OtherLog(origin.to_owned()));
        }
        let text = checkpoint.text(origin);
        for line in signatures.lines() {
            let (name, blob) = line
                .strip_prefix("\u{2014} ")
                .and_then(|rest| rest.split_once(' '))
                .ok_or(NoteError::Malformed("signature"))?;
            let blob = STANDARD.decode(blob).map_err(|_| NoteError::Malformed("signature"))?;
            if name == key.name && blob.get(..4) == Some(&key.id()[..]) {
                return if key.verifies(text.as_bytes(), &blob[4..]) {
                    Ok(checkpoint)
                } else {
                    Err(NoteError::BadSignature)
                };
            }
        }
        Err(NoteError::OtherKey)
    }
}

/// Origin, content, signature lines. What was read must be exactly what would be written.
fn parse(note: &str) -> Result<(&str, Checkpoint, &str), NoteError> {
    let bad = NoteError::Malformed;
    let (text, signatures) = note.split_once("\n\n").ok_or(bad("no signature"))?;
    let mut lines = text.split('\n');
    let mut line = |what| lines.next().ok_or(bad(what));
    let origin = line("origin")?;
    let size = line("size")?.parse().map_err(|_| bad("size"))?;
    let root = hash(line("root")?).ok_or(bad("root"))?;
    let index = line("index")?.strip_prefix("index ").and_then(hash).ok_or(bad("index"))?;
    let time = line("time")?.strip_prefix("time ").and_then(|time| time.parse().ok()).ok_or(bad("time"))?;
    let checkpoint = Checkpoint { size, root, index, time };
    if format!("{text}\n") != checkpoint.text(origin) || signatures.is_empty() {
        return Err(bad("not as it is written"));
    }
    Ok((origin, checkpoint, signatures))
}

fn hash(text: &str) -> Option<Hash> {
    STANDARD.decode(text).ok()?.try_into().ok()
}

/// A note that does not count.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// Not a checkpoint.
    #[error("a checkpoint is damaged ({0})")]
    Malformed(&'static str),
    /// Of another log.
    #[error("a checkpoint is of another log ({0})")]
    OtherLog(String),
    /// Signed by another key only.
    #[error("a checkpoint was signed by another key")]
    OtherKey,
    /// The signature is not one over this text.
    #[error("a checkpoint's signature is wrong")]
    BadSignature,
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::signature::KeyPair as _;
    use proptest::prelude::*;

    use super::*;

    fn pair(seed: u8) -> (VerifyingKey, Ed25519KeyPair) {
        let pair = Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap();
        let public = pair.public_key().as_ref().try_into().unwrap();
        (VerifyingKey::new(origin(uuid::Uuid::nil()), public), pair)
    }

    fn checkpoint() -> Checkpoint {
        Checkpoint { size: 5, root: [1; 32], index: [2; 32], time: 1_795_500_000_000_000 }
    }

    #[test]
    fn a_note_opens_with_its_key_and_with_no_other() {
        let (key, secret) = pair(1);
        let note = checkpoint().sign(&key, &secret);
        assert_eq!(Checkpoint::open(&note, &key), Ok(checkpoint()));
        assert_eq!(Checkpoint::open(&note, &pair(2).0), Err(NoteError::OtherKey));
        let elsewhere = VerifyingKey::new(origin(uuid::Uuid::max()), key.public);
        assert!(matches!(Checkpoint::open(&note, &elsewhere), Err(NoteError::OtherLog(_))));
    }

    #[test]
    fn the_format_is_the_documented_one() {
        let (key, secret) = pair(1);
        let note = checkpoint().sign(&key, &secret);
        let lines: Vec<&str> = note.split('\n').collect();
        assert_eq!(lines.len(), 8);
        assert_eq!(lines[0], "bedside.audit/00000000-0000-0000-0000-000000000000");
        assert_eq!(lines[1], "5");
        assert_eq!(lines[2], "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=");
        assert_eq!(lines[3], "index AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI=");
        assert_eq!(lines[4], "time 1795500000000000");
        assert_eq!(lines[5], "");
        assert!(lines[6].starts_with("\u{2014} bedside.audit/00000000-0000-0000-0000-000000000000 "));
    }

    #[test]
    fn a_verifier_key_survives_its_text_form() {
        for seed in 0..=255 {
            let (key, _) = pair(seed);
            assert_eq!(VerifyingKey::from_vkey(&key.to_vkey()), Some(key));
        }
        assert_eq!(VerifyingKey::from_vkey("bedside.audit/x+00000000+AQ=="), None);
    }

    #[test]
    fn a_verifier_key_of_another_kind_id_or_without_a_name_is_none() {
        let (key, _) = pair(1);
        let text = key.to_vkey();
        let id = hex::encode(key.id());
        let mut bytes = vec![ED25519_NOTE];
        bytes.extend_from_slice(&key.public);
        let with = |name: &str, id: &str, bytes: &[u8]| format!("{name}+{id}+{}", STANDARD.encode(bytes));
        assert_eq!(with(&key.name, &id, &bytes), text);
        assert_eq!(VerifyingKey::from_vkey(&with(&key.name, "00000000", &bytes)), None, "another id");
        bytes[0] = ED25519_NOTE + 1;
        assert_eq!(VerifyingKey::from_vkey(&with(&key.name, &id, &bytes)), None, "another kind");
        let nameless = VerifyingKey::new(String::new(), key.public);
        assert_eq!(VerifyingKey::from_vkey(&nameless.to_vkey()), None, "no name");
    }

    proptest! {
        #[test]
        fn no_changed_byte_goes_unnoticed(at in any::<prop::sample::Index>(), flip in 1u8..128) {
            let (key, secret) = pair(1);
            let note = checkpoint().sign(&key, &secret);
            let mut bytes = note.clone().into_bytes();
            let at = at.index(bytes.len());
            bytes[at] ^= flip;
            if let Ok(bent) = String::from_utf8(bytes) {
                // Only the end of the signature's own line may differ in how it is written.
                prop_assert!(Checkpoint::open(&bent, &key).is_err() || at + 1 == note.len());
            }
        }
    }
}
