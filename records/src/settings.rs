//! What a clinic has decided for itself: how long it keeps records, how long care lasts after a visit, whether patients may
//! play recordings of their visits, how record numbers begin.

use serde_json::json;

use crate::action::{ChangeSettings, ReadSettings};
use crate::{Authorized, Error, Pending, Tx};

/// Years that records may be kept, least and most.
pub const RETENTION_YEARS: std::ops::RangeInclusive<i32> = 1..=100;
/// Days that care may last after a visit, least and most.
pub const CARE_DAYS: std::ops::RangeInclusive<i32> = 1..=3_650;

/// A clinic's settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Letters that new record numbers begin with; changed by [`crate::patients::mrn::set_prefix`].
    pub mrn_prefix: String,
    /// For so many years after the last thing that happened a record is kept.
    pub retention_years: i32,
    /// For so many days after a visit who treated still sees the record.
    pub care_days: i32,
    /// Patients and who acts for them may play recordings of their visits.
    pub shares_recordings: bool,
}

/// What a change says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// As in [`Settings`].
    pub retention_years: i32,
    /// As in [`Settings`].
    pub care_days: i32,
    /// As in [`Settings`].
    pub shares_recordings: bool,
}

/// The clinic's settings.
///
/// # Errors
/// The database can't be reached.
pub async fn read(tx: &mut Tx, may: &Authorized<ReadSettings>) -> Result<Pending<Settings>, Error> {
    tx.proved(may)?;
    load(tx).await.map(Pending)
}

/// Changes them. The log says from what to what.
///
/// # Errors
/// See [`SettingsError`].
pub async fn change(
    tx: &mut Tx,
    may: &Authorized<ChangeSettings>,
    to: &Change,
) -> Result<Pending<Settings>, SettingsError> {
    tx.proved(may)?;
    if !RETENTION_YEARS.contains(&to.retention_years) {
        return Err(SettingsError::RetentionYears);
    }
    if !CARE_DAYS.contains(&to.care_days) {
        return Err(SettingsError::CareDays);
    }
    // Held from here on, so that the log's "from" is what this replaces.
    sqlx::query!("SELECT clinic_id FROM clinic WHERE clinic_id = current_clinic() FOR NO KEY UPDATE")
        .fetch_one(tx.connection()?)
        .await
        .map_err(Error::from)?;
    let from = load(tx).await?;
    sqlx::query!(
        "UPDATE clinic SET retention_years = $1, care_days = $2, shares_recordings = $3 WHERE clinic_id = current_clinic()",
        to.retention_years,
        to.care_days,
        to.shares_recordings,
    )
    .execute(tx.connection()?)
    .await
    .map_err(Error::from)?;
    if let Some(logged) = tx.last_logged() {
        let said =
            |years, days, shares| json!({"retention_years": years, "care_days": days, "shares_recordings": shares});
        logged.detail = Some(json!({
            "from": said(from.retention_years, from.care_days, from.shares_recordings),
            "to": said(to.retention_years, to.care_days, to.shares_recordings),
        }));
    }
    let Change { retention_years, care_days, shares_recordings } = *to;
    Ok(Pending(Settings { retention_years, care_days, shares_recordings, ..from }))
}

async fn load(tx: &mut Tx) -> Result<Settings, Error> {
    let row = sqlx::query_as!(
        Settings,
        "SELECT mrn_prefix, retention_years, care_days, shares_recordings FROM clinic WHERE clinic_id = current_clinic()"
    )
    .fetch_one(tx.connection()?)
    .await?;
    Ok(row)
}

/// The settings were not changed.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// Fewer or more years than may be.
    #[error("records are kept for 1 to 100 years; give a number of those")]
    RetentionYears,
    /// Fewer or more days than may be.
    #[error("care lasts for 1 to 3650 days after a visit; give a number of those")]
    CareDays,
    /// See [`Error`].
    #[error(transparent)]
    Failed(#[from] Error),
}
