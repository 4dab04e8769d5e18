//! Emergency access, guardians, assignments.

use super::row::Row;

pub const ROWS: &[Row] = &[];
