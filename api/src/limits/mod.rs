//! How often one may ask, per account, address and session: counted in this process always ([`local`]) and, if several
//! nodes share a Redis, over all of them as well ([`shared`]).
//!
//! A session's bucket counts only for tokens that were seen to be good, so that made-up cookies fall
//! into their address's bucket. IPv6 counts by /64. Maps are bounded: emptied of idle keys first, and if
//! that isn't enough, strangers share one bucket.

mod local;
mod rates;
mod shared;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Mutex;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use records::{DeviceToken, SessionToken, network};

use crate::problem::Problem;
use crate::{AppState, ClientAddress, Clock, session};

use local::LocalLimits;
use rates::Limit;
pub use rates::RateLimits;
pub use shared::{SharedLimits, SharedLimitsError};

/// Good sessions that are remembered.
const MAX_SESSIONS: usize = 65_536;

type Key = [u8; 32];

/// Too many requests; the next may come after this many whole seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooMany {
    pub retry_after_s: u64,
}

impl TooMany {
    fn after(wait: Duration) -> Self {
        Self { retry_after_s: wait.as_secs() + 1 }
    }
}

pub(crate) struct Limits {
    clock: Clock,
    rates: RateLimits,
    local: LocalLimits,
    shared: Option<SharedLimits>,
    /// Hashes of session tokens seen to be good, with when that was.
    good_sessions: Mutex<BTreeMap<Key, Duration>>,
}

impl Limits {
    pub(crate) fn new(rates: RateLimits, shared: Option<SharedLimits>, clock: Clock) -> Self {
        let local = LocalLimits::new(&rates, clock.clone());
        Self { rates, local, shared, good_sessions: Mutex::default(), clock }
    }

    /// One attempt to sign in as `account` from `address`. A browser with a cookie counts apart, known or not: what made-up
    /// cookies could gain, the address' count and the record's own take away.
    pub(crate) async fn sign_in(
        &self,
        account: &str,
        address: IpAddr,
        device: Option<&DeviceToken>,
    ) -> Result<(), TooMany> {
        self.take(Limit::SignInAddress, key(&[&network(address)])).await?;
        let device = device.map_or("", DeviceToken::reveal);
        let parts = [folded(account).into_bytes(), network(address).to_vec(), device.as_bytes().to_vec()];
        self.take(Limit::SignInAccount, key(&parts.each_ref().map(Vec::as_slice))).await
    }

    /// One sign-in link for `recipient`, asked for from `address`.
    pub(crate) async fn magic_link(&self, recipient: &str, address: IpAddr) -> Result<(), TooMany> {
        self.take(Limit::LinkAddress, key(&[&network(address)])).await?;
        self.take(Limit::LinkRecipient, key(&[folded(recipient).as_bytes()])).await
    }

    /// One upload by the session with this token.
    pub(crate) async fn upload(&self, token: &SessionToken) -> Result<(), TooMany> {
        self.take(Limit::Upload, key(&[token.reveal().as_bytes()])).await
    }

    /// One request with these session tokens, if any, from `address`.
    pub(crate) async fn request(&self, session_tokens: &[SessionToken], address: IpAddr) -> Result<(), TooMany> {
        for token in session_tokens {
            let key = key(&[token.reveal().as_bytes()]);
            let is_good = self.sessions().contains_key(&key);
            if is_good {
                return self.take(Limit::Session, key).await;
            }
        }
        self.take(Limit::Anonymous, key(&[&network(address)])).await
    }

    /// This token was seen to be good: its requests count by session from now on.
    pub(crate) fn session_is_good(&self, token: &SessionToken) {
        let mut sessions = self.sessions();
        sessions.insert(key(&[token.reveal().as_bytes()]), self.clock.elapsed());
        if sessions.len() > MAX_SESSIONS {
            let oldest = sessions.iter().min_by_key(|(_, seen)| **seen).map(|(key, _)| *key);
            if let Some(oldest) = oldest {
                sessions.remove(&oldest);
            }
        }
    }

    /// This token is no longer good.
    pub(crate) fn session_is_over(&self, token: &SessionToken) {
        self.sessions().remove(&key(&[token.reveal().as_bytes()]));
    }

    /// This node's count first: what it refuses, all nodes together would refuse too, and while Redis is away it has
    /// counted all along.
    async fn take(&self, limit: Limit, key: Key) -> Result<(), TooMany> {
        let mut taken = self.local.take(limit, key);
        if taken.is_ok()
            && let Some(shared) = &self.shared
        {
            taken = shared.take(limit, &key, &self.rates, self.clock.elapsed()).await;
        }
        if taken.is_err() {
            metrics::counter!("bedside_limits_refused_total", "limit" => limit.as_str()).increment(1);
        }
        taken
    }

    fn sessions(&self) -> std::sync::MutexGuard<'_, BTreeMap<Key, Duration>> {
        self.good_sessions.lock().expect("no code panics while holding this lock")
    }
}

/// One account however it is written.
fn folded(account: &str) -> String {
    account.trim().to_lowercase()
}

impl From<TooMany> for Problem {
    fn from(too_many: TooMany) -> Self {
        Self::rate_limited(too_many.retry_after_s)
    }
}

/// Counts every request, before anything is done for it.
pub(crate) async fn enforce(
    State(state): State<AppState>,
    address: axum::Extension<ClientAddress>,
    request: Request,
    next: Next,
) -> Response {
    let counted = state.limits.request(&session::tokens(request.headers()), address.0.0).await;
    if let Err(too_many) = counted {
        return Problem::from(too_many).into_response();
    }
    next.run(request).await
}

fn key(parts: &[&[u8]]) -> Key {
    let mut all = Vec::new();
    for part in parts {
        all.extend_from_slice(&(part.len() as u64).to_be_bytes());
        all.extend_from_slice(part);
    }
    digest(&SHA256, &all).as_ref().try_into().expect("SHA-256 has 32 bytes")
}

#[cfg(test)]
mod tests {
    use time::OffsetDateTime;

    use super::*;

    fn limits() -> (Limits, crate::ManualClock) {
        let (clock, hand) = Clock::manual(OffsetDateTime::UNIX_EPOCH);
        (Limits::new(RateLimits::default(), None, clock), hand)
    }

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn token(n: u32) -> SessionToken {
        SessionToken::from_cookie(&format!("{n:043}")).unwrap()
    }

    #[tokio::test]
    async fn the_sixth_attempt_in_a_minute_must_wait_twelve_seconds() {
        let (limits, hand) = limits();
        for _ in 0..5 {
            limits.sign_in("a@example.org", address("192.0.2.1"), None).await.unwrap();
        }
        let wait = limits.sign_in("A@example.org ", address("192.0.2.1"), None).await.unwrap_err().retry_after_s;
        assert!((12..=13).contains(&wait), "{wait}");
        hand.advance(Duration::from_secs(wait));
        limits.sign_in("a@example.org", address("192.0.2.1"), None).await.unwrap();
    }

    #[tokio::test]
    async fn one_ipv6_subscriber_is_one_place() {
        let (limits, _) = limits();
        for n in 0..5 {
            limits.sign_in("a@example.org", address(&format!("2001:db8::{n}")), None).await.unwrap();
        }
        assert!(limits.sign_in("a@example.org", address("2001:db8::ffff:1"), None).await.is_err());
        assert!(limits.sign_in("a@example.org", address("2001:db8:0:1::1"), None).await.is_ok());
    }

    #[tokio::test]
    async fn an_ipv4_address_written_as_ipv6_is_the_same_place() {
        let (limits, _) = limits();
        for _ in 0..5 {
            limits.sign_in("a@example.org", address("192.0.2.1"), None).await.unwrap();
        }
        assert!(limits.sign_in("a@example.org", address("::ffff:192.0.2.1"), None).await.is_err());
    }

    #[tokio::test]
    async fn spraying_over_accounts_is_stopped_by_the_address() {
        let (limits, _) = limits();
        let mut refused = 0;
        for n in 0..100 {
            refused +=
                u32::from(limits.sign_in(&format!("{n}@example.org"), address("192.0.2.1"), None).await.is_err());
        }
        assert_eq!(refused, 80);
    }

    #[tokio::test]
    async fn made_up_cookies_do_not_get_buckets_of_their_own() {
        let (limits, _) = limits();
        let mut refused = 0;
        for n in 0..100 {
            refused += u32::from(limits.request(&[token(n)], address("192.0.2.1")).await.is_err());
        }
        assert_eq!(refused, 40);
    }

    #[tokio::test]
    async fn a_good_session_has_its_own_bucket_until_it_is_over() {
        let (limits, _) = limits();
        while limits.request(&[], address("192.0.2.1")).await.is_ok() {}
        limits.session_is_good(&token(1));
        let mut granted = 0;
        for _ in 0..700 {
            granted += u32::from(limits.request(&[token(1)], address("192.0.2.1")).await.is_ok());
        }
        assert_eq!(granted, 600);
        limits.session_is_over(&token(1));
        assert!(limits.request(&[token(1)], address("192.0.2.1")).await.is_err());
    }

    #[tokio::test]
    async fn strangers_share_a_bucket_once_the_map_is_full() {
        let (limits, _) = limits();
        let mut last = Ok(());
        for n in 0..(local::MAX_KEYS as u32 + 100) {
            last = limits.request(&[], IpAddr::from(n.to_be_bytes())).await;
        }
        assert!(last.is_err());
        assert!(limits.local.keys(Limit::Anonymous) <= local::MAX_KEYS + 1);
    }
}
