//! `POST /enrol/totp/confirm`: a code of the new app. The account works from here on.

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum_extra::extract::CookieJar;
use records::identity::enrolment;
use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{EnrolledAnswer, enrolled_answer, enrolling};
use crate::AppState;
use crate::document::{Addressed, Anyone, Changes, SignedIn, TakesBody};
use crate::extract::{Body, bounded};
use crate::problem::Problem;
use crate::session::Visitor;
use crate::v1::auth::second_factor::digits;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewAppCode {
    pub factor_id: Uuid,
    /// Six digits that the new app shows.
    #[schema(pattern = "^[0-9]{6}$")]
    pub code: String,
}

/// Confirm an authenticator app
#[utoipa::path(
    post,
    path = "/enrol/totp/confirm",
    operation_id = "enrol_totp_confirm",
    tag = "auth",
    request_body = NewAppCode,
    security(("staff" = [])),
    responses(
        (status = 200, body = EnrolledAnswer, description = "Signed in; sets a new cookie"),
        (status = 409, body = crate::problem::ProblemBody, content_type = "application/problem+json", description = "`totp.wrong`: not a code of the new app"),
        TakesBody, Addressed, SignedIn, Changes, Anyone
    )
)]
pub(crate) async fn totp_confirm(
    State(state): State<AppState>,
    visitor: Visitor,
    headers: HeaderMap,
    jar: CookieJar,
    Body(body): Body<NewAppCode>,
) -> Result<(CookieJar, Json<EnrolledAnswer>), Problem> {
    bounded("code", &body.code, 16)?;
    let token = enrolling(&headers)?;
    let code = digits(&body.code);
    let enrolled =
        enrolment::confirm_app(&state.records, &visitor.origin, &token, body.factor_id, &code, visitor.at).await?;
    Ok(enrolled_answer(&state, jar, enrolled))
}
