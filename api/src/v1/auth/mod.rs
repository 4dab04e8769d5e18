//! Staff sign in: password, then code, then a fresh session.

pub(crate) mod sign_in;
pub(crate) mod sign_out;
pub(crate) mod totp;
