//! `GET /staff/{id}/sign-ins`: when, from where and with what somebody signed in, or tried to.

use axum::Json;
use axum::extract::State;
use records::action::ReadSignIns;
use records::identity::account;
use visit::StaffId;

use crate::AppState;
use crate::document::{Addressed, Anyone, SignedIn, TakesQuery};
use crate::extract::{Id, Query};
use crate::problem::Problem;
use crate::session::Staff;
use crate::v1::account::{SignInPage, SignInQuery};

/// Somebody's sign-ins
#[utoipa::path(
    get,
    path = "/staff/{id}/sign-ins",
    operation_id = "sign_ins_of",
    tag = "staff",
    params(("id" = uuid::Uuid, Path, description = "Member of staff"), SignInQuery),
    security(("staff" = [])),
    responses((status = 200, body = SignInPage), TakesQuery, Addressed, SignedIn, Anyone)
)]
pub(crate) async fn sign_ins(
    State(state): State<AppState>,
    staff: Staff,
    Id(id): Id<StaffId>,
    Query(query): Query<SignInQuery>,
) -> Result<Json<SignInPage>, Problem> {
    let before = query.before()?;
    let mut tx = state.records.begin(staff.context()).await?;
    let may = tx.authorize(ReadSignIns(id)).await?;
    let found = account::sign_ins(&mut tx, &may, before).await?;
    Ok(Json(tx.commit(found).await?.into()))
}
