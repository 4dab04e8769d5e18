//! `POST /join/consent`: agrees to be treated over the network, to exactly the text that was read.

use axum::extract::State;
use axum::http::StatusCode;
use records::action::CheckIn;
use records::join::{self, ConsentError};

use crate::AppState;
use crate::document::{Anyone, SignedIn, TakesBody};
use crate::extract::{Body, bounded};
use crate::problem::Problem;
use crate::session::Patient;
use crate::v1::shapes::Agreement;

/// Agree to telehealth
#[utoipa::path(
    post,
    path = "/join/consent",
    operation_id = "agree",
    tag = "join",
    request_body = Agreement,
    security(("patient" = [])),
    responses(
        (status = 204, description = "Stored"),
        (status = 409, body = crate::problem::ProblemBody, content_type = "application/problem+json", description = "`consent.text_changed`"),
        TakesBody, SignedIn, Anyone
    )
)]
pub(crate) async fn consent(
    State(state): State<AppState>,
    patient: Patient,
    Body(agreement): Body<Agreement>,
) -> Result<StatusCode, Problem> {
    bounded("text_version", &agreement.text_version, 100)?;
    bounded("lang", &agreement.lang, 35)?;
    let mut tx = state.records.begin(patient.context()).await?;
    let may = tx.authorize(CheckIn(patient.session.visit_id)).await?;
    let stored = join::accept_consent(&mut tx, &may, &agreement.text_version, &agreement.lang).await?;
    tx.commit(stored).await?;
    Ok(StatusCode::NO_CONTENT)
}

impl From<ConsentError> for Problem {
    fn from(error: ConsentError) -> Self {
        match error {
            ConsentError::TextChanged => Self::new(
                StatusCode::CONFLICT,
                "consent.text_changed",
                "The text has changed since you read it. Read the current one and agree again.",
            ),
            ConsentError::Failed(error) => error.into(),
        }
    }
}
