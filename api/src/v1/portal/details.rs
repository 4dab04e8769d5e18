//! `GET /portal/patients/{id}/details`: who the clinic says that one is. `PUT /portal/patients/{id}/contact`: where one is reached.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use records::Phi;
use records::action::{ReadDemographics, WriteDemographics};
use records::patients::{ContactDetails, record};
use records::portal::email::{self, ConfirmError, ContactError, Waiting};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;
use visit::PatientId;

use crate::AppState;
use crate::document::{Addressed, Anyone, Changes, SignedIn, TakesBody};
use crate::extract::{Body, Id};
use crate::problem::{Problem, ProblemBody};
use crate::session::{Portal, Visitor};
use crate::v1::patients::shapes::PatientRecord;
use crate::v1::shapes::shown;
use crate::versioned::{Versioned, if_match};

/// A patient's own details
#[utoipa::path(
    get,
    path = "/portal/patients/{id}/details",
    operation_id = "portal_details",
    tag = "portal",
    params(("id" = uuid::Uuid, Path, description = "Patient")),
    security(("portal" = [])),
    responses((status = 200, body = PatientRecord, headers(("ETag" = String, description = "The version, in quotes"))), Addressed, SignedIn, Anyone)
)]
pub(crate) async fn read(
    State(state): State<AppState>,
    portal: Portal,
    Id(patient): Id<PatientId>,
) -> Result<Versioned<PatientRecord>, Problem> {
    let mut tx = state.records.begin(portal.context_for(patient)).await?;
    let may = tx.authorize(ReadDemographics(patient)).await?;
    let found = record::read(&mut tx, &may).await?;
    let found: PatientRecord = tx.commit(found).await?.into();
    Ok(Versioned(found.version, found))
}

/// Change where a patient is reached
///
/// Telephones, e-mail and postal addresses, each list as it shall stand. Names, the date of birth and all else stay as they are.
/// An e-mail address that is not on record yet counts once a link that is mailed to it was used; the former one is told.
#[utoipa::path(
    put,
    path = "/portal/patients/{id}/contact",
    operation_id = "portal_save_contact",
    tag = "portal",
    request_body = ContactDetails,
    params(
        ("id" = uuid::Uuid, Path, description = "Patient"),
        ("If-Match" = String, Header, description = "The version that was read, in quotes"),
    ),
    security(("portal" = [])),
    responses(
        (status = 200, body = PatientRecord, headers(("ETag" = String, description = "The version, in quotes"))),
        (status = 412, body = ProblemBody, content_type = "application/problem+json", description = "`chart.changed_elsewhere`, with the stored `version`"),
        (status = 428, body = ProblemBody, content_type = "application/problem+json", description = "`if_match.missing`"),
        Addressed, TakesBody, SignedIn, Anyone
    )
)]
pub(crate) async fn save(
    State(state): State<AppState>,
    portal: Portal,
    Id(patient): Id<PatientId>,
    headers: HeaderMap,
    Body(contact): Body<ContactDetails>,
) -> Result<Versioned<PatientRecord>, Problem> {
    let mut tx = state.records.begin(portal.context_for(patient)).await?;
    let may = tx.authorize(WriteDemographics(patient)).await?;
    let version = if_match(&headers)?;
    let saved = email::save_contact(&mut tx, &may, version, &Phi::new(contact)).await?;
    let saved: PatientRecord = tx.commit(saved).await?.into();
    state.changed(portal.session.clinic.id);
    Ok(Versioned(saved.version, saved))
}

/// An address that waits to be confirmed.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct NewEmail {
    /// Null if none does.
    #[schema(required)]
    address: Option<String>,
    /// Until then the mailed link is good.
    #[serde(with = "time::serde::rfc3339::option")]
    #[schema(required)]
    expires_at: Option<OffsetDateTime>,
}

impl From<Option<Waiting>> for NewEmail {
    fn from(waiting: Option<Waiting>) -> Self {
        Self {
            address: waiting.as_ref().map(|one| shown(&one.address)),
            expires_at: waiting.as_ref().map(|one| one.expires_at),
        }
    }
}

/// The e-mail address that waits to be confirmed
#[utoipa::path(
    get,
    path = "/portal/patients/{id}/new-email",
    operation_id = "portal_new_email",
    tag = "portal",
    params(("id" = uuid::Uuid, Path, description = "Patient")),
    security(("portal" = [])),
    responses((status = 200, body = NewEmail), Addressed, SignedIn, Anyone)
)]
pub(crate) async fn waiting(
    State(state): State<AppState>,
    portal: Portal,
    Id(patient): Id<PatientId>,
) -> Result<Json<NewEmail>, Problem> {
    let mut tx = state.records.begin(portal.context_for(patient)).await?;
    let may = tx.authorize(ReadDemographics(patient)).await?;
    let found = email::waiting(&mut tx, &may).await?;
    Ok(Json(tx.commit(found).await?.into()))
}

/// What stood in the mail.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct EmailToken {
    token: String,
}

/// Confirm a new e-mail address
///
/// By the link that was mailed to it; opening its page uses nothing up. Nobody has to be signed in.
#[utoipa::path(
    post,
    path = "/portal/email/confirm",
    operation_id = "portal_confirm_email",
    tag = "portal",
    request_body = EmailToken,
    responses(
        (status = 204, description = "The address counts"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json", description = "`portal.link_not_usable`: unknown, used, replaced or too old"),
        TakesBody, Changes, Anyone
    )
)]
pub(crate) async fn confirm(
    State(state): State<AppState>,
    visitor: Visitor,
    Body(link): Body<EmailToken>,
) -> Result<StatusCode, Problem> {
    email::confirm(&state.records, &visitor.origin, &link.token, visitor.at).await?;
    Ok(StatusCode::NO_CONTENT)
}

impl From<ContactError> for Problem {
    fn from(error: ContactError) -> Self {
        match error {
            ContactError::TooMany => Self::rate_limited(3_600),
            ContactError::Save(error) => error.into(),
        }
    }
}

impl From<ConfirmError> for Problem {
    fn from(error: ConfirmError) -> Self {
        match error {
            ConfirmError::NotUsable => Self::new(
                StatusCode::NOT_FOUND,
                "portal.link_not_usable",
                "This link can't be used: it was used already, or is older than a day. Give the address again in your record.",
            ),
            ConfirmError::Failed(error) => error.into(),
        }
    }
}
