//! `GET /patients`: looks for patients by the beginning of a name.

use axum::Json;
use axum::extract::State;
use records::Phi;
use records::action::SearchPatients;
use records::patients::{self, PatientPage, SearchError};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::AppState;
use crate::document::{Anyone, SignedIn, TakesQuery};
use crate::extract::{Query, printable, unknown_cursor};
use crate::problem::Problem;
use crate::session::Staff;
use crate::v1::shapes::shown;

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct PatientQuery {
    /// How one of the names begins; all patients if absent.
    name: Option<String>,
    /// From the former page.
    cursor: Option<String>,
}

/// One page of patients.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Patients {
    /// By name.
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

/// Patients by name
#[utoipa::path(
    get,
    path = "/patients",
    operation_id = "search_patients",
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
    let name = query.name.unwrap_or_default();
    printable("name", &name, 100)?;
    let mut tx = state.records.begin(staff.context()).await?;
    let may = tx.authorize(SearchPatients).await?;
    let page = patients::search(&mut tx, &may, &Phi::from(name), query.cursor.as_deref()).await?;
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
