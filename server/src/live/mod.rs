//! What happens while visits run: signaling's wishes carried out by media, recorder and record.
//!
//! [`Live`] is the one implementation of [`signaling::Ports`]. What deliberately does not live here: when something
//! may happen. That is the room machine's business (`visit`).

mod capture;
mod compose;
mod documents;
mod lines;
mod media;
mod people;
mod playback;
mod quality;
mod sessions;

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use api::{Clock, TicketDesk};
use records::Records;
use records::facts::AppendError;
use sfu::{EventKind, Sfu};
use signaling::{Evidence, Ports, RedeemError, Signaling, StoreError};
use time::OffsetDateTime;
use tokio::sync::{broadcast, mpsc};
use visit::room::{Identity, MediaEvent, RecorderCommand, SfuCommand};
use visit::wire::{ClientQuality, IceServer};
use visit::{ClinicId, Fact, Now, ParticipantId, VisitId};

pub use compose::{compose_forever, object_path};
pub use documents::Documents;
pub use playback::Playback;

use crate::turn::Relay;
use capture::Captures;
use people::People;
use quality::QualityBook;

/// Where recordings are kept.
#[derive(Debug, Clone)]
pub struct Folders {
    /// A folder per capture that is not composed yet.
    pub captures: PathBuf,
    /// A sealed file per composed recording.
    pub objects: PathBuf,
}

/// What carries media.
#[derive(Debug, Clone)]
pub struct Media {
    /// Forwards it.
    pub sfu: Sfu,
    /// For networks that let little out.
    pub relay: Option<Relay>,
}

/// The running visits' ties to media, recorder and record. Cheap to clone.
#[derive(Clone)]
pub struct Live(Arc<Inner>);

struct Inner {
    records: Records,
    sfu: Sfu,
    relay: Option<Relay>,
    tickets: TicketDesk,
    changes: broadcast::Sender<ClinicId>,
    clock: Clock,
    folders: Folders,
    signaling: OnceLock<Signaling<Live>>,
    people: People,
    captures: Captures,
    quality: QualityBook,
    compose: tokio::sync::Notify,
}

impl Live {
    /// Ties together what is running already; [`Live::attach`] adds signaling, which needs this first.
    #[must_use]
    pub fn new(
        records: Records,
        media: Media,
        tickets: TicketDesk,
        changes: broadcast::Sender<ClinicId>,
        clock: Clock,
        folders: Folders,
    ) -> Self {
        Self(Arc::new(Inner {
            quality: QualityBook::start(records.clone()),
            records,
            sfu: media.sfu,
            relay: media.relay,
            tickets,
            changes,
            clock,
            folders,
            signaling: OnceLock::new(),
            people: People::default(),
            captures: Captures::default(),
            compose: tokio::sync::Notify::new(),
        }))
    }

    /// Tells where answers go. Once, before the first connection.
    pub fn attach(&self, signaling: Signaling<Live>) {
        assert!(self.0.signaling.set(signaling).is_ok(), "signaling is attached once, in `serve`");
    }

    fn signaling(&self) -> &Signaling<Live> {
        self.0.signaling.get().expect("attached in `serve` before the first connection")
    }

    fn wall(&self) -> OffsetDateTime {
        self.0.clock.wall()
    }

    /// Carries the SFU's events on until the SFU ends.
    pub async fn carry_media_events(self, mut events: mpsc::Receiver<sfu::Event>) {
        while let Some(event) = events.recv().await {
            let visit = media::visit_of(event.room);
            let participant = media::participant_of(event.peer);
            if let EventKind::Quality(interval) = &event.kind {
                if let Some(person) = self.0.people.get(participant) {
                    self.0.quality.interval(&person, visit, participant, self.0.clock.now(), interval);
                }
            } else if let Some(event) = media::for_room(event.peer, &event.kind) {
                self.signaling().media_event(visit, event);
            }
        }
    }
}

impl Ports for Live {
    async fn redeem(&self, ticket: &str, origin: &str) -> Result<Identity, RedeemError> {
        let redeemed = self.0.tickets.redeem(ticket, origin, self.0.clock.now()).map_err(|_| RedeemError::NotUsable)?;
        self.0.people.seen(&redeemed.identity, redeemed.session);
        Ok(redeemed.identity)
    }

    async fn load_facts(&self, clinic: ClinicId, visit: VisitId) -> Result<Vec<(u64, Now, Fact)>, StoreError> {
        match records::facts::load(&self.0.records, clinic, visit).await {
            Ok(facts) => Ok(facts.into_iter().map(|stored| (stored.seq, stored.at, stored.fact)).collect()),
            Err(error) => {
                tracing::error!(%visit, %error, "the facts of a visit could not be read");
                Err(StoreError::Unavailable)
            }
        }
    }

    async fn persist(&self, evidence: Evidence) -> Result<(), StoreError> {
        let Evidence { clinic, visit, seq, at, fact, by } = evidence;
        self.0.captures.hear(&fact, at);
        match records::facts::append(&self.0.records, clinic, visit, seq, at, &fact, by).await {
            Ok(()) => {
                // No receiver is fine: nobody has the day's list open then.
                let _ = self.0.changes.send(clinic);
                Ok(())
            }
            Err(AppendError::SeqConflict { .. }) => Err(StoreError::Conflict),
            Err(AppendError::Failed(error)) => {
                tracing::error!(%visit, seq, %error, "a fact could not be stored");
                Err(StoreError::Unavailable)
            }
        }
    }

    async fn sfu(&self, visit: VisitId, command: SfuCommand) {
        let (sfu, room) = (&self.0.sfu, media::room_key(visit));
        match command {
            SfuCommand::Offer { participant, sdp } => {
                let event = match sfu.offer(room, media::peer_key(participant), sdp).await {
                    Ok(answer) => MediaEvent::Answered { participant, sdp: answer.sdp },
                    Err(error) => MediaEvent::OfferRefused { participant, why: error.to_string() },
                };
                self.signaling().media_event(visit, event);
            }
            SfuCommand::Admit { participant } => sfu.admit(room, media::peer_key(participant)),
            SfuCommand::Hold { participant } => sfu.hold(room, media::peer_key(participant)),
            SfuCommand::View { participant, slots } => {
                sfu.view(room, media::peer_key(participant), media::demands(&slots));
            }
            SfuCommand::Close { participant } => sfu.close(room, media::peer_key(participant)),
            SfuCommand::CloseRoom => {
                sfu.close_room(room);
                self.0.people.forget(visit);
            }
        }
    }

    fn ice_servers(&self, participant: ParticipantId) -> Vec<IceServer> {
        self.0.relay.as_ref().map(|relay| relay.ice_servers(participant)).unwrap_or_default()
    }

    async fn recorder(&self, clinic: ClinicId, visit: VisitId, command: RecorderCommand) {
        capture::command(self, clinic, visit, command);
    }

    async fn quality(&self, clinic: ClinicId, _visit: VisitId, participant: ParticipantId, quality: ClientQuality) {
        self.0.quality.client(participant, self.0.clock.now(), quality);
        // A call counts as activity: nobody is logged off in the middle of a visit.
        if let Some(session) = self.0.people.due_for_touch(participant, self.0.clock.now())
            && let Err(error) = records::sessions::touch(&self.0.records, clinic, session, self.wall()).await
        {
            tracing::warn!(%participant, %error, "a session could not be kept awake during a call");
        }
    }

    fn now(&self) -> Now {
        self.0.clock.now()
    }
}
