//! The versioned texts that people agree to.

use crate::text_enum::text_enum;
use crate::{Error, Records, Tx};

text_enum! {
    /// What a text is about.
    TextKind {
        /// Being treated over the network.
        Telehealth = "telehealth_consent",
        /// Being recorded.
        Recording = "recording_consent",
        /// Being a guest in somebody's visit.
        Guest = "guest_consent",
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
pub async fn current_text(records: &Records, kind: TextKind, lang: &str) -> Result<ConsentText, Error> {
    let row = sqlx::query!(
        "SELECT version, lang, title, body FROM consent_text WHERE kind = $1 AND lang IN ($2, 'en')
         ORDER BY published_at DESC, version DESC, (lang = $2) DESC LIMIT 1",
        kind.as_str(),
        lang,
    )
    .fetch_one(&mut *records.single().await?)
    .await?;
    Ok(ConsentText { kind, version: row.version, lang: row.lang, title: row.title, body: row.body })
}

/// Whether this is the current text of its kind, in a language that it was published in.
pub(crate) async fn is_current(tx: &mut Tx, kind: TextKind, version: &str, lang: &str) -> Result<bool, Error> {
    let current = sqlx::query_scalar!(
        r#"SELECT EXISTS (
               SELECT FROM consent_text t WHERE t.kind = $1 AND t.version = $2 AND t.lang = $3
                 AND t.version = (SELECT n.version FROM consent_text n WHERE n.kind = $1 ORDER BY n.published_at DESC, n.version DESC LIMIT 1)
           ) AS "current!""#,
        kind.as_str(),
        version,
        lang,
    )
    .fetch_one(tx.connection()?)
    .await?;
    Ok(current)
}
