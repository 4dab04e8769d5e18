//! `POST /visits/{id}/hold` and `/wait`: asks a patient to wait aside, and puts them back in line.

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use records::action::HoldPatient;
use records::{Phi, queue};
use visit::VisitId;

use super::{Deed, QueueVersion, Words};
use crate::AppState;
use crate::document::{Addressed, Anyone, SignedIn, TakesBody};
use crate::extract::{Body, Id};
use crate::problem::Problem;
use crate::session::Staff;
use crate::versioned::if_match;

/// Put a patient on hold
///
/// They read the words, keep their moment, and stand in nobody's way until they are put back.
#[utoipa::path(
    post,
    path = "/visits/{id}/hold",
    operation_id = "hold_patient",
    tag = "queue",
    request_body = Words,
    params(
        ("id" = uuid::Uuid, Path, description = "Visit"),
        ("If-Match" = String, Header, description = "The version that was read in `/queue`, in quotes"),
    ),
    security(("staff" = [])),
    responses(
        (status = 200, body = QueueVersion),
        TakesBody, Deed, Addressed, SignedIn, Anyone
    )
)]
pub(crate) async fn hold(
    State(state): State<AppState>,
    staff: Staff,
    Id(visit): Id<VisitId>,
    headers: HeaderMap,
    Body(words): Body<Words>,
) -> Result<Json<QueueVersion>, Problem> {
    let mut tx = state.records.begin(staff.context()).await?;
    let may = tx.authorize(HoldPatient(visit)).await?;
    let version = if_match(&headers)?;
    let done = queue::hold(&mut tx, &may, version, &Phi::from(words.words)).await?;
    let version = tx.commit(done).await?;
    state.changed(staff.session.clinic.id);
    Ok(Json(QueueVersion { version }))
}

/// Put a patient who was on hold back in line
#[utoipa::path(
    post,
    path = "/visits/{id}/wait",
    operation_id = "return_patient",
    tag = "queue",
    params(
        ("id" = uuid::Uuid, Path, description = "Visit"),
        ("If-Match" = String, Header, description = "The version that was read in `/queue`, in quotes"),
    ),
    security(("staff" = [])),
    responses(
        (status = 200, body = QueueVersion),
        Deed, Addressed, SignedIn, Anyone
    )
)]
pub(crate) async fn wait(
    State(state): State<AppState>,
    staff: Staff,
    Id(visit): Id<VisitId>,
    headers: HeaderMap,
) -> Result<Json<QueueVersion>, Problem> {
    let mut tx = state.records.begin(staff.context()).await?;
    let may = tx.authorize(HoldPatient(visit)).await?;
    let version = if_match(&headers)?;
    let done = queue::return_to_waiting(&mut tx, &may, version).await?;
    let version = tx.commit(done).await?;
    state.changed(staff.session.clinic.id);
    Ok(Json(QueueVersion { version }))
}
