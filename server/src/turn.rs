//! The relay's doors: which there are, what clients are told of them, and TLS.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use sfu::Sfu;
use sfu::turn::{Limits, Turn, TurnCounters};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use visit::ParticipantId;
use visit::wire::IceServer;

use crate::config::Config;
use crate::http::tls;

/// A TLS handshake that takes longer is broken off.
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(10);
/// Handshakes at once; the relay itself counts connections that have made it.
const HANDSHAKES: usize = 256;

/// The running relay.
#[derive(Clone)]
pub struct Relay(Arc<Inner>);

struct Inner {
    turn: Turn,
    urls: Vec<String>,
    good_for: Duration,
    over_https: bool,
}

impl Relay {
    /// Starts it where the configuration wants it; `None` if it does not.
    ///
    /// # Errors
    /// One line that says what to do.
    pub async fn start(config: &Config, sfu: &Sfu) -> Result<Option<Self>> {
        let urls = urls(config);
        if urls.is_empty() {
            return Ok(None);
        }
        let settings = &config.turn;
        let number = |n: std::num::NonZeroU32| n.get() as usize;
        let limits = Limits {
            allocations: number(settings.max_allocations),
            per_user: number(settings.max_per_person),
            bytes_per_second: number(settings.max_kbit_per_second) * 125,
            ..Limits::default()
        };
        let turn = Turn::new(sfu, limits).context("the relay is started twice")?;
        if let Some(address) = settings.listen {
            turn.listen(address).await.map_err(|error| in_use("turn.listen", address, &error))?;
        }
        if let Some(address) = settings.tls_listen {
            let certificate = settings.tls_certificate.as_deref().or(config.http.tls_certificate.as_deref());
            let key = settings.tls_key.as_deref().or(config.http.tls_key.as_deref());
            let acceptor = match (certificate, key) {
                (Some(certificate), Some(key)) => tls::of_files(certificate, key, &[]).context("turn.tls_listen")?,
                _ => anyhow::bail!("turn.tls_listen needs a certificate"),
            };
            let listener = TcpListener::bind(address).await;
            let listener = listener.map_err(|error| in_use("turn.tls_listen", address, &error))?;
            tokio::spawn(take_tls(turn.clone(), listener, acceptor));
        }
        let good_for = Duration::from_secs(u64::from(settings.credentials_minutes.get()) * 60);
        Ok(Some(Self(Arc::new(Inner { turn, urls, good_for, over_https: is_over_https(config) }))))
    }

    /// What a participant is told: the relay's addresses, and credentials that are good from now on.
    #[must_use]
    pub fn ice_servers(&self, participant: ParticipantId) -> Vec<IceServer> {
        let credentials = self.0.turn.credentials(&participant.to_string(), self.0.good_for);
        let (username, credential) = (credentials.username, credentials.password);
        vec![IceServer { urls: self.0.urls.clone(), username, credential }]
    }

    /// The relay for streams that come by the HTTPS port, if they are wanted.
    #[must_use]
    pub fn over_https(&self) -> Option<Turn> {
        self.0.over_https.then(|| self.0.turn.clone())
    }

    /// Totals since the start.
    #[must_use]
    pub fn counters(&self) -> TurnCounters {
        self.0.turn.counters()
    }

    /// What clients are told.
    #[must_use]
    pub fn doors(&self) -> Vec<String> {
        self.0.urls.clone()
    }

    /// Ends it.
    pub fn close(&self) {
        self.0.turn.close();
    }
}

impl std::fmt::Debug for Relay {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Relay").field("urls", &self.0.urls).finish_non_exhaustive()
    }
}

fn in_use(key: &str, address: SocketAddr, error: &std::io::Error) -> anyhow::Error {
    match error.kind() {
        std::io::ErrorKind::AddrInUse => {
            anyhow::anyhow!(
                "{key} {address}: the port is in use by another program, or by `media.listen`; choose another"
            )
        }
        _ => anyhow::anyhow!("{key} {address}: {error}"),
    }
}

fn is_over_https(config: &Config) -> bool {
    config.turn.over_https && config.http.tls_certificate.is_some() && config.media.udp
}

/// RFC 7065, the least delay first.
fn urls(config: &Config) -> Vec<String> {
    let origin = config.origin();
    let place = origin.rsplit("://").next().unwrap_or_default();
    let (public_host, public_port) = match place.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => (host, port),
        _ => (place, "443"),
    };
    let host = config.turn.host.as_deref().unwrap_or(public_host);
    let mut urls = Vec::new();
    if let Some(address) = config.turn.listen {
        urls.extend(["udp", "tcp"].map(|transport| format!("turn:{host}:{}?transport={transport}", address.port())));
    }
    if let Some(address) = config.turn.tls_listen {
        urls.push(format!("turns:{host}:{}?transport=tcp", address.port()));
    }
    if is_over_https(config) {
        urls.push(format!("turns:{public_host}:{public_port}?transport=tcp"));
    }
    urls
}

/// Whether a relay answers at one of our own URLs. Whose certificate it shows is not looked at: that is the browsers' business.
pub async fn answers(url: &str) -> bool {
    let (scheme, rest) = url.split_once(':').unwrap_or_default();
    let (place, by) = rest.split_once("?transport=").unwrap_or((rest, "udp"));
    let asked = async {
        match (scheme, by) {
            ("turns", _) => {
                let stream = tokio::net::TcpStream::connect(place).await?;
                let host = place.rsplit_once(':').map_or(place, |(host, _)| host).trim_matches(['[', ']']);
                let name = tls::name(host)?;
                exchange(tls::unchecked()?.connect(name, stream).await?).await
            }
            (_, "tcp") => exchange(tokio::net::TcpStream::connect(place).await?).await,
            _ => {
                let address = tokio::net::lookup_host(place).await?.next().ok_or(std::io::ErrorKind::NotFound)?;
                let here = if address.is_ipv6() { "[::]:0" } else { "0.0.0.0:0" };
                let socket = tokio::net::UdpSocket::bind(here).await?;
                socket.send_to(&WHERE_AM_I, address).await?;
                let mut answer = [0; 100];
                let (count, _) = socket.recv_from(&mut answer).await?;
                Ok(count >= 20 && is_answer(&answer))
            }
        }
    };
    let said: std::io::Result<bool> = asked.await;
    said.unwrap_or(false)
}

/// A binding request (RFC 8489).
const WHERE_AM_I: [u8; 20] = *b"\x00\x01\x00\x00\x21\x12\xa4\x42self test 12";

fn is_answer(answer: &[u8]) -> bool {
    answer.starts_with(&[1, 1]) && answer[8..20] == WHERE_AM_I[8..]
}

async fn exchange(mut stream: impl AsyncRead + AsyncWrite + Unpin) -> std::io::Result<bool> {
    stream.write_all(&WHERE_AM_I).await?;
    stream.flush().await?;
    let mut answer = [0; 20];
    stream.read_exact(&mut answer).await?;
    Ok(is_answer(&answer))
}

async fn take_tls(turn: Turn, listener: TcpListener, acceptor: TlsAcceptor) {
    let places = Arc::new(tokio::sync::Semaphore::new(HANDSHAKES));
    loop {
        let Ok((stream, from)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let Ok(place) = places.clone().try_acquire_owned() else { continue };
        let (turn, acceptor) = (turn.clone(), acceptor.clone());
        tokio::spawn(async move {
            // Failing, it only makes things slower.
            let _ = stream.set_nodelay(true);
            let shaken = tokio::time::timeout(HANDSHAKE_WITHIN, acceptor.accept(stream)).await;
            drop(place);
            if let Ok(Ok(stream)) = shaken {
                turn.serve_counted(stream, from).await;
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(change: impl FnOnce(&mut Config)) -> Vec<String> {
        let mut config = Config::default();
        change(&mut config);
        urls(&config)
    }

    #[test]
    fn clients_are_told_of_the_doors_that_there_are() {
        assert_eq!(told(|_| {}), Vec::<String>::new());
        let secure = |config: &mut Config| {
            config.http.tls_certificate = Some("c.pem".into());
            config.http.public_url = Some("https://visits.example.org".into());
        };
        assert_eq!(told(secure), ["turns:visits.example.org:443?transport=tcp"]);
        let off = |config: &mut Config| {
            secure(config);
            config.turn.over_https = false;
        };
        assert_eq!(told(off), Vec::<String>::new());
        let all = |config: &mut Config| {
            secure(config);
            config.http.public_url = Some("https://[2001:db8::7]:8443".into());
            config.turn.listen = Some("0.0.0.0:3480".parse().unwrap());
            config.turn.tls_listen = Some("0.0.0.0:5349".parse().unwrap());
        };
        assert_eq!(
            told(all),
            [
                "turn:[2001:db8::7]:3480?transport=udp",
                "turn:[2001:db8::7]:3480?transport=tcp",
                "turns:[2001:db8::7]:5349?transport=tcp",
                "turns:[2001:db8::7]:8443?transport=tcp",
            ]
        );
    }
}
