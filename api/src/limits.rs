//! How often one may ask: leaky buckets (GCRA, by `governor`) per account, address and session.
//!
//! A session's bucket counts only for tokens that were seen to be good, so that made-up cookies fall
//! into their address's bucket. IPv6 counts by /64. Maps are bounded: emptied of idle keys first, and if
//! that isn't enough, strangers share one bucket.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::Mutex;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use governor::middleware::NoOpMiddleware;
use governor::state::keyed::DashMapStateStore;
use governor::{Quota, RateLimiter};
use records::SessionToken;

use crate::problem::Problem;
use crate::{AppState, ClientAddress, Clock, session};

/// Requests per minute; all may come at once, then they flow back evenly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimits {
    /// Sign-in attempts for one account from one address.
    pub sign_in_per_minute: NonZeroU32,
    /// Sign-in attempts from one address, whatever the account: against spraying one password over many.
    pub sign_in_per_address_per_minute: NonZeroU32,
    /// Requests without a session, from one address.
    pub anonymous_per_minute: NonZeroU32,
    /// Requests of one session.
    pub session_per_minute: NonZeroU32,
}

impl Default for RateLimits {
    fn default() -> Self {
        const fn per_minute(n: u32) -> NonZeroU32 {
            NonZeroU32::new(n).expect("not zero")
        }
        Self {
            sign_in_per_minute: per_minute(5),
            sign_in_per_address_per_minute: per_minute(20),
            anonymous_per_minute: per_minute(60),
            session_per_minute: per_minute(600),
        }
    }
}

/// Keys that one map may hold.
const MAX_KEYS: usize = 65_536;
/// Good sessions that are remembered.
const MAX_SESSIONS: usize = 65_536;

type Key = [u8; 32];
type Buckets = RateLimiter<Key, DashMapStateStore<Key>, Clock, NoOpMiddleware<Duration>>;

/// Too many requests; the next may come after this many whole seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooMany {
    pub retry_after_s: u64,
}

pub(crate) struct Limits {
    clock: Clock,
    account: Buckets,
    sign_in_address: Buckets,
    anonymous: Buckets,
    session: Buckets,
    /// Hashes of session tokens seen to be good, with when that was.
    good_sessions: Mutex<BTreeMap<Key, Duration>>,
    /// When full maps were last emptied of idle keys.
    swept: Mutex<Option<Duration>>,
}

impl Limits {
    pub(crate) fn new(rates: RateLimits, clock: Clock) -> Self {
        let buckets = |rate| RateLimiter::new(Quota::per_minute(rate), DashMapStateStore::default(), clock.clone());
        Self {
            account: buckets(rates.sign_in_per_minute),
            sign_in_address: buckets(rates.sign_in_per_address_per_minute),
            anonymous: buckets(rates.anonymous_per_minute),
            session: buckets(rates.session_per_minute),
            good_sessions: Mutex::default(),
            swept: Mutex::default(),
            clock,
        }
    }

    /// One attempt to sign in as `account` from `address`.
    pub(crate) fn sign_in(&self, account: &str, address: IpAddr) -> Result<(), TooMany> {
        self.take(&self.sign_in_address, key(&[&network(address)]))?;
        let account = account.trim().to_lowercase();
        self.take(&self.account, key(&[account.as_bytes(), &network(address)]))
    }

    /// One request with these session tokens, if any, from `address`.
    pub(crate) fn request(&self, session_tokens: &[SessionToken], address: IpAddr) -> Result<(), TooMany> {
        for token in session_tokens {
            let key = key(&[token.reveal().as_bytes()]);
            if self.sessions().contains_key(&key) {
                return self.take(&self.session, key);
            }
        }
        self.take(&self.anonymous, key(&[&network(address)]))
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

    fn take(&self, buckets: &Buckets, mut key: Key) -> Result<(), TooMany> {
        if buckets.len() >= MAX_KEYS {
            self.sweep(buckets);
            if buckets.len() >= MAX_KEYS {
                key = [0; 32];
            }
        }
        buckets.check_key(&key).map_err(|not_until| {
            let wait = not_until.wait_time_from(self.clock.elapsed());
            TooMany { retry_after_s: wait.as_secs() + 1 }
        })
    }

    /// Drops idle keys, at most once a second: it walks the whole map.
    fn sweep(&self, buckets: &Buckets) {
        let now = self.clock.elapsed();
        let mut swept = self.swept.lock().expect("no code panics while holding this lock");
        if swept.is_none_or(|last| now.saturating_sub(last) >= Duration::from_secs(1)) {
            *swept = Some(now);
            buckets.retain_recent();
        }
    }

    fn sessions(&self) -> std::sync::MutexGuard<'_, BTreeMap<Key, Duration>> {
        self.good_sessions.lock().expect("no code panics while holding this lock")
    }
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
    if let Err(too_many) = state.limits.request(&session::tokens(request.headers()), address.0.0) {
        return Problem::from(too_many).into_response();
    }
    next.run(request).await
}

/// What counts as one place: an IPv4 address, or an IPv6 /64, which one subscriber has to themselves.
fn network(address: IpAddr) -> [u8; 16] {
    let v6 = match address.to_canonical() {
        IpAddr::V4(v4) => return v4.to_ipv6_mapped().octets(),
        IpAddr::V6(v6) => v6,
    };
    Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX)).octets()
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
        (Limits::new(RateLimits::default(), clock), hand)
    }

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn token(n: u32) -> SessionToken {
        SessionToken::from_cookie(&format!("{n:043}")).unwrap()
    }

    #[test]
    fn the_sixth_attempt_in_a_minute_must_wait_twelve_seconds() {
        let (limits, hand) = limits();
        for _ in 0..5 {
            limits.sign_in("a@example.org", address("192.0.2.1")).unwrap();
        }
        let wait = limits.sign_in("A@example.org ", address("192.0.2.1")).unwrap_err().retry_after_s;
        assert!((12..=13).contains(&wait), "{wait}");
        hand.advance(Duration::from_secs(wait));
        limits.sign_in("a@example.org", address("192.0.2.1")).unwrap();
    }

    #[test]
    fn one_ipv6_subscriber_is_one_place() {
        let (limits, _) = limits();
        for n in 0..5 {
            limits.sign_in("a@example.org", address(&format!("2001:db8::{n}"))).unwrap();
        }
        assert!(limits.sign_in("a@example.org", address("2001:db8::ffff:1")).is_err());
        assert!(limits.sign_in("a@example.org", address("2001:db8:0:1::1")).is_ok());
    }

    #[test]
    fn an_ipv4_address_written_as_ipv6_is_the_same_place() {
        let (limits, _) = limits();
        for _ in 0..5 {
            limits.sign_in("a@example.org", address("192.0.2.1")).unwrap();
        }
        assert!(limits.sign_in("a@example.org", address("::ffff:192.0.2.1")).is_err());
    }

    #[test]
    fn spraying_over_accounts_is_stopped_by_the_address() {
        let (limits, _) = limits();
        let refused = (0..100).filter(|n| limits.sign_in(&format!("{n}@example.org"), address("192.0.2.1")).is_err());
        assert_eq!(refused.count(), 80);
    }

    #[test]
    fn made_up_cookies_do_not_get_buckets_of_their_own() {
        let (limits, _) = limits();
        let refused = (0..100).filter(|n| limits.request(&[token(*n)], address("192.0.2.1")).is_err());
        assert_eq!(refused.count(), 40);
    }

    #[test]
    fn a_good_session_has_its_own_bucket_until_it_is_over() {
        let (limits, _) = limits();
        while limits.request(&[], address("192.0.2.1")).is_ok() {}
        limits.session_is_good(&token(1));
        let granted = (0..700).filter(|_| limits.request(&[token(1)], address("192.0.2.1")).is_ok());
        assert_eq!(granted.count(), 600);
        limits.session_is_over(&token(1));
        assert!(limits.request(&[token(1)], address("192.0.2.1")).is_err());
    }

    #[test]
    fn strangers_share_a_bucket_once_the_map_is_full() {
        let (limits, _) = limits();
        let mut last = Ok(());
        for n in 0..(MAX_KEYS as u32 + 100) {
            last = limits.request(&[], IpAddr::from(n.to_be_bytes()));
        }
        assert!(last.is_err());
        assert!(limits.anonymous.len() <= MAX_KEYS + 1);
    }
}
