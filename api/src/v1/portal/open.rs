//! `POST /portal/open`: uses a link up. A page that is merely opened never does this; its button does.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum_extra::extract::CookieJar;
use records::portal::links::{self, OpenError};
use records::portal::sessions;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::AppState;
use crate::document::{Anyone, Changes, TakesBody};
use crate::extract::Body;
use crate::problem::Problem;
use crate::session::{PORTAL_COOKIE, Visitor, cookie, token};

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PortalToken {
    /// What follows the number sign in the link.
    token: String,
}

/// What comes next.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PortalNext {
    /// `record`: signed in; `totp`: the code from the authenticator.
    #[schema(example = "record")]
    next: &'static str,
}

/// Sign in with a link
#[utoipa::path(
    post,
    path = "/portal/open",
    operation_id = "portal_open",
    tag = "portal",
    request_body = PortalToken,
    responses(
        (status = 200, body = PortalNext, description = "The link is used up; sets the cookie"),
        (status = 404, body = crate::problem::ProblemBody, content_type = "application/problem+json", description = "`portal.link_not_usable`: unknown, used or too old"),
        TakesBody, Changes, Anyone
    )
)]
pub(crate) async fn open(
    State(state): State<AppState>,
    visitor: Visitor,
    headers: HeaderMap,
    jar: CookieJar,
    Body(link): Body<PortalToken>,
) -> Result<(CookieJar, Json<PortalNext>), Problem> {
    let opened = links::open(&state.records, &visitor.origin, &link.token, visitor.at).await?;
    if let Some(former) = token(&headers, PORTAL_COOKIE) {
        state.limits.session_is_over(&former);
        sessions::end(&state.records, &former, &visitor.origin, visitor.at).await?;
    }
    let next = if opened.second_factor { "totp" } else { "record" };
    Ok((jar.add(cookie(PORTAL_COOKIE, &opened.token)), Json(PortalNext { next })))
}

impl From<OpenError> for Problem {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::NotUsable => Self::new(
                StatusCode::NOT_FOUND,
                "portal.link_not_usable",
                "This link can't be used: it was used already, or is older than 15 minutes. Ask for a new one.",
            ),
            OpenError::Failed(error) => error.into(),
        }
    }
}
