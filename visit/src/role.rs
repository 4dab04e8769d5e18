//! The roles of `product.md`, and what each may do inside a visit.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a person is to the clinic. What a role may read or change in the record is decided in `records`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The person who is treated.
    Patient,
    /// Acts for a patient.
    Guardian,
    /// Interprets in one visit.
    Interpreter,
    /// Called into one visit for what they know; of no clinic here.
    Specialist,
    /// Treats.
    Provider,
    /// Treats with a provider.
    Nurse,
    /// Books and greets.
    FrontDesk,
    /// Runs the clinic: staff, settings, call quality; no clinical data.
    ClinicAdmin,
    /// Searches, verifies and exports the audit log.
    Compliance,
    /// Operates the installation; sees no patient data.
    SuperAdmin,
}

impl Role {
    /// Whether this role hosts a visit: enters without waiting, admits, records, ends.
    #[must_use]
    pub fn hosts(self) -> bool {
        matches!(self, Self::Provider | Self::Nurse)
    }

    /// Whether this role can take a seat in a visit at all.
    #[must_use]
    pub fn joins_visits(self) -> bool {
        self.hosts() || matches!(self, Self::Patient | Self::Guardian | Self::Interpreter | Self::Specialist)
    }

    /// The name in tokens, rows and logs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Patient => "patient",
            Self::Guardian => "guardian",
            Self::Interpreter => "interpreter",
            Self::Specialist => "specialist",
            Self::Provider => "provider",
            Self::Nurse => "nurse",
            Self::FrontDesk => "front_desk",
            Self::ClinicAdmin => "clinic_admin",
            Self::Compliance => "compliance",
            Self::SuperAdmin => "super_admin",
        }
    }

    /// The role with this name, if there is one.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        [
            Self::Patient,
            Self::Guardian,
            Self::Interpreter,
            Self::Specialist,
            Self::Provider,
            Self::Nurse,
            Self::FrontDesk,
            Self::ClinicAdmin,
            Self::Compliance,
            Self::SuperAdmin,
        ]
        .into_iter()
        .find(|role| role.as_str() == name)
    }
}
