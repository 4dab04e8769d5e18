//! One visit: what is known of it, its timeline, its note, and the way into its room.

pub(crate) mod addenda;
pub(crate) mod detail;
pub(crate) mod note;
pub(crate) mod sign;
pub(crate) mod ticket;
pub(crate) mod timeline;
