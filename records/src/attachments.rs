//! Documents of a patient's record: what is known of them, and the key of each. Their bytes are sealed files that
//! `server` keeps; whether they are fit to be kept is found out by `api`.

use time::OffsetDateTime;
use uuid::Uuid;
use visit::{AttachmentId, PatientId};
use zeroize::Zeroizing;

use crate::action::{DeleteAttachment, ListAttachments, ReadAttachment, Resource, UploadAttachment};
use crate::audit::{Entry, Outcome};
use crate::seal::{DataKeys, Place};
use crate::text_enum::text_enum;
use crate::{Actor, Authorized, Error, Pending, Phi, Records, RequestContext, Tx, clinics};

text_enum! {
    /// What a document is.
    Category {
        /// Front or back of an insurance card.
        InsuranceCard = "insurance_card",
        /// A passport, a driving licence.
        Identification = "identification",
        /// A letter of another provider.
        Referral = "referral",
        /// A photograph of a finding.
        Photo = "photo",
        /// Anything else.
        Other = "other",
    }
}

/// One document.
pub struct Attachment {
    /// Which.
    pub attachment_id: AttachmentId,
    /// What it is.
    pub category: Category,
    /// The name it came with, made harmless.
    pub file_name: Phi<String>,
    /// What its bytes are.
    pub media_type: String,
    /// Length.
    pub bytes: i64,
    /// When it was put on record.
    pub uploaded_at: OffsetDateTime,
    /// By whom, if it was a member of staff.
    pub uploaded_by: Option<String>,
}

/// A document that is about to be read.
pub struct Opened {
    /// What is known of it.
    pub attachment: Attachment,
    /// What its file's key is derived from.
    pub key: Zeroizing<[u8; 32]>,
    /// SHA-256 of the plain file.
    pub sha256: [u8; 32],
}

/// What is needed to put a document on record. Its file is durable already.
pub struct NewAttachment {
    /// Which; made by the caller, since the file's name is made of it.
    pub attachment_id: AttachmentId,
    /// What it is.
    pub category: Category,
    /// The name it came with, made harmless.
    pub file_name: Phi<String>,
    /// What its bytes are: JPEG, PNG or PDF.
    pub media_type: &'static str,
    /// Length.
    pub bytes: i64,
    /// SHA-256 of the plain file.
    pub sha256: [u8; 32],
    /// What its file's key was derived from.
    pub key: Zeroizing<[u8; 32]>,
}

/// The documents of a patient, newest first.
///
/// # Errors
/// The database can't be reached.
pub async fn list(tx: &mut Tx, may: &Authorized<ListAttachments>) -> Result<Pending<Vec<Attachment>>, Error> {
    let patient = tx.proved(may)?.0;
    // Documents of records that were merged into this one lie under their own keys.
    let rows = sqlx::query_as!(
        Row,
        r#"SELECT a.attachment_id, a.patient_id, a.category, a.file_name, a.media_type, a.bytes, a.uploaded_at, s.name AS "uploaded_by?", a.object_key, a.sha256
           FROM attachment a LEFT JOIN staff s ON s.staff_id = a.uploaded_by_staff
           WHERE a.patient_id IN (SELECT patient_family($1)) AND a.deleted_at IS NULL ORDER BY a.uploaded_at DESC, a.attachment_id DESC"#,
        patient.0,
    )
    .fetch_all(tx.connection()?)
    .await?;
    tx.load_patient_keys(&rows.iter().map(|row| row.patient_id).collect::<Vec<_>>()).await?;
    let described = rows.into_iter().map(|row| {
        let keys = tx.known_keys(row.patient_id)?;
        row.described(&keys)
    });
    described.collect::<Result<_, _>>().map(Pending)
}

/// One document and its key.
///
/// # Errors
/// [`Error::NotFound`] if it was deleted meanwhile.
pub async fn open(tx: &mut Tx, may: &Authorized<ReadAttachment>) -> Result<Pending<Opened>, Error> {
    let attachment = tx.proved(may)?.0;
    let row = sqlx::query_as!(
        Row,
        r#"SELECT a.attachment_id, a.patient_id, a.category, a.file_name, a.media_type, a.bytes, a.uploaded_at, s.name AS "uploaded_by?", a.object_key, a.sha256
           FROM attachment a LEFT JOIN staff s ON s.staff_id = a.uploaded_by_staff
           WHERE a.attachment_id = $1 AND a.deleted_at IS NULL"#,
        attachment.0,
    )
    .fetch_optional(tx.connection()?)
    .await?
    .ok_or(Error::NotFound)?;
    let keys = tx.patient_keys(PatientId(row.patient_id)).await?;
    row.opened(&keys).map(Pending)
}

/// All documents of a patient with their keys, oldest first: for the whole record as a file.
pub(crate) async fn for_export(tx: &mut Tx, patient: PatientId) -> Result<Vec<Opened>, Error> {
    let rows = sqlx::query_as!(
        Row,
        r#"SELECT a.attachment_id, a.patient_id, a.category, a.file_name, a.media_type, a.bytes, a.uploaded_at, s.name AS "uploaded_by?", a.object_key, a.sha256
           FROM attachment a LEFT JOIN staff s ON s.staff_id = a.uploaded_by_staff
           WHERE a.patient_id IN (SELECT patient_family($1)) AND a.deleted_at IS NULL ORDER BY a.uploaded_at, a.attachment_id"#,
        patient.0,
    )
    .fetch_all(tx.connection()?)
    .await?;
    tx.load_patient_keys(&rows.iter().map(|row| row.patient_id).collect::<Vec<_>>()).await?;
    rows.into_iter()
        .map(|row| {
            let keys = tx.known_keys(row.patient_id)?;
            row.opened(&keys)
        })
        .collect()
}

/// Makes sure that a document may come at all, before it is waited for. Nothing is logged yet; a refusal was.
///
/// # Errors
/// The proof is of another transaction.
pub fn expect(tx: &mut Tx, may: &Authorized<UploadAttachment>) -> Result<Pending<()>, Error> {
    tx.proved(may)?;
    tx.logged_before();
    Ok(Pending(()))
}

/// Puts a document on record.
///
/// # Errors
/// The database can't be reached; the file is to be thrown away then.
pub async fn create(
    tx: &mut Tx,
    may: &Authorized<UploadAttachment>,
    new: &NewAttachment,
) -> Result<Pending<AttachmentId>, Error> {
    let patient = tx.proved(may)?.0;
    let keys = tx.patient_keys(patient).await?;
    let (clinic, at) = (tx.context().actor.clinic().0, tx.context().at);
    let row = new.attachment_id.0;
    sqlx::query!(
        "INSERT INTO attachment (attachment_id, clinic_id, patient_id, category, file_name, object_key, media_type, bytes, sha256, uploaded_by_staff, uploaded_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        row,
        clinic,
        patient.0,
        new.category.as_str(),
        keys.seal_text(Place::new("attachment.file_name", row), &new.file_name)?,
        keys.seal(Place::new("attachment.object_key", row), &*new.key)?,
        new.media_type,
        new.bytes,
        keys.seal(Place::new("attachment.sha256", row), &new.sha256)?,
        staff(tx),
        at,
    )
    .execute(tx.connection()?)
    .await?;
    let detail =
        serde_json::json!({ "category": new.category.as_str(), "media_type": new.media_type, "bytes": new.bytes });
    tx.logged_as(Entry {
        patient: Some(patient),
        detail: Some(detail),
        ..Entry::new("attachment.upload", Resource::Attachment(new.attachment_id))
    });
    Ok(Pending(new.attachment_id))
}

/// Remembers that a document was not taken, and why; nothing else of it is kept.
///
/// # Errors
/// The proof is of another transaction.
pub fn refused(tx: &mut Tx, may: &Authorized<UploadAttachment>, reason: &'static str) -> Result<Pending<()>, Error> {
    let patient = tx.proved(may)?.0;
    tx.logged_as(Entry {
        patient: Some(patient),
        outcome: Outcome::Failed,
        reason: Some(reason),
        ..Entry::new("attachment.upload", Resource::Patient(patient))
    });
    Ok(Pending(()))
}

/// Takes a document off the record; doing so again changes nothing. Its file and its row are kept for as long as the
/// record is.
///
/// # Errors
/// The database can't be reached.
pub async fn delete(tx: &mut Tx, may: &Authorized<DeleteAttachment>) -> Result<Pending<()>, Error> {
    let (attachment, at) = (tx.proved(may)?.0, tx.context().at);
    sqlx::query!(
        "UPDATE attachment SET deleted_at = $2, deleted_by_staff = $3 WHERE attachment_id = $1 AND deleted_at IS NULL",
        attachment.0,
        at,
        staff(tx),
    )
    .execute(tx.connection()?)
    .await?;
    Ok(Pending(()))
}

/// Which of these are on record, in any clinic, deleted ones too: files of others are left from uploads that a crash
/// cut off, and nothing can open them.
///
/// # Errors
/// The database can't be reached.
pub async fn known(records: &Records, ids: &[AttachmentId], at: OffsetDateTime) -> Result<Vec<AttachmentId>, Error> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
    let mut known = Vec::new();
    for clinic in clinics::list(records).await? {
        let mut tx = records.begin(RequestContext::system("attachments", clinic.id, at)).await?;
        let found = sqlx::query_scalar!(
            "SELECT attachment_id FROM attachment WHERE clinic_id = $1 AND attachment_id = ANY($2)",
            clinic.id.0,
            &ids,
        )
        .fetch_all(tx.connection()?)
        .await?;
        tx.commit(Pending(())).await?;
        known.extend(found.into_iter().map(AttachmentId));
    }
    Ok(known)
}

/// The patient whose document it is or was; `None` if the clinic has none such.
pub(crate) async fn patient_of(tx: &mut Tx, attachment: AttachmentId) -> Result<Option<PatientId>, Error> {
    let patient = sqlx::query_scalar!("SELECT patient_id FROM attachment WHERE attachment_id = $1", attachment.0,)
        .fetch_optional(tx.connection()?)
        .await?;
    Ok(patient.map(PatientId))
}

struct Row {
    attachment_id: Uuid,
    patient_id: Uuid,
    category: String,
    file_name: Vec<u8>,
    media_type: String,
    bytes: i64,
    uploaded_at: OffsetDateTime,
    uploaded_by: Option<String>,
    object_key: Vec<u8>,
    sha256: Vec<u8>,
}

impl Row {
    fn opened(self, keys: &DataKeys) -> Result<Opened, Error> {
        let key = fixed(keys, "attachment.object_key", self.attachment_id, &self.object_key)?;
        let sha256 = *fixed(keys, "attachment.sha256", self.attachment_id, &self.sha256)?;
        Ok(Opened { attachment: self.described(keys)?, key, sha256 })
    }

    fn described(self, keys: &DataKeys) -> Result<Attachment, Error> {
        Ok(Attachment {
            attachment_id: AttachmentId(self.attachment_id),
            category: Category::parse(&self.category)?,
            file_name: keys.open_text(Place::new("attachment.file_name", self.attachment_id), &self.file_name)?,
            media_type: self.media_type,
            bytes: self.bytes,
            uploaded_at: self.uploaded_at,
            uploaded_by: self.uploaded_by,
        })
    }
}

/// Opens 32 bytes.
fn fixed(keys: &DataKeys, column: &'static str, row: Uuid, sealed: &[u8]) -> Result<Zeroizing<[u8; 32]>, Error> {
    let opened = keys.open(Place::new(column, row), sealed)?;
    opened.expose().as_slice().try_into().map(Zeroizing::new).map_err(|_| Error::Sealed(column))
}

fn staff(tx: &Tx) -> Option<Uuid> {
    match tx.context().actor {
        Actor::Staff { id, .. } => Some(id.0),
        _ => None,
    }
}
