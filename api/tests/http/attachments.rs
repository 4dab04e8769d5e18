//! Documents of a patient's record: sent, checked, kept, handed out, taken off.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex};

use api::{AttachmentFiles, Clamd, FileKey, MediaError, Opening, SeekableMedia, Storing};
use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use serde_json::Value;
use visit::AttachmentId;

use crate::app::{Answer, App, Browser, ORIGIN};

type Drawers = BTreeMap<AttachmentId, (FileKey, Vec<u8>)>;

/// Documents in memory, in the place of sealed files. A key that differs does not open.
#[derive(Clone, Default)]
pub struct Cabinet(Arc<Mutex<Drawers>>);

impl Cabinet {
    fn drawers(&self) -> std::sync::MutexGuard<'_, Drawers> {
        self.0.lock().unwrap()
    }
}

impl Cabinet {
    /// Somebody with a hand in the data folder, and the keys, puts something else in the place of every document.
    pub fn forge(&self, with: &[u8]) {
        for (_, bytes) in self.drawers().values_mut() {
            *bytes = with.to_vec();
        }
    }
}

impl AttachmentFiles for Cabinet {
    fn store(&self, attachment: AttachmentId, key: FileKey, bytes: Vec<u8>) -> Storing<'_> {
        self.drawers().insert(attachment, (key, bytes));
        Box::pin(async { Ok(()) })
    }

    fn open(&self, attachment: AttachmentId, key: FileKey) -> Opening<'_> {
        let found = self.drawers().get(&attachment).map(|(kept, bytes)| (*kept == key, bytes.clone()));
        Box::pin(async move {
            match found {
                None => Ok(None),
                Some((false, _)) => Err(MediaError("the key is another".into())),
                Some((true, bytes)) => Ok(Some(Box::new(Paper(bytes)) as Box<dyn SeekableMedia>)),
            }
        })
    }

    fn discard(&self, attachment: AttachmentId) {
        self.drawers().remove(&attachment);
    }
}

struct Paper(Vec<u8>);

impl SeekableMedia for Paper {
    fn byte_len(&self) -> u64 {
        self.0.len() as u64
    }

    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let from = usize::try_from(offset).unwrap().min(self.0.len());
        let count = buffer.len().min(self.0.len() - from).min(1_000);
        buffer[..count].copy_from_slice(&self.0[from..from + count]);
        Ok(count)
    }
}

/// The smallest letter there is.
pub const PDF: &[u8] = b"%PDF-1.4\n1 0 obj <</Type /Catalog>> endobj\ntrailer <</Root 1 0 R>>\n%%EOF\n";

pub async fn send(browser: &mut Browser, path: &str, kind: &str, name: &str, bytes: &[u8]) -> Answer {
    let request = Request::post(path)
        .header("origin", ORIGIN)
        .header("content-type", kind)
        .header("content-length", bytes.len())
        .header("x-file-name", name);
    browser.raw(request.body(Body::from(bytes.to_vec())).unwrap()).await
}

fn of(app: &App) -> String {
    format!("/api/v1/patients/{}/attachments", app.patient_of(&app.riverside.visits[0]))
}

async fn logged(app: &Arc<App>, action: &str) -> Vec<Value> {
    let mut compliance = app.signed_in(&app.riverside.compliance).await;
    let log = compliance.get(&format!("/api/v1/audit?action={action}")).await.is(StatusCode::OK).json();
    log["items"].as_array().unwrap().clone()
}

#[tokio::test]
async fn a_letter_is_sent_listed_handed_out_as_a_download_and_taken_off() {
    let app = App::start().await;
    let mut provider = app.signed_in(&app.riverside.provider).await;
    let list = of(&app);
    assert_eq!(provider.get(&list).await.is(StatusCode::OK).json()["items"], serde_json::json!([]));
    let sent = format!("{list}?category=referral");
    let name = "..%2F%E2%80%AE%C3%9Cberweisung.exe";
    let kept = send(&mut provider, &sent, "application/pdf", name, PDF).await.is(StatusCode::CREATED).json();
    assert_eq!(kept["file_name"], "Überweisung.pdf");
    let listed = provider.get(&list).await.is(StatusCode::OK).json();
    let item = &listed["items"][0];
    assert_eq!(item["attachment_id"], kept["attachment_id"]);
    assert_eq!((item["category"].as_str(), item["bytes"].as_u64()), (Some("referral"), Some(PDF.len() as u64)));
    assert_eq!(item["uploaded_by"], app.riverside.provider.name);
    let path = format!("/api/v1/attachments/{}", kept["attachment_id"].as_str().unwrap());
    let got = provider.get(&path).await.is(StatusCode::OK);
    assert_eq!((got.header("content-type"), &got.bytes[..]), ("application/pdf", PDF));
    assert!(got.header("content-disposition").starts_with("attachment; filename="), "{got:?}");
    assert!(got.header("content-security-policy").starts_with("sandbox; default-src 'none'"));
    provider.delete(&path).await.is(StatusCode::NO_CONTENT);
    provider.get(&path).await.refuses(StatusCode::NOT_FOUND, "not_found");
    provider.delete(&path).await.is(StatusCode::NO_CONTENT);
    assert_eq!(provider.get(&list).await.json()["items"], serde_json::json!([]));
    assert_eq!(app.cabinet.drawers().len(), 1, "kept out of reach, as the record is");
    for (action, rows) in
        [("attachment.upload", 1), ("attachment.read", 1), ("attachment.delete", 2), ("attachment.list", 3)]
    {
        let logged = logged(&app, action).await;
        let allowed = logged.iter().filter(|row| row["outcome"] == "allowed");
        assert_eq!(allowed.count(), rows, "{action}: {logged:?}");
        assert!(logged.iter().all(|row| row["outcome"] != "allowed" || row["patient_id"].is_string()));
    }
}

#[tokio::test]
async fn what_is_refused_leaves_a_line_in_the_log_and_nothing_else() {
    let app = App::start().await;
    let mut provider = app.signed_in(&app.riverside.provider).await;
    let path = format!("{}?category=other", of(&app));
    let html = b"<!doctype html><script>alert(1)</script>";
    let evil = b"%PDF-1.4\n1 0 obj <</S /JavaScript>> endobj\n%%EOF";
    for (kind, bytes, status, code, reason) in [
        ("text/html", &html[..], StatusCode::UNSUPPORTED_MEDIA_TYPE, "upload.type_not_allowed", "type_not_allowed"),
        ("image/svg+xml", b"<svg/>", StatusCode::UNSUPPORTED_MEDIA_TYPE, "upload.type_not_allowed", "type_not_allowed"),
        ("image/png", html, StatusCode::UNPROCESSABLE_ENTITY, "upload.refused", "type_mismatch"),
        ("application/pdf", evil, StatusCode::UNPROCESSABLE_ENTITY, "upload.refused", "pdf_active"),
        ("image/png", b"", StatusCode::UNPROCESSABLE_ENTITY, "upload.refused", "empty"),
    ] {
        let answer = send(&mut provider, &path, kind, "x", bytes).await.refuses(status, code);
        if code == "upload.refused" {
            assert_eq!(answer.json()["reason"], reason);
        }
        let last = &logged(&app, "attachment.upload").await[0];
        assert_eq!((last["outcome"].as_str(), last["reason"].as_str()), (Some("failed"), Some(reason)));
    }
    assert!(app.cabinet.drawers().is_empty());
    let large = Request::post(&path).header("origin", ORIGIN).header("content-type", "image/png");
    let large = large.header("content-length", 21 * 1024 * 1024).body(Body::empty()).unwrap();
    let large = provider.raw(large).await.refuses(StatusCode::PAYLOAD_TOO_LARGE, "upload.too_large");
    assert_eq!(large.json()["max_bytes"], 20 * 1024 * 1024);
    let endless = Request::post(&path).header("origin", ORIGIN).header("content-type", "image/png");
    let endless = endless.body(Body::from("x")).unwrap();
    provider.raw(endless).await.refuses(StatusCode::LENGTH_REQUIRED, "upload.length_required");
    let unknown = path.replace("other", "secret");
    send(&mut provider, &unknown, "application/pdf", "x", PDF)
        .await
        .refuses(StatusCode::UNPROCESSABLE_ENTITY, "request.invalid");
}

#[tokio::test]
async fn the_eleventh_document_in_a_minute_must_wait() {
    let app = App::start().await;
    let mut provider = app.signed_in(&app.riverside.provider).await;
    let path = format!("{}?category=other", of(&app));
    for _ in 0..10 {
        send(&mut provider, &path, "application/pdf", "x", PDF).await.is(StatusCode::CREATED);
    }
    let refused = send(&mut provider, &path, "application/pdf", "x", PDF).await;
    refused.refuses(StatusCode::TOO_MANY_REQUESTS, "rate_limited");
    provider.send(Method::GET, &of(&app), &[], None).await.is(StatusCode::OK);
}

#[tokio::test]
async fn a_document_of_another_patient_or_clinic_is_not_there() {
    let app = App::start().await;
    let mut provider = app.signed_in(&app.riverside.provider).await;
    let kept = send(&mut provider, &format!("{}?category=photo", of(&app)), "application/pdf", "x", PDF).await.json();
    let path = format!("/api/v1/attachments/{}", kept["attachment_id"].as_str().unwrap());
    let colleague = app.hire("Cole League", visit::Role::Provider, &[]).await;
    for account in [&colleague, &app.lakeside.provider, &app.lakeside.compliance] {
        let mut other = app.signed_in(account).await;
        other.get(&path).await.refuses(StatusCode::NOT_FOUND, "not_found");
        other.get(&of(&app)).await.refuses(StatusCode::NOT_FOUND, "not_found");
    }
    let sent = send(
        &mut app.signed_in(&colleague).await,
        &format!("{}?category=photo", of(&app)),
        "application/pdf",
        "x",
        PDF,
    )
    .await;
    sent.refuses(StatusCode::NOT_FOUND, "not_found");
    assert_eq!(app.cabinet.drawers().len(), 1);
}

#[tokio::test]
async fn patients_and_guardians_send_list_and_take_out_documents_of_their_record_and_no_other() {
    let app = App::start().await;
    let (mine, theirs) = (app.patient_of(&app.riverside.visits[0]), app.patient_of(&app.riverside.visits[1]));
    let mut desk = app.signed_in(&app.riverside.front_desk).await;
    let ruth = crate::portal::guardian(&app, &mut desk, mine).await;
    let of = |patient| format!("/api/v1/portal/patients/{patient}/attachments");
    let mut kept = Vec::new();
    for (n, mut me) in [crate::portal::signed_in(&app, 0).await, ruth].into_iter().enumerate() {
        let sent = send(&mut me, &format!("{}?category=photo", of(mine)), "application/pdf", "rash.pdf", PDF).await;
        let id = sent.is(StatusCode::CREATED).json()["attachment_id"].as_str().unwrap().to_owned();
        let list = me.get(&of(mine)).await.is(StatusCode::OK).json();
        assert_eq!(list["items"].as_array().unwrap().len(), n + 1);
        assert_eq!((&list["items"][0]["uploaded_by"], &list["items"][0]["category"]), (&Value::Null, &"photo".into()));
        let got = me.get(&format!("/api/v1/portal/attachments/{id}?patient={mine}")).await.is(StatusCode::OK);
        assert_eq!(got.bytes, PDF);
        assert!(got.header("content-disposition").starts_with("attachment; filename=\"rash.pdf\""));
        // Checked like the clinic's own, and refused with the same words.
        let html = send(&mut me, &of(mine), "text/html", "x", b"<script>").await;
        html.refuses(StatusCode::UNSUPPORTED_MEDIA_TYPE, "upload.type_not_allowed");
        let evil =
            send(&mut me, &of(mine), "application/pdf", "x", b"%PDF-1.4\n1 0 obj <</S /JavaScript>> endobj\n%%EOF")
                .await;
        evil.refuses(StatusCode::UNPROCESSABLE_ENTITY, "upload.refused");
        // Nothing of anybody else's, whoever's record it is said to be.
        send(&mut me, &of(theirs), "application/pdf", "x", PDF).await.refuses(StatusCode::NOT_FOUND, "not_found");
        me.get(&of(theirs)).await.refuses(StatusCode::NOT_FOUND, "not_found");
        kept.push(id);
    }
    let mut other = crate::portal::signed_in(&app, 1).await;
    for patient in [mine, theirs] {
        let path = format!("/api/v1/portal/attachments/{}?patient={patient}", kept[0]);
        other.get(&path).await.refuses(StatusCode::NOT_FOUND, "not_found");
    }
    // The clinic has it; taking it off is the clinic's alone.
    let mut provider = app.signed_in(&app.riverside.provider).await;
    let path = format!("/api/v1/attachments/{}", kept[0]);
    assert_eq!(provider.get(&path).await.is(StatusCode::OK).bytes, PDF);
    crate::portal::signed_in(&app, 2).await.delete(&path).await.refuses(StatusCode::UNAUTHORIZED, "signed_out");
    let uploads = logged(&app, "attachment.upload").await;
    let by: Vec<&str> = uploads
        .iter()
        .filter(|row| row["outcome"] == "allowed")
        .map(|row| row["actor_role"].as_str().unwrap())
        .collect();
    assert_eq!(by, ["guardian", "patient"]);
    assert_eq!(app.cabinet.drawers().len(), 2);
}

#[tokio::test]
async fn a_file_that_is_not_the_one_that_was_put_on_record_is_not_handed_out() {
    let app = App::start().await;
    let mut provider = app.signed_in(&app.riverside.provider).await;
    let kept = send(&mut provider, &format!("{}?category=photo", of(&app)), "application/pdf", "x", PDF).await.json();
    let id: AttachmentId = kept["attachment_id"].as_str().unwrap().parse().unwrap();
    app.cabinet.drawers().get_mut(&id).unwrap().1[20] ^= 1;
    provider.get(&format!("/api/v1/attachments/{id}")).await.refuses(StatusCode::INTERNAL_SERVER_ERROR, "internal");
}

/// A real ClamAV daemon with one signature, made here: that of the EICAR test file, which harms nobody.
struct Scanner {
    process: std::process::Child,
    folder: tempfile::TempDir,
}

impl Scanner {
    fn start() -> Self {
        use std::io::BufRead as _;
        use std::process::{Command, Stdio};
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../scripts/test-clamd");
        let found = Command::new(script).output().unwrap();
        assert!(found.status.success(), "{}", String::from_utf8_lossy(&found.stderr));
        let found = String::from_utf8(found.stdout).unwrap();
        let (libraries, program) = found.trim_end().split_once('\n').unwrap();
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path().display();
        let mut hex = String::new();
        for byte in eicar() {
            hex.push_str(&format!("{byte:02x}"));
        }
        std::fs::write(folder.path().join("local.ndb"), format!("Eicar-Test:0:*:{hex}\n")).unwrap();
        let config = format!("LocalSocket {at}/clamd\nDatabaseDirectory {at}\nForeground yes\nStreamMaxLength 25M\n");
        std::fs::write(folder.path().join("clamd.conf"), config).unwrap();
        let mut process = Command::new(program)
            .arg("--config-file")
            .arg(folder.path().join("clamd.conf"))
            .env("LD_LIBRARY_PATH", libraries)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = std::io::BufReader::new(process.stdout.take().unwrap()).lines().map(Result::unwrap);
        assert!(said.any(|line| line.starts_with("Self checking")), "clamd did not start");
        Self { process, folder }
    }

    fn address(&self) -> Clamd {
        Clamd::Unix(self.folder.path().join("clamd"))
    }

    fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

impl Drop for Scanner {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// In two halves, so that no scanner takes this file for infected.
fn eicar() -> Vec<u8> {
    [&br"X5O!P%@AP[4\PZX54(P^)7CC)7}$"[..], b"EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"].concat()
}

#[tokio::test]
async fn a_real_scanner_finds_what_it_knows_and_without_it_nothing_is_taken() {
    let mut scanner = Scanner::start();
    let app = App::start_scanning(scanner.address()).await;
    let mut provider = app.signed_in(&app.riverside.provider).await;
    let path = format!("{}?category=other", of(&app));
    send(&mut provider, &path, "application/pdf", "x", PDF).await.is(StatusCode::CREATED);
    let infected = [b"%PDF-1.4\n1 0 obj (", &eicar()[..], b") endobj\n%%EOF\n"].concat();
    let found = send(&mut provider, &path, "application/pdf", "x", &infected).await;
    let found = found.refuses(StatusCode::UNPROCESSABLE_ENTITY, "upload.refused");
    assert_eq!(found.json()["reason"], "infected");
    scanner.kill();
    let away = send(&mut provider, &path, "application/pdf", "x", PDF).await;
    away.refuses(StatusCode::SERVICE_UNAVAILABLE, "upload.not_scanned");
    assert_eq!(app.cabinet.drawers().len(), 1);
    let reasons: Vec<Value> = logged(&app, "attachment.upload").await.iter().map(|row| row["reason"].clone()).collect();
    assert_eq!(reasons[..2], [serde_json::json!("not_scanned"), serde_json::json!("infected")]);
    assert_eq!(reasons.len(), 3);
}
