//! The demonstration's clinic, accounts, patients and visits, all fictitious.

use std::collections::BTreeMap;

use aws_lc_rs::rand;
use serde::{Deserialize, Serialize};
use time::macros::date;
use time::{Date, Duration, OffsetDateTime};
use uuid::Uuid;
use visit::{AppointmentId, ClinicId, PatientId, Role, StaffId, VisitId};
use zeroize::Zeroizing;

use crate::appointments::{self, BookError, NewAppointment, VisitType};
use crate::join_links::{CLOSES_AFTER, OPENS_BEFORE};
use crate::patients::{self, NewPatient};
use crate::seal::Place;
use crate::staff::{self, AccountError, NewStaff, TOTP_SECRET_BYTES};
use crate::token::hash_token;
use crate::{Error, Pending, Phi, Records, RequestContext, Tx, clinics, demo_charts};

/// Visits that are due at any time.
pub const VISITS_DUE: usize = 3;

/// What `demo.json` says.
#[derive(Clone, Serialize, Deserialize)]
pub struct Demo {
    /// Where the site is.
    pub base_url: String,
    /// The clinic.
    pub clinic: DemoClinic,
    /// Treats.
    pub provider: DemoAccount,
    /// Reviews call quality.
    pub clinic_admin: DemoAccount,
    /// Searches the audit log.
    pub compliance: DemoAccount,
    /// Books.
    pub front_desk: DemoAccount,
    /// The patients.
    pub patients: Vec<DemoPatient>,
    /// Visits that are due now, with links that work.
    pub visits: Vec<DemoVisit>,
}

/// The demonstration's clinic.
#[derive(Clone, Serialize, Deserialize)]
pub struct DemoClinic {
    /// Its id.
    pub id: ClinicId,
    /// Its name.
    pub name: String,
    /// IANA name of its time zone.
    pub time_zone: String,
}

/// An account with all that is needed to sign in.
#[derive(Clone, Serialize, Deserialize)]
pub struct DemoAccount {
    /// Sign in with this,
    pub email: String,
    /// this,
    pub password: String,
    /// and codes made from this (base32, SHA-1, 6 digits, 30 s).
    pub totp_secret: String,
    /// Shown name.
    pub name: String,
}

/// A fictitious patient.
#[derive(Clone, Serialize, Deserialize)]
pub struct DemoPatient {
    /// Who.
    pub patient_id: PatientId,
    /// Name.
    pub name: String,
    /// `YYYY-MM-DD`.
    pub date_of_birth: String,
    /// The clinic's own number.
    pub mrn: String,
    /// Where mails would go; nothing leaves the demonstration.
    #[serde(default)]
    pub email: String,
}

/// A visit that is due.
#[derive(Clone, Serialize, Deserialize)]
pub struct DemoVisit {
    /// The slot.
    pub appointment_id: AppointmentId,
    /// The visit.
    pub visit_id: VisitId,
    /// Who comes.
    pub patient_name: String,
    /// Slot begins.
    #[serde(with = "time::serde::rfc3339")]
    pub starts_at: OffsetDateTime,
    /// The whole address to open.
    pub patient_link: String,
    /// What to answer there, `YYYY-MM-DD`.
    pub date_of_birth: String,
}

/// Which demonstration clinic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DemoSite {
    /// The one that people look at.
    Riverside,
    /// Another one, to try what its staff can't see.
    Lakeside,
}

/// Makes what is missing: the clinic, accounts, patients, and visits due at `now`. What `previous` (the former
/// `demo.json`) says and still holds is kept as it is, links included. Accounts whose secrets are not in `previous` get new ones.
///
/// # Errors
/// See [`SeedError`].
pub async fn seed(
    records: &Records,
    site: DemoSite,
    previous: Option<Demo>,
    base_url: &str,
    now: OffsetDateTime,
) -> Result<Demo, SeedError> {
    let plan = site.plan();
    let clinic = ClinicId(Uuid::new_v5(&Uuid::NAMESPACE_DNS, plan.domain.as_bytes()));
    let records = records.clone().reached_at(base_url);
    let mut tx = records.begin(RequestContext::system("demo", clinic, now)).await?;
    // Two starts at once seed one after the other.
    sqlx::query!("SELECT pg_advisory_xact_lock(hashtext('bedside demo'))")
        .execute(tx.connection()?)
        .await
        .map_err(Error::from)?;

    let exists =
        sqlx::query_scalar!(r#"SELECT EXISTS (SELECT FROM clinic WHERE clinic_id = $1) AS "exists!""#, clinic.0)
            .fetch_one(tx.connection()?)
            .await
            .map_err(Error::from)?;
    let previous = previous.filter(|previous| exists && previous.clinic.id == clinic);
    if !exists {
        let _ = clinics::create(&mut tx, plan.name, plan.phone, plan.time_zone).await?;
    }
    let known = previous.as_ref();
    let (provider, provider_id) = account(&mut tx, &plan, Role::Provider, known.map(|known| &known.provider)).await?;
    let (clinic_admin, _) = account(&mut tx, &plan, Role::ClinicAdmin, known.map(|known| &known.clinic_admin)).await?;
    let (compliance, _) = account(&mut tx, &plan, Role::Compliance, known.map(|known| &known.compliance)).await?;
    let (front_desk, _) = account(&mut tx, &plan, Role::FrontDesk, known.map(|known| &known.front_desk)).await?;
    let patients = patients_on_record(&mut tx, &plan).await?;
    demo_charts::fill(&mut tx, &patients).await?;

    let mut visits = Vec::new();
    for visit in previous.map(|previous| previous.visits).unwrap_or_default() {
        if let Some(kept) = still_due(&mut tx, visit, base_url).await? {
            visits.push(kept);
        }
    }
    let missing = VISITS_DUE.saturating_sub(visits.len());
    let slots = if missing == 0 { Vec::new() } else { free_slots(&mut tx, provider_id).await? };
    for starts_at in slots.into_iter().take(missing) {
        let turn = (starts_at.unix_timestamp() / SLOT.whole_seconds()).unsigned_abs() as usize;
        let patient = patients
            .iter()
            .cycle()
            .skip(turn % patients.len().max(1))
            .take(patients.len())
            .find(|patient| visits.iter().all(|visit: &DemoVisit| visit.patient_name != patient.name))
            .unwrap_or(&patients[0]);
        let new = NewAppointment {
            provider_id,
            starts_at,
            ends_at: starts_at + SLOT,
            visit_type: VisitType::Video,
            reason: Phi::from(REASONS[turn % REASONS.len()]),
        };
        let booked = appointments::insert(&mut tx, patient.patient_id, &new).await?;
        visits.push(DemoVisit {
            appointment_id: booked.appointment_id,
            visit_id: booked.visit_id,
            patient_name: patient.name.clone(),
            starts_at,
            patient_link: format!("{base_url}{LINK_PATH}{}", booked.link.token),
            date_of_birth: patient.date_of_birth.clone(),
        });
    }
    visits.sort_by_key(|visit| visit.starts_at);
    let clinic = DemoClinic { id: clinic, name: plan.name.to_owned(), time_zone: plan.time_zone.to_owned() };
    let demo = Demo {
        base_url: base_url.to_owned(),
        clinic,
        provider,
        clinic_admin,
        compliance,
        front_desk,
        patients,
        visits,
    };
    Ok(tx.commit(Pending(demo)).await?)
}

/// The demonstration was not made.
#[derive(Debug, thiserror::Error)]
pub enum SeedError {
    /// An account could not be made.
    #[error("a demonstration account: {0}")]
    Account(#[from] AccountError),
    /// A visit could not be booked.
    #[error("a demonstration visit: {0}")]
    Visit(#[from] BookError),
    /// See [`Error`].
    #[error(transparent)]
    Failed(#[from] Error),
}

/// Length of a visit.
const SLOT: Duration = Duration::minutes(30);
/// What stands between the site's address and a link's token.
const LINK_PATH: &str = "/v/";
/// A link that works for less time than this is not offered any more.
const USABLE_FOR: Duration = Duration::hours(1);

const REASONS: &[&str] = &[
    "Follow-up on blood pressure; home readings to go over",
    "Cough and runny nose for five days",
    "Rash on the forearm since the weekend",
    "Results of last week's blood test",
    "Knee pain after a fall, walking again",
];

/// What a demonstration clinic has.
struct Plan {
    domain: &'static str,
    name: &'static str,
    phone: &'static str,
    time_zone: &'static str,
    staff: [(Role, &'static str, &'static str); 4],
    patients: &'static [(&'static str, Date, &'static str)],
}

impl DemoSite {
    fn plan(self) -> Plan {
        match self {
            Self::Riverside => Plan {
                domain: "riverside.example",
                name: "Riverside Family Clinic",
                phone: "(312) 555-0142",
                time_zone: "America/Chicago",
                staff: [
                    (Role::Provider, "maya.chen", "Dr. Maya Chen"),
                    (Role::ClinicAdmin, "rosa.alvarez", "Rosa Alvarez"),
                    (Role::Compliance, "henry.brooks", "Henry Brooks"),
                    (Role::FrontDesk, "tom.nguyen", "Tom Nguyen"),
                ],
                patients: &[
                    ("Eleanor Whitfield", date!(1958 - 03 - 14), "RF-10482"),
                    ("Marcus Bell", date!(1984 - 11 - 02), "RF-10517"),
                    ("Lucía Fernández", date!(1991 - 07 - 23), "RF-10533"),
                    ("Amara Okafor", date!(2001 - 01 - 09), "RF-10560"),
                ],
            },
            Self::Lakeside => Plan {
                domain: "lakeside.example",
                name: "Lakeside Clinic",
                phone: "(414) 555-0187",
                time_zone: "America/Chicago",
                staff: [
                    (Role::Provider, "priya.raman", "Dr. Priya Raman"),
                    (Role::ClinicAdmin, "karl.jensen", "Karl Jensen"),
                    (Role::Compliance, "ines.moreau", "Inès Moreau"),
                    (Role::FrontDesk, "joan.ellis", "Joan Ellis"),
                ],
                patients: &[
                    ("Walter Lindqvist", date!(1949 - 09 - 30), "LC-20071"),
                    ("Naomi Tanaka", date!(1979 - 05 - 17), "LC-20088"),
                    ("Samuel Ortiz", date!(1996 - 12 - 05), "LC-20093"),
                    ("Grace Adeyemi", date!(2004 - 04 - 21), "LC-20102"),
                ],
            },
        }
    }
}

/// The account of `role`, made if there is none; with new secrets unless `known` says the present ones.
async fn account(
    tx: &mut Tx,
    plan: &Plan,
    role: Role,
    known: Option<&DemoAccount>,
) -> Result<(DemoAccount, StaffId), SeedError> {
    let (_, user, name) = plan.staff.iter().find(|(of, ..)| *of == role).expect("the plan has all four roles");
    let email = format!("{user}@{}", plan.domain);
    let id = sqlx::query_scalar!(
        "SELECT staff_id FROM staff WHERE lower(email) = $1 AND clinic_id = current_clinic()",
        email
    )
    .fetch_optional(tx.connection()?)
    .await
    .map_err(Error::from)?
    .map(StaffId);
    if let (Some(id), Some(known)) = (id, known.filter(|known| known.email == email)) {
        return Ok((known.clone(), id));
    }
    let password = fresh_password();
    let mut totp_secret = Zeroizing::new([0u8; TOTP_SECRET_BYTES]);
    rand::fill(&mut *totp_secret).map_err(|_| Error::Sealed("second factor"))?;
    let account = DemoAccount {
        email: email.clone(),
        password: password.clone(),
        totp_secret: totp_rs::Secret::from(*totp_secret).to_base32(),
        name: (*name).to_owned(),
    };
    let password = Phi::from(password);
    let id = match id {
        Some(id) => {
            let _ = staff::reset_secrets(tx, id, &password, &totp_secret).await?;
            id
        }
        None => {
            let new = NewStaff { email, name: (*name).to_owned(), role, password, totp_secret };
            staff::create(tx, &new).await?.0
        }
    };
    Ok((account, id))
}

/// 100 random bits in groups that can be typed from a screen.
fn fresh_password() -> String {
    const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let mut random = Zeroizing::new([0u8; 20]);
    rand::fill(&mut *random).expect("the operating system's randomness is there or the process can't run");
    let letters: Vec<char> = random.iter().map(|byte| char::from(LETTERS[usize::from(byte & 31)])).collect();
    letters.chunks(5).map(|group| group.iter().collect::<String>()).collect::<Vec<_>>().join("-")
}

async fn patients_on_record(tx: &mut Tx, plan: &Plan) -> Result<Vec<DemoPatient>, Error> {
    let rows = sqlx::query!("SELECT patient_id, mrn FROM patient WHERE clinic_id = current_clinic()")
        .fetch_all(tx.connection()?)
        .await?;
    tx.load_patient_keys(&rows.iter().map(|row| row.patient_id).collect::<Vec<_>>()).await?;
    let mut by_mrn = BTreeMap::new();
    for row in &rows {
        let mrn = tx.known_keys(row.patient_id)?.open_text(Place::new("patient.mrn", row.patient_id), &row.mrn)?;
        by_mrn.insert(mrn.expose().clone(), PatientId(row.patient_id));
    }
    let mut all = Vec::new();
    for (name, born, mrn) in plan.patients {
        let patient_id = match by_mrn.get(*mrn) {
            Some(id) => *id,
            None => {
                let new = NewPatient {
                    name: Phi::from(*name),
                    date_of_birth: *born,
                    mrn: Phi::from(*mrn),
                    phone: None,
                    email: Some(Phi::from(mail_address(name))),
                };
                patients::insert(tx, &new).await?
            }
        };
        all.push(DemoPatient {
            patient_id,
            name: (*name).to_owned(),
            date_of_birth: patients::iso_date(*born),
            mrn: (*mrn).to_owned(),
            email: mail_address(name),
        });
    }
    Ok(all)
}

/// `first.last@patients.example`, in letters that every mail server takes.
fn mail_address(name: &str) -> String {
    let plain: String = name
        .to_lowercase()
        .chars()
        .map(|letter| match letter {
            'á' | 'à' => 'a',
            'é' | 'è' => 'e',
            'í' => 'i',
            'ó' => 'o',
            'ú' => 'u',
            'ñ' => 'n',
            letter if letter.is_ascii_alphanumeric() => letter,
            _ => '.',
        })
        .collect();
    format!("{plain}@patients.example")
}

/// The visit with the site's present address, if it is not over and its link works for a while.
async fn still_due(tx: &mut Tx, visit: DemoVisit, base_url: &str) -> Result<Option<DemoVisit>, Error> {
    let Some((_, token)) = visit.patient_link.rsplit_once(LINK_PATH) else {
        return Ok(None);
    };
    let at = tx.context().at;
    let due = sqlx::query_scalar!(
        r#"SELECT EXISTS (
               SELECT FROM join_link l JOIN visit v USING (visit_id) JOIN appointment a ON a.appointment_id = v.appointment_id
               WHERE l.token_hash = $1 AND v.visit_id = $2 AND l.clinic_id = current_clinic() AND l.revoked_at IS NULL AND l.locked_at IS NULL
                 AND l.opens_at <= $3 AND l.expires_at > $4 AND v.state NOT IN ('ended', 'cancelled', 'no_show') AND a.state <> 'cancelled'
           ) AS "due!""#,
        &hash_token(token)[..],
        visit.visit_id.0,
        at,
        at + USABLE_FOR,
    )
    .fetch_one(tx.connection()?)
    .await?;
    let patient_link = format!("{base_url}{LINK_PATH}{token}");
    Ok(due.then_some(DemoVisit { patient_link, ..visit }))
}

/// Free slots of the provider whose links work now: from the present half hour on, then those before it.
async fn free_slots(tx: &mut Tx, provider: StaffId) -> Result<Vec<OffsetDateTime>, Error> {
    let now = tx.context().at;
    let present = now
        - Duration::seconds(now.unix_timestamp().rem_euclid(SLOT.whole_seconds()))
        - Duration::nanoseconds(now.nanosecond().into());
    let ahead = (0i32..).map(|n| present + SLOT * n).take_while(|start| *start - OPENS_BEFORE <= now);
    let behind = (1i32..).map(|n| present - SLOT * n).take_while(|start| *start + CLOSES_AFTER > now + USABLE_FOR);
    let mut free = Vec::new();
    for start in ahead.chain(behind) {
        let taken = sqlx::query_scalar!(
            r#"SELECT EXISTS (SELECT FROM appointment WHERE provider_id = $1 AND state <> 'cancelled'
                              AND tstzrange(starts_at, ends_at) && tstzrange($2, $3)) AS "taken!""#,
            provider.0,
            start,
            start + SLOT,
        )
        .fetch_one(tx.connection()?)
        .await?;
        if !taken {
            free.push(start);
        }
    }
    Ok(free)
}
