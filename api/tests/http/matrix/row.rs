//! One row of the matrix: a route, what it is sent, and what every actor gets. Written by hand, from the matrix of roles.

use serde_json::Value;
use uuid::Uuid;

use crate::app::App;

/// Who tries, in the order of a row's cells.
///
/// - `patient` came by the link of the visit that took place, `interpreter` by an invitation into it.
/// - `guardian` acts for its patient and is signed in to the portal.
/// - `provider` is that visit's; `colleague` is a provider without a care relationship; `nurse` is assigned to the patient.
/// - `foreign` is a provider of another clinic.
pub const ACTORS: [&str; 12] = [
    "nobody",
    "patient",
    "interpreter",
    "guardian",
    "provider",
    "colleague",
    "nurse",
    "front_desk",
    "clinic_admin",
    "compliance",
    "super_admin",
    "foreign",
];

/// Picks one of the ids.
type IdOf = fn(&Ids) -> Uuid;

/// A route with its cells.
pub struct Row {
    /// Method and path, as in the document.
    pub route: &'static str,
    /// A character per actor: `+` done, or refused for another reason than who asks (409, 412); `s` signed out (401);
    /// `r` the role refuses (403); `h` hidden (404); `f` the second factor must be given again (403). `*` alone: open to everyone.
    pub cells: &'static str,
    /// The id in the path, for routes with one.
    pub id: IdOf,
    /// The body, for routes with one; as it should be, but for who sends it.
    pub body: fn(&App, &Ids) -> Option<Value>,
    /// What the query names, for routes with one.
    pub query: Option<(&'static str, IdOf)>,
    /// A file, with its type, in the body's place.
    pub file: Option<(&'static str, &'static [u8])>,
}

impl Row {
    /// A route without an id and without a body.
    pub const fn new(route: &'static str, cells: &'static str) -> Self {
        Self { route, cells, id: |_| Uuid::nil(), body: |_, _| None, query: None, file: None }
    }

    /// Whose `{id}` is this.
    pub const fn of(self, id: IdOf) -> Self {
        Self { id, ..self }
    }

    /// With this in the query.
    pub const fn asking(self, name: &'static str, id: IdOf) -> Self {
        Self { query: Some((name, id)), ..self }
    }

    /// Which is sent this file of this type.
    pub const fn uploads(self, media_type: &'static str, bytes: &'static [u8]) -> Self {
        Self { file: Some((media_type, bytes)), ..self }
    }

    /// Which is sent this.
    pub const fn sends(self, body: fn(&App, &Ids) -> Option<Value>) -> Self {
        Self { body, ..self }
    }
}

/// What rows are about: Riverside's visit that took place and was recorded, its patient, and another visit's appointment.
/// For the test of unknown ids, ids that don't exist.
#[derive(Clone, Copy)]
pub struct Ids {
    pub appointment: Uuid,
    pub visit: Uuid,
    pub recording: Uuid,
    pub patient: Uuid,
    /// A member of staff who does not try anything.
    pub staff: Uuid,
    /// A message that was given up.
    pub mail: Uuid,
    /// Nobody's patient yet.
    pub other_patient: Uuid,
    /// Somebody's emergency access to `patient`.
    pub emergency_access: Uuid,
    pub attachment: Uuid,
    /// An invitation into `visit` that nobody has come by.
    pub guest: Uuid,
}

impl Ids {
    /// What stands second in a path. The entry of a chart that rows write and then read: one per list, since an id is good
    /// for one.
    pub fn entry(&self, route: &str) -> Uuid {
        match () {
            () if route.contains("/guests/") => self.guest,
            () if route.contains("/insurance/") => self.visit,
            () => self.recording,
        }
    }

    /// Ids of nothing.
    pub fn unknown() -> Self {
        Self {
            appointment: Uuid::now_v7(),
            visit: Uuid::now_v7(),
            recording: Uuid::now_v7(),
            patient: Uuid::now_v7(),
            other_patient: Uuid::now_v7(),
            emergency_access: Uuid::now_v7(),
            staff: Uuid::now_v7(),
            mail: Uuid::now_v7(),
            attachment: Uuid::now_v7(),
            guest: Uuid::now_v7(),
        }
    }
}
