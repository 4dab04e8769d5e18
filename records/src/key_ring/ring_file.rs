//! The key ring's file: JSON, oldest key first, readable by the server's user alone. It is only ever replaced as a whole.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use aws_lc_rs::aead::{AES_256_GCM, RandomizedNonceKey};
use aws_lc_rs::rand;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use zeroize::{ZeroizeOnDrop, Zeroizing};

use crate::token::sha256;

/// Permission bits that nobody but the owner may have.
const OTHERS: u32 = 0o077;
const FORMAT: u32 = 1;

/// A key as it is used.
pub(super) struct WrappingKey {
    pub id: String,
    pub key: RandomizedNonceKey,
}

/// A key without its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RingKey {
    /// Names it.
    pub id: String,
    /// When it was made; `None` for the first one.
    pub added_at: Option<OffsetDateTime>,
}

/// Tells one state of the file from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp(u64, u64, i64, i64);

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
    /// RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    added_at: Option<String>,
}

impl KeyEntry {
    fn random(added_at: Option<String>) -> io::Result<Self> {
        let mut key = Zeroizing::new([0u8; 32]);
        rand::fill(&mut *key).map_err(|_| io::Error::other("the operating system gives no randomness"))?;
        Ok(Self { id: key_id(&*key), key: STANDARD.encode(*key), added_at })
    }
}

pub(super) fn stamp(path: &Path) -> Result<Stamp, KeyRingError> {
    fs::metadata(path).map(|metadata| stamp_of(&metadata)).map_err(io_error(path))
}

fn stamp_of(metadata: &fs::Metadata) -> Stamp {
    Stamp(metadata.ino(), metadata.len(), metadata.mtime(), metadata.mtime_nsec())
}

pub(super) fn read(path: &Path) -> Result<(Stamp, Vec<WrappingKey>), KeyRingError> {
    let (stamp, ring) = parse(path)?;
    let mut keys = Vec::with_capacity(ring.keys.len());
    for entry in &ring.keys {
        let bytes = STANDARD.decode(entry.key.as_bytes()).map_err(|_| damaged(path, "a key is not base64"))?;
        let bytes = Zeroizing::new(bytes);
        if bytes.len() != 32 || key_id(&bytes) != entry.id {
            return Err(damaged(path, &format!("key {} is not the one that was written", entry.id)));
        }
        let key = RandomizedNonceKey::new(&AES_256_GCM, &bytes).map_err(|_| damaged(path, "a key can't be used"))?;
        keys.push(WrappingKey { id: entry.id.clone(), key });
    }
    if keys.is_empty() {
        return Err(damaged(path, "it has no key"));
    }
    Ok((stamp, keys))
}

pub(super) fn list(path: &Path) -> Result<Vec<RingKey>, KeyRingError> {
    let (_, ring) = parse(path)?;
    let made = |entry: &KeyEntry| entry.added_at.as_ref().and_then(|at| OffsetDateTime::parse(at, &Rfc3339).ok());
    Ok(ring.keys.iter().map(|entry| RingKey { id: entry.id.clone(), added_at: made(entry) }).collect())
}

fn parse(path: &Path) -> Result<(Stamp, RingFile), KeyRingError> {
    let file = File::open(path).map_err(io_error(path))?;
    let metadata = file.metadata().map_err(io_error(path))?;
    let mode = metadata.mode() & 0o7777;
    if mode & OTHERS != 0 {
        return Err(KeyRingError::TooOpen { path: path.display().to_string(), mode });
    }
    let text = Zeroizing::new(io::read_to_string(file).map_err(io_error(path))?);
    let ring: RingFile = serde_json::from_str(&text).map_err(|_| damaged(path, "not the JSON that it should be"))?;
    if ring.format != FORMAT {
        return Err(damaged(path, &format!("format {} is not {FORMAT}", ring.format)));
    }
    Ok((stamp_of(&metadata), ring))
}

/// Makes a ring with one random key, unless one appears meanwhile.
pub(super) fn create(path: &Path) -> Result<(), KeyRingError> {
    let _alone = lock(path)?;
    let ring = RingFile { format: FORMAT, keys: vec![KeyEntry::random(None).map_err(io_error(path))?] };
    let fresh = write_beside(path, &ring)?;
    // A ring that appeared meanwhile is not overwritten: data may be sealed with it already.
    fs::hard_link(&fresh, path)
        .or_else(|error| if error.kind() == io::ErrorKind::AlreadyExists { Ok(()) } else { Err(error) })
        .and_then(|()| fs::remove_file(&fresh))
        .and_then(|()| sync_folder(path))
        .map_err(io_error(path))
}

pub(super) fn add(path: &Path, now: OffsetDateTime) -> Result<String, KeyRingError> {
    let _alone = lock(path)?;
    // The keys that are there are checked first: a damaged ring is not written again.
    read(path)?;
    let (_, mut ring) = parse(path)?;
    let added_at = now.replace_nanosecond(0).unwrap_or(now).format(&Rfc3339).ok();
    let entry = KeyEntry::random(added_at).map_err(io_error(path))?;
    let id = entry.id.clone();
    ring.keys.push(entry);
    replace(path, &ring)?;
    Ok(id)
}

pub(super) fn remove(path: &Path, id: &str) -> Result<(), KeyRingError> {
    let _alone = lock(path)?;
    read(path)?;
    let (_, mut ring) = parse(path)?;
    let shown = || path.display().to_string();
    match ring.keys.iter().position(|entry| entry.id == id) {
        None => return Err(KeyRingError::NoSuchKey { path: shown(), id: id.to_owned() }),
        Some(at) if at + 1 == ring.keys.len() => {
            return Err(KeyRingError::Newest { path: shown(), id: id.to_owned() });
        }
        Some(at) => drop(ring.keys.remove(at)),
    }
    replace(path, &ring)
}

fn replace(path: &Path, ring: &RingFile) -> Result<(), KeyRingError> {
    let fresh = write_beside(path, ring)?;
    fs::rename(&fresh, path).and_then(|()| sync_folder(path)).map_err(io_error(path))
}

/// Whoever makes, adds or removes is alone; readers see one whole file or the other.
fn lock(path: &Path) -> Result<File, KeyRingError> {
    let lock = path.with_extension("lock");
    let file =
        OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&lock).map_err(io_error(&lock))?;
    flock(&file, FlockOperation::LockExclusive).map_err(|error| io_error(&lock)(error.into()))?;
    Ok(file)
}

fn write_beside(path: &Path, ring: &RingFile) -> Result<std::path::PathBuf, KeyRingError> {
    let text = Zeroizing::new(serde_json::to_string_pretty(ring).map_err(|error| io_error(path)(error.into()))?);
    let fresh = path.with_extension("new");
    let write = || -> io::Result<()> {
        match fs::remove_file(&fresh) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&fresh)?;
        file.write_all(text.as_bytes())?;
        file.write_all(b"\n")?;
        file.sync_all()
    };
    write().map_err(io_error(path))?;
    Ok(fresh)
}

fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}

fn key_id(key: &[u8]) -> String {
    hex::encode(&sha256(key)[..8])
}

fn io_error(path: &Path) -> impl Fn(io::Error) -> KeyRingError + '_ {
    move |source| KeyRingError::Io { path: path.display().to_string(), source }
}

fn damaged(path: &Path, what: &str) -> KeyRingError {
    KeyRingError::Damaged { path: path.display().to_string(), what: what.to_owned() }
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
    /// No such key.
    #[error("the key ring {path} has no key {id}; `bedside keys status` lists those it has")]
    NoSuchKey {
        /// The file.
        path: String,
        /// What was asked for.
        id: String,
    },
    /// The newest key stays.
    #[error("{id} is the newest key of the ring {path} and wraps what is new; run `bedside keys add` first")]
    Newest {
        /// The file.
        path: String,
        /// What was asked for.
        id: String,
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

    use time::macros::datetime;

    use super::super::KeyRing;
    use super::*;

    const NOW: OffsetDateTime = datetime!(2026-11-24 15:00 UTC);

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
            assert!(KeyRing::add(&path, NOW).is_err());
        }
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
        assert!(matches!(KeyRing::add(&path, NOW), Err(KeyRingError::Damaged { .. })));
        assert_eq!(fs::read(&path).unwrap(), bytes);
    }

    #[test]
    fn keys_that_are_added_at_once_are_all_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.json");
        KeyRing::open_or_create(&path).unwrap();
        let added: Vec<String> = std::thread::scope(|scope| {
            let adding: Vec<_> = (0..8).map(|_| scope.spawn(|| KeyRing::add(&path, NOW).unwrap())).collect();
            adding.into_iter().map(|one| one.join().unwrap()).collect()
        });
        let listed = KeyRing::list(&path).unwrap();
        assert_eq!(listed.len(), 9);
        assert_eq!(listed[0].added_at, None);
        for id in added {
            assert!(listed.iter().any(|key| key.id == id && key.added_at == Some(NOW)));
        }
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert!(!path.with_extension("new").exists());
    }
}
