//! The second factor again, within a session, for what is sensitive.

use time::OffsetDateTime;

use crate::action::Resource;
use crate::audit::{Entry, Outcome};
use crate::identity::factors::{self, FactorKind};
use crate::identity::proof::{self, Checked, Proof};
use crate::identity::webauthn::{self, RelyingParty};
use crate::sessions::StaffSession;
use crate::sign_in::{SecondFactorError, attempt, context, kinds};
use crate::{Error, Origin, Pending, Records};

/// Gives a second factor again within a session: sensitive actions are open for a while.
///
/// # Errors
/// See [`SecondFactorError`].
pub async fn confirm(
    records: &Records,
    origin: &Origin,
    session: &StaffSession,
    proof: Proof<'_>,
    now: OffsetDateTime,
) -> Result<(), SecondFactorError> {
    let tries = attempt(records, origin, session, now).await?;
    let mut tx = records.begin(context(session, origin, now)).await?;
    let (staff, resource) = (session.staff_id, Resource::Staff(session.staff_id));
    let checked = match proof::check(&mut tx, staff, session.session_id, &proof).await? {
        Checked::Good if !factors::usable(&tx, session.role, proof.kind()) => Checked::Bad("needs_key"),
        checked => checked,
    };
    if let Checked::Bad(reason) = checked {
        tx.log(Entry { outcome: Outcome::Failed, reason: Some(reason), ..Entry::new("session.confirmed", resource) });
        tx.commit(Pending(())).await?;
        return Err(if reason == "needs_key" { SecondFactorError::NeedsKey } else { SecondFactorError::Wrong });
    }
    let confirmed = sqlx::query!(
        "UPDATE session SET second_factor_at = $2, factor = $3 WHERE session_id = $1 AND clinic_id = current_clinic() AND ended_at IS NULL",
        session.session_id.0,
        now,
        proof.kind().as_str(),
    )
    .execute(tx.connection()?)
    .await
    .map_err(Error::from)?;
    if confirmed.rows_affected() != 1 {
        return Err(SecondFactorError::SignedOut);
    }
    tries.forget(&mut tx).await?;
    tx.log(Entry::new("session.confirmed", resource));
    Ok(tx.commit(Pending(())).await?)
}

/// What an authenticator is to be asked, to confirm within a session.
///
/// # Errors
/// See [`SecondFactorError`].
pub async fn confirm_options(
    records: &Records,
    origin: &Origin,
    party: Option<&RelyingParty>,
    session: &StaffSession,
    now: OffsetDateTime,
) -> Result<(Vec<FactorKind>, Option<String>), SecondFactorError> {
    let mut tx = records.begin(context(session, origin, now)).await?;
    let mut kinds = kinds(&mut tx, session.staff_id).await?;
    kinds.retain(|kind| factors::usable(&tx, session.role, *kind));
    let options = match party {
        Some(party) => webauthn::begin_authentication(&mut tx, party, session.staff_id, session.session_id).await?,
        None => None,
    };
    Ok(tx.commit(Pending((kinds, options))).await?)
}
