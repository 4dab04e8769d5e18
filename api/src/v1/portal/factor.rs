//! `/portal/second-factor`: a code from an authenticator app, for those who want one. Look (`GET`), begin (`POST`), switch
//! on (`PUT`); `POST /portal/second-factor/off` switches it off.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use records::action::ManagePortalAccess;
use records::portal::factor;
use serde::Serialize;
use utoipa::ToSchema;

use super::totp::PortalCode;
use crate::AppState;
use crate::document::{Anyone, SignedIn, TakesBody};
use crate::extract::Body;
use crate::problem::Problem;
use crate::session::Portal;

/// Whether it is on.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PortalFactor {
    on: bool,
}

/// For the authenticator app, shown this once.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PortalSecret {
    /// To type, base32.
    secret: String,
    /// To open on a phone that has an authenticator app.
    otpauth: String,
}

/// Whether the second factor is on
#[utoipa::path(
    get,
    path = "/portal/second-factor",
    operation_id = "portal_factor",
    tag = "portal",
    security(("portal" = [])),
    responses((status = 200, body = PortalFactor), SignedIn, Anyone)
)]
pub(crate) async fn state(State(state): State<AppState>, portal: Portal) -> Result<Json<PortalFactor>, Problem> {
    let mut tx = state.records.begin(portal.context()).await?;
    let may = tx.authorize(ManagePortalAccess).await?;
    let on = factor::state(&mut tx, &may, &portal.session).await?;
    Ok(Json(PortalFactor { on: tx.commit(on).await? }))
}

/// Begin a second factor
#[utoipa::path(
    post,
    path = "/portal/second-factor",
    operation_id = "portal_factor_begin",
    tag = "portal",
    security(("portal" = [])),
    responses(
        (status = 200, body = PortalSecret),
        (status = 409, body = crate::problem::ProblemBody, content_type = "application/problem+json", description = "`portal.no_second_factor`: it is on already"),
        SignedIn, Anyone
    )
)]
pub(crate) async fn begin(State(state): State<AppState>, portal: Portal) -> Result<Json<PortalSecret>, Problem> {
    let mut tx = state.records.begin(portal.context()).await?;
    let may = tx.authorize(ManagePortalAccess).await?;
    let secret = factor::begin(&mut tx, &may, &portal.session).await?;
    let secret = tx.commit(secret).await?;
    let issuer: String = portal.session.clinic.name.bytes().map(percent).collect();
    let otpauth = format!("otpauth://totp/{issuer}:portal?secret={}&issuer={issuer}", *secret);
    Ok(Json(PortalSecret { secret: secret.to_string(), otpauth }))
}

/// RFC 3986: everything but unreserved characters is escaped.
fn percent(byte: u8) -> String {
    if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
        char::from(byte).to_string()
    } else {
        format!("%{byte:02X}")
    }
}

/// Switch the second factor on
#[utoipa::path(
    put,
    path = "/portal/second-factor",
    operation_id = "portal_factor_confirm",
    tag = "portal",
    request_body = PortalCode,
    security(("portal" = [])),
    responses(
        (status = 204, description = "It is on"),
        (status = 401, body = crate::problem::ProblemBody, content_type = "application/problem+json", description = "`portal.code_wrong`; `signed_out`"),
        (status = 409, body = crate::problem::ProblemBody, content_type = "application/problem+json", description = "`portal.no_second_factor`: begin first"),
        (status = 423, body = crate::problem::ProblemBody, content_type = "application/problem+json", description = "`portal.code_locked`"),
        TakesBody, SignedIn, Anyone
    )
)]
pub(crate) async fn confirm(
    State(state): State<AppState>,
    portal: Portal,
    Body(said): Body<PortalCode>,
) -> Result<StatusCode, Problem> {
    factor::confirm(&state.records, &portal.origin, &portal.session, &said.code, portal.at).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Switch the second factor off
#[utoipa::path(
    post,
    path = "/portal/second-factor/off",
    operation_id = "portal_factor_off",
    tag = "portal",
    request_body = PortalCode,
    security(("portal" = [])),
    responses(
        (status = 204, description = "It is off"),
        (status = 401, body = crate::problem::ProblemBody, content_type = "application/problem+json", description = "`portal.code_wrong`; `signed_out`"),
        (status = 409, body = crate::problem::ProblemBody, content_type = "application/problem+json", description = "`portal.no_second_factor`: it is off already"),
        (status = 423, body = crate::problem::ProblemBody, content_type = "application/problem+json", description = "`portal.code_locked`"),
        TakesBody, SignedIn, Anyone
    )
)]
pub(crate) async fn remove(
    State(state): State<AppState>,
    portal: Portal,
    Body(said): Body<PortalCode>,
) -> Result<StatusCode, Problem> {
    factor::remove(&state.records, &portal.origin, &portal.session, &said.code, portal.at).await?;
    Ok(StatusCode::NO_CONTENT)
}
