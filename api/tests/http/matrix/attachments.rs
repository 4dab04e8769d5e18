//! Documents of a patient's record.

use super::row::Row;
use crate::attachments::PDF;

pub const ROWS: &[Row] = &[
    Row::new("GET /api/v1/patients/{id}/attachments", "ssss+h++r+rh").of(|ids| ids.patient),
    Row::new("POST /api/v1/patients/{id}/attachments", "ssss+h++rrrh")
        .of(|ids| ids.patient)
        .uploads("application/pdf", PDF),
    Row::new("GET /api/v1/attachments/{id}", "ssss+h+rr+rh").of(|ids| ids.attachment),
    // In the portal; before the next row, which takes it off.
    Row::new("GET /api/v1/portal/attachments/{id}", "sss+ssssssss")
        .of(|ids| ids.attachment)
        .asking("patient", |ids| ids.patient),
    Row::new("DELETE /api/v1/attachments/{id}", "ssss+h+rrrrh").of(|ids| ids.attachment),
];
