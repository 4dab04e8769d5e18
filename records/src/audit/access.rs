//! Unusual access: rules are run over the sealed log, and what they find is reviewed by compliance.
//!
//! Names are compared here, inside the server; what is stored says that two names are alike, never which.

use std::collections::{BTreeMap, BTreeSet};

use time::{Date, Duration, OffsetDateTime};
use uuid::Uuid;
use visit::{ClinicId, PatientId, StaffId};

use super::unusual::{self, Access, Found, Rule, Rules};
use super::{Entry, Outcome};
use crate::action::{ChangeAccessRules, ReadAccessRules, ReadFindings, Resource, ReviewFindings};
use crate::seal::Place;
use crate::{Authorized, Error, Pending, Phi, Records, RequestContext, Tx, emergency};

/// How far back every run looks. A day is over for good well before.
const LOOKS_BACK: Duration = Duration::days(3);
/// Findings on a page.
const PAGE: i64 = 100;
/// Characters of a review's note.
pub const NOTE_CHARS: usize = 2_000;

/// A finding and what compliance made of it.
pub struct Finding {
    /// Which.
    pub id: Uuid,
    /// By which rule.
    pub rule: Rule,
    /// Who.
    pub staff_id: StaffId,
    /// Their name.
    pub staff_name: String,
    /// Their role.
    pub staff_role: String,
    /// Whose data, where it is about one patient.
    pub patient_id: Option<PatientId>,
    /// On which day, by the clinic's clock.
    pub day: Date,
    /// From.
    pub first_at: OffsetDateTime,
    /// To.
    pub last_at: OffsetDateTime,
    /// Patients, refusals or accesses, by the rule.
    pub count: u32,
    /// When it was found.
    pub found_at: OffsetDateTime,
    /// The review; `None` while it is open.
    pub review: Option<Review>,
}

/// What compliance made of a finding.
pub struct Review {
    /// When.
    pub at: OffsetDateTime,
    /// Who.
    pub by_name: String,
    /// In their words.
    pub note: Phi<String>,
}

/// One page of findings.
pub struct FindingPage {
    /// Newest first.
    pub items: Vec<Finding>,
    /// Hand this in for the next page; `None` on the last one.
    pub next_cursor: Option<String>,
}

/// Runs the rules over the last days of `clinic`'s sealed log; gives how much was found that was not known.
///
/// # Errors
/// The database can't be reached.
pub async fn look_for_unusual(records: &Records, clinic: ClinicId, now: OffsetDateTime) -> Result<usize, Error> {
    let mut tx = records.begin(RequestContext::system("unusual_access", clinic, now)).await?;
    let rules = stored_rules(&mut tx).await?;
    let accesses = sealed_accesses(&mut tx, now - LOOKS_BACK).await?;
    let pairs = if rules.same_name { same_names(&mut tx, &accesses).await? } else { BTreeSet::new() };
    let mut new = 0;
    for found in unusual::find(&rules, &accesses, &pairs) {
        if store(&mut tx, &found).await? {
            new += 1;
            tx.log(Entry {
                patient: found.patient.map(PatientId),
                detail: Some(serde_json::json!({ "rule": found.rule })),
                ..Entry::new("audit.finding", Resource::Staff(StaffId(found.staff)))
            });
        }
    }
    tx.commit(Pending(new)).await
}

async fn sealed_accesses(tx: &mut Tx, since: OffsetDateTime) -> Result<Vec<Access>, Error> {
    let rows = sqlx::query!(
        r#"SELECT e.at, (e.at AT TIME ZONE c.time_zone) AS "local!", e.actor_id AS "staff!", e.patient_id, e.outcome, e.action, e.reason
           FROM audit_event e JOIN clinic c ON c.clinic_id = e.clinic_id,
                (SELECT last_xid, last_seq FROM audit_seal ORDER BY tree_size DESC LIMIT 1) s
           WHERE e.clinic_id = current_clinic() AND e.actor_kind = 'staff' AND e.actor_id IS NOT NULL AND e.at >= $1
             AND (e.xid, e.seq) <= (s.last_xid, s.last_seq)
           ORDER BY e.at"#,
        since,
    )
    .fetch_all(tx.connection()?)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Access {
            at: row.at,
            local: row.local,
            staff: row.staff,
            patient: row.patient_id,
            denied: row.outcome == Outcome::Denied.as_str(),
            break_glass: row.action == "emergency.granted" || row.reason.as_deref() == Some(emergency::REASON_IN_LOG),
        })
        .collect())
}

/// Pairs of a member of staff and a patient whose data they opened, with the same last name.
async fn same_names(tx: &mut Tx, accesses: &[Access]) -> Result<BTreeSet<(Uuid, Uuid)>, Error> {
    let opened = accesses.iter().filter(|access| !access.denied);
    let pairs: BTreeSet<(Uuid, Uuid)> = opened.filter_map(|access| Some((access.staff, access.patient?))).collect();
    let patients: Vec<Uuid> = pairs.iter().map(|(_, patient)| *patient).collect::<BTreeSet<_>>().into_iter().collect();
    let staff: BTreeMap<Uuid, String> =
        sqlx::query!("SELECT staff_id, name FROM staff WHERE clinic_id = current_clinic()")
            .fetch_all(tx.connection()?)
            .await?
            .into_iter()
            .map(|row| (row.staff_id, row.name))
            .collect();
    tx.load_patient_keys(&patients).await?;
    let sealed = sqlx::query!("SELECT patient_id, name FROM patient WHERE patient_id = ANY($1)", &patients)
        .fetch_all(tx.connection()?)
        .await?;
    let mut names: BTreeMap<Uuid, Phi<String>> = BTreeMap::new();
    for row in sealed {
        // A patient whose key was destroyed has no name any more.
        if let Ok(keys) = tx.known_keys(row.patient_id) {
            names.insert(row.patient_id, keys.open_text(Place::new("patient.name", row.patient_id), &row.name)?);
        }
    }
    let alike = |(person, patient): &(Uuid, Uuid)| match (staff.get(person), names.get(patient)) {
        (Some(one), Some(other)) => unusual::same_last_name(one, other.expose()),
        _ => false,
    };
    Ok(pairs.into_iter().filter(alike).collect())
}

/// Whether it was not known before. An open finding grows with its day.
async fn store(tx: &mut Tx, found: &Found) -> Result<bool, Error> {
    let (clinic, now) = (tx.context().actor.clinic().0, tx.context().at);
    let stored = sqlx::query_scalar!(
        r#"INSERT INTO access_finding (access_finding_id, clinic_id, rule, staff_id, patient_id, day, first_at, last_at, count, found_at)
           VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
           ON CONFLICT (clinic_id, rule, staff_id, coalesce(patient_id, '00000000-0000-0000-0000-000000000000'), day)
           DO UPDATE SET last_at = excluded.last_at, count = excluded.count
           WHERE access_finding.state = 'open' AND access_finding.count < excluded.count
           RETURNING xmax = 0 AS "new!""#,
        Uuid::now_v7(),
        clinic,
        found.rule.as_str(),
        found.staff,
        found.patient,
        found.day,
        found.first_at,
        found.last_at,
        i32::try_from(found.count).unwrap_or(i32::MAX),
        now,
    )
    .fetch_optional(tx.connection()?)
    .await?;
    Ok(stored.unwrap_or(false))
}

/// Findings, open or reviewed, newest first.
///
/// # Errors
/// [`FindingsError::BadCursor`]; the database can't be reached.
pub async fn findings(
    tx: &mut Tx,
    may: &Authorized<ReadFindings>,
    open: bool,
    cursor: Option<&str>,
) -> Result<Pending<FindingPage>, FindingsError> {
    tx.proved(may)?;
    let before = cursor.map(|cursor| cursor.parse::<Uuid>().map_err(|_| FindingsError::BadCursor)).transpose()?;
    let rows = sqlx::query!(
        r#"SELECT f.access_finding_id, f.rule, f.staff_id, s.name AS staff_name, s.role AS staff_role, f.patient_id, f.day, f.first_at, f.last_at,
                  f.count, f.found_at, f.reviewed_at, r.name AS "reviewer?", f.note
           FROM access_finding f JOIN staff s ON s.staff_id = f.staff_id LEFT JOIN staff r ON r.staff_id = f.reviewed_by
           WHERE f.clinic_id = current_clinic() AND f.state = $1 AND ($2::uuid IS NULL OR f.access_finding_id < $2)
           ORDER BY f.access_finding_id DESC LIMIT $3"#,
        if open { "open" } else { "reviewed" },
        before,
        PAGE + 1,
    )
    .fetch_all(tx.connection().map_err(FindingsError::from)?)
    .await
    .map_err(Error::from)?;
    let more = rows.len() > PAGE as usize;
    let keys = tx.clinic_keys().await?;
    let mut items = Vec::new();
    for row in rows.into_iter().take(PAGE as usize) {
        let review = match (row.reviewed_at, row.reviewer, row.note) {
            (Some(at), Some(by_name), Some(note)) => {
                Some(Review { at, by_name, note: keys.open_text(note_place(row.access_finding_id), &note)? })
            }
            _ => None,
        };
        items.push(Finding {
            id: row.access_finding_id,
            rule: Rule::parse(&row.rule)?,
            staff_id: StaffId(row.staff_id),
            staff_name: row.staff_name,
            staff_role: row.staff_role,
            patient_id: row.patient_id.map(PatientId),
            day: row.day,
            first_at: row.first_at,
            last_at: row.last_at,
            count: row.count.unsigned_abs(),
            found_at: row.found_at,
            review,
        });
    }
    let next_cursor = items.last().filter(|_| more).map(|last: &Finding| last.id.to_string());
    Ok(Pending(FindingPage { items, next_cursor }))
}

fn note_place(finding: Uuid) -> Place {
    Place::new("access_finding.note", finding)
}

/// Closes an open finding with a note.
///
/// # Errors
/// See [`ReviewError`].
pub async fn review(
    tx: &mut Tx,
    may: &Authorized<ReviewFindings>,
    finding: Uuid,
    note: &Phi<String>,
) -> Result<Pending<()>, ReviewError> {
    tx.proved(may)?;
    if note.expose().trim().is_empty() || note.expose().chars().count() > NOTE_CHARS {
        return Err(ReviewError::Note);
    }
    let sealed = tx.clinic_keys().await?.seal_text(note_place(finding), note)?;
    let (by, at) = (tx.context().actor.id(), tx.context().at);
    let done = sqlx::query!(
        "UPDATE access_finding SET state = 'reviewed', reviewed_at = $2, reviewed_by = $3, note = $4
         WHERE access_finding_id = $1 AND state = 'open' RETURNING staff_id, patient_id, rule",
        finding,
        at,
        by,
        sealed,
    )
    .fetch_optional(tx.connection().map_err(ReviewError::from)?)
    .await
    .map_err(Error::from)?;
    let Some(done) = done else {
        let known = sqlx::query_scalar!(
            r#"SELECT EXISTS (SELECT FROM access_finding WHERE access_finding_id = $1) AS "known!""#,
            finding
        )
        .fetch_one(tx.connection().map_err(ReviewError::from)?)
        .await
        .map_err(Error::from)?;
        return Err(if known { ReviewError::Reviewed } else { Error::NotFound.into() });
    };
    let mut entry = Entry {
        patient: done.patient_id.map(PatientId),
        detail: Some(serde_json::json!({ "rule": done.rule, "finding": finding })),
        ..Entry::new("audit.finding_reviewed", Resource::Staff(StaffId(done.staff_id)))
    };
    // The finding's row is no evidence; what was said about it is.
    tx.private_detail(&mut entry, note).await?;
    tx.logged_as(entry);
    Ok(Pending(()))
}

/// The clinic's rules.
///
/// # Errors
/// The database can't be reached.
pub async fn rules(tx: &mut Tx, may: &Authorized<ReadAccessRules>) -> Result<Pending<Rules>, Error> {
    tx.proved(may)?;
    stored_rules(tx).await.map(Pending)
}

async fn stored_rules(tx: &mut Tx) -> Result<Rules, Error> {
    let row = sqlx::query!(
        "SELECT many_patients, many_patients_minutes, opens_at_minute, closes_at_minute, open_weekends, after_hours_patients,
                refusals, refusals_minutes, same_name FROM access_rule WHERE clinic_id = current_clinic()"
    )
    .fetch_optional(tx.connection()?)
    .await?;
    Ok(row.map_or_else(Rules::default, |row| Rules {
        many_patients: row.many_patients.unsigned_abs(),
        many_patients_minutes: row.many_patients_minutes.unsigned_abs(),
        opens_at_minute: row.opens_at_minute.unsigned_abs(),
        closes_at_minute: row.closes_at_minute.unsigned_abs(),
        open_weekends: row.open_weekends,
        after_hours_patients: row.after_hours_patients.unsigned_abs(),
        refusals: row.refusals.unsigned_abs(),
        refusals_minutes: row.refusals_minutes.unsigned_abs(),
        same_name: row.same_name,
    }))
}

/// Sets the clinic's rules. They apply from the next run on.
///
/// # Errors
/// See [`RulesError`].
pub async fn set_rules(
    tx: &mut Tx,
    may: &Authorized<ChangeAccessRules>,
    rules: &Rules,
) -> Result<Pending<()>, RulesError> {
    tx.proved(may)?;
    rules.check()?;
    let (clinic, at) = (tx.context().actor.clinic().0, tx.context().at);
    let by = tx.context().actor.id();
    let number = |number: u32| i32::try_from(number).unwrap_or(i32::MAX);
    sqlx::query!(
        "INSERT INTO access_rule (clinic_id, many_patients, many_patients_minutes, opens_at_minute, closes_at_minute, open_weekends,
                                  after_hours_patients, refusals, refusals_minutes, same_name, changed_at, changed_by)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
         ON CONFLICT (clinic_id) DO UPDATE SET many_patients = $2, many_patients_minutes = $3, opens_at_minute = $4, closes_at_minute = $5,
             open_weekends = $6, after_hours_patients = $7, refusals = $8, refusals_minutes = $9, same_name = $10, changed_at = $11, changed_by = $12",
        clinic,
        number(rules.many_patients),
        number(rules.many_patients_minutes),
        number(rules.opens_at_minute),
        number(rules.closes_at_minute),
        rules.open_weekends,
        number(rules.after_hours_patients),
        number(rules.refusals),
        number(rules.refusals_minutes),
        rules.same_name,
        at,
        by,
    )
    .execute(tx.connection().map_err(RulesError::from)?)
    .await
    .map_err(Error::from)?;
    if let Some(entry) = tx.last_logged() {
        entry.detail = serde_json::to_value(rules).ok();
    }
    Ok(Pending(()))
}

impl Rules {
    fn check(&self) -> Result<(), RulesError> {
        let within = |what, number: u32, from: u32, to: u32| {
            if (from..=to).contains(&number) { Ok(()) } else { Err(RulesError::Range { what, from, to }) }
        };
        within("many_patients", self.many_patients, 2, 10_000)?;
        within("many_patients_minutes", self.many_patients_minutes, 1, 1_440)?;
        within("opens_at_minute", self.opens_at_minute, 0, 1_440)?;
        within("closes_at_minute", self.closes_at_minute, 0, 1_440)?;
        within("after_hours_patients", self.after_hours_patients, 1, 10_000)?;
        within("refusals", self.refusals, 2, 10_000)?;
        within("refusals_minutes", self.refusals_minutes, 1, 1_440)
    }
}

/// Findings were not listed.
#[derive(Debug, thiserror::Error)]
pub enum FindingsError {
    /// The cursor is not one that a list gave.
    #[error("this cursor is not one of ours; begin again without one")]
    BadCursor,
    /// See [`Error`].
    #[error(transparent)]
    Failed(#[from] Error),
}

/// A finding was not reviewed.
#[derive(Debug, thiserror::Error)]
pub enum ReviewError {
    /// Somebody was faster.
    #[error("this finding was reviewed before; load the list again")]
    Reviewed,
    /// No note, or too much of one.
    #[error("say in a note of at most 2,000 characters what you found out")]
    Note,
    /// See [`Error`].
    #[error(transparent)]
    Failed(#[from] Error),
}

/// Rules were not changed.
#[derive(Debug, thiserror::Error)]
pub enum RulesError {
    /// A number makes no sense.
    #[error("{what}: choose a number from {from} to {to}")]
    Range {
        /// Which.
        what: &'static str,
        /// At least.
        from: u32,
        /// At most.
        to: u32,
    },
    /// See [`Error`].
    #[error(transparent)]
    Failed(#[from] Error),
}
