//! Sessions: opaque tokens, stored as hashes, ended by idleness, by age, or by hand.

use time::{Duration, OffsetDateTime};
use uuid::Uuid;
use visit::{AppointmentId, ClinicId, GuestId, PatientId, Role, StaffId, VisitId};

use crate::action::Resource;
use crate::audit::Entry;
use crate::clinics::Clinic;
use crate::identity::FactorKind;
use crate::{Actor, Error, Origin, Pending, Records, RequestContext, SessionToken, Tx};

/// Without activity for this long, a session ends.
pub const IDLE: Duration = Duration::minutes(15);
/// How long a password alone is good for, waiting for the second factor.
pub const SECOND_FACTOR_WITHIN: Duration = Duration::minutes(5);
/// How long somebody may take to set up a second factor.
pub const ENROL_WITHIN: Duration = Duration::minutes(30);
/// Activity is written at most this often, so a session may end this much early.
pub const TOUCH_EVERY: Duration = Duration::seconds(30);

/// Longest life of a session, whatever its activity.
#[must_use]
pub fn longest_life(role: Role) -> Duration {
    match role {
        Role::Patient | Role::Guardian | Role::Interpreter | Role::Specialist => Duration::hours(24),
        Role::Provider | Role::Nurse | Role::FrontDesk => Duration::hours(8),
        Role::ClinicAdmin | Role::Compliance | Role::SuperAdmin => Duration::hours(4),
    }
}

/// Whether a request counts as activity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activity {
    /// A person did something: the idle time begins anew.
    User,
    /// A page asked by itself: it does not.
    Background,
}

/// Which session; may be shown, unlike its token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub Uuid);

impl From<Uuid> for SessionId {
    fn from(id: Uuid) -> Self {
        Self(id)
    }
}

/// A member of staff, signed in with both factors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StaffSession {
    /// Which session.
    pub session_id: SessionId,
    /// Who.
    pub staff_id: StaffId,
    /// Shown name.
    pub name: String,
    /// In which role.
    pub role: Role,
    /// Of which clinic.
    pub clinic: Clinic,
    /// When a second factor was last given.
    pub second_factor_at: Option<OffsetDateTime>,
    /// Ends then without activity.
    pub idle_expires_at: OffsetDateTime,
    /// Ends then in any case.
    pub expires_at: OffsetDateTime,
}

impl StaffSession {
    /// For a [`crate::RequestContext`].
    #[must_use]
    pub fn actor(&self) -> Actor {
        Actor::Staff { id: self.staff_id, role: self.role, clinic: self.clinic.id }
    }
}

/// A patient who came by link and knew the date of birth.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JoinSession {
    /// Which session.
    pub session_id: SessionId,
    /// Who.
    pub patient_id: PatientId,
    /// For which visit only.
    pub visit_id: VisitId,
    /// Its slot.
    pub appointment_id: AppointmentId,
    /// Of which clinic.
    pub clinic: Clinic,
    /// Ends then without activity.
    pub idle_expires_at: OffsetDateTime,
    /// Ends then in any case.
    pub expires_at: OffsetDateTime,
}

impl JoinSession {
    /// For a [`crate::RequestContext`].
    #[must_use]
    pub fn actor(&self) -> Actor {
        Actor::Patient { id: self.patient_id, visit: self.visit_id, clinic: self.clinic.id }
    }
}

/// A guest who came by an invitation into one visit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GuestSession {
    /// Which session.
    pub session_id: SessionId,
    /// Which invitation.
    pub guest_id: GuestId,
    /// As what.
    pub role: Role,
    /// For which visit only.
    pub visit_id: VisitId,
    /// Of which clinic.
    pub clinic: Clinic,
}

impl GuestSession {
    /// For a [`crate::RequestContext`].
    #[must_use]
    pub fn actor(&self) -> Actor {
        Actor::Guest { id: self.guest_id, role: self.role, visit: self.visit_id, clinic: self.clinic.id }
    }
}

/// The staff session of this token, if it is alive and both factors were given.
///
/// # Errors
/// The database can't be reached.
pub async fn staff(
    records: &Records,
    token: &SessionToken,
    activity: Activity,
    now: OffsetDateTime,
) -> Result<Option<StaffSession>, Error> {
    let Some(row) = open(records, token, activity, now).await?.filter(|row| row.kind == "staff") else {
        return Ok(None);
    };
    staff_session(row).map(Some)
}

/// The patient's session of this token, if it is alive.
///
/// # Errors
/// The database can't be reached.
pub async fn patient(
    records: &Records,
    token: &SessionToken,
    activity: Activity,
    now: OffsetDateTime,
) -> Result<Option<JoinSession>, Error> {
    let Some(row) = open(records, token, activity, now).await? else {
        return Ok(None);
    };
    let (Some(patient), Some(visit), Some(appointment)) = (row.patient_id, row.visit_id, row.appointment_id) else {
        return Ok(None);
    };
    Ok(Some(JoinSession {
        session_id: SessionId(row.session_id),
        patient_id: PatientId(patient),
        visit_id: VisitId(visit),
        appointment_id: AppointmentId(appointment),
        clinic: row.clinic(),
        idle_expires_at: row.idle_expires_at(),
        expires_at: row.expires_at,
    }))
}

/// The guest's session of this token, if it is alive and the invitation stands.
///
/// # Errors
/// The database can't be reached.
pub async fn guest(
    records: &Records,
    token: &SessionToken,
    activity: Activity,
    now: OffsetDateTime,
) -> Result<Option<GuestSession>, Error> {
    open(records, token, activity, now).await?.map_or(Ok(None), |row| guest_session(&row))
}

/// Ends a session, of whatever kind; nothing happens if it is over already.
///
/// # Errors
/// The database can't be reached.
pub async fn end(records: &Records, token: &SessionToken, origin: &Origin, now: OffsetDateTime) -> Result<(), Error> {
    let Some(row) = open(records, token, Activity::Background, now).await? else {
        return Ok(());
    };
    let (actor, resource, patient) = match (guest_session(&row)?, row.patient_id, row.visit_id) {
        (Some(guest), ..) => (guest.actor(), Resource::Visit(guest.visit_id), None),
        (None, Some(patient), Some(visit)) => {
            let (id, visit, clinic) = (PatientId(patient), VisitId(visit), ClinicId(row.clinic_id));
            (Actor::Patient { id, visit, clinic }, Resource::Patient(id), Some(id))
        }
        _ => {
            let session = staff_session(row)?;
            (session.actor(), Resource::Staff(session.staff_id), None)
        }
    };
    let mut tx =
        records.begin(RequestContext { actor, at: now, origin: origin.clone(), second_factor_at: None }).await?;
    close(&mut tx, token).await?;
    tx.log(Entry { patient, ..Entry::new("session.ended", resource) });
    tx.commit(Pending(())).await
}

/// A call is activity: keeps this session from idling out. Call it about every minute.
///
/// # Errors
/// The database can't be reached.
pub async fn touch(records: &Records, clinic: ClinicId, session: SessionId, now: OffsetDateTime) -> Result<(), Error> {
    let mut tx = records.begin(RequestContext::system("room", clinic, now)).await?;
    sqlx::query!(
        "UPDATE session SET last_seen_at = $2
         WHERE clinic_id = current_clinic() AND session_id = $1 AND kind <> 'pending' AND ended_at IS NULL
           AND expires_at > $2 AND last_seen_at > $3 AND last_seen_at < $4",
        session.0,
        now,
        now - IDLE,
        now - TOUCH_EVERY,
    )
    .execute(tx.connection()?)
    .await?;
    tx.commit(Pending(())).await
}

/// Which of these sessions of one clinic are over: ended by hand, idled out, too old, or unknown.
///
/// # Errors
/// The database can't be reached.
pub async fn over(
    records: &Records,
    clinic: ClinicId,
    sessions: &[SessionId],
    now: OffsetDateTime,
) -> Result<Vec<SessionId>, Error> {
    let asked: Vec<Uuid> = sessions.iter().map(|session| session.0).collect();
    let mut tx = records.begin(RequestContext::system("room", clinic, now)).await?;
    let over = sqlx::query_scalar!(
        r#"SELECT asked.id AS "id!" FROM unnest($1::uuid[]) AS asked (id)
           LEFT JOIN session s ON s.clinic_id = current_clinic() AND s.session_id = asked.id
           LEFT JOIN staff f ON f.staff_id = s.staff_id
           WHERE s.session_id IS NULL OR s.ended_at IS NOT NULL OR s.expires_at <= $2 OR s.last_seen_at <= $3 OR f.active = false"#,
        &asked,
        now,
        now - IDLE,
    )
    .fetch_all(tx.connection()?)
    .await?;
    tx.commit(Pending(over.into_iter().map(SessionId).collect())).await
}

/// Ends sessions of a member of staff: all, or all but one, also those that wait for a second factor. How many there were.
pub(crate) async fn end_all_of(tx: &mut Tx, staff: StaffId, but: Option<SessionId>) -> Result<u64, Error> {
    let at = tx.context().at;
    let ended = sqlx::query!(
        "UPDATE session SET ended_at = $2 WHERE staff_id = $1 AND clinic_id = current_clinic() AND ended_at IS NULL
         AND ($3::uuid IS NULL OR session_id <> $3)",
        staff.0,
        at,
        but.map(|session| session.0),
    )
    .execute(tx.connection()?)
    .await?;
    Ok(ended.rows_affected())
}

/// A session of a member of staff that begins.
pub(crate) struct NewSession {
    kind: &'static str,
    expires_at: OffsetDateTime,
    enrolling: bool,
    factor: Option<FactorKind>,
    second_factor_at: Option<OffsetDateTime>,
}

impl NewSession {
    /// The password was given; good for the second factor.
    pub(crate) fn pending(now: OffsetDateTime) -> Self {
        let expires_at = now + SECOND_FACTOR_WITHIN;
        Self { kind: "pending", expires_at, enrolling: false, factor: None, second_factor_at: None }
    }

    /// Good for setting up a second factor.
    pub(crate) fn enrolling(now: OffsetDateTime) -> Self {
        Self { enrolling: true, expires_at: now + ENROL_WITHIN, ..Self::pending(now) }
    }

    /// The clinic's own provider vouched for the person, and for a second factor that was given there.
    pub(crate) fn by_provider(now: OffsetDateTime, expires_at: OffsetDateTime) -> Self {
        Self { kind: "staff", expires_at, enrolling: false, factor: None, second_factor_at: Some(now) }
    }

    /// Both factors were given.
    pub(crate) fn full(now: OffsetDateTime, expires_at: OffsetDateTime, factor: FactorKind) -> Self {
        Self { kind: "staff", expires_at, enrolling: false, factor: Some(factor), second_factor_at: Some(now) }
    }
}

/// Begins a session under `token`, with the address and browser of the running request.
pub(crate) async fn insert(
    tx: &mut Tx,
    token: &SessionToken,
    staff: StaffId,
    new: &NewSession,
) -> Result<SessionId, Error> {
    let context = tx.context().clone();
    let id = SessionId(Uuid::now_v7());
    sqlx::query!(
        "INSERT INTO session (token_hash, session_id, clinic_id, kind, staff_id, created_at, last_seen_at, expires_at, enrolling, factor,
                              second_factor_at, address, user_agent)
         VALUES ($1, $2, $3, $4, $5, $6, $6, $7, $8, $9, $10, $11, $12)",
        &token.hash()[..],
        id.0,
        context.actor.clinic().0,
        new.kind,
        staff.0,
        context.at,
        new.expires_at,
        new.enrolling,
        new.factor.map(FactorKind::as_str),
        new.second_factor_at,
        context.origin.address.map(|address| address.to_string()),
        crate::audit::user_agent(&context.origin),
    )
    .execute(tx.connection()?)
    .await?;
    Ok(id)
}

/// What `open_session` gives.
pub(crate) struct SessionRow {
    pub kind: String,
    pub clinic_id: Uuid,
    pub clinic_name: String,
    pub clinic_phone: String,
    pub clinic_time_zone: String,
    pub staff_id: Option<Uuid>,
    pub staff_name: Option<String>,
    pub staff_role: Option<String>,
    pub patient_id: Option<Uuid>,
    pub visit_id: Option<Uuid>,
    pub appointment_id: Option<Uuid>,
    pub last_seen_at: OffsetDateTime,
    pub expires_at: OffsetDateTime,
    pub session_id: Uuid,
    pub second_factor_at: Option<OffsetDateTime>,
    pub enrolling: bool,
    pub visit_guest_id: Option<Uuid>,
    pub guest_role: Option<String>,
}

impl SessionRow {
    fn clinic(&self) -> Clinic {
        Clinic {
            id: ClinicId(self.clinic_id),
            name: self.clinic_name.clone(),
            phone: self.clinic_phone.clone(),
            time_zone: self.clinic_time_zone.clone(),
        }
    }

    fn idle_expires_at(&self) -> OffsetDateTime {
        (self.last_seen_at + IDLE).min(self.expires_at)
    }
}

/// The living session of `token`, of any kind, in one round trip.
pub(crate) async fn open(
    records: &Records,
    token: &SessionToken,
    activity: Activity,
    now: OffsetDateTime,
) -> Result<Option<SessionRow>, Error> {
    let touch_before = (activity == Activity::User).then_some(now - TOUCH_EVERY);
    let row = sqlx::query_as!(
        SessionRow,
        r#"SELECT kind AS "kind!", clinic_id AS "clinic_id!", clinic_name AS "clinic_name!", clinic_phone AS "clinic_phone!",
                  clinic_time_zone AS "clinic_time_zone!", staff_id, staff_name, staff_role, patient_id, visit_id, appointment_id,
                  last_seen_at AS "last_seen_at!", expires_at AS "expires_at!",
                  session_id AS "session_id!", second_factor_at, enrolling AS "enrolling!",
                  visit_guest_id, guest_role
           FROM open_session($1, $2, $3, $4)"#,
        &token.hash()[..],
        now,
        now - IDLE,
        touch_before,
    )
    .fetch_optional(&mut *records.single().await?)
    .await?;
    Ok(row)
}

fn guest_session(row: &SessionRow) -> Result<Option<GuestSession>, Error> {
    let (Some(guest), Some(role), Some(visit)) = (row.visit_guest_id, &row.guest_role, row.visit_id) else {
        return Ok(None);
    };
    Ok(Some(GuestSession {
        session_id: SessionId(row.session_id),
        guest_id: GuestId(guest),
        role: Role::parse(role).ok_or(Error::UnknownValue("visit_guest.role"))?,
        visit_id: VisitId(visit),
        clinic: row.clinic(),
    }))
}

pub(crate) fn staff_session(row: SessionRow) -> Result<StaffSession, Error> {
    let (clinic, idle_expires_at) = (row.clinic(), row.idle_expires_at());
    // A staff session begins with the second factor.
    let (Some(id), Some(name), Some(role)) = (row.staff_id, row.staff_name, row.staff_role) else {
        return Err(Error::NotFound);
    };
    let role = Role::parse(&role).ok_or(Error::UnknownValue("staff.role"))?;
    Ok(StaffSession {
        session_id: SessionId(row.session_id),
        staff_id: StaffId(id),
        name,
        role,
        clinic,
        second_factor_at: row.second_factor_at,
        idle_expires_at,
        expires_at: row.expires_at,
    })
}

/// Ends the session of `token` within the running transaction.
pub(crate) async fn close(tx: &mut Tx, token: &SessionToken) -> Result<bool, Error> {
    let at = tx.context().at;
    let closed = sqlx::query!(
        "UPDATE session SET ended_at = $2 WHERE token_hash = $1 AND clinic_id = current_clinic() AND ended_at IS NULL",
        &token.hash()[..],
        at,
    )
    .execute(tx.connection()?)
    .await?;
    Ok(closed.rows_affected() == 1)
}
