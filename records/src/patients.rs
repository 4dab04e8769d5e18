//! Patients: found by what one knows of them, put on record, kept with every version, merged, exported. All encrypted.

pub mod demographics;
pub mod export;
pub mod merge;
pub mod mrn;
pub mod record;
pub mod register;

pub use demographics::{ContactDetails, Demographics};
pub use mrn::is_well_formed;

use time::Date;
use uuid::Uuid;
use visit::PatientId;

use crate::action::{CreatePatient, SearchPatients};
use crate::blind_index::{self, IndexKey, Kind, Normal};
use crate::patient_index::active;
use crate::seal::Place;
use crate::{Authorized, Error, Pending, Phi, Tx};

/// Patients on a page.
pub const PAGE: usize = 50;

/// One row of a list of patients.
pub struct Patient {
    /// Who.
    pub patient_id: PatientId,
    /// Name.
    pub name: Phi<String>,
    /// `YYYY-MM-DD`.
    pub date_of_birth: Phi<String>,
    /// The clinic's own number for this patient.
    pub mrn: Phi<String>,
}

/// One page of patients.
pub struct PatientPage {
    /// Newest on record first from page to page; within a page by name.
    pub items: Vec<Patient>,
    /// Hand this in for the next page; `None` on the last one.
    pub next_cursor: Option<String>,
}

/// What is needed to put a patient on record.
pub struct NewPatient {
    /// Name.
    pub name: Phi<String>,
    /// Date of birth.
    pub date_of_birth: Date,
    /// The clinic's own number for this patient.
    pub mrn: Phi<String>,
    /// Telephone.
    pub phone: Option<Phi<String>>,
    /// E-mail.
    pub email: Option<Phi<String>>,
}

/// Whom to look for; all that is given must match. With nothing given, everybody.
#[derive(Default)]
pub struct Wanted {
    /// Words of the name or their beginnings (two letters or more), in any order. Case and accents make no difference.
    pub name: Option<Phi<String>>,
    /// Born then.
    pub date_of_birth: Option<Date>,
    /// With this telephone number, however it is written.
    pub phone: Option<Phi<String>>,
    /// With this number of the clinic's.
    pub mrn: Option<Phi<String>>,
    /// With this e-mail address.
    pub email: Option<Phi<String>>,
}

/// The patients who match, newest on record first, [`PAGE`] at a time; within a page by name.
///
/// The blind index finds them: only the rows of the page are opened, however many patients the clinic has.
///
/// # Errors
/// [`SearchError::BadCursor`]; the database can't be reached.
pub async fn search(
    tx: &mut Tx,
    may: &Authorized<SearchPatients>,
    wanted: &Wanted,
    cursor: Option<&str>,
) -> Result<Pending<PatientPage>, SearchError> {
    tx.proved(may)?;
    let mut before = match cursor {
        None => Uuid::max(),
        Some(cursor) => Uuid::parse_str(cursor).map_err(|_| SearchError::BadCursor)?,
    };
    let look_up = wanted.look_up(active(&tx.index_keys().await?)?);
    let mut found: Vec<Patient> = Vec::new();
    let more = loop {
        let rows = match &look_up {
            LookUp::Nobody => Vec::new(),
            LookUp::Everybody => everybody(tx, before).await?,
            LookUp::Having { rarest, others } => having(tx, *rarest, others, before).await?,
        };
        let ids: Vec<Uuid> = rows.iter().map(|row| row.patient_id).collect();
        tx.load_patient_keys(&ids).await?;
        let full = rows.len() == PAGE + 1;
        let mut rows = rows.into_iter();
        while found.len() < PAGE
            && let Some(row) = rows.next()
        {
            before = row.patient_id;
            let keys = tx.known_keys(row.patient_id)?;
            let open = |column, sealed: &[u8]| keys.open_text(Place::new(column, row.patient_id), sealed);
            let name = open("patient.name", &row.name)?;
            // Longer beginnings than are indexed, and the rare chance that two texts share a token.
            if !wanted.matches_name(name.expose()) && !matches_former(tx, wanted, row.patient_id).await? {
                continue;
            }
            // Who is found by a record that was merged is shown as the one that it was merged into.
            let patient = if row.merged {
                meant(tx, row.patient_id).await?
            } else {
                let date_of_birth = open("patient.date_of_birth", &row.date_of_birth)?;
                Patient {
                    patient_id: PatientId(row.patient_id),
                    name,
                    date_of_birth,
                    mrn: open("patient.mrn", &row.mrn)?,
                }
            };
            if found.iter().all(|one| one.patient_id != patient.patient_id) {
                found.push(patient);
            }
        }
        let left = rows.len() > 0;
        if found.len() == PAGE || !full {
            break left || full;
        }
    };
    found.sort_by_cached_key(|patient| (sort_key(patient.name.expose()), patient.patient_id));
    if let Some(entry) = tx.last_logged() {
        entry.patients = found.iter().map(|patient| patient.patient_id.0).collect();
    }
    let next_cursor = more.then(|| before.to_string());
    Ok(Pending(PatientPage { items: found, next_cursor }))
}

/// What a search asks of the index.
enum LookUp {
    /// Something was given of which nothing is left to look for.
    Nobody,
    Everybody,
    /// Those who have all of these tokens.
    Having {
        rarest: i64,
        others: Vec<i64>,
    },
}

impl Wanted {
    fn look_up(&self, key: &IndexKey) -> LookUp {
        let exact = |kind, text: &Option<Phi<String>>, normal: fn(&str) -> Option<Normal>| {
            text.as_ref().map(|text| normal(text.expose()).map(|text| key.token(kind, &text)))
        };
        // The rarest first: the others are only checked on those who have it.
        let mut tokens: Vec<Option<i64>> = [
            exact(Kind::Mrn, &self.mrn, blind_index::mrn),
            exact(Kind::Email, &self.email, blind_index::email),
            exact(Kind::Phone, &self.phone, blind_index::phone),
            self.date_of_birth.map(|date| Some(key.token(Kind::Born, &iso_date(date)))),
        ]
        .into_iter()
        .flatten()
        .collect();
        if let Some(name) = self.name.as_ref().filter(|name| !name.expose().trim().is_empty()) {
            let mut words = blind_index::words(name.expose(), false);
            words.sort_by_key(|word| std::cmp::Reverse(word.len()));
            if words.is_empty() {
                tokens.push(None);
            }
            tokens.extend(words.iter().map(|word| Some(key.token(Kind::Name, blind_index::beginning(word)))));
        }
        match tokens.into_iter().collect::<Option<Vec<i64>>>() {
            None => LookUp::Nobody,
            Some(tokens) => match tokens.split_first() {
                None => LookUp::Everybody,
                Some((rarest, others)) => LookUp::Having { rarest: *rarest, others: others.to_vec() },
            },
        }
    }

    fn matches_name(&self, name: &str) -> bool {
        self.name.as_ref().is_none_or(|wanted| {
            blind_index::matches(&blind_index::words(name, true), &blind_index::words(wanted.expose(), false))
        })
    }
}

struct PatientRow {
    patient_id: Uuid,
    name: Vec<u8>,
    date_of_birth: Vec<u8>,
    mrn: Vec<u8>,
    merged: bool,
}

/// Whether a name that the patient had before is the wanted one.
async fn matches_former(tx: &mut Tx, wanted: &Wanted, patient: Uuid) -> Result<bool, Error> {
    let former = record::former_names(tx, &[patient]).await?;
    Ok(former.values().flatten().any(|name| wanted.matches_name(name.expose())))
}

/// The surviving record of one that was merged.
async fn meant(tx: &mut Tx, alias: Uuid) -> Result<Patient, Error> {
    let row = sqlx::query!(
        "SELECT patient_id, name, date_of_birth, mrn FROM patient WHERE patient_id = patient_root($1)",
        alias
    )
    .fetch_one(tx.connection()?)
    .await?;
    let keys = tx.patient_keys(PatientId(row.patient_id)).await?;
    let open = |column, sealed: &[u8]| keys.open_text(Place::new(column, row.patient_id), sealed);
    Ok(Patient {
        patient_id: PatientId(row.patient_id),
        name: open("patient.name", &row.name)?,
        date_of_birth: open("patient.date_of_birth", &row.date_of_birth)?,
        mrn: open("patient.mrn", &row.mrn)?,
    })
}

const ROWS: i64 = PAGE as i64 + 1;

async fn everybody(tx: &mut Tx, before: Uuid) -> Result<Vec<PatientRow>, Error> {
    let rows = sqlx::query_as!(
        PatientRow,
        r#"SELECT patient_id, name, date_of_birth, mrn, false AS "merged!" FROM patient
         WHERE clinic_id = current_clinic() AND destroyed_at IS NULL AND patient_id < $1 AND merged_into IS NULL ORDER BY patient_id DESC LIMIT $2"#,
        before,
        ROWS,
    )
    .fetch_all(tx.connection()?)
    .await?;
    Ok(rows)
}

async fn having(tx: &mut Tx, rarest: i64, others: &[i64], before: Uuid) -> Result<Vec<PatientRow>, Error> {
    let rows = sqlx::query_as!(
        PatientRow,
        r#"SELECT p.patient_id, p.name, p.date_of_birth, p.mrn, (p.merged_into IS NOT NULL) AS "merged!"
         FROM patient_index i JOIN patient p ON p.clinic_id = i.clinic_id AND p.patient_id = i.patient_id
         WHERE i.clinic_id = current_clinic() AND i.token = $1 AND i.patient_id < $2
           AND NOT EXISTS (
               SELECT FROM unnest($3::bigint[]) AS other (token)
               WHERE NOT EXISTS (SELECT FROM patient_index o
                                 WHERE o.clinic_id = i.clinic_id AND o.token = other.token AND o.patient_id = i.patient_id))
         ORDER BY i.patient_id DESC LIMIT $4"#,
        rarest,
        before,
        others,
        ROWS,
    )
    .fetch_all(tx.connection()?)
    .await?;
    Ok(rows)
}

/// By last name, then the whole name.
fn sort_key(name: &str) -> (String, String) {
    let name = name.to_lowercase();
    (name.split_whitespace().last().unwrap_or_default().to_owned(), name)
}

/// Puts somebody on record of whom only this is known. Who knows more uses [`register`].
///
/// # Errors
/// The database can't be reached.
pub async fn create(
    tx: &mut Tx,
    may: &Authorized<CreatePatient>,
    patient: &NewPatient,
) -> Result<Pending<PatientId>, Error> {
    tx.proved(may)?;
    // The proof's entry has no patient yet: this one has.
    tx.logged_before();
    insert(tx, patient).await.map(Pending)
}

pub(crate) async fn insert(tx: &mut Tx, patient: &NewPatient) -> Result<PatientId, Error> {
    let document = Demographics::of(patient.name.expose(), &iso_date(patient.date_of_birth))
        .reachable(patient.phone.as_ref(), patient.email.as_ref());
    register::insert_document(tx, &Phi::new(document), &patient.mrn).await
}

/// `YYYY-MM-DD`, as dates of birth are stored and compared.
pub(crate) fn iso_date(date: Date) -> String {
    format!("{:04}-{:02}-{:02}", date.year(), u8::from(date.month()), date.day())
}

/// A search was not done.
#[derive(Debug, thiserror::Error)]
pub enum SearchError {
    /// The cursor is not one that a search gave.
    #[error("this cursor is not one of ours; begin again without one")]
    BadCursor,
    /// See [`Error`].
    #[error(transparent)]
    Failed(#[from] Error),
}
