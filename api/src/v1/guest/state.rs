//! `GET /guest`: how far the guest has come; a reloaded page goes on from there.

use axum::Json;
use axum::extract::State;
use records::action::Attend;
use records::guests::way_in;
use records::visits::VisitState;
use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;
use visit::Role;

use crate::AppState;
use crate::document::{Addressed, Anyone, SignedIn};
use crate::problem::Problem;
use crate::session::Guest;
use crate::v1::shapes::{GivenConsent, shown};
use crate::words;

/// How far a guest has come on the way into the visit. Nothing of the patient.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct GuestState {
    visit_id: Uuid,
    name: String,
    #[schema(schema_with = words::role)]
    role: Role,
    provider_name: String,
    clinic_name: String,
    clinic_phone: String,
    #[serde(with = "time::serde::rfc3339")]
    starts_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    ends_at: OffsetDateTime,
    /// Null until given for this visit.
    #[schema(required)]
    consent: Option<GivenConsent>,
    #[schema(schema_with = words::visit_state)]
    visit_state: VisitState,
}

impl From<way_in::GuestProgress> for GuestState {
    fn from(state: way_in::GuestProgress) -> Self {
        Self {
            visit_id: state.visit_id.0,
            name: shown(&state.name),
            role: state.role,
            provider_name: state.provider_name,
            clinic_name: state.clinic_name,
            clinic_phone: state.clinic_phone,
            starts_at: state.starts_at,
            ends_at: state.ends_at,
            consent: state.consent.map(Into::into),
            visit_state: state.visit_state,
        }
    }
}

/// How far the guest has come
#[utoipa::path(
    get,
    path = "/guest",
    operation_id = "guest_state",
    tag = "guest",
    security(("guest" = [])),
    responses((status = 200, body = GuestState), Addressed, SignedIn, Anyone)
)]
pub(crate) async fn state(State(state): State<AppState>, guest: Guest) -> Result<Json<GuestState>, Problem> {
    let mut tx = state.records.begin(guest.context()).await?;
    let may = tx.authorize(Attend(guest.session.visit_id)).await?;
    let found = way_in::progress(&mut tx, &may).await?;
    Ok(Json(tx.commit(found).await?.into()))
}
