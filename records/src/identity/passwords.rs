//! Which passwords are taken, and changing one's own.

use visit::StaffId;

use crate::action::{ChangePassword, Resource};
use crate::audit::{Entry, Outcome};
use crate::identity::{breached, letters};
use crate::sessions::{self, SessionId};
use crate::staff::MIN_PASSWORD_CHARS;
use crate::{Authorized, Error, Pending, Phi, Records, Tx, password};

/// Longest password, characters.
pub const MAX_PASSWORD_CHARS: usize = 1_024;
/// What must be left of a password without its owner's name and address.
const OWN_CHARS: usize = 8;

/// A password that is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PasswordRule {
    /// Shorter than [`MIN_PASSWORD_CHARS`].
    #[error("the password is shorter than {MIN_PASSWORD_CHARS} characters; choose a longer one")]
    TooShort,
    /// Longer than [`MAX_PASSWORD_CHARS`].
    #[error("the password is longer than {MAX_PASSWORD_CHARS} characters; choose a shorter one")]
    TooLong,
    /// Made of the owner's name or address.
    #[error("the password is made of your name or e-mail address; choose another one")]
    LikeTheAccount,
    /// Found in a breach.
    #[error("the password is on a list of stolen ones; choose another one")]
    Breached,
}

/// Whether a password may be that of an account with this address and name, but for breaches.
///
/// # Errors
/// [`PasswordRule`].
pub fn check_rules(password: &str, email: &str, name: &str) -> Result<(), PasswordRule> {
    let length = password.chars().count();
    if length < MIN_PASSWORD_CHARS {
        return Err(PasswordRule::TooShort);
    }
    if length > MAX_PASSWORD_CHARS {
        return Err(PasswordRule::TooLong);
    }
    let mut left = folded(password);
    let local = email.split('@').next().unwrap_or(email);
    for own in [folded(email), folded(name), folded(local)] {
        if own.chars().count() >= 3 {
            left = left.replace(&own, "");
        }
    }
    let signs = password.chars().filter(|char| !char.is_alphanumeric()).count();
    if left.chars().count() + signs < OWN_CHARS { Err(PasswordRule::LikeTheAccount) } else { Ok(()) }
}

/// Letters and digits alone, without case.
fn folded(text: &str) -> String {
    text.chars().filter(|char| char.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// All rules, with the list of breached passwords if there is one.
pub(crate) async fn check(
    records: &Records,
    password: &Phi<String>,
    email: &str,
    name: &str,
) -> Result<Result<(), PasswordRule>, Error> {
    if let Err(rule) = check_rules(password.expose(), email, name) {
        return Ok(Err(rule));
    }
    let Some(list) = records.identity().breached_passwords.clone() else { return Ok(Ok(())) };
    let password = password.clone();
    let found = tokio::task::spawn_blocking(move || breached::contains(&list, password.expose()))
        .await
        .map_err(|_| Error::Over)?;
    match found {
        Ok(true) => Ok(Err(PasswordRule::Breached)),
        Ok(false) => Ok(Ok(())),
        // A list that can't be read must not keep anybody from getting away from a bad password.
        Err(error) => {
            tracing::error!(%error, "the list of breached passwords can't be read");
            Ok(Ok(()))
        }
    }
}

/// What came of changing a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Changed {
    /// It is the new one now; all other sessions are over.
    Yes,
    /// The old password was wrong.
    WrongPassword,
    /// The new one is not taken.
    Refused(PasswordRule),
}

/// Changes the actor's own password and ends all sessions but `session`. Commit whatever comes of it: a wrong old
/// password is logged.
///
/// # Errors
/// The database can't be reached.
pub async fn change(
    tx: &mut Tx,
    may: &Authorized<ChangePassword>,
    session: SessionId,
    old: Phi<String>,
    new: Phi<String>,
) -> Result<Pending<Changed>, Error> {
    let staff = tx.proved(may)?.0;
    let known = sqlx::query!(
        "SELECT email, name, password_hash FROM staff WHERE staff_id = $1 AND clinic_id = current_clinic() FOR UPDATE",
        staff.0
    )
    .fetch_one(tx.connection()?)
    .await?;
    let records = tx.records().clone();
    if !password::verify(&records, old, known.password_hash).await? {
        tx.logged_as(Entry {
            outcome: Outcome::Failed,
            reason: Some("wrong"),
            ..Entry::new("account.password", Resource::Staff(staff))
        });
        return Ok(Pending(Changed::WrongPassword));
    }
    if let Err(rule) = check(&records, &new, &known.email, &known.name).await? {
        return Ok(Pending(Changed::Refused(rule)));
    }
    store(tx, staff, new).await?;
    sessions::end_all_of(tx, staff, Some(session)).await?;
    letters::password_changed(tx, staff).await?;
    Ok(Pending(Changed::Yes))
}

/// Writes a new password down.
pub(crate) async fn store(tx: &mut Tx, staff: StaffId, new: Phi<String>) -> Result<(), Error> {
    let records = tx.records().clone();
    let (hash, at) = (password::hash(&records, new).await?, tx.context().at);
    let stored = sqlx::query!(
        "UPDATE staff SET password_hash = $2, password_changed_at = $3 WHERE staff_id = $1 AND clinic_id = current_clinic()",
        staff.0,
        hash,
        at,
    )
    .execute(tx.connection()?)
    .await?;
    if stored.rows_affected() == 1 { Ok(()) } else { Err(Error::NotFound) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(password: &str) -> Result<(), PasswordRule> {
        check_rules(password, "maya.chen@riverside.example", "Dr. Maya Chen")
    }

    #[test]
    fn twelve_characters_of_ones_own_are_enough_and_eleven_are_not() {
        assert_eq!(rule("tin-kettle-4"), Ok(()));
        assert_eq!(rule("tin-kettle4"), Err(PasswordRule::TooShort));
        assert_eq!(rule("ключ-от-двер"), Ok(()));
        assert_eq!(rule(&"x".repeat(1_025)), Err(PasswordRule::TooLong));
    }

    #[test]
    fn ones_name_and_address_do_not_count_however_they_are_written() {
        for password in [
            "maya.chen@riverside.example",
            "MayaChen1234",
            "DR MAYA CHEN 12",
            "mayachenmayachen",
            "Maya-Chen-99",
            "MayaChen123456",
        ] {
            assert_eq!(rule(password), Err(PasswordRule::LikeTheAccount), "{password}");
        }
        assert_eq!(rule("mayachen tin kettle"), Ok(()));
    }
}
