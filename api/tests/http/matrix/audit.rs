//! Who did what.

use super::row::Row;

pub const ROWS: &[Row] = &[Row::new("GET /api/v1/audit", "ssrrrr++rr")];
