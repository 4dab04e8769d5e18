//! Encryption keys.

use super::row::Row;

pub const ROWS: &[Row] = &[];
