//! `POST /patients/search`: looks for patients by name, date of birth, telephone, number or e-mail. A body, since what is
//! looked for is patients' data and addresses end up in histories and logs.

use axum::Json;
use axum::extract::State;
use records::Phi;
use records::action::SearchPatients;
use records::patients::{self, Wanted};
use serde::Deserialize;
use utoipa::ToSchema;

use super::patients::Patients;
use crate::AppState;
use crate::document::{Anyone, SignedIn, TakesBody};
use crate::extract::{Body, date, printable};
use crate::problem::Problem;
use crate::session::Staff;

/// Longest text of a search, characters.
const MAX_CHARS: usize = 200;

/// Whom to look for; all that is given must match. With nothing given, everybody.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PatientSearch {
    /// Words of the name or their beginnings (two letters or more), in any order; case and accents make no difference.
    #[schema(max_length = 200)]
    name: Option<String>,
    /// `YYYY-MM-DD`.
    #[schema(format = Date)]
    date_of_birth: Option<String>,
    /// However it is written; without a country code, one of North America.
    #[schema(max_length = 200)]
    phone: Option<String>,
    /// The clinic's own number for the patient, whole.
    #[schema(max_length = 200)]
    mrn: Option<String>,
    /// The whole address.
    #[schema(max_length = 200)]
    email: Option<String>,
    /// From the former page.
    cursor: Option<String>,
}

impl PatientSearch {
    fn wanted(self) -> Result<(Wanted, Option<String>), Problem> {
        let texts = [("name", &self.name), ("phone", &self.phone), ("mrn", &self.mrn), ("email", &self.email)];
        for (field, text) in texts {
            printable(field, text.as_deref().unwrap_or_default(), MAX_CHARS)?;
        }
        let wanted = Wanted {
            name: self.name.map(Phi::from),
            date_of_birth: self.date_of_birth.map(|text| date("date_of_birth", &text)).transpose()?,
            phone: self.phone.map(Phi::from),
            mrn: self.mrn.map(Phi::from),
            email: self.email.map(Phi::from),
        };
        Ok((wanted, self.cursor))
    }
}

/// Look for patients
#[utoipa::path(
    post,
    path = "/patients/search",
    operation_id = "search_patients",
    tag = "day",
    request_body = PatientSearch,
    security(("staff" = [])),
    responses((status = 200, body = Patients), TakesBody, SignedIn, Anyone)
)]
pub(crate) async fn search_patients(
    State(state): State<AppState>,
    staff: Staff,
    Body(search): Body<PatientSearch>,
) -> Result<Json<Patients>, Problem> {
    let (wanted, cursor) = search.wanted()?;
    let mut tx = state.records.begin(staff.context()).await?;
    let may = tx.authorize(SearchPatients).await?;
    let page = patients::search(&mut tx, &may, &wanted, cursor.as_deref()).await?;
    Ok(Json(tx.commit(page).await?.into()))
}
