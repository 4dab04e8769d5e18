//! Random tokens that a client carries; the database has only their hashes.

use aws_lc_rs::{digest, rand};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::Zeroizing;

/// 256 random bits in base64url: 43 characters.
const TOKEN_CHARS: usize = 43;

macro_rules! opaque_token {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq)]
        pub struct $name(Zeroizing<String>);

        impl $name {
            pub(crate) fn generate() -> Self {
                Self(Zeroizing::new(random_token()))
            }

            /// The token in a cookie, if it has the form of one.
            #[must_use]
            pub fn from_cookie(value: &str) -> Option<Self> {
                well_formed(value).then(|| Self(Zeroizing::new(value.to_owned())))
            }

            /// The text for the cookie; for nothing else.
            #[must_use]
            pub fn reveal(&self) -> &str {
                &self.0
            }

            pub(crate) fn hash(&self) -> [u8; 32] {
                hash_token(&self.0)
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(concat!(stringify!($name), "(..)"))
            }
        }
    };
}

opaque_token! {
    /// An opaque session token, as it stands in the cookie.
    SessionToken
}

opaque_token! {
    /// What a browser is known by over sessions, as it stands in its cookie. It opens nothing.
    DeviceToken
}

/// A fresh token of 256 random bits.
pub(crate) fn random_token() -> String {
    let mut bytes = Zeroizing::new([0u8; 32]);
    rand::fill(&mut *bytes).expect("the operating system's randomness is there or the process can't run");
    URL_SAFE_NO_PAD.encode(*bytes)
}

/// Whether `text` can be a token at all.
pub(crate) fn well_formed(text: &str) -> bool {
    text.len() == TOKEN_CHARS && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

/// What is stored of a token.
pub(crate) fn hash_token(token: &str) -> [u8; 32] {
    sha256(token.as_bytes())
}

/// SHA-256.
pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    let digest = digest::digest(&digest::SHA256, bytes);
    digest.as_ref().try_into().expect("SHA-256 has 32 bytes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_known_by_its_length_and_letters() {
        let token = random_token();
        assert!(well_formed(&token), "{token}");
        assert!(well_formed(&format!("-_{}", &"aZ09".repeat(11)[..TOKEN_CHARS - 2])));
        for wrong in ["", &token[1..], &format!("{token}a"), &format!("{}.", &token[1..]), &format!("{}+", &token[1..])]
        {
            assert!(!well_formed(wrong), "{wrong}");
        }
    }
}
