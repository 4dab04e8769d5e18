//! Emergency access ("break-glass"): a member of staff without a care relationship says why, proves their second factor
//! and sees one patient for one hour. Every access under it stands in the audit log with the reason
//! [`REASON_IN_LOG`]; compliance reviews each.

use time::{Duration, OffsetDateTime};
use uuid::Uuid;
use visit::{EmergencyAccessId, PatientId, StaffId};

use crate::action::{
    AskEmergencyAccess, ListEmergencyAccess, ReadAccess, ReadEmergencyAccess, Resource, ReviewEmergencyAccess,
};
use crate::audit::Entry;
use crate::seal::Place;
use crate::text_enum::text_enum;
use crate::{Actor, Authorized, Error, Pending, Phi, Tx};

/// How long one access lasts.
pub const LASTS: Duration = Duration::hours(1);
/// Shortest reason, in characters that are not blank: a few words, so that a reviewer has something to judge.
pub const MIN_REASON_CHARS: usize = 15;
/// Longest reason or remark, bytes.
pub const MAX_TEXT_BYTES: usize = 2_000;
/// Accesses on a page.
pub const PAGE: i64 = 50;
/// The reason of everything in the audit log that only emergency access allowed: the id of the policy.
pub const REASON_IN_LOG: &str = "emergency.access";

text_enum! {
    /// Whether compliance has looked at it.
    ReviewState {
        /// Not yet.
        Open = "open",
        /// A finding was given.
        Reviewed = "reviewed",
    }
}

text_enum! {
    /// What compliance found.
    Finding {
        /// There was an emergency, or another good reason.
        Justified = "justified",
        /// There was none.
        NotJustified = "not_justified",
    }
}

/// What was granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Granted {
    /// Which.
    pub id: EmergencyAccessId,
    /// It ends then.
    pub expires_at: OffsetDateTime,
}

/// One access, as compliance sees it.
pub struct EmergencyAccess {
    /// Which.
    pub id: EmergencyAccessId,
    /// Who asked.
    pub staff_id: StaffId,
    /// Their name.
    pub staff_name: String,
    /// Their role now.
    pub staff_role: String,
    /// Whose record.
    pub patient_id: PatientId,
    /// Their name.
    pub patient_name: Phi<String>,
    /// Why, in the words of the one who asked.
    pub reason: Phi<String>,
    /// From.
    pub granted_at: OffsetDateTime,
    /// To.
    pub expires_at: OffsetDateTime,
    /// Times that something was opened under it.
    pub accesses: i64,
    /// Where the review stands.
    pub state: ReviewState,
    /// What compliance found; `None` while it is open.
    pub review: Option<Review>,
    /// Whether the one who looks may review it: nobody reviews their own.
    pub by_another: bool,
}

/// A finding.
pub struct Review {
    /// What.
    pub finding: Finding,
    /// In the reviewer's words.
    pub remarks: Phi<String>,
    /// By whom.
    pub by_name: String,
    /// When.
    pub at: OffsetDateTime,
}

/// One page of accesses.
pub struct EmergencyAccessPage {
    /// Newest first.
    pub items: Vec<EmergencyAccess>,
    /// Hand this in for the next page; `None` on the last one.
    pub next_cursor: Option<String>,
}

/// Something that was opened under an access.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    /// When.
    pub at: OffsetDateTime,
    /// What, as in the audit log.
    pub action: String,
    /// To what kind of thing.
    pub resource_type: String,
    /// To which.
    pub resource_id: Option<Uuid>,
}

/// Grants one hour, and puts it before compliance in the same transaction.
///
/// # Errors
/// See [`AskError`].
pub async fn ask(
    tx: &mut Tx,
    may: &Authorized<AskEmergencyAccess>,
    reason: &Phi<String>,
) -> Result<Pending<Granted>, AskError> {
    let patient = tx.proved(may)?.0;
    let Actor::Staff { id: staff, clinic, .. } = tx.context().actor else {
        return Err(Error::Forbidden.into());
    };
    if may.relation.cares {
        return Err(AskError::NotNeeded);
    }
    let said = reason.expose();
    if said.chars().filter(|char| !char.is_whitespace()).count() < MIN_REASON_CHARS || said.len() > MAX_TEXT_BYTES {
        return Err(AskError::BadReason);
    }
    let (id, at) = (EmergencyAccessId(Uuid::now_v7()), tx.context().at);
    let granted = Granted { id, expires_at: at + LASTS };
    let sealed = tx.patient_keys(patient).await?.seal_text(Place::new("emergency_access.reason", id.0), reason)?;
    sqlx::query!(
        "WITH granted AS (
             INSERT INTO emergency_access (emergency_access_id, clinic_id, staff_id, patient_id, reason, granted_at, expires_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING emergency_access_id, clinic_id)
         INSERT INTO emergency_access_review (emergency_access_id, clinic_id) SELECT emergency_access_id, clinic_id FROM granted",
        id.0,
        clinic.0,
        staff.0,
        patient.0,
        sealed,
        at,
        granted.expires_at,
    )
    .execute(tx.connection()?)
    .await
    .map_err(Error::from)?;
    tx.logged_as(Entry { patient: Some(patient), ..Entry::new("emergency.granted", Resource::EmergencyAccess(id)) });
    Ok(Pending(granted))
}

/// Accesses, newest first, [`PAGE`] at a time; all, or those in one state.
///
/// # Errors
/// [`ListError::BadCursor`]; the database can't be reached.
pub async fn list(
    tx: &mut Tx,
    may: &Authorized<ListEmergencyAccess>,
    state: Option<ReviewState>,
    cursor: Option<&str>,
) -> Result<Pending<EmergencyAccessPage>, ListError> {
    tx.proved(may)?;
    // Ids are of version 7: later ones are greater.
    let before = match cursor {
        None => Uuid::max(),
        Some(cursor) => Uuid::parse_str(cursor).map_err(|_| ListError::BadCursor)?,
    };
    let mut items = read(tx, None, before, state).await?;
    let more = items.len() > PAGE as usize;
    items.truncate(PAGE as usize);
    let next_cursor = items.last().filter(|_| more).map(|last| last.id.to_string());
    if let Some(entry) = tx.last_logged() {
        entry.patients = items.iter().map(|item| item.patient_id.0).collect();
    }
    Ok(Pending(EmergencyAccessPage { items, next_cursor }))
}

/// One access, with everything that was opened under it.
///
/// # Errors
/// The database can't be reached.
pub async fn detail(
    tx: &mut Tx,
    may: &Authorized<ReadEmergencyAccess>,
) -> Result<Pending<(EmergencyAccess, Vec<Opened>)>, Error> {
    let id = tx.proved(may)?.0;
    let access = read(tx, Some(id.0), Uuid::max(), None).await?.pop().ok_or(Error::NotFound)?;
    let opened = sqlx::query_as!(
        Opened,
        "SELECT at, action, resource_type, resource_id FROM audit_event
         WHERE clinic_id = current_clinic() AND actor_id = $1 AND patient_id = $2 AND at >= $3 AND at < $4 AND reason = $5
         ORDER BY seq",
        access.staff_id.0,
        access.patient_id.0,
        access.granted_at,
        access.expires_at,
        REASON_IN_LOG,
    )
    .fetch_all(tx.connection()?)
    .await?;
    Ok(Pending((access, opened)))
}

/// Closes the review with a finding, once.
///
/// # Errors
/// See [`ReviewError`].
pub async fn review(
    tx: &mut Tx,
    may: &Authorized<ReviewEmergencyAccess>,
    finding: Finding,
    remarks: &Phi<String>,
) -> Result<Pending<()>, ReviewError> {
    let (id, patient) = (tx.proved(may)?.0, may.patient().ok_or(Error::NotFound)?);
    let Actor::Staff { id: staff, .. } = tx.context().actor else {
        return Err(Error::Forbidden.into());
    };
    if remarks.expose().trim().is_empty() || remarks.expose().len() > MAX_TEXT_BYTES {
        return Err(ReviewError::BadRemarks);
    }
    let at = tx.context().at;
    let sealed =
        tx.patient_keys(patient).await?.seal_text(Place::new("emergency_access_review.remarks", id.0), remarks)?;
    let closed = sqlx::query!(
        "UPDATE emergency_access_review SET state = 'reviewed', finding = $2, remarks = $3, reviewed_by = $4, reviewed_at = $5
         WHERE emergency_access_id = $1 AND state = 'open'",
        id.0,
        finding.as_str(),
        sealed,
        staff.0,
        at,
    )
    .execute(tx.connection()?)
    .await
    .map_err(Error::from)?;
    if closed.rows_affected() != 1 {
        return Err(ReviewError::ReviewedBefore);
    }
    let detail = Some(serde_json::json!({ "finding": finding }));
    tx.logged_as(Entry {
        patient: Some(patient),
        detail,
        ..Entry::new("emergency.reviewed", Resource::EmergencyAccess(id))
    });
    Ok(Pending(()))
}

async fn read(
    tx: &mut Tx,
    only: Option<Uuid>,
    before: Uuid,
    state: Option<ReviewState>,
) -> Result<Vec<EmergencyAccess>, Error> {
    let me = tx.context().actor.id();
    let rows = sqlx::query!(
        r#"SELECT e.emergency_access_id, e.staff_id, s.name AS staff_name, s.role AS staff_role, e.patient_id, p.name AS patient_name, e.reason,
                  e.granted_at, e.expires_at, r.state, r.finding, r.remarks, b.name AS "reviewed_by?", r.reviewed_at,
                  (SELECT count(*) FROM audit_event a WHERE a.clinic_id = e.clinic_id AND a.actor_id = e.staff_id AND a.patient_id = e.patient_id
                     AND a.at >= e.granted_at AND a.at < e.expires_at AND a.reason = $5) AS "accesses!"
           FROM emergency_access e
           JOIN emergency_access_review r USING (emergency_access_id)
           JOIN staff s ON s.staff_id = e.staff_id
           JOIN patient p ON p.patient_id = e.patient_id AND p.destroyed_at IS NULL
           LEFT JOIN staff b ON b.staff_id = r.reviewed_by
           WHERE e.clinic_id = current_clinic() AND ($1::uuid IS NULL OR e.emergency_access_id = $1) AND e.emergency_access_id < $2
             AND ($3::text IS NULL OR r.state = $3)
           ORDER BY e.emergency_access_id DESC LIMIT $4"#,
        only,
        before,
        state.map(ReviewState::as_str),
        PAGE + 1,
        REASON_IN_LOG,
    )
    .fetch_all(tx.connection()?)
    .await?;
    let patients: Vec<Uuid> = rows.iter().map(|row| row.patient_id).collect();
    tx.load_patient_keys(&patients).await?;
    let mut items = Vec::with_capacity(rows.len());
    for row in rows {
        let (id, keys) = (row.emergency_access_id, tx.known_keys(row.patient_id)?);
        let review = match (row.finding, row.remarks, row.reviewed_by, row.reviewed_at) {
            (Some(finding), Some(remarks), Some(by_name), Some(at)) => Some(Review {
                finding: Finding::parse(&finding)?,
                remarks: keys.open_text(Place::new("emergency_access_review.remarks", id), &remarks)?,
                by_name,
                at,
            }),
            _ => None,
        };
        items.push(EmergencyAccess {
            id: EmergencyAccessId(id),
            staff_id: StaffId(row.staff_id),
            staff_name: row.staff_name,
            staff_role: row.staff_role,
            patient_id: PatientId(row.patient_id),
            patient_name: keys.open_text(Place::new("patient.name", row.patient_id), &row.patient_name)?,
            reason: keys.open_text(Place::new("emergency_access.reason", id), &row.reason)?,
            granted_at: row.granted_at,
            expires_at: row.expires_at,
            accesses: row.accesses,
            state: ReviewState::parse(&row.state)?,
            review,
            by_another: me != Some(row.staff_id),
        });
    }
    Ok(items)
}

/// No access was granted.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// There is a care relationship.
    #[error("you care for this patient already; open the record as usual")]
    NotNeeded,
    /// Too short to judge, or longer than [`MAX_TEXT_BYTES`].
    #[error("say in a few words why you need this record now ({MIN_REASON_CHARS} characters or more)")]
    BadReason,
    /// See [`Error`].
    #[error(transparent)]
    Failed(#[from] Error),
}

/// A list was not made.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    /// The cursor is not one that a list gave.
    #[error("this cursor is not one of ours; begin again without one")]
    BadCursor,
    /// See [`Error`].
    #[error(transparent)]
    Failed(#[from] Error),
}

/// A review was not closed.
#[derive(Debug, thiserror::Error)]
pub enum ReviewError {
    /// Somebody gave a finding already; it never changes.
    #[error("this access was reviewed before; reload to see the finding")]
    ReviewedBefore,
    /// Nothing said, or longer than [`MAX_TEXT_BYTES`].
    #[error("say in a few words what you found")]
    BadRemarks,
    /// See [`Error`].
    #[error(transparent)]
    Failed(#[from] Error),
}

/// How a patient's record stands to a member of staff.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// There is a care relationship.
    Care,
    /// For an hour.
    Emergency {
        /// It ends then.
        until: OffsetDateTime,
    },
    /// Only emergency access would open it.
    Closed,
}

impl Access {
    /// The word in answers.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Care => "care",
            Self::Emergency { .. } => "emergency",
            Self::Closed => "closed",
        }
    }

    /// When the hour ends, if it is one.
    #[must_use]
    pub fn until(self) -> Option<OffsetDateTime> {
        if let Self::Emergency { until } = self { Some(until) } else { None }
    }
}

/// Whether the patient's record is open to the one who asks. Shows nothing of the patient.
///
/// # Errors
/// The database can't be reached.
pub async fn access(tx: &mut Tx, may: &Authorized<ReadAccess>) -> Result<Pending<Access>, Error> {
    let patient = tx.proved(may)?.0;
    if may.relation.cares {
        return Ok(Pending(Access::Care));
    }
    let (staff, at) = (tx.context().actor.id(), tx.context().at);
    let until = sqlx::query_scalar!(
        "SELECT max(expires_at) FROM emergency_access WHERE staff_id = $1 AND patient_id = $2 AND granted_at <= $3 AND expires_at > $3",
        staff,
        patient.0,
        at,
    )
    .fetch_one(tx.connection()?)
    .await?;
    Ok(Pending(until.map_or(Access::Closed, |until| Access::Emergency { until })))
}
