//! What signaling asks of the rest of the server: tickets, the store of facts, media, recorder, clock.

use std::future::Future;

use visit::room::{Identity, RecorderCommand, SfuCommand};
use visit::wire::{ClientQuality, IceServer};
use visit::{ClinicId, Fact, Now, ParticipantId, Person, VisitId};

/// One fact on its way into the store.
#[derive(Debug, Clone, PartialEq)]
pub struct Evidence {
    /// The clinic.
    pub clinic: ClinicId,
    /// The visit.
    pub visit: VisitId,
    /// From 1, without gaps, per visit.
    pub seq: u64,
    /// When it happened.
    pub at: Now,
    /// What happened.
    pub fact: Fact,
    /// Who did it; `None` when the room itself did (a seat ran out, all had allowed a recording).
    pub by: Option<Person>,
}

/// Why a ticket gives no seat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RedeemError {
    /// Unknown, used, expired, revoked, or issued for another origin: all alike.
    #[error("the ticket is not usable: ask for a new one")]
    NotUsable,
    /// It could not be found out.
    #[error("tickets can't be checked now: try again")]
    Unavailable,
}

/// Why the store of facts did not do it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The database did not take or give it; whether it was stored may be unknown.
    #[error("the store of visit events is not available")]
    Unavailable,
    /// Another fact has this sequence number: this room is not what is stored, and is built anew from the store.
    #[error("another fact has this sequence number")]
    Conflict,
}

/// The rest of the server. Calls for one visit come one at a time and in order, except that
/// [`Ports::persist`] runs beside the others (a recording stops without waiting for the database).
pub trait Ports: Send + Sync + 'static {
    /// Who this ticket is for; it is used up by the call. `origin` is the websocket request's `Origin`.
    fn redeem(&self, ticket: &str, origin: &str) -> impl Future<Output = Result<Identity, RedeemError>> + Send;

    /// All facts of a visit in order of their sequence numbers; none for a visit that nobody joined yet.
    fn load_facts(
        &self,
        clinic: ClinicId,
        visit: VisitId,
    ) -> impl Future<Output = Result<Vec<(u64, Now, Fact)>, StoreError>> + Send;

    /// Stores one fact: `Ok` only when it is durable. The same fact under the same `seq` twice is `Ok` twice;
    /// another one under a used `seq` is [`StoreError::Conflict`].
    fn persist(&self, evidence: Evidence) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Hands a command to the SFU. Answers come back by [`crate::Signaling::media_event`].
    fn sfu(&self, visit: VisitId, command: SfuCommand) -> impl Future<Output = ()> + Send;

    /// Hands a command to the recorder. Answers come back by [`crate::Signaling::recorder_event`].
    fn recorder(&self, clinic: ClinicId, visit: VisitId, command: RecorderCommand) -> impl Future<Output = ()> + Send;

    /// What a participant's browser measured.
    fn quality(
        &self,
        clinic: ClinicId,
        visit: VisitId,
        participant: ParticipantId,
        quality: ClientQuality,
    ) -> impl Future<Output = ()> + Send;

    /// Relays that this participant may use from now on.
    fn ice_servers(&self, _participant: ParticipantId) -> Vec<IceServer> {
        Vec::new()
    }

    /// The time.
    fn now(&self) -> Now;

    /// Returns at `at` or later by this clock.
    fn sleep_until(&self, at: Now) -> impl Future<Output = ()> + Send {
        let millis = u64::try_from(at.0.saturating_sub(self.now().0)).unwrap_or(0);
        tokio::time::sleep(std::time::Duration::from_millis(millis))
    }
}
