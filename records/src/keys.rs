//! Keys from the operator's side: what is wrapped by what, renewing keys while the server runs, opening everything once.
//!
//! Two things are renewed. *Key-encryption keys*: every data key is wrapped again ([`rewrap`]). *Data keys*: each gets a
//! successor, every value is sealed again under it, and the old one is destroyed ([`rotate`]). Both work beside running
//! servers, in small transactions, and go on where a killed one was.

mod rewrap;
mod rotate;
mod status;
mod verify;
mod wait;

pub use crate::sealed_columns::{NOT_SEALED, names as sealed_columns};
pub use rewrap::{Rewrapped, rewrap};
pub use rotate::{RotateError, Rotated, Scope, rotate};
pub use status::{ColumnCount, DataKeyCount, KeyStatus, WrappingKeyCount, status, wrapped_by};
pub use verify::{Unopened, Verified, verify};
