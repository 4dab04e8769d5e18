//! `POST /join/leave`: ends the patient's session and what hangs on it.

use axum::extract::State;
use axum::http::StatusCode;
use axum_extra::extract::CookieJar;
use records::sessions;

use crate::AppState;
use crate::document::{Anyone, SignedIn};
use crate::problem::Problem;
use crate::session::{PATIENT_COOKIE, Patient, without};

/// End the patient's session
#[utoipa::path(
    post,
    path = "/join/leave",
    operation_id = "leave",
    tag = "join",
    security(("patient" = [])),
    responses((status = 204, description = "Ended"), SignedIn, Anyone)
)]
pub(crate) async fn leave(
    State(state): State<AppState>,
    patient: Patient,
    jar: CookieJar,
) -> Result<(CookieJar, StatusCode), Problem> {
    sessions::end(&state.records, &patient.token, &patient.origin, patient.at).await?;
    state.limits.session_is_over(&patient.token);
    state.session_ended(patient.session.session_id);
    Ok((without(jar, PATIENT_COOKIE), StatusCode::NO_CONTENT))
}
