//! Members of staff: invitations, roles, deactivation.

use super::row::Row;

pub const ROWS: &[Row] = &[];
