//! Setting up a second factor before anything else is open: after an invitation or a recovery code.

mod look;
mod totp;
mod totp_confirm;
mod webauthn;
mod webauthn_options;

use axum::Json;
use axum::http::{HeaderMap, StatusCode};
use axum_extra::extract::CookieJar;
use records::SessionToken;
use records::identity::enrolment::{EnrolError, Enrolled};
use records::identity::factors::FactorError;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::AppState;
use crate::problem::Problem;
use crate::session::{STAFF_COOKIE, token};
use crate::v1::auth::second_factor::signed_in_answer;
use crate::v1::shapes::{Me, shown};

pub(super) use totp::{FactorName, TotpSecret};
pub(super) use totp_confirm::NewAppCode;
pub(super) use webauthn::NewKey;

/// Longest name of a factor.
pub(super) use records::identity::factors::MAX_NAME_CHARS;

/// The routes of this folder.
pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(look::look))
        .routes(routes!(totp::totp))
        .routes(routes!(totp_confirm::totp_confirm))
        .routes(routes!(webauthn_options::webauthn_options))
        .routes(routes!(webauthn::webauthn))
}

/// The factor works; its owner is in.
#[derive(Serialize, ToSchema)]
pub(crate) struct EnrolledAnswer {
    me: Me,
    /// Ten codes for whoever loses every factor, shown this once. Empty if there are some already.
    recovery_codes: Vec<String>,
}

/// Sets the cookies of somebody who has just set up a factor.
fn enrolled_answer(state: &AppState, jar: CookieJar, enrolled: Enrolled) -> (CookieJar, Json<EnrolledAnswer>) {
    let recovery_codes = enrolled.recovery_codes.iter().map(shown).collect();
    let (jar, me) = signed_in_answer(state, jar, enrolled.signed_in);
    (jar, Json(EnrolledAnswer { me, recovery_codes }))
}

fn enrolling(headers: &HeaderMap) -> Result<SessionToken, Problem> {
    token(headers, STAFF_COOKIE).ok_or_else(Problem::signed_out)
}

impl From<EnrolError> for Problem {
    fn from(error: EnrolError) -> Self {
        match error {
            EnrolError::SignedOut => Self::signed_out(),
            EnrolError::WrongCode => wrong_code(),
            EnrolError::Factor(error) => error.into(),
            EnrolError::Failed(error) => error.into(),
        }
    }
}

/// A code that is not one of the new app.
pub(crate) fn wrong_code() -> Problem {
    Problem::new(
        StatusCode::CONFLICT,
        "totp.wrong",
        "That is not a code of the new app. Check that it shows Bedside, wait for the next code and type it.",
    )
}

impl From<FactorError> for Problem {
    fn from(error: FactorError) -> Self {
        match error {
            FactorError::BadName => Self::invalid("name: empty, not printable, or longer than 60 characters"),
            FactorError::NeedsKey => Self::new(
                StatusCode::CONFLICT,
                "second_factor.needs_key",
                "Your role needs a security key or passkey. Add one of those instead.",
            ),
            FactorError::BadAnswer => Self::new(
                StatusCode::CONFLICT,
                "webauthn.refused",
                "This security key could not be added. Use one that asks for a PIN or fingerprint and is not added yet, and try again.",
            ),
            FactorError::Failed(error) => error.into(),
        }
    }
}
