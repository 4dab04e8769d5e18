//! TLS and HTTP/2, frame by frame.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, ProtocolVersion, RootCertStore, version};

use crate::server::Server;

const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const ENHANCE_YOUR_CALM: u8 = 0xb;

struct Secure {
    server: Server,
    certificate: CertificateDer<'static>,
    _folder: tempfile::TempDir,
}

impl Secure {
    fn start() -> Self {
        Self::with("")
    }

    /// `[turn]` as given.
    fn with(turn: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let (certificate, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
        std::fs::write(&certificate, made.cert.pem()).unwrap();
        std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
        let files = format!("tls_certificate = {certificate:?}\ntls_key = {key:?}\nheader_timeout_s = 1");
        Self { server: Server::start(&files, turn), certificate: made.cert.der().clone(), _folder: folder }
    }

    async fn connect(
        &self,
        alpn: &[&[u8]],
        versions: &[&'static tokio_rustls::rustls::SupportedProtocolVersion],
    ) -> TlsStream<TcpStream> {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.clone()).unwrap();
        let mut config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
        let socket = TcpStream::connect(self.server.address).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        TlsConnector::from(Arc::new(config)).connect(name, socket).await.unwrap()
    }

    async fn http2(&self) -> TlsStream<TcpStream> {
        let mut stream = self.connect(&[b"h2"], &[&version::TLS13]).await;
        stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
        stream.write_all(&frame(SETTINGS, 0, 0, &[])).await.unwrap();
        stream
    }
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = (payload.len() as u32).to_be_bytes()[1..].to_vec();
    bytes.extend_from_slice(&[kind, flags]);
    bytes.extend_from_slice(&stream.to_be_bytes());
    bytes.extend_from_slice(payload);
    bytes
}

/// `GET path`, whole and without a body, in HPACK's plainest form.
fn get(stream: u32, path: &str) -> Vec<u8> {
    let mut block = vec![0x82, 0x87, 0x04, path.len() as u8];
    block.extend_from_slice(path.as_bytes());
    block.extend_from_slice(&[0x01, 9]);
    block.extend_from_slice(b"localhost");
    frame(HEADERS, 0x05, stream, &block)
}

/// The next frame: kind, flags, stream, payload; `None` when the server has closed.
async fn next(stream: &mut TlsStream<TcpStream>) -> Option<(u8, u8, u32, Vec<u8>)> {
    let mut head = [0; 9];
    stream.read_exact(&mut head).await.ok()?;
    let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
    let mut payload = vec![0; length];
    stream.read_exact(&mut payload).await.ok()?;
    Some((head[3], head[4], u32::from_be_bytes(head[5..].try_into().unwrap()), payload))
}

/// Reads until the answer to this stream begins; its header block.
async fn answered(stream: &mut TlsStream<TcpStream>, id: u32) -> Vec<u8> {
    loop {
        match next(stream).await.expect("an answer") {
            (HEADERS, _, of, block) if of == id => return block,
            (PING, 0, 0, payload) => stream.write_all(&frame(PING, 1, 0, &payload)).await.unwrap(),
            _ => {}
        }
    }
}

#[tokio::test]
async fn tls_speaks_http2_and_http1_and_asks_browsers_to_stay_with_tls() {
    let secure = Secure::start();
    let mut stream = secure.http2().await;
    assert_eq!(stream.get_ref().1.protocol_version(), Some(ProtocolVersion::TLSv1_3));
    stream.write_all(&get(1, "/healthz")).await.unwrap();
    // Indexed field 8 of the static table: status 200.
    assert_eq!(answered(&mut stream, 1).await[0], 0x88);
    let mut old = secure.connect(&[b"http/1.1"], &[&version::TLS12]).await;
    old.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    // The end may come without a goodbye of TLS.
    let _ = old.read_to_string(&mut answer).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.contains("strict-transport-security: max-age=63072000; includeSubDomains"), "{answer}");
}

#[tokio::test]
async fn streams_that_are_opened_and_reset_in_a_flood_end_the_connection() {
    let secure = Secure::start();
    let mut stream = secure.http2().await;
    let mut flood = Vec::new();
    for n in 0..2_000 {
        flood.extend(get(2 * n + 1, "/api/v1/site"));
        flood.extend(frame(RST_STREAM, 0, 2 * n + 1, &8_u32.to_be_bytes()));
    }
    // The server may have enough before all of it is sent.
    let _ = stream.write_all(&flood).await;
    let mut reason = None;
    while let Some((kind, _, _, payload)) = next(&mut stream).await {
        if kind == GOAWAY {
            reason = payload.get(7).copied();
        }
    }
    assert_eq!(reason, Some(ENHANCE_YOUR_CALM));
    let mut good = secure.http2().await;
    good.write_all(&get(1, "/healthz")).await.unwrap();
    assert_eq!(answered(&mut good, 1).await[0], 0x88);
}

#[tokio::test]
async fn a_handshake_or_a_head_that_does_not_come_is_not_waited_for() {
    let secure = Secure::start();
    let mut silent = TcpStream::connect(secure.server.address).await.unwrap();
    let mut half = secure.connect(&[b"http/1.1"], &[&version::TLS13]).await;
    half.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
    let mut rest = Vec::new();
    let patience = Duration::from_secs(60);
    let _ = tokio::time::timeout(patience, half.read_to_end(&mut rest)).await.expect("the server closes by itself");
    let ended =
        tokio::time::timeout(patience, silent.read_to_end(&mut rest)).await.expect("the server closes by itself");
    assert_eq!(ended.unwrap_or(0), 0);
}

/// A request for a relayed address, as it begins: without credentials.
const ALLOCATE: &[u8] = b"\x00\x03\x00\x08\x21\x12\xa4\x42transaction!\x00\x19\x00\x04\x11\x00\x00\x00";

#[tokio::test]
async fn the_port_of_https_speaks_turn_with_whom_names_no_other_protocol() {
    let secure = Secure::start();
    for alpn in [&[][..], &[b"stun.turn".as_slice()]] {
        let mut stream = secure.connect(alpn, &[&version::TLS13]).await;
        stream.write_all(ALLOCATE).await.unwrap();
        let mut head = [0; 20];
        stream.read_exact(&mut head).await.unwrap();
        assert_eq!(head[..2], [1, 0x13], "an error answer to Allocate");
        assert_eq!(head[8..], *b"transaction!");
        let mut rest = vec![0; usize::from(u16::from_be_bytes([head[2], head[3]]))];
        stream.read_exact(&mut rest).await.unwrap();
        assert_eq!(rest[..8], [0, 9, 0, 16, 0, 0, 4, 1], "401");
    }
    let mut plain = secure.connect(&[], &[&version::TLS13]).await;
    plain.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    let _ = plain.read_to_string(&mut answer).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[tokio::test]
async fn without_a_relay_the_port_of_https_speaks_http_alone() {
    let secure = Secure::with("[turn]\nover_https = false");
    let mut stream = secure.connect(&[], &[&version::TLS13]).await;
    stream.write_all(ALLOCATE).await.unwrap();
    let mut answer = vec![];
    let _ = stream.read_to_end(&mut answer).await;
    assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 400"), "{answer:?}");
}
