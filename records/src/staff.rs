//! Members of staff.

use visit::StaffId;

use crate::action::ListProviders;
use crate::{Authorized, Error, Pending, Tx};

/// Somebody who treats.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provider {
    /// Who.
    pub staff_id: StaffId,
    /// Shown name.
    pub name: String,
}

/// All active providers, by name.
///
/// # Errors
/// The database can't be reached.
pub async fn providers(_tx: &mut Tx, _may: &Authorized<ListProviders>) -> Result<Pending<Vec<Provider>>, Error> {
    Err(Error::Unfinished)
}
