//! The system of record: the only crate with SQL in it.
//!
//! What lives here: tables' rows and what may be done with them, who may do it ([`policy`]), encryption of patients'
//! data ([`Phi`], [`KeyRing`]), the audit log ([`audit`]), sign-in and sessions, the private PostgreSQL, the demo's seed.
//! What deliberately does not: HTTP, websockets, media, files of recordings (only their keys and hashes).
//!
//! How a request reads or changes something:
//!
//! ```ignore
//! let mut tx = records.begin(context).await?;                    // who, for which clinic, from where, when
//! let may = tx.authorize(ReadNote(visit)).await?;                // allowed by role and care relationship, or refused and logged
//! let note = notes::read(&mut tx, &may).await?;                  // a `Pending<Note>`: not readable yet
//! let note = tx.commit(note).await?;                             // logged durably, and only now readable
//! ```
//!
//! A dropped `Tx` changes, logs and reveals nothing. Row-level security refuses what a forgotten `WHERE` would let through.

pub mod action;
pub mod appointments;
pub mod attachments;
pub mod audit;
mod blind_index;
pub mod care_team;
pub mod chart;
pub mod clinics;
pub mod consents;
mod context;
mod data_key;
pub mod demo;
mod demo_charts;
pub mod emergency;
mod error;
pub mod facts;
pub mod guardians;
pub mod guests;
mod idempotency;
pub mod identity;
pub mod join;
pub mod join_links;
mod key_ring;
pub mod keys;
mod migrate;
pub mod notes;
pub mod outbox;
mod password;
pub mod patient_index;
pub mod patients;
mod phi;
pub mod policy;
pub mod portal;
pub mod private_postgres;
pub mod quality;
pub mod queue;
pub mod recordings;
mod records;
mod relation;
pub mod retention;
mod seal;
mod sealed_columns;
pub mod sessions;
pub mod settings;
pub mod sign_in;
pub mod sso;
pub mod staff;
#[cfg(feature = "testing")]
pub mod testing;
mod text_enum;
pub mod today;
mod token;
mod tx;
pub mod visits;

pub use context::{Actor, FRESH_FACTOR, Origin, RequestContext, network};
pub use error::{DatabaseError, Error};
pub use key_ring::{AwsKms, KeyRing, KeyRingError, KeyServiceError, Keys, KmsSettings, RingKey};
pub use migrate::{MigrateError, migrate};
pub use phi::Phi;
pub use policy::Authorized;
pub use private_postgres::PrivatePostgres;
pub use records::{ConnectError, Records};
pub use sessions::SessionId;
pub use token::{DeviceToken, SessionToken};
pub use tx::{Pending, Tx};
