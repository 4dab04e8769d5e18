//! Two clinics with their people, and the things that tests do over and over.

use records::action::{CheckIn, ReadSchedule};
use records::demo::{Demo, DemoAccount, DemoSite, seed};
use records::facts;
use records::identity::Proof;
use records::sign_in::{self, Entered, SecondFactorError, SignedIn};
use records::staff::{self, NewStaff};
use records::testing::TestDatabase;
use records::{Actor, Origin, Phi, Records, RequestContext, SessionToken, join};
use time::macros::datetime;
use time::{Date, Duration, OffsetDateTime};
use visit::{ClinicId, Fact, Now, ParticipantId, PatientId, Person, RecordingId, Role, StaffId, VisitId};
use zeroize::Zeroizing;

/// When the tests take place.
pub const NOW: OffsetDateTime = datetime!(2026-11-24 15:10:20 UTC);

pub struct World {
    pub records: Records,
    pub riverside: Site,
    pub lakeside: Site,
    pub db: TestDatabase,
}

pub struct Site {
    pub clinic: ClinicId,
    pub demo: Demo,
    pub provider: StaffId,
    pub clinic_admin: StaffId,
    pub compliance: StaffId,
    pub front_desk: StaffId,
}

impl World {
    pub async fn new() -> Self {
        let db = TestDatabase::new().await;
        let records = db.records();
        let riverside = Site::new(&db, DemoSite::Riverside).await;
        let lakeside = Site::new(&db, DemoSite::Lakeside).await;
        Self { records, riverside, lakeside, db }
    }

    /// One number or word from a query as the owner.
    pub async fn look<T>(&self, sql: &'static str) -> T
    where
        T: for<'r> sqlx::Decode<'r, sqlx::Postgres> + sqlx::Type<sqlx::Postgres> + Send + Unpin,
    {
        sqlx::query_scalar(sql).fetch_one(&mut self.db.owner().await).await.unwrap()
    }

    pub async fn nurse(&self, site: &Site) -> StaffId {
        let mut tx = self.records.begin(RequestContext::system("test", site.clinic, NOW)).await.unwrap();
        let new = NewStaff {
            email: "sam.rivera@riverside.example".to_owned(),
            name: "Sam Rivera".to_owned(),
            role: Role::Nurse,
            password: Phi::from("correct horse battery"),
            totp_secret: Zeroizing::new([7; 20]),
        };
        let made = staff::create(&mut tx, &new).await.unwrap();
        tx.commit(made).await.unwrap()
    }
}

impl Site {
    async fn new(db: &TestDatabase, site: DemoSite) -> Self {
        let demo = seed(&db.records(), site, None, "http://127.0.0.1:8080", NOW).await.unwrap();
        let mut owner = db.owner().await;
        let mut ids = Vec::new();
        for account in [&demo.provider, &demo.clinic_admin, &demo.compliance, &demo.front_desk] {
            let id = sqlx::query_scalar("SELECT staff_id FROM staff WHERE email = $1")
                .bind(&account.email)
                .fetch_one(&mut owner)
                .await
                .unwrap();
            ids.push(StaffId(id));
        }
        Self {
            clinic: demo.clinic.id,
            provider: ids[0],
            clinic_admin: ids[1],
            compliance: ids[2],
            front_desk: ids[3],
            demo,
        }
    }

    pub fn as_provider(&self) -> RequestContext {
        self.as_staff(self.provider, Role::Provider)
    }

    pub fn as_front_desk(&self) -> RequestContext {
        self.as_staff(self.front_desk, Role::FrontDesk)
    }

    pub fn as_compliance(&self) -> RequestContext {
        self.as_staff(self.compliance, Role::Compliance)
    }

    pub fn as_clinic_admin(&self) -> RequestContext {
        self.as_staff(self.clinic_admin, Role::ClinicAdmin)
    }

    pub fn as_staff(&self, id: StaffId, role: Role) -> RequestContext {
        RequestContext {
            actor: Actor::Staff { id, role, clinic: self.clinic },
            at: NOW,
            origin: origin(),
            second_factor_at: Some(NOW),
        }
    }

    pub fn visit(&self, n: usize) -> VisitId {
        self.demo.visits[n].visit_id
    }

    pub fn patient(&self, n: usize) -> PatientId {
        let visit = &self.demo.visits[n];
        self.demo.patients.iter().find(|patient| patient.name == visit.patient_name).unwrap().patient_id
    }

    pub fn token(&self, n: usize) -> &str {
        self.demo.visits[n].patient_link.rsplit_once('/').unwrap().1
    }

    pub fn born(&self, n: usize) -> Date {
        let text = &self.demo.visits[n].date_of_birth;
        let parts: Vec<i32> = text.split('-').map(|part| part.parse().unwrap()).collect();
        Date::from_calendar_date(
            parts[0],
            u8::try_from(parts[1]).unwrap().try_into().unwrap(),
            u8::try_from(parts[2]).unwrap(),
        )
        .unwrap()
    }

    pub fn as_patient(&self, n: usize) -> RequestContext {
        let actor = Actor::Patient { id: self.patient(n), visit: self.visit(n), clinic: self.clinic };
        RequestContext { actor, at: NOW, origin: origin(), second_factor_at: None }
    }
}

pub fn origin() -> Origin {
    Origin {
        address: Some([192, 0, 2, 7].into()),
        user_agent: Some("test".to_owned()),
        device: None,
        request_id: "req-1".to_owned(),
    }
}

/// The code of `account` at `now`.
pub fn code(account: &DemoAccount, now: OffsetDateTime) -> String {
    let secret = totp_rs::Secret::try_from_base32(&account.totp_secret).unwrap();
    let totp = totp_rs::Builder::new().with_secret(secret).build_noncompliant();
    totp.generate(u64::try_from(now.unix_timestamp()).unwrap()).to_string()
}

pub async fn password(records: &Records, account: &DemoAccount, now: OffsetDateTime) -> SessionToken {
    let password = Phi::from(account.password.as_str());
    sign_in::password(records, &origin(), &account.email, password, now).await.unwrap().token
}

pub async fn sign_in(records: &Records, account: &DemoAccount, now: OffsetDateTime) -> SignedIn {
    let pending = password(records, account, now).await;
    totp(records, &origin(), &pending, &code(account, now), now).await.ok().unwrap()
}

/// The second factor by code, of somebody who needs no other.
pub async fn totp(
    records: &Records,
    origin: &Origin,
    pending: &SessionToken,
    code: &str,
    now: OffsetDateTime,
) -> Result<SignedIn, SecondFactorError> {
    match sign_in::second_factor(records, origin, pending, Proof::Totp(code), now).await? {
        Entered::In(signed_in) => Ok(*signed_in),
        Entered::Enrol(_) => panic!("a code is enough here"),
    }
}

/// The patient of visit `n` says where they are and agrees.
pub async fn check_in(world: &World, site: &Site, n: usize) {
    join::identify(&world.records, &origin(), site.token(n), site.born(n), NOW).await.ok().unwrap();
    let mut tx = world.records.begin(site.as_patient(n)).await.unwrap();
    let may = tx.authorize(CheckIn(site.visit(n))).await.unwrap();
    let location = join::Location {
        region: Phi::from("IL"),
        callback_phone: Phi::from("(312) 555-0199"),
        emergency_address: Phi::from("12 Canary Row, Springfield"),
    };
    let located = join::set_location(&mut tx, &may, &location).await.unwrap();
    let agreed = join::accept_consent(&mut tx, &may, "2026-11", "en").await.unwrap();
    tx.commit(located.and(agreed)).await.unwrap();
}

pub fn ms(at: OffsetDateTime) -> Now {
    Now(i64::try_from(at.unix_timestamp_nanos() / 1_000_000).unwrap())
}

/// A visit from the first seat to the end: waiting, admitted, a chat line, a recording allowed by both and withdrawn.
pub fn whole_visit(site: &Site, n: usize, chat: &str) -> Vec<(Fact, Option<Person>)> {
    let visit = site.visit(n);
    let (patient, provider) = (Person::Patient(site.patient(n)), Person::Staff(site.provider));
    let (p, d) = (ParticipantId::of(visit, patient), ParticipantId::of(visit, provider));
    let recording = RecordingId::of(visit, 6);
    let text_version = "2026-11".to_owned();
    vec![
        (Fact::Joined { participant: p, person: patient, role: Role::Patient }, Some(patient)),
        (Fact::Waiting { participant: p }, Some(patient)),
        (Fact::Joined { participant: d, person: provider, role: Role::Provider }, Some(provider)),
        (Fact::Admitted { participant: p, by: d }, Some(provider)),
        (Fact::ChatPosted { id: uuid::Uuid::from_u128(1), participant: p, text: chat.to_owned() }, Some(patient)),
        (Fact::RecordingAsked { recording, by: d, text_version: text_version.clone() }, Some(provider)),
        (Fact::RecordingAllowed { recording, participant: d, text_version: text_version.clone() }, Some(provider)),
        (Fact::RecordingAllowed { recording, participant: p, text_version }, Some(patient)),
        (Fact::RecordingStarted { recording }, None),
        (Fact::RecordingWithdrawn { recording, participant: p }, Some(patient)),
        (Fact::RecordingStopped { recording, why: visit::fact::StopReason::Withdrawn }, None),
        (Fact::Ended { by: d }, Some(provider)),
    ]
}

pub async fn store(world: &World, site: &Site, n: usize, facts: &[(Fact, Option<Person>)]) {
    for (i, (fact, by)) in facts.iter().enumerate() {
        let at = ms(NOW + Duration::seconds(i64::try_from(i).unwrap()));
        facts::append(&world.records, site.clinic, site.visit(n), i as u64 + 1, at, fact, *by).await.unwrap();
    }
}

pub async fn day(world: &World, context: RequestContext) -> records::today::Day {
    let mut tx = world.records.begin(context).await.unwrap();
    let may = tx.authorize(ReadSchedule).await.unwrap();
    let day = records::today::day(&mut tx, &may, None).await.unwrap();
    tx.commit(day).await.unwrap()
}
