//! `PUT /patients/numbers`: the letters with which the clinic's record numbers begin.

use axum::Json;
use axum::extract::State;
use records::action::NumberPatients;
use records::patients::mrn::{self, PrefixError};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::AppState;
use crate::document::{Anyone, SignedIn, TakesBody};
use crate::extract::Body;
use crate::problem::Problem;
use crate::session::Staff;

/// How record numbers begin.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Numbering {
    /// One to four letters.
    prefix: String,
}

/// The next record number that will be made.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct NextNumber {
    #[schema(example = "RF-010001-6")]
    next: String,
}

/// Choose the letters of new record numbers
///
/// Numbers that were made before stay as they are.
#[utoipa::path(
    put,
    path = "/patients/numbers",
    operation_id = "number_patients",
    tag = "patients",
    request_body = Numbering,
    security(("staff" = [])),
    responses((status = 200, body = NextNumber), TakesBody, SignedIn, Anyone)
)]
pub(crate) async fn set(
    State(state): State<AppState>,
    staff: Staff,
    Body(numbering): Body<Numbering>,
) -> Result<Json<NextNumber>, Problem> {
    let mut tx = state.records.begin(staff.context()).await?;
    let may = tx.authorize(NumberPatients).await?;
    let next = mrn::set_prefix(&mut tx, &may, &numbering.prefix).await?;
    Ok(Json(NextNumber { next: tx.commit(next).await? }))
}

impl From<PrefixError> for Problem {
    fn from(error: PrefixError) -> Self {
        match error {
            PrefixError::NotLetters => Self::invalid("prefix: one to four letters").with("field", "prefix"),
            PrefixError::Failed(error) => error.into(),
        }
    }
}
