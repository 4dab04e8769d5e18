//! Every column that holds sealed values, in one list: where its values stand, and whose key they are under. Rotation,
//! verification and the proofs about moved ciphertexts go by it, and a test compares it with the schema: a new binary
//! column needs a line here, in [`SEALED`] or in [`NOT_SEALED`].

use sqlx::{AssertSqlSafe, FromRow};
use uuid::Uuid;

use crate::seal::Place;
use crate::{Error, Tx};

/// A sealed column.
pub(crate) struct SealedColumn {
    /// `table.column`, as in [`Place`].
    pub name: &'static str,
    /// The row's id, as in [`Place`].
    row: Row,
    /// What tells rows with the same id apart, as in [`Place`]: a column, or `0`.
    part: &'static str,
    /// Whose key.
    pub whose: Whose,
    /// `table.column` as it is bound, where that is not where it stands now: it was moved there by a migration.
    bound_as: &'static str,
}

/// Where a row's id comes from.
enum Row {
    /// A column.
    Id(&'static str),
    /// UUIDv5 of a name (second column) within a row's id (first column).
    Named(&'static str, &'static str),
}

/// Whose key a column is sealed under. One that is one's or the other's has two lines.
#[derive(Clone, Copy)]
pub(crate) enum Whose {
    /// The clinic's.
    Clinic,
    /// The clinic's, where this column names no patient.
    ClinicWithout(&'static str),
    /// That of the patient in this column.
    Patient(&'static str),
    /// That of the patient whom `patient_id` in another table names: (its key, present in both; that table).
    PatientOf(&'static str, &'static str),
}

const fn sealed(name: &'static str, row: Row, part: &'static str, whose: Whose) -> SealedColumn {
    SealedColumn { name, row, part, whose, bound_as: name }
}

const PATIENT: Whose = Whose::Patient("patient_id");
const WITHOUT_PATIENT: Whose = Whose::ClinicWithout("patient_id");

/// All of them.
pub(crate) const SEALED: &[SealedColumn] = &[
    sealed("patient.name", Row::Id("patient_id"), "0", PATIENT),
    sealed("patient.date_of_birth", Row::Id("patient_id"), "0", PATIENT),
    sealed("patient.mrn", Row::Id("patient_id"), "0", PATIENT),
    sealed("patient.phone", Row::Id("patient_id"), "0", PATIENT),
    sealed("patient.email", Row::Id("patient_id"), "0", PATIENT),
    sealed("appointment.reason", Row::Id("appointment_id"), "0", PATIENT),
    sealed("visit_location.region", Row::Id("visit_id"), "0", PATIENT),
    sealed("visit_location.callback_phone", Row::Id("visit_id"), "0", PATIENT),
    sealed("visit_location.emergency_address", Row::Id("visit_id"), "0", PATIENT),
    sealed("visit.hold_words", Row::Id("visit_id"), "0", PATIENT),
    sealed("visit.decline_words", Row::Id("visit_id"), "0", PATIENT),
    sealed("waiting_message.words", Row::Id("waiting_message_id"), "0", PATIENT),
    sealed("announcement.words", Row::Id("announcement_id"), "0", Whose::Clinic),
    sealed("legal_hold.reason", Row::Id("legal_hold_id"), "0", PATIENT),
    sealed("visit_event.chat_text", Row::Id("visit_id"), "seq", Whose::PatientOf("visit_id", "visit")),
    sealed("note_revision.body", Row::Id("note_id"), "version", Whose::PatientOf("note_id", "note")),
    sealed("note_addendum.body", Row::Id("note_addendum_id"), "0", Whose::PatientOf("note_id", "note")),
    sealed("attachment.file_name", Row::Id("attachment_id"), "0", PATIENT),
    sealed("attachment.object_key", Row::Id("attachment_id"), "0", PATIENT),
    sealed("attachment.sha256", Row::Id("attachment_id"), "0", PATIENT),
    sealed("patient_revision.body", Row::Id("patient_id"), "version", PATIENT),
    sealed(
        "chart_revision.body",
        Row::Id("chart_entry_id"),
        "version",
        Whose::PatientOf("chart_entry_id", "chart_entry"),
    ),
    sealed(
        "chart_revision.reason",
        Row::Id("chart_entry_id"),
        "version",
        Whose::PatientOf("chart_entry_id", "chart_entry"),
    ),
    sealed("visit_guest.name", Row::Id("visit_guest_id"), "0", PATIENT),
    sealed("visit_guest.email", Row::Id("visit_guest_id"), "0", PATIENT),
    sealed("emergency_access.reason", Row::Id("emergency_access_id"), "0", PATIENT),
    sealed(
        "emergency_access_review.remarks",
        Row::Id("emergency_access_id"),
        "0",
        Whose::PatientOf("emergency_access_id", "emergency_access"),
    ),
    sealed("outbox_message.recipient", Row::Id("outbox_message_id"), "0", PATIENT),
    sealed("outbox_message.recipient", Row::Id("outbox_message_id"), "0", WITHOUT_PATIENT),
    sealed("outbox_message.subject", Row::Id("outbox_message_id"), "0", PATIENT),
    sealed("outbox_message.subject", Row::Id("outbox_message_id"), "0", WITHOUT_PATIENT),
    sealed("outbox_message.body", Row::Id("outbox_message_id"), "0", PATIENT),
    sealed("outbox_message.body", Row::Id("outbox_message_id"), "0", WITHOUT_PATIENT),
    sealed("outbox_message.calendar", Row::Id("outbox_message_id"), "0", PATIENT),
    sealed("outbox_message.calendar", Row::Id("outbox_message_id"), "0", WITHOUT_PATIENT),
    sealed("portal_email_change.address", Row::Id("portal_email_change_id"), "0", PATIENT),
    sealed("portal_email_change.emails", Row::Id("portal_email_change_id"), "0", PATIENT),
    sealed("guardian.name", Row::Id("guardian_id"), "0", Whose::Clinic),
    sealed("guardian.email", Row::Id("guardian_id"), "0", Whose::Clinic),
    sealed("guardian.phone", Row::Id("guardian_id"), "0", Whose::Clinic),
    sealed("portal_factor.totp_secret", Row::Id("portal_factor_id"), "0", Whose::Clinic),
    sealed("access_finding.note", Row::Id("access_finding_id"), "0", Whose::Clinic),
    sealed("sso_flow.nonce", Row::Id("sso_flow_id"), "0", Whose::Clinic),
    sealed("sso_flow.verifier", Row::Id("sso_flow_id"), "0", Whose::Clinic),
    SealedColumn {
        name: "second_factor.totp_secret",
        row: Row::Id("second_factor_id"),
        part: "0",
        whose: Whose::Clinic,
        bound_as: "staff.totp_secret",
    },
    sealed("idempotency_key.response", Row::Named("staff_id", "key"), "0", Whose::Clinic),
];

/// Columns that are sealed and never sealed again, since hashes are over their bytes. Versions that they are under stay
/// retired; nothing else is. Only whose they are counts here.
pub(crate) const KEPT: &[SealedColumn] = &[
    sealed("audit_event.detail_sealed", Row::Id("resource_id"), "0", PATIENT),
    sealed("audit_event.detail_sealed", Row::Id("resource_id"), "0", WITHOUT_PATIENT),
];

/// Binary columns that hold nothing sealed, and why.
pub const NOT_SEALED: &[(&str, &str)] = &[
    ("data_key.wrapped", "a data key under a key-encryption key; rotation wraps it again"),
    ("recording.sha256", "a hash of the composed file, compared with it"),
    ("join_link.token_hash", "SHA-256 of a random token"),
    ("visit_guest.token_hash", "SHA-256 of a random token"),
    ("session.token_hash", "SHA-256 of a random token"),
    ("portal_link.token_hash", "SHA-256 of a random token"),
    ("portal_email_change.token_hash", "SHA-256 of a random token"),
    ("portal_session.token_hash", "SHA-256 of a random token"),
    ("sso_flow.state_hash", "SHA-256 of a random token"),
    ("sso_flow.browser_hash", "SHA-256 of a random token"),
    ("audit_seal.frontier", "hashes inside the audit log's tree"),
    ("audit_seal.leaves", "hashes of the audit log's rows"),
    ("second_factor.credential_id", "what a security key calls itself; anybody may know it"),
    ("second_factor.credential", "a security key's public half"),
    ("second_factor.credential_state", "a security key's counter and flags"),
    ("recovery_code.code_hash", "SHA-256 of a random code"),
    ("staff_link.token_hash", "SHA-256 of a random token"),
    ("known_device.token_hash", "SHA-256 of a random token"),
    ("webauthn_challenge.state", "a random challenge, gone within minutes"),
    ("sign_in_account.account_hash", "SHA-256 of an e-mail address of staff"),
    ("sign_in_failure.account_hash", "SHA-256 of an e-mail address of staff"),
    ("idempotency_key.request_hash", "SHA-256 of a request, kept for a day"),
];

/// The sealed columns as `table.column`, for the test of the schema.
#[must_use]
pub fn names() -> Vec<&'static str> {
    let mut names: Vec<&str> = SEALED.iter().chain(KEPT).map(|column| column.name).collect();
    names.dedup();
    names
}

/// A sealed value where it was found.
pub(crate) struct Found {
    /// Where the row lies right now (`ctid`): good within a statement's time, together with the old value.
    pub at: String,
    /// Whose key.
    pub owner: Uuid,
    /// Where the value stands.
    pub place: Place,
    /// The value.
    pub sealed: Vec<u8>,
}

#[derive(FromRow)]
struct FoundRow {
    at: String,
    owner: Uuid,
    row_id: Uuid,
    row_name: Option<String>,
    part: i64,
    sealed: Vec<u8>,
}

impl SealedColumn {
    pub(crate) fn table(&self) -> &'static str {
        self.name.split_once('.').map_or(self.name, |(table, _)| table)
    }

    pub(crate) fn column(&self) -> &'static str {
        self.name.split_once('.').map_or(self.name, |(_, column)| column)
    }

    /// Values of these owners that are sealed under retired versions of their keys, at most `limit`.
    pub(crate) async fn retired(&self, tx: &mut Tx, owners: &[Uuid], limit: i64) -> Result<Vec<Found>, Error> {
        let (owner, among) = (self.owner(), self.among());
        let sql = format!("{} AND {among} AND {} LIMIT $2", self.select(&owner), self.is_retired(&owner));
        let rows: Vec<FoundRow> =
            sqlx::query_as(AssertSqlSafe(sql)).bind(owners).bind(limit).fetch_all(tx.connection()?).await?;
        Ok(rows.into_iter().map(|row| self.found(row)).collect())
    }

    /// The retired versions of these owners' keys that values are under: owner and version.
    pub(crate) async fn versions_in_use(&self, tx: &mut Tx, owners: &[Uuid]) -> Result<Vec<(Uuid, i32)>, Error> {
        let sql = format!(
            "SELECT DISTINCT {owner}, sealed_version(t.{column}) FROM {} t WHERE {} AND {} AND {}",
            self.table(),
            self.is_there(),
            self.among(),
            self.is_retired(&self.owner()),
            owner = self.owner(),
            column = self.column(),
        );
        Ok(sqlx::query_as(AssertSqlSafe(sql)).bind(owners).fetch_all(tx.connection()?).await?)
    }

    /// How many values of the clinic are sealed under retired versions.
    pub(crate) async fn count_retired(&self, tx: &mut Tx) -> Result<i64, Error> {
        let sql = format!(
            "SELECT count(*) FROM {} t WHERE {} AND {}",
            self.table(),
            self.is_there(),
            self.is_retired(&self.owner()),
        );
        Ok(sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(tx.connection()?).await?)
    }

    /// The clinic's values behind `after` in the order they lie, at most `limit`.
    pub(crate) async fn all(&self, tx: &mut Tx, after: &str, limit: i64) -> Result<Vec<Found>, Error> {
        let sql = format!("{} AND t.ctid > $1::text::tid ORDER BY t.ctid LIMIT $2", self.select(&self.owner()));
        let rows: Vec<FoundRow> =
            sqlx::query_as(AssertSqlSafe(sql)).bind(after).bind(limit).fetch_all(tx.connection()?).await?;
        Ok(rows.into_iter().map(|row| self.found(row)).collect())
    }

    /// The owner of the row `t`, in SQL.
    fn owner(&self) -> String {
        match self.whose {
            Whose::Clinic | Whose::ClinicWithout(_) => "t.clinic_id".to_owned(),
            Whose::Patient(column) => format!("t.{column}"),
            Whose::PatientOf(key, table) => format!("(SELECT o.patient_id FROM {table} o WHERE o.{key} = t.{key})"),
        }
    }

    /// Which purpose the keys have.
    pub(crate) fn purpose(&self) -> &'static str {
        match self.whose {
            Whose::Clinic | Whose::ClinicWithout(_) => "clinic",
            Whose::Patient(_) | Whose::PatientOf(..) => "patient",
        }
    }

    /// The row `t` belongs to one of the owners `$1`, in a form that finds them by an index.
    fn among(&self) -> String {
        match self.whose {
            Whose::Clinic | Whose::ClinicWithout(_) => "t.clinic_id = ANY($1)".to_owned(),
            Whose::Patient(column) => format!("t.{column} = ANY($1)"),
            Whose::PatientOf(key, table) => {
                format!(
                    "t.{key} IN (SELECT o.{key} FROM {table} o WHERE o.clinic_id = current_clinic() AND o.patient_id = ANY($1))"
                )
            }
        }
    }

    /// The row `t` is the clinic's, has a value, and it is under this kind of key.
    fn is_there(&self) -> String {
        let kind = match self.whose {
            Whose::Clinic | Whose::PatientOf(..) => String::new(),
            Whose::ClinicWithout(column) => format!(" AND t.{column} IS NULL"),
            Whose::Patient(column) => format!(" AND t.{column} IS NOT NULL"),
        };
        format!("t.clinic_id = current_clinic() AND t.{} IS NOT NULL{kind}", self.column())
    }

    fn is_retired(&self, owner: &str) -> String {
        format!(
            "EXISTS (SELECT FROM data_key k WHERE k.purpose = '{}' AND k.owner_id = {owner} AND k.version = sealed_version(t.{})
                     AND k.retired_at IS NOT NULL AND k.wrapped IS NOT NULL)",
            self.purpose(),
            self.column(),
        )
    }

    fn select(&self, owner: &str) -> String {
        let (id, name) = match self.row {
            Row::Id(column) => (column, "NULL::text".to_owned()),
            Row::Named(column, name) => (column, format!("t.{name}")),
        };
        let part = if self.part == "0" { "0".to_owned() } else { format!("t.{}", self.part) };
        format!(
            "SELECT t.ctid::text AS at, {owner}::uuid AS owner, t.{id} AS row_id, {name} AS row_name, {part}::bigint AS part, t.{column} AS sealed
             FROM {} t WHERE {}",
            self.table(),
            self.is_there(),
            column = self.column(),
        )
    }

    fn found(&self, row: FoundRow) -> Found {
        let id = match &row.row_name {
            None => row.row_id,
            Some(name) => Uuid::new_v5(&row.row_id, name.as_bytes()),
        };
        Found { at: row.at, owner: row.owner, place: Place::part(self.bound_as, id, row.part), sealed: row.sealed }
    }
}
