//! `POST /visits/{id}/decline`: sends a patient away, with a reason and a new link.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use records::action::DeclinePatient;
use records::{Phi, queue};
use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;
use visit::VisitId;

use super::{Deed, Words};
use crate::AppState;
use crate::document::{Addressed, Anyone, SignedIn, TakesBody};
use crate::extract::{Body, Id};
use crate::problem::Problem;
use crate::session::Staff;
use crate::versioned::if_match;

/// The patient's new link, shown this once; it was mailed, too.
#[derive(Serialize, ToSchema)]
pub(crate) struct Declined {
    link: String,
    #[serde(with = "time::serde::rfc3339")]
    expires_at: OffsetDateTime,
}

/// Send a patient away with a reason and a new link
///
/// The former link is withdrawn. The patient reads the reason.
#[utoipa::path(
    post,
    path = "/visits/{id}/decline",
    operation_id = "decline_patient",
    tag = "queue",
    request_body = Words,
    params(
        ("id" = uuid::Uuid, Path, description = "Visit"),
        ("If-Match" = String, Header, description = "The version that was read in `/queue`, in quotes"),
    ),
    security(("staff" = [])),
    responses(
        (status = 201, body = Declined),
        TakesBody, Deed, Addressed, SignedIn, Anyone
    )
)]
pub(crate) async fn decline(
    State(state): State<AppState>,
    staff: Staff,
    Id(visit): Id<VisitId>,
    headers: HeaderMap,
    Body(words): Body<Words>,
) -> Result<(StatusCode, Json<Declined>), Problem> {
    let mut tx = state.records.begin(staff.context()).await?;
    let may = tx.authorize(DeclinePatient(visit)).await?;
    let version = if_match(&headers)?;
    let link = queue::decline(&mut tx, &may, version, &Phi::from(words.words)).await?;
    let link = tx.commit(link).await?;
    // The socket closes; the session stays, so that the page can say why.
    state.links_withdrawn(may.patient());
    state.changed(staff.session.clinic.id);
    let declined = Declined { link: state.patient_link(&link.token), expires_at: link.expires_at };
    Ok((StatusCode::CREATED, Json(declined)))
}
