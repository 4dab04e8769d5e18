//! `GET /patients`: all patients. Who looks for one does it by `POST /patients/search`.

use axum::Json;
use axum::extract::State;
use records::action::SearchPatients;
use records::patients::{self, PatientPage, SearchError, Wanted};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::AppState;
use crate::document::{Anyone, SignedIn, TakesQuery};
use crate::extract::{Query, unknown_cursor};
use crate::problem::Problem;
use crate::session::Staff;
use crate::v1::shapes::shown;

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct PatientQuery {
    /// From the former page.
    cursor: Option<String>,
}

/// One page of patients.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Patients {
    /// Newest on record first from page to page; within a page by name.
    items: Vec<PatientItem>,
    /// Null on the last page.
    #[schema(required)]
    next_cursor: Option<String>,
}

/// A patient in a list.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PatientItem {
    patient_id: Uuid,
    name: String,
    /// `YYYY-MM-DD`.
    #[schema(format = Date)]
    date_of_birth: String,
    /// The clinic's own number for this patient.
    mrn: String,
}

impl From<PatientPage> for Patients {
    fn from(page: PatientPage) -> Self {
        let items = page.items.into_iter().map(|patient| PatientItem {
            patient_id: patient.patient_id.0,
            name: shown(&patient.name),
            date_of_birth: shown(&patient.date_of_birth),
            mrn: shown(&patient.mrn),
        });
        Self { items: items.collect(), next_cursor: page.next_cursor }
    }
}

/// All patients, newest on record first
#[utoipa::path(
    get,
    path = "/patients",
    operation_id = "list_patients",
    tag = "day",
    params(PatientQuery),
    security(("staff" = [])),
    responses((status = 200, body = Patients), TakesQuery, SignedIn, Anyone)
)]
pub(crate) async fn patients(
    State(state): State<AppState>,
    staff: Staff,
    Query(query): Query<PatientQuery>,
) -> Result<Json<Patients>, Problem> {
    let mut tx = state.records.begin(staff.context()).await?;
    let may = tx.authorize(SearchPatients).await?;
    let page = patients::search(&mut tx, &may, &Wanted::default(), query.cursor.as_deref()).await?;
    Ok(Json(tx.commit(page).await?.into()))
}

impl From<SearchError> for Problem {
    fn from(error: SearchError) -> Self {
        match error {
            SearchError::BadCursor => unknown_cursor(),
            SearchError::Failed(error) => error.into(),
        }
    }
}
