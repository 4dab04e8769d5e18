//! `GET /audit/export`: the clinic's rows as signed JSON lines. Logged before the first byte leaves.

use axum::body::Body;
use axum::extract::State;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use records::action::ExportAudit;
use records::audit::{self, ExportError};
use serde::Deserialize;
use time::OffsetDateTime;
use tokio::sync::mpsc;
use utoipa::IntoParams;

use crate::AppState;
use crate::document::{Anyone, SignedIn, TakesQuery};
use crate::extract::Query;
use crate::problem::Problem;
use crate::session::Staff;

/// Pieces of about 64 kB that wait for a slow reader.
const WAITING: usize = 4;

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ExportQuery {
    /// Not before.
    #[serde(default, with = "time::serde::rfc3339::option")]
    from: Option<OffsetDateTime>,
    /// Before.
    #[serde(default, with = "time::serde::rfc3339::option")]
    to: Option<OffsetDateTime>,
}

/// Download the clinic's audit log
///
/// JSON lines with seals, checkpoints and the public key; `bedside audit verify --export FILE` verifies them anywhere. Needs
/// a second factor that was given in the last five minutes. Ids only, no names.
#[utoipa::path(
    get,
    path = "/audit/export",
    operation_id = "export_audit",
    tag = "audit",
    params(ExportQuery),
    security(("staff" = [])),
    responses(
        (status = 200, content_type = "application/jsonl", body = Vec<u8>, description = "The lines; a download that was cut off lacks its last line and does not verify"),
        (status = 409, body = crate::problem::ProblemBody, content_type = "application/problem+json", description = "`audit.no_key`: not from here"),
        TakesQuery, SignedIn, Anyone
    )
)]
pub(crate) async fn export(
    State(state): State<AppState>,
    staff: Staff,
    Query(query): Query<ExportQuery>,
) -> Result<Response, Problem> {
    let mut tx = state.records.begin(staff.context()).await?;
    let may = tx.authorize(ExportAudit).await?;
    let selection = audit::allow_export(&mut tx, &may, query.from, query.to)?;
    let selection = tx.commit(selection).await?;
    let Some(journal) = state.records.journal().cloned() else {
        return Err(Problem::new(
            StatusCode::CONFLICT,
            "audit.no_key",
            "This server has no audit key. Run `bedside audit export` on the machine that has it.",
        ));
    };
    let (sender, receiver) = mpsc::channel(WAITING);
    let (records, now) = (state.records.clone(), state.clock.wall());
    tokio::spawn(async move {
        match audit::export(&records, &journal, selection, now, sender).await {
            Ok(_) | Err(ExportError::NobodyReads) => {}
            Err(error) => tracing::error!(%error, "an export of the audit log broke off"),
        }
    });
    let body = Body::from_stream(stream::unfold(receiver, async |mut receiver| {
        let piece = receiver.recv().await?;
        Some((Ok::<_, std::convert::Infallible>(piece), receiver))
    }));
    let name = format!("attachment; filename=\"audit-{}.jsonl\"", now.date());
    let mut response = body.into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/jsonl"));
    if let Ok(name) = HeaderValue::try_from(name) {
        headers.insert(CONTENT_DISPOSITION, name);
    }
    Ok(response)
}
