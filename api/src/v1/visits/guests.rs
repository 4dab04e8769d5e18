//! `/visits/{id}/guests`: who is invited into a visit.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use records::Phi;
use records::action::{ListGuests, ManageGuests};
use records::guests::{self, GuestRole, GuestState, InviteError, Invited, Invitee};
use records::outbox::Lang;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;
use visit::{GuestId, StaffId, VisitId};

use crate::AppState;
use crate::document::{Addressed, Anyone, Changes, SignedIn, TakesBody};
use crate::extract::{Body, Id, InVisit, bounded};
use crate::problem::{Problem, ProblemBody};
use crate::session::Staff;
use crate::v1::shapes::shown;
use crate::words;

/// Who is or was invited, and whom of the staff one could ask.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Guests {
    /// Newest first.
    items: Vec<GuestItem>,
    /// Providers and nurses who can't join this visit yet; empty for those who may only look.
    colleagues: Vec<Colleague>,
}

/// One invitation.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct GuestItem {
    guest_id: Uuid,
    /// The seat that it leads to, as in the room.
    participant_id: Uuid,
    #[schema(schema_with = words::guest_role)]
    role: GuestRole,
    /// A member of staff, who signs in instead of opening a link.
    colleague: bool,
    name: String,
    /// Null if no link was mailed.
    #[schema(required)]
    email: Option<String>,
    #[schema(schema_with = words::guest_state)]
    state: GuestState,
    /// Who invited.
    invited_by: String,
    #[serde(with = "time::serde::rfc3339")]
    invited_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    expires_at: OffsetDateTime,
}

impl From<guests::Guest> for GuestItem {
    fn from(guest: guests::Guest) -> Self {
        Self {
            guest_id: guest.guest.0,
            participant_id: guest.participant.0,
            role: guest.role,
            colleague: guest.colleague,
            name: shown(&guest.name),
            email: guest.email.as_ref().map(shown),
            state: guest.state,
            invited_by: guest.invited_by,
            invited_at: guest.invited_at,
            expires_at: guest.expires_at,
        }
    }
}

/// Somebody of the staff who could be asked.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Colleague {
    staff_id: Uuid,
    name: String,
}

/// Who is invited
#[utoipa::path(
    get,
    path = "/visits/{id}/guests",
    operation_id = "guests",
    tag = "visits",
    params(("id" = Uuid, Path, description = "Visit")),
    security(("staff" = [])),
    responses((status = 200, body = Guests), Addressed, SignedIn, Anyone)
)]
pub(crate) async fn list(
    State(state): State<AppState>,
    staff: Staff,
    Id(visit): Id<VisitId>,
) -> Result<Json<Guests>, Problem> {
    let mut tx = state.records.begin(staff.context()).await?;
    let may = tx.authorize(ListGuests(visit)).await?;
    let found = guests::list(&mut tx, &may).await?;
    let found = tx.commit(found).await?;
    let colleagues = found.colleagues.into_iter().map(|(id, name)| Colleague { staff_id: id.0, name }).collect();
    Ok(Json(Guests { items: found.guests.into_iter().map(Into::into).collect(), colleagues }))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewGuest {
    #[schema(schema_with = words::guest_role)]
    role: GuestRole,
    /// Shown name, at most 100 characters; the guest may correct it.
    #[schema(max_length = 100)]
    name: String,
    /// Where the link is mailed to; absent to hand it on oneself.
    email: Option<String>,
    /// The language of that mail.
    #[schema(schema_with = words::lang)]
    lang: Lang,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewColleague {
    staff_id: Uuid,
}

/// An invitation just made.
#[derive(Serialize, ToSchema)]
pub(crate) struct InvitedGuest {
    guest_id: Uuid,
    /// For the guest alone; shown this once. Null for a member of staff.
    #[schema(required)]
    link: Option<String>,
    #[serde(with = "time::serde::rfc3339")]
    opens_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    expires_at: OffsetDateTime,
}

/// Invite an interpreter, a guardian or a specialist
///
/// By a link of their own, for this visit alone and as long as the patient's link. It is mailed if there is an address.
#[utoipa::path(
    post,
    path = "/visits/{id}/guests",
    operation_id = "invite_guest",
    tag = "visits",
    request_body = NewGuest,
    params(("id" = Uuid, Path, description = "Visit")),
    security(("staff" = [])),
    responses(
        (status = 201, body = InvitedGuest),
        (status = 409, body = ProblemBody, content_type = "application/problem+json", description = "`guest.too_many`: take an invitation back first; `visit.over`"),
        Addressed, TakesBody, SignedIn, Anyone
    )
)]
pub(crate) async fn invite(
    State(state): State<AppState>,
    staff: Staff,
    Id(visit): Id<VisitId>,
    Body(new): Body<NewGuest>,
) -> Result<(StatusCode, Json<InvitedGuest>), Problem> {
    bounded("name", &new.name, 100)?;
    new.email.as_ref().map_or(Ok(()), |email| bounded("email", email, 254))?;
    let name = Phi::from(new.name.trim());
    let email = new.email.map(|email| Phi::from(email.trim()));
    send(&state, &staff, visit, &Invitee::Stranger { role: new.role, name, email, lang: new.lang }).await
}

/// Ask a colleague to join
///
/// A provider or nurse who has nothing to do with the patient may then join this visit, and is told by mail.
#[utoipa::path(
    post,
    path = "/visits/{id}/guests/staff",
    operation_id = "invite_colleague",
    tag = "visits",
    request_body = NewColleague,
    params(("id" = Uuid, Path, description = "Visit")),
    security(("staff" = [])),
    responses(
        (status = 201, body = InvitedGuest),
        (status = 409, body = ProblemBody, content_type = "application/problem+json", description = "`guest.too_many`; `guest.may_already`: they need no invitation; `visit.over`"),
        Addressed, TakesBody, SignedIn, Anyone
    )
)]
pub(crate) async fn invite_colleague(
    State(state): State<AppState>,
    staff: Staff,
    Id(visit): Id<VisitId>,
    Body(new): Body<NewColleague>,
) -> Result<(StatusCode, Json<InvitedGuest>), Problem> {
    let invited = send(&state, &staff, visit, &Invitee::Colleague(StaffId(new.staff_id))).await?;
    // The visit is on the colleague's list now.
    state.changed(staff.session.clinic.id);
    Ok(invited)
}

async fn send(
    state: &AppState,
    staff: &Staff,
    visit: VisitId,
    invitee: &Invitee,
) -> Result<(StatusCode, Json<InvitedGuest>), Problem> {
    let mut tx = state.records.begin(staff.context()).await?;
    let may = tx.authorize(ManageGuests(visit)).await?;
    let invited = guests::invite(&mut tx, &may, invitee).await?;
    let Invited { guest, token, opens_at, expires_at } = tx.commit(invited).await?;
    let link = token.map(|token| state.guest_link(&token));
    Ok((StatusCode::CREATED, Json(InvitedGuest { guest_id: guest.0, link, opens_at, expires_at })))
}

/// Take an invitation back
///
/// Who came by it is out of the visit at once and can't come back.
#[utoipa::path(
    delete,
    path = "/visits/{id}/guests/{entry}",
    operation_id = "revoke_guest",
    tag = "visits",
    params(("id" = Uuid, Path, description = "Visit"), ("entry" = Uuid, Path, description = "Invitation")),
    security(("staff" = [])),
    responses((status = 204, description = "Taken back"), Addressed, Changes, SignedIn, Anyone)
)]
pub(crate) async fn revoke(
    State(state): State<AppState>,
    staff: Staff,
    InVisit(visit, guest): InVisit<GuestId>,
) -> Result<StatusCode, Problem> {
    let mut tx = state.records.begin(staff.context()).await?;
    let may = tx.authorize(ManageGuests(visit)).await?;
    let revoked = guests::revoke(&mut tx, &may, guest).await?;
    let person = tx.commit(revoked).await?;
    state.seat_ended(visit, person);
    state.changed(staff.session.clinic.id);
    Ok(StatusCode::NO_CONTENT)
}

impl From<InviteError> for Problem {
    fn from(error: InviteError) -> Self {
        let conflict = |code, detail: &'static str| Self::new(StatusCode::CONFLICT, code, detail);
        match error {
            InviteError::TooMany => conflict(
                "guest.too_many",
                "As many people are invited as this visit has seats for. Take an invitation back first, then invite again.",
            ),
            InviteError::Over => {
                conflict("visit.over", "This visit is over: nobody can be invited any more. Book a new appointment.")
            }
            InviteError::MayAlready => conflict(
                "guest.may_already",
                "They can join this visit already. Ask them to open it from their list of today.",
            ),
            InviteError::BadEmail => Self::invalid("email: not an address"),
            InviteError::NoSuchColleague => Self::invalid("staff_id: not a provider or nurse who can join visits"),
            InviteError::Failed(error) => error.into(),
        }
    }
}
