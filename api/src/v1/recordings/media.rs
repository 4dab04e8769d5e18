//! `GET /recordings/{id}/media`: the playable file, by range, decrypted as it is read. One opening is one row of the audit log.

use std::io;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header::{ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, RANGE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use futures_util::stream::{self, Stream};
use records::action::PlayRecording;
use records::recordings::{self, RecordingState};
use records::{RequestContext, SessionToken};
use visit::RecordingId;

use super::range::{Part, part};
use crate::document::{Addressed, Anyone, SignedIn};
use crate::extract::Id;
use crate::problem::Problem;
use crate::session::Staff;
use crate::{AppState, SeekableMedia};

/// Bytes that are decrypted and handed on at once: a few sealed chunks of 64 KiB.
const PIECE_BYTES: usize = 256 * 1024;

/// Play a recording
///
/// The first request of a session, and one after half an hour, is written to the audit log as an opening.
#[utoipa::path(
    get,
    path = "/recordings/{id}/media",
    operation_id = "play_recording",
    tag = "visits",
    params(
        ("id" = uuid::Uuid, Path, description = "Recording"),
        ("Range" = Option<String>, Header, description = "One range of bytes, e.g. `bytes=0-65535`"),
    ),
    security(("staff" = [])),
    responses(
        (status = 200, content_type = "video/webm", body = Vec<u8>, description = "All of it"),
        (status = 206, content_type = "video/webm", body = Vec<u8>, description = "The range that was asked for",
            headers(("Content-Range" = String))),
        (status = 409, body = crate::problem::ProblemBody, content_type = "application/problem+json", description = "`recording.not_ready`: there is no playable file, or not yet"),
        (status = 416, body = crate::problem::ProblemBody, content_type = "application/problem+json", description = "`range.unsatisfiable`: past the end",
            headers(("Content-Range" = String))),
        Addressed, SignedIn, Anyone
    )
)]
pub(crate) async fn media(
    State(state): State<AppState>,
    staff: Staff,
    Id(recording): Id<RecordingId>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    play(&state, staff.context(), &staff.token, recording, &headers).await
}

/// Plays a recording to whoever `context` says, with the session of `token`.
pub(crate) async fn play(
    state: &AppState,
    context: RequestContext,
    token: &SessionToken,
    recording: RecordingId,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    let clinic = context.actor.clinic();
    let mut tx = state.records.begin(context).await?;
    let may = tx.authorize(PlayRecording(recording)).await?;
    let goes_on = state.playbacks.is_open(token, recording, state.clock.elapsed());
    let found =
        if goes_on { recordings::reopen(&mut tx, &may).await? } else { recordings::open(&mut tx, &may).await? };
    let found = tx.commit(found).await?;
    if found.state != RecordingState::Ready {
        return Err(Problem::new(
            StatusCode::CONFLICT,
            "recording.not_ready",
            "There is no playable file yet. If the recording failed there will be none; otherwise try again in a minute.",
        )
        .with("state", found.state.as_str()));
    }
    if !goes_on {
        state.playbacks.opened(token, recording, state.clock.elapsed());
    }
    let opened = state.media.open(clinic, recording).await.map_err(|error| {
        tracing::error!(%recording, %error, "a recording that is ready can't be opened");
        Problem::internal()
    })?;
    let Some(media) = opened else {
        tracing::error!(%recording, "a recording that is ready has no file");
        return Err(Problem::internal());
    };
    Ok(answer(media, headers.get(RANGE)))
}

fn answer(media: Box<dyn SeekableMedia>, range: Option<&HeaderValue>) -> Response {
    let len = media.byte_len();
    let range = range.map(|value| value.to_str().unwrap_or_default());
    match part(range, len) {
        Part::Whole => send(StatusCode::OK, media, 0, len, None),
        Part::Bytes { first, last } => {
            send(StatusCode::PARTIAL_CONTENT, media, first, last + 1, Some(format!("bytes {first}-{last}/{len}")))
        }
        Part::Unsatisfiable => {
            let problem = Problem::new(
                StatusCode::RANGE_NOT_SATISFIABLE,
                "range.unsatisfiable",
                "The recording ends before the range that was asked for. Start the playback again.",
            );
            ([(CONTENT_RANGE, header(format!("bytes */{len}")))], problem).into_response()
        }
    }
}

fn send(status: StatusCode, media: Box<dyn SeekableMedia>, from: u64, to: u64, range: Option<String>) -> Response {
    let mut response = Response::new(Body::from_stream(pieces(media, from, to)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("video/webm"));
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(CONTENT_LENGTH, HeaderValue::from(to - from));
    if let Some(range) = range {
        headers.insert(CONTENT_RANGE, header(range));
    }
    response
}

fn header(text: String) -> HeaderValue {
    HeaderValue::from_str(&text).expect("words and digits")
}

/// Reads piece by piece, and only as fast as the client takes them; a player that pauses holds no thread.
fn pieces(media: Box<dyn SeekableMedia>, from: u64, to: u64) -> impl Stream<Item = io::Result<Bytes>> {
    stream::unfold(Some((media, from)), move |reading| async move {
        let (media, at) = reading.filter(|(_, at)| *at < to)?;
        let wanted = usize::try_from(to - at).unwrap_or(PIECE_BYTES).min(PIECE_BYTES);
        match tokio::task::spawn_blocking(move || read_piece(media, at, wanted)).await {
            Ok(Ok((media, piece))) => {
                let next = at + piece.len() as u64;
                Some((Ok(piece), Some((media, next))))
            }
            Ok(Err(error)) => {
                tracing::error!(%error, "a recording can't be read");
                Some((Err(error), None))
            }
            Err(_) => Some((Err(io::Error::other("reading was interrupted")), None)),
        }
    })
}

fn read_piece(
    mut media: Box<dyn SeekableMedia>,
    at: u64,
    wanted: usize,
) -> io::Result<(Box<dyn SeekableMedia>, Bytes)> {
    let mut piece = vec![0; wanted];
    let read = media.read_at(at, &mut piece)?;
    if read == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    piece.truncate(read);
    Ok((media, piece.into()))
}
