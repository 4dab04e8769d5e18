//! The versioned texts that people agree to.

use crate::text_enum::text_enum;
use crate::{Error, Records};

text_enum! {
    /// What a text is about.
    TextKind {
        /// Being treated over the network.
        Telehealth = "telehealth_consent",
        /// Being recorded.
        Recording = "recording_consent",
    }
}

/// One text in one language.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsentText {
    /// What it is about.
    pub kind: TextKind,
    /// Its version; the same in all languages.
    pub version: String,
    /// `en` or `es`.
    pub lang: String,
    /// Heading.
    pub title: String,
    /// Paragraphs, separated by empty lines.
    pub body: String,
}

/// The current text in `lang`, or in English if there is none in that language.
///
/// # Errors
/// The database can't be reached.
pub async fn current_text(_records: &Records, _kind: TextKind, _lang: &str) -> Result<ConsentText, Error> {
    Err(Error::Unfinished)
}
