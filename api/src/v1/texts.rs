//! `GET /texts/{kind}`: the current version of a text that people agree to.

use axum::Json;
use axum::extract::{Path, State};
use records::consents::{self, ConsentText, TextKind};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::AppState;
use crate::document::{Addressed, Anyone, TakesQuery};
use crate::extract::Query;
use crate::problem::Problem;
use crate::words;

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct TextQuery {
    /// `en` (also if absent) or `es`. A language that there is no text in gets English.
    lang: Option<String>,
}

/// A text that people agree to.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Text {
    #[schema(schema_with = words::text_kind)]
    kind: TextKind,
    /// Goes back with the agreement.
    version: String,
    /// The language that it is in.
    lang: String,
    title: String,
    /// Paragraphs, separated by empty lines.
    body: String,
}

impl From<ConsentText> for Text {
    fn from(text: ConsentText) -> Self {
        Self { kind: text.kind, version: text.version, lang: text.lang, title: text.title, body: text.body }
    }
}

/// The current version of a text
#[utoipa::path(
    get,
    path = "/texts/{kind}",
    operation_id = "text",
    tag = "site",
    params(("kind" = String, Path, description = "`telehealth_consent`, `recording_consent` or `guest_consent`"), TextQuery),
    responses((status = 200, body = Text), Addressed, TakesQuery, Anyone)
)]
pub(crate) async fn text(
    State(state): State<AppState>,
    Path(kind): Path<String>,
    Query(query): Query<TextQuery>,
) -> Result<Json<Text>, Problem> {
    let kind = TextKind::parse(&kind).map_err(|_| Problem::not_found())?;
    let lang = query.lang.as_deref().unwrap_or("en");
    if lang.len() > 35 || !lang.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
        return Err(Problem::invalid("lang: not a language tag"));
    }
    Ok(Json(consents::current_text(&state.records, kind, lang).await?.into()))
}
