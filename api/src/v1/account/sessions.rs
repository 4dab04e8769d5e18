//! `GET /account/sessions`: where one is signed in.

use axum::Json;
use axum::extract::State;
use records::SessionId;
use records::action::ReadAccount;
use records::identity::FactorKind;
use records::identity::account::{self, OpenSession};
use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::AppState;
use crate::document::{Anyone, SignedIn};
use crate::problem::Problem;
use crate::session::Staff;
use crate::words;

/// A session that is alive.
#[derive(Serialize, ToSchema)]
pub(crate) struct SessionItem {
    id: Uuid,
    /// It is the one that asks.
    current: bool,
    #[serde(with = "time::serde::rfc3339")]
    since: OffsetDateTime,
    /// Last used by a person, give or take half a minute.
    #[serde(with = "time::serde::rfc3339")]
    last_seen_at: OffsetDateTime,
    /// Ends then in any case.
    #[serde(with = "time::serde::rfc3339")]
    expires_at: OffsetDateTime,
    /// From where it began.
    address: Option<String>,
    /// With which browser.
    user_agent: Option<String>,
    /// With which second factor.
    #[schema(schema_with = words::maybe_factor_kind)]
    factor: Option<FactorKind>,
}

/// Living sessions, the latest used first.
#[derive(Serialize, ToSchema)]
pub(crate) struct SessionList {
    items: Vec<SessionItem>,
}

impl SessionList {
    /// `sessions` as seen from `current`.
    pub(crate) fn of(sessions: Vec<OpenSession>, current: SessionId) -> Self {
        let items = sessions.into_iter().map(|session| SessionItem {
            id: session.id.0,
            current: session.id == current,
            since: session.since,
            last_seen_at: session.last_seen_at,
            expires_at: session.expires_at,
            address: session.address,
            user_agent: session.user_agent,
            factor: session.factor,
        });
        Self { items: items.collect() }
    }
}

/// Where one is signed in
#[utoipa::path(
    get,
    path = "/account/sessions",
    operation_id = "sessions",
    tag = "account",
    security(("staff" = [])),
    responses((status = 200, body = SessionList), SignedIn, Anyone)
)]
pub(crate) async fn sessions(State(state): State<AppState>, staff: Staff) -> Result<Json<SessionList>, Problem> {
    let mut tx = state.records.begin(staff.context()).await?;
    let may = tx.authorize(ReadAccount(staff.session.staff_id)).await?;
    let found = account::own_sessions(&mut tx, &may).await?;
    Ok(Json(SessionList::of(tx.commit(found).await?, staff.session.session_id)))
}
