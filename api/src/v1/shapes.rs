//! Shapes that more than one endpoint answers with.

use records::sessions::StaffSession;
use records::{Phi, join};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;
use visit::Role;

use crate::tickets::{TICKET_LIFE_MS, Ticket};
use crate::words;

/// Somebody agrees to a text.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Agreement {
    /// The version of the text that was read.
    pub text_version: String,
    /// The language that it was read in.
    pub lang: String,
}

/// A consent that was given.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct GivenConsent {
    /// The version of the text that was read.
    pub version: String,
    /// When `I agree` was pressed.
    #[serde(with = "time::serde::rfc3339")]
    pub accepted_at: OffsetDateTime,
}

/// Where the patient said they are.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Location {
    /// State or province; the provider's licence is checked against it.
    pub region: String,
    /// Where to call if the connection fails.
    pub callback_phone: String,
    /// Where to send help in an emergency.
    pub emergency_address: String,
}

/// How long somebody will probably wait, in steps of five minutes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct WaitMinutes {
    /// At least.
    pub from: u32,
    /// At most.
    pub to: u32,
}

impl From<(u32, u32)> for WaitMinutes {
    fn from((from, to): (u32, u32)) -> Self {
        Self { from, to }
    }
}

/// A ticket for the websocket at `/signal`: for one `hello`, from the page that asked for it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct IssuedTicket {
    /// Goes into the `hello` message, never into a URL.
    pub ticket: String,
    /// Seconds until it can't be used any more.
    pub expires_in_s: u32,
    /// The websocket subprotocol to ask for.
    #[schema(example = "bedside.v1")]
    pub subprotocol: &'static str,
}

/// Who is signed in.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Me {
    pub staff_id: Uuid,
    /// Shown name.
    pub name: String,
    #[schema(schema_with = words::role)]
    pub role: Role,
    pub clinic: Clinic,
    /// When the session ends if nothing is done.
    #[serde(with = "time::serde::rfc3339")]
    pub idle_expires_at: OffsetDateTime,
    /// When the session ends in any case.
    #[serde(with = "time::serde::rfc3339")]
    pub expires_at: OffsetDateTime,
}

/// The clinic of a member of staff.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Clinic {
    pub id: Uuid,
    pub name: String,
    /// IANA name, e.g. `America/Chicago`.
    pub time_zone: String,
}

impl From<join::GivenConsent> for GivenConsent {
    fn from(given: join::GivenConsent) -> Self {
        Self { version: given.version, accepted_at: given.accepted_at }
    }
}

impl From<join::Location> for Location {
    fn from(location: join::Location) -> Self {
        Self {
            region: shown(&location.region),
            callback_phone: shown(&location.callback_phone),
            emergency_address: shown(&location.emergency_address),
        }
    }
}

impl From<&Ticket> for IssuedTicket {
    fn from(ticket: &Ticket) -> Self {
        Self {
            ticket: ticket.reveal().to_owned(),
            expires_in_s: u32::try_from(TICKET_LIFE_MS / 1_000).expect("half a minute"),
            subprotocol: visit::wire::SUBPROTOCOL,
        }
    }
}

impl From<StaffSession> for Me {
    fn from(session: StaffSession) -> Self {
        Self {
            staff_id: session.staff_id.0,
            name: session.name,
            role: session.role,
            clinic: Clinic { id: session.clinic.id.0, name: session.clinic.name, time_zone: session.clinic.time_zone },
            idle_expires_at: session.idle_expires_at,
            expires_at: session.expires_at,
        }
    }
}

/// A patient's data on its way into an answer to somebody who may see it.
pub(crate) fn shown(value: &Phi<String>) -> String {
    value.expose().clone()
}
