//! Patients in the portal.

use super::row::Row;

pub const ROWS: &[Row] = &[];
