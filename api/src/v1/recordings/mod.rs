//! Recordings of a visit: the list, and the file itself by range.

pub(crate) mod list;
pub(crate) mod media;
mod range;
