//! Patients and their charts.

use super::row::Row;

pub const ROWS: &[Row] = &[Row::new("GET /api/v1/patients", "ss++++++r+")];
