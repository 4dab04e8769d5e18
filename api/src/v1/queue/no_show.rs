//! `POST /visits/{id}/no-show` and `/expect`: notes that a patient did not come, and takes that back.

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use records::action::MarkNoShow;
use records::queue;
use visit::VisitId;

use super::{Deed, QueueVersion};
use crate::AppState;
use crate::document::{Addressed, Anyone, SignedIn};
use crate::extract::Id;
use crate::problem::Problem;
use crate::session::Staff;
use crate::versioned::if_match;

/// Note that a patient did not come
///
/// Once their time has begun, and unless they wait or were let in.
#[utoipa::path(
    post,
    path = "/visits/{id}/no-show",
    operation_id = "mark_no_show",
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
pub(crate) async fn no_show(
    State(state): State<AppState>,
    staff: Staff,
    Id(visit): Id<VisitId>,
    headers: HeaderMap,
) -> Result<Json<QueueVersion>, Problem> {
    let mut tx = state.records.begin(staff.context()).await?;
    let may = tx.authorize(MarkNoShow(visit)).await?;
    let version = if_match(&headers)?;
    let done = queue::mark_no_show(&mut tx, &may, version).await?;
    let version = tx.commit(done).await?;
    state.changed(staff.session.clinic.id);
    Ok(Json(QueueVersion { version }))
}

/// Expect a patient again who was noted as not coming
#[utoipa::path(
    post,
    path = "/visits/{id}/expect",
    operation_id = "expect_again",
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
pub(crate) async fn expect(
    State(state): State<AppState>,
    staff: Staff,
    Id(visit): Id<VisitId>,
    headers: HeaderMap,
) -> Result<Json<QueueVersion>, Problem> {
    let mut tx = state.records.begin(staff.context()).await?;
    let may = tx.authorize(MarkNoShow(visit)).await?;
    let version = if_match(&headers)?;
    let done = queue::expect_again(&mut tx, &may, version).await?;
    let version = tx.commit(done).await?;
    state.changed(staff.session.clinic.id);
    Ok(Json(QueueVersion { version }))
}
