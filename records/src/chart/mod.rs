//! The lists of a patient's chart: insurance, allergies, conditions, medications, immunisations, surgical history.
//!
//! What an entry can say is in [`documents`]; how it is kept, with every version, in [`entries`]; that there are no
//! allergies in [`allergies`]. Demographics are in [`crate::patients`].

pub mod allergies;
pub mod documents;
pub mod entries;
mod listed;
pub mod values;

pub use documents::{
    Allergy, AllergyStatus, Clinical, Condition, ConditionStatus, Coverage, Criticality, Immunization, Medication,
    MedicationStatus, Order, Procedure, Relation, Severity, Subscriber, Verification,
};
pub use entries::{Change, Entry, List, Listed, Revision};
pub use values::Invalid;
