//! A patient checks in: the link, the date of birth, where they are, the consent, and then a ticket for the room.

pub(crate) mod consent;
pub(crate) mod identity;
pub(crate) mod leave;
pub(crate) mod location;
pub(crate) mod open;
pub(crate) mod state;
pub(crate) mod ticket;
