//! The key-encryption keys: what wraps data keys, and never stands in the database.
//!
//! [`Keys`] is the one door through which data keys pass. Behind it stand key services, all alike to the rest of the
//! house: the local key ring ([`KeyRing`]), a file; and AWS KMS ([`AwsKms`]). The first one wraps what is new; all
//! unwrap what they have wrapped, so moving from one to another is a rotation.

mod cache;
mod kms;
mod ring;
mod ring_file;

use std::sync::Arc;
use std::time::Instant;

use aws_lc_rs::rand;
use futures_util::future::try_join_all;
use uuid::Uuid;
use zeroize::Zeroizing;

pub use kms::{AwsKms, KmsSettings};
pub use ring::KeyRing;
pub use ring_file::{KeyRingError, RingKey};

use cache::Cache;

/// A data key, bare.
pub(crate) type DataKey = Zeroizing<[u8; 32]>;

/// What a wrapped data key is bound to: it must be said again to unwrap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bound<'a> {
    pub purpose: &'a str,
    pub owner: Uuid,
    pub version: i32,
}

impl Bound<'_> {
    /// As associated data.
    fn text(&self) -> String {
        format!("data_key|{}|{}|{}", self.purpose, self.owner, self.version)
    }
}

/// A data key, encrypted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wrapped {
    /// Id of the key-encryption key.
    pub wrapping_key: String,
    /// The data key under it.
    pub bytes: Vec<u8>,
}

/// A keeper of key-encryption keys.
#[async_trait::async_trait]
pub(crate) trait KeyService: Send + Sync {
    /// Whether this service made this id. It may still have lost the key.
    fn made(&self, wrapping_key: &str) -> bool;
    /// Whether asking costs a network call: answers are cached then.
    fn remote(&self) -> bool;
    /// Id of the key that wraps now.
    async fn newest(&self) -> Result<String, KeyServiceError>;
    /// Makes a data key and wraps it.
    async fn generate(&self, bound: Bound<'_>) -> Result<(DataKey, Wrapped), KeyServiceError> {
        let mut key = DataKey::new([0; 32]);
        rand::fill(&mut *key).map_err(|_| KeyServiceError::Away("the operating system gives no randomness".into()))?;
        let wrapped = self.wrap(&key, bound).await?;
        Ok((key, wrapped))
    }
    /// Wraps a data key with the newest key.
    async fn wrap(&self, key: &DataKey, bound: Bound<'_>) -> Result<Wrapped, KeyServiceError>;
    /// Unwraps a data key.
    async fn unwrap(&self, wrapped: &Wrapped, bound: Bound<'_>) -> Result<DataKey, KeyServiceError>;
    /// Wraps with the newest key what this service has wrapped before.
    async fn rewrap(&self, wrapped: &Wrapped, bound: Bound<'_>) -> Result<Wrapped, KeyServiceError> {
        let key = self.unwrap(wrapped, bound).await?;
        self.wrap(&key, bound).await
    }
}

/// A key service did not do it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyServiceError {
    /// It can't be reached, or is too busy: trying again may help.
    #[error("the key service can't be reached: {0}; nothing is lost, try again when it answers")]
    Away(String),
    /// It answered that it will not.
    #[error("the key service refuses: {0}")]
    Refused(String),
    /// No service that is configured made, or still has, this wrapping key.
    #[error(
        "the key-encryption key {0} is neither in the key ring nor in a configured key service; restore the key ring from your backup"
    )]
    Unknown(String),
    /// Not what was wrapped here, or bound to something else.
    #[error("a wrapped data key does not open")]
    Damaged,
}

impl From<KeyServiceError> for crate::Error {
    fn from(error: KeyServiceError) -> Self {
        match error {
            KeyServiceError::Damaged => Self::Sealed("data key"),
            KeyServiceError::Unknown(_) => Self::Sealed("data key: its wrapping key is not in the key ring"),
            away @ (KeyServiceError::Away(_) | KeyServiceError::Refused(_)) => Self::Keys(away),
        }
    }
}

/// All key services of this installation. Cheap to clone.
#[derive(Clone)]
pub struct Keys(Arc<Services>);

struct Services {
    /// The first wraps.
    services: Vec<Box<dyn KeyService>>,
    cache: Arc<Cache>,
}

impl From<KeyRing> for Keys {
    fn from(ring: KeyRing) -> Self {
        Self::new(vec![Box::new(ring)])
    }
}

impl Keys {
    /// KMS wraps; what the key ring has wrapped before still unwraps.
    #[must_use]
    pub fn kms(kms: AwsKms, ring: Option<KeyRing>) -> Self {
        let mut services: Vec<Box<dyn KeyService>> = vec![Box::new(kms)];
        services.extend(ring.map(|ring| Box::new(ring) as Box<dyn KeyService>));
        Self::new(services)
    }

    /// The key ring wraps; what KMS has wrapped before still unwraps.
    #[must_use]
    pub fn ring(ring: KeyRing, kms: Option<AwsKms>) -> Self {
        let mut services: Vec<Box<dyn KeyService>> = vec![Box::new(ring)];
        services.extend(kms.map(|kms| Box::new(kms) as Box<dyn KeyService>));
        Self::new(services)
    }

    fn new(services: Vec<Box<dyn KeyService>>) -> Self {
        Self(Arc::new(Services { services, cache: Cache::new() }))
    }

    fn first(&self) -> &dyn KeyService {
        self.0.services.first().expect("every constructor gives one").as_ref()
    }

    fn maker(&self, wrapping_key: &str) -> Result<&dyn KeyService, KeyServiceError> {
        let made = self.0.services.iter().find(|service| service.made(wrapping_key));
        made.map(AsRef::as_ref).ok_or_else(|| KeyServiceError::Unknown(wrapping_key.to_owned()))
    }

    /// Whether a data key that was wrapped by this one can be unwrapped.
    pub(crate) fn has(&self, wrapping_key: &str) -> bool {
        self.maker(wrapping_key).is_ok()
    }

    /// Id of the key that wraps now.
    pub(crate) async fn newest(&self) -> Result<String, KeyServiceError> {
        self.first().newest().await
    }

    /// A fresh data key.
    pub(crate) async fn generate(&self, bound: Bound<'_>) -> Result<(DataKey, Wrapped), KeyServiceError> {
        let (key, wrapped) = self.first().generate(bound).await?;
        if self.first().remote() {
            self.keep(&wrapped, bound, &key);
        }
        Ok((key, wrapped))
    }

    /// A data key, from memory if the same wrapped bytes were unwrapped a short while ago.
    pub(crate) async fn unwrap(&self, wrapped: &Wrapped, bound: Bound<'_>) -> Result<DataKey, KeyServiceError> {
        let maker = self.maker(&wrapped.wrapping_key)?;
        if !maker.remote() {
            return maker.unwrap(wrapped, bound).await;
        }
        if let Some(key) = self.0.cache.find(wrapped, bound, Instant::now()) {
            return Ok(key);
        }
        let key = maker.unwrap(wrapped, bound).await?;
        self.keep(wrapped, bound, &key);
        Ok(key)
    }

    fn keep(&self, wrapped: &Wrapped, bound: Bound<'_>, key: &DataKey) {
        if self.0.cache.keep(wrapped, bound, key, Instant::now()) {
            tokio::spawn(cache::sweep(self.0.cache.clone()));
        }
    }

    /// Many at once: a remote service is asked for several at a time.
    pub(crate) async fn unwrap_all(&self, all: &[(Wrapped, Bound<'_>)]) -> Result<Vec<DataKey>, KeyServiceError> {
        try_join_all(all.iter().map(|(wrapped, bound)| self.unwrap(wrapped, *bound))).await
    }

    /// The same data key under the newest key-encryption key.
    pub(crate) async fn rewrap(&self, wrapped: &Wrapped, bound: Bound<'_>) -> Result<Wrapped, KeyServiceError> {
        if self.first().made(&wrapped.wrapping_key) {
            return self.first().rewrap(wrapped, bound).await;
        }
        let key = self.maker(&wrapped.wrapping_key)?.unwrap(wrapped, bound).await?;
        self.first().wrap(&key, bound).await
    }
}
