//! Password hashes: argon2id, off the async threads, a few at a time.

use std::sync::LazyLock;

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};

use crate::{Error, Phi, Records};

/// OWASP's first recommendation for argon2id: 19 MiB, 2 passes, 1 lane.
fn argon2id() -> Argon2<'static> {
    let params = Params::new(19 * 1024, 2, 1, None).expect("constants within argon2's limits");
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

/// The hash of a password that nobody has: an unknown account takes as long as a known one.
static NOBODYS: LazyLock<String> = LazyLock::new(|| hash_now(crate::token::random_token().as_bytes()));

/// The PHC string of a password with a random salt.
pub(crate) async fn hash(records: &Records, password: Phi<String>) -> Result<String, Error> {
    on_a_thread(records, move || hash_now(password.expose().as_bytes())).await
}

/// Whether `password` is the one of `hash`; false after the same work if there is no hash.
pub(crate) async fn verify(records: &Records, password: Phi<String>, hash: Option<String>) -> Result<bool, Error> {
    on_a_thread(records, move || {
        let known = hash.is_some();
        let hash = hash.unwrap_or_else(|| NOBODYS.clone());
        let matches = PasswordHash::new(&hash)
            .is_ok_and(|hash| argon2id().verify_password(password.expose().as_bytes(), &hash).is_ok());
        known && matches
    })
    .await
}

fn hash_now(password: &[u8]) -> String {
    argon2id().hash_password(password).expect("argon2 with valid parameters and the system's randomness").to_string()
}

async fn on_a_thread<T: Send + 'static>(
    records: &Records,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Error> {
    let permit = records.password_checks().clone().acquire_owned().await.map_err(|_| Error::Over)?;
    tokio::task::spawn_blocking(move || {
        let _permit = permit;
        work()
    })
    .await
    .map_err(|_| Error::Over)
}
