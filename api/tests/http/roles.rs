//! Who may do what, on every route there is, by the matrix of roles. A route without a row here fails.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::http::{Method, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;
use visit::Role;

use crate::app::{Answer, App, Browser};
use crate::document::Document;
use crate::{booking, join, story};

/// Who tries, in the order of the columns below. `colleague` is a provider without a care relationship, `nurse` is
/// assigned to the patient, `foreign` is a provider of another clinic.
const ACTORS: [&str; 10] = [
    "nobody",
    "patient",
    "provider",
    "colleague",
    "nurse",
    "front_desk",
    "clinic_admin",
    "compliance",
    "super_admin",
    "foreign",
];

/// `+` done or refused for another reason than who asks; `s` signed out (401); `r` the role refuses (403);
/// `h` hidden (404); `*` open to everyone.
const MATRIX: &[(&str, &str)] = &[
    ("GET /api/v1/site", "*"),
    ("GET /api/v1/texts/{kind}", "*"),
    ("POST /api/v1/auth/sign-in", "*"),
    ("POST /api/v1/auth/totp", "*"),
    ("POST /api/v1/auth/sign-out", "*"),
    ("POST /api/v1/join/open", "*"),
    ("POST /api/v1/join/identity", "*"),
    ("GET /api/v1/me", "ss++++++++"),
    ("GET /api/v1/join", "s+ssssssss"),
    ("PUT /api/v1/join/location", "s+ssssssss"),
    ("POST /api/v1/join/consent", "s+ssssssss"),
    ("POST /api/v1/join/ticket", "s+ssssssss"),
    ("POST /api/v1/join/leave", "s+ssssssss"),
    ("GET /api/v1/today", "ss++++++r+"),
    ("GET /api/v1/events", "ss++++++r+"),
    ("GET /api/v1/patients", "ss++++++r+"),
    ("GET /api/v1/providers", "ss++++++r+"),
    ("POST /api/v1/appointments", "ss+++++rrh"),
    ("POST /api/v1/appointments/{id}/link", "ss+h+++rrh"),
    ("DELETE /api/v1/appointments/{id}/link", "ss+h+++rrh"),
    ("POST /api/v1/visits/{id}/ticket", "ss+h+rrrrh"),
    ("GET /api/v1/visits/{id}", "ss+h++++rh"),
    ("GET /api/v1/visits/{id}/timeline", "ss+h++++rh"),
    ("GET /api/v1/visits/{id}/note", "ss+h+rr+rh"),
    ("PUT /api/v1/visits/{id}/note", "ss+hhrrrrh"),
    ("POST /api/v1/visits/{id}/note/sign", "ss+hhrrrrh"),
    ("POST /api/v1/visits/{id}/note/addenda", "ss+hhrrrrh"),
    ("GET /api/v1/visits/{id}/recordings", "ss+hhrr+rh"),
    ("GET /api/v1/recordings/{id}/media", "ss+hhrr+rh"),
    ("GET /api/v1/quality/visits", "ss+++r++r+"),
    ("GET /api/v1/quality/visits/{id}", "ss+hhr++rh"),
    ("GET /api/v1/audit", "ssrrrr++rr"),
    ("GET /api/v1/audit/people", "ssrrrr++rr"),
    ("GET /api/v1/audit/patients/{id}/viewers", "ssrrrr++rr"),
    ("GET /api/v1/audit/seals", "ssrrrr++rr"),
    ("POST /api/v1/audit/verifications", "ssrrrrr+rr"),
    ("GET /api/v1/audit/export", "ssrrrrr+rr"),
    ("GET /api/v1/audit/findings", "ssrrrr++rr"),
    // There is no such finding.
    ("POST /api/v1/audit/findings/{id}/review", "ssrrrrrhrr"),
    ("GET /api/v1/audit/rules", "ssrrrr++rr"),
    ("PUT /api/v1/audit/rules", "ssrrrrr+rr"),
];

#[test]
fn every_documented_route_has_a_row_in_the_matrix() {
    let documented: Vec<String> =
        Document::served().operations().iter().map(|(method, path)| format!("{method} {path}")).collect();
    let rows: Vec<&str> = MATRIX.iter().map(|(route, _)| *route).collect();
    for route in &documented {
        assert!(rows.contains(&route.as_str()), "{route} has no row");
    }
    assert_eq!(documented.len(), rows.len(), "a row has no route");
}

#[tokio::test]
async fn every_route_answers_every_role_as_the_matrix_says() {
    let clinic = Clinic::open().await;
    let mut wrong = Vec::new();
    for (route, cells) in MATRIX.iter().filter(|(_, cells)| *cells != "*") {
        for (actor, cell) in ACTORS.iter().zip(cells.chars()) {
            let mut browser = clinic.browser(actor).await;
            let answer = clinic.call(&mut browser, route, &clinic.ids).await;
            let as_said = match cell {
                's' => answer.status == StatusCode::UNAUTHORIZED,
                'r' => answer.status == StatusCode::FORBIDDEN && answer.json()["code"] == "forbidden",
                'h' => answer.status == StatusCode::NOT_FOUND && answer.json()["code"] == "not_found",
                _ => {
                    answer.status.is_success()
                        || matches!(answer.status, StatusCode::CONFLICT | StatusCode::PRECONDITION_FAILED)
                }
            };
            if !as_said {
                wrong.push(format!("{route} by {actor}: {cell} expected, got {}", answer.status));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn another_clinics_ids_answer_exactly_like_ids_that_do_not_exist() {
    let clinic = Clinic::open().await;
    let nothing =
        Ids { appointment: Uuid::now_v7(), visit: Uuid::now_v7(), recording: Uuid::now_v7(), patient: Uuid::now_v7() };
    let lakeside = &clinic.app.lakeside;
    for account in [&lakeside.provider, &lakeside.front_desk, &lakeside.clinic_admin, &lakeside.compliance] {
        let mut browser = clinic.app.signed_in(account).await;
        for (route, _) in MATRIX.iter().filter(|(route, _)| route.contains("{id}") || route.ends_with("/appointments"))
        {
            let foreign = clinic.call(&mut browser, route, &clinic.ids).await;
            let unknown = clinic.call(&mut browser, route, &nothing).await;
            assert!(
                matches!(foreign.status, StatusCode::NOT_FOUND | StatusCode::FORBIDDEN),
                "{route}: {}",
                foreign.status
            );
            assert_eq!(foreign.without_request_id(), unknown.without_request_id(), "{route} by {}", account.email);
        }
    }
}

#[tokio::test]
async fn an_id_that_is_none_looks_like_one_that_does_not_exist() {
    let app = App::start().await;
    let mut provider = app.signed_in(&app.riverside.provider).await;
    for id in ["1", "..%2f..%2fetc", "00000000-0000-0000-0000-00000000000g", "%00"] {
        provider.get(&format!("/api/v1/visits/{id}")).await.refuses(StatusCode::NOT_FOUND, "not_found");
    }
}

struct Ids {
    appointment: Uuid,
    visit: Uuid,
    recording: Uuid,
    patient: Uuid,
}

/// Riverside with everyone in it, one visit that was recorded, and somebody from Lakeside.
struct Clinic {
    app: Arc<App>,
    ids: Ids,
    signed_in: BTreeMap<&'static str, Browser>,
}

impl Clinic {
    async fn open() -> Self {
        let app = App::start().await;
        let (talked, other) = (app.riverside.visits[0].clone(), app.riverside.visits[1].clone());
        let recording = story::recorded_visit(&app, &talked).await.recording;
        story::composed(&app, recording, vec![1; 1_000]).await;
        let patient = app.patient_of(&talked);
        let nurse = app.hire("Nia Nurse", Role::Nurse, &[patient, app.patient_of(&other)]).await;
        let colleague = app.hire("Cole League", Role::Provider, &[]).await;
        let operator = app.hire("Olga Operator", Role::SuperAdmin, &[]).await;
        let mut signed_in = BTreeMap::new();
        for (actor, account) in [
            ("provider", &app.riverside.provider),
            ("colleague", &colleague),
            ("nurse", &nurse),
            ("front_desk", &app.riverside.front_desk),
            ("clinic_admin", &app.riverside.clinic_admin),
            ("compliance", &app.riverside.compliance),
            ("super_admin", &operator),
            ("foreign", &app.lakeside.provider),
        ] {
            signed_in.insert(actor, app.signed_in(account).await);
        }
        let ids = Ids {
            appointment: other.appointment_id.0,
            visit: talked.visit_id.0,
            recording: recording.0,
            patient: patient.0,
        };
        Self { app, ids, signed_in }
    }

    async fn browser(&self, actor: &str) -> Browser {
        match actor {
            "nobody" => self.app.browser(),
            "patient" => self.app.patient(0).await,
            staff => self.signed_in[staff].clone(),
        }
    }

    /// A request that is as it should be, but for who makes it.
    async fn call(&self, browser: &mut Browser, route: &str, ids: &Ids) -> Answer {
        let (method, template) = route.split_once(' ').unwrap();
        let id = match template {
            path if path.contains("/appointments/") => ids.appointment,
            path if path.contains("/recordings/") => ids.recording,
            path if path.contains("/patients/") => ids.patient,
            _ => ids.visit,
        };
        let path = template.replace("{id}", &id.to_string());
        let key = Uuid::now_v7().to_string();
        let headers = [("if-match", "\"0\""), ("idempotency-key", key.as_str())];
        let body = self.body(template, method, ids).map(|body| body.to_string());
        browser.send(method.parse::<Method>().unwrap(), &path, &headers, body).await
    }

    fn body(&self, template: &str, method: &str, ids: &Ids) -> Option<Value> {
        match template.strip_prefix("/api/v1").unwrap() {
            "/join/location" => Some(join::location()),
            "/join/consent" => Some(json!({"text_version": "none", "lang": "en"})),
            "/appointments" => {
                let mut booking = booking::booking(&self.app);
                booking["patient_id"] = json!(ids.patient);
                booking["provider_id"] = json!(self.app.provider);
                Some(booking)
            }
            "/visits/{id}/note" if method == "PUT" => Some(json!({"body": "Lungs clear."})),
            "/visits/{id}/note/addenda" => Some(json!({"body": "Called back."})),
            "/audit/findings/{id}/review" => Some(json!({"note": "Looked into it."})),
            "/audit/rules" if method == "PUT" => Some(crate::audit::rules()),
            _ => None,
        }
    }
}
