//! The waiting room as staff keep it: the lines, what is done with those who wait, what is said to them.

mod announce;
mod board;
mod chat;
mod decline;
mod delay;
mod hold;
mod move_to;
mod no_show;

use std::collections::BTreeMap;

use axum::http::StatusCode;
use records::queue::{DeedError, SaidError};
use serde::{Deserialize, Serialize};
use utoipa::openapi::{RefOr, Response};
use utoipa::{IntoResponses, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::AppState;
use crate::document::problems;
use crate::problem::Problem;

pub(super) use chat::{Messages, NewMessage};

/// The routes of this folder.
pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(board::board))
        .routes(routes!(hold::hold))
        .routes(routes!(hold::wait))
        .routes(routes!(move_to::move_to))
        .routes(routes!(decline::decline))
        .routes(routes!(no_show::no_show))
        .routes(routes!(no_show::expect))
        .routes(routes!(chat::read, chat::write))
        .routes(routes!(chat::seen))
        .routes(routes!(announce::announce))
        .routes(routes!(announce::end))
        .routes(routes!(delay::delay))
}

/// Words to one who waits.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Words {
    /// 1 to 500 characters; the patient reads them.
    #[schema(max_length = 500)]
    words: String,
}

/// What came of a deed.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct QueueVersion {
    /// The visit's version now: goes back with the next deed.
    version: i32,
}

/// Errors of every deed: it is done to the visit that was looked at, or not at all.
pub(super) struct Deed;

impl IntoResponses for Deed {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        problems(&[
            (409, "`queue.not_now`: it does not apply to this visit now"),
            (412, "`queue.changed_elsewhere`: somebody was faster; `version` is the one now"),
            (
                422,
                "`request.invalid`: the version is none, or a field is missing, unknown or out of bounds; `words.length`",
            ),
            (428, "`if_match.missing`"),
        ])
    }
}

pub(super) fn bad_words() -> Problem {
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "words.length", "Write 1 to 500 characters.")
}

impl From<DeedError> for Problem {
    fn from(error: DeedError) -> Self {
        match error {
            DeedError::ChangedElsewhere { version } => Self::new(
                StatusCode::PRECONDITION_FAILED,
                "queue.changed_elsewhere",
                "Somebody else, or the patient, was faster, and this was not done. Look at the list and decide again.",
            )
            .with("version", version),
            DeedError::NotNow => Self::new(
                StatusCode::CONFLICT,
                "queue.not_now",
                "That does not apply to this visit now. Look at the list again.",
            ),
            DeedError::Words => bad_words(),
            DeedError::Failed(error) => error.into(),
        }
    }
}

impl From<SaidError> for Problem {
    fn from(error: SaidError) -> Self {
        match error {
            SaidError::Words => bad_words(),
            SaidError::Minutes => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, "delay.minutes", "A delay has at most 480 minutes.")
            }
            SaidError::NotTaken => Self::new(
                StatusCode::CONFLICT,
                "queue.not_said",
                "There is no such provider, or too many announcements stand. End one first.",
            ),
            SaidError::Failed(error) => error.into(),
        }
    }
}
