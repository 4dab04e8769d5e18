//! `GET` and `PUT /visits/{id}/note`: the note, saved as it is typed. `If-Match` keeps two tabs from overwriting each other.

use axum::Json;
use axum::extract::State;
use axum::http::header::{ETAG, IF_MATCH};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use records::Phi;
use records::action::{ReadNote, WriteNote};
use records::notes::{self, NoteState, SaveError};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;
use visit::VisitId;

use crate::AppState;
use crate::document::{Addressed, Anyone, SignedIn, TakesBody};
use crate::extract::{Body, Id};
use crate::problem::Problem;
use crate::session::Staff;
use crate::v1::shapes::shown;
use crate::words;

/// A visit's note.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Note {
    #[schema(schema_with = words::note_state)]
    state: NoteState,
    /// The text; empty if not begun.
    body: String,
    /// Grows with every save and with signing; 0 if not begun. The same as the `ETag`.
    version: i32,
    #[serde(with = "time::serde::rfc3339::option")]
    #[schema(required)]
    signed_at: Option<OffsetDateTime>,
    /// Name of who signed.
    #[schema(required)]
    signed_by: Option<String>,
    /// What was added after signing, in order.
    addenda: Vec<Addendum>,
}

/// Added after signing.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Addendum {
    body: String,
    /// Name of who wrote it.
    author: String,
    #[serde(with = "time::serde::rfc3339")]
    at: OffsetDateTime,
}

/// The text of a draft.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Draft {
    /// At most 100,000 bytes.
    body: String,
}

impl From<notes::Note> for Note {
    fn from(note: notes::Note) -> Self {
        let addenda = note.addenda.iter().map(|addendum| Addendum {
            body: shown(&addendum.body),
            author: addendum.author.clone(),
            at: addendum.at,
        });
        Self {
            state: note.state,
            body: shown(&note.body),
            version: note.version,
            signed_at: note.signed_at,
            addenda: addenda.collect(),
            signed_by: note.signed_by,
        }
    }
}

impl IntoResponse for Note {
    fn into_response(self) -> Response {
        let etag = HeaderValue::from_str(&format!("\"{}\"", self.version)).expect("digits in quotes");
        ([(ETAG, etag)], Json(self)).into_response()
    }
}

/// The note
///
/// Also if it was not begun: state `none`, version 0.
#[utoipa::path(
    get,
    path = "/visits/{id}/note",
    operation_id = "read_note",
    tag = "visits",
    params(("id" = uuid::Uuid, Path, description = "Visit")),
    security(("staff" = [])),
    responses((status = 200, body = Note, headers(("ETag" = String, description = "The version, in quotes"))), Addressed, SignedIn, Anyone)
)]
pub(crate) async fn read(State(state): State<AppState>, staff: Staff, Id(visit): Id<VisitId>) -> Result<Note, Problem> {
    let mut tx = state.records.begin(staff.context()).await?;
    let may = tx.authorize(ReadNote(visit)).await?;
    let note = notes::read(&mut tx, &may).await?;
    Ok(tx.commit(note).await?.into())
}

/// Save the draft
#[utoipa::path(
    put,
    path = "/visits/{id}/note",
    operation_id = "save_note",
    tag = "visits",
    request_body = Draft,
    params(
        ("id" = uuid::Uuid, Path, description = "Visit"),
        ("If-Match" = String, Header, description = "The version that was read, in quotes; `\"0\"` if there was none"),
    ),
    security(("staff" = [])),
    responses(
        (status = 200, body = Note, headers(("ETag" = String, description = "The version, in quotes"))),
        (status = 409, body = crate::problem::ProblemBody, content_type = "application/problem+json", description = "`note.signed`"),
        (status = 412, body = crate::problem::ProblemBody, content_type = "application/problem+json", description = "`note.changed_elsewhere`, with the stored `version`"),
        (status = 428, body = crate::problem::ProblemBody, content_type = "application/problem+json", description = "`if_match.missing`"),
        Addressed, TakesBody, SignedIn, Anyone
    )
)]
pub(crate) async fn save(
    State(state): State<AppState>,
    staff: Staff,
    Id(visit): Id<VisitId>,
    headers: HeaderMap,
    Body(draft): Body<Draft>,
) -> Result<Note, Problem> {
    let mut tx = state.records.begin(staff.context()).await?;
    let may = tx.authorize(WriteNote(visit)).await?;
    let version = if_match(&headers)?;
    let note = notes::save(&mut tx, &may, version, &Phi::from(draft.body)).await?;
    let note = tx.commit(note).await?;
    state.changed(staff.session.clinic.id);
    Ok(note.into())
}

/// The version that the client has read. `*` is refused too: it would overwrite whatever is there.
pub(super) fn if_match(headers: &HeaderMap) -> Result<i32, Problem> {
    let sent = headers.get(IF_MATCH).and_then(|value| value.to_str().ok()).map(str::trim);
    let Some(etag) = sent.filter(|etag| *etag != "*") else {
        return Err(Problem::new(
            StatusCode::PRECONDITION_REQUIRED,
            "if_match.missing",
            "Send If-Match with the version that was read (\"0\" for a new note), so that nobody's text is overwritten.",
        ));
    };
    etag.strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
        .filter(|version| version.bytes().all(|byte| byte.is_ascii_digit()))
        .and_then(|version| version.parse().ok())
        .ok_or_else(|| Problem::invalid("If-Match: not a version in quotes"))
}

impl From<SaveError> for Problem {
    fn from(error: SaveError) -> Self {
        match error {
            SaveError::ChangedElsewhere { version } => Self::new(
                StatusCode::PRECONDITION_FAILED,
                "note.changed_elsewhere",
                "The note was changed in another window or by someone else. Your text is still here: reload the stored note and bring it in.",
            )
            .with("version", version),
            SaveError::Signed => Self::new(
                StatusCode::CONFLICT,
                "note.signed",
                "The note is signed and does not change any more. Write an addendum instead.",
            ),
            SaveError::Empty => Self::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "note.empty",
                "The note is empty. Write it before signing.",
            ),
            SaveError::TooLong => too_long(),
            SaveError::Failed(error) => error.into(),
        }
    }
}

pub(super) fn too_long() -> Problem {
    Problem::new(
        StatusCode::UNPROCESSABLE_ENTITY,
        "note.too_long",
        "The text is longer than 100,000 bytes. Shorten it.",
    )
}
