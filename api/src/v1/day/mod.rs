//! The day's list and what it is made of: patients, providers, appointments and their links.

pub(crate) mod book;
pub(crate) mod events;
pub(crate) mod link;
pub(crate) mod patients;
pub(crate) mod providers;
pub(crate) mod today;
