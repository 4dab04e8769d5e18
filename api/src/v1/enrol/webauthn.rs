//! `POST /enrol/webauthn`: a new security key. The account works from here on.

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum_extra::extract::CookieJar;
use records::identity::enrolment;
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::{EnrolledAnswer, MAX_NAME_CHARS, enrolled_answer, enrolling};
use crate::AppState;
use crate::document::{Anyone, Changes, SignedIn, TakesBody};
use crate::extract::{Body, bounded};
use crate::problem::Problem;
use crate::session::Visitor;
use crate::v1::auth::second_factor::{answer_bytes, no_keys_here};

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewKey {
    /// As its owner will know it, e.g. `Blue key`.
    #[schema(max_length = 60)]
    pub name: String,
    /// `RegistrationResponseJSON`: what `credential.toJSON()` gives.
    #[schema(value_type = Object)]
    pub answer: Value,
}

/// Add a security key
#[utoipa::path(
    post,
    path = "/enrol/webauthn",
    operation_id = "enrol_webauthn",
    tag = "auth",
    request_body = NewKey,
    security(("staff" = [])),
    responses(
        (status = 200, body = EnrolledAnswer, description = "Signed in; sets a new cookie"),
        (status = 409, body = crate::problem::ProblemBody, content_type = "application/problem+json", description = "`webauthn.refused`: not a good answer to the last challenge; `webauthn.unavailable`: the site has no domain name"),
        TakesBody, SignedIn, Changes, Anyone
    )
)]
pub(crate) async fn webauthn(
    State(state): State<AppState>,
    visitor: Visitor,
    headers: HeaderMap,
    jar: CookieJar,
    Body(body): Body<NewKey>,
) -> Result<(CookieJar, Json<EnrolledAnswer>), Problem> {
    bounded("name", &body.name, MAX_NAME_CHARS)?;
    let token = enrolling(&headers)?;
    let party = state.party.as_deref().ok_or_else(no_keys_here)?;
    let answer = answer_bytes(&body.answer);
    let (records, origin) = (&state.records, &visitor.origin);
    let enrolled = enrolment::register_key(records, origin, party, &token, &body.name, &answer, visitor.at).await?;
    Ok(enrolled_answer(&state, jar, enrolled))
}
