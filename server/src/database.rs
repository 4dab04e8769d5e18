//! Which PostgreSQL: the configured one, a private one that we start, or the private one of a running server.

use anyhow::{Context as _, Result};
use records::{AwsKms, KeyRing, Keys, KmsSettings, PrivatePostgres, Records};

use crate::config::{Config, KeyProvider};
use crate::data_dir::DataDir;

/// A database that answers, with this version's schema.
pub struct Database {
    /// The record.
    pub records: Records,
    /// Kept for as long as the record is used: dropping it stops the private PostgreSQL.
    pub private: Option<PrivatePostgres>,
}

/// Starts or finds the database and brings its schema up to date. The private one is started by this thread, off the
/// async threads.
///
/// # Errors
/// One line that says what to do.
pub fn open(runtime: &tokio::runtime::Runtime, config: &Config, data: &DataDir) -> Result<Database> {
    let private = private(config, data)?;
    let (app, owner) = match (&private, &config.database.url, &config.database.owner_url) {
        (Some(private), ..) => (private.app_url(), private.owner_url()),
        (None, Some(app), Some(owner)) => (app.reveal().to_owned(), owner.reveal().to_owned()),
        (None, ..) => anyhow::bail!("configuration: database.url and database.owner_url: give both or neither"),
    };
    let records = runtime.block_on(async {
        let keys = keys(config, data).await?;
        records::migrate(&owner).await?;
        anyhow::Ok(Records::connect(&app, keys).await?.reached_at(&config.origin()))
    })?;
    Ok(Database { records, private })
}

/// The configured provider wraps; the other one, if it is there, still unwraps what it has wrapped before.
async fn keys(config: &Config, data: &DataDir) -> Result<Keys> {
    let kms = match &config.keys.kms_key {
        None => None,
        Some(key) => {
            let settings = KmsSettings {
                key: key.clone(),
                region: config.keys.kms_region.clone(),
                endpoint: config.keys.kms_endpoint.clone(),
                credentials: None,
            };
            Some(AwsKms::connect(&settings).await.context("keys.kms_key")?)
        }
    };
    match (config.keys.provider, kms) {
        (KeyProvider::AwsKms, Some(kms)) => {
            let ring = data.key_ring().exists().then(|| KeyRing::open(&data.key_ring())).transpose()?;
            Ok(Keys::kms(kms, ring))
        }
        (KeyProvider::AwsKms, None) => anyhow::bail!("keys.kms_key: keys.provider = \"aws-kms\" needs a key"),
        (KeyProvider::Ring, kms) => Ok(Keys::ring(KeyRing::open_or_create(&data.key_ring())?, kms)),
    }
}

fn private(config: &Config, data: &DataDir) -> Result<Option<PrivatePostgres>> {
    if config.database.url.is_some() {
        return Ok(None);
    }
    let dir = data.postgres();
    if data.server_is_running().context("data folder")?
        && let Some(running) = PrivatePostgres::running_in(&dir)
    {
        return Ok(Some(running));
    }
    Ok(Some(PrivatePostgres::start(&dir)?))
}
