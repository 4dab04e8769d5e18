//! Everything that can be asked for, as types: a function that reads or changes something takes the proof of exactly
//! its own action, so a handler that never asked, or asked for something else, does not compile.

use uuid::Uuid;
use visit::{AppointmentId, PatientId, RecordingId, StaffId, VisitId};

/// What an action is done to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resource {
    /// The clinic as a whole (lists, searches).
    Clinic,
    /// A patient.
    Patient(PatientId),
    /// An appointment.
    Appointment(AppointmentId),
    /// A visit.
    Visit(VisitId),
    /// A recording.
    Recording(RecordingId),
    /// A member of staff.
    Staff(StaffId),
}

impl Resource {
    /// The word in the audit log.
    #[must_use]
    pub fn kind(self) -> &'static str {
        match self {
            Self::Clinic => "clinic",
            Self::Patient(_) => "patient",
            Self::Appointment(_) => "appointment",
            Self::Visit(_) => "visit",
            Self::Recording(_) => "recording",
            Self::Staff(_) => "staff",
        }
    }

    /// The id in the audit log.
    #[must_use]
    pub fn id(self) -> Option<Uuid> {
        match self {
            Self::Clinic => None,
            Self::Patient(id) => Some(id.0),
            Self::Appointment(id) => Some(id.0),
            Self::Visit(id) => Some(id.0),
            Self::Recording(id) => Some(id.0),
            Self::Staff(id) => Some(id.0),
        }
    }
}

/// One of the types below.
pub trait Action: Copy + Send + Sync {
    /// Which.
    const KIND: Kind;
    /// To what.
    fn resource(&self) -> Resource;
}

macro_rules! actions {
    ($($(#[$doc:meta])* $name:ident $(($id:ty => $resource:ident))? = $text:literal),* $(,)?) => {
        /// The name of an action, without what it is done to.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Kind {
            $($(#[$doc])* $name,)*
        }

        impl Kind {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The word in the audit log.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }

        $(
            $(#[$doc])*
            #[derive(Debug, Clone, Copy, PartialEq, Eq)]
            pub struct $name $((
                /// To what.
                pub $id
            ))?;

            impl Action for $name {
                const KIND: Kind = Kind::$name;
                fn resource(&self) -> Resource {
                    actions!(@resource self $($resource)?)
                }
            }
        )*
    };
    (@resource $self:ident $resource:ident) => { Resource::$resource($self.0) };
    (@resource $self:ident) => { Resource::Clinic };
}

actions! {
    /// See a day's visits: one's own, or the clinic's.
    ReadSchedule = "schedule.read",
    /// Look for patients by name.
    SearchPatients = "patient.search",
    /// Put a patient on record.
    CreatePatient = "patient.create",
    /// See who treats.
    ListProviders = "staff.list",
    /// Book a slot for a patient.
    BookAppointment(PatientId => Patient) = "appointment.book",
    /// Issue or revoke an appointment's link.
    ManageLink(AppointmentId => Appointment) = "link.manage",
    /// Take the host's seat in a visit.
    TakeSeat(VisitId => Visit) = "visit.join",
    /// See one visit.
    ReadVisit(VisitId => Visit) = "visit.read",
    /// See what happened in a visit.
    ReadTimeline(VisitId => Visit) = "timeline.read",
    /// Read the note.
    ReadNote(VisitId => Visit) = "note.read",
    /// Write, and sign, one's own note.
    WriteNote(VisitId => Visit) = "note.write",
    /// Add to one's own signed note.
    AddAddendum(VisitId => Visit) = "note.addendum",
    /// See which recordings a visit has.
    ListRecordings(VisitId => Visit) = "recording.list",
    /// Play a recording.
    PlayRecording(RecordingId => Recording) = "recording.play",
    /// See how good calls were.
    ListQuality = "quality.list",
    /// See how good one call was, second by second.
    ReadQuality(VisitId => Visit) = "quality.read",
    /// Search the audit log.
    SearchAudit = "audit.search",
    /// See how the log is sealed, and when it was verified.
    ReadSeals = "audit.seals",
    /// Verify the whole log now.
    VerifySeals = "audit.verify",
    /// Take the log out of the house.
    ExportAudit = "audit.export",
    /// See unusual access.
    ReadFindings = "audit.findings",
    /// Say what came of unusual access.
    ReviewFindings = "audit.review",
    /// See from when on access is unusual.
    ReadAccessRules = "audit.rules",
    /// Set from when on access is unusual.
    ChangeAccessRules = "audit.change_rules",
    /// See who viewed a patient.
    ReadViewers(PatientId => Patient) = "audit.viewers",
    /// Patient: see who viewed one's own data.
    ReadOwnViewers(PatientId => Patient) = "audit.own_viewers",
    /// Patient: everything on the way into one's own visit.
    CheckIn(VisitId => Visit) = "visit.check_in",
}
