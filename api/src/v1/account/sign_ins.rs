//! `GET /account/sign-ins`: one's own sign-ins and tries at it.

use axum::Json;
use axum::extract::State;
use records::action::ReadSignIns;
use records::audit::Outcome;
use records::identity::account::{self, SignIns};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::{IntoParams, ToSchema};

use crate::AppState;
use crate::document::{Anyone, SignedIn, TakesQuery};
use crate::extract::{Query, unknown_cursor};
use crate::problem::Problem;
use crate::session::Staff;
use crate::words;

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct SignInQuery {
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

impl SignInQuery {
    pub(crate) fn before(&self) -> Result<Option<i64>, Problem> {
        self.cursor.as_deref().map(|cursor| cursor.parse().map_err(|_| unknown_cursor())).transpose()
    }
}

/// A step of signing in that was done or tried.
#[derive(Serialize, ToSchema)]
pub(crate) struct SignInItem {
    #[serde(with = "time::serde::rfc3339")]
    at: OffsetDateTime,
    /// `password`, `totp`, `webauthn`, `recovery_code`.
    step: String,
    #[schema(schema_with = words::outcome)]
    outcome: Outcome,
    /// Why it failed, a short word, e.g. `wrong`, `used_before`, `counter_went_back`.
    reason: Option<String>,
    address: Option<String>,
    user_agent: Option<String>,
}

/// A page of sign-ins, newest first.
#[derive(Serialize, ToSchema)]
pub(crate) struct SignInPage {
    items: Vec<SignInItem>,
    next_cursor: Option<String>,
}

impl From<SignIns> for SignInPage {
    fn from(page: SignIns) -> Self {
        let items = page.items.into_iter().map(|item| SignInItem {
            at: item.at,
            step: item.step,
            outcome: item.outcome,
            reason: item.reason,
            address: item.address,
            user_agent: item.user_agent,
        });
        Self { items: items.collect(), next_cursor: page.next_cursor.map(|cursor| cursor.to_string()) }
    }
}

/// One's own sign-ins
#[utoipa::path(
    get,
    path = "/account/sign-ins",
    operation_id = "own_sign_ins",
    tag = "account",
    params(SignInQuery),
    security(("staff" = [])),
    responses((status = 200, body = SignInPage), TakesQuery, SignedIn, Anyone)
)]
pub(crate) async fn sign_ins(
    State(state): State<AppState>,
    staff: Staff,
    Query(query): Query<SignInQuery>,
) -> Result<Json<SignInPage>, Problem> {
    let before = query.before()?;
    let mut tx = state.records.begin(staff.context()).await?;
    let may = tx.authorize(ReadSignIns(staff.session.staff_id)).await?;
    let found = account::sign_ins(&mut tx, &may, before).await?;
    Ok(Json(tx.commit(found).await?.into()))
}
