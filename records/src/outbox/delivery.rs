//! From the outbox to a mail server. A message that is being sent is locked by its open transaction: nobody sends it at
//! the same time, and when this process dies the lock dies with it and the message is simply due again.

use time::{Duration, OffsetDateTime};
use uuid::Uuid;
use visit::{ClinicId, PatientId};

use super::{BODY, CALENDAR, Kind, RECIPIENT, SUBJECT, State, open};
use crate::action::Resource;
use crate::audit::{Entry, Outcome};
use crate::{Error, Pending, Phi, Records, RequestContext, Tx};

/// Wait after the first failure; it doubles with each one.
const FIRST_WAIT: Duration = Duration::seconds(30);
/// Longest wait between two tries.
const LONGEST_WAIT: Duration = Duration::hours(1);
/// What the audit log calls the server while it sends.
const JOB: &str = "mail";

/// A message that is due, locked until one of the methods is called or this is dropped. Dropped, nothing has happened.
pub struct Delivery {
    tx: Tx,
    /// Stays the same for every try, so that a recipient can tell a repeat.
    pub id: Uuid,
    /// One address.
    pub recipient: Phi<String>,
    /// Subject.
    pub subject: Phi<String>,
    /// Plain text.
    pub body: Phi<String>,
    /// An iCalendar object to attach.
    pub calendar: Option<Phi<String>>,
    /// When it was written.
    pub created_at: OffsetDateTime,
    patient: Option<PatientId>,
    attempts: i32,
}

/// Why a message was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// The mail server does not want it, ever (5xx).
    Refused {
        /// What it said.
        code: u16,
    },
    /// Not now (4xx, or the connection broke while it was being sent).
    NotNow {
        /// What it said, if anything.
        code: Option<u16>,
    },
    /// It can't be made into a mail: the address is none.
    Unsendable,
}

impl Failure {
    /// In a word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Refused { .. } => "refused",
            Self::NotNow { .. } => "not_now",
            Self::Unsendable => "unsendable",
        }
    }

    fn code(self) -> Option<i16> {
        match self {
            Self::Refused { code } => i16::try_from(code).ok(),
            Self::NotNow { code } => code.and_then(|code| i16::try_from(code).ok()),
            Self::Unsendable => None,
        }
    }
}

/// The message of `clinic` that has been due the longest, unless others are sending it.
///
/// # Errors
/// The database can't be reached.
pub async fn next_due(records: &Records, clinic: ClinicId, now: OffsetDateTime) -> Result<Option<Delivery>, Error> {
    let mut tx = records.begin(RequestContext::system(JOB, clinic, now)).await?;
    let row = sqlx::query!(
        r#"SELECT outbox_message_id AS id, patient_id, recipient AS "recipient!", subject AS "subject!", body AS "body!", calendar, attempts,
                  created_at
           FROM outbox_message WHERE clinic_id = current_clinic() AND state = 'waiting' AND due_at <= $1 AND expires_at > $1
           ORDER BY due_at, outbox_message_id LIMIT 1 FOR UPDATE SKIP LOCKED"#,
        now,
    )
    .fetch_optional(tx.connection()?)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let keys = match row.patient_id {
        Some(patient) => tx.patient_keys(PatientId(patient)).await?,
        None => tx.clinic_keys().await?,
    };
    let must = |column, sealed: &[u8]| keys.open_text(crate::seal::Place::new(column, row.id), sealed);
    Ok(Some(Delivery {
        id: row.id,
        recipient: must(RECIPIENT, &row.recipient)?,
        subject: must(SUBJECT, &row.subject)?,
        body: must(BODY, &row.body)?,
        calendar: open(&keys, CALENDAR, row.id, row.calendar.as_deref())?,
        created_at: row.created_at,
        patient: row.patient_id.map(PatientId),
        attempts: row.attempts,
        tx,
    }))
}

impl Delivery {
    /// A mail server took it: its contents are destroyed.
    ///
    /// # Errors
    /// The database can't be reached; it will be sent once more.
    pub async fn delivered(mut self) -> Result<(), Error> {
        let at = self.tx.context().at;
        sqlx::query!(
            "UPDATE outbox_message SET state = 'delivered', settled_at = $2, attempts = attempts + 1, failure = NULL, smtp_code = NULL,
                    recipient = NULL, subject = NULL, body = NULL, calendar = NULL
             WHERE outbox_message_id = $1 AND clinic_id = current_clinic()",
            self.id,
            at,
        )
        .execute(self.tx.connection()?)
        .await?;
        self.tx.log(Entry { patient: self.patient, ..Entry::new("mail.delivered", Resource::Clinic) });
        self.tx.commit(Pending(())).await
    }

    /// Nothing leaves the demonstration: it is shown instead, contents and all.
    ///
    /// # Errors
    /// The database can't be reached.
    pub async fn keep(mut self) -> Result<(), Error> {
        let at = self.tx.context().at;
        sqlx::query!(
            "UPDATE outbox_message SET state = 'kept', settled_at = $2 WHERE outbox_message_id = $1 AND clinic_id = current_clinic()",
            self.id,
            at,
        )
        .execute(self.tx.connection()?)
        .await?;
        self.tx.commit(Pending(())).await
    }

    /// It was not taken: it is tried again later, or given up.
    ///
    /// # Errors
    /// The database can't be reached.
    pub async fn failed(mut self, failure: Failure) -> Result<(), Error> {
        let at = self.tx.context().at;
        let dead = !matches!(failure, Failure::NotNow { .. });
        sqlx::query!(
            "UPDATE outbox_message SET attempts = attempts + 1, failure = $2, smtp_code = $3, due_at = $4,
                    state = CASE WHEN $5 THEN 'dead' ELSE state END, settled_at = CASE WHEN $5 THEN $6::timestamptz END
             WHERE outbox_message_id = $1 AND clinic_id = current_clinic()",
            self.id,
            failure.word(),
            failure.code(),
            at + wait(self.attempts),
            dead,
            at,
        )
        .execute(self.tx.connection()?)
        .await?;
        if dead {
            self.tx.log(Entry {
                patient: self.patient,
                outcome: Outcome::Failed,
                reason: Some(failure.word()),
                ..Entry::new("mail.dead", Resource::Clinic)
            });
        }
        self.tx.commit(Pending(())).await
    }
}

/// How long to wait after `attempts` former failures.
fn wait(attempts: i32) -> Duration {
    let doubled = 1i32.checked_shl(attempts.clamp(0, 20).unsigned_abs()).unwrap_or(i32::MAX);
    FIRST_WAIT.saturating_mul(doubled).min(LONGEST_WAIT)
}

/// Gives up what waits but is of no use any more, and destroys the contents of all that is too old. Gives how many
/// messages were given up.
///
/// # Errors
/// The database can't be reached.
pub async fn forget_expired(records: &Records, clinic: ClinicId, now: OffsetDateTime) -> Result<u64, Error> {
    let mut tx = records.begin(RequestContext::system(JOB, clinic, now)).await?;
    let given_up = sqlx::query!(
        "UPDATE outbox_message SET state = 'dead', settled_at = $1, failure = 'expired'
         WHERE outbox_message_id IN (SELECT outbox_message_id FROM outbox_message
                                     WHERE clinic_id = current_clinic() AND state = 'waiting' AND expires_at <= $1 FOR UPDATE SKIP LOCKED)
         RETURNING patient_id",
        now,
    )
    .fetch_all(tx.connection()?)
    .await?;
    sqlx::query!(
        "UPDATE outbox_message SET recipient = NULL, subject = NULL, body = NULL, calendar = NULL
         WHERE clinic_id = current_clinic() AND state IN ('dead', 'kept') AND expires_at <= $1 AND recipient IS NOT NULL",
        now,
    )
    .execute(tx.connection()?)
    .await?;
    for row in &given_up {
        tx.log(Entry {
            patient: row.patient_id.map(PatientId),
            outcome: Outcome::Failed,
            reason: Some("expired"),
            ..Entry::new("mail.dead", Resource::Clinic)
        });
    }
    tx.commit(Pending(given_up.len() as u64)).await
}

/// A message of the demonstration.
pub struct KeptMessage {
    /// Which.
    pub id: Uuid,
    /// What for.
    pub kind: Kind,
    /// To whom.
    pub recipient: Phi<String>,
    /// Subject.
    pub subject: Phi<String>,
    /// Plain text.
    pub body: Phi<String>,
    /// An iCalendar object that is attached.
    pub calendar: Option<Phi<String>>,
    /// Whether it waits still.
    pub state: State,
    /// When it was written.
    pub created_at: OffsetDateTime,
}

/// All messages of `clinic` that have contents, newest first, for the demonstration's own page. Must never be shown by a
/// server that is not a demonstration.
///
/// # Errors
/// The database can't be reached.
pub async fn kept(records: &Records, clinic: ClinicId, now: OffsetDateTime) -> Result<Vec<KeptMessage>, Error> {
    let mut tx = records.begin(RequestContext::system("demo", clinic, now)).await?;
    let rows = sqlx::query!(
        r#"SELECT outbox_message_id AS id, patient_id, kind, recipient AS "recipient!", subject AS "subject!", body AS "body!", calendar, state,
                  created_at
           FROM outbox_message WHERE clinic_id = current_clinic() AND recipient IS NOT NULL
           ORDER BY created_at DESC, outbox_message_id DESC LIMIT 200"#
    )
    .fetch_all(tx.connection()?)
    .await?;
    let patients: Vec<Uuid> = rows.iter().filter_map(|row| row.patient_id).collect();
    tx.load_patient_keys(&patients).await?;
    let clinic_keys = tx.clinic_keys().await?;
    let mut all = Vec::with_capacity(rows.len());
    for row in rows {
        let keys = match row.patient_id {
            Some(patient) => tx.known_keys(patient)?,
            None => clinic_keys.clone(),
        };
        let must = |column, sealed: &[u8]| keys.open_text(crate::seal::Place::new(column, row.id), sealed);
        all.push(KeptMessage {
            id: row.id,
            kind: Kind::parse(&row.kind)?,
            recipient: must(RECIPIENT, &row.recipient)?,
            subject: must(SUBJECT, &row.subject)?,
            body: must(BODY, &row.body)?,
            calendar: open(&keys, CALENDAR, row.id, row.calendar.as_deref())?,
            state: State::parse(&row.state)?,
            created_at: row.created_at,
        });
    }
    tx.commit(Pending(all)).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_doubles_from_half_a_minute_up_to_an_hour() {
        let waits: Vec<i64> = (0..9).map(|attempts| wait(attempts).whole_seconds()).collect();
        assert_eq!(waits, [30, 60, 120, 240, 480, 960, 1920, 3600, 3600]);
        assert_eq!(wait(i32::MAX), LONGEST_WAIT);
    }
}
