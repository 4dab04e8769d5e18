//! `GET /portal/sessions` and `DELETE /portal/sessions/{id}`: where one is signed in.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use records::action::ManagePortalAccess;
use records::portal::sessions;
use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::AppState;
use crate::document::{Addressed, Anyone, SignedIn};
use crate::extract::Id;
use crate::problem::Problem;
use crate::session::Portal;

/// Where one is signed in.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PortalSessions {
    /// Newest first.
    items: Vec<PortalSessionItem>,
}

/// One browser.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PortalSessionItem {
    id: Uuid,
    /// What the browser calls itself.
    #[schema(required)]
    user_agent: Option<String>,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    last_seen_at: OffsetDateTime,
    /// The one that asks.
    current: bool,
}

/// Where one is signed in
#[utoipa::path(
    get,
    path = "/portal/sessions",
    operation_id = "portal_sessions",
    tag = "portal",
    security(("portal" = [])),
    responses((status = 200, body = PortalSessions), SignedIn, Anyone)
)]
pub(crate) async fn list(State(state): State<AppState>, portal: Portal) -> Result<Json<PortalSessions>, Problem> {
    let mut tx = state.records.begin(portal.context()).await?;
    let may = tx.authorize(ManagePortalAccess).await?;
    let listed = sessions::list(&mut tx, &may, &portal.session).await?;
    let items = tx.commit(listed).await?.into_iter().map(|session| PortalSessionItem {
        id: session.id,
        user_agent: session.user_agent,
        created_at: session.created_at,
        last_seen_at: session.last_seen_at,
        current: session.current,
    });
    Ok(Json(PortalSessions { items: items.collect() }))
}

/// Sign out elsewhere
#[utoipa::path(
    delete,
    path = "/portal/sessions/{id}",
    operation_id = "portal_revoke_session",
    tag = "portal",
    params(("id" = uuid::Uuid, Path, description = "Session")),
    security(("portal" = [])),
    responses((status = 204, description = "Signed out there"), Addressed, SignedIn, Anyone)
)]
pub(crate) async fn revoke(
    State(state): State<AppState>,
    portal: Portal,
    Id(session): Id<Uuid>,
) -> Result<StatusCode, Problem> {
    let mut tx = state.records.begin(portal.context()).await?;
    let may = tx.authorize(ManagePortalAccess).await?;
    let revoked = sessions::revoke(&mut tx, &may, &portal.session, session).await?;
    tx.commit(revoked).await?;
    Ok(StatusCode::NO_CONTENT)
}
