//! How good the calls were: numbers only, no patient's name.

pub(crate) mod list;
pub(crate) mod series;
