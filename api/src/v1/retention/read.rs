//! `GET /patients/{id}/retention`: until when a record is kept, and whether a hold stands.

use axum::Json;
use axum::extract::State;
use records::action::ReadRetention;
use records::retention;
use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;
use visit::PatientId;

use crate::AppState;
use crate::document::{Addressed, Anyone, SignedIn};
use crate::extract::Id;
use crate::problem::Problem;
use crate::session::Staff;
use crate::v1::shapes::shown;

/// Where a patient's record stands.
#[derive(Serialize, ToSchema)]
pub(crate) struct Retention {
    name: String,
    /// The clinic's own number for this patient.
    mrn: String,
    /// The last thing that happened to them.
    #[serde(with = "time::serde::rfc3339")]
    last_activity: OffsetDateTime,
    /// Years that the clinic keeps a record after that.
    years: i32,
    #[serde(with = "time::serde::rfc3339")]
    kept_until: OffsetDateTime,
    /// The legal hold that stands.
    #[schema(required)]
    hold: Option<Hold>,
    /// It is kept long enough, and no hold stands.
    may_be_destroyed: bool,
}

/// A legal hold.
#[derive(Serialize, ToSchema)]
pub(crate) struct Hold {
    reason: String,
    /// Name.
    placed_by: String,
    #[serde(with = "time::serde::rfc3339")]
    placed_at: OffsetDateTime,
}

/// How long a record is kept
#[utoipa::path(
    get,
    path = "/patients/{id}/retention",
    operation_id = "retention",
    tag = "audit",
    params(("id" = uuid::Uuid, Path)),
    security(("staff" = [])),
    responses((status = 200, body = Retention), Addressed, SignedIn, Anyone)
)]
pub(crate) async fn retention(
    State(state): State<AppState>,
    staff: Staff,
    Id(patient): Id<PatientId>,
) -> Result<Json<Retention>, Problem> {
    let mut tx = state.records.begin(staff.context()).await?;
    let may = tx.authorize(ReadRetention(patient)).await?;
    let read = retention::read(&mut tx, &may).await?;
    let read = tx.commit(read).await?;
    Ok(Json(Retention {
        name: shown(&read.name),
        mrn: shown(&read.mrn),
        last_activity: read.last_activity,
        years: read.years,
        kept_until: read.kept_until,
        hold: read.hold.map(|hold| Hold {
            reason: shown(&hold.reason),
            placed_by: hold.placed_by,
            placed_at: hold.placed_at,
        }),
        may_be_destroyed: read.may_be_destroyed,
    }))
}
