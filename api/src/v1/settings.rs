//! `GET`, `PUT /settings`: what the clinic has decided for itself.

use axum::Json;
use axum::extract::State;
use records::action::{ChangeSettings, ReadSettings};
use records::settings::{self, Change, SettingsError};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::AppState;
use crate::document::{Anyone, SignedIn, TakesBody};
use crate::extract::Body;
use crate::problem::Problem;
use crate::session::Staff;

/// The routes of this file.
pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(read, change))
}

/// What the clinic has decided.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ClinicSettings {
    /// Letters that new record numbers begin with; set by `PUT /patients/numbers`.
    mrn_prefix: String,
    /// Records are kept for so many years after the last thing that happened.
    #[schema(minimum = 1, maximum = 100)]
    retention_years: i32,
    /// Who treated sees the record for so many days after the visit.
    #[schema(minimum = 1, maximum = 3650)]
    care_days: i32,
    /// Patients may play recordings of their visits.
    shares_recordings: bool,
}

impl From<settings::Settings> for ClinicSettings {
    fn from(settings: settings::Settings) -> Self {
        let settings::Settings { mrn_prefix, retention_years, care_days, shares_recordings } = settings;
        Self { mrn_prefix, retention_years, care_days, shares_recordings }
    }
}

/// What the clinic decides.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewSettings {
    #[schema(minimum = 1, maximum = 100)]
    retention_years: i32,
    #[schema(minimum = 1, maximum = 3650)]
    care_days: i32,
    shares_recordings: bool,
}

/// The clinic's settings
#[utoipa::path(
    get,
    path = "/settings",
    operation_id = "clinic_settings",
    tag = "staff",
    security(("staff" = [])),
    responses((status = 200, body = ClinicSettings), SignedIn, Anyone)
)]
pub(crate) async fn read(State(state): State<AppState>, staff: Staff) -> Result<Json<ClinicSettings>, Problem> {
    let mut tx = state.records.begin(staff.context()).await?;
    let may = tx.authorize(ReadSettings).await?;
    let found = settings::read(&mut tx, &may).await?;
    Ok(Json(tx.commit(found).await?.into()))
}

/// Change the clinic's settings
///
/// Needs a fresh second factor. The log says from what to what.
#[utoipa::path(
    put,
    path = "/settings",
    operation_id = "change_clinic_settings",
    tag = "staff",
    request_body = NewSettings,
    security(("staff" = [])),
    responses((status = 200, body = ClinicSettings), TakesBody, SignedIn, Anyone)
)]
pub(crate) async fn change(
    State(state): State<AppState>,
    staff: Staff,
    Body(body): Body<NewSettings>,
) -> Result<Json<ClinicSettings>, Problem> {
    let NewSettings { retention_years, care_days, shares_recordings } = body;
    let mut tx = state.records.begin(staff.context()).await?;
    let may = tx.authorize(ChangeSettings).await?;
    let changed = settings::change(&mut tx, &may, &Change { retention_years, care_days, shares_recordings }).await?;
    Ok(Json(tx.commit(changed).await?.into()))
}

impl From<SettingsError> for Problem {
    fn from(error: SettingsError) -> Self {
        match error {
            SettingsError::RetentionYears => {
                Self::invalid("retention_years: 1 to 100").with("field", "retention_years")
            }
            SettingsError::CareDays => Self::invalid("care_days: 1 to 3650").with("field", "care_days"),
            SettingsError::Failed(error) => error.into(),
        }
    }
}
