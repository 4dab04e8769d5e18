//! The application under test with a clock that stands still, two clinics, and browsers that keep cookies.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use api::{ApiConfig, AppState, Clamd, Clock, ManualClock, RateLimits, SharedLimits, UploadRules};
use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::BodyExt as _;
use records::demo::{self, Demo, DemoAccount, DemoSite, DemoVisit};
use records::staff::{self, NewStaff};
use records::testing::TestDatabase;
use records::{Phi, RequestContext};
use serde_json::Value;
use time::OffsetDateTime;
use tower::ServiceExt as _;
use visit::{PatientId, Role, StaffId};
use zeroize::Zeroizing;

use crate::attachments::Cabinet;
use crate::document::Document;
use crate::recordings::Shelf;

/// The site's own origin.
pub const ORIGIN: &str = "https://visits.example.org";

/// The application under test.
pub struct App {
    pub state: AppState,
    pub router: Router,
    pub clock: ManualClock,
    pub riverside: Demo,
    pub lakeside: Demo,
    pub shelf: Shelf,
    pub cabinet: Cabinet,
    /// Limits that are counted in Redis, if they are.
    pub shared: Option<SharedLimits>,
    /// Riverside's provider.
    pub provider: StaffId,
    document: Document,
    /// Dropped last: the database goes with it.
    pub database: TestDatabase,
}

impl App {
    /// Two clinics, with visits due now.
    pub async fn start() -> Arc<Self> {
        Self::start_with(RateLimits::default()).await
    }

    /// The same with other limits.
    pub async fn start_with(limits: RateLimits) -> Arc<Self> {
        Self::start_as(limits, None, None).await
    }

    /// One of several nodes that share a Redis (but not a database).
    pub async fn start_sharing(limits: RateLimits, redis: &str) -> Arc<Self> {
        Self::start_sharing_with(limits, SharedLimits::open(redis, None).unwrap()).await
    }

    /// The same, by what is opened already.
    pub async fn start_sharing_with(limits: RateLimits, shared: SharedLimits) -> Arc<Self> {
        Self::start_as(limits, Some(shared), None).await
    }

    /// With a virus scanner.
    pub async fn start_scanning(clamd: Clamd) -> Arc<Self> {
        Self::start_as(RateLimits::default(), None, Some(clamd)).await
    }

    async fn start_as(limits: RateLimits, shared: Option<SharedLimits>, clamd: Option<Clamd>) -> Arc<Self> {
        let database = TestDatabase::new().await;
        let records = database.records();
        let now = OffsetDateTime::now_utc().replace_nanosecond(0).unwrap() + later();
        let (clock, hand) = Clock::manual(now);
        let riverside = demo::seed(&records, DemoSite::Riverside, None, ORIGIN, now).await.unwrap();
        let lakeside = demo::seed(&records, DemoSite::Lakeside, None, ORIGIN, now).await.unwrap();
        let shelf = Shelf::default();
        let cabinet = Cabinet::default();
        let config = ApiConfig {
            base_url: ORIGIN.to_owned(),
            origins: vec![ORIGIN.to_owned()],
            site_name: "Bedside".to_owned(),
            support_phone: "+1 312 555 0100".to_owned(),
            demo: true,
            trusted_proxies: vec!["10.0.0.0/8".parse().unwrap()],
            tls: true,
            mos_formula: "as measured".to_owned(),
            limits,
            sso: Vec::new(),
            uploads: UploadRules::default(),
            clamd,
        };
        let mut state = AppState::new(records, Arc::new(shelf.clone()), Arc::new(cabinet.clone()), config, clock);
        if let Some(shared) = &shared {
            state = state.with_shared_limits(shared.clone());
        }
        let router = api::edges(api::router(state.clone()), &state.config);
        let nobody = StaffId(uuid::Uuid::nil());
        let mut app = Arc::new(Self {
            state,
            router,
            clock: hand,
            riverside,
            lakeside,
            shelf,
            cabinet,
            shared,
            provider: nobody,
            document: Document::served(),
            database,
        });
        let me = app.signed_in(&app.riverside.provider).await.get("/api/v1/me").await.json();
        let provider = me["staff_id"].as_str().unwrap().parse().unwrap();
        Arc::get_mut(&mut app).expect("the browser is gone").provider = provider;
        app
    }

    /// Somebody with no cookies yet, at an address of their own.
    pub fn browser(self: &Arc<Self>) -> Browser {
        static NEXT: Mutex<u8> = Mutex::new(0);
        let mut next = NEXT.lock().unwrap();
        *next = next.wrapping_add(1);
        Browser { app: self.clone(), cookies: BTreeMap::new(), address: [192, 0, 2, *next].into() }
    }

    /// Somebody with no cookies yet, at this address.
    pub fn browser_at(self: &Arc<Self>, address: &str) -> Browser {
        Browser { address: address.parse().unwrap(), ..self.browser() }
    }

    /// Until everything that goes on after its answer is done.
    pub async fn settled(&self) {
        self.state.background.close();
        self.state.background.wait().await;
        self.state.background.reopen();
    }

    /// Riverside lets patients have recordings of their visits.
    pub async fn share_recordings(&self) {
        let clinic = self.riverside.clinic.id;
        let sql = format!("UPDATE clinic SET shares_recordings = true WHERE clinic_id = '{clinic}'");
        self.database.execute_as_owner(&sql).await;
    }

    /// A browser signed in with both factors. Time goes on by a code's life, since none can be used twice.
    pub async fn signed_in(self: &Arc<Self>, account: &DemoAccount) -> Browser {
        let mut browser = self.browser();
        browser.password(account).await.is(StatusCode::OK);
        browser.code(account).await.is(StatusCode::OK);
        browser
    }

    /// A patient who came by the link of `riverside`'s visit `n` and knew the date of birth.
    pub async fn patient(self: &Arc<Self>, n: usize) -> Browser {
        let mut browser = self.browser();
        let visit = &self.riverside.visits[n];
        let body = serde_json::json!({"token": token_of(&visit.patient_link), "date_of_birth": visit.date_of_birth});
        browser.post("/api/v1/join/identity", body).await.is(StatusCode::OK);
        browser
    }

    /// Whose visit it is.
    pub fn patient_of(&self, visit: &DemoVisit) -> PatientId {
        self.riverside.patients.iter().find(|patient| patient.name == visit.patient_name).unwrap().patient_id
    }

    /// A new member of Riverside's staff, who cares for these patients.
    pub async fn hire(&self, name: &str, role: Role, patients: &[PatientId]) -> DemoAccount {
        let email = format!("{}@example.org", name.replace(' ', ".").to_lowercase());
        let password = "correct horse battery staple".to_owned();
        let secret = [u8::try_from(name.len()).unwrap(); staff::TOTP_SECRET_BYTES];
        let new = NewStaff {
            email: email.clone(),
            name: name.to_owned(),
            role,
            password: Phi::from(password.as_str()),
            totp_secret: Zeroizing::new(secret),
        };
        let context = RequestContext::system("test", self.riverside.clinic.id, self.state.clock.wall());
        let mut tx = self.state.records.begin(context.clone()).await.unwrap();
        let hired = staff::create(&mut tx, &new).await.unwrap();
        let id = tx.commit(hired).await.unwrap();
        for patient in patients {
            let mut tx = self.state.records.begin(context.clone()).await.unwrap();
            let assigned = staff::assign(&mut tx, id, *patient).await.unwrap();
            tx.commit(assigned).await.unwrap();
        }
        let totp_secret = totp_rs::Secret::new(Box::new(secret)).to_base32();
        DemoAccount { email, password, totp_secret, name: name.to_owned() }
    }

    /// The code that this account's authenticator shows now.
    pub fn code(&self, account: &DemoAccount) -> String {
        let secret = totp_rs::Secret::try_from_base32(&account.totp_secret).unwrap();
        let totp = totp_rs::Builder::new().with_secret(secret).build().unwrap();
        totp.generate(u64::try_from(self.state.clock.wall().unix_timestamp()).unwrap()).to_string()
    }
}

/// How much later than now tests begin: `make test-hours` tries the whole day.
fn later() -> time::Duration {
    std::env::var("BEDSIDE_TEST_LATER").map_or(time::Duration::ZERO, |minutes| {
        time::Duration::minutes(minutes.parse().expect("BEDSIDE_TEST_LATER: a number of minutes"))
    })
}

/// What follows `/v/` in a patient's link.
pub fn token_of(link: &str) -> &str {
    link.rsplit_once("/v/").unwrap().1
}

/// A browser: keeps cookies, says where its page is from.
#[derive(Clone)]
pub struct Browser {
    pub app: Arc<App>,
    pub cookies: BTreeMap<String, String>,
    pub address: std::net::IpAddr,
}

impl Browser {
    pub async fn get(&mut self, path: &str) -> Answer {
        self.send(Method::GET, path, &[], None).await
    }

    pub async fn post(&mut self, path: &str, body: Value) -> Answer {
        self.send(Method::POST, path, &[], Some(body.to_string())).await
    }

    /// A post without a body.
    pub async fn press(&mut self, path: &str) -> Answer {
        self.send(Method::POST, path, &[], None).await
    }

    pub async fn put(&mut self, path: &str, headers: &[(&str, &str)], body: Value) -> Answer {
        self.send(Method::PUT, path, headers, Some(body.to_string())).await
    }

    pub async fn delete(&mut self, path: &str) -> Answer {
        self.send(Method::DELETE, path, &[], None).await
    }

    /// The first factor.
    pub async fn password(&mut self, account: &DemoAccount) -> Answer {
        self.post("/api/v1/auth/sign-in", serde_json::json!({"email": account.email, "password": account.password}))
            .await
    }

    /// The second factor, with a code that wasn't used before.
    pub async fn code(&mut self, account: &DemoAccount) -> Answer {
        self.app.clock.advance(Duration::from_secs(30));
        let code = self.app.code(account);
        self.post("/api/v1/auth/totp", serde_json::json!({"code": code})).await
    }

    /// A request from one of the site's own pages.
    pub async fn send(&mut self, method: Method, path: &str, headers: &[(&str, &str)], body: Option<String>) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        let given = |name: &str| headers.iter().any(|(given, _)| given.eq_ignore_ascii_case(name));
        if !given("origin") && !given("sec-fetch-site") {
            request = request.header(header::ORIGIN, ORIGIN);
        }
        if body.is_some() && !given("content-type") {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.raw(request.body(Body::from(body.unwrap_or_default())).unwrap()).await
    }

    /// What came of an answer that begins well and breaks off.
    pub async fn broken(&mut self, path: &str, body: Value) -> Vec<u8> {
        let mut request =
            Request::post(path).header(header::ORIGIN, ORIGIN).header(header::CONTENT_TYPE, "application/json");
        let cookies: Vec<String> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        request = request.header(header::COOKIE, cookies.join("; "));
        let mut request = request.body(Body::from(body.to_string())).unwrap();
        request.extensions_mut().insert(ConnectInfo(SocketAddr::new(self.address, 50_000)));
        let response = self.app.router.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        let (mut body, mut bytes) = (response.into_body(), Vec::new());
        loop {
            match body.frame().await {
                Some(Ok(frame)) => bytes.extend_from_slice(&frame.into_data().unwrap()),
                Some(Err(_)) => return bytes,
                None => panic!("it did not break off"),
            }
        }
    }

    /// Exactly this request, with the cookies. Takes the answer's cookies over.
    pub async fn raw(&mut self, mut request: Request<Body>) -> Answer {
        if !self.cookies.is_empty() {
            let cookies: Vec<String> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
            request.headers_mut().insert(header::COOKIE, cookies.join("; ").parse().unwrap());
        }
        request.extensions_mut().insert(ConnectInfo(SocketAddr::new(self.address, 50_000)));
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let response = self.app.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        for cookie in parts.headers.get_all(header::SET_COOKIE) {
            let cookie = cookie.to_str().unwrap();
            for attribute in ["HttpOnly", "Secure", "SameSite=Lax", "Path=/"] {
                assert!(cookie.contains(attribute), "{cookie}");
            }
            assert!(!cookie.contains("Domain"), "{cookie}");
            let (name, rest) = cookie.split_once('=').unwrap();
            let value = rest.split(';').next().unwrap();
            if value.is_empty() {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        let endless = parts.headers.get(header::CONTENT_TYPE).is_some_and(|kind| kind == "text/event-stream");
        let bytes = if endless { Vec::new() } else { body.collect().await.unwrap().to_bytes().to_vec() };
        let answer = Answer { method, path, status: parts.status, headers: parts.headers, bytes };
        answer.has_strict_headers();
        answer.is_a_problem_if_it_is_an_error();
        self.app.document.knows(&answer);
        answer
    }
}

/// What came back.
#[derive(Debug, Clone)]
pub struct Answer {
    pub method: Method,
    pub path: String,
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub bytes: Vec<u8>,
}

impl Answer {
    /// Asserts the status; shows what came instead.
    #[track_caller]
    pub fn is(self, status: StatusCode) -> Self {
        let body = String::from_utf8_lossy(&self.bytes);
        assert_eq!(self.status, status, "{} {}: {body}", self.method, self.path);
        self
    }

    /// Asserts a problem's status and code.
    #[track_caller]
    pub fn refuses(self, status: StatusCode, code: &str) -> Self {
        let answer = self.is(status);
        assert_eq!(answer.json()["code"], code, "{} {}", answer.method, answer.path);
        answer
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap_or_else(|error| {
            panic!("{} {}: {error}: {}", self.method, self.path, String::from_utf8_lossy(&self.bytes))
        })
    }

    #[track_caller]
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).unwrap_or_else(|| panic!("{} {}: no {name}", self.method, self.path)).to_str().unwrap()
    }

    /// The body and headers without what differs from request to request.
    pub fn without_request_id(&self) -> (StatusCode, Value, BTreeMap<String, String>) {
        let mut body = self.json();
        body.as_object_mut().unwrap().remove("request_id");
        let headers = self.headers.iter().filter(|(name, _)| *name != "x-request-id");
        let headers = headers.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()));
        (self.status, body, headers.collect())
    }

    fn has_strict_headers(&self) {
        let csp = self.header("content-security-policy");
        assert!(csp.contains("default-src 'none'") && csp.contains("frame-ancestors 'none'"), "{csp}");
        assert!(!csp.contains("unsafe-inline") && !csp.contains("unsafe-eval"), "{csp}");
        assert_eq!(self.header("x-content-type-options"), "nosniff");
        assert_eq!(self.header("referrer-policy"), "no-referrer");
        assert_eq!(self.header("cache-control"), "no-store");
        assert!(self.header("permissions-policy").contains("camera=(self), microphone=(self)"));
        assert!(self.header("strict-transport-security").starts_with("max-age="));
        assert!(uuid::Uuid::parse_str(self.header("x-request-id")).is_ok());
    }

    fn is_a_problem_if_it_is_an_error(&self) {
        if !self.status.is_client_error() && !self.status.is_server_error() {
            return;
        }
        assert_eq!(self.header("content-type"), "application/problem+json");
        // Sent with a body here; a server leaves it out.
        if self.method == Method::HEAD {
            return;
        }
        let problem = self.json();
        assert_eq!(problem["status"], self.status.as_u16());
        assert_eq!(problem["request_id"], self.header("x-request-id"));
        let code = problem["code"].as_str().unwrap();
        assert_eq!(problem["type"], format!("urn:bedside:problem:{code}"));
        assert!(problem["title"].is_string() && problem["detail"].as_str().unwrap().ends_with('.'));
        if let Some(seconds) = problem.get("retry_after_s") {
            assert_eq!(self.header("retry-after"), seconds.to_string());
        }
    }
}
