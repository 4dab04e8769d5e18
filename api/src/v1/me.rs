//! `GET /me`: who is signed in, and until when.

use axum::Json;

use super::shapes::Me;
use crate::document::{Anyone, SignedIn};
use crate::session::Staff;

/// Who is signed in
#[utoipa::path(
    get,
    path = "/me",
    operation_id = "me",
    tag = "auth",
    security(("staff" = [])),
    responses((status = 200, body = Me), SignedIn, Anyone)
)]
pub(crate) async fn me(staff: Staff) -> Json<Me> {
    Json(staff.session.into())
}
