//! How good the calls were.

use super::row::Row;

pub const ROWS: &[Row] = &[
    Row::new("GET /api/v1/quality/visits", "ssss+++r++r+"),
    Row::new("GET /api/v1/quality/visits/{id}", "ssss+hhr++rh").of(|ids| ids.visit),
];
