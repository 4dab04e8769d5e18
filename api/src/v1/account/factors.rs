//! `GET /account/factors`: what one can prove oneself with.

use axum::Json;
use axum::extract::State;
use records::action::ReadAccount;
use records::identity::FactorKind;
use records::identity::account::{self, Factors};
use records::identity::factors::Factor;
use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::AppState;
use crate::document::{Anyone, SignedIn};
use crate::problem::Problem;
use crate::session::Staff;
use crate::words;

/// A second factor.
#[derive(Serialize, ToSchema)]
pub(crate) struct FactorItem {
    id: Uuid,
    #[schema(schema_with = words::factor_kind)]
    kind: FactorKind,
    /// As its owner calls it.
    name: String,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339::option")]
    last_used_at: Option<OffsetDateTime>,
}

/// One's own second factors.
#[derive(Serialize, ToSchema)]
pub(crate) struct FactorList {
    items: Vec<FactorItem>,
    /// Recovery codes that were not used.
    recovery_codes_left: i64,
    /// The kinds that this role may use, at this site.
    #[schema(schema_with = words::factor_kinds)]
    may_add: Vec<FactorKind>,
}

impl From<Factor> for FactorItem {
    fn from(factor: Factor) -> Self {
        let Factor { id, kind, name, created_at, last_used_at } = factor;
        Self { id, kind, name, created_at, last_used_at }
    }
}

/// One's own second factors
#[utoipa::path(
    get,
    path = "/account/factors",
    operation_id = "factors",
    tag = "account",
    security(("staff" = [])),
    responses((status = 200, body = FactorList), SignedIn, Anyone)
)]
pub(crate) async fn factors(State(state): State<AppState>, staff: Staff) -> Result<Json<FactorList>, Problem> {
    let mut tx = state.records.begin(staff.context()).await?;
    let may = tx.authorize(ReadAccount(staff.session.staff_id)).await?;
    let found = account::list_factors(&mut tx, &may).await?;
    let Factors { factors, recovery_codes_left } = tx.commit(found).await?;
    let mut may_add = Vec::new();
    if state.records.identity().accepts_codes(staff.session.role) {
        may_add.push(FactorKind::Totp);
    }
    if state.party.is_some() {
        may_add.push(FactorKind::WebAuthn);
    }
    let items = factors.into_iter().map(FactorItem::from).collect();
    Ok(Json(FactorList { items, recovery_codes_left, may_add }))
}
