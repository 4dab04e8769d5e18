//! Documents that people send: what they are is found out, not believed, and what is kept is not what was sent where that
//! can be helped.
//!
//! Pictures are decoded within limits and written anew, so that nothing that hid beside the pixels survives (where it was
//! taken, a second file behind the first). PDF files can't be written anew here: they are looked through for what acts by
//! itself and are only ever handed out as a download. If a virus scanner is configured and does not answer, nothing is
//! taken. A refused document leaves nothing but a line in the audit log.

mod clamd;
mod file_name;
mod pdf;
mod picture;

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

pub use clamd::Clamd;
pub(crate) use file_name::clean;

/// Pictures that are decoded at once: each may take a few hundred MiB for a moment.
const DECODED_AT_ONCE: usize = 2;

/// How large, how many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UploadRules {
    /// Largest document, bytes.
    pub max_bytes: usize,
    /// Most pixels of a picture.
    pub max_pixels: u64,
    /// Documents that may be on their way at once.
    pub at_once: usize,
}

impl Default for UploadRules {
    fn default() -> Self {
        Self { max_bytes: 20 * 1024 * 1024, max_pixels: 50_000_000, at_once: 8 }
    }
}

/// What we take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Jpeg,
    Png,
    WebP,
    Pdf,
}

impl Kind {
    pub(crate) const MEDIA_TYPES: [&str; 4] = ["image/jpeg", "image/png", "image/webp", "application/pdf"];

    fn of_media_type(text: &str) -> Option<Self> {
        match text {
            "image/jpeg" => Some(Self::Jpeg),
            "image/png" => Some(Self::Png),
            "image/webp" => Some(Self::WebP),
            "application/pdf" => Some(Self::Pdf),
            _ => None,
        }
    }
}

/// A document that was found fit to be kept.
pub(crate) struct Checked {
    /// What `bytes` are now; of a picture not always what was sent.
    pub media_type: &'static str,
    pub bytes: Vec<u8>,
}

/// Why a document is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    #[error("not a type that is taken")]
    Type,
    #[error("not what it says it is")]
    Mismatch,
    #[error("too large")]
    TooLarge,
    #[error("empty")]
    Empty,
    #[error("too many pixels")]
    TooManyPixels,
    #[error("can't be read")]
    Unreadable,
    #[error("another file hides in it")]
    Polyglot,
    #[error("a PDF that is encrypted")]
    Encrypted,
    #[error("a PDF that acts by itself or holds other files")]
    Active,
    #[error("the virus scanner found something")]
    Infected,
    #[error("the virus scanner does not answer")]
    NotScanned,
    #[error("too many at once")]
    Busy,
}

impl Refused {
    /// The word in metrics and in the audit log.
    pub(crate) fn reason(self) -> &'static str {
        match self {
            Self::Type => "type_not_allowed",
            Self::Mismatch => "type_mismatch",
            Self::TooLarge => "too_large",
            Self::Empty => "empty",
            Self::TooManyPixels => "too_many_pixels",
            Self::Unreadable => "unreadable",
            Self::Polyglot => "polyglot",
            Self::Encrypted => "pdf_encrypted",
            Self::Active => "pdf_active",
            Self::Infected => "infected",
            Self::NotScanned => "not_scanned",
            Self::Busy => "busy",
        }
    }
}

/// Checks documents, a few at a time.
pub(crate) struct Uploads {
    pub(crate) rules: UploadRules,
    scanner: Option<Clamd>,
    places: Arc<Semaphore>,
    decoders: Arc<Semaphore>,
}

impl Uploads {
    pub(crate) fn new(rules: UploadRules, scanner: Option<Clamd>) -> Self {
        Self {
            rules,
            scanner,
            places: Arc::new(Semaphore::new(rules.at_once)),
            decoders: Arc::new(Semaphore::new(DECODED_AT_ONCE)),
        }
    }

    /// The right to hold one document in memory.
    pub(crate) fn place(&self) -> Result<OwnedSemaphorePermit, Refused> {
        self.places.clone().try_acquire_owned().map_err(|_| Refused::Busy)
    }

    /// What may be kept of `bytes`, which came as `declared`.
    pub(crate) async fn check(&self, declared: &str, bytes: Vec<u8>) -> Result<Checked, Refused> {
        let kind = kind(declared, &bytes)?;
        if let Some(scanner) = &self.scanner {
            scanner.scan(&bytes).await?;
        }
        let max_pixels = self.rules.max_pixels;
        let permit = self.decoders.clone().acquire_owned().await.map_err(|_| Refused::Busy)?;
        // The permit goes along: a request that is broken off does not make room for one more decoder than there may be.
        let checked = tokio::task::spawn_blocking(move || {
            let checked = match kind {
                Kind::Pdf => pdf::examine(&bytes).map(|()| Checked { media_type: "application/pdf", bytes }),
                picture => picture::written_anew(&bytes, picture, max_pixels),
            };
            drop(permit);
            checked
        });
        // A decoder that panics has met something that it can't read.
        let checked = checked.await.unwrap_or(Err(Refused::Unreadable))?;
        if checked.bytes.len() > self.rules.max_bytes.saturating_mul(4) {
            return Err(Refused::TooLarge);
        }
        Ok(checked)
    }
}

/// What a document is by its first bytes, if that is what it was declared to be and is on the list.
fn kind(declared: &str, bytes: &[u8]) -> Result<Kind, Refused> {
    if bytes.is_empty() {
        return Err(Refused::Empty);
    }
    let declared = Kind::of_media_type(declared).ok_or(Refused::Type)?;
    let found = infer::get(bytes).and_then(|found| Kind::of_media_type(found.mime_type()));
    if found == Some(declared) { Ok(declared) } else { Err(Refused::Mismatch) }
}

#[cfg(test)]
mod tests;
