//! Who is assigned to a patient: a care relationship beside that of an appointment.

use time::OffsetDateTime;
use uuid::Uuid;
use visit::{Role, StaffId};

use crate::action::{ManageCareTeam, ReadCareTeam, Resource};
use crate::audit::Entry;
use crate::{Actor, Authorized, Error, Pending, Tx};

/// An assignment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    /// Which.
    pub assignment_id: Uuid,
    /// Who is assigned.
    pub staff_id: StaffId,
    /// Their name.
    pub name: String,
    /// Their role.
    pub role: Role,
    /// From.
    pub from_at: OffsetDateTime,
    /// Until; `None` while nobody has ended it.
    pub until_at: Option<OffsetDateTime>,
}

/// All assignments of a patient, present ones first, each newest first.
///
/// # Errors
/// The database can't be reached.
pub async fn list(tx: &mut Tx, may: &Authorized<ReadCareTeam>) -> Result<Pending<Vec<Assignment>>, Error> {
    let patient = tx.proved(may)?.0;
    let at = tx.context().at;
    let rows = sqlx::query!(
        "SELECT c.care_assignment_id, c.staff_id, s.name, s.role, c.from_at, c.until_at
         FROM care_assignment c JOIN staff s ON s.staff_id = c.staff_id
         WHERE c.patient_id = $1 ORDER BY (c.until_at IS NULL OR c.until_at > $2) DESC, c.from_at DESC, c.care_assignment_id",
        patient.0,
        at,
    )
    .fetch_all(tx.connection()?)
    .await?;
    let mut items = Vec::with_capacity(rows.len());
    for row in rows {
        items.push(Assignment {
            assignment_id: row.care_assignment_id,
            staff_id: StaffId(row.staff_id),
            name: row.name,
            role: Role::parse(&row.role).ok_or(Error::UnknownValue("staff.role"))?,
            from_at: row.from_at,
            until_at: row.until_at,
        });
    }
    Ok(Pending(items))
}

/// Somebody who could be assigned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Who.
    pub staff_id: StaffId,
    /// Shown name.
    pub name: String,
    /// Provider or nurse.
    pub role: Role,
}

/// Active providers and nurses who are not assigned now, by name.
///
/// # Errors
/// The database can't be reached.
pub async fn candidates(tx: &mut Tx, may: &Authorized<ManageCareTeam>) -> Result<Pending<Vec<Candidate>>, Error> {
    let (patient, at) = (tx.proved(may)?.0, tx.context().at);
    // Who could be assigned says nothing about the patient: there is no reading to log.
    tx.logged_before();
    let rows = sqlx::query!(
        "SELECT s.staff_id, s.name, s.role FROM staff s
         WHERE s.clinic_id = current_clinic() AND s.active AND s.role IN ('provider', 'nurse')
           AND NOT EXISTS (SELECT FROM care_assignment c WHERE c.clinic_id = s.clinic_id AND c.staff_id = s.staff_id
                           AND c.patient_id IN (SELECT patient_family($1)) AND (c.until_at IS NULL OR c.until_at > $2))
         ORDER BY lower(s.name), s.staff_id",
        patient.0,
        at,
    )
    .fetch_all(tx.connection()?)
    .await?;
    let candidates = rows.into_iter().map(|row| {
        let role = Role::parse(&row.role).ok_or(Error::UnknownValue("staff.role"))?;
        Ok(Candidate { staff_id: StaffId(row.staff_id), name: row.name, role })
    });
    candidates.collect::<Result<_, Error>>().map(Pending)
}

/// Assigns a provider or nurse to the patient, from now on.
///
/// # Errors
/// See [`AssignError`].
pub async fn assign(
    tx: &mut Tx,
    may: &Authorized<ManageCareTeam>,
    staff: StaffId,
) -> Result<Pending<Uuid>, AssignError> {
    let patient = tx.proved(may)?.0;
    let (clinic, at) = (tx.context().actor.clinic(), tx.context().at);
    let by = author(tx)?;
    let who = sqlx::query!(
        r#"SELECT EXISTS (SELECT FROM staff WHERE staff_id = $1 AND clinic_id = $2 AND active AND role IN ('provider', 'nurse')) AS "treats!",
                  EXISTS (SELECT FROM care_assignment WHERE staff_id = $1 AND patient_id = $3 AND (until_at IS NULL OR until_at > $4)) AS "assigned!""#,
        staff.0,
        clinic.0,
        patient.0,
        at,
    )
    .fetch_one(tx.connection()?)
    .await
    .map_err(Error::from)?;
    if !who.treats {
        return Err(AssignError::DoesNotTreat);
    }
    if who.assigned {
        return Err(AssignError::AssignedAlready);
    }
    let id = Uuid::now_v7();
    let made = sqlx::query!(
        "INSERT INTO care_assignment (care_assignment_id, clinic_id, staff_id, patient_id, from_at, assigned_by) VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (staff_id, patient_id) WHERE until_at IS NULL DO NOTHING",
        id,
        clinic.0,
        staff.0,
        patient.0,
        at,
        by,
    )
    .execute(tx.connection()?)
    .await
    .map_err(Error::from)?;
    if made.rows_affected() != 1 {
        return Err(AssignError::AssignedAlready);
    }
    tx.logged_as(Entry { patient: Some(patient), ..Entry::new("staff.assign", Resource::Staff(staff)) });
    Ok(Pending(id))
}

/// Ends an assignment of this patient, from now on.
///
/// # Errors
/// [`Error::NotFound`] if the patient has no such assignment that goes on.
pub async fn end(tx: &mut Tx, may: &Authorized<ManageCareTeam>, assignment: Uuid) -> Result<Pending<()>, Error> {
    let patient = tx.proved(may)?.0;
    let (at, by) = (tx.context().at, author(tx)?);
    let staff = sqlx::query_scalar!(
        "UPDATE care_assignment SET until_at = $3, ended_by = $4
         WHERE care_assignment_id = $1 AND patient_id = $2 AND (until_at IS NULL OR until_at > $3) RETURNING staff_id",
        assignment,
        patient.0,
        at,
        by,
    )
    .fetch_optional(tx.connection()?)
    .await?
    .ok_or(Error::NotFound)?;
    tx.logged_as(Entry { patient: Some(patient), ..Entry::new("staff.unassign", Resource::Staff(StaffId(staff))) });
    Ok(Pending(()))
}

fn author(tx: &Tx) -> Result<Uuid, Error> {
    match tx.context().actor {
        Actor::Staff { id, .. } => Ok(id.0),
        _ => Err(Error::Forbidden),
    }
}

/// Nobody was assigned.
#[derive(Debug, thiserror::Error)]
pub enum AssignError {
    /// Not an active provider or nurse of this clinic.
    #[error("choose an active provider or nurse of this clinic")]
    DoesNotTreat,
    /// There is such an assignment.
    #[error("this person is assigned to the patient already")]
    AssignedAlready,
    /// See [`Error`].
    #[error(transparent)]
    Failed(#[from] Error),
}
