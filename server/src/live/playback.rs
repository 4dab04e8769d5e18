//! Recordings as the API reads them: opened with their key, decrypted range by range.

use std::io;
use std::path::PathBuf;

use api::{MediaError, RecordingMedia, SeekableMedia};
use recorder::{ObjectKey, SealedObject};
use records::Records;
use visit::{ClinicId, RecordingId};

/// Opens composed recordings for the API.
pub struct Playback {
    records: Records,
    objects: PathBuf,
}

impl Playback {
    /// Recordings that lie in `objects`.
    #[must_use]
    pub fn new(records: Records, objects: PathBuf) -> Self {
        Self { records, objects }
    }

    async fn open_object(
        &self,
        clinic: ClinicId,
        recording: RecordingId,
    ) -> Result<Option<Box<dyn SeekableMedia>>, MediaError> {
        let path = super::compose::object_path(&self.objects, recording);
        if !path.exists() {
            return Ok(None);
        }
        let key = match records::recordings::open_key(&self.records, clinic, recording).await {
            Ok(key) => key,
            Err(records::Error::NotFound) => return Ok(None),
            Err(error) => return Err(MediaError(error.to_string())),
        };
        let object = tokio::task::spawn_blocking(move || SealedObject::open(&path, &ObjectKey::new(*key), recording))
            .await
            .map_err(|error| MediaError(error.to_string()))?
            .map_err(|error| MediaError(error.to_string()))?;
        Ok(Some(Box::new(Sealed(object))))
    }
}

impl RecordingMedia for Playback {
    fn open(&self, clinic: ClinicId, recording: RecordingId) -> api::Opening<'_> {
        Box::pin(self.open_object(clinic, recording))
    }
}

pub(super) struct Sealed(pub(super) SealedObject);

impl SeekableMedia for Sealed {
    fn byte_len(&self) -> u64 {
        self.0.len()
    }

    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let bytes = self.0.read_at(offset, buffer.len()).map_err(io::Error::other)?;
        buffer[..bytes.len()].copy_from_slice(&bytes);
        Ok(bytes.len())
    }
}
