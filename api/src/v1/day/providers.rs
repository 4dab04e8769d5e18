//! `GET /providers`: whom one can book an appointment with.

use axum::Json;
use axum::extract::State;
use records::action::ListProviders;
use records::staff;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::AppState;
use crate::document::{Anyone, SignedIn};
use crate::problem::Problem;
use crate::session::Staff;

/// All active providers.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Providers {
    /// By name.
    items: Vec<ProviderItem>,
}

/// Somebody who treats.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ProviderItem {
    staff_id: Uuid,
    name: String,
}

/// The clinic's providers
#[utoipa::path(
    get,
    path = "/providers",
    operation_id = "providers",
    tag = "day",
    security(("staff" = [])),
    responses((status = 200, body = Providers), SignedIn, Anyone)
)]
pub(crate) async fn providers(State(state): State<AppState>, staff: Staff) -> Result<Json<Providers>, Problem> {
    let mut tx = state.records.begin(staff.context()).await?;
    let may = tx.authorize(ListProviders).await?;
    let found = staff::providers(&mut tx, &may).await?;
    let providers = tx.commit(found).await?;
    let items =
        providers.into_iter().map(|provider| ProviderItem { staff_id: provider.staff_id.0, name: provider.name });
    Ok(Json(Providers { items: items.collect() }))
}
