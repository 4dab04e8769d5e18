//! Who may do what: the matrix of roles as a pure function. Everything that is not allowed here is refused.
//!
//! [`decide`] is the one door; a policy language can take its place without touching a caller.

use visit::{PatientId, Role};

use crate::Actor;
use crate::action::{Action, Kind};

/// The proof that an action was allowed. Only [`crate::Tx::authorize`] makes one, for its own transaction's actor.
#[derive(Debug)]
pub struct Authorized<A: Action> {
    pub(crate) action: A,
    pub(crate) patient: Option<PatientId>,
}

impl<A: Action> Authorized<A> {
    /// What was allowed.
    #[must_use]
    pub fn action(&self) -> A {
        self.action
    }

    /// The patient whose data this is about, if it is about one.
    #[must_use]
    pub fn patient(&self) -> Option<PatientId> {
        self.patient
    }
}

/// How the actor stands to what is asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Relation {
    /// The actor is the provider of this visit or appointment.
    pub own: bool,
    /// The actor has an active care relationship with the patient: an appointment, or an assignment.
    pub cares: bool,
    /// The actor is the patient, and this is the visit that the link was for.
    pub is_the_patient: bool,
}

/// The answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Allowed.
    Allow,
    /// The role alone refuses it.
    RefuseRole,
    /// The role could, but not with this row: looks like an unknown id from outside.
    RefuseRelation,
}

/// What an action needs beyond the role.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Need {
    /// Nothing: any row of the clinic.
    Nothing,
    /// A care relationship with the patient.
    Care,
    /// To be the visit's own provider.
    Own,
    /// To be the patient.
    Self_,
    /// Not for this role.
    Never,
}

/// Whether `actor`, who stands in `relation` to the row, may do `action`.
#[must_use]
pub fn decide(actor: &Actor, action: Kind, relation: Relation) -> Decision {
    let need = match actor {
        Actor::Staff { role, .. } => staff_needs(*role, action),
        Actor::Patient { .. } if action == Kind::CheckIn => Need::Self_,
        Actor::Patient { .. } | Actor::System { .. } => Need::Never,
    };
    let met = match need {
        Need::Nothing => true,
        Need::Care => relation.cares || relation.own,
        Need::Own => relation.own,
        Need::Self_ => relation.is_the_patient,
        Need::Never => return Decision::RefuseRole,
    };
    if met { Decision::Allow } else { Decision::RefuseRelation }
}

fn staff_needs(role: Role, action: Kind) -> Need {
    use Need::{Care, Never, Nothing, Own};
    use Role::{ClinicAdmin, Compliance, FrontDesk, Nurse, Provider};
    match (action, role) {
        // Schedule and demographics.
        (Kind::ReadSchedule | Kind::SearchPatients | Kind::ListProviders, Provider | Nurse | FrontDesk | ClinicAdmin | Compliance) => Nothing,
        (Kind::CreatePatient, FrontDesk) => Nothing,
        (Kind::BookAppointment, Provider | Nurse | FrontDesk | ClinicAdmin) => Nothing,
        (Kind::ManageLink, FrontDesk | ClinicAdmin) => Nothing,
        (Kind::ManageLink, Provider | Nurse) => Care,
        // The visit.
        (Kind::TakeSeat, Provider | Nurse) => Care,
        (Kind::ReadVisit | Kind::ReadTimeline, Provider | Nurse) => Care,
        (Kind::ReadVisit | Kind::ReadTimeline, FrontDesk | ClinicAdmin | Compliance) => Nothing,
        // Notes and recordings.
        (Kind::ReadNote, Provider | Nurse) => Care,
        (Kind::ReadNote, Compliance) => Nothing,
        (Kind::WriteNote | Kind::AddAddendum, Provider | Nurse) => Own,
        (Kind::ListRecordings | Kind::PlayRecording, Provider | Nurse) => Own,
        (Kind::ListRecordings | Kind::PlayRecording, Compliance) => Nothing,
        // Call quality: of one's own visits; the list is narrowed to them.
        (Kind::ListQuality, Provider | Nurse | ClinicAdmin | Compliance) => Nothing,
        (Kind::ReadQuality, Provider | Nurse) => Own,
        (Kind::ReadQuality, ClinicAdmin | Compliance) => Nothing,
        (Kind::SearchAudit, ClinicAdmin | Compliance) => Nothing,
        _ => Never,
    }
}

/// Whether a role that may see a visit may also see its clinical parts: chat text, reason.
#[must_use]
pub fn sees_chat(role: Role) -> bool {
    matches!(role, Role::Provider | Role::Nurse | Role::Compliance)
}

/// Whether a role that may see the schedule may also see why a patient comes.
#[must_use]
pub fn sees_reason(role: Role) -> bool {
    matches!(role, Role::Provider | Role::Nurse | Role::FrontDesk | Role::Compliance)
}
