//! Tickets for the websocket: short-lived, single use, so that no session token ever travels in a message or URL.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use records::SessionId;
use visit::room::Identity;
use visit::{Now, Person, VisitId};

/// How long a ticket can be redeemed, milliseconds.
pub const TICKET_LIFE_MS: i64 = 30_000;
/// Tickets that may be outstanding at once, over all people.
const MAX_OUTSTANDING: usize = 16_384;
/// Tickets that one person may have outstanding; one more pushes out the oldest.
const MAX_PER_PERSON: usize = 8;
/// Random bytes of a ticket.
const TICKET_BYTES: usize = 32;

/// A ticket in the form in which it is handed to the client: 256 random bits, base64url.
///
/// Has neither `Debug` nor `Display`, so that it can't end up in a log by accident.
#[derive(Clone, PartialEq, Eq)]
pub struct Ticket(String);

impl Ticket {
    /// The text to hand out.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

/// Why no ticket was issued.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TicketError {
    /// Too many are outstanding.
    #[error("too many tickets are outstanding")]
    Full,
}

/// Why a ticket was not taken. A client is told the same for all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RedeemError {
    /// Never issued, already used, or withdrawn.
    #[error("no such ticket")]
    Unknown,
    /// Older than [`TICKET_LIFE_MS`].
    #[error("the ticket is too old")]
    Expired,
    /// Issued to a page of another origin.
    #[error("the ticket belongs to another origin")]
    OtherOrigin,
}

/// Whom a ticket lets in, and on whose account.
#[derive(Debug, Clone, PartialEq)]
pub struct Redeemed {
    /// Who.
    pub identity: Identity,
    /// The session that asked for it; the socket ends with it.
    pub session: SessionId,
}

struct Outstanding {
    identity: Identity,
    session: SessionId,
    origin: String,
    issued_at: Now,
}

/// Issues and redeems tickets; kept in memory, since a ticket lives for 30 s and a restarted server ends all sockets.
#[derive(Clone, Default)]
pub struct TicketDesk {
    /// By SHA-256 of the ticket: a lookup tells nothing by how long it takes.
    outstanding: Arc<Mutex<BTreeMap<[u8; 32], Outstanding>>>,
}

impl TicketDesk {
    /// A desk with no tickets outstanding.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A new ticket for `identity`, good for one redemption from `origin` within [`TICKET_LIFE_MS`].
    ///
    /// # Errors
    /// [`TicketError::Full`] if too many are outstanding.
    pub fn issue(&self, identity: Identity, session: SessionId, origin: &str, now: Now) -> Result<Ticket, TicketError> {
        let mut outstanding = self.lock();
        outstanding.retain(|_, ticket| alive(ticket, now));
        let own = outstanding.values().filter(|ticket| ticket.identity.person == identity.person).count();
        if own >= MAX_PER_PERSON {
            let oldest = outstanding
                .iter()
                .filter(|(_, ticket)| ticket.identity.person == identity.person)
                .min_by_key(|(_, ticket)| ticket.issued_at)
                .map(|(key, _)| *key);
            if let Some(key) = oldest {
                outstanding.remove(&key);
            }
        } else if outstanding.len() >= MAX_OUTSTANDING {
            return Err(TicketError::Full);
        }
        let mut secret = [0_u8; TICKET_BYTES];
        aws_lc_rs::rand::fill(&mut secret)
            .expect("the system's random generator is seeded before any request is served");
        let ticket = Ticket(URL_SAFE_NO_PAD.encode(secret));
        outstanding
            .insert(hash(&ticket.0), Outstanding { identity, session, origin: origin.to_owned(), issued_at: now });
        Ok(ticket)
    }

    /// Takes `ticket`, whatever the outcome: it can't be tried a second time.
    ///
    /// # Errors
    /// See [`RedeemError`].
    pub fn redeem(&self, ticket: &str, origin: &str, now: Now) -> Result<Redeemed, RedeemError> {
        let found = self.lock().remove(&hash(ticket)).ok_or(RedeemError::Unknown)?;
        if !alive(&found, now) {
            return Err(RedeemError::Expired);
        }
        if found.origin != origin {
            return Err(RedeemError::OtherOrigin);
        }
        Ok(Redeemed { identity: found.identity, session: found.session })
    }

    /// Withdraws the tickets that this session asked for: it has ended.
    pub fn withdraw_session(&self, session: SessionId) {
        self.lock().retain(|_, ticket| ticket.session != session);
    }

    /// Withdraws `person`'s tickets but those of one session: the others have ended.
    pub fn withdraw_others(&self, person: Person, kept: SessionId) {
        self.lock().retain(|_, ticket| ticket.identity.person != person || ticket.session == kept);
    }

    /// Withdraws `person`'s tickets for one visit: they may not sit in it any more.
    pub fn withdraw_seat(&self, visit: VisitId, person: Person) {
        self.lock().retain(|_, ticket| ticket.identity.person != person || ticket.identity.visit != visit);
    }

    /// Withdraws all of `person`'s tickets: their sessions have ended.
    pub fn withdraw(&self, person: Person) {
        self.lock().retain(|_, ticket| ticket.identity.person != person);
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<[u8; 32], Outstanding>> {
        self.outstanding.lock().expect("no code panics while holding this lock")
    }
}

fn alive(ticket: &Outstanding, now: Now) -> bool {
    now < ticket.issued_at.plus(TICKET_LIFE_MS)
}

fn hash(ticket: &str) -> [u8; 32] {
    digest(&SHA256, ticket.as_bytes()).as_ref().try_into().expect("SHA-256 has 32 bytes")
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;
    use visit::{ClinicId, PatientId, Role, VisitId};

    use super::*;

    const ORIGIN: &str = "http://127.0.0.1:8080";

    const SESSION: SessionId = SessionId(Uuid::from_u128(7));

    fn redeemed(person: u128) -> Redeemed {
        Redeemed { identity: identity(person), session: SESSION }
    }

    fn identity(person: u128) -> Identity {
        Identity {
            clinic: ClinicId(Uuid::from_u128(1)),
            visit: VisitId(Uuid::from_u128(2)),
            person: Person::Patient(PatientId(Uuid::from_u128(person))),
            role: Role::Patient,
            name: "Ana".to_owned(),
        }
    }

    #[test]
    fn a_ticket_is_good_once() {
        let desk = TicketDesk::new();
        let ticket = desk.issue(identity(1), SESSION, ORIGIN, Now(0)).unwrap();
        assert_eq!(desk.redeem(ticket.reveal(), ORIGIN, Now(1)), Ok(redeemed(1)));
        assert_eq!(desk.redeem(ticket.reveal(), ORIGIN, Now(2)), Err(RedeemError::Unknown));
    }

    #[test]
    fn a_ticket_lives_for_thirty_seconds() {
        let desk = TicketDesk::new();
        let in_time = desk.issue(identity(1), SESSION, ORIGIN, Now(0)).unwrap();
        let late = desk.issue(identity(1), SESSION, ORIGIN, Now(0)).unwrap();
        assert!(desk.redeem(in_time.reveal(), ORIGIN, Now(29_999)).is_ok());
        assert_eq!(desk.redeem(late.reveal(), ORIGIN, Now(30_000)), Err(RedeemError::Expired));
    }

    #[test]
    fn a_ticket_from_another_origin_is_refused_and_used_up() {
        let desk = TicketDesk::new();
        let ticket = desk.issue(identity(1), SESSION, ORIGIN, Now(0)).unwrap();
        assert_eq!(desk.redeem(ticket.reveal(), "https://evil.example", Now(1)), Err(RedeemError::OtherOrigin));
        assert_eq!(desk.redeem(ticket.reveal(), ORIGIN, Now(1)), Err(RedeemError::Unknown));
    }

    #[test]
    fn signing_out_withdraws_only_that_persons_tickets() {
        let desk = TicketDesk::new();
        let gone = desk.issue(identity(1), SESSION, ORIGIN, Now(0)).unwrap();
        let kept = desk.issue(identity(2), SESSION, ORIGIN, Now(0)).unwrap();
        desk.withdraw(identity(1).person);
        assert_eq!(desk.redeem(gone.reveal(), ORIGIN, Now(1)), Err(RedeemError::Unknown));
        assert_eq!(desk.redeem(kept.reveal(), ORIGIN, Now(1)), Ok(redeemed(2)));
    }

    #[test]
    fn the_end_of_one_session_withdraws_its_tickets_and_no_others() {
        let desk = TicketDesk::new();
        let gone = desk.issue(identity(1), SESSION, ORIGIN, Now(0)).unwrap();
        let other = SessionId(Uuid::from_u128(8));
        let kept = desk.issue(identity(1), other, ORIGIN, Now(0)).unwrap();
        desk.withdraw_session(SESSION);
        assert_eq!(desk.redeem(gone.reveal(), ORIGIN, Now(1)), Err(RedeemError::Unknown));
        assert_eq!(desk.redeem(kept.reveal(), ORIGIN, Now(1)).map(|redeemed| redeemed.session), Ok(other));
    }

    #[test]
    fn one_persons_flood_pushes_out_their_own_tickets_only() {
        let desk = TicketDesk::new();
        let other = desk.issue(identity(2), SESSION, ORIGIN, Now(0)).unwrap();
        let first = desk.issue(identity(1), SESSION, ORIGIN, Now(0)).unwrap();
        for at in 1..=100 {
            desk.issue(identity(1), SESSION, ORIGIN, Now(at)).unwrap();
        }
        assert_eq!(desk.lock().len(), MAX_PER_PERSON + 1);
        assert_eq!(desk.redeem(first.reveal(), ORIGIN, Now(101)), Err(RedeemError::Unknown));
        assert!(desk.redeem(other.reveal(), ORIGIN, Now(101)).is_ok());
    }
}
