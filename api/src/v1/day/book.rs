//! `POST /appointments`: books a slot, makes its visit, and issues the patient's link.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use records::Phi;
use records::action::BookAppointment;
use records::appointments::{self, BookError, NewAppointment, VisitType};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;
use visit::{PatientId, StaffId};

use crate::AppState;
use crate::document::{Addressed, Anyone, SignedIn};
use crate::extract::{Body, bounded};
use crate::problem::Problem;
use crate::session::Staff;
use crate::words;

/// A slot to book.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Booking {
    patient_id: Uuid,
    provider_id: Uuid,
    #[serde(with = "time::serde::rfc3339")]
    starts_at: OffsetDateTime,
    /// At most 8 hours after `starts_at`.
    #[serde(with = "time::serde::rfc3339")]
    ends_at: OffsetDateTime,
    #[schema(schema_with = words::visit_type)]
    visit_type: VisitType,
    /// Why the patient comes, in their words; at most 500 characters.
    #[schema(max_length = 500)]
    reason: String,
}

/// What was booked.
#[derive(Serialize, ToSchema)]
pub(crate) struct Booked {
    appointment_id: Uuid,
    visit_id: Uuid,
    /// The patient's link, shown this once.
    link: String,
    /// The link is good until then.
    #[serde(with = "time::serde::rfc3339")]
    link_expires_at: OffsetDateTime,
}

/// Book an appointment
///
/// The same `Idempotency-Key` with the same content gives the first answer again and books nothing, for 24 hours.
#[utoipa::path(
    post,
    path = "/appointments",
    operation_id = "book",
    tag = "day",
    request_body = Booking,
    params(("Idempotency-Key" = String, Header, description = "Chosen by the client, new for each booking; at most 200 characters")),
    security(("staff" = [])),
    responses(
        (status = 201, body = Booked),
        (status = 400, body = crate::problem::ProblemBody, content_type = "application/problem+json", description = "`request.malformed`; `idempotency_key.missing`"),
        (status = 409, body = crate::problem::ProblemBody, content_type = "application/problem+json", description = "`appointment.overlap`"),
        (status = 413, body = crate::problem::ProblemBody, content_type = "application/problem+json", description = "`request.too_large`"),
        (status = 415, body = crate::problem::ProblemBody, content_type = "application/problem+json", description = "`request.not_json`"),
        (status = 422, body = crate::problem::ProblemBody, content_type = "application/problem+json", description = "`request.invalid`; `appointment.times`; `appointment.provider_unknown`; `idempotency_key.reused`"),
        Addressed, SignedIn, Anyone
    )
)]
pub(crate) async fn book(
    State(state): State<AppState>,
    staff: Staff,
    headers: HeaderMap,
    Body(booking): Body<Booking>,
) -> Result<(StatusCode, Json<Booked>), Problem> {
    let key = idempotency_key(&headers)?;
    bounded("reason", &booking.reason, 500)?;
    let new = NewAppointment {
        provider_id: StaffId(booking.provider_id),
        starts_at: booking.starts_at,
        ends_at: booking.ends_at,
        visit_type: booking.visit_type,
        reason: Phi::from(booking.reason),
    };
    let mut tx = state.records.begin(staff.context()).await?;
    let may = tx.authorize(BookAppointment(PatientId(booking.patient_id))).await?;
    let booked = appointments::book(&mut tx, &may, &new, key).await?;
    let booked = tx.commit(booked).await?;
    state.changed(staff.session.clinic.id);
    let answer = Booked {
        appointment_id: booked.appointment_id.0,
        visit_id: booked.visit_id.0,
        link: state.patient_link(&booked.link.token),
        link_expires_at: booked.link.expires_at,
    };
    Ok((StatusCode::CREATED, Json(answer)))
}

fn idempotency_key(headers: &HeaderMap) -> Result<&str, Problem> {
    headers.get("idempotency-key").and_then(|value| value.to_str().ok()).ok_or_else(key_missing)
}

fn key_missing() -> Problem {
    Problem::new(
        StatusCode::BAD_REQUEST,
        "idempotency_key.missing",
        "Send an Idempotency-Key header of 1 to 200 visible ASCII characters, new for each booking.",
    )
}

impl From<BookError> for Problem {
    fn from(error: BookError) -> Self {
        match error {
            BookError::Overlap => Self::new(
                StatusCode::CONFLICT,
                "appointment.overlap",
                "The provider already has an appointment at that time. Choose another time.",
            ),
            BookError::BadTimes => Self::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "appointment.times",
                "The appointment must end after it starts, and within 8 hours. Change one of the times.",
            ),
            BookError::UnknownProvider => Self::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "appointment.provider_unknown",
                "There is no such provider in this clinic. Choose one from the list.",
            ),
            BookError::BadKey => key_missing(),
            BookError::KeyReused => Self::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "idempotency_key.reused",
                "This Idempotency-Key was used for a different booking. Send a new one.",
            ),
            BookError::Failed(error) => error.into(),
        }
    }
}
