//! `bedside audit` as an operator runs it: beside a running server, without one, and far away with an export alone.

use std::io::{BufRead as _, BufReader, Lines};
use std::net::UdpSocket;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Output, Stdio};

fn bedside(data: &Path, words: &[&str]) -> Output {
    let done = Command::new(env!("CARGO_BIN_EXE_bedside")).args(words).arg("--data").arg(data).output();
    done.expect("bedside runs")
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// A server on ports that are free now; ended by SIGTERM, so that its database is stopped in order.
struct Server {
    child: Child,
    /// Kept open: it says more than that it is ready.
    _says: Lines<BufReader<ChildStdout>>,
}

impl Server {
    fn start(data: &Path) -> Self {
        let media = UdpSocket::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a free port");
        let mut child = Command::new(env!("CARGO_BIN_EXE_bedside"))
            .args(["serve", "--demo", "--http", "127.0.0.1:0", "--media", &media.to_string(), "--data"])
            .arg(data)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("bedside serves");
        let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        assert!(lines.any(|line| line.is_ok_and(|line| line.starts_with("Bedside is ready"))), "it became ready");
        Self { child, _says: lines }
    }

    fn stop(mut self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("it runs");
        self.child.wait().expect("it ends");
    }
}

#[test]
fn an_operator_verifies_exports_and_searches_beside_a_server_and_without_one() {
    let folder = tempfile::Builder::new().prefix("bedside-audit").tempdir_in("/tmp").expect("a folder");
    std::fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("ours");
    let data = folder.path().join("data");
    let server = Server::start(&data);
    let key = bedside(&data, &["audit", "key"]);
    let key = said(&key).trim().to_owned();
    assert!(key.starts_with("bedside.audit/"), "{key}");
    // The server seals within a second; each asking is itself a row to seal.
    let verified = loop {
        let output = bedside(&data, &["audit", "verify"]);
        if !said(&output).starts_with("sealed      0 ") {
            break output;
        }
    };
    assert!(verified.status.success() && said(&verified).contains("intact"), "{}", said(&verified));

    let found = bedside(&data, &["audit", "search", "--json", "--limit", "5"]);
    assert!(found.status.success(), "{}", said(&found));
    let newest: serde_json::Value =
        serde_json::from_slice(found.stdout.split(|&byte| byte == b'\n').next().expect("a row")).expect("JSON");
    assert_eq!((&newest["action"], &newest["actor_role"]), (&"audit.search".into(), &"operator".into()));
    let wrong = bedside(&data, &["audit", "search", "--outcome", "perhaps"]);
    assert!(!wrong.status.success() && said(&wrong).contains("allowed, denied"), "{}", said(&wrong));
    let early = bedside(&data, &["audit", "drop", "2026-11"]);
    assert!(!early.status.success() && said(&early).contains("kept until 2033-12-01"), "{}", said(&early));
    server.stop();

    let file = folder.path().join("audit.jsonl");
    let exported = bedside(&data, &["audit", "export", "--out", file.to_str().expect("UTF-8")]);
    assert!(exported.status.success(), "{}", said(&exported));
    // Far away: no data folder, only the file and the key.
    let away = folder.path().join("away");
    let check =
        |file: &Path| bedside(&away, &["audit", "verify", "--export", file.to_str().expect("UTF-8"), "--key", &key]);
    let good = check(&file);
    assert!(good.status.success() && said(&good).contains("intact"), "{}", said(&good));
    let text = std::fs::read_to_string(&file).expect("the export");
    let row = text.lines().find(|line| line.starts_with("{\"type\":\"row\"")).expect("a row");
    let forged = text.replace(row, &row.replace("\"outcome\":\"allowed\"", "\"outcome\":\"denied\""));
    assert_ne!(forged, text);
    std::fs::write(&file, forged).expect("writable");
    let bad = check(&file);
    let seq = serde_json::from_str::<serde_json::Value>(row).expect("JSON")["seq"].clone();
    assert!(!bad.status.success() && said(&bad).contains(&format!("EDITED    row {seq} ")), "{}", said(&bad));
}
