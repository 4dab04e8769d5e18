//! `POST` and `DELETE /appointments/{id}/link`: issues the patient's link anew, or withdraws it.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use records::action::ManageLink;
use records::join_links;
use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;
use visit::AppointmentId;

use crate::AppState;
use crate::document::{Addressed, Anyone, SignedIn};
use crate::extract::Id;
use crate::problem::Problem;
use crate::session::Staff;

/// A fresh link for the patient, shown this once.
#[derive(Serialize, ToSchema)]
pub(crate) struct IssuedLink {
    link: String,
    #[serde(with = "time::serde::rfc3339")]
    opens_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    expires_at: OffsetDateTime,
}

/// Issue a new link
///
/// The former one stops working, and who came by it is signed out.
#[utoipa::path(
    post,
    path = "/appointments/{id}/link",
    operation_id = "issue_link",
    tag = "day",
    params(("id" = uuid::Uuid, Path, description = "Appointment")),
    security(("staff" = [])),
    responses((status = 201, body = IssuedLink), Addressed, SignedIn, Anyone)
)]
pub(crate) async fn issue(
    State(state): State<AppState>,
    staff: Staff,
    Id(appointment): Id<AppointmentId>,
) -> Result<(StatusCode, Json<IssuedLink>), Problem> {
    let mut tx = state.records.begin(staff.context()).await?;
    let may = tx.authorize(ManageLink(appointment)).await?;
    let issued = join_links::issue(&mut tx, &may).await?;
    let issued = tx.commit(issued).await?;
    state.links_withdrawn(may.patient());
    state.changed(staff.session.clinic.id);
    let link = state.patient_link(&issued.token);
    Ok((StatusCode::CREATED, Json(IssuedLink { link, opens_at: issued.opens_at, expires_at: issued.expires_at })))
}

/// Revoke the link
///
/// Who came by it is signed out.
#[utoipa::path(
    delete,
    path = "/appointments/{id}/link",
    operation_id = "revoke_link",
    tag = "day",
    params(("id" = uuid::Uuid, Path, description = "Appointment")),
    security(("staff" = [])),
    responses((status = 204, description = "Revoked, or there was none"), Addressed, SignedIn, Anyone)
)]
pub(crate) async fn revoke(
    State(state): State<AppState>,
    staff: Staff,
    Id(appointment): Id<AppointmentId>,
) -> Result<StatusCode, Problem> {
    let mut tx = state.records.begin(staff.context()).await?;
    let may = tx.authorize(ManageLink(appointment)).await?;
    let revoked = join_links::revoke(&mut tx, &may).await?;
    tx.commit(revoked).await?;
    state.links_withdrawn(may.patient());
    state.changed(staff.session.clinic.id);
    Ok(StatusCode::NO_CONTENT)
}
