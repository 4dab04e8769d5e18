//! `GET /visits/{id}`: one visit with its patient.

use axum::Json;
use axum::extract::State;
use records::action::ReadVisit;
use records::visits::{self, VisitDetail, VisitState};
use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;
use visit::VisitId;

use crate::AppState;
use crate::document::{Addressed, Anyone, SignedIn};
use crate::extract::Id;
use crate::problem::Problem;
use crate::session::Staff;
use crate::v1::shapes::{GivenConsent, Location, shown};
use crate::words;

/// One visit.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Visit {
    visit_id: Uuid,
    appointment_id: Uuid,
    #[schema(schema_with = words::visit_state)]
    state: VisitState,
    patient: VisitPatient,
    provider_name: String,
    /// Booked from.
    #[serde(with = "time::serde::rfc3339")]
    starts_at: OffsetDateTime,
    /// Booked to.
    #[serde(with = "time::serde::rfc3339")]
    ends_at: OffsetDateTime,
    /// The patient was first let in.
    #[serde(with = "time::serde::rfc3339::option")]
    #[schema(required)]
    started_at: Option<OffsetDateTime>,
    #[serde(with = "time::serde::rfc3339::option")]
    #[schema(required)]
    ended_at: Option<OffsetDateTime>,
    /// Why the patient comes; null for roles that may not know.
    #[schema(required)]
    reason: Option<String>,
    /// The patient's consent to telehealth.
    #[schema(required)]
    consent: Option<GivenConsent>,
    /// Whether the note can be read by whoever asks; not by a colleague who was asked into this one visit.
    sees_note: bool,
}

/// The patient of a visit.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct VisitPatient {
    patient_id: Uuid,
    name: String,
    /// `YYYY-MM-DD`.
    #[schema(format = Date)]
    date_of_birth: String,
    /// Null until the patient has said it.
    #[schema(required)]
    location: Option<Location>,
}

impl From<VisitDetail> for Visit {
    fn from(visit: VisitDetail) -> Self {
        Self {
            visit_id: visit.visit_id.0,
            appointment_id: visit.appointment_id.0,
            state: visit.state,
            patient: VisitPatient {
                patient_id: visit.patient_id.0,
                name: shown(&visit.patient_name),
                date_of_birth: shown(&visit.date_of_birth),
                location: visit.location.map(Into::into),
            },
            provider_name: visit.provider_name,
            starts_at: visit.starts_at,
            ends_at: visit.ends_at,
            started_at: visit.started_at,
            ended_at: visit.ended_at,
            reason: visit.reason.as_ref().map(shown),
            consent: visit.consent.map(Into::into),
            sees_note: visit.sees_note,
        }
    }
}

/// One visit
#[utoipa::path(
    get,
    path = "/visits/{id}",
    operation_id = "visit",
    tag = "visits",
    params(("id" = Uuid, Path, description = "Visit")),
    security(("staff" = [])),
    responses((status = 200, body = Visit), Addressed, SignedIn, Anyone)
)]
pub(crate) async fn detail(
    State(state): State<AppState>,
    staff: Staff,
    Id(visit): Id<VisitId>,
) -> Result<Json<Visit>, Problem> {
    let mut tx = state.records.begin(staff.context()).await?;
    let may = tx.authorize(ReadVisit(visit)).await?;
    let found = visits::detail(&mut tx, &may).await?;
    Ok(Json(tx.commit(found).await?.into()))
}
