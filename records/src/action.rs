//! Everything that can be asked for, as types: a function that reads or changes something takes the proof of exactly
//! its own action, so a handler that never asked, or asked for something else, does not compile.

use uuid::Uuid;
use visit::{AppointmentId, AttachmentId, EmergencyAccessId, PatientId, RecordingId, StaffId, VisitId};

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
    /// A document of a patient's record.
    Attachment(AttachmentId),
    /// One emergency access to a patient.
    EmergencyAccess(EmergencyAccessId),
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
            Self::Attachment(_) => "attachment",
            Self::EmergencyAccess(_) => "emergency_access",
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
            Self::Attachment(id) => Some(id.0),
            Self::EmergencyAccess(id) => Some(id.0),
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

            /// What it is done to, in the words of the policies' schema.
            #[must_use]
            pub fn resource_type(self) -> &'static str {
                match self { $(Self::$name => actions!(@type $($resource)?),)* }
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
    (@type $resource:ident) => { stringify!($resource) };
    (@type) => { "Clinic" };
}

// Each area has a block here, a file in records/policies and a section in docs/access.md.
actions! {
    // ---- schedule

    /// See a day's visits: one's own, or the clinic's.
    ReadSchedule = "schedule.read",
    /// See everybody's day, not only one's own.
    ReadWholeSchedule = "schedule.read_all",
    /// See why patients come, in the day's list.
    ReadReasons = "schedule.read_reasons",
    /// See who treats.
    ListProviders = "staff.list",
    /// Book a slot for a patient.
    BookAppointment(PatientId => Patient) = "appointment.book",
    /// Issue or revoke an appointment's link.
    ManageLink(AppointmentId => Appointment) = "link.manage",

    // ---- chart

    /// Look for patients by name.
    SearchPatients = "patient.search",
    /// Put a patient on record.
    CreatePatient = "patient.create",
    /// See who acts for a patient.
    ListGuardians(PatientId => Patient) = "guardian.list",
    /// Put a guardian of a patient on record, or end it.
    ManageGuardians(PatientId => Patient) = "guardian.manage",
    /// See who is assigned to a patient.
    ReadCareTeam(PatientId => Patient) = "care_team.read",
    /// Assign somebody to a patient, or end it.
    ManageCareTeam(PatientId => Patient) = "care_team.manage",

    // ---- attachment

    /// See which documents a patient's record has.
    ListAttachments(PatientId => Patient) = "attachment.list",
    /// Open a document.
    ReadAttachment(AttachmentId => Attachment) = "attachment.read",
    /// Put a document on record.
    UploadAttachment(PatientId => Patient) = "attachment.upload",
    /// Take a document off the record.
    DeleteAttachment(AttachmentId => Attachment) = "attachment.delete",
    /// Choose how the clinic's record numbers begin.
    NumberPatients = "clinic.record_numbers",
    /// See who a patient is.
    ReadDemographics(PatientId => Patient) = "patient.read",
    /// Change who a patient is.
    WriteDemographics(PatientId => Patient) = "patient.write",
    /// See a patient's insurance.
    ReadInsurance(PatientId => Patient) = "insurance.read",
    /// Change a patient's insurance.
    WriteInsurance(PatientId => Patient) = "insurance.write",
    /// See allergies, conditions, medications, immunisations, surgical history.
    ReadClinical(PatientId => Patient) = "clinical.read",
    /// Change them.
    WriteClinical(PatientId => Patient) = "clinical.write",
    /// Make one record of two of the same person, or take that back.
    MergePatients(PatientId => Patient) = "patient.merge",
    /// Take the whole record out as a file.
    ExportPatient(PatientId => Patient) = "patient.export",

    // ---- visit

    /// Take the host's seat in a visit.
    TakeSeat(VisitId => Visit) = "visit.join",
    /// See one visit.
    ReadVisit(VisitId => Visit) = "visit.read",
    /// See why the patient of one visit comes.
    ReadReason(VisitId => Visit) = "visit.read_reason",
    /// See what happened in a visit.
    ReadTimeline(VisitId => Visit) = "timeline.read",
    /// See what was written in a visit's chat.
    ReadChat(VisitId => Visit) = "chat.read",
    /// Patient: everything on the way into one's own visit.
    CheckIn(VisitId => Visit) = "visit.check_in",
    /// See who is invited into a visit.
    ListGuests(VisitId => Visit) = "guest.list",
    /// Invite somebody into a visit, or take that back.
    ManageGuests(VisitId => Visit) = "guest.manage",
    /// Guest: everything on the way into the one visit that one is invited to.
    Attend(VisitId => Visit) = "guest.attend",

    // ---- waiting room

    /// Ask somebody who waits to wait aside, and put them back in line.
    HoldPatient(VisitId => Visit) = "queue.hold",
    /// Give somebody who waits to another provider.
    MovePatient(VisitId => Visit) = "queue.move",
    /// Send somebody who waits away, with a reason and a new link.
    DeclinePatient(VisitId => Visit) = "queue.decline",
    /// Note that a patient did not come.
    MarkNoShow(VisitId => Visit) = "queue.no_show",
    /// Read what a patient who waits and staff wrote to each other.
    ReadWaitingChat(VisitId => Visit) = "waiting_chat.read",
    /// Write to a patient who waits.
    WriteWaitingChat(VisitId => Visit) = "waiting_chat.write",
    /// Say something to all who wait.
    Announce = "queue.announce",
    /// Say how late a provider runs.
    SayDelay(StaffId => Staff) = "queue.delay",

    // ---- note

    /// Read the note.
    ReadNote(VisitId => Visit) = "note.read",
    /// Write, and sign, one's own note.
    WriteNote(VisitId => Visit) = "note.write",
    /// Add to one's own signed note.
    AddAddendum(VisitId => Visit) = "note.addendum",

    // ---- recording

    /// See which recordings a visit has.
    ListRecordings(VisitId => Visit) = "recording.list",
    /// Play a recording.
    PlayRecording(RecordingId => Recording) = "recording.play",

    // ---- quality

    /// See how good calls were.
    ListQuality = "quality.list",
    /// See how good everybody's calls were, not only one's own.
    ListAllQuality = "quality.list_all",
    /// See how good one call was, second by second.
    ReadQuality(VisitId => Visit) = "quality.read",

    // ---- audit

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

    // ---- staff

    /// See one's own account: factors, sessions.
    ReadAccount(StaffId => Staff) = "account.read",
    /// Choose another password for oneself.
    ChangePassword(StaffId => Staff) = "account.password",
    /// Add or remove one's own second factors; make new recovery codes.
    ChangeFactors(StaffId => Staff) = "account.factors",
    /// End one's own other sessions.
    EndOwnSessions(StaffId => Staff) = "account.end_sessions",
    /// See when and from where somebody signed in: oneself, or anybody of the clinic.
    ReadSignIns(StaffId => Staff) = "sign_ins.read",
    /// See the clinic's staff: accounts, roles, invitations.
    ReadStaff = "staff.read",
    /// Invite somebody to the clinic's staff.
    InviteStaff = "staff.invite",
    /// Send an invitation again, or withdraw it.
    ManageInvitation(StaffId => Staff) = "staff.invitation",
    /// Give somebody another role.
    ChangeRole(StaffId => Staff) = "staff.role",
    /// End somebody's access.
    DeactivateStaff(StaffId => Staff) = "staff.deactivate",
    /// Let somebody back in.
    ReactivateStaff(StaffId => Staff) = "staff.reactivate",
    /// Take all second factors of somebody away who lost them, so that they set up a new one.
    ResetFactors(StaffId => Staff) = "staff.reset_factors",
    /// See where somebody is signed in.
    ReadSessions(StaffId => Staff) = "session.read",
    /// Sign somebody out everywhere.
    EndSessions(StaffId => Staff) = "session.end",

    /// See what the clinic has decided for itself.
    ReadSettings = "settings.read",
    /// Decide it.
    ChangeSettings = "settings.change",

    /// See mail that goes out, and try again what was given up.
    ManageMail = "mail.manage",

    // ---- portal

    /// Patient: see one's own record in the portal; guardian: the ward's.
    ReadPortal(PatientId => Patient) = "portal.read",
    /// Patient, guardian: go to a visit from the portal.
    JoinFromPortal(VisitId => Visit) = "portal.join",
    /// Patient, guardian: one's own sign-ins and second factor.
    ManagePortalAccess = "portal.access",

    // ---- compliance

    /// Learn whether a patient's record is open to oneself.
    ReadAccess(PatientId => Patient) = "patient.access",
    /// Open a patient's record in an emergency.
    AskEmergencyAccess(PatientId => Patient) = "emergency.ask",
    /// See which records were opened in an emergency.
    ListEmergencyAccess = "emergency.list",
    /// See one emergency access and what was opened under it.
    ReadEmergencyAccess(EmergencyAccessId => EmergencyAccess) = "emergency.read",
    /// Give a finding on an emergency access.
    ReviewEmergencyAccess(EmergencyAccessId => EmergencyAccess) = "emergency.review",

    // ---- keys

    /// See how long a record is kept, and whether a legal hold stands.
    ReadRetention(PatientId => Patient) = "retention.read",
    /// Say that nothing of a patient may be destroyed.
    PlaceLegalHold(PatientId => Patient) = "legal_hold.place",
    /// Take that back.
    LiftLegalHold(PatientId => Patient) = "legal_hold.lift",
    /// Destroy a patient's data keys after retention: nothing of them opens any more.
    DestroyPatient(PatientId => Patient) = "patient.destroy",
}
