//! Links by mail that sign a patient or guardian in: asked for by an address, used once, within a quarter of an hour.
//!
//! Whoever asks learns nothing: not here, since nothing is answered, and not by how long it takes, since the API does not wait.

use time::{Duration, OffsetDateTime};
use uuid::Uuid;
use visit::{ClinicId, GuardianId, PatientId};

use super::{actor, sessions};
use crate::action::Resource;
use crate::audit::Entry;
use crate::outbox::{self, Lang};
use crate::seal::Place;
use crate::token::{hash_token, random_token, well_formed};
use crate::{Error, Origin, Pending, Phi, Records, RequestContext, SessionToken, Tx, clinics, patient_index};

/// How long a link is good.
pub const GOOD_FOR: Duration = Duration::minutes(15);
/// Links that one person may have been sent within [`GOOD_FOR`]: nobody's mailbox is filled by strangers.
pub const AT_ONCE: i64 = 3;

/// Whom a link signs in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Person {
    clinic: ClinicId,
    patient: Option<PatientId>,
    guardian: Option<GuardianId>,
}

/// Mails a link to everyone who signs in with `email`. Nothing happens if nobody does.
///
/// # Errors
/// The database can't be reached.
pub async fn ask(
    records: &Records,
    origin: &Origin,
    email: &Phi<String>,
    lang: Lang,
    now: OffsetDateTime,
) -> Result<(), Error> {
    let candidates = patient_index::with_email(records, email, now).await?;
    for clinic in clinics::list(records).await? {
        let context = RequestContext { origin: origin.clone(), ..RequestContext::system("portal", clinic.id, now) };
        let mut tx = records.begin(context).await?;
        let mut patients = Vec::new();
        for (_, patient) in candidates.iter().filter(|(of, _)| *of == clinic.id) {
            if has_email(&mut tx, *patient, email).await? {
                patients.push(*patient);
            }
        }
        let guardian = guardian_with(&mut tx, email).await?;
        let mut people = Vec::new();
        match (patients.as_slice(), guardian) {
            // Who is both is both at once.
            (&[patient], guardian) => people.push((Some(patient), guardian)),
            (several, guardian) => {
                people.extend(several.iter().map(|patient| (Some(*patient), None)));
                people.extend(guardian.map(|guardian| (None, Some(guardian))));
            }
        }
        let several = people.len() > 1;
        for (patient, guardian) in people {
            send(&mut tx, Person { clinic: clinic.id, patient, guardian }, email, lang, several).await?;
        }
        tx.commit(Pending(())).await?;
    }
    Ok(())
}

/// The index is cut short: equal tokens are a hint, the address itself decides.
async fn has_email(tx: &mut Tx, patient: PatientId, email: &Phi<String>) -> Result<bool, Error> {
    let sealed = sqlx::query_scalar!(
        "SELECT email FROM patient WHERE patient_id = $1 AND clinic_id = current_clinic()",
        patient.0
    )
    .fetch_optional(tx.connection()?)
    .await?
    .flatten();
    let Some(sealed) = sealed else { return Ok(false) };
    let keys = tx.patient_keys(patient).await?;
    Ok(same(&keys.open_text(Place::new("patient.email", patient.0), &sealed)?, email))
}

async fn guardian_with(tx: &mut Tx, email: &Phi<String>) -> Result<Option<GuardianId>, Error> {
    let at = tx.context().at;
    let rows = sqlx::query!(
        r#"SELECT guardian_id, email AS "email!" FROM guardian g
           WHERE clinic_id = current_clinic() AND email IS NOT NULL
             AND EXISTS (SELECT FROM guardianship s WHERE s.guardian_id = g.guardian_id AND s.scope = 'record' AND s.from_at <= $1
                         AND (s.until_at IS NULL OR s.until_at > $1))
           ORDER BY created_at, guardian_id"#,
        at,
    )
    .fetch_all(tx.connection()?)
    .await?;
    let keys = tx.clinic_keys().await?;
    for row in rows {
        if same(&keys.open_text(Place::new("guardian.email", row.guardian_id), &row.email)?, email) {
            return Ok(Some(GuardianId(row.guardian_id)));
        }
    }
    Ok(None)
}

fn same(one: &Phi<String>, other: &Phi<String>) -> bool {
    one.expose().trim().to_lowercase() == other.expose().trim().to_lowercase()
}

async fn send(tx: &mut Tx, person: Person, email: &Phi<String>, lang: Lang, several: bool) -> Result<(), Error> {
    let at = tx.context().at;
    let (patient, guardian) = (person.patient.map(|id| id.0), person.guardian.map(|id| id.0));
    let sent = sqlx::query_scalar!(
        r#"SELECT count(*) AS "sent!" FROM portal_link
           WHERE clinic_id = current_clinic() AND patient_id IS NOT DISTINCT FROM $1 AND guardian_id IS NOT DISTINCT FROM $2 AND created_at > $3"#,
        patient,
        guardian,
        at - GOOD_FOR,
    )
    .fetch_one(tx.connection()?)
    .await?;
    if sent >= AT_ONCE {
        return Ok(());
    }
    let token = random_token();
    sqlx::query!(
        "INSERT INTO portal_link (portal_link_id, clinic_id, patient_id, guardian_id, token_hash, created_at, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
        Uuid::now_v7(),
        person.clinic.0,
        patient,
        guardian,
        &hash_token(&token)[..],
        at,
        at + GOOD_FOR,
    )
    .execute(tx.connection()?)
    .await?;
    outbox::portal_link(tx, person.patient, email, &token, lang, several).await?;
    let resource = person.patient.map_or(Resource::Clinic, Resource::Patient);
    tx.log(Entry { patient: person.patient, ..Entry::new("portal.link_sent", resource) });
    Ok(())
}

/// A link was used.
pub struct Opened {
    /// For the cookie.
    pub token: SessionToken,
    /// The second factor comes next; else the person is in.
    pub second_factor: bool,
}

/// Uses the link of `token` up, once, and begins a session. To be called when a person pressed the button, never when a page
/// is merely opened.
///
/// # Errors
/// See [`OpenError`].
pub async fn open(records: &Records, origin: &Origin, token: &str, now: OffsetDateTime) -> Result<Opened, OpenError> {
    let (id, person) = find(records, token).await?.ok_or(OpenError::NotUsable)?;
    let context = RequestContext {
        actor: actor(person.clinic, person.patient, person.guardian, None),
        origin: origin.clone(),
        ..RequestContext::system("portal", person.clinic, now)
    };
    let mut tx = records.begin(context).await?;
    let used = sqlx::query!(
        "UPDATE portal_link SET used_at = $2 WHERE portal_link_id = $1 AND clinic_id = current_clinic() AND used_at IS NULL AND expires_at > $2",
        id,
        now,
    )
    .execute(tx.connection()?)
    .await
    .map_err(Error::from)?;
    if used.rows_affected() != 1 {
        return Err(OpenError::NotUsable);
    }
    let second_factor = super::factor::is_on(&mut tx, person.patient, person.guardian).await?;
    let token = sessions::insert(&mut tx, person.patient, person.guardian, second_factor, None).await?;
    let resource = person.patient.map_or(Resource::Clinic, Resource::Patient);
    let reason = second_factor.then_some("second_factor_next");
    tx.log(Entry { patient: person.patient, reason, ..Entry::new("portal.sign_in", resource) });
    Ok(tx.commit(Pending(Opened { token, second_factor })).await?)
}

async fn find(records: &Records, token: &str) -> Result<Option<(Uuid, Person)>, Error> {
    if !well_formed(token) {
        return Ok(None);
    }
    let hash = hash_token(token);
    let mut tx = records.begin_without_clinic().await?;
    sqlx::query!("SELECT set_config('bedside.token_hash', $1, true)", hex::encode(hash)).fetch_one(&mut *tx).await?;
    let row = sqlx::query!(
        "SELECT portal_link_id, clinic_id, patient_id, guardian_id FROM portal_link WHERE token_hash = $1",
        &hash[..]
    )
    .fetch_optional(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(row.map(|row| {
        let person = Person {
            clinic: ClinicId(row.clinic_id),
            patient: row.patient_id.map(PatientId),
            guardian: row.guardian_id.map(GuardianId),
        };
        (row.portal_link_id, person)
    }))
}

/// The link did not sign anybody in.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Unknown, used or too old: all look alike.
    #[error("this link can't be used; ask for a new one")]
    NotUsable,
    /// See [`Error`].
    #[error(transparent)]
    Failed(#[from] Error),
}
