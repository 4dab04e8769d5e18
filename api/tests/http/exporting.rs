//! The whole record as a file: FHIR that a validator takes, PDFs that a reader opens, and an entry in the log.

use std::io::{Cursor, Read as _, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};

use axum::http::StatusCode;
use serde_json::{Value, json};
use uuid::Uuid;
use zip::ZipArchive;

use crate::attachments::PDF;

use crate::app::{App, Browser};
use crate::story;

struct Exported(ZipArchive<Cursor<Vec<u8>>>);

impl Exported {
    async fn by(browser: &mut Browser, path: &str, wanted: Value) -> Self {
        let answer = browser.post(path, wanted).await.is(StatusCode::OK);
        assert_eq!(answer.header("content-type"), "application/zip");
        assert_eq!(answer.header("content-disposition"), "attachment; filename=\"record.zip\"");
        Self(ZipArchive::new(Cursor::new(answer.bytes)).unwrap())
    }

    fn names(&self) -> Vec<String> {
        self.0.file_names().map(|name| name.unwrap().into_owned()).collect()
    }

    fn file(&mut self, name: &str) -> Vec<u8> {
        let mut content = Vec::new();
        self.0.by_name(name).unwrap().read_to_end(&mut content).unwrap();
        content
    }

    /// What a person reads on the pages.
    fn page(&mut self, name: &str) -> String {
        let content = self.file(name);
        assert!(content.starts_with(b"%PDF-"));
        piped(Command::new("pdftotext").args(["-layout", "-", "-"]), &content)
    }

    /// How many resources of each kind, after each was checked.
    fn checked_kinds(&mut self) -> Value {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let tools = Command::new(here.join("../scripts/test-tools")).output().unwrap();
        let tools = String::from_utf8(tools.stdout).unwrap();
        let python = Path::new(tools.trim()).join("python3");
        let bundle = self.file("fhir/bundle.json");
        serde_json::from_str(&piped(Command::new(python).arg(here.join("tests/check_fhir.py")), &bundle)).unwrap()
    }
}

fn piped(command: &mut Command, input: &[u8]) -> String {
    let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = child.expect("run `scripts/setup test` for the programs that tests use");
    let (mut stdin, input) = (child.stdin.take().unwrap(), input.to_vec());
    let writer = std::thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// A patient with a visit that was recorded, a signed note with an addendum, and something on every list.
struct Told {
    app: std::sync::Arc<App>,
    provider: Browser,
    path: String,
}

impl Told {
    async fn new() -> Self {
        let app = App::start().await;
        let visit = app.riverside.visits[0].clone();
        let recording = story::recorded_visit(&app, &visit).await.recording;
        story::composed(&app, recording, vec![7; 200_000]).await;
        app.shelf.put(recording, vec![7; 200_000]);
        let mut provider = app.signed_in(&app.riverside.provider).await;
        let note = format!("/api/v1/visits/{}/note", visit.visit_id.0);
        let body = json!({"body": "Lungs clear.\n\nRevisión en diez días: ñandú, ¿todo bien?"});
        provider.put(&note, &[("if-match", "\"0\"")], body).await.is(StatusCode::OK);
        provider
            .send(axum::http::Method::POST, &format!("{note}/sign"), &[("if-match", "\"1\"")], None)
            .await
            .is(StatusCode::OK);
        provider.post(&format!("{note}/addenda"), json!({"body": "Called back."})).await.is(StatusCode::CREATED);
        let path = format!("/api/v1/patients/{}", app.patient_of(&visit).0);
        let referral = format!("{path}/attachments?category=referral");
        let letter = crate::attachments::send(&mut provider, &referral, "application/pdf", "Dr%20Gr%C3%BCn.pdf", PDF);
        letter.await.is(StatusCode::CREATED);
        for (list, entry) in [
            (
                "allergy",
                json!({"substance": "Latex", "severity": "severe", "criticality": "high", "status": "active", "verification": "confirmed"}),
            ),
            ("condition", json!({"text": "Asthma", "icd10": "J45.20", "status": "active", "onset": "1996"})),
            (
                "condition",
                json!({"text": "Pneumonia", "status": "resolved", "onset": "2019-01", "abatement": "2019-02"}),
            ),
            (
                "medication",
                json!({"name": "Albuterol", "rxnorm": "745679", "dose": "2 puffs", "route": "inhaled", "frequency": "as needed", "status": "on_hold", "starts_on": "2020"}),
            ),
            (
                "immunization",
                json!({"vaccine": "Influenza", "cvx": "150", "given_on": "2025-10-06", "lot": "A1", "site": "left arm"}),
            ),
            ("procedure", json!({"procedure": "Appendectomy", "performed_on": "2004-08", "note": "No complications."})),
            ("procedure", json!({"procedure": "Not this one"})),
        ] {
            let at = format!("{path}/clinical/{}", Uuid::now_v7());
            let body = json!({"list": list, "entry": entry});
            provider.put(&at, &[("if-match", "\"0\"")], body.clone()).await.is(StatusCode::OK);
            if entry["procedure"] == "Not this one" {
                let mark = json!({"entered_in_error": true, "reason": "wrong chart"});
                provider.put(&format!("{at}/error"), &[("if-match", "\"1\"")], mark).await.is(StatusCode::OK);
            }
        }
        Self { app, provider, path }
    }

    async fn export(&mut self, wanted: Value) -> Exported {
        // Just now, for what needs a fresh second factor.
        self.provider = self.app.signed_in(&self.app.riverside.provider).await;
        Exported::by(&mut self.provider, &format!("{}/export", self.path), wanted).await
    }
}

#[tokio::test]
async fn every_resource_of_the_bundle_is_valid_fhir_and_refers_to_nothing_outside() {
    let mut told = Told::new().await;
    let mut file = told.export(json!({"lang": "en"})).await;
    let kinds = file.checked_kinds();
    let count = |kind: &str| kinds[kind].as_u64().unwrap_or(0);
    assert_eq!((count("Patient"), count("DocumentReference")), (1, 2), "a note and a letter");
    for kind in [
        "Coverage",
        "AllergyIntolerance",
        "Condition",
        "MedicationStatement",
        "Immunization",
        "Procedure",
        "Appointment",
        "Encounter",
        "Consent",
    ] {
        assert!(count(kind) >= 1, "{kind}: {kinds}");
    }
    assert!(count("AuditEvent") > 10, "who saw and changed it: {kinds}");
    let bundle: Value = serde_json::from_slice(&file.file("fhir/bundle.json")).unwrap();
    let of = |kind: &str| {
        let all = bundle["entry"].as_array().unwrap();
        all.iter().map(|entry| entry["resource"].clone()).filter(|one| one["resourceType"] == kind).collect::<Vec<_>>()
    };
    let latex = of("AllergyIntolerance").into_iter().find(|one| one["code"]["text"] == "Latex").unwrap();
    assert_eq!((&latex["criticality"], &latex["reaction"][0]["severity"]), (&json!("high"), &json!("severe")));
    let held = of("MedicationStatement")
        .into_iter()
        .find(|one| one["medicationCodeableConcept"]["text"] == "Albuterol")
        .unwrap();
    assert_eq!(held["status"], "on-hold");
    assert_eq!(held["medicationCodeableConcept"]["coding"][0]["code"], "745679");
    let wrong = of("Procedure").into_iter().find(|one| one["code"]["text"] == "Not this one").unwrap();
    assert_eq!(wrong["status"], "entered-in-error");
}

#[tokio::test]
async fn the_pages_can_be_read_and_say_what_is_on_record_in_both_languages() {
    let mut told = Told::new().await;
    let mut file = told.export(json!({"lang": "en"})).await;
    let summary = file.page("summary.pdf");
    for said in [
        "Summary of the record",
        "Latex",
        "severe",
        "Asthma",
        "ICD-10-CM J45.20",
        "Albuterol",
        "on hold",
        "Appendectomy",
    ] {
        assert!(summary.contains(said), "{said} in:\n{summary}");
    }
    assert!(!summary.contains("Not this one"), "what was an error is left out");
    let name = file.names().into_iter().find(|name| name.starts_with("notes/")).unwrap();
    let note = file.page(&name);
    for said in [
        "Visit note",
        "Lungs clear.",
        "Revisión en diez días: ñandú, ¿todo bien?",
        "Addendum",
        "Called back.",
        "Dr. Maya Chen",
    ] {
        assert!(note.contains(said), "{said} in:\n{note}");
    }
    assert!(String::from_utf8(file.file("README.txt")).unwrap().contains("HL7 FHIR R4"));
    let more: Value = serde_json::from_slice(&file.file("more.json")).unwrap();
    assert_eq!(more["chat"][0]["text"], "I have a rash");
    assert_eq!(more["recordings"][0]["bytes"], 200_000);
    assert_eq!(more["entered_in_error"][0]["reason"], "wrong chart");
    let mut spanish = told.export(json!({"lang": "es"})).await;
    let summary = spanish.page("summary.pdf");
    for said in ["Resumen del expediente", "Alergias", "en pausa", "Antecedentes quirúrgicos"] {
        assert!(summary.contains(said), "{said} in:\n{summary}");
    }
}

#[tokio::test]
async fn documents_go_along_as_they_are_and_checksums_with_everything() {
    let mut told = Told::new().await;
    let path = format!("{}/attachments", told.path);
    let second = crate::attachments::send(&mut told.provider, &path, "application/pdf", "gone.pdf", PDF);
    let second = second.await.is(StatusCode::CREATED).json()["attachment_id"].as_str().unwrap().to_owned();
    told.provider.delete(&format!("/api/v1/attachments/{second}")).await.is(StatusCode::NO_CONTENT);
    told.app.share_recordings().await;
    let mut file = told.export(json!({"lang": "en", "recordings": true})).await;
    let documents: Vec<String> = file.names().into_iter().filter(|name| name.starts_with("documents/")).collect();
    assert_eq!(documents.len(), 1, "what was taken off the record is not in it: {documents:?}");
    assert_eq!(file.file(&documents[0]), PDF);
    let bundle: Value = serde_json::from_slice(&file.file("fhir/bundle.json")).unwrap();
    let letter = bundle["entry"].as_array().unwrap().iter().map(|entry| &entry["resource"]);
    let letter = letter.filter(|one| one["content"][0]["attachment"]["url"] == documents[0].as_str());
    let letter: Vec<&Value> = letter.collect();
    assert_eq!(letter.len(), 1);
    let attachment = &letter[0]["content"][0]["attachment"];
    assert_eq!((&attachment["title"], &attachment["size"]), (&json!("Dr Grün.pdf"), &json!(PDF.len())));
    assert_eq!(
        (&letter[0]["type"]["text"], &letter[0]["author"][0]["display"]),
        (&json!("referral"), &json!("Dr. Maya Chen"))
    );

    let sums = String::from_utf8(file.file("SHA256SUMS")).unwrap();
    let mut summed = Vec::new();
    for line in sums.lines() {
        let (hash, name) = line.split_once("  ").unwrap();
        let found = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &file.file(name));
        assert_eq!(hex::encode(found), hash, "{name}");
        summed.push(name.to_owned());
    }
    summed.push("SHA256SUMS".to_owned());
    summed.sort();
    let mut names = file.names();
    names.sort();
    assert_eq!(summed, names);
}

#[tokio::test]
async fn a_document_that_is_not_the_one_on_record_breaks_the_export() {
    let mut told = Told::new().await;
    told.app.cabinet.forge(b"%PDF-1.4 something else");
    told.provider = told.app.signed_in(&told.app.riverside.provider).await;
    let path = format!("{}/export", told.path);
    let body = told.provider.broken(&path, json!({"lang": "en"})).await;
    assert!(ZipArchive::new(Cursor::new(body)).is_err(), "half a record is no archive");
}

#[tokio::test]
async fn recordings_go_along_only_if_the_clinic_shares_them_and_somebody_asks() {
    let mut told = Told::new().await;
    let with = json!({"lang": "en", "recordings": true});
    assert!(told.export(with.clone()).await.names().iter().all(|name| !name.starts_with("recordings/")));
    told.app.share_recordings().await;
    assert!(told.export(json!({"lang": "en"})).await.names().iter().all(|name| !name.starts_with("recordings/")));
    let mut file = told.export(with).await;
    let name = file.names().into_iter().find(|name| name.starts_with("recordings/")).unwrap();
    assert_eq!(file.file(&name), vec![7; 200_000]);
}

#[tokio::test]
async fn an_export_is_in_the_log_and_a_colleague_gets_none() {
    let mut told = Told::new().await;
    told.export(json!({"lang": "en"})).await;
    let mut compliance = told.app.signed_in(&told.app.riverside.compliance).await;
    let log = compliance.get("/api/v1/audit?action=patient.export").await.is(StatusCode::OK).json();
    assert_eq!(log["items"].as_array().unwrap().len(), 1);
    assert_eq!(
        (&log["items"][0]["actor_name"], &log["items"][0]["outcome"]),
        (&json!("Dr. Maya Chen"), &json!("allowed"))
    );
    let colleague = told.app.hire("Cole League", visit::Role::Provider, &[]).await;
    let mut colleague = told.app.signed_in(&colleague).await;
    let path = format!("{}/export", told.path);
    colleague.post(&path, json!({"lang": "en"})).await.refuses(StatusCode::NOT_FOUND, "not_found");
    let mut desk = told.app.signed_in(&told.app.riverside.front_desk).await;
    desk.post(&path, json!({"lang": "en"})).await.refuses(StatusCode::FORBIDDEN, "forbidden");
}
