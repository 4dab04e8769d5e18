//! `POST /guest/arrive`: the guest says who they are; from then on there is a session for this one visit.

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum_extra::extract::CookieJar;
use records::guests::way_in;
use records::{Phi, sessions};
use serde::Deserialize;
use utoipa::ToSchema;

use super::open::not_usable;
use super::state::GuestState;
use crate::AppState;
use crate::document::{Anyone, Changes, TakesBody};
use crate::extract::{Body, bounded};
use crate::problem::Problem;
use crate::session::{GUEST_COOKIE, Visitor, cookie, token};

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Arrival {
    /// What follows `/g/` in the link.
    token: String,
    /// How the others see the guest; at most 100 characters.
    #[schema(max_length = 100)]
    name: String,
}

/// Come by a guest's link
#[utoipa::path(
    post,
    path = "/guest/arrive",
    operation_id = "guest_arrives",
    tag = "guest",
    request_body = Arrival,
    responses(
        (status = 200, body = GuestState, description = "Sets the cookie"),
        (status = 404, body = crate::problem::ProblemBody, content_type = "application/problem+json", description = "`link.not_usable`"),
        TakesBody, Changes, Anyone
    )
)]
pub(crate) async fn arrive(
    State(state): State<AppState>,
    visitor: Visitor,
    headers: HeaderMap,
    jar: CookieJar,
    Body(arrival): Body<Arrival>,
) -> Result<(CookieJar, Json<GuestState>), Problem> {
    bounded("name", &arrival.name, 100)?;
    let name = Phi::from(arrival.name.trim());
    let arrived = way_in::arrive(&state.records, &visitor.origin, &arrival.token, &name, visitor.at)
        .await?
        .ok_or_else(not_usable)?;
    if let Some(former) = token(&headers, GUEST_COOKIE) {
        state.limits.session_is_over(&former);
        sessions::end(&state.records, &former, &visitor.origin, visitor.at).await?;
    }
    state.limits.session_is_good(&arrived.token);
    Ok((jar.add(cookie(GUEST_COOKIE, &arrived.token)), Json(arrived.progress.into())))
}
