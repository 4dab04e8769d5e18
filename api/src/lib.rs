//! The HTTP API under `/api`: sessions, check-in, the day's visits, notes, recordings, call quality, audit search.
//!
//! [`router`] is the front door; every endpoint has one file under `v1`, with its error, its shapes, its docs and
//! its handler. What deliberately isn't here: SQL and decisions about who may do what (`records`), the visit room
//! and its websocket (`visit`, `signaling`), media (`sfu`, `recorder`).
//!
//! Every error leaves as `application/problem+json` (RFC 9457) with a stable `code`; see [`problem`].

mod access_log;
mod attachment_files;
mod client;
mod clock;
mod document;
mod edges;
mod export;
mod extract;
mod limits;
mod lines;
mod media;
mod playback;
pub mod problem;
mod request_id;
mod router;
mod same_origin;
mod session;
mod sso;
mod state;
mod tickets;
mod uploads;
mod v1;
mod versioned;
mod words;

pub use attachment_files::{AttachmentFiles, FileKey, Storing};
pub use client::ClientAddress;
pub use clock::{Clock, ManualClock};
pub use edges::edges;
pub use limits::{RateLimits, SharedLimits, SharedLimitsError};
pub use lines::LineWatch;
pub use media::{MediaError, Opening, RecordingMedia, SeekableMedia};
pub use request_id::RequestId;
pub use router::{openapi, openapi_json, router};
pub use sso::SsoSettings;
pub use state::{ApiConfig, AppState, Ended};
pub use tickets::{RedeemError, Redeemed, Ticket, TicketDesk, TicketError};
pub use uploads::{Clamd, UploadRules};
