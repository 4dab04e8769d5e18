//! What all handlers share.

use std::sync::Arc;

use ipnet::IpNet;
use records::SessionId;
use records::identity::webauthn::RelyingParty;
use tokio::sync::broadcast;
use tokio_util::task::TaskTracker;
use visit::{ClinicId, PatientId, Person, VisitId};

use crate::limits::{Limits, RateLimits, SharedLimits};
use crate::lines::LineWatch;
use crate::playback::Playbacks;
use crate::sso::{SsoProviders, SsoSettings};
use crate::uploads::Uploads;
use crate::{AttachmentFiles, Clamd, Clock, RecordingMedia, TicketDesk, UploadRules};

/// Settings of the API, checked by `server` before they get here.
#[derive(Debug, Clone)]
pub struct ApiConfig {
    /// Where people reach the site, e.g. `https://visits.example.org`; no slash at the end. Links begin with it.
    pub base_url: String,
    /// Origins whose pages may change things; normally just that of `base_url`.
    pub origins: Vec<String>,
    /// The site's name, shown on every page.
    pub site_name: String,
    /// Whom to call when nothing works.
    pub support_phone: String,
    /// Whether this is the demonstration.
    pub demo: bool,
    /// Proxies whose `X-Forwarded-For` counts.
    pub trusted_proxies: Vec<IpNet>,
    /// Whether people come by TLS (HSTS is sent only then).
    pub tls: bool,
    /// How opinion scores are estimated, with the source; shown beside them. Comes from where they are computed.
    pub mos_formula: String,
    /// How often one may ask.
    pub limits: RateLimits,
    /// The clinics' own sign-in.
    pub sso: Vec<SsoSettings>,
    /// How large documents may be, and how many at once.
    pub uploads: UploadRules,
    /// The virus scanner that documents must pass, if there is one.
    pub clamd: Option<Clamd>,
}

/// What has ended by hand, and so has to be closed at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// One session.
    Session(SessionId),
    /// All sessions of a person.
    Person(Person),
    /// The right to sit in one visit.
    Seat {
        /// In which.
        visit: VisitId,
        /// Whose.
        person: Person,
    },
    /// All sessions of a person but one.
    Others {
        /// Whose.
        person: Person,
        /// Which goes on.
        kept: SessionId,
    },
}

impl Ended {
    /// Whether this session of this person may have ended with it.
    #[must_use]
    pub fn may_concern(&self, person: Person, session: SessionId) -> bool {
        match *self {
            Self::Session(ended) => ended == session,
            Self::Person(ended) => ended == person,
            // Whatever else the session is good for goes on.
            Self::Seat { .. } => false,
            Self::Others { person: ended, kept } => ended == person && kept != session,
        }
    }
}

/// Shared by all handlers; cheap to clone.
#[derive(Clone)]
pub struct AppState {
    /// The system of record.
    pub records: records::Records,
    /// Websocket tickets. `server` redeems from a clone of it.
    pub tickets: TicketDesk,
    /// Something on this clinic's day list changed: `server` sends on it as well.
    pub changes: broadcast::Sender<ClinicId>,
    /// Who stands where in the clinics' lines: `server` keeps them.
    pub lines: LineWatch,
    /// A session has ended by hand: `server` closes its sockets.
    pub revocations: broadcast::Sender<Ended>,
    /// Recorded media.
    pub media: Arc<dyn RecordingMedia>,
    /// This site, as security keys know it; `None` if it has no domain name.
    pub party: Option<Arc<RelyingParty>>,
    /// Patients' documents.
    pub attachments: Arc<dyn AttachmentFiles>,
    /// Settings.
    pub config: Arc<ApiConfig>,
    /// The time.
    pub clock: Clock,
    /// Work that goes on after its answer was given.
    pub background: TaskTracker,
    pub(crate) limits: Arc<Limits>,
    pub(crate) playbacks: Arc<Playbacks>,
    pub(crate) sso: Arc<SsoProviders>,
    pub(crate) uploads: Arc<Uploads>,
}

/// Messages that a slow receiver of `changes` and `revocations` may lag behind before it has to reload.
const BACKLOG: usize = 1_024;

impl AppState {
    /// State with fresh channels, an empty ticket desk and unused limits.
    #[must_use]
    pub fn new(
        records: records::Records,
        media: Arc<dyn RecordingMedia>,
        attachments: Arc<dyn AttachmentFiles>,
        config: ApiConfig,
        clock: Clock,
    ) -> Self {
        Self {
            records: records.reached_at(&config.base_url),
            tickets: TicketDesk::new(),
            changes: broadcast::channel(BACKLOG).0,
            lines: LineWatch::default(),
            revocations: broadcast::channel(BACKLOG).0,
            media,
            attachments,
            uploads: Arc::new(Uploads::new(config.uploads, config.clamd.clone())),
            limits: Arc::new(Limits::new(config.limits, None, clock.clone())),
            playbacks: Arc::new(Playbacks::default()),
            background: TaskTracker::new(),
            party: RelyingParty::of(&config.origins).map(Arc::new),
            sso: Arc::new(SsoProviders::new(&config.sso, &config.base_url, &clock)),
            config: Arc::new(config),
            clock,
        }
    }

    /// Counts requests over all nodes that share a Redis, too.
    #[must_use]
    pub fn with_shared_limits(mut self, shared: SharedLimits) -> Self {
        self.limits = Arc::new(Limits::new(self.config.limits, Some(shared), self.clock.clone()));
        self
    }

    /// Ends what hangs on one session: its unused tickets and open sockets.
    pub(crate) fn session_ended(&self, session: SessionId) {
        self.tickets.withdraw_session(session);
        // No receiver is fine: nothing is connected then.
        let _ = self.revocations.send(Ended::Session(session));
    }

    /// Ends what hangs on any session of `person`.
    pub(crate) fn person_ended(&self, person: Person) {
        self.tickets.withdraw(person);
        let _ = self.revocations.send(Ended::Person(person));
    }

    /// `person` may not sit in `visit` any more.
    pub(crate) fn seat_ended(&self, visit: VisitId, person: Person) {
        self.tickets.withdraw_seat(visit, person);
        let _ = self.revocations.send(Ended::Seat { visit, person });
    }

    /// All sessions of `person` but this one have ended.
    pub(crate) fn others_ended(&self, person: Person, kept: SessionId) {
        self.tickets.withdraw_others(person, kept);
        let _ = self.revocations.send(Ended::Others { person, kept });
    }

    /// The patient who came by a link that was withdrawn is signed out by `records`; this ends what hangs on that session.
    pub(crate) fn links_withdrawn(&self, patient: Option<PatientId>) {
        if let Some(patient) = patient {
            self.person_ended(Person::Patient(patient));
        }
    }

    /// Tells this clinic's open pages that the day's list is another one now.
    pub(crate) fn changed(&self, clinic: ClinicId) {
        // No receiver is fine: nobody is looking then.
        let _ = self.changes.send(clinic);
    }

    /// The address that a guest opens.
    pub(crate) fn guest_link(&self, token: &str) -> String {
        format!("{}/g/{token}", self.config.base_url)
    }

    /// The address that the patient opens.
    pub(crate) fn patient_link(&self, token: &str) -> String {
        format!("{}/v/{token}", self.config.base_url)
    }
}
