//! Who sits on which seat right now: what the SFU and the recorder know only by number.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use records::SessionId;
use visit::room::Identity;
use visit::{ClinicId, Now, ParticipantId, Person, Role, VisitId};

/// Sessions are kept awake at most this often, milliseconds.
const TOUCH_EVERY_MS: i64 = 60_000;

/// One person on a seat.
#[derive(Debug, Clone, Copy)]
pub struct Seated {
    /// The clinic.
    pub clinic: ClinicId,
    /// The visit.
    pub visit: VisitId,
    /// The person.
    pub person: Person,
    /// Role in the visit.
    pub role: Role,
    /// The session whose ticket brought them here.
    pub session: SessionId,
    touched: Now,
}

/// Everyone whose ticket was redeemed since the start, by seat; a visit's people go when its room closes.
#[derive(Debug, Default)]
pub struct People(Mutex<BTreeMap<ParticipantId, Seated>>);

impl People {
    /// Someone came with a good ticket.
    pub fn seen(&self, who: &Identity, session: SessionId) {
        let Identity { clinic, visit, person, role, .. } = *who;
        let seated = Seated { clinic, visit, person, role, session, touched: Now(0) };
        self.lock().insert(ParticipantId::of(who.visit, who.person), seated);
    }

    /// The person on this seat.
    #[must_use]
    pub fn get(&self, participant: ParticipantId) -> Option<Seated> {
        self.lock().get(&participant).copied()
    }

    /// The session behind this seat, if it was not kept awake lately.
    #[must_use]
    pub fn due_for_touch(&self, participant: ParticipantId, now: Now) -> Option<SessionId> {
        let mut people = self.lock();
        let seated = people.get_mut(&participant)?;
        if now < seated.touched.plus(TOUCH_EVERY_MS) {
            return None;
        }
        seated.touched = now;
        Some(seated.session)
    }

    /// The seats that one session brought about.
    #[must_use]
    pub fn of_session(&self, session: SessionId) -> Vec<Seated> {
        self.lock().values().filter(|seated| seated.session == session).copied().collect()
    }

    /// The seats of one person, in whatever visits.
    #[must_use]
    pub fn of_person(&self, person: Person) -> Vec<Seated> {
        self.lock().values().filter(|seated| seated.person == person).copied().collect()
    }

    /// The sessions behind all seats, by clinic.
    #[must_use]
    pub fn sessions(&self) -> BTreeMap<ClinicId, Vec<SessionId>> {
        let mut sessions: BTreeMap<ClinicId, Vec<SessionId>> = BTreeMap::new();
        for seated in self.lock().values() {
            sessions.entry(seated.clinic).or_default().push(seated.session);
        }
        sessions
    }

    /// The visit's room is closed.
    pub fn forget(&self, visit: VisitId) {
        self.lock().retain(|_, seated| seated.visit != visit);
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<ParticipantId, Seated>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
