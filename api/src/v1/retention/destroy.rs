//! `POST /patients/{id}/destroy`: destroys the keys of a record that was kept long enough. Can't be undone.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use records::Phi;
use records::action::DestroyPatient;
use records::retention::{self, DestroyError};
use serde::{Deserialize, Serialize};
use time::format_description::well_known::Rfc3339;
use utoipa::ToSchema;
use visit::PatientId;

use crate::AppState;
use crate::document::{Addressed, Anyone, SignedIn};
use crate::extract::{Body, Id, bounded};
use crate::problem::Problem;
use crate::session::Staff;

/// Says once more whom.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Destruction {
    /// The clinic's own number for the patient, typed again.
    #[schema(max_length = 200)]
    mrn: String,
}

/// What was destroyed.
#[derive(Serialize, ToSchema)]
pub(crate) struct Destroyed {
    /// Versions of the patient's data key.
    data_keys: u64,
    /// Keys of recordings and attachments.
    object_keys: u64,
}

/// Destroy a patient's record
///
/// Needs a second factor that was given just now. Refused before the end of retention and while a legal hold stands.
#[utoipa::path(
    post,
    path = "/patients/{id}/destroy",
    operation_id = "destroy_patient",
    tag = "audit",
    params(("id" = uuid::Uuid, Path)),
    request_body = Destruction,
    security(("staff" = [])),
    responses(
        (status = 200, body = Destroyed),
        (status = 400, body = crate::problem::ProblemBody, content_type = "application/problem+json", description = "`request.malformed`"),
        (status = 409, body = crate::problem::ProblemBody, content_type = "application/problem+json", description = "`legal_hold.stands`; `retention.not_over`, with `kept_until`"),
        (status = 413, body = crate::problem::ProblemBody, content_type = "application/problem+json", description = "`request.too_large`"),
        (status = 415, body = crate::problem::ProblemBody, content_type = "application/problem+json", description = "`request.not_json`"),
        (status = 422, body = crate::problem::ProblemBody, content_type = "application/problem+json", description = "`request.invalid`; `patient.other_number`"),
        Addressed, SignedIn, Anyone
    )
)]
pub(crate) async fn destroy(
    State(state): State<AppState>,
    staff: Staff,
    Id(patient): Id<PatientId>,
    Body(destruction): Body<Destruction>,
) -> Result<Json<Destroyed>, Problem> {
    bounded("mrn", &destruction.mrn, 200)?;
    let mut tx = state.records.begin(staff.context()).await?;
    let may = tx.authorize(DestroyPatient(patient)).await?;
    let destroyed = retention::destroy(&mut tx, &may, &Phi::from(destruction.mrn)).await?;
    let destroyed = tx.commit(destroyed).await?;
    Ok(Json(Destroyed { data_keys: destroyed.data_keys, object_keys: destroyed.object_keys }))
}

impl From<DestroyError> for Problem {
    fn from(error: DestroyError) -> Self {
        match error {
            DestroyError::Held => Self::new(
                StatusCode::CONFLICT,
                "legal_hold.stands",
                "A legal hold stands: nothing of this patient may be destroyed. Lift it first if its reason is gone.",
            ),
            DestroyError::TooEarly { until } => Self::new(
                StatusCode::CONFLICT,
                "retention.not_over",
                "This record has to be kept longer. Come back after the date that is shown.",
            )
            .with("kept_until", until.format(&Rfc3339).unwrap_or_default()),
            DestroyError::OtherNumber => Self::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "patient.other_number",
                "This is not the record number of this patient. Check that it is the right one, and type it again.",
            ),
            DestroyError::Failed(error) => error.into(),
        }
    }
}
