//! `GET /audit/seals`, `POST /audit/verifications`: how the log is sealed, and whether it is as it was sealed.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use records::action::ReadSeals;
use records::audit::{self, SMALL, SealState, VerifyNowError};
use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;

use crate::AppState;
use crate::document::{Anyone, Changes, SignedIn};
use crate::problem::Problem;
use crate::session::Staff;

/// How the log is sealed.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AuditSeals {
    /// Events that are sealed.
    tree_size: u64,
    /// When the last seal was made; null before the first.
    #[serde(with = "time::serde::rfc3339::option")]
    #[schema(required)]
    sealed_at: Option<OffsetDateTime>,
    /// The last checkpoint, a signed note.
    #[schema(required)]
    checkpoint: Option<String>,
    /// The key that checks it.
    #[schema(required)]
    key: Option<String>,
    /// The last time that everything was verified; null if never.
    #[schema(required)]
    verification: Option<AuditVerification>,
    /// Whether `POST /audit/verifications` does it now.
    verifiable_now: bool,
    /// Months whose rows were dropped after their retention; their hashes are kept.
    dropped_months: Vec<AuditDroppedMonth>,
}

/// A verification of everything.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AuditVerification {
    #[serde(with = "time::serde::rfc3339")]
    started_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    finished_at: OffsetDateTime,
    /// Events that were sealed then.
    tree_size: u64,
    /// Rows that were read.
    rows: u64,
    /// Sealed events whose rows were dropped after their retention.
    dropped: u64,
    /// How much is not as it was sealed: 0 if all is well.
    fault_count: u64,
    /// The first hundred faults, in words; each names its row.
    faults: Vec<String>,
}

/// A month whose rows are gone.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AuditDroppedMonth {
    /// `YYYY-MM`.
    month: String,
    rows: u64,
    #[serde(with = "time::serde::rfc3339")]
    dropped_at: OffsetDateTime,
}

impl From<SealState> for AuditSeals {
    fn from(state: SealState) -> Self {
        Self {
            tree_size: state.tree_size,
            sealed_at: state.sealed_at,
            checkpoint: state.checkpoint,
            verifiable_now: state.key.is_some() && state.tree_size <= SMALL,
            key: state.key,
            verification: state.verification.map(|last| AuditVerification {
                started_at: last.started_at,
                finished_at: last.finished_at,
                tree_size: last.tree_size,
                rows: last.rows,
                dropped: last.dropped,
                fault_count: last.fault_count,
                faults: last.faults,
            }),
            dropped_months: state
                .dropped_months
                .into_iter()
                .map(|dropped| AuditDroppedMonth {
                    month: format!("{:04}-{:02}", dropped.month.year(), u8::from(dropped.month.month())),
                    rows: dropped.rows,
                    dropped_at: dropped.dropped_at,
                })
                .collect(),
        }
    }
}

/// See how the log is sealed
#[utoipa::path(
    get,
    path = "/audit/seals",
    operation_id = "audit_seals",
    tag = "audit",
    security(("staff" = [])),
    responses((status = 200, body = AuditSeals), SignedIn, Anyone)
)]
pub(crate) async fn state(State(state): State<AppState>, staff: Staff) -> Result<Json<AuditSeals>, Problem> {
    current(&state, &staff).await
}

/// Verify the whole log now
///
/// Answers when it is done. A log of more than 200,000 events is verified every night instead, and by `bedside audit verify`.
#[utoipa::path(
    post,
    path = "/audit/verifications",
    operation_id = "verify_audit",
    tag = "audit",
    security(("staff" = [])),
    responses(
        (status = 200, body = AuditSeals),
        (status = 409, body = crate::problem::ProblemBody, content_type = "application/problem+json", description = "`audit.too_large`, `audit.no_key`: not from here"),
        Changes, SignedIn, Anyone
    )
)]
pub(crate) async fn verify(State(state): State<AppState>, staff: Staff) -> Result<Json<AuditSeals>, Problem> {
    audit::verify_now(&state.records, staff.context()).await?;
    current(&state, &staff).await
}

async fn current(state: &AppState, staff: &Staff) -> Result<Json<AuditSeals>, Problem> {
    let mut tx = state.records.begin(staff.context()).await?;
    let may = tx.authorize(ReadSeals).await?;
    let seals = audit::seal_state(&mut tx, &may).await?;
    Ok(Json(tx.commit(seals).await?.into()))
}

impl From<VerifyNowError> for Problem {
    fn from(error: VerifyNowError) -> Self {
        let conflict = |code, title| Self::new(StatusCode::CONFLICT, code, title);
        match error {
            VerifyNowError::TooLarge => conflict(
                "audit.too_large",
                "The log is too large to be verified while you wait. It is verified every night, and by `bedside audit verify`.",
            ),
            VerifyNowError::NoKey => conflict(
                "audit.no_key",
                "This server has no audit key. Run `bedside audit verify` on the machine that has it.",
            ),
            VerifyNowError::Failed(error) | VerifyNowError::Verify(audit::VerifyError::Failed(error)) => error.into(),
            VerifyNowError::Verify(audit::VerifyError::Journal(error)) => {
                tracing::error!(%error, "the audit log's folder can't be read");
                Self::internal()
            }
        }
    }
}
