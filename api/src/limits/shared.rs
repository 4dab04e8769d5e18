//! Counting over several nodes, in Redis: the same numbers, one script that is atomic. While Redis is away nobody waits
//! for it: a circuit opens, and this node's own counts, which go on all the time, decide alone.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{Client, ErrorKind, RedisError, Script, TlsCertificates};

use super::rates::{Limit, RateLimits};
use super::{Key, TooMany};

/// Longest time that a request waits for Redis.
const ANSWER_WITHIN: Duration = Duration::from_millis(50);
/// How long a new connection may take; made in the background, no request waits that long.
const CONNECT_WITHIN: Duration = Duration::from_secs(1);
/// How long Redis is left alone after it did not answer; then one request asks again.
const LEFT_ALONE: Duration = Duration::from_secs(1);

const CERTIFICATE: &[u8] = b"-----BEGIN CERTIFICATE-----";
const MICROSECONDS_PER_MINUTE: u64 = 60_000_000;

/// Counts that several nodes share. Cheap to clone.
#[derive(Clone)]
pub struct SharedLimits(Arc<Shared>);

struct Shared {
    connection: ConnectionManager,
    script: Script,
    circuit: Mutex<Circuit>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Circuit {
    /// Redis answers.
    Closed,
    /// It does not, and is not asked before this moment.
    Open { until: Duration },
}

/// Redis can't be used as configured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SharedLimitsError {
    /// The address is not one of a Redis.
    #[error("not an address of a Redis; allowed is redis://[user:password@]host:port[/database], or rediss:// for TLS")]
    Address,
    /// The authorities that should be believed can't be read.
    #[error("redis.ca: not a PEM file with certificates of authorities")]
    Authorities,
    /// Authorities, but no TLS.
    #[error("redis.ca is for TLS alone: let redis.url begin with rediss://")]
    NoTls,
}

impl SharedLimits {
    /// Counts in the Redis at `url`. Connects when it is first needed: a Redis that is away does not keep a server from
    /// starting. Over TLS its certificate must be of an authority in `authorities` (PEM), by default of one that the system
    /// believes. To be called within a tokio runtime.
    ///
    /// # Errors
    /// See [`SharedLimitsError`].
    pub fn open(url: &str, authorities: Option<&[u8]>) -> Result<Self, SharedLimitsError> {
        let client = client(url, authorities)?;
        let config = ConnectionManagerConfig::new()
            .set_number_of_retries(0)
            .set_connection_timeout(Some(CONNECT_WITHIN))
            .set_response_timeout(Some(ANSWER_WITHIN));
        let connection =
            ConnectionManager::new_lazy_with_config(client, config).map_err(|_| SharedLimitsError::Address)?;
        metrics::describe_gauge!(
            "bedside_redis_up",
            "1 while limits are counted over all nodes, 0 while on this node alone."
        );
        metrics::gauge!("bedside_redis_up").set(1.0);
        let script = Script::new(include_str!("gcra.lua"));
        Ok(Self(Arc::new(Shared { connection, script, circuit: Mutex::new(Circuit::Closed) })))
    }

    /// Whether Redis answered when it was last asked.
    #[must_use]
    pub fn is_up(&self) -> bool {
        *self.circuit() == Circuit::Closed
    }

    /// One request. Granted as well while Redis is away: the caller has counted it for itself already.
    pub(super) async fn take(&self, limit: Limit, key: &Key, rates: &RateLimits, now: Duration) -> Result<(), TooMany> {
        if !self.may_ask(now) {
            return Ok(());
        }
        let per_minute = limit.per_minute(rates).get();
        let mut connection = self.0.connection.clone();
        let mut invocation = self.0.script.prepare_invoke();
        invocation.key(bucket(limit, key)).arg(MICROSECONDS_PER_MINUTE / u64::from(per_minute)).arg(per_minute);
        match tokio::time::timeout(ANSWER_WITHIN, invocation.invoke_async::<u64>(&mut connection)).await {
            Ok(Ok(wait)) => {
                self.heard();
                if wait == 0 { Ok(()) } else { Err(TooMany::after(Duration::from_micros(wait))) }
            }
            Ok(Err(error)) => self.missed(now, kind(&error)),
            Err(_) => self.missed(now, "timeout"),
        }
    }

    /// While the circuit is open, one request per [`LEFT_ALONE`] looks whether Redis is back.
    fn may_ask(&self, now: Duration) -> bool {
        let mut circuit = self.circuit();
        match *circuit {
            Circuit::Closed => true,
            Circuit::Open { until } if now < until => false,
            Circuit::Open { .. } => {
                *circuit = Circuit::Open { until: now + LEFT_ALONE };
                true
            }
        }
    }

    fn heard(&self) {
        let mut circuit = self.circuit();
        if *circuit != Circuit::Closed {
            *circuit = Circuit::Closed;
            metrics::gauge!("bedside_redis_up").set(1.0);
            tracing::info!("Redis answers again: limits are counted over all nodes");
        }
    }

    #[expect(clippy::unnecessary_wraps, reason = "the answer of `take` while Redis is away")]
    fn missed(&self, now: Duration, reason: &'static str) -> Result<(), TooMany> {
        metrics::counter!("bedside_redis_failures_total", "reason" => reason).increment(1);
        let mut circuit = self.circuit();
        if *circuit == Circuit::Closed {
            metrics::gauge!("bedside_redis_up").set(0.0);
            if reason == UNTRUSTED {
                tracing::warn!(
                    reason,
                    "Redis shows a certificate that is not believed, so limits are counted on this node alone: set redis.ca to the authority that signed it, and redis.url to a name that is in it"
                );
            } else {
                tracing::warn!(reason, "Redis does not answer: limits are counted on this node alone");
            }
        }
        *circuit = Circuit::Open { until: now + LEFT_ALONE };
        Ok(())
    }

    fn circuit(&self) -> std::sync::MutexGuard<'_, Circuit> {
        self.0.circuit.lock().expect("no code panics while holding this lock")
    }
}

/// The library takes the process's provider of cryptography, and panics if more than one could be meant.
fn choose_cryptography() {
    let _ = tokio_rustls::rustls::crypto::aws_lc_rs::default_provider().install_default();
}

fn client(url: &str, authorities: Option<&[u8]>) -> Result<Client, SharedLimitsError> {
    // What comes after `#` would ask for a certificate that nobody looks at.
    if url.contains('#') {
        return Err(SharedLimitsError::Address);
    }
    choose_cryptography();
    let Some(authorities) = authorities else {
        return Client::open(url).map_err(|_| SharedLimitsError::Address);
    };
    if !url.starts_with("rediss://") {
        return Err(SharedLimitsError::NoTls);
    }
    // A file without any would be read as well, and then nobody be believed.
    if !authorities.windows(CERTIFICATE.len()).any(|part| part == CERTIFICATE) {
        return Err(SharedLimitsError::Authorities);
    }
    Client::open(url).map_err(|_| SharedLimitsError::Address)?;
    let certificates = TlsCertificates { client_tls: None, root_cert: Some(authorities.to_vec()) };
    Client::build_with_tls(url, certificates).map_err(|_| SharedLimitsError::Authorities)
}

/// Addresses and accounts are in it as hashes only.
fn bucket(limit: Limit, key: &Key) -> String {
    let mut name = format!("bedside:limit:{}:", limit.as_str());
    for byte in key {
        use std::fmt::Write as _;
        let _ = write!(name, "{byte:02x}");
    }
    name
}

/// The word for a certificate that no believed authority signed, or for another name.
const UNTRUSTED: &str = "certificate";

/// A word for logs and metrics; the error's own text may hold anything.
fn kind(error: &RedisError) -> &'static str {
    match error.kind() {
        _ if error.is_timeout() => "timeout",
        // The library keeps only the text of what rustls says.
        ErrorKind::Io if error.to_string().contains("invalid peer certificate") => UNTRUSTED,
        ErrorKind::Io => "io",
        ErrorKind::AuthenticationFailed => "authentication",
        ErrorKind::Server(_) => "refused",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;

    /// A closed port: bound, then let go.
    fn nowhere() -> SharedLimits {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        SharedLimits::open(&format!("redis://127.0.0.1:{port}"), None).unwrap()
    }

    #[tokio::test]
    async fn a_redis_that_is_away_is_asked_once_a_second_and_refuses_nobody() {
        let shared = nowhere();
        let rates = RateLimits { sign_in_per_minute: NonZeroU32::MIN, ..RateLimits::default() };
        let at = Duration::from_secs;
        assert!(shared.is_up());
        shared.take(Limit::SignInAccount, &[1; 32], &rates, at(10)).await.unwrap();
        assert!(!shared.is_up());
        assert!(!shared.may_ask(Duration::from_millis(10_999)));
        assert!(shared.may_ask(at(11)));
        assert!(!shared.may_ask(at(11)), "one at a time");
        shared.heard();
        assert!(shared.may_ask(at(11)) && shared.is_up());
    }

    #[tokio::test]
    async fn what_is_no_redis_is_refused_at_the_start() {
        let refused = |url, ca: Option<&[u8]>| SharedLimits::open(url, ca).err();
        for url in ["", "http://127.0.0.1", "redis//x", "rediss://127.0.0.1:6379/#insecure"] {
            assert_eq!(refused(url, None), Some(SharedLimitsError::Address), "{url}");
        }
        let tls = "rediss://127.0.0.1:6379";
        assert_eq!(refused(tls, None), None);
        assert_eq!(refused(tls, Some(b"no certificate")), Some(SharedLimitsError::Authorities));
        let broken = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        assert_eq!(refused(tls, Some(broken)), Some(SharedLimitsError::Authorities));
        assert_eq!(refused("redis://127.0.0.1:6379", Some(broken)), Some(SharedLimitsError::NoTls));
    }
}
