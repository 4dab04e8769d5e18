//! `POST /account/totp/confirm`: a code of the new app; it works from here on.

use axum::extract::State;
use axum::http::StatusCode;
use records::action::ChangeFactors;
use records::identity::account;
use records::identity::factors::Confirmed;

use crate::AppState;
use crate::document::{Addressed, Anyone, Changes, SignedIn, TakesBody};
use crate::extract::{Body, bounded};
use crate::problem::Problem;
use crate::session::Staff;
use crate::v1::auth::second_factor::digits;
use crate::v1::enrol::{NewAppCode, wrong_code};

/// Confirm another authenticator app
#[utoipa::path(
    post,
    path = "/account/totp/confirm",
    operation_id = "confirm_totp",
    tag = "account",
    request_body = NewAppCode,
    security(("staff" = [])),
    responses(
        (status = 204, description = "It works"),
        (status = 409, body = crate::problem::ProblemBody, content_type = "application/problem+json", description = "`totp.wrong`: not a code of the new app"),
        TakesBody, Addressed, SignedIn, Changes, Anyone
    )
)]
pub(crate) async fn totp_confirm(
    State(state): State<AppState>,
    staff: Staff,
    Body(body): Body<NewAppCode>,
) -> Result<StatusCode, Problem> {
    bounded("code", &body.code, 16)?;
    let mut tx = state.records.begin(staff.context()).await?;
    let may = tx.authorize(ChangeFactors(staff.session.staff_id)).await?;
    let confirmed = account::confirm_totp(&mut tx, &may, body.factor_id, &digits(&body.code)).await?;
    match tx.commit(confirmed).await? {
        Confirmed::Yes => Ok(StatusCode::NO_CONTENT),
        Confirmed::WrongCode => Err(wrong_code()),
    }
}
