//! `GET /portal/me`: who is signed in, and whose records they may choose.

use axum::Json;
use axum::extract::State;
use records::portal::record;
use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::AppState;
use crate::document::{Anyone, SignedIn};
use crate::problem::Problem;
use crate::session::Portal;
use crate::v1::shapes::shown;

/// Who is signed in to the portal.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PortalMe {
    clinic_name: String,
    /// Whom to call.
    clinic_phone: String,
    /// IANA name.
    clinic_time_zone: String,
    /// Oneself first, then the wards.
    people: Vec<PortalPerson>,
    /// When the session ends if nothing is done.
    #[serde(with = "time::serde::rfc3339")]
    idle_expires_at: OffsetDateTime,
    /// When the session ends in any case.
    #[serde(with = "time::serde::rfc3339")]
    expires_at: OffsetDateTime,
}

/// Somebody whose record may be looked at.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PortalPerson {
    patient_id: Uuid,
    name: String,
    /// It is the one who is signed in; else a ward.
    oneself: bool,
}

/// Who is signed in to the portal
#[utoipa::path(
    get,
    path = "/portal/me",
    operation_id = "portal_me",
    tag = "portal",
    security(("portal" = [])),
    responses((status = 200, body = PortalMe), SignedIn, Anyone)
)]
pub(crate) async fn me(State(state): State<AppState>, portal: Portal) -> Result<Json<PortalMe>, Problem> {
    let people = record::people(&state.records, &portal.session, &portal.origin, portal.at).await?;
    let people = people.iter().map(|whose| PortalPerson {
        patient_id: whose.patient.0,
        name: shown(&whose.name),
        oneself: whose.oneself,
    });
    Ok(Json(PortalMe {
        people: people.collect(),
        clinic_name: portal.session.clinic.name,
        clinic_phone: portal.session.clinic.phone,
        clinic_time_zone: portal.session.clinic.time_zone,
        idle_expires_at: portal.session.idle_expires_at,
        expires_at: portal.session.expires_at,
    }))
}
