//! Which lists a chart has, which documents stand in them, and the actions that reach those.

use serde::Serialize;
use serde::de::DeserializeOwned;
use time::Date;
use zeroize::Zeroize;

use super::documents::{AllergyStatus, Clinical, Coverage, Verification};
use super::values::Invalid;
use crate::action::{Action, ReadClinical, ReadInsurance, WriteClinical, WriteInsurance};
use crate::text_enum::text_enum;

text_enum! {
    /// The lists of a chart.
    List {
        /// Insurance.
        Coverage = "coverage",
        /// Allergies.
        Allergy = "allergy",
        /// That somebody asked and there are no allergies.
        NoKnownAllergies = "no_known_allergies",
        /// Conditions.
        Condition = "condition",
        /// Medications.
        Medication = "medication",
        /// Immunisations.
        Immunization = "immunization",
        /// Surgical history.
        Procedure = "procedure",
    }
}

text_enum! {
    /// What was done to an entry.
    Change {
        /// It was written down.
        Created = "created",
        /// It says something else now.
        Changed = "changed",
        /// It should not have been there.
        EnteredInError = "entered_in_error",
        /// It should.
        Restored = "restored",
    }
}

/// A document that is kept in lists of the chart, and the actions that reach it.
pub trait Listed: Serialize + DeserializeOwned + Zeroize + Clone + Send + Sync {
    /// To read it.
    type Read: Action;
    /// To change it.
    type Write: Action;
    /// In which lists it is kept.
    const LISTS: &'static [List];
    /// In which list this one is kept.
    fn list(&self) -> List;
    /// Brings it into its form, or says what can't be kept.
    ///
    /// # Errors
    /// [`Invalid`].
    fn check(&mut self, today: Date) -> Result<(), Invalid>;
    /// Whether it says that there is an allergy.
    fn is_an_allergy(&self) -> bool {
        false
    }
}

impl Listed for Coverage {
    type Read = ReadInsurance;
    type Write = WriteInsurance;
    const LISTS: &'static [List] = &[List::Coverage];

    fn list(&self) -> List {
        List::Coverage
    }

    fn check(&mut self, today: Date) -> Result<(), Invalid> {
        self.check(today)
    }
}

impl Listed for Clinical {
    type Read = ReadClinical;
    type Write = WriteClinical;
    const LISTS: &'static [List] =
        &[List::Allergy, List::Condition, List::Medication, List::Immunization, List::Procedure];

    fn list(&self) -> List {
        match self {
            Self::Allergy(_) => List::Allergy,
            Self::Condition(_) => List::Condition,
            Self::Medication(_) => List::Medication,
            Self::Immunization(_) => List::Immunization,
            Self::Procedure(_) => List::Procedure,
        }
    }

    fn check(&mut self, today: Date) -> Result<(), Invalid> {
        self.check(today)
    }

    fn is_an_allergy(&self) -> bool {
        matches!(self, Self::Allergy(allergy)
            if allergy.status == AllergyStatus::Active && allergy.verification != Verification::Refuted)
    }
}
