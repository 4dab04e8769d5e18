//! Details that may be patients' data: sealed under the patient's key, or the clinic's where there is no patient, and
//! bound to the event that they belong to.

use time::OffsetDateTime;
use uuid::Uuid;
use visit::PatientId;

use super::tree::sha256;
use super::{Entry, Tx};
use crate::seal::Place;
use crate::{Error, Phi};

/// The event that a detail belongs to.
pub(super) struct DetailPlace<'a> {
    pub at: OffsetDateTime,
    pub action: &'a str,
    pub actor: Option<Uuid>,
    pub resource: Option<Uuid>,
    pub patient: Option<PatientId>,
}

impl DetailPlace<'_> {
    /// Numbers are given out by the database as it writes, so the event is named by what it says.
    fn place(&self) -> Place {
        let micros = self.at.unix_timestamp_nanos() / 1_000;
        let said = format!("{micros}|{}|{:?}|{:?}", self.action, self.actor, self.resource);
        let row = Uuid::from_slice(&sha256(said.as_bytes())[..16]).expect("16 bytes");
        Place::new("audit_event.detail_sealed", row)
    }
}

impl Tx {
    /// Adds free text to an entry of this transaction. Nobody reads it but whoever may search the log.
    pub(crate) async fn private_detail(&mut self, entry: &mut Entry, text: &Phi<String>) -> Result<(), Error> {
        let context = self.context();
        let place = DetailPlace {
            at: context.at,
            action: entry.action,
            actor: context.actor.id(),
            resource: entry.resource.id(),
            patient: entry.patient,
        };
        let keys = match place.patient {
            Some(patient) => self.patient_keys(patient).await?,
            None => self.clinic_keys().await?,
        };
        entry.detail_sealed = Some(keys.seal_text(place.place(), text)?);
        Ok(())
    }

    /// What [`Tx::private_detail`] sealed; `None` if the patient's key was destroyed.
    pub(super) async fn open_detail(
        &mut self,
        place: &DetailPlace<'_>,
        sealed: &[u8],
    ) -> Result<Option<Phi<String>>, Error> {
        let keys = match place.patient {
            Some(patient) => self.patient_keys(patient).await,
            None => self.clinic_keys().await,
        };
        match keys {
            Ok(keys) => keys.open_text(place.place(), sealed).map(Some),
            Err(Error::Sealed(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }
}
