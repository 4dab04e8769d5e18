//! Guardians: people who act for a patient, their ward.

use time::OffsetDateTime;
use uuid::Uuid;
use visit::{GuardianId, PatientId};

use crate::action::{ListGuardians, ManageGuardians, Resource};
use crate::audit::Entry;
use crate::seal::Place;
use crate::text_enum::text_enum;
use crate::{Actor, Authorized, Error, Pending, Phi, Tx};

text_enum! {
    /// What the guardian is to the ward.
    Relationship {
        /// Mother or father of a minor.
        Parent = "parent",
        /// Appointed by a court.
        LegalGuardian = "legal_guardian",
        /// Appointed by the patient.
        HealthCareProxy = "health_care_proxy",
        /// Something else that the clinic has checked.
        Other = "other",
    }
}

text_enum! {
    /// How far the guardian acts for the ward.
    Scope {
        /// In everything that the ward may do.
        Record = "record",
        /// Comes along to visits only.
        Visits = "visits",
    }
}

/// A guardian of one patient.
pub struct Guardianship {
    /// Which.
    pub guardianship_id: Uuid,
    /// Who.
    pub guardian_id: GuardianId,
    /// Their name.
    pub name: Phi<String>,
    /// Their e-mail address.
    pub email: Option<Phi<String>>,
    /// Their telephone.
    pub phone: Option<Phi<String>>,
    /// What they are to the patient.
    pub relationship: Relationship,
    /// How far they act.
    pub scope: Scope,
    /// From.
    pub from_at: OffsetDateTime,
    /// Until; `None` while nobody has ended it.
    pub until_at: Option<OffsetDateTime>,
}

/// Who becomes a guardian.
pub struct NewGuardian {
    /// Their name.
    pub name: Phi<String>,
    /// Their e-mail address.
    pub email: Option<Phi<String>>,
    /// Their telephone.
    pub phone: Option<Phi<String>>,
    /// What they are to the patient.
    pub relationship: Relationship,
    /// How far they act.
    pub scope: Scope,
    /// Until, if that is known already, e.g. the day on which a minor comes of age.
    pub until_at: Option<OffsetDateTime>,
}

/// The guardians of a patient, present ones first.
///
/// # Errors
/// The database can't be reached, or a value does not open.
pub async fn list(tx: &mut Tx, may: &Authorized<ListGuardians>) -> Result<Pending<Vec<Guardianship>>, Error> {
    let patient = tx.proved(may)?.0;
    let at = tx.context().at;
    let rows = sqlx::query!(
        "SELECT w.guardianship_id, w.guardian_id, g.name, g.email, g.phone, w.relationship, w.scope, w.from_at, w.until_at
         FROM guardianship w JOIN guardian g USING (guardian_id)
         WHERE w.patient_id = $1 ORDER BY (w.until_at IS NULL OR w.until_at > $2) DESC, w.from_at, w.guardianship_id",
        patient.0,
        at,
    )
    .fetch_all(tx.connection()?)
    .await?;
    let keys = tx.clinic_keys().await?;
    let mut items = Vec::with_capacity(rows.len());
    for row in rows {
        let open = |column, sealed: &[u8]| keys.open_text(Place::new(column, row.guardian_id), sealed);
        items.push(Guardianship {
            guardianship_id: row.guardianship_id,
            guardian_id: GuardianId(row.guardian_id),
            name: open("guardian.name", &row.name)?,
            email: row.email.map(|email| open("guardian.email", &email)).transpose()?,
            phone: row.phone.map(|phone| open("guardian.phone", &phone)).transpose()?,
            relationship: Relationship::parse(&row.relationship)?,
            scope: Scope::parse(&row.scope)?,
            from_at: row.from_at,
            until_at: row.until_at,
        });
    }
    Ok(Pending(items))
}

/// Puts a person on record as the patient's guardian, from now on.
///
/// # Errors
/// [`AddError::EndsBefore`]; the database can't be reached.
pub async fn add(
    tx: &mut Tx,
    may: &Authorized<ManageGuardians>,
    new: &NewGuardian,
) -> Result<Pending<(Uuid, GuardianId)>, AddError> {
    let patient = tx.proved(may)?.0;
    let id = GuardianId(Uuid::now_v7());
    let (clinic, at) = (tx.context().actor.clinic(), tx.context().at);
    if new.until_at.is_some_and(|until| until <= at) {
        return Err(AddError::EndsBefore);
    }
    let keys = tx.clinic_keys().await?;
    let seal = |column, text: &Phi<String>| keys.seal_text(Place::new(column, id.0), text);
    sqlx::query!(
        "INSERT INTO guardian (guardian_id, clinic_id, name, email, phone, created_at) VALUES ($1, $2, $3, $4, $5, $6)",
        id.0,
        clinic.0,
        seal("guardian.name", &new.name)?,
        new.email.as_ref().map(|email| seal("guardian.email", email)).transpose()?,
        new.phone.as_ref().map(|phone| seal("guardian.phone", phone)).transpose()?,
        at,
    )
    .execute(tx.connection()?)
    .await
    .map_err(Error::from)?;
    let guardianship = appoint(tx, patient, id, new.relationship, new.scope, new.until_at).await?;
    Ok(Pending((guardianship, id)))
}

/// Ends a guardianship of this patient, from now on: the guardian sees nothing of the ward any more.
///
/// # Errors
/// [`Error::NotFound`] if the patient has no such guardianship that goes on.
pub async fn end(tx: &mut Tx, may: &Authorized<ManageGuardians>, guardianship: Uuid) -> Result<Pending<()>, Error> {
    let patient = tx.proved(may)?.0;
    let (at, by) = (tx.context().at, author(tx)?);
    let ended = sqlx::query!(
        "UPDATE guardianship SET until_at = $3, ended_by = $4
         WHERE guardianship_id = $1 AND patient_id = $2 AND (until_at IS NULL OR until_at > $3)",
        guardianship,
        patient.0,
        at,
        by,
    )
    .execute(tx.connection()?)
    .await?;
    if ended.rows_affected() != 1 {
        return Err(Error::NotFound);
    }
    let detail = Some(serde_json::json!({ "guardianship_id": guardianship }));
    tx.logged_as(Entry { patient: Some(patient), detail, ..Entry::new("guardian.ended", Resource::Patient(patient)) });
    Ok(Pending(()))
}

async fn appoint(
    tx: &mut Tx,
    patient: PatientId,
    guardian: GuardianId,
    relationship: Relationship,
    scope: Scope,
    until_at: Option<OffsetDateTime>,
) -> Result<Uuid, Error> {
    let id = Uuid::now_v7();
    let (clinic, at, by) = (tx.context().actor.clinic(), tx.context().at, author(tx)?);
    sqlx::query!(
        "INSERT INTO guardianship (guardianship_id, clinic_id, guardian_id, patient_id, relationship, scope, from_at, until_at, added_by)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        id,
        clinic.0,
        guardian.0,
        patient.0,
        relationship.as_str(),
        scope.as_str(),
        at,
        until_at,
        by,
    )
    .execute(tx.connection()?)
    .await?;
    let detail = Some(serde_json::json!({ "guardianship_id": id, "guardian_id": guardian, "scope": scope }));
    tx.logged_as(Entry { patient: Some(patient), detail, ..Entry::new("guardian.added", Resource::Patient(patient)) });
    Ok(id)
}

fn author(tx: &Tx) -> Result<Uuid, Error> {
    match tx.context().actor {
        Actor::Staff { id, .. } => Ok(id.0),
        _ => Err(Error::Forbidden),
    }
}

/// Nobody became a guardian.
#[derive(Debug, thiserror::Error)]
pub enum AddError {
    /// It would end before it begins.
    #[error("choose an end in the future, or none")]
    EndsBefore,
    /// See [`Error`].
    #[error(transparent)]
    Failed(#[from] Error),
}
