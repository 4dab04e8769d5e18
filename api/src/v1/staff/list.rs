//! `GET /staff`: who works here.

use axum::Json;
use axum::extract::State;
use records::action::ReadStaff;
use records::identity::FactorKind;
use records::identity::roster::{self, InvitationState, Member, Standing};
use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;
use visit::Role;

use crate::AppState;
use crate::document::{Anyone, SignedIn};
use crate::problem::Problem;
use crate::session::Staff;
use crate::words;

/// An account.
#[derive(Serialize, ToSchema)]
pub(crate) struct StaffMember {
    id: Uuid,
    name: String,
    email: String,
    #[schema(schema_with = words::role)]
    role: Role,
    /// `invited`: has never worked; `active`; `deactivated`: its owner has left.
    #[schema(schema_with = words::standing)]
    standing: Standing,
    /// Of those who are invited: `open`, `accepted` (a password, no second factor yet), `expired`, `revoked`.
    #[schema(schema_with = words::maybe_invitation_state)]
    invitation: Option<InvitationState>,
    #[serde(with = "time::serde::rfc3339::option")]
    invitation_expires_at: Option<OffsetDateTime>,
    /// Kinds of second factors that work.
    #[schema(schema_with = words::factor_kinds)]
    factors: Vec<FactorKind>,
    #[serde(with = "time::serde::rfc3339::option")]
    last_sign_in_at: Option<OffsetDateTime>,
}

/// Everybody, by name.
#[derive(Serialize, ToSchema)]
pub(crate) struct StaffList {
    items: Vec<StaffMember>,
}

impl From<Member> for StaffMember {
    fn from(member: Member) -> Self {
        Self {
            id: member.id.0,
            name: member.name,
            email: member.email,
            role: member.role,
            standing: member.standing,
            invitation: member.invitation,
            invitation_expires_at: member.invitation_expires_at,
            factors: member.factors,
            last_sign_in_at: member.last_sign_in_at,
        }
    }
}

/// The clinic's staff
#[utoipa::path(
    get,
    path = "/staff",
    operation_id = "staff",
    tag = "staff",
    security(("staff" = [])),
    responses((status = 200, body = StaffList), SignedIn, Anyone)
)]
pub(crate) async fn list(State(state): State<AppState>, staff: Staff) -> Result<Json<StaffList>, Problem> {
    let mut tx = state.records.begin(staff.context()).await?;
    let may = tx.authorize(ReadStaff).await?;
    let found = roster::list(&mut tx, &may).await?;
    Ok(Json(StaffList { items: tx.commit(found).await?.into_iter().map(StaffMember::from).collect() }))
}
