//! Short-lived credentials, as TURN's REST scheme makes them: the name says until when they are good and for whom, the
//! password is the name's HMAC. Nothing is kept: who knows the secret can check any of them.

use std::sync::Arc;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// What a client signs in to the relay with.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// `expiry:whom`, expiry in seconds since the Unix epoch.
    pub username: String,
    /// Base64.
    pub password: String,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials").field("username", &self.username).finish_non_exhaustive()
    }
}

/// What makes and checks credentials. Made anew at each start: those of before are worthless then.
#[derive(Clone)]
pub(crate) struct Secret {
    password: Arc<hmac::Key>,
    nonce: Arc<hmac::Key>,
}

/// Bytes of a nonce's proof, before it is written in hexadecimal.
const PROOF: usize = 12;

impl Secret {
    pub(crate) fn new() -> Self {
        let mut bytes = [[0; 32]; 2];
        for key in &mut bytes {
            aws_lc_rs::rand::fill(key).expect("the system has random numbers");
        }
        Self {
            // The scheme says SHA-1. As an HMAC it is sound.
            password: Arc::new(hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &bytes[0])),
            nonce: Arc::new(hmac::Key::new(hmac::HMAC_SHA256, &bytes[1])),
        }
    }

    /// Credentials for `whom` until then.
    pub(crate) fn issue(&self, whom: &str, until_s: u64) -> Credentials {
        let username = format!("{until_s}:{whom}");
        let password = self.password(&username);
        Credentials { username, password }
    }

    /// The password that belongs to a name.
    pub(crate) fn password(&self, username: &str) -> String {
        STANDARD.encode(hmac::sign(&self.password, username.as_bytes()))
    }

    /// A nonce for a client at this place, good until then.
    pub(crate) fn nonce(&self, place: &str, until_s: u64) -> String {
        let mut nonce = format!("{until_s:x}-");
        for byte in &hmac::sign(&self.nonce, format!("{until_s:x} {place}").as_bytes()).as_ref()[..PROOF] {
            nonce.push_str(&format!("{byte:02x}"));
        }
        nonce
    }

    /// Whether this nonce was made for that place and is still good.
    pub(crate) fn is_fresh(&self, nonce: &str, place: &str, now_s: u64) -> bool {
        let until = nonce.split_once('-').and_then(|(until, _)| u64::from_str_radix(until, 16).ok());
        until.is_some_and(|until| now_s < until && self.nonce(place, until) == nonce)
    }
}

/// Until when a name's credentials are good, and whose they are.
pub(crate) fn parts(username: &str) -> Option<(u64, &str)> {
    let (until, whom) = username.split_once(':')?;
    Some((until.parse().ok()?, whom))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nonce_is_good_at_its_place_until_its_time() {
        let secret = Secret::new();
        let nonce = secret.nonce("here", 100);
        assert!(secret.is_fresh(&nonce, "here", 99));
        assert!(!secret.is_fresh(&nonce, "here", 100), "too old");
        assert!(!secret.is_fresh(&nonce, "there", 99), "another client's");
        assert!(!secret.is_fresh(&nonce.replace("64-", "65-"), "here", 99), "prolonged");
        assert!(!Secret::new().is_fresh(&nonce, "here", 99), "another server's");
        for garbage in ["", "-", "zz-aa", "64-", "64"] {
            assert!(!secret.is_fresh(garbage, "here", 1), "{garbage}");
        }
    }

    #[test]
    fn a_password_is_the_names_and_the_servers_alone() {
        let secret = Secret::new();
        let issued = secret.issue("someone", 1_000);
        assert_eq!(issued.username, "1000:someone");
        assert_eq!(secret.password("1000:someone"), issued.password);
        assert_ne!(secret.password("1001:someone"), issued.password);
        assert_ne!(Secret::new().password("1000:someone"), issued.password);
        assert_eq!(parts("1000:a:b"), Some((1_000, "a:b")));
        assert_eq!(parts("soon:a"), None);
        assert!(!format!("{issued:?}").contains(&issued.password));
    }
}
