//! `POST /auth/confirm/options`: how one may give a second factor again.

use axum::Json;
use axum::extract::State;
use records::identity::{FactorKind, confirm};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::second_factor::options;
use crate::AppState;
use crate::document::{Anyone, Changes, SignedIn};
use crate::problem::Problem;
use crate::session::Staff;
use crate::words;

/// Ways to confirm.
#[derive(Serialize, ToSchema)]
pub(crate) struct WaysToConfirm {
    /// The kinds of factors that this person has and may use.
    #[schema(schema_with = words::factor_kinds)]
    factors: Vec<FactorKind>,
    /// `PublicKeyCredentialRequestOptionsJSON`, if there is a security key.
    #[schema(value_type = Option<Object>)]
    webauthn: Option<Value>,
}

/// How to give a second factor again
///
/// With a fresh challenge, if there is a security key: good for one answer within five minutes.
#[utoipa::path(
    post,
    path = "/auth/confirm/options",
    operation_id = "confirm_options",
    tag = "auth",
    security(("staff" = [])),
    responses((status = 200, body = WaysToConfirm), SignedIn, Changes, Anyone)
)]
pub(crate) async fn confirm_options(
    State(state): State<AppState>,
    staff: Staff,
) -> Result<Json<WaysToConfirm>, Problem> {
    let party = state.party.as_deref();
    let (factors, asked) =
        confirm::confirm_options(&state.records, &staff.origin, party, &staff.session, staff.at).await?;
    let webauthn = asked.as_deref().map(options).transpose()?;
    Ok(Json(WaysToConfirm { factors, webauthn }))
}
