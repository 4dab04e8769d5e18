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
        (
            Kind::ReadSchedule | Kind::SearchPatients | Kind::ListProviders,
            Provider | Nurse | FrontDesk | ClinicAdmin | Compliance,
        ) => Nothing,
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
        (
            Kind::SearchAudit | Kind::ReadViewers | Kind::ReadSeals | Kind::ReadFindings | Kind::ReadAccessRules,
            ClinicAdmin | Compliance,
        ) => Nothing,
        (Kind::VerifySeals | Kind::ExportAudit | Kind::ReviewFindings | Kind::ChangeAccessRules, Compliance) => Nothing,
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

#[cfg(test)]
mod tests {
    use uuid::Uuid;
    use visit::{ClinicId, StaffId, VisitId};

    use super::*;

    /// The matrix of roles in words: `any` row, `care` relationship, `own`, or `-`.
    /// Columns: provider, nurse, front_desk, clinic_admin, compliance, super_admin.
    const MATRIX: &[(Kind, [&str; 6])] = &[
        (Kind::ReadSchedule, ["any", "any", "any", "any", "any", "-"]),
        (Kind::SearchPatients, ["any", "any", "any", "any", "any", "-"]),
        (Kind::CreatePatient, ["-", "-", "any", "-", "-", "-"]),
        (Kind::ListProviders, ["any", "any", "any", "any", "any", "-"]),
        (Kind::BookAppointment, ["any", "any", "any", "any", "-", "-"]),
        (Kind::ManageLink, ["care", "care", "any", "any", "-", "-"]),
        (Kind::TakeSeat, ["care", "care", "-", "-", "-", "-"]),
        (Kind::ReadVisit, ["care", "care", "any", "any", "any", "-"]),
        (Kind::ReadTimeline, ["care", "care", "any", "any", "any", "-"]),
        (Kind::ReadNote, ["care", "care", "-", "-", "any", "-"]),
        (Kind::WriteNote, ["own", "own", "-", "-", "-", "-"]),
        (Kind::AddAddendum, ["own", "own", "-", "-", "-", "-"]),
        (Kind::ListRecordings, ["own", "own", "-", "-", "any", "-"]),
        (Kind::PlayRecording, ["own", "own", "-", "-", "any", "-"]),
        (Kind::ListQuality, ["any", "any", "-", "any", "any", "-"]),
        (Kind::ReadQuality, ["own", "own", "-", "any", "any", "-"]),
        (Kind::SearchAudit, ["-", "-", "-", "any", "any", "-"]),
        (Kind::ReadSeals, ["-", "-", "-", "any", "any", "-"]),
        (Kind::VerifySeals, ["-", "-", "-", "-", "any", "-"]),
        (Kind::ExportAudit, ["-", "-", "-", "-", "any", "-"]),
        (Kind::ReadFindings, ["-", "-", "-", "any", "any", "-"]),
        (Kind::ReviewFindings, ["-", "-", "-", "-", "any", "-"]),
        (Kind::ReadAccessRules, ["-", "-", "-", "any", "any", "-"]),
        (Kind::ChangeAccessRules, ["-", "-", "-", "-", "any", "-"]),
        (Kind::ReadViewers, ["-", "-", "-", "any", "any", "-"]),
        (Kind::ReadOwnViewers, ["-", "-", "-", "-", "-", "-"]),
        (Kind::CheckIn, ["-", "-", "-", "-", "-", "-"]),
    ];

    const ROLES: [Role; 6] =
        [Role::Provider, Role::Nurse, Role::FrontDesk, Role::ClinicAdmin, Role::Compliance, Role::SuperAdmin];

    #[test]
    fn every_role_may_do_what_the_matrix_says_and_nothing_else() {
        let all: Vec<Kind> = MATRIX.iter().map(|(kind, _)| *kind).collect();
        assert_eq!(all, Kind::ALL, "every action stands in the matrix");
        let none = Relation::default();
        let cares = Relation { cares: true, ..none };
        let own = Relation { own: true, cares: true, ..none };
        for (kind, cells) in MATRIX {
            for (role, cell) in ROLES.into_iter().zip(cells) {
                let actor = Actor::Staff { id: StaffId(Uuid::nil()), role, clinic: ClinicId(Uuid::nil()) };
                let allowed = [none, cares, own].map(|relation| decide(&actor, *kind, relation) == Decision::Allow);
                let expected = match *cell {
                    "any" => [true, true, true],
                    "care" => [false, true, true],
                    "own" => [false, false, true],
                    _ => [false, false, false],
                };
                assert_eq!(allowed, expected, "{kind:?} by {role:?}");
                let refused = decide(&actor, *kind, none);
                assert_eq!(
                    refused == Decision::RefuseRole,
                    *cell == "-",
                    "{kind:?} by {role:?}: the role alone refuses"
                );
            }
        }
    }

    #[test]
    fn people_who_come_by_link_check_in_to_their_own_visit_and_the_server_asks_for_nothing() {
        let own = Relation { is_the_patient: true, own: true, cares: true };
        let patient = Actor::Patient {
            id: visit::PatientId(Uuid::nil()),
            visit: VisitId(Uuid::nil()),
            clinic: ClinicId(Uuid::nil()),
        };
        let system = Actor::System { job: "x", clinic: ClinicId(Uuid::nil()) };
        for kind in Kind::ALL {
            assert_eq!(decide(&patient, *kind, own) == Decision::Allow, *kind == Kind::CheckIn);
            assert_ne!(decide(&system, *kind, own), Decision::Allow);
        }
        assert_eq!(decide(&patient, Kind::CheckIn, Relation::default()), Decision::RefuseRelation);
        for role in [Role::Patient, Role::Guardian, Role::Interpreter] {
            let actor = Actor::Staff { id: StaffId(Uuid::nil()), role, clinic: ClinicId(Uuid::nil()) };
            assert!(Kind::ALL.iter().all(|kind| decide(&actor, *kind, own) == Decision::RefuseRole));
        }
    }
}
