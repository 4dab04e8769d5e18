//! Mail on its way out: enqueued in the transaction of what it tells about, delivered afterwards, at least once.
//!
//! What lives here: messages and their life, the letters' texts ([`letters`]), calendar entries. What deliberately does
//! not: SMTP (`server`). Contents are patients' data: sealed, and destroyed once delivered.

mod calendar;
mod delivery;
mod letters;
mod portal_letters;

use time::OffsetDateTime;
use uuid::Uuid;
use visit::PatientId;

use crate::action::ManageMail;
use crate::audit::Entry;
use crate::seal::{DataKeys, Place};
use crate::text_enum::text_enum;
use crate::{Authorized, Error, Pending, Phi, Tx};

pub use delivery::{Delivery, Failure, KeptMessage, forget_expired, kept, next_due};
pub(crate) use letters::{portal_link, spoken, visit_link};
pub(crate) use portal_letters::{confirm_email, email_changes};

/// Messages on a page of the administrator's list.
pub const PAGE: i64 = 100;

text_enum! {
    /// What a message is for.
    Kind {
        /// The link to a visit.
        VisitLink = "visit_link",
        /// The link of a guest to a visit, or that a member of staff is asked to come.
        GuestLink = "guest_link",
        /// The link that signs a patient in to the portal.
        PortalLink = "portal_link",
        /// A new member of staff makes an account.
        Invitation = "invitation",
        /// A member of staff chooses a new password.
        PasswordReset = "password_reset",
        /// The link that makes a new address of a patient count.
        ConfirmEmail = "confirm_email",
        /// Something about the account changed.
        SecurityNotice = "security_notice",
    }
}

text_enum! {
    /// The language of a message.
    Lang {
        /// English.
        En = "en",
        /// Spanish.
        Es = "es",
    }
}

text_enum! {
    /// Where a message stands.
    State {
        /// It will be tried, again or for the first time.
        Waiting = "waiting",
        /// A mail server took it.
        Delivered = "delivered",
        /// The demonstration shows it instead of sending it.
        Kept = "kept",
        /// It was given up.
        Dead = "dead",
    }
}

/// A message to enqueue.
pub(crate) struct NewMessage {
    pub kind: Kind,
    /// Whom it is about, if it is about a patient.
    pub patient: Option<PatientId>,
    pub lang: Lang,
    /// One address.
    pub recipient: Phi<String>,
    pub subject: Phi<String>,
    pub body: Phi<String>,
    /// An iCalendar object.
    pub calendar: Option<Phi<String>>,
    /// When it is of no use any more.
    pub expires_at: OffsetDateTime,
}

/// Puts a message into the outbox: it goes out if, and only if, the transaction commits.
pub(crate) async fn enqueue(tx: &mut Tx, message: &NewMessage) -> Result<Uuid, Error> {
    let id = Uuid::now_v7();
    let (clinic, at) = (tx.context().actor.clinic().0, tx.context().at);
    let keys = match message.patient {
        Some(patient) => tx.patient_keys(patient).await?,
        None => tx.clinic_keys().await?,
    };
    let seal = |column, text: &Phi<String>| keys.seal_text(Place::new(column, id), text);
    sqlx::query!(
        "INSERT INTO outbox_message (outbox_message_id, clinic_id, patient_id, kind, lang, recipient, subject, body, calendar, due_at,
                                     expires_at, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $10)",
        id,
        clinic,
        message.patient.map(|patient| patient.0),
        message.kind.as_str(),
        message.lang.as_str(),
        seal(RECIPIENT, &message.recipient)?,
        seal(SUBJECT, &message.subject)?,
        seal(BODY, &message.body)?,
        message.calendar.as_ref().map(|calendar| seal(CALENDAR, calendar)).transpose()?,
        at,
        message.expires_at,
    )
    .execute(tx.connection()?)
    .await?;
    Ok(id)
}

const RECIPIENT: &str = "outbox_message.recipient";
const SUBJECT: &str = "outbox_message.subject";
const BODY: &str = "outbox_message.body";
const CALENDAR: &str = "outbox_message.calendar";

fn open(keys: &DataKeys, column: &'static str, id: Uuid, sealed: Option<&[u8]>) -> Result<Option<Phi<String>>, Error> {
    sealed.map(|sealed| keys.open_text(Place::new(column, id), sealed)).transpose()
}

/// One row of the administrator's list.
pub struct Listed {
    /// Which message.
    pub id: Uuid,
    /// What for.
    pub kind: Kind,
    /// Whom it is about.
    pub patient: Option<PatientId>,
    /// To whom; gone once delivered.
    pub recipient: Option<Phi<String>>,
    /// Where it stands.
    pub state: State,
    /// How often it was tried.
    pub attempts: i32,
    /// Why the last try failed, a short word.
    pub failure: Option<String>,
    /// What the mail server said last.
    pub smtp_code: Option<i16>,
    /// Written.
    pub created_at: OffsetDateTime,
    /// Tried again not before.
    pub due_at: OffsetDateTime,
    /// Delivered or given up.
    pub settled_at: Option<OffsetDateTime>,
}

/// The newest messages of the clinic in `state`, or all. Without their texts.
///
/// # Errors
/// The database can't be reached.
pub async fn list(
    tx: &mut Tx,
    may: &Authorized<ManageMail>,
    state: Option<State>,
) -> Result<Pending<Vec<Listed>>, Error> {
    tx.proved(may)?;
    let rows = sqlx::query!(
        "SELECT outbox_message_id, kind, patient_id, recipient, state, attempts, failure, smtp_code, created_at, due_at, settled_at
         FROM outbox_message WHERE clinic_id = current_clinic() AND ($1::text IS NULL OR state = $1)
         ORDER BY created_at DESC, outbox_message_id DESC LIMIT $2",
        state.map(State::as_str),
        PAGE,
    )
    .fetch_all(tx.connection()?)
    .await?;
    let patients: Vec<Uuid> = rows.iter().filter_map(|row| row.patient_id).collect();
    tx.load_patient_keys(&patients).await?;
    let clinic_keys = tx.clinic_keys().await?;
    let mut items = Vec::with_capacity(rows.len());
    for row in rows {
        let keys = match row.patient_id {
            Some(patient) => tx.known_keys(patient).ok(),
            None => Some(clinic_keys.clone()),
        };
        let id = row.outbox_message_id;
        items.push(Listed {
            id,
            kind: Kind::parse(&row.kind)?,
            patient: row.patient_id.map(PatientId),
            // Of a patient whose key was destroyed nothing can be said any more.
            recipient: match keys {
                Some(keys) => open(&keys, RECIPIENT, id, row.recipient.as_deref())?,
                None => None,
            },
            state: State::parse(&row.state)?,
            attempts: row.attempts,
            failure: row.failure,
            smtp_code: row.smtp_code,
            created_at: row.created_at,
            due_at: row.due_at,
            settled_at: row.settled_at,
        });
    }
    if let Some(entry) = tx.last_logged() {
        entry.patients = patients;
    }
    Ok(Pending(items))
}

/// Tries a message again that was given up, from now on.
///
/// # Errors
/// [`Error::NotFound`] if there is no such message, it is not dead, or it is of no use any more.
pub async fn retry(tx: &mut Tx, may: &Authorized<ManageMail>, id: Uuid) -> Result<Pending<()>, Error> {
    tx.proved(may)?;
    let at = tx.context().at;
    let row = sqlx::query!(
        "UPDATE outbox_message SET state = 'waiting', settled_at = NULL, due_at = $2, attempts = 0
         WHERE outbox_message_id = $1 AND clinic_id = current_clinic() AND state = 'dead' AND expires_at > $2 AND recipient IS NOT NULL
         RETURNING patient_id",
        id,
        at,
    )
    .fetch_optional(tx.connection()?)
    .await?
    .ok_or(Error::NotFound)?;
    tx.logged_as(Entry {
        patient: row.patient_id.map(PatientId),
        ..Entry::new("mail.retry", crate::action::Resource::Clinic)
    });
    Ok(Pending(()))
}
