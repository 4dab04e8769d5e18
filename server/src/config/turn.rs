//! `[turn]`: the relay for networks that let little out.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{ConfigError, Http, Media};

/// `[turn]`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Turn {
    /// TURN over TLS on the HTTPS port, when this server ends TLS itself: one port and one certificate for all.
    pub over_https: bool,
    /// TURN by UDP and TCP. Default: none; `media.listen` is reached as easily.
    pub listen: Option<SocketAddr>,
    /// TURN over TLS on an address of its own, for servers whose HTTPS is ended by a proxy.
    pub tls_listen: Option<SocketAddr>,
    /// Certificate chain of `tls_listen`, PEM. Default: `http.tls_certificate`.
    pub tls_certificate: Option<PathBuf>,
    /// Private key of `tls_certificate`, PEM.
    pub tls_key: Option<PathBuf>,
    /// Host name or address that clients reach `listen` and `tls_listen` at. Default: that of `http.public_url`.
    pub host: Option<String>,
    /// Relayed addresses at once.
    pub max_allocations: NonZeroU32,
    /// Those of one person: a browser takes one for each way that it tries.
    pub max_per_person: NonZeroU32,
    /// What one address may carry each way, kbit/s.
    pub max_kbit_per_second: NonZeroU32,
    /// How long credentials can be used to begin, minutes; who has begun goes on.
    pub credentials_minutes: NonZeroU32,
}

impl Default for Turn {
    fn default() -> Self {
        let number = |n| NonZeroU32::new(n).expect("not zero");
        Self {
            over_https: true,
            listen: None,
            tls_listen: None,
            tls_certificate: None,
            tls_key: None,
            host: None,
            max_allocations: number(2_000),
            max_per_person: number(10),
            max_kbit_per_second: number(10_000),
            credentials_minutes: number(60),
        }
    }
}

impl Turn {
    pub(super) fn check(&self, http: &Http, media: &Media) -> Result<(), ConfigError> {
        let wrong = |key, problem: &str| Err(ConfigError::Value { key, problem: problem.into() });
        if self.tls_certificate.is_some() != self.tls_key.is_some() {
            return wrong("turn.tls_certificate, turn.tls_key", "give both or neither");
        }
        if self.tls_listen.is_some() && self.tls_certificate.is_none() && http.tls_certificate.is_none() {
            return wrong(
                "turn.tls_listen",
                "TLS needs a certificate: set turn.tls_certificate and turn.tls_key, or those of [http]",
            );
        }
        if (self.listen.is_some() || self.tls_listen.is_some()) && !media.udp {
            return wrong("media.udp", "the relay hands on to UDP addresses: leave media.udp on, or [turn] out");
        }
        if [self.listen, self.tls_listen].into_iter().flatten().any(|address| address.port() == 0) {
            return wrong("turn.listen, turn.tls_listen", "port 0 is not allowed, since clients are told the port");
        }
        let plain = |c: char| c.is_ascii_alphanumeric() || "-.:[]".contains(c);
        if self.host.as_ref().is_some_and(|host| host.is_empty() || !host.chars().all(plain)) {
            return wrong("turn.host", "must be a host name or an address, such as turn.example.org or [2001:db8::7]");
        }
        if self.max_allocations.get() > 60_000 || self.credentials_minutes.get() > 24 * 60 {
            return wrong("turn", "allowed are max_allocations 1 to 60000, credentials_minutes 1 to 1440");
        }
        Ok(())
    }
}
