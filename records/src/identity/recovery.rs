//! Recovery codes: for whoever lost every second factor. Ten, each good once, shown once, stored as hashes.

use aws_lc_rs::rand;
use uuid::Uuid;
use visit::StaffId;
use zeroize::Zeroizing;

use crate::token::sha256;
use crate::{Error, Phi, Tx};

/// Codes in a set.
pub const CODES: usize = 10;
/// Letters of a code, without the dashes: 80 bits.
const LETTERS: usize = 16;
/// None that could be taken for another.
const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";

/// Ends the current set.
pub(crate) async fn void(tx: &mut Tx, staff: StaffId) -> Result<(), Error> {
    let at = tx.context().at;
    sqlx::query!(
        "UPDATE recovery_code SET replaced_at = $2 WHERE staff_id = $1 AND clinic_id = current_clinic() AND replaced_at IS NULL",
        staff.0,
        at,
    )
    .execute(tx.connection()?)
    .await?;
    Ok(())
}

/// Makes a new set in the place of the former one. The codes are to be shown once; only their hashes stay.
pub(crate) async fn replace(tx: &mut Tx, staff: StaffId) -> Result<Vec<Phi<String>>, Error> {
    let (clinic, at) = (tx.context().actor.clinic().0, tx.context().at);
    void(tx, staff).await?;
    let codes: Vec<String> = (0..CODES).map(|_| fresh()).collect();
    let ids: Vec<Uuid> = codes.iter().map(|_| Uuid::now_v7()).collect();
    let hashes: Vec<Vec<u8>> = codes.iter().map(|code| hash(code).to_vec()).collect();
    sqlx::query!(
        "INSERT INTO recovery_code (recovery_code_id, clinic_id, staff_id, code_hash, created_at)
         SELECT id, $1, $2, hash, $3 FROM unnest($4::uuid[], $5::bytea[]) AS made (id, hash)",
        clinic,
        staff.0,
        at,
        &ids,
        &hashes,
    )
    .execute(tx.connection()?)
    .await?;
    Ok(codes.into_iter().map(Phi::from).collect())
}

/// How many codes of the current set were not used.
pub(crate) async fn left(tx: &mut Tx, staff: StaffId) -> Result<i64, Error> {
    let left = sqlx::query_scalar!(
        r#"SELECT count(*) AS "left!" FROM recovery_code
           WHERE staff_id = $1 AND clinic_id = current_clinic() AND used_at IS NULL AND replaced_at IS NULL"#,
        staff.0,
    )
    .fetch_one(tx.connection()?)
    .await?;
    Ok(left)
}

/// Uses a code up. False if it is not one of this person's, or was used or replaced.
pub(crate) async fn spend(tx: &mut Tx, staff: StaffId, code: &str) -> Result<bool, Error> {
    let at = tx.context().at;
    let spent = sqlx::query!(
        "UPDATE recovery_code SET used_at = $3
         WHERE staff_id = $1 AND code_hash = $2 AND clinic_id = current_clinic() AND used_at IS NULL AND replaced_at IS NULL",
        staff.0,
        &hash(code)[..],
        at,
    )
    .execute(tx.connection()?)
    .await?;
    Ok(spent.rows_affected() == 1)
}

fn fresh() -> String {
    let mut random = Zeroizing::new([0u8; LETTERS]);
    rand::fill(&mut *random).expect("the operating system's randomness is there or the process can't run");
    let letters: Vec<char> = random.iter().map(|byte| char::from(ALPHABET[usize::from(byte & 31)])).collect();
    letters.chunks(4).map(|group| group.iter().collect::<String>()).collect::<Vec<_>>().join("-")
}

/// However it was typed: case, dashes and spaces don't matter.
fn hash(code: &str) -> [u8; 32] {
    let plain: Zeroizing<String> = Zeroizing::new(
        code.chars().filter(char::is_ascii_alphanumeric).map(|char| char.to_ascii_lowercase()).collect(),
    );
    sha256(plain.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_the_same_however_it_is_typed_and_no_two_are() {
        let code = fresh();
        assert_eq!(code.len(), LETTERS + 3);
        assert_eq!(hash(&code), hash(&format!(" {} ", code.to_uppercase().replace('-', " "))));
        assert_ne!(hash(&code), hash(&fresh()));
    }
}
