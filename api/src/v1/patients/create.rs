//! `POST /patients`: puts a patient on record. `POST /patients/duplicates`: who could be on record already.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use records::Phi;
use records::action::{CreatePatient, SearchPatients};
use records::patients::Demographics;
use records::patients::register::{self, Registration};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::shapes::Candidates;
use crate::AppState;
use crate::document::{Anyone, SignedIn, TakesBody};
use crate::extract::{Body, bounded, date};
use crate::problem::{Problem, ProblemBody};
use crate::session::Staff;

/// Longest `Idempotency-Key`, characters.
const LONGEST_KEY: usize = 200;

/// Somebody to put on record.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewPatient {
    demographics: Demographics,
    /// The number they have already; absent: the clinic's next one is made.
    #[serde(default)]
    mrn: Option<String>,
    /// It was seen that somebody alike is on record, and this is another person.
    #[serde(default)]
    despite_duplicates: bool,
}

/// Who was put on record.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CreatedPatient {
    patient_id: Uuid,
}

/// Put a patient on record
#[utoipa::path(
    post,
    path = "/patients",
    operation_id = "create_patient",
    tag = "patients",
    request_body = NewPatient,
    params(("Idempotency-Key" = String, Header, description = "Chosen by the client, new for each patient; at most 200 characters")),
    security(("staff" = [])),
    responses(
        (status = 201, body = CreatedPatient),
        (status = 400, body = ProblemBody, content_type = "application/problem+json", description = "`request.malformed`; `idempotency_key.missing`"),
        (status = 409, body = ProblemBody, content_type = "application/problem+json", description = "`patient.possible_duplicate`, with `patient_ids`; `patient.mrn_taken`"),
        (status = 413, body = ProblemBody, content_type = "application/problem+json", description = "`request.too_large`"),
        (status = 415, body = ProblemBody, content_type = "application/problem+json", description = "`request.not_json`"),
        (status = 422, body = ProblemBody, content_type = "application/problem+json", description = "`request.invalid`, with the `field`; `idempotency_key.reused`"),
        SignedIn, Anyone
    )
)]
pub(crate) async fn create(
    State(state): State<AppState>,
    staff: Staff,
    headers: HeaderMap,
    Body(new): Body<NewPatient>,
) -> Result<(StatusCode, Json<CreatedPatient>), Problem> {
    let key = key(&headers)?;
    let registration = Registration {
        demographics: Phi::new(new.demographics),
        mrn: new.mrn.map(Phi::from),
        despite_duplicates: new.despite_duplicates,
    };
    let mut tx = state.records.begin(staff.context()).await?;
    let may = tx.authorize(CreatePatient).await?;
    let patient = register::register(&mut tx, &may, key, registration).await?;
    let patient = tx.commit(patient).await?;
    Ok((StatusCode::CREATED, Json(CreatedPatient { patient_id: patient.0 })))
}

fn key(headers: &HeaderMap) -> Result<&str, Problem> {
    headers
        .get("idempotency-key")
        .and_then(|value| value.to_str().ok())
        .filter(|key| (1..=LONGEST_KEY).contains(&key.len()))
        .ok_or_else(|| {
            Problem::new(
                StatusCode::BAD_REQUEST,
                "idempotency_key.missing",
                "Send an Idempotency-Key header of 1 to 200 visible ASCII characters, new for each patient.",
            )
        })
}

/// Whom to compare with.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Alike {
    /// Given and family name.
    name: String,
    /// `YYYY-MM-DD`.
    #[schema(format = Date)]
    date_of_birth: String,
}

/// Who could be on record already
///
/// Born on the same day, with a word of the name in common.
#[utoipa::path(
    post,
    path = "/patients/duplicates",
    operation_id = "find_alike_patients",
    tag = "patients",
    request_body = Alike,
    security(("staff" = [])),
    responses((status = 200, body = Candidates), TakesBody, SignedIn, Anyone)
)]
pub(crate) async fn duplicates(
    State(state): State<AppState>,
    staff: Staff,
    Body(alike): Body<Alike>,
) -> Result<Json<Candidates>, Problem> {
    bounded("name", &alike.name, 250)?;
    let born = date("date_of_birth", &alike.date_of_birth)?;
    let mut tx = state.records.begin(staff.context()).await?;
    let may = tx.authorize(SearchPatients).await?;
    let found = register::duplicates_of(&mut tx, &may, &Phi::from(alike.name), born).await?;
    Ok(Json(tx.commit(found).await?.into()))
}
