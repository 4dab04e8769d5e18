//! `PUT /join/location`: where the patient is now. Licences and ambulances depend on it.

use axum::extract::State;
use axum::http::StatusCode;
use records::action::CheckIn;
use records::{Phi, join};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::AppState;
use crate::document::{Anyone, SignedIn, TakesBody};
use crate::extract::{Body, bounded};
use crate::problem::Problem;
use crate::session::Patient;

/// Where the patient is during this visit.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewLocation {
    /// State or region, at most 100 characters.
    #[schema(max_length = 100)]
    region: String,
    /// Where to call if the connection fails, at most 40 characters.
    #[schema(max_length = 40)]
    callback_phone: String,
    /// Where to send help, at most 500 characters.
    #[schema(max_length = 500)]
    emergency_address: String,
}

/// Say where the patient is now
#[utoipa::path(
    put,
    path = "/join/location",
    operation_id = "set_location",
    tag = "join",
    request_body = NewLocation,
    security(("patient" = [])),
    responses((status = 204, description = "Stored; replaces what was said before"), TakesBody, SignedIn, Anyone)
)]
pub(crate) async fn location(
    State(state): State<AppState>,
    patient: Patient,
    Body(location): Body<NewLocation>,
) -> Result<StatusCode, Problem> {
    bounded("region", &location.region, 100)?;
    bounded("callback_phone", &location.callback_phone, 40)?;
    bounded("emergency_address", &location.emergency_address, 500)?;
    let location = join::Location {
        region: Phi::from(location.region),
        callback_phone: Phi::from(location.callback_phone),
        emergency_address: Phi::from(location.emergency_address),
    };
    let mut tx = state.records.begin(patient.context()).await?;
    let may = tx.authorize(CheckIn(patient.session.visit_id)).await?;
    let stored = join::set_location(&mut tx, &may, &location).await?;
    tx.commit(stored).await?;
    Ok(StatusCode::NO_CONTENT)
}
