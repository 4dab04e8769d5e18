//! One's own account: factors, sessions, password.

use super::row::Row;

pub const ROWS: &[Row] = &[];
