//! What all ways to give a second factor share: what they open, and why they don't.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum_extra::extract::CookieJar;
use records::identity::FactorKind;
use records::sign_in::{Entered, Next, SecondFactorError, SignedIn};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::sign_in::locked;
use crate::AppState;
use crate::problem::Problem;
use crate::session::{STAFF_COOKIE, cookie, device_cookie};
use crate::v1::shapes::Me;
use crate::words;

/// What comes next.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct NextFactor {
    /// `totp`: a code; `webauthn`: a security key; `enrol`: set up a second factor first.
    #[schema(schema_with = words::next_factor)]
    next: &'static str,
    /// Everything that would do; a recovery code does as well.
    #[schema(schema_with = words::factor_kinds)]
    factors: Vec<FactorKind>,
}

impl NextFactor {
    pub(crate) const ENROL: Self = Self { next: "enrol", factors: Vec::new() };
}

impl From<Next> for NextFactor {
    fn from(next: Next) -> Self {
        match next {
            Next::Enrol => Self::ENROL,
            // A key can't be phished, so it is asked for first.
            Next::SecondFactor(factors) if factors.contains(&FactorKind::WebAuthn) => {
                Self { next: FactorKind::WebAuthn.as_str(), factors }
            }
            Next::SecondFactor(factors) => Self { next: FactorKind::Totp.as_str(), factors },
        }
    }
}

/// The answer to a second factor that was right: a new cookie in any case.
pub(crate) fn entered(state: &AppState, jar: CookieJar, entered: Entered) -> Response {
    match entered {
        Entered::In(signed_in) => {
            let (jar, me) = signed_in_answer(state, jar, *signed_in);
            (jar, Json(me)).into_response()
        }
        Entered::Enrol(token) => {
            (StatusCode::ACCEPTED, jar.add(cookie(STAFF_COOKIE, &token)), Json(NextFactor::ENROL)).into_response()
        }
    }
}

/// Sets the cookies of somebody who is in.
pub(crate) fn signed_in_answer(state: &AppState, jar: CookieJar, signed_in: SignedIn) -> (CookieJar, Me) {
    state.limits.session_is_good(&signed_in.token);
    let mut jar = jar.add(cookie(STAFF_COOKIE, &signed_in.token));
    if let Some(device) = &signed_in.device {
        jar = jar.add(device_cookie(device));
    }
    (jar, signed_in.session.into())
}

/// What an authenticator said, as the browser's `toJSON()` gives it.
pub(crate) fn answer_bytes(answer: &Value) -> Vec<u8> {
    answer.to_string().into_bytes()
}

/// Options for the browser, as the record made them.
pub(crate) fn options(json: &str) -> Result<Value, Problem> {
    serde_json::from_str(json).map_err(|_| Problem::internal())
}

/// Six digits, however they were grouped.
pub(crate) fn digits(code: &str) -> String {
    code.chars().filter(|char| !char.is_whitespace()).collect()
}

/// The site has no domain name, so that no browser makes or uses a key for it.
pub(crate) fn no_keys_here() -> Problem {
    Problem::new(
        StatusCode::CONFLICT,
        "webauthn.unavailable",
        "Security keys work only where the site has a domain name. Open it by its name, or ask your administrator.",
    )
}

impl From<SecondFactorError> for Problem {
    fn from(error: SecondFactorError) -> Self {
        match error {
            SecondFactorError::Wrong => Self::new(
                StatusCode::UNAUTHORIZED,
                "second_factor.failed",
                "That did not work or was used before. Wait for the next code, or use your security key again.",
            ),
            SecondFactorError::NeedsKey => Self::new(
                StatusCode::FORBIDDEN,
                "second_factor.needs_key",
                "Your role signs in with a security key. Use it instead of a code.",
            ),
            SecondFactorError::SignedOut => Self::signed_out(),
            SecondFactorError::TooFast { retry_after_s } => Self::rate_limited(retry_after_s.unsigned_abs()),
            SecondFactorError::Locked { .. } => locked(),
            SecondFactorError::Failed(error) => error.into(),
        }
    }
}
