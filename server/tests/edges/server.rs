//! `bedside serve` with a data folder of its own, and a socket to it.

use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

/// A running server; killed when dropped.
pub struct Server {
    pub address: SocketAddr,
    process: Child,
    log: Option<JoinHandle<()>>,
    lines: Arc<Mutex<Vec<String>>>,
    /// Goes last.
    _folder: TempDir,
}

impl Server {
    /// Starts one with these lines in its configuration, and these for `[http]`.
    pub fn start(http: &str, toml: &str) -> Self {
        let folder = tempfile::Builder::new().prefix("bedside-edges").tempdir_in("/tmp").unwrap();
        let config = folder.path().join("bedside.toml");
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let media = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let text = format!(
            "[http]\nlisten = \"{address}\"\n{http}\n[media]\nlisten = \"{media}\"\nworkers = 1\ntcp = false\n[log]\nformat = \"json\"\n{toml}"
        );
        std::fs::write(&config, text).unwrap();
        let mut process = Command::new(env!("CARGO_BIN_EXE_bedside"))
            .args(["serve", "--demo", "--config"])
            .arg(&config)
            .arg("--data")
            .arg(folder.path().join("data"))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines: Arc<Mutex<Vec<String>>> = Arc::default();
        let errors = BufReader::new(process.stderr.take().unwrap());
        let kept = lines.clone();
        let log = std::thread::spawn(move || {
            errors.lines().map_while(Result::ok).for_each(|line| kept.lock().unwrap().push(line));
        });
        let mut said = BufReader::new(process.stdout.take().unwrap()).lines().map_while(Result::ok);
        let ready = said.any(|line| line.starts_with("Bedside is ready"));
        assert!(ready, "the server did not start: {:?}", lines.lock().unwrap());
        // Its pipe must be read on, or it stops to write.
        std::thread::spawn(move || said.for_each(drop));
        Self { address, process, log: Some(log), lines, _folder: folder }
    }

    /// A socket that gives up after half a minute: the server is to be done with any of this before.
    pub fn connect(&self) -> TcpStream {
        let socket = TcpStream::connect(self.address).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        socket.set_write_timeout(Some(Duration::from_secs(30))).unwrap();
        socket
    }

    /// Sends `bytes` and reads until the server closes or has answered once.
    pub fn ask(&self, bytes: impl AsRef<[u8]>) -> Answer {
        let mut socket = self.connect();
        // The server may close while we still send.
        let _ = socket.write_all(bytes.as_ref());
        Answer::read(&mut socket)
    }

    /// `GET path` with these further header lines.
    pub fn get(&self, path: &str, headers: &str) -> Answer {
        self.ask(format!("GET {path} HTTP/1.1\r\nHost: {}\r\n{headers}\r\n", self.address))
    }

    /// Most memory that it ever took, bytes.
    pub fn most_memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1_024
    }

    /// Stops it and gives its log, line by line.
    pub fn stop(mut self) -> Vec<String> {
        let pid = self.process.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        assert!(self.process.wait().unwrap().success());
        self.log.take().unwrap().join().unwrap();
        std::mem::take(&mut *self.lines.lock().unwrap())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = Command::new("kill").args(["-TERM", &self.process.id().to_string()]).status();
        let _ = self.process.wait();
    }
}

/// What came back, if anything.
#[derive(Debug)]
pub struct Answer {
    pub status: Option<u16>,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    /// Reads one answer, or what there is of it when the server closes.
    pub fn read(socket: &mut impl Read) -> Self {
        let mut bytes = Vec::new();
        let mut buffer = [0; 16 * 1024];
        loop {
            if let Some(answer) = Self::whole(&bytes) {
                return answer;
            }
            match socket.read(&mut buffer) {
                Ok(0) => break,
                Ok(n) => bytes.extend_from_slice(&buffer[..n]),
                // Reset by the server counts as closed; a timeout does not.
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => break,
                Err(error) => panic!("neither an answer nor an end: {error}"),
            }
        }
        Self::parse(&bytes).unwrap_or(Self { status: None, headers: Vec::new(), body: Vec::new() })
    }

    fn whole(bytes: &[u8]) -> Option<Self> {
        let answer = Self::parse(bytes)?;
        let length: usize = answer.header("content-length")?.parse().ok()?;
        (answer.body.len() >= length).then_some(answer)
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
        let head = String::from_utf8_lossy(&bytes[..end]);
        let mut lines = head.split("\r\n");
        let status = lines.next()?.split(' ').nth(1)?.parse().ok();
        let header = |line: &str| line.split_once(": ").map(|(name, value)| (name.to_lowercase(), value.to_owned()));
        Some(Self { status, headers: lines.filter_map(header).collect(), body: bytes[end + 4..].to_vec() })
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Asserts a problem of ours with this status and code.
    #[track_caller]
    pub fn is_problem(&self, status: u16, code: &str) {
        assert_eq!(self.status, Some(status), "{self:?}");
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{self:?}");
        let problem: Value = serde_json::from_slice(&self.body).unwrap();
        assert_eq!(problem["code"], code);
        assert_eq!(problem["request_id"].as_str(), self.header("x-request-id"));
    }

    /// Asserts a bare status, before a request was one, or the door.
    #[track_caller]
    pub fn is_bare(&self, status: u16) {
        assert!(self.status == Some(status) || self.status.is_none(), "{self:?}");
        assert!(self.body.is_empty(), "{self:?}");
    }
}
