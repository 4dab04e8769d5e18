//! `POST /enrol/totp`: a secret for an authenticator app.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use records::identity::enrolment;
use records::identity::factors::NewTotp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{MAX_NAME_CHARS, enrolling};
use crate::AppState;
use crate::document::{Anyone, Changes, SignedIn, TakesBody};
use crate::extract::{Body, bounded};
use crate::problem::Problem;
use crate::session::Visitor;
use crate::v1::qr::{self, QrPath};
use crate::v1::shapes::shown;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct FactorName {
    /// As its owner will know it, e.g. `My phone`.
    #[schema(max_length = 60)]
    pub name: String,
}

/// A secret, shown once.
#[derive(Serialize, ToSchema)]
pub(crate) struct TotpSecret {
    factor_id: Uuid,
    /// Base32, to be typed.
    secret: String,
    /// `otpauth:` address, for an app on the same device.
    url: String,
    /// The same address, to be scanned.
    qr: QrPath,
}

impl TotpSecret {
    pub(crate) fn shown(new: &NewTotp) -> Result<Self, Problem> {
        let url = shown(&new.url);
        Ok(Self { factor_id: new.id, secret: shown(&new.secret), qr: qr::draw(&url)?, url })
    }
}

/// Begin to set up an authenticator app
///
/// It counts once `POST /enrol/totp/confirm` has had a code of it, within 15 minutes.
#[utoipa::path(
    post,
    path = "/enrol/totp",
    operation_id = "enrol_totp",
    tag = "auth",
    request_body = FactorName,
    security(("staff" = [])),
    responses(
        (status = 201, body = TotpSecret),
        (status = 409, body = crate::problem::ProblemBody, content_type = "application/problem+json", description = "`second_factor.needs_key`: this role needs a security key"),
        TakesBody, SignedIn, Changes, Anyone
    )
)]
pub(crate) async fn totp(
    State(state): State<AppState>,
    visitor: Visitor,
    headers: HeaderMap,
    Body(body): Body<FactorName>,
) -> Result<(StatusCode, Json<TotpSecret>), Problem> {
    bounded("name", &body.name, MAX_NAME_CHARS)?;
    let token = enrolling(&headers)?;
    let new = enrolment::begin_app(&state.records, &visitor.origin, &token, &body.name, visitor.at).await?;
    Ok((StatusCode::CREATED, Json(TotpSecret::shown(&new)?)))
}
