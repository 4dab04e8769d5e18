//! Patients' documents as files: sealed as recordings are, one file each, in a folder of their own.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use api::{AttachmentFiles, FileKey, MediaError, SeekableMedia};
use recorder::{ObjectKey, SealWriter, SealedObject};
use records::Records;
use time::OffsetDateTime;
use visit::AttachmentId;

use super::playback::Sealed;

/// What a sealed document's name ends with.
const ENDING: &str = "sealed";

/// Keeps documents in `objects/attachments`.
pub struct Documents {
    folder: Arc<Path>,
}

impl Documents {
    /// Documents that lie in this folder, which is made if it is not there.
    ///
    /// # Errors
    /// The folder can't be made.
    pub fn in_folder(folder: &Path) -> io::Result<Self> {
        use std::os::unix::fs::DirBuilderExt as _;
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        Ok(Self { folder: folder.into() })
    }

    /// Throws away files that no record knows: their upload was cut off, and their keys are nowhere. To be called before the
    /// first upload.
    ///
    /// # Errors
    /// The folder or the record can't be read; nothing was thrown away.
    pub async fn sweep(&self, records: &Records, at: OffsetDateTime) -> anyhow::Result<()> {
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let path = entry?.path();
            // `<id>.sealed`, or `<id>.sealed.partial` of a write that was cut off.
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let (stem, ending) = name.split_once('.').unwrap_or_default();
            if let Ok(id) = stem.parse::<AttachmentId>() {
                found.push((id, ending == ENDING, path));
            }
        }
        let whole: Vec<AttachmentId> = found.iter().filter(|(_, whole, _)| *whole).map(|(id, ..)| *id).collect();
        let known = records::attachments::known(records, &whole, at).await?;
        let mut dropped = 0_u64;
        for (_, _, path) in found.iter().filter(|(id, whole, _)| !whole || !known.contains(id)) {
            fs::remove_file(path)?;
            dropped += 1;
        }
        if dropped > 0 {
            tracing::info!(dropped, "documents whose upload was cut off were thrown away");
        }
        Ok(())
    }
}

fn path(folder: &Path, attachment: AttachmentId) -> PathBuf {
    folder.join(format!("{attachment}.{ENDING}"))
}

impl AttachmentFiles for Documents {
    fn store(&self, attachment: AttachmentId, key: FileKey, bytes: Vec<u8>) -> api::Storing<'_> {
        let folder = self.folder.clone();
        Box::pin(async move {
            let stored = tokio::task::spawn_blocking(move || {
                let mut writer = SealWriter::create(&path(&folder, attachment), &ObjectKey::from(key), attachment)?;
                writer.write_all(&bytes)?;
                writer.finish()
            });
            stored
                .await
                .map_err(|_| MediaError("writing was broken off".into()))?
                .map_err(|error| MediaError(format!("the disk refused ({})", error.kind())))
        })
    }

    fn open(&self, attachment: AttachmentId, key: FileKey) -> api::Opening<'_> {
        let path = path(&self.folder, attachment);
        Box::pin(async move {
            let opened = tokio::task::spawn_blocking(move || {
                path.exists().then(|| SealedObject::open(&path, &ObjectKey::from(key), attachment)).transpose()
            });
            let object = opened
                .await
                .map_err(|_| MediaError("opening was broken off".into()))?
                .map_err(|error| MediaError(error.to_string()))?;
            Ok(object.map(|object| Box::new(Sealed(object)) as Box<dyn SeekableMedia>))
        })
    }

    fn discard(&self, attachment: AttachmentId) {
        // Nothing can open it any more; if it can't be removed now, the next start sweeps it.
        let _ = fs::remove_file(path(&self.folder, attachment));
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn key(n: u8) -> FileKey {
        FileKey::new([n; 32])
    }

    async fn read(documents: &Documents, id: AttachmentId, with: FileKey) -> Result<Option<Vec<u8>>, MediaError> {
        let Some(mut file) = documents.open(id, with).await? else { return Ok(None) };
        let mut bytes = vec![0; file.byte_len() as usize];
        let mut at = 0;
        while at < bytes.len() {
            at += file.read_at(at as u64, &mut bytes[at..]).map_err(|error| MediaError(error.to_string()))?;
        }
        Ok(Some(bytes))
    }

    #[tokio::test]
    async fn a_document_comes_back_with_its_key_as_itself_and_no_other_way() {
        let folder = tempfile::tempdir().unwrap();
        let documents = Documents::in_folder(&folder.path().join("attachments")).unwrap();
        let (one, two) = (AttachmentId(Uuid::from_u128(1)), AttachmentId(Uuid::from_u128(2)));
        let canary: Vec<u8> = b"CANARY ".iter().copied().cycle().take(200_000).collect();
        documents.store(one, key(1), canary.clone()).await.unwrap();
        assert_eq!(read(&documents, one, key(1)).await.unwrap(), Some(canary));
        assert!(read(&documents, one, key(2)).await.is_err());
        assert_eq!(read(&documents, two, key(1)).await.unwrap(), None);
        let file = path(&documents.folder, one);
        let sealed = fs::read(&file).unwrap();
        assert!(!sealed.windows(6).any(|window| window == b"CANARY"));
        // Moved to another document's name it does not open there.
        fs::rename(&file, path(&documents.folder, two)).unwrap();
        assert!(read(&documents, two, key(1)).await.is_err());
        documents.discard(two);
        assert_eq!(read(&documents, two, key(1)).await.unwrap(), None);
    }
}
