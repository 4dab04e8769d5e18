//! Mail against a real mail server and a real outbox.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use api::{Clock, ManualClock};
use records::demo::DemoSite;
use records::testing::{OutboxRow, TestDatabase};
use serde_json::Value;
use tempfile::TempDir;
use time::OffsetDateTime;
use time::macros::datetime;
use visit::ClinicId;

use super::*;
use crate::config::Mail;

const NOW: OffsetDateTime = datetime!(2026-11-24 15:10:20 UTC);

/// `scripts/smtp-server.py`, which ends with the test.
struct MailServer {
    process: Child,
    said: BufReader<ChildStdout>,
    /// Closing it ends the server.
    stdin: Option<ChildStdin>,
    port: u16,
    folder: TempDir,
}

impl MailServer {
    fn start(arguments: &[&str]) -> Self {
        let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts");
        let tools = Command::new(scripts.join("test-tools")).output().expect("scripts/test-tools runs");
        assert!(tools.status.success(), "{}", String::from_utf8_lossy(&tools.stderr));
        let python = Path::new(String::from_utf8(tools.stdout).unwrap().trim()).join("python");
        let folder = tempfile::tempdir().unwrap();
        let mut process = Command::new(python)
            .arg(scripts.join("smtp-server.py"))
            .arg(folder.path())
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the mail server starts");
        let stdin = process.stdin.take();
        let said = BufReader::new(process.stdout.take().unwrap());
        let mut server = Self { process, said, stdin, port: 0, folder };
        server.port = u16::try_from(server.next()["port"].as_u64().unwrap()).unwrap();
        server
    }

    /// What it says next.
    fn next(&mut self) -> Value {
        let mut line = String::new();
        self.said.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"))
    }

    /// The next mail that it takes, in text with unfolded headers.
    fn taken(&mut self) -> String {
        let said = self.next();
        let file = said["taken"].as_str().unwrap_or_else(|| panic!("{said}"));
        std::fs::read_to_string(file).unwrap().replace("\r\n ", " ")
    }

    fn stop(&mut self) {
        drop(self.stdin.take());
        self.process.wait().unwrap();
    }

    fn smtp(&self, tls: &str, more: &str) -> Smtp {
        let host = if tls == "none" { "127.0.0.1" } else { "localhost" };
        let toml = format!(
            "host = \"{host}\"\nport = {}\ntls = \"{tls}\"\nfrom = \"Riverside <visits@riverside.example>\"\n{more}",
            self.port
        );
        use figment::providers::{Format as _, Toml};
        let mail: Mail = figment::Figment::from(Toml::string(&toml)).extract().unwrap();
        Smtp::new(mail.smtp().unwrap().unwrap())
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        self.stop();
    }
}

/// A clinic with an empty outbox, and a clock that stands still.
struct Clinic {
    db: TestDatabase,
    records: Records,
    id: ClinicId,
    clock: Clock,
    hand: ManualClock,
}

impl Clinic {
    async fn new() -> Self {
        let db = TestDatabase::new().await;
        let records = db.records();
        let demo = records::demo::seed(&records, DemoSite::Riverside, None, "https://visits.example.org", NOW);
        let id = demo.await.unwrap().clinic.id;
        db.execute_as_owner("DELETE FROM outbox_message").await;
        let (clock, hand) = Clock::manual(NOW);
        Self { db, records, id, clock, hand }
    }

    async fn mail_to(&self, recipient: &str) {
        records::testing::enqueue(&self.records, self.id, recipient, self.clock.wall()).await;
    }

    async fn round(&self, smtp: &Smtp) -> Round {
        round(&self.records, &Outlet::Smtp(smtp.clone()), &self.clock).await.unwrap()
    }

    async fn only_row(&self) -> OutboxRow {
        let mut rows = self.db.outbox().await;
        assert_eq!(rows.len(), 1);
        rows.remove(0)
    }
}

fn header<'a>(mail: &'a str, name: &str) -> &'a str {
    let prefix = format!("{name}: ");
    mail.lines().find_map(|line| line.strip_prefix(&prefix)).unwrap_or_else(|| panic!("no {name} in\n{mail}"))
}

#[tokio::test]
async fn a_message_is_taken_once_and_its_contents_are_gone() {
    let clinic = Clinic::new().await;
    let mut server = MailServer::start(&["--tls", "starttls", "--auth", "clinic:open sesame"]);
    let ca = server.folder.path().join("ca.pem");
    let account = format!("ca_certificate = {ca:?}\nuser = \"clinic\"\npassword = \"open sesame\"\n");
    let smtp = server.smtp("starttls", &account);
    clinic.mail_to("one@clinic.example").await;
    clinic.mail_to("two@clinic.example").await;
    assert_eq!(clinic.round(&smtp).await, Round { delivered: 2, failed: 0, away: false });
    let said = server.next();
    assert_eq!((&said["tls"], &said["auth"]), (&Value::Bool(true), &Value::Bool(true)));
    assert_eq!(said["sender"], "visits@riverside.example");
    let mail = std::fs::read_to_string(said["taken"].as_str().unwrap()).unwrap();
    assert_eq!(header(&mail, "To"), "one@clinic.example");
    assert_eq!(header(&mail, "Subject"), "A test");
    assert_eq!(header(&mail, "Auto-Submitted"), "auto-generated");
    assert!(mail.contains("https://visits.example.org/v/") && mail.contains("text/calendar"), "{mail}");
    assert_eq!(server.next()["to"][0], "two@clinic.example");
    for row in clinic.db.outbox().await {
        assert_eq!((row.state.as_str(), row.attempts, row.has_contents), ("delivered", 1, false));
    }
    assert_eq!(clinic.round(&smtp).await, Round::default());
    assert!(smtp.check().await.unwrap().contains("answers by TLS, signed in"));
}

#[tokio::test]
async fn the_mail_server_must_show_a_certificate_that_is_trusted() {
    let clinic = Clinic::new().await;
    clinic.mail_to("one@clinic.example").await;
    for tls in ["starttls", "implicit"] {
        let server = MailServer::start(&["--tls", tls]);
        let away = Round { away: true, ..Round::default() };
        assert_eq!(clinic.round(&server.smtp(tls, "")).await, away, "{tls}: an unknown authority");
        let ca = server.folder.path().join("ca.pem");
        let trusting = server.smtp(tls, &format!("ca_certificate = {ca:?}\n"));
        assert!(trusting.check().await.is_ok(), "{tls}");
    }
    // One that does not offer TLS is not spoken to.
    let plain = MailServer::start(&[]);
    assert!(plain.smtp("starttls", "").check().await.unwrap_err().to_string().contains("STARTTLS"));
    assert_eq!(clinic.only_row().await.attempts, 0);
}

#[tokio::test]
async fn a_refused_recipient_is_given_up_at_once_and_keeps_nobody_waiting() {
    let clinic = Clinic::new().await;
    let mut server = MailServer::start(&[]);
    let smtp = server.smtp("none", "");
    for recipient in ["refused@clinic.example", "full@clinic.example", "no address", "good@clinic.example"] {
        clinic.mail_to(recipient).await;
    }
    assert_eq!(clinic.round(&smtp).await, Round { delivered: 1, failed: 3, away: false });
    let rows = clinic.db.outbox().await;
    let said: Vec<_> = rows.iter().map(|row| (row.state.as_str(), row.failure.as_deref(), row.smtp_code)).collect();
    assert_eq!(
        said,
        [
            ("dead", Some("refused"), Some(550)),
            ("dead", Some("refused"), Some(552)),
            ("dead", Some("unsendable"), None),
            ("delivered", None, None)
        ]
    );
    assert_eq!(server.next()["refused"], "refused@clinic.example");
    assert_eq!(server.next()["full"], "full@clinic.example");
    assert!(server.taken().contains("good@clinic.example"));
}

#[tokio::test]
async fn a_recipient_who_is_busy_is_tried_again_later_each_time_and_never_beyond_use() {
    let clinic = Clinic::new().await;
    let server = MailServer::start(&[]);
    let smtp = server.smtp("none", "");
    clinic.mail_to("later@clinic.example").await;
    for (attempt, wait) in [(1, 30), (2, 60), (3, 120)] {
        assert_eq!(clinic.round(&smtp).await.failed, 1);
        let row = clinic.only_row().await;
        assert_eq!((row.attempts, row.smtp_code, row.state.as_str()), (attempt, Some(450), "waiting"));
        assert_eq!(row.due_at, clinic.clock.wall() + Duration::from_secs(wait));
        clinic.hand.advance(Duration::from_secs(wait - 1));
        assert_eq!(clinic.round(&smtp).await, Round::default(), "not before its time");
        clinic.hand.advance(Duration::from_secs(1));
    }
    clinic.hand.advance(Duration::from_secs(3 * 24 * 3_600));
    sweep(&clinic.records, &clinic.clock).await;
    let row = clinic.only_row().await;
    assert_eq!((row.state.as_str(), row.failure.as_deref(), row.has_contents), ("dead", Some("expired"), false));
    assert_eq!(clinic.round(&smtp).await, Round::default());
}

#[tokio::test]
async fn a_mail_server_that_is_away_costs_nothing_and_gets_all_when_it_is_back() {
    let clinic = Clinic::new().await;
    let mut server = MailServer::start(&[]);
    let smtp = server.smtp("none", "");
    let port = server.port.to_string();
    server.stop();
    for n in 0..3 {
        clinic.mail_to(&format!("patient{n}@clinic.example")).await;
    }
    assert_eq!(clinic.round(&smtp).await, Round { away: true, ..Round::default() });
    assert!(smtp.check().await.is_err());
    assert!(clinic.db.outbox().await.iter().all(|row| row.state == "waiting" && row.attempts == 0 && row.has_contents));
    let mut server = MailServer::start(&["--port", &port]);
    assert_eq!(clinic.round(&smtp).await, Round { delivered: 3, ..Round::default() });
    for n in 0..3 {
        assert!(server.taken().contains(&format!("patient{n}@clinic.example")));
    }
}

#[tokio::test]
async fn a_wrong_account_is_the_servers_fault_and_no_messages() {
    let clinic = Clinic::new().await;
    let server = MailServer::start(&["--auth", "clinic:right", "--tls", "implicit"]);
    let ca = server.folder.path().join("ca.pem");
    let wrong = format!("ca_certificate = {ca:?}\nuser = \"clinic\"\npassword = \"wrong\"\n");
    clinic.mail_to("one@clinic.example").await;
    assert_eq!(clinic.round(&server.smtp("implicit", &wrong)).await, Round { away: true, ..Round::default() });
    let row = clinic.only_row().await;
    assert_eq!((row.state.as_str(), row.attempts), ("waiting", 0));
}

#[tokio::test]
async fn what_breaks_off_in_the_middle_is_sent_again_under_the_same_message_id() {
    let clinic = Clinic::new().await;
    let mut server = MailServer::start(&[]);
    let smtp = server.smtp("none", "");
    clinic.mail_to("die@clinic.example").await;
    // The server has the mail, and dies before it says so.
    assert_eq!(clinic.round(&smtp).await.failed, 1);
    let first = server.taken();
    let row = clinic.only_row().await;
    assert_eq!((row.state.as_str(), row.smtp_code), ("waiting", None));
    let server = MailServer::start(&["--port", &server.port.to_string()]);
    let mut again = server;
    clinic.hand.advance(Duration::from_secs(30));
    clinic.round(&smtp).await;
    let second = again.taken();
    let id = header(&first, "Message-ID");
    assert!(id.ends_with("@riverside.example>"), "{id}");
    assert_eq!(header(&second, "Message-ID"), id);
    assert_eq!(header(&second, "Date"), header(&first, "Date"));
}

#[tokio::test]
async fn a_message_whose_sender_died_is_due_again_and_nobody_sends_it_meanwhile() {
    let clinic = Clinic::new().await;
    clinic.mail_to("one@clinic.example").await;
    let now = clinic.clock.wall();
    let sending = outbox::next_due(&clinic.records, clinic.id, now).await.unwrap().expect("due");
    assert!(outbox::next_due(&clinic.records, clinic.id, now).await.unwrap().is_none(), "locked");
    let id = sending.id;
    drop(sending);
    // The rollback is on its way; nothing else gives the lock back.
    let again = loop {
        match outbox::next_due(&clinic.records, clinic.id, now).await.unwrap() {
            Some(again) => break again,
            None => tokio::task::yield_now().await,
        }
    };
    assert_eq!(again.id, id);
}

#[tokio::test]
async fn nothing_leaves_the_demonstration_and_its_page_shows_what_would_have() {
    let clinic = Clinic::new().await;
    clinic.mail_to("<script>@clinic.example").await;
    let shown = Outlet::Shown { base_url: "https://visits.example.org".to_owned() };
    round(&clinic.records, &shown, &clinic.clock).await.unwrap();
    let row = clinic.only_row().await;
    assert_eq!((row.state.as_str(), row.has_contents), ("kept", true));
    use http_body_util::BodyExt as _;
    use tower::ServiceExt as _;
    let page = |path: &'static str| {
        let routes = dev_routes(clinic.records.clone());
        async move {
            let request = axum::http::Request::get(path).body(axum::body::Body::empty()).unwrap();
            let answer = routes.oneshot(request).await.unwrap();
            String::from_utf8(answer.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
        }
    };
    let html = page("/dev/outbox").await;
    assert!(html.contains("To &lt;script&gt;@clinic.example") && !html.contains("<script"), "{html}");
    assert!(html.contains("<a href=\"https://visits.example.org/v/"), "{html}");
    let json: Value = serde_json::from_str(&page("/dev/outbox.json").await).unwrap();
    assert_eq!((&json[0]["to"], &json[0]["kind"]), (&"<script>@clinic.example".into(), &"visit_link".into()));
}
