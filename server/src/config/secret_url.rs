//! Addresses that may hold a password: used, never shown.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A URL whose password is neither printed nor logged.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretUrl(String);

impl SecretUrl {
    /// All of it, for the one who connects.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// What people may see: everything but the password and the query, which may name one.
    fn shown(&self) -> String {
        let url = self.0.split(['?', '#']).next().unwrap_or_default();
        let Some((scheme, rest)) = url.split_once("://") else { return "..".into() };
        // The last `@`: a password may hold one that should have been escaped.
        match rest.rsplit_once('@') {
            Some((user, host)) => {
                let user = user.split(':').next().unwrap_or_default();
                format!("{scheme}://{user}:..@{host}")
            }
            None => format!("{scheme}://{rest}"),
        }
    }
}

impl fmt::Debug for SecretUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown())
    }
}

impl Serialize for SecretUrl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.shown())
    }
}

impl<'de> Deserialize<'de> for SecretUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_not_shown_wherever_it_stands() {
        for (url, shown) in [
            ("postgres://app:s3cret@db:5432/bedside", "postgres://app:..@db:5432/bedside"),
            ("postgres://app:s3@cret@db/bedside", "postgres://app:..@db/bedside"),
            ("postgres://db/bedside?password=s3cret", "postgres://db/bedside"),
            ("redis://:s3cret@10.0.0.1", "redis://:..@10.0.0.1"),
            ("redis://10.0.0.1", "redis://10.0.0.1"),
            ("s3cret", ".."),
        ] {
            let url = SecretUrl(url.into());
            assert_eq!(format!("{url:?}"), shown);
            assert_eq!(serde_json::to_value(&url).unwrap(), shown);
        }
    }
}
