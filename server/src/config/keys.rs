//! `[keys]`: who keeps the key-encryption keys.

use serde::{Deserialize, Serialize};

use super::ConfigError;

/// `[keys]`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Keys {
    /// Who wraps data keys: `ring` or `aws-kms`. What the other one has wrapped before is still read, if it is there.
    pub provider: KeyProvider,
    /// Id, ARN or alias of a symmetric key of AWS KMS.
    pub kms_key: Option<String>,
    /// AWS region. Default: what the environment or profile says.
    pub kms_region: Option<String>,
    /// Address of KMS. Default: AWS's own for the region.
    pub kms_endpoint: Option<String>,
}

/// Who keeps the key-encryption keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyProvider {
    /// The file `keyring.json` in the data folder.
    Ring,
    /// AWS KMS.
    AwsKms,
}

impl Default for Keys {
    fn default() -> Self {
        Self { provider: KeyProvider::Ring, kms_key: None, kms_region: None, kms_endpoint: None }
    }
}

impl Keys {
    /// # Errors
    /// [`ConfigError::Value`], naming the key.
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let wrong = |key, problem: String| Err(ConfigError::Value { key, problem });
        if self.provider == KeyProvider::AwsKms && self.kms_key.is_none() {
            return wrong("keys.kms_key", "keys.provider = \"aws-kms\" needs the id, ARN or alias of a key".into());
        }
        match &self.kms_endpoint {
            Some(endpoint)
                if !["https://", "http://127.0.0.1:", "http://localhost:"]
                    .iter()
                    .any(|good| endpoint.starts_with(good)) =>
            {
                wrong("keys.kms_endpoint", format!("`{endpoint}` must begin with https:// (or be on this machine)"))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{load, message};

    #[test]
    fn kms_without_a_key_or_over_plain_http_is_refused() {
        assert!(message("[keys]\nprovider = \"aws-kms\"\n").contains("keys.kms_key"));
        let plain =
            "[keys]\nprovider = \"aws-kms\"\nkms_key = \"alias/bedside\"\nkms_endpoint = \"http://kms.example\"\n";
        assert!(message(plain).contains("keys.kms_endpoint"));
        assert!(message("[keys]\nprovider = \"hsm\"\n").contains("aws-kms"));
        load("[keys]\nprovider = \"aws-kms\"\nkms_key = \"alias/bedside\"\nkms_region = \"us-east-2\"\n")
            .expect("valid");
    }
}
