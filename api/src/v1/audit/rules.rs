//! `GET /audit/rules`, `PUT /audit/rules`: from when on access counts as unusual.

use axum::Json;
use axum::extract::State;
use records::action::{ChangeAccessRules, ReadAccessRules};
use records::audit::access::{self, RulesError};
use records::audit::unusual::Rules;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::AppState;
use crate::document::{Anyone, SignedIn, TakesBody};
use crate::extract::Body;
use crate::problem::Problem;
use crate::session::Staff;

/// From when on access counts as unusual.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AccessRules {
    /// So many patients, opened one by one,
    many_patients: u32,
    /// within so many minutes.
    many_patients_minutes: u32,
    /// The clinic opens, minutes after midnight.
    opens_at_minute: u32,
    /// And closes.
    closes_at_minute: u32,
    /// Also on Saturdays and Sundays.
    open_weekends: bool,
    /// So many patients while it is closed.
    after_hours_patients: u32,
    /// So many refusals
    refusals: u32,
    /// within so many minutes.
    refusals_minutes: u32,
    /// Whether patients with the last name of the member of staff are noticed.
    same_name: bool,
}

impl From<Rules> for AccessRules {
    fn from(rules: Rules) -> Self {
        Self {
            many_patients: rules.many_patients,
            many_patients_minutes: rules.many_patients_minutes,
            opens_at_minute: rules.opens_at_minute,
            closes_at_minute: rules.closes_at_minute,
            open_weekends: rules.open_weekends,
            after_hours_patients: rules.after_hours_patients,
            refusals: rules.refusals,
            refusals_minutes: rules.refusals_minutes,
            same_name: rules.same_name,
        }
    }
}

impl From<AccessRules> for Rules {
    fn from(rules: AccessRules) -> Self {
        Self {
            many_patients: rules.many_patients,
            many_patients_minutes: rules.many_patients_minutes,
            opens_at_minute: rules.opens_at_minute,
            closes_at_minute: rules.closes_at_minute,
            open_weekends: rules.open_weekends,
            after_hours_patients: rules.after_hours_patients,
            refusals: rules.refusals,
            refusals_minutes: rules.refusals_minutes,
            same_name: rules.same_name,
        }
    }
}

/// See from when on access is unusual
#[utoipa::path(
    get,
    path = "/audit/rules",
    operation_id = "access_rules",
    tag = "audit",
    security(("staff" = [])),
    responses((status = 200, body = AccessRules), SignedIn, Anyone)
)]
pub(crate) async fn read(State(state): State<AppState>, staff: Staff) -> Result<Json<AccessRules>, Problem> {
    let mut tx = state.records.begin(staff.context()).await?;
    let may = tx.authorize(ReadAccessRules).await?;
    let rules = access::rules(&mut tx, &may).await?;
    Ok(Json(tx.commit(rules).await?.into()))
}

/// Set from when on access is unusual
#[utoipa::path(
    put,
    path = "/audit/rules",
    operation_id = "change_access_rules",
    tag = "audit",
    request_body = AccessRules,
    security(("staff" = [])),
    responses((status = 200, body = AccessRules), TakesBody, SignedIn, Anyone)
)]
pub(crate) async fn change(
    State(state): State<AppState>,
    staff: Staff,
    Body(rules): Body<AccessRules>,
) -> Result<Json<AccessRules>, Problem> {
    let rules: Rules = rules.into();
    let mut tx = state.records.begin(staff.context()).await?;
    let may = tx.authorize(ChangeAccessRules).await?;
    let changed = access::set_rules(&mut tx, &may, &rules).await?;
    tx.commit(changed).await?;
    Ok(Json(rules.into()))
}

impl From<RulesError> for Problem {
    fn from(error: RulesError) -> Self {
        match error {
            RulesError::Range { what, from, to } => {
                Self::invalid(format!("{what}: choose a number from {from} to {to}"))
            }
            RulesError::Failed(error) => error.into(),
        }
    }
}
