//! `PUT /join/devices`: what the patient's device check found.

use axum::extract::State;
use axum::http::StatusCode;
use records::action::CheckIn;
use records::queue::{self, DeviceReport, Network, NetworkFound, PartWorks};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::AppState;
use crate::document::{Anyone, SignedIn, TakesBody};
use crate::extract::Body;
use crate::problem::Problem;
use crate::session::Patient;
use crate::words;

/// Largest value that is taken for a round trip, milliseconds.
const MAX_ROUND_TRIP_MS: f32 = 60_000.0;
/// Largest value that is taken for a bandwidth, kilobits a second.
const MAX_KBPS: i32 = 10_000_000;

/// What a device check found.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct FoundDevices {
    #[schema(schema_with = words::part_works)]
    camera: PartWorks,
    #[schema(schema_with = words::part_works)]
    microphone: PartWorks,
    #[schema(schema_with = words::network)]
    network: Network,
    /// Null if it was not measured; so are the next three.
    #[schema(required, minimum = 0, maximum = 60_000)]
    #[serde(deserialize_with = "Option::deserialize")]
    round_trip_ms: Option<f32>,
    /// Part of packets lost.
    #[schema(required, minimum = 0, maximum = 1)]
    #[serde(deserialize_with = "Option::deserialize")]
    loss: Option<f32>,
    /// Kilobits a second towards the clinic.
    #[schema(required, minimum = 0, maximum = 10_000_000)]
    #[serde(deserialize_with = "Option::deserialize")]
    up_kbps: Option<i32>,
    /// Kilobits a second from the clinic.
    #[schema(required, minimum = 0, maximum = 10_000_000)]
    #[serde(deserialize_with = "Option::deserialize")]
    down_kbps: Option<i32>,
}

/// Report what the device check found
#[utoipa::path(
    put,
    path = "/join/devices",
    operation_id = "report_devices",
    tag = "join",
    request_body = FoundDevices,
    security(("patient" = [])),
    responses((status = 204, description = "Stored; replaces what was found before"), TakesBody, SignedIn, Anyone)
)]
pub(crate) async fn devices(
    State(state): State<AppState>,
    patient: Patient,
    Body(found): Body<FoundDevices>,
) -> Result<StatusCode, Problem> {
    let within = |value: Option<f32>, most: f32| value.is_none_or(|value| (0.0..=most).contains(&value));
    let counts = |value: Option<i32>| value.is_none_or(|value| (0..=MAX_KBPS).contains(&value));
    if !within(found.round_trip_ms, MAX_ROUND_TRIP_MS) || !within(found.loss, 1.0) {
        return Err(Problem::invalid("round_trip_ms, loss: out of range"));
    }
    if !counts(found.up_kbps) || !counts(found.down_kbps) {
        return Err(Problem::invalid("up_kbps, down_kbps: out of range"));
    }
    let report = DeviceReport {
        camera: found.camera,
        microphone: found.microphone,
        network: found.network,
        found: NetworkFound {
            round_trip_ms: found.round_trip_ms,
            loss: found.loss,
            up_kbps: found.up_kbps,
            down_kbps: found.down_kbps,
        },
    };
    let mut tx = state.records.begin(patient.context()).await?;
    let may = tx.authorize(CheckIn(patient.session.visit_id)).await?;
    let stored = queue::report_devices(&mut tx, &may, &report).await?;
    tx.commit(stored).await?;
    state.changed(patient.session.clinic.id);
    Ok(StatusCode::NO_CONTENT)
}
