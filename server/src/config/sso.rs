//! `[[sso]]`: OpenID providers by which a clinic's staff sign in.

use std::collections::BTreeSet;

use api::SsoSettings;
use serde::{Deserialize, Serialize};
use visit::ClinicId;

use super::{ConfigError, Secret};

/// One `[[sso]]`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sso {
    /// Short name in addresses: letters, digits, hyphens.
    pub id: String,
    /// Whose staff it signs in: the clinic's id, as `bedside clinic list` or `demo.json` says it.
    pub clinic: ClinicId,
    /// The provider's issuer, exactly as its discovery document says it.
    pub issuer: String,
    /// What the provider calls us.
    pub client_id: String,
    /// How the provider knows us.
    pub client_secret: Secret,
    /// Domains of e-mail addresses that the provider may vouch for.
    pub email_domains: Vec<String>,
    /// On the button, e.g. `Sign in with Riverside`.
    pub label: String,
    /// Values of `amr`, any of which shows that a second factor was given there, e.g. `mfa`. Default: none, so the local
    /// second factor always follows.
    #[serde(default)]
    pub second_factor_amr: Vec<String>,
    /// Values of `acr` that show it.
    #[serde(default)]
    pub second_factor_acr: Vec<String>,
}

impl Sso {
    /// For the API.
    #[must_use]
    pub fn settings(&self) -> SsoSettings {
        SsoSettings {
            id: self.id.clone(),
            clinic: self.clinic,
            issuer: self.issuer.clone(),
            client_id: self.client_id.clone(),
            client_secret: self.client_secret.reveal().to_owned(),
            email_domains: self.email_domains.iter().map(|domain| domain.to_lowercase()).collect(),
            label: self.label.clone(),
            second_factor_amr: self.second_factor_amr.clone(),
            second_factor_acr: self.second_factor_acr.clone(),
        }
    }
}

/// Refuses what can't work or would not be safe.
pub(super) fn check(all: &[Sso]) -> Result<(), ConfigError> {
    let wrong = |key, problem: String| Err(ConfigError::Value { key, problem });
    let mut ids = BTreeSet::new();
    for sso in all {
        let good =
            !sso.id.is_empty() && sso.id.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if !good || !ids.insert(&sso.id) {
            return wrong(
                "sso.id",
                format!("`{}` is empty, taken, or has other than small letters, digits and hyphens", sso.id),
            );
        }
        let loopback = ["http://127.0.0.1", "http://localhost"].iter().any(|start| {
            sso.issuer.strip_prefix(start).is_some_and(|rest| rest.is_empty() || rest.starts_with([':', '/']))
        });
        if !sso.issuer.starts_with("https://") && !loopback {
            return wrong("sso.issuer", format!("`{}` must begin with https://", sso.issuer));
        }
        if sso.client_id.is_empty() || sso.client_secret.reveal().is_empty() || sso.label.is_empty() {
            return wrong("sso.client_id, sso.client_secret, sso.label", "must not be empty".into());
        }
        if sso.email_domains.is_empty()
            || sso.email_domains.iter().any(|domain| domain.contains('@') || !domain.contains('.'))
        {
            return wrong("sso.email_domains", "name at least one domain, such as [\"clinic.example\"]".into());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(change: &str, to: &str) -> Option<String> {
        let good = r#"{"id": "riverside", "clinic": "0199b0c0-0000-7000-8000-000000000001", "issuer": "https://login.example",
            "client_id": "bedside", "client_secret": "s", "email_domains": ["clinic.example"], "label": "Riverside"}"#;
        assert!(change.is_empty() || good.contains(change), "{change}");
        let one: Sso = serde_json::from_str(&good.replacen(change, to, 1)).expect("known keys");
        check(&[one]).err().map(|error| error.to_string())
    }

    #[test]
    fn a_provider_that_is_not_secret_or_vouches_for_everybody_is_refused() {
        assert_eq!(problem("", ""), None);
        assert_eq!(problem("https://login.example", "http://127.0.0.1:4000"), None);
        for (change, to, key) in [
            ("https://login.example", "http://login.example", "sso.issuer"),
            ("https://login.example", "http://localhost.evil.example", "sso.issuer"),
            ("[\"clinic.example\"]", "[]", "sso.email_domains"),
            ("[\"clinic.example\"]", "[\"*\"]", "sso.email_domains"),
            ("\"riverside\"", "\"a/b\"", "sso.id"),
            ("\"bedside\"", "\"\"", "sso.client_id"),
        ] {
            let said = problem(change, to).unwrap_or_else(|| panic!("{change} -> {to} is accepted"));
            assert!(said.contains(key), "{said}");
        }
    }

    #[test]
    fn two_providers_of_one_name_are_refused() {
        let one: Sso = serde_json::from_str(
            r#"{"id": "a", "clinic": "0199b0c0-0000-7000-8000-000000000001", "issuer": "https://a.example", "client_id": "b",
                "client_secret": "s", "email_domains": ["clinic.example"], "label": "A"}"#,
        )
        .unwrap();
        assert!(check(&[one.clone(), one]).is_err());
    }
}
