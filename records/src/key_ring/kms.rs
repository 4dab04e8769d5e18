//! AWS KMS as the keeper of key-encryption keys, spoken to by its own protocol. The encryption context is what a data
//! key is bound to, so a wrapped key that was moved to another owner does not open there either.
//!
//! Credentials come from the usual chain: environment, profile, web identity, container, instance.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region};
use aws_sdk_kms::Client;
use aws_sdk_kms::config::Credentials;
use aws_sdk_kms::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_kms::primitives::Blob;
use aws_sdk_kms::types::DataKeySpec;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::{Bound, DataKey, KeyService, KeyServiceError, Wrapped};

/// What stands before the key's ARN in `data_key.wrapping_key`.
const PREFIX: &str = "aws-kms:";
const CONNECT_WITHIN: Duration = Duration::from_secs(1);
/// One try.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);
/// All tries. A transaction may wait for this long, holding a connection to the database.
const GIVE_UP_AFTER: Duration = Duration::from_secs(4);
const TRIES: u32 = 2;
/// Calls at once: fewer than connections to the database, so that a slow KMS leaves some for what is in memory.
const CALLS_AT_ONCE: usize = 8;
/// After a call that got no answer, further ones fail at once for this long instead of waiting, too.
const REST_AFTER_SILENCE: Duration = Duration::from_secs(2);

/// Which key, and where.
#[derive(Debug, Clone, Default)]
pub struct KmsSettings {
    /// Id, ARN or alias of a symmetric key.
    pub key: String,
    /// Default: what the environment or profile says.
    pub region: Option<String>,
    /// Default: AWS's own for the region. For VPC endpoints and tests.
    pub endpoint: Option<String>,
    /// Access key id and secret. Default: the usual chain.
    pub credentials: Option<(String, String)>,
}

/// A key of AWS KMS.
pub struct AwsKms {
    client: Client,
    /// ARN of the key that wraps.
    key: String,
    calls: Semaphore,
    resting_until: Mutex<Option<Instant>>,
}

impl AwsKms {
    /// Asks KMS for the key, which must be there and enabled.
    ///
    /// # Errors
    /// See [`KeyServiceError`].
    pub async fn connect(settings: &KmsSettings) -> Result<Self, KeyServiceError> {
        let http =
            aws_smithy_http_client::Builder::new().tls_provider(Provider::Rustls(CryptoMode::AwsLc)).build_https();
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT_WITHIN)
            .operation_attempt_timeout(ANSWER_WITHIN)
            .operation_timeout(GIVE_UP_AFTER)
            .build();
        let mut loader = aws_config::defaults(BehaviorVersion::latest())
            .http_client(http)
            .timeout_config(timeouts)
            .retry_config(RetryConfig::standard().with_max_attempts(TRIES));
        if let Some(region) = &settings.region {
            loader = loader.region(Region::new(region.clone()));
        }
        if let Some(endpoint) = &settings.endpoint {
            loader = loader.endpoint_url(endpoint);
        }
        if let Some((id, secret)) = &settings.credentials {
            loader = loader.credentials_provider(Credentials::new(id, secret, None, None, "settings"));
        }
        let client = Client::new(&loader.load().await);
        let described = client.describe_key().key_id(&settings.key).send().await.map_err(said)?;
        let key = described.key_metadata.ok_or_else(|| KeyServiceError::Refused("KMS described no key".into()))?;
        if !key.enabled {
            return Err(KeyServiceError::Refused(format!("the key {} is disabled; enable it in KMS", settings.key)));
        }
        Ok(Self {
            client,
            key: key.arn.unwrap_or(key.key_id),
            calls: Semaphore::new(CALLS_AT_ONCE),
            resting_until: Mutex::new(None),
        })
    }

    /// One call, within the bounds above.
    async fn call<T>(&self, call: impl Future<Output = Result<T, KeyServiceError>>) -> Result<T, KeyServiceError> {
        let _one_of_few = self.calls.acquire().await.map_err(|_| KeyServiceError::Away("shutting down".into()))?;
        if let Ok(resting) = self.resting_until.lock()
            && resting.is_some_and(|until| Instant::now() < until)
        {
            return Err(KeyServiceError::Away("KMS did not answer a moment ago".into()));
        }
        let answer = call.await;
        if let (Err(KeyServiceError::Away(_)), Ok(mut resting)) = (&answer, self.resting_until.lock()) {
            *resting = Some(Instant::now() + REST_AFTER_SILENCE);
        }
        answer
    }

    fn wrapped(&self, blob: Option<Blob>) -> Result<Wrapped, KeyServiceError> {
        let blob = blob.ok_or_else(|| KeyServiceError::Refused("KMS gave no wrapped key".into()))?;
        Ok(Wrapped { wrapping_key: format!("{PREFIX}{}", self.key), bytes: blob.into_inner() })
    }
}

#[async_trait::async_trait]
impl KeyService for AwsKms {
    fn made(&self, wrapping_key: &str) -> bool {
        wrapping_key.starts_with(PREFIX)
    }

    fn remote(&self) -> bool {
        true
    }

    async fn newest(&self) -> Result<String, KeyServiceError> {
        Ok(format!("{PREFIX}{}", self.key))
    }

    async fn generate(&self, bound: Bound<'_>) -> Result<(DataKey, Wrapped), KeyServiceError> {
        let made = self.call(async {
            let call = self.client.generate_data_key().key_id(&self.key).key_spec(DataKeySpec::Aes256);
            call.set_encryption_context(Some(context(bound))).send().await.map_err(said)
        });
        let made = made.await?;
        Ok((bare(made.plaintext)?, self.wrapped(made.ciphertext_blob)?))
    }

    async fn wrap(&self, key: &DataKey, bound: Bound<'_>) -> Result<Wrapped, KeyServiceError> {
        let made = self.call(async {
            let call = self.client.encrypt().key_id(&self.key).plaintext(Blob::new(key.to_vec()));
            call.set_encryption_context(Some(context(bound))).send().await.map_err(said)
        });
        self.wrapped(made.await?.ciphertext_blob)
    }

    async fn unwrap(&self, wrapped: &Wrapped, bound: Bound<'_>) -> Result<DataKey, KeyServiceError> {
        let made = self.call(async {
            let call = self.client.decrypt().key_id(arn(wrapped)).ciphertext_blob(Blob::new(wrapped.bytes.clone()));
            call.set_encryption_context(Some(context(bound))).send().await.map_err(said)
        });
        bare(made.await?.plaintext)
    }

    async fn rewrap(&self, wrapped: &Wrapped, bound: Bound<'_>) -> Result<Wrapped, KeyServiceError> {
        let made = self.call(async {
            let call = self.client.re_encrypt().source_key_id(arn(wrapped)).destination_key_id(&self.key);
            let call = call.ciphertext_blob(Blob::new(wrapped.bytes.clone()));
            let call = call.set_source_encryption_context(Some(context(bound)));
            call.set_destination_encryption_context(Some(context(bound))).send().await.map_err(said)
        });
        self.wrapped(made.await?.ciphertext_blob)
    }
}

fn arn(wrapped: &Wrapped) -> &str {
    wrapped.wrapping_key.strip_prefix(PREFIX).unwrap_or(&wrapped.wrapping_key)
}

/// What the data key is bound to, as KMS logs it: ids only.
fn context(bound: Bound<'_>) -> HashMap<String, String> {
    HashMap::from([
        ("bedside:purpose".to_owned(), bound.purpose.to_owned()),
        ("bedside:owner".to_owned(), bound.owner.to_string()),
        ("bedside:version".to_owned(), bound.version.to_string()),
    ])
}

fn bare(plain: Option<Blob>) -> Result<DataKey, KeyServiceError> {
    let plain = zeroize::Zeroizing::new(plain.map(Blob::into_inner).unwrap_or_default());
    <[u8; 32]>::try_from(plain.as_slice()).map(DataKey::new).map_err(|_| KeyServiceError::Damaged)
}

/// What KMS said, in our words. Its messages name keys and accounts, never data.
fn said<E>(error: SdkError<E>) -> KeyServiceError
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    let SdkError::ServiceError(answer) = &error else {
        return KeyServiceError::Away(match error {
            SdkError::TimeoutError(_) => "KMS did not answer in time".into(),
            SdkError::DispatchFailure(failure) if failure.is_timeout() => "KMS did not answer in time".into(),
            SdkError::DispatchFailure(_) => "no connection to KMS".into(),
            _ => "KMS could not be asked; check region and credentials".into(),
        });
    };
    let (code, message) = (answer.err().code().unwrap_or("unknown"), answer.err().message().unwrap_or_default());
    match code {
        "InvalidCiphertextException" | "IncorrectKeyException" => KeyServiceError::Damaged,
        "ThrottlingException"
        | "LimitExceededException"
        | "RequestLimitExceeded"
        | "KMSInternalException"
        | "DependencyTimeoutException"
        | "KeyUnavailableException"
        | "ServiceUnavailableException"
        | "InternalFailure" => KeyServiceError::Away(format!("KMS answers {code}")),
        _ if answer.raw().status().is_server_error() => KeyServiceError::Away(format!("KMS answers {code}")),
        _ => KeyServiceError::Refused(format!("{code}: {message}")),
    }
}
