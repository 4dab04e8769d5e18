//! Guests of one visit: interpreters, guardians and specialists by a link of their own, colleagues from the staff list.
//!
//! What lives here: inviting, listing, taking an invitation back. The way in of a guest is in [`way_in`]; the seat and what
//! happens on it are the room's (`visit`). An invitation is good for its visit and for that visit's link window, and for
//! nothing else: no fact but `this_visit` ever holds for a guest.

mod letters;
mod refusals;
pub mod way_in;

pub use refusals::InviteError;

use time::OffsetDateTime;
use uuid::Uuid;
use visit::{GuestId, ParticipantId, Person, Role, StaffId, VisitId};

use crate::action::{Kind, ListGuests, ManageGuests, Resource};
use crate::audit::Entry;
use crate::join_links::{CLOSES_AFTER, OPENS_BEFORE};
use crate::outbox::Lang;
use crate::seal::Place;
use crate::text_enum::text_enum;
use crate::token::{hash_token, random_token};
use crate::{Actor, Authorized, Error, Pending, Phi, Tx};

/// Invitations of one visit that may stand at the same time. With the provider and the patient they fill a room of
/// [`visit::room::DEFAULT_SEATS`] but for two seats.
pub const MAX_GUESTS: i64 = 4;

text_enum! {
    /// As what somebody is invited.
    GuestRole {
        /// Interprets.
        Interpreter = "interpreter",
        /// Comes along with the patient.
        Guardian = "guardian",
        /// Is asked for advice.
        Specialist = "specialist",
    }
}

impl GuestRole {
    /// The role in the visit.
    #[must_use]
    pub fn role(self) -> Role {
        match self {
            Self::Interpreter => Role::Interpreter,
            Self::Guardian => Role::Guardian,
            Self::Specialist => Role::Specialist,
        }
    }
}

text_enum! {
    /// How an invitation stands.
    GuestState {
        /// Nobody has come by it yet.
        Invited = "invited",
        /// Somebody has.
        Opened = "opened",
        /// It was taken back.
        Revoked = "revoked",
        /// Its time is over.
        Expired = "expired",
    }
}

/// Whom to invite.
pub enum Invitee {
    /// Somebody with a link of their own.
    Stranger {
        /// As what.
        role: GuestRole,
        /// Shown name; the guest may correct it.
        name: Phi<String>,
        /// Where the link is mailed to, if it is.
        email: Option<Phi<String>>,
        /// The language of that mail.
        lang: Lang,
    },
    /// A provider or nurse of the clinic, who may then join this visit. Told by mail.
    Colleague(StaffId),
}

/// An invitation just made.
#[derive(Clone)]
pub struct Invited {
    /// Which.
    pub guest: GuestId,
    /// For the path `/g/<token>`; in no table, and not shown again. `None` for a colleague.
    pub token: Option<String>,
    /// Usable from.
    pub opens_at: OffsetDateTime,
    /// Usable until.
    pub expires_at: OffsetDateTime,
}

/// One invitation, as staff see it.
pub struct Guest {
    /// Which.
    pub guest: GuestId,
    /// The seat that it leads to.
    pub participant: ParticipantId,
    /// As what; a colleague is a specialist.
    pub role: GuestRole,
    /// Whether it is a member of staff.
    pub colleague: bool,
    /// Shown name.
    pub name: Phi<String>,
    /// Where the link was mailed to.
    pub email: Option<Phi<String>>,
    /// How it stands.
    pub state: GuestState,
    /// Who invited.
    pub invited_by: String,
    /// When.
    pub invited_at: OffsetDateTime,
    /// Usable until.
    pub expires_at: OffsetDateTime,
}

/// Who is invited into a visit, and whom of the staff one could ask.
pub struct Guests {
    /// Newest first.
    pub guests: Vec<Guest>,
    /// Providers and nurses who can't join this visit yet, by name; nobody for those who may only look.
    pub colleagues: Vec<(StaffId, String)>,
}

/// Invites somebody into the visit. A link is mailed if there is an address, and can be handed on otherwise.
///
/// # Errors
/// See [`InviteError`].
pub async fn invite(
    tx: &mut Tx,
    may: &Authorized<ManageGuests>,
    invitee: &Invitee,
) -> Result<Pending<Invited>, InviteError> {
    let (visit, patient) = (tx.proved(may)?.0, may.patient().ok_or(Error::NotFound)?);
    let Actor::Staff { id: by, clinic, .. } = tx.context().actor else { return Err(Error::Forbidden.into()) };
    let at = tx.context().at;
    // Takes the visit, so that two who invite at once don't get around the count.
    let row = sqlx::query!(
        r#"SELECT a.starts_at, (v.state IN ('ended', 'cancelled') OR a.state = 'cancelled') AS "over!"
           FROM visit v JOIN appointment a USING (appointment_id) WHERE v.visit_id = $1 FOR UPDATE OF v"#,
        visit.0,
    )
    .fetch_one(tx.connection()?)
    .await
    .map_err(Error::from)?;
    let (opens_at, expires_at) = (row.starts_at - OPENS_BEFORE, row.starts_at + CLOSES_AFTER);
    if row.over || expires_at <= at {
        return Err(InviteError::Over);
    }
    let standing = sqlx::query_scalar!(
        r#"SELECT count(*) AS "standing!" FROM visit_guest WHERE visit_id = $1 AND ended_at IS NULL AND expires_at > $2"#,
        visit.0,
        at,
    )
    .fetch_one(tx.connection()?)
    .await
    .map_err(Error::from)?;
    if standing >= MAX_GUESTS {
        return Err(InviteError::TooMany);
    }
    let (role, name, email, colleague) = match invitee {
        Invitee::Stranger { role, name, email, .. } => (*role, name.clone(), email.clone(), None),
        Invitee::Colleague(staff) => {
            let name = colleague_name(tx, visit, *staff).await?;
            (GuestRole::Specialist, Phi::from(name), None, Some(*staff))
        }
    };
    if email.as_ref().is_some_and(|email| !crate::identity::invitations::looks_like_an_address(email.expose())) {
        return Err(InviteError::BadEmail);
    }
    let (guest, token) = (GuestId(Uuid::now_v7()), colleague.is_none().then(random_token));
    let keys = tx.patient_keys(patient).await?;
    let hash = token.as_deref().map(hash_token);
    sqlx::query!(
        "INSERT INTO visit_guest (visit_guest_id, clinic_id, visit_id, patient_id, role, name, email, token_hash, staff_id, invited_by,
                                  created_at, opens_at, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
        guest.0,
        clinic.0,
        visit.0,
        patient.0,
        role.as_str(),
        keys.seal_text(Place::new("visit_guest.name", guest.0), &name)?,
        email.as_ref().map(|email| keys.seal_text(Place::new("visit_guest.email", guest.0), email)).transpose()?,
        hash.as_ref().map(|hash| &hash[..]),
        colleague.map(|staff| staff.0),
        by.0,
        at,
        opens_at,
        expires_at,
    )
    .execute(tx.connection()?)
    .await
    .map_err(Error::from)?;
    match (invitee, &email, &token) {
        (Invitee::Stranger { lang, .. }, Some(email), Some(token)) => {
            letters::link(tx, visit, patient, role, email, token, *lang).await?;
        }
        (Invitee::Colleague(staff), ..) => letters::colleague(tx, visit, patient, *staff).await?,
        _ => {}
    }
    let detail = serde_json::json!({ "guest": guest.0, "role": role, "staff": colleague.map(|staff| staff.0), "mailed": email.is_some() });
    log(tx, "guest.invited", visit, Some(patient), detail);
    Ok(Pending(Invited { guest, token, opens_at, expires_at }))
}

/// The name of a colleague who can be asked into the visit.
async fn colleague_name(tx: &mut Tx, visit: VisitId, staff: StaffId) -> Result<String, InviteError> {
    let at = tx.context().at;
    let row = sqlx::query!(
        r#"SELECT s.name, (s.active AND s.role IN ('provider', 'nurse')) AS "joins!",
                  (t.cares OR EXISTS (SELECT FROM visit_guest g WHERE g.visit_id = v.visit_id AND g.staff_id = s.staff_id AND g.ended_at IS NULL)
                   OR EXISTS (SELECT FROM visit_participant p WHERE p.visit_id = v.visit_id AND p.staff_id = s.staff_id
                              AND NOT EXISTS (SELECT FROM visit_guest g WHERE g.visit_id = v.visit_id AND g.staff_id = s.staff_id))) AS "may_already!"
           FROM staff s, visit v, stands_to(v.patient_id, s.staff_id, NULL, $3) t
           WHERE s.staff_id = $1 AND s.clinic_id = current_clinic() AND v.visit_id = $2"#,
        staff.0,
        visit.0,
        at,
    )
    .fetch_optional(tx.connection()?)
    .await
    .map_err(Error::from)?
    .filter(|row| row.joins)
    .ok_or(InviteError::NoSuchColleague)?;
    if row.may_already { Err(InviteError::MayAlready) } else { Ok(row.name) }
}

/// Everybody who is or was invited into the visit.
///
/// # Errors
/// The database can't be reached, or a value does not open.
pub async fn list(tx: &mut Tx, may: &Authorized<ListGuests>) -> Result<Pending<Guests>, Error> {
    let (visit, patient) = (tx.proved(may)?.0, may.patient().ok_or(Error::NotFound)?);
    let at = tx.context().at;
    let rows = sqlx::query!(
        r#"SELECT g.visit_guest_id, g.role, g.name, g.email, g.staff_id, g.created_at, g.expires_at, g.opened_at, g.ended_at, s.name AS invited_by,
                  EXISTS (SELECT FROM visit_participant p WHERE p.visit_id = g.visit_id AND p.staff_id = g.staff_id) AS "sat!"
           FROM visit_guest g JOIN staff s ON s.staff_id = g.invited_by
           WHERE g.visit_id = $1 ORDER BY g.created_at DESC, g.visit_guest_id DESC"#,
        visit.0,
    )
    .fetch_all(tx.connection()?)
    .await?;
    let keys = tx.patient_keys(patient).await?;
    let mut guests = Vec::with_capacity(rows.len());
    for row in rows {
        let id = row.visit_guest_id;
        let person = row.staff_id.map_or(Person::Guest(GuestId(id)), |staff| Person::Staff(StaffId(staff)));
        let state = if row.ended_at.is_some() {
            GuestState::Revoked
        } else if row.expires_at <= at {
            GuestState::Expired
        } else if row.opened_at.is_some() || row.sat {
            GuestState::Opened
        } else {
            GuestState::Invited
        };
        guests.push(Guest {
            guest: GuestId(id),
            participant: ParticipantId::of(visit, person),
            role: GuestRole::parse(&row.role)?,
            colleague: row.staff_id.is_some(),
            name: keys.open_text(Place::new("visit_guest.name", id), &row.name)?,
            email: row.email.map(|email| keys.open_text(Place::new("visit_guest.email", id), &email)).transpose()?,
            state,
            invited_by: row.invited_by,
            invited_at: row.created_at,
            expires_at: row.expires_at,
        });
    }
    let colleagues = if tx.also(may, Kind::ManageGuests) { colleagues(tx, visit).await? } else { Vec::new() };
    Ok(Pending(Guests { guests, colleagues }))
}

async fn colleagues(tx: &mut Tx, visit: VisitId) -> Result<Vec<(StaffId, String)>, Error> {
    let at = tx.context().at;
    let rows = sqlx::query!(
        "SELECT s.staff_id, s.name FROM visit v, staff s, stands_to(v.patient_id, s.staff_id, NULL, $2) t
         WHERE v.visit_id = $1 AND s.clinic_id = current_clinic() AND s.active AND s.role IN ('provider', 'nurse') AND NOT t.cares
           AND NOT EXISTS (SELECT FROM visit_guest g WHERE g.visit_id = v.visit_id AND g.staff_id = s.staff_id AND g.ended_at IS NULL)
         ORDER BY s.name, s.staff_id",
        visit.0,
        at,
    )
    .fetch_all(tx.connection()?)
    .await?;
    Ok(rows.into_iter().map(|row| (StaffId(row.staff_id), row.name)).collect())
}

/// Takes an invitation back, with the sessions that came by it. Says who has to leave the room.
///
/// # Errors
/// [`Error::NotFound`] if this visit has no such invitation. One that was taken back before is fine.
pub async fn revoke(tx: &mut Tx, may: &Authorized<ManageGuests>, guest: GuestId) -> Result<Pending<Person>, Error> {
    let visit = tx.proved(may)?.0;
    let Actor::Staff { id: by, .. } = tx.context().actor else { return Err(Error::Forbidden) };
    let at = tx.context().at;
    let row = sqlx::query!(
        "UPDATE visit_guest SET ended_at = coalesce(ended_at, $3), ended_by = coalesce(ended_by, $4)
         WHERE visit_guest_id = $1 AND visit_id = $2 AND clinic_id = current_clinic() RETURNING staff_id, role",
        guest.0,
        visit.0,
        at,
        by.0,
    )
    .fetch_optional(tx.connection()?)
    .await?
    .ok_or(Error::NotFound)?;
    sqlx::query!(
        "UPDATE session SET ended_at = $2 WHERE visit_guest_id = $1 AND clinic_id = current_clinic() AND ended_at IS NULL",
        guest.0,
        at,
    )
    .execute(tx.connection()?)
    .await?;
    let detail = serde_json::json!({ "guest": guest.0, "role": row.role, "staff": row.staff_id });
    log(tx, "guest.revoked", visit, may.patient(), detail);
    Ok(Pending(row.staff_id.map_or(Person::Guest(guest), |staff| Person::Staff(StaffId(staff)))))
}

fn log(
    tx: &mut Tx,
    action: &'static str,
    visit: VisitId,
    patient: Option<visit::PatientId>,
    detail: serde_json::Value,
) {
    tx.logged_as(Entry { patient, detail: Some(detail), ..Entry::new(action, Resource::Visit(visit)) });
}
