//! The rest of the server, as small as it can be and still keep its promises: tickets are used up, facts are kept
//! in order, the clock stands until it is moved. The store can be told to fail or to hold.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use signaling::{Evidence, Limits, Ports, RedeemError, Settings, Signaling, StoreError};
use tokio::sync::watch;
use uuid::Uuid;
use visit::room::{Identity, RecorderCommand, RoomSettings, SfuCommand};
use visit::wire::ClientQuality;
use visit::{ClinicId, Fact, Now, ParticipantId, PatientId, Person, Role, StaffId, VisitId};

pub const ORIGIN: &str = "https://visits.example";
pub const TEXT: &str = "recording-1";
const CLINIC: ClinicId = ClinicId(Uuid::from_u128(0xC11));
pub const VISIT: VisitId = VisitId(Uuid::from_u128(0x5157));
pub const OTHER_VISIT: VisitId = VisitId(Uuid::from_u128(0x0714));

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Store {
    Works,
    Fails,
    Holds,
}

/// What went out of signaling, in order.
#[derive(Debug, Clone, PartialEq)]
pub enum Deed {
    Sfu(VisitId, SfuCommand),
    Recorder(RecorderCommand),
    Quality(ParticipantId),
}

/// Stored facts of every visit, in order.
type Facts = BTreeMap<VisitId, Vec<(u64, Now, Fact)>>;

pub struct Ledgers {
    tickets: Mutex<BTreeMap<String, (Identity, String)>>,
    pub facts: watch::Sender<Facts>,
    pub store: watch::Sender<Store>,
    pub deeds: watch::Sender<Vec<Deed>>,
    clock: watch::Sender<Now>,
    next_ticket: AtomicU64,
}

impl Ports for Ledgers {
    async fn redeem(&self, ticket: &str, origin: &str) -> Result<Identity, RedeemError> {
        let found = self.tickets.lock().unwrap().remove(ticket).ok_or(RedeemError::NotUsable)?;
        if found.1 == origin { Ok(found.0) } else { Err(RedeemError::NotUsable) }
    }

    async fn load_facts(&self, _: ClinicId, visit: VisitId) -> Result<Vec<(u64, Now, Fact)>, StoreError> {
        Ok(self.facts.borrow().get(&visit).cloned().unwrap_or_default())
    }

    async fn persist(&self, evidence: Evidence) -> Result<(), StoreError> {
        let mut store = self.store.subscribe();
        let state = *store.wait_for(|store| *store != Store::Holds).await.unwrap();
        if state == Store::Fails {
            return Err(StoreError::Unavailable);
        }
        let row = (evidence.seq, evidence.at, evidence.fact);
        let mut conflict = false;
        self.facts.send_modify(|facts| {
            let facts = facts.entry(evidence.visit).or_default();
            match facts.iter().find(|(seq, ..)| *seq == row.0) {
                None => facts.push(row),
                Some(there) => conflict = *there != row,
            }
        });
        if conflict { Err(StoreError::Conflict) } else { Ok(()) }
    }

    async fn sfu(&self, visit: VisitId, command: SfuCommand) {
        self.deeds.send_modify(|deeds| deeds.push(Deed::Sfu(visit, command)));
    }

    async fn recorder(&self, _: ClinicId, _: VisitId, command: RecorderCommand) {
        self.deeds.send_modify(|deeds| deeds.push(Deed::Recorder(command)));
    }

    async fn quality(&self, _: ClinicId, _: VisitId, participant: ParticipantId, _: ClientQuality) {
        self.deeds.send_modify(|deeds| deeds.push(Deed::Quality(participant)));
    }

    fn now(&self) -> Now {
        *self.clock.borrow()
    }

    async fn sleep_until(&self, at: Now) {
        let mut clock = self.clock.subscribe();
        clock.wait_for(|now| *now >= at).await.unwrap();
    }
}

/// A listening server.
pub struct Clinic {
    pub ledgers: Arc<Ledgers>,
    pub signaling: Signaling<Ledgers>,
    pub address: std::net::SocketAddr,
    server: tokio::task::JoinHandle<()>,
}

impl Drop for Clinic {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Clinic {
    pub async fn open() -> Self {
        Self::open_with(Limits::default()).await
    }

    pub async fn open_with(limits: Limits) -> Self {
        let ledgers = Arc::new(Ledgers {
            tickets: Mutex::default(),
            facts: watch::Sender::default(),
            store: watch::Sender::new(Store::Works),
            deeds: watch::Sender::default(),
            clock: watch::Sender::new(Now(1_800_000_000_000)),
            next_ticket: AtomicU64::new(1),
        });
        Self::open_over(ledgers, limits).await
    }

    /// Another server over the same store: what a restart leaves.
    pub async fn open_over(ledgers: Arc<Ledgers>, limits: Limits) -> Self {
        let settings = Settings {
            allowed_origins: vec![ORIGIN.into()],
            room: RoomSettings { recording_text_version: TEXT.into(), seats: 8 },
            limits,
        };
        let signaling = Signaling::new(Arc::clone(&ledgers), settings);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = signaling::router(signaling.clone());
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { ledgers, signaling, address, server }
    }

    pub fn ticket(&self, who: Who) -> String {
        self.ticket_for(who, VISIT, ORIGIN)
    }

    pub fn ticket_for(&self, who: Who, visit: VisitId, origin: &str) -> String {
        let ticket = format!("ticket-{}", self.ledgers.next_ticket.fetch_add(1, Ordering::Relaxed));
        let identity = Identity {
            clinic: CLINIC,
            visit,
            person: who.person(),
            role: who.role,
            name: who.role.as_str().to_owned(),
        };
        self.ledgers.tickets.lock().unwrap().insert(ticket.clone(), (identity, origin.to_owned()));
        ticket
    }

    pub fn pass(&self, ms: i64) {
        self.ledgers.clock.send_modify(|now| *now = now.plus(ms));
    }

    pub fn set_store(&self, store: Store) {
        self.ledgers.store.send_replace(store);
    }

    /// Waits until signaling has done this.
    pub async fn until_deed(&self, wanted: impl Fn(&Deed) -> bool) {
        let mut deeds = self.ledgers.deeds.subscribe();
        let seen = deeds.wait_for(|deeds| deeds.iter().any(&wanted));
        crate::client::in_time("a deed", seen).await.unwrap();
    }

    pub async fn until_fact(&self, wanted: impl Fn(&Fact) -> bool) {
        let mut facts = self.ledgers.facts.subscribe();
        let seen = facts.wait_for(|facts| facts.values().flatten().any(|(_, _, fact)| wanted(fact)));
        crate::client::in_time("a fact", seen).await.unwrap();
    }

    pub fn did(&self, wanted: impl Fn(&Deed) -> bool) -> bool {
        self.ledgers.deeds.borrow().iter().any(wanted)
    }

    /// Waits until no room is running.
    pub async fn until_no_rooms(&self) {
        let empty = async {
            while self.signaling.rooms() > 0 {
                tokio::task::yield_now().await;
            }
        };
        crate::client::in_time("no room", empty).await;
    }
}

#[derive(Debug, Clone, Copy)]
pub struct Who {
    number: u128,
    pub role: Role,
}

pub const PROVIDER: Who = Who { number: 1, role: Role::Provider };
pub const PATIENT: Who = Who { number: 3, role: Role::Patient };
pub const GUARDIAN: Who = Who { number: 4, role: Role::Guardian };

impl Who {
    pub fn person(self) -> Person {
        let id = Uuid::from_u128(self.number);
        if self.role.hosts() { Person::Staff(StaffId(id)) } else { Person::Patient(PatientId(id)) }
    }

    pub fn seat(self) -> ParticipantId {
        ParticipantId::of(VISIT, self.person())
    }
}
