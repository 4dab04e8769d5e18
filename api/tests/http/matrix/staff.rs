//! Members of staff: invitations, roles, deactivation.

use super::row::Row;

pub const ROWS: &[Row] = &[
    Row::new("GET /api/v1/mail", "ssrrrr+rrr"),
    Row::new("POST /api/v1/mail/{id}/retry", "ssrrrr+rrr").of(|ids| ids.mail),
];
