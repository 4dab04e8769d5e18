//! `GET /enrol`: who is setting up what.

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use records::identity::{FactorKind, enrolment};
use serde::Serialize;
use utoipa::ToSchema;

use super::enrolling;
use crate::AppState;
use crate::document::{Anyone, SignedIn};
use crate::problem::Problem;
use crate::session::Visitor;
use crate::words;

/// What is to be set up.
#[derive(Serialize, ToSchema)]
pub(crate) struct EnrolmentState {
    /// Whose account.
    name: String,
    clinic: String,
    /// The kinds that are enough for the role, at this site.
    #[schema(schema_with = words::factor_kinds)]
    factors: Vec<FactorKind>,
}

/// What is to be set up before anything else is open
#[utoipa::path(
    get,
    path = "/enrol",
    operation_id = "enrolment",
    tag = "auth",
    security(("staff" = [])),
    responses((status = 200, body = EnrolmentState), SignedIn, Anyone)
)]
pub(crate) async fn look(
    State(state): State<AppState>,
    visitor: Visitor,
    headers: HeaderMap,
) -> Result<Json<EnrolmentState>, Problem> {
    let found = enrolment::look(&state.records, &enrolling(&headers)?, visitor.at).await?;
    let mut factors = found.kinds;
    factors.retain(|kind| *kind != FactorKind::WebAuthn || state.party.is_some());
    Ok(Json(EnrolmentState { name: found.session.name, clinic: found.session.clinic.name, factors }))
}
