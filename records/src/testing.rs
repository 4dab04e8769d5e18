//! Databases for tests, also of other crates: each one fresh, migrated, and gone when it is dropped.
//!
//! They live in the server that `scripts/with-postgres` has started (`BEDSIDE_TEST_POSTGRES`), else in a private one
//! that this process starts.

use std::path::PathBuf;
use std::str::FromStr;
use std::sync::OnceLock;

use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, PgConnection};
use tempfile::TempDir;
use uuid::Uuid;
use visit::StaffId;

use crate::identity::Settings;
use crate::{KeyRing, PrivatePostgres, Records, migrate};

/// Names the server that tests may fill, by its owner's address.
pub const SERVER_VARIABLE: &str = "BEDSIDE_TEST_POSTGRES";

/// One fresh database with this version's schema, and nothing in it but the consent texts.
pub struct TestDatabase {
    name: String,
    server: PgConnectOptions,
    records: Option<Records>,
    folder: TempDir,
}

impl TestDatabase {
    /// Makes one.
    ///
    /// # Panics
    /// If there is no PostgreSQL; the test can't run then.
    pub async fn new() -> Self {
        let server = server();
        let name = format!("test_{}", Uuid::new_v4().simple());
        let mut admin = server.connect().await.expect("the test server answers");
        let template = template(&mut admin, &server).await;
        admin
            .execute(AssertSqlSafe(format!("CREATE DATABASE {name} TEMPLATE {template}")))
            .await
            .expect("a database from the template");
        let folder = tempfile::tempdir().expect("a folder for the key ring");
        let keys = KeyRing::open_or_create(&folder.path().join("keys.json")).expect("a key ring");
        let app = server.clone().database(&name).username("bedside_app").to_url_lossy();
        // As in the demonstration: tests sign everybody in by code.
        let settings = Settings { codes_for_everyone: true, ..Settings::default() };
        let records =
            Records::connect(app.as_str(), keys).await.expect("the app role may connect").with_identity(settings);
        Self { name, server, records: Some(records), folder }
    }

    /// Makes one without a schema, to restore a dump into.
    ///
    /// # Panics
    /// If there is no PostgreSQL.
    pub async fn empty() -> Self {
        let server = server();
        let name = format!("test_{}", Uuid::new_v4().simple());
        let mut admin = server.connect().await.expect("the test server answers");
        admin.execute(AssertSqlSafe(format!("CREATE DATABASE {name}"))).await.expect("an empty database");
        Self { name, server, records: None, folder: tempfile::tempdir().expect("a folder") }
    }

    /// The system of record in it. It works while this `TestDatabase` lives.
    ///
    /// # Panics
    /// If the database was made without a schema.
    #[must_use]
    pub fn records(&self) -> Records {
        self.records.clone().expect("a database with a schema")
    }

    /// A connection as the owner of the tables, to look at rows or damage them. Row-level security is in its way unless
    /// the test server's owner is a superuser, as that of `scripts/with-postgres` is.
    ///
    /// # Panics
    /// If it can't connect.
    pub async fn owner(&self) -> PgConnection {
        self.server.clone().database(&self.name).connect().await.expect("the owner may connect")
    }

    /// A connection as the server's own role, outside of [`Records`].
    ///
    /// # Panics
    /// If it can't connect.
    pub async fn app(&self) -> PgConnection {
        self.server
            .clone()
            .database(&self.name)
            .username("bedside_app")
            .connect()
            .await
            .expect("the app role may connect")
    }

    /// Runs statements as the owner.
    ///
    /// # Panics
    /// If they fail.
    pub async fn execute_as_owner(&self, sql: &str) {
        let mut owner = self.owner().await;
        owner.execute(sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))).await.expect("the owner may do it");
        owner.close().await.expect("closing");
    }

    /// The outbox as it stands, oldest first.
    ///
    /// # Panics
    /// If it can't be read.
    pub async fn outbox(&self) -> Vec<OutboxRow> {
        sqlx::query_as(
            "SELECT kind, state, attempts, failure, smtp_code, due_at, num_nonnulls(recipient, subject, body, calendar) > 0 AS has_contents
             FROM outbox_message ORDER BY created_at, outbox_message_id",
        )
        .fetch_all(&mut self.owner().await)
        .await
        .expect("the outbox can be read")
    }

    /// One number from a query as the owner, for tests of other crates.
    ///
    /// # Panics
    /// If it fails.
    pub async fn count(&self, sql: &'static str) -> i64 {
        sqlx::query_scalar(sql).fetch_one(&mut self.owner().await).await.expect("a number")
    }

    /// The member of staff with this e-mail address.
    ///
    /// # Panics
    /// If there is none.
    pub async fn staff_id(&self, email: &str) -> StaffId {
        let id = sqlx::query_scalar("SELECT staff_id FROM staff WHERE email = $1").bind(email);
        StaffId(id.fetch_one(&mut self.owner().await).await.expect("an account"))
    }

    /// The address for the app role, e.g. for another [`Records::connect`].
    #[must_use]
    pub fn app_url(&self) -> String {
        self.server.clone().database(&self.name).username("bedside_app").to_url_lossy().to_string()
    }

    /// The address for the owner.
    #[must_use]
    pub fn owner_url(&self) -> String {
        self.server.clone().database(&self.name).to_url_lossy().to_string()
    }

    /// Where the key ring is.
    #[must_use]
    pub fn key_ring_path(&self) -> PathBuf {
        self.folder.path().join("keys.json")
    }
}

/// A message in the outbox, as tests look at it.
#[derive(Debug, sqlx::FromRow)]
#[expect(missing_docs, reason = "the columns' own names")]
pub struct OutboxRow {
    pub kind: String,
    pub state: String,
    pub attempts: i32,
    pub failure: Option<String>,
    pub smtp_code: Option<i16>,
    pub due_at: time::OffsetDateTime,
    pub has_contents: bool,
}

/// Puts a mail with a link and a calendar entry into the outbox, of use for two days.
///
/// # Panics
/// If the database refuses.
pub async fn enqueue(records: &Records, clinic: visit::ClinicId, recipient: &str, now: time::OffsetDateTime) -> Uuid {
    let mut tx = records.begin(crate::RequestContext::system("test", clinic, now)).await.expect("a transaction");
    let message = crate::outbox::NewMessage {
        kind: crate::outbox::Kind::VisitLink,
        patient: None,
        lang: crate::outbox::Lang::En,
        recipient: crate::Phi::from(recipient),
        subject: crate::Phi::from("A test"),
        body: crate::Phi::from("Open this link:\nhttps://visits.example.org/v/abc\n"),
        calendar: Some(crate::Phi::from("BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n")),
        expires_at: now + time::Duration::days(2),
    };
    let id = crate::outbox::enqueue(&mut tx, &message).await.expect("the message is stored");
    tx.commit(crate::Pending(id)).await.expect("and committed")
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let (server, name) = (self.server.clone(), self.name.clone());
        // On a thread and runtime of its own: the test's may be the one that is being dropped.
        let dropped = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().ok()?;
            runtime.block_on(async {
                let mut admin = server.connect().await.ok()?;
                admin.execute(AssertSqlSafe(format!("DROP DATABASE {name} WITH (FORCE)"))).await.ok()
            })
        });
        let _ = dropped.join();
    }
}

/// The server to fill.
fn server() -> PgConnectOptions {
    static OWN: OnceLock<(PrivatePostgres, TempDir)> = OnceLock::new();
    let url = std::env::var(SERVER_VARIABLE).unwrap_or_else(|_| {
        let (postgres, _) = OWN.get_or_init(|| {
            let folder = tempfile::Builder::new()
                .prefix("bedside-test")
                .tempdir_in("/tmp")
                .expect("a folder for a private PostgreSQL");
            let postgres = PrivatePostgres::start(&folder.path().join("postgres")).expect("a private PostgreSQL");
            (postgres, folder)
        });
        postgres.owner_url().to_owned()
    });
    PgConnectOptions::from_str(&url).expect("the address of the test server")
}

/// The migrated database that all tests of this schema are copied from; made by whoever comes first.
async fn template(admin: &mut PgConnection, server: &PgConnectOptions) -> String {
    let name = format!("bedside_template_{}", crate::migrate::fingerprint());
    admin.execute("SELECT pg_advisory_lock(7013)").await.expect("the lock");
    let made: bool = sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)")
        .bind(&name)
        .fetch_one(&mut *admin)
        .await
        .expect("the list of databases");
    if !made {
        let fresh = format!("{name}_new");
        admin.execute(AssertSqlSafe(format!("DROP DATABASE IF EXISTS {fresh}"))).await.expect("no half-made template");
        admin.execute(AssertSqlSafe(format!("CREATE DATABASE {fresh}"))).await.expect("a database for the template");
        migrate(server.clone().database(&fresh).to_url_lossy().as_str()).await.expect("the migrations run");
        admin
            .execute(AssertSqlSafe(format!("ALTER DATABASE {fresh} RENAME TO {name}")))
            .await
            .expect("the template's name");
    }
    admin.execute("SELECT pg_advisory_unlock(7013)").await.expect("the lock");
    name
}

/// Puts a guardian on record who acts for `ward` in everything.
///
/// # Panics
/// If the database refuses.
pub async fn guardian(
    records: &Records,
    clinic: visit::ClinicId,
    (name, email): (&str, &str),
    ward: visit::PatientId,
    added_by: visit::StaffId,
    now: time::OffsetDateTime,
) -> visit::GuardianId {
    let id = Uuid::now_v7();
    let mut tx = records.begin(crate::RequestContext::system("test", clinic, now)).await.expect("a transaction");
    let keys = tx.clinic_keys().await.expect("the clinic's keys");
    let seal =
        |column, text: &str| keys.seal(crate::seal::Place::new(column, id), text.as_bytes()).expect("a key that seals");
    let (name, email) = (seal("guardian.name", name), seal("guardian.email", email));
    sqlx::query("INSERT INTO guardian (guardian_id, clinic_id, name, email, created_at) VALUES ($1, $2, $3, $4, $5)")
        .bind(id)
        .bind(clinic.0)
        .bind(name)
        .bind(email)
        .bind(now)
        .execute(tx.connection().expect("open"))
        .await
        .expect("the guardian is stored");
    sqlx::query(
        "INSERT INTO guardianship (guardianship_id, clinic_id, guardian_id, patient_id, relationship, scope, from_at, added_by)
         VALUES ($1, $2, $3, $4, 'parent', 'record', $5, $6)",
    )
    .bind(Uuid::now_v7())
    .bind(clinic.0)
    .bind(id)
    .bind(ward.0)
    .bind(now)
    .bind(added_by.0)
    .execute(tx.connection().expect("open"))
    .await
    .expect("and the guardianship");
    tx.commit(crate::Pending(visit::GuardianId(id))).await.expect("committed")
}
