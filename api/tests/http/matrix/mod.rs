//! Who may do what, on every route there is, by the matrix of roles. A route without a row in its area's file fails.

mod account;
mod assignment;
mod attachments;
mod audit;
mod compliance;
mod day;
mod guest;
mod join;
mod keys;
mod patients;
mod portal;
mod quality;
mod queue;
mod row;
mod site;
mod staff;
mod visits;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use axum::http::{Method, StatusCode};
use uuid::Uuid;
use visit::Role;

use self::row::{ACTORS, Ids, Row};
use crate::app::{Answer, App, Browser};
use crate::document::Document;
use crate::{mail, story};

/// Every row there is.
fn rows() -> impl Iterator<Item = &'static Row> {
    [
        account::ROWS,
        attachments::ROWS,
        audit::ROWS,
        compliance::ROWS,
        day::ROWS,
        join::ROWS,
        keys::ROWS,
        patients::ROWS,
        quality::ROWS,
        queue::ROWS,
        site::ROWS,
        staff::ROWS,
        visits::ROWS,
        portal::ROWS,
        guest::ROWS,
        portal::LAST,
    ]
    .into_iter()
    .flatten()
}

#[test]
fn every_documented_route_has_a_row_in_the_matrix() {
    let documented: BTreeSet<String> =
        Document::served().operations().iter().map(|(method, path)| format!("{method} {path}")).collect();
    let mut written = BTreeSet::new();
    for row in rows() {
        assert!(written.insert(row.route.to_owned()), "{} has two rows", row.route);
        assert!(row.cells == "*" || row.cells.len() == ACTORS.len(), "{}: a cell per actor", row.route);
    }
    let without: Vec<&String> = documented.difference(&written).collect();
    assert!(without.is_empty(), "no row in tests/http/matrix: {without:?}");
    let gone: Vec<&String> = written.difference(&documented).collect();
    assert!(gone.is_empty(), "no such route: {gone:?}");
}

#[tokio::test]
async fn every_route_answers_every_role_as_the_matrix_says() {
    let clinic = Clinic::open().await;
    let mut wrong = Vec::new();
    for row in rows().filter(|row| row.cells != "*") {
        for (actor, cell) in ACTORS.iter().zip(row.cells.chars()) {
            let mut browser = clinic.browser(actor).await;
            let answer = clinic.call(&mut browser, row, &clinic.ids).await;
            let refused = |status, code| answer.status == status && answer.json()["code"] == code;
            let as_said = match cell {
                's' => answer.status == StatusCode::UNAUTHORIZED,
                'r' => refused(StatusCode::FORBIDDEN, "forbidden"),
                'f' => refused(StatusCode::FORBIDDEN, "second_factor.stale"),
                'h' => refused(StatusCode::NOT_FOUND, "not_found"),
                '+' => {
                    answer.status.is_success()
                        || matches!(answer.status, StatusCode::CONFLICT | StatusCode::PRECONDITION_FAILED)
                }
                _ => false,
            };
            if !as_said {
                wrong.push(format!("{} by {actor}: {cell} expected, got {}", row.route, answer.status));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn another_clinics_ids_answer_exactly_like_ids_that_do_not_exist() {
    let clinic = Clinic::open().await;
    let nothing = Ids::unknown();
    let lakeside = &clinic.app.lakeside;
    for account in [&lakeside.provider, &lakeside.front_desk, &lakeside.clinic_admin, &lakeside.compliance] {
        let mut browser = clinic.app.signed_in(account).await;
        for row in rows().filter(|row| row.cells.ends_with('h')) {
            let foreign = clinic.call(&mut browser, row, &clinic.ids).await;
            let unknown = clinic.call(&mut browser, row, &nothing).await;
            assert!(
                matches!(foreign.status, StatusCode::NOT_FOUND | StatusCode::FORBIDDEN),
                "{}: {}",
                row.route,
                foreign.status
            );
            assert_eq!(
                foreign.without_request_id(),
                unknown.without_request_id(),
                "{} by {}",
                row.route,
                account.email
            );
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
        // Who is due first goes by the hour: it can be any of them.
        let due = [patient, app.patient_of(&other)];
        let other_patient =
            app.riverside.patients.iter().map(|one| one.patient_id).find(|id| !due.contains(id)).unwrap();
        let nurse = app.hire("Nia Nurse", Role::Nurse, &[patient, app.patient_of(&other)]).await;
        let colleague = app.hire("Cole League", Role::Provider, &[]).await;
        let second = app.hire("Carl Colleague", Role::Provider, &[]).await;
        let operator = app.hire("Olga Operator", Role::SuperAdmin, &[]).await;
        let mut signed_in = BTreeMap::new();
        // Each sign-in takes 30 s. Those who need a fresh second factor come last.
        for (actor, account) in [
            ("front_desk", &app.riverside.front_desk),
            ("clinic_admin", &app.riverside.clinic_admin),
            ("compliance", &app.riverside.compliance),
            ("super_admin", &operator),
            ("foreign", &app.lakeside.provider),
            ("provider", &app.riverside.provider),
            ("colleague", &colleague),
            ("nurse", &nurse),
        ] {
            signed_in.insert(actor, app.signed_in(account).await);
        }
        signed_in.insert("portal", crate::portal::signed_in(&app, 0).await);
        let provider = signed_in.get_mut("provider").unwrap();
        let (_, interpreter) = crate::guests::invited(provider, talked.visit_id).await;
        let (guest, _) = crate::guests::invited(provider, talked.visit_id).await;
        let guardian = crate::portal::guardian(&app, provider, patient).await;
        signed_in.insert("guardian", guardian);
        signed_in.insert("interpreter", crate::guests::arrived(&app, &interpreter).await);
        let reason = serde_json::json!({"reason": "found unconscious in the lobby"});
        let path = format!("/api/v1/patients/{}/emergency-access", patient.0);
        let opened = app.signed_in(&second).await.post(&path, reason).await.is(StatusCode::CREATED).json();
        app.hire("Quinn Quiet", Role::Nurse, &[]).await;
        let list = signed_in["clinic_admin"].clone().get("/api/v1/staff").await.is(StatusCode::OK).json();
        let quiet = list["items"].as_array().unwrap().iter().find(|item| item["name"] == "Quinn Quiet").unwrap();
        let path = format!("/api/v1/patients/{patient}/attachments");
        let letter = crate::attachments::send(
            signed_in.get_mut("provider").unwrap(),
            &path,
            "application/pdf",
            "x",
            crate::attachments::PDF,
        );
        let attachment =
            letter.await.is(StatusCode::CREATED).json()["attachment_id"].as_str().unwrap().parse().unwrap();
        let ids = Ids {
            appointment: other.appointment_id.0,
            visit: talked.visit_id.0,
            recording: recording.0,
            patient: patient.0,
            staff: quiet["id"].as_str().unwrap().parse().unwrap(),
            mail: mail::dead(&app).await,
            other_patient: other_patient.0,
            emergency_access: opened["emergency_access_id"].as_str().unwrap().parse().unwrap(),
            attachment,
            guest,
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
    async fn call(&self, browser: &mut Browser, row: &Row, ids: &Ids) -> Answer {
        let (method, template) = row.route.split_once(' ').unwrap();
        let path =
            template.replace("{id}", &(row.id)(ids).to_string()).replace("{entry}", &ids.entry(template).to_string());
        let path = row.query.map_or(path.clone(), |(name, of)| format!("{path}?{name}={}", of(ids)));
        let key = Uuid::now_v7().to_string();
        let mut headers = vec![("if-match", "\"0\""), ("idempotency-key", key.as_str())];
        let mut body = (row.body)(&self.app, ids).map(|body| body.to_string());
        let length = row.file.map_or(0, |(_, bytes)| bytes.len()).to_string();
        if let Some((media_type, bytes)) = row.file {
            headers.extend([("content-type", media_type), ("content-length", length.as_str())]);
            body = Some(std::str::from_utf8(bytes).unwrap().to_owned());
        }
        browser.send(method.parse::<Method>().unwrap(), &path, &headers, body).await
    }
}
