//! The patients' portal: who is signed in there, and what they see of their own record or of their wards'.
//!
//! What lives here: links by mail ([`links`]), new addresses ([`email`]), sessions ([`sessions`]), the optional second factor ([`factor`]), what the pages
//! show ([`record`]). What deliberately does not: demographics and the export ([`crate::patients`], [`crate::chart`]).

pub mod email;
pub mod factor;
pub mod links;
pub mod record;
pub mod sessions;

use time::OffsetDateTime;
use uuid::Uuid;
use visit::{GuardianId, PatientId};

use crate::clinics::Clinic;
use crate::{Actor, Origin, RequestContext};

/// Somebody signed in to the portal: a patient, a guardian, or one who is both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortalSession {
    /// Names the session; its token may not be shown.
    pub id: Uuid,
    /// Of which clinic.
    pub clinic: Clinic,
    /// As this patient.
    pub patient: Option<PatientId>,
    /// As this guardian.
    pub guardian: Option<GuardianId>,
    /// When a second factor was given in this session, if one was.
    pub second_factor_at: Option<OffsetDateTime>,
    /// Ends then without activity.
    pub idle_expires_at: OffsetDateTime,
    /// Ends then in any case.
    pub expires_at: OffsetDateTime,
}

impl PortalSession {
    /// Who acts when it is about `patient`: oneself, or the guardian. Whether that is allowed is another question.
    #[must_use]
    pub fn actor_for(&self, patient: PatientId) -> Actor {
        actor(self.clinic.id, self.patient, self.guardian, Some(patient))
    }

    /// For a transaction that is about `patient`.
    #[must_use]
    pub fn context_for(&self, patient: PatientId, origin: &Origin, at: OffsetDateTime) -> RequestContext {
        let second_factor_at = self.second_factor_at;
        RequestContext { actor: self.actor_for(patient), at, origin: origin.clone(), second_factor_at }
    }

    /// For a transaction about one's own way in: sessions, second factor.
    #[must_use]
    pub fn context(&self, origin: &Origin, at: OffsetDateTime) -> RequestContext {
        let actor = actor(self.clinic.id, self.patient, self.guardian, None);
        RequestContext { actor, at, origin: origin.clone(), second_factor_at: self.second_factor_at }
    }
}

fn actor(
    clinic: visit::ClinicId,
    patient: Option<PatientId>,
    guardian: Option<GuardianId>,
    about: Option<PatientId>,
) -> Actor {
    match (patient, guardian) {
        (Some(id), None) => Actor::PortalPatient { id, clinic },
        (Some(id), Some(_)) if about.is_none_or(|about| about == id) => Actor::PortalPatient { id, clinic },
        (_, Some(id)) => Actor::Guardian { id, visit: None, clinic },
        (None, None) => Actor::System { job: "portal", clinic },
    }
}
