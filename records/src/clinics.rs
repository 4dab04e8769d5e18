//! Clinics: the tenants.

use visit::ClinicId;

use crate::action::Resource;
use crate::audit::Entry;
use crate::data_key::{self, Owner};
use crate::{Error, Pending, Records, Tx};

/// A clinic as everyone may know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clinic {
    /// Its id.
    pub id: ClinicId,
    /// Its name.
    pub name: String,
    /// The number that patients call for help.
    pub phone: String,
    /// IANA name of its time zone, e.g. `America/Chicago`.
    pub time_zone: String,
}

/// All clinics of this installation, for the server's own work. No patient data.
///
/// # Errors
/// The database can't be reached.
pub async fn list(records: &Records) -> Result<Vec<Clinic>, Error> {
    let mut tx = records.begin_without_clinic().await?;
    sqlx::query!("SELECT set_config('bedside.list_clinics', 'on', true)").fetch_one(&mut *tx).await?;
    let rows = sqlx::query!("SELECT clinic_id, name, phone, time_zone FROM clinic ORDER BY created_at, clinic_id")
        .fetch_all(&mut *tx)
        .await?;
    tx.commit().await?;
    Ok(rows
        .into_iter()
        .map(|row| Clinic { id: ClinicId(row.clinic_id), name: row.name, phone: row.phone, time_zone: row.time_zone })
        .collect())
}

/// Whether the database knows this time zone by this name.
///
/// # Errors
/// The database can't be reached.
pub async fn is_time_zone(records: &Records, name: &str) -> Result<bool, Error> {
    let known =
        sqlx::query_scalar!(r#"SELECT EXISTS (SELECT FROM pg_timezone_names WHERE name = $1) AS "known!""#, name)
            .fetch_one(&mut *records.single().await?)
            .await?;
    Ok(known)
}

/// Makes the clinic that `tx` says, with a data key for what belongs to no patient and one to find patients by. The server's own work only.
///
/// # Errors
/// The database can't be reached; [`Error::Forbidden`] for people.
pub async fn create(tx: &mut Tx, name: &str, phone: &str, time_zone: &str) -> Result<Pending<ClinicId>, Error> {
    tx.only_system()?;
    let (id, at) = (tx.context().actor.clinic(), tx.context().at);
    sqlx::query!(
        "INSERT INTO clinic (clinic_id, name, phone, time_zone, created_at) VALUES ($1, $2, $3, $4, $5)",
        id.0,
        name,
        phone,
        time_zone,
        at,
    )
    .execute(tx.connection()?)
    .await?;
    data_key::create(tx, Owner::Clinic).await?;
    data_key::create(tx, Owner::Index).await?;
    tx.log(Entry::new("clinic.create", Resource::Clinic));
    Ok(Pending(id))
}
