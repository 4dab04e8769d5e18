//! What marking an entry as an error takes, in every list.

use serde::Deserialize;
use utoipa::ToSchema;

/// Whether an entry is in error.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Mark {
    /// True: it should not have been entered. False: it should, and is restored.
    pub entered_in_error: bool,
    /// Why; needed when it is marked. At most 2,000 characters.
    #[serde(default)]
    pub reason: Option<String>,
}
