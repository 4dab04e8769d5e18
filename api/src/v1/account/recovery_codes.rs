//! `POST /account/recovery-codes`: a new set in the place of the former one.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use records::action::ChangeFactors;
use records::identity::account;
use serde::Serialize;
use utoipa::ToSchema;

use crate::AppState;
use crate::document::{Anyone, Changes, SignedIn};
use crate::problem::Problem;
use crate::session::Staff;
use crate::v1::shapes::shown;

/// Ten codes, each good once.
#[derive(Serialize, ToSchema)]
pub(crate) struct RecoveryCodes {
    /// Shown this once; only their hashes are kept.
    codes: Vec<String>,
}

/// Make new recovery codes
///
/// Those of before don't work any more. Needs a fresh second factor.
#[utoipa::path(
    post,
    path = "/account/recovery-codes",
    operation_id = "new_recovery_codes",
    tag = "account",
    security(("staff" = [])),
    responses((status = 201, body = RecoveryCodes), SignedIn, Changes, Anyone)
)]
pub(crate) async fn recovery_codes(
    State(state): State<AppState>,
    staff: Staff,
) -> Result<(StatusCode, Json<RecoveryCodes>), Problem> {
    let mut tx = state.records.begin(staff.context()).await?;
    let may = tx.authorize(ChangeFactors(staff.session.staff_id)).await?;
    let made = account::new_recovery_codes(&mut tx, &may).await?;
    let codes = tx.commit(made).await?.iter().map(shown).collect();
    Ok((StatusCode::CREATED, Json(RecoveryCodes { codes })))
}
