//! `POST /account/totp`: a secret for another authenticator app.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use records::action::ChangeFactors;
use records::identity::account;

use crate::AppState;
use crate::document::{Anyone, Changes, SignedIn, TakesBody};
use crate::extract::{Body, bounded};
use crate::problem::Problem;
use crate::session::Staff;
use crate::v1::enrol::{FactorName, MAX_NAME_CHARS, TotpSecret};

/// Begin to set up another authenticator app
///
/// It counts once `POST /account/totp/confirm` has had a code of it, within 15 minutes. Needs a fresh second factor.
#[utoipa::path(
    post,
    path = "/account/totp",
    operation_id = "add_totp",
    tag = "account",
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
    staff: Staff,
    Body(body): Body<FactorName>,
) -> Result<(StatusCode, Json<TotpSecret>), Problem> {
    bounded("name", &body.name, MAX_NAME_CHARS)?;
    let mut tx = state.records.begin(staff.context()).await?;
    let may = tx.authorize(ChangeFactors(staff.session.staff_id)).await?;
    let new = account::begin_totp(&mut tx, &may, &body.name).await?;
    Ok((StatusCode::CREATED, Json(TotpSecret::shown(&tx.commit(new).await?)?)))
}
