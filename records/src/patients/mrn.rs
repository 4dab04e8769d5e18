//! Medical record numbers that are made here: the clinic's letters, a running number, a check digit.

use crate::action::NumberPatients;
use crate::{Authorized, Error, Pending, Tx};

/// Digits of the running number, padded with zeros.
const DIGITS: usize = 6;

/// The next number of the clinic that no patient has. Not gapless: one that is given up again stays unused.
pub(super) async fn next(tx: &mut Tx) -> Result<String, Error> {
    loop {
        let row = sqlx::query!(
            "UPDATE clinic SET mrn_next = mrn_next + 1 WHERE clinic_id = current_clinic() RETURNING mrn_prefix, mrn_next - 1 AS \"number!\"",
        )
        .fetch_optional(tx.connection()?)
        .await?
        .ok_or(Error::NotFound)?;
        let mrn = format(&row.mrn_prefix, row.number.unsigned_abs());
        if !super::register::mrn_is_taken(tx, &mrn).await? {
            return Ok(mrn);
        }
    }
}

/// `RF-010001-6`
fn format(prefix: &str, number: u64) -> String {
    let digits = format!("{number:0DIGITS$}");
    format!("{prefix}-{digits}-{}", check_digit(&digits))
}

/// Luhn's check digit (ISO/IEC 7812-1, annex B): any one wrong digit, and nearly every swap of neighbours, is noticed.
fn check_digit(digits: &str) -> u8 {
    let sum: u32 = digits
        .bytes()
        .rev()
        .enumerate()
        .map(|(place, byte)| {
            let digit = u32::from(byte - b'0');
            match (place % 2, digit) {
                (0, 5..) => digit * 2 - 9,
                (0, _) => digit * 2,
                _ => digit,
            }
        })
        .sum();
    u8::try_from((10 - sum % 10) % 10).expect("one digit")
}

/// Whether a number that looks like one of ours has the right check digit; `None` if it does not look like one.
#[must_use]
pub fn is_well_formed(mrn: &str) -> Option<bool> {
    let mut parts = mrn.trim().split('-');
    let (prefix, digits, check) = (parts.next()?, parts.next()?, parts.next()?);
    let ours = parts.next().is_none()
        && (1..=4).contains(&prefix.len())
        && prefix.bytes().all(|byte| byte.is_ascii_alphabetic())
        && digits.len() >= DIGITS
        && digits.bytes().all(|byte| byte.is_ascii_digit())
        && check.len() == 1
        && check.bytes().all(|byte| byte.is_ascii_digit());
    ours.then(|| check == check_digit(digits).to_string())
}

/// Sets the letters with which the clinic's new numbers begin, one to four; gives the next number as an example.
///
/// # Errors
/// See [`PrefixError`].
pub async fn set_prefix(
    tx: &mut Tx,
    may: &Authorized<NumberPatients>,
    prefix: &str,
) -> Result<Pending<String>, PrefixError> {
    tx.proved(may)?;
    let prefix = prefix.trim().to_ascii_uppercase();
    if !(1..=4).contains(&prefix.len()) || !prefix.bytes().all(|byte| byte.is_ascii_uppercase()) {
        return Err(PrefixError::NotLetters);
    }
    let number = sqlx::query_scalar!(
        "UPDATE clinic SET mrn_prefix = $1 WHERE clinic_id = current_clinic() RETURNING mrn_next",
        prefix
    )
    .fetch_one(tx.connection()?)
    .await
    .map_err(Error::from)?;
    if let Some(logged) = tx.last_logged() {
        logged.detail = Some(serde_json::json!({ "prefix": prefix }));
    }
    Ok(Pending(format(&prefix, number.unsigned_abs())))
}

/// The letters were not set.
#[derive(Debug, thiserror::Error)]
pub enum PrefixError {
    /// Not one to four letters.
    #[error("record numbers begin with one to four letters; give those")]
    NotLetters,
    /// See [`Error`].
    #[error(transparent)]
    Failed(#[from] Error),
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_check_digit_is_that_of_the_standards_example() {
        assert_eq!(check_digit("7992739871"), 3);
        assert_eq!(format("RF", 10_001), "RF-010001-6");
        assert_eq!(is_well_formed("RF-010001-6"), Some(true));
        assert_eq!(is_well_formed("RF-10482"), None, "imported from elsewhere");
    }

    proptest! {
        #[test]
        fn one_wrong_digit_is_always_noticed(number in 0u64..1_000_000_000, at in any::<prop::sample::Index>(), add in 1u8..10) {
            let mrn = format("RF", number);
            prop_assert_eq!(is_well_formed(&mrn), Some(true));
            let digits: Vec<usize> = mrn.char_indices().filter(|(_, c)| c.is_ascii_digit()).map(|(at, _)| at).collect();
            let at = digits[at.index(digits.len())];
            let mut wrong = mrn.into_bytes();
            wrong[at] = b'0' + (wrong[at] - b'0' + add) % 10;
            prop_assert_eq!(is_well_formed(std::str::from_utf8(&wrong).unwrap()), Some(false));
        }
    }
}
