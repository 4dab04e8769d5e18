//! `GET /join`: how far the patient has come; a reloaded page goes on from there.

use axum::Json;
use axum::extract::State;
use records::action::CheckIn;
use records::join;
use records::visits::VisitState;
use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::AppState;
use crate::document::{Anyone, SignedIn};
use crate::problem::Problem;
use crate::session::Patient;
use crate::v1::shapes::{GivenConsent, Location, shown};
use crate::words;

/// How far a patient has come on the way into the visit.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct JoinState {
    visit_id: Uuid,
    patient_name: String,
    provider_name: String,
    clinic_name: String,
    clinic_phone: String,
    #[serde(with = "time::serde::rfc3339")]
    starts_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    ends_at: OffsetDateTime,
    /// Null until said for this visit.
    #[schema(required)]
    location: Option<Location>,
    /// Null until given for this visit.
    #[schema(required)]
    consent: Option<GivenConsent>,
    #[schema(schema_with = words::visit_state)]
    visit_state: VisitState,
    /// Why the clinic sent the patient away with a new link; null if it did not, or they came by that link.
    #[schema(required)]
    declined: Option<String>,
}

impl From<join::JoinState> for JoinState {
    fn from(state: join::JoinState) -> Self {
        Self {
            visit_id: state.visit_id.0,
            patient_name: shown(&state.patient_name),
            provider_name: state.provider_name,
            clinic_name: state.clinic_name,
            clinic_phone: state.clinic_phone,
            starts_at: state.starts_at,
            ends_at: state.ends_at,
            location: state.location.map(Into::into),
            consent: state.consent.map(Into::into),
            visit_state: state.visit_state,
            declined: state.declined.as_ref().map(shown),
        }
    }
}

/// How far the patient has come
#[utoipa::path(
    get,
    path = "/join",
    operation_id = "join_state",
    tag = "join",
    security(("patient" = [])),
    responses((status = 200, body = JoinState), SignedIn, Anyone)
)]
pub(crate) async fn state(State(state): State<AppState>, patient: Patient) -> Result<Json<JoinState>, Problem> {
    let mut tx = state.records.begin(patient.context()).await?;
    let may = tx.authorize(CheckIn(patient.session.visit_id)).await?;
    let found = join::state(&mut tx, &may).await?;
    Ok(Json(tx.commit(found).await?.into()))
}
