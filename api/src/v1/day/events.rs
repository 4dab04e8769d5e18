//! `GET /events`: tells a clinic's open pages that the day's list has changed, and nothing else; they fetch it again.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::response::Sse;
use axum::response::sse::{Event, KeepAlive};
use futures_util::stream::{self, Stream};
use records::action::ReadSchedule;
use records::sessions::{self, Activity};
use records::{SessionId, SessionToken};
use tokio::sync::broadcast::{Receiver, error::RecvError, error::TryRecvError};
use tokio::time::{Instant, sleep_until};
use visit::{ClinicId, Person};

use crate::document::{Anyone, SignedIn};
use crate::problem::Problem;
use crate::session::WatchingStaff;
use crate::{AppState, Ended};

/// How often a stream looks whether its session is still alive.
const CHECK_SESSION_EVERY: Duration = Duration::from_secs(15);
/// How long after the end of a session it is looked at: never before it.
const SOON: Duration = Duration::from_millis(50);
/// How often a line is sent when there is nothing to tell, so that proxies keep the connection.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// Changes of the day's list, as server-sent events
///
/// `event: today` with empty data: fetch `/today` again. `event: signed_out`: the session has ended, and so does the
/// stream. Watching does not keep a session alive.
#[utoipa::path(
    get,
    path = "/events",
    operation_id = "watch_day",
    tag = "day",
    security(("staff" = [])),
    responses((status = 200, body = String, content_type = "text/event-stream"), SignedIn, Anyone)
)]
pub(crate) async fn events(
    State(state): State<AppState>,
    WatchingStaff(staff): WatchingStaff,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Problem> {
    let mut tx = state.records.begin(staff.context()).await?;
    tx.authorize(ReadSchedule).await?;
    drop(tx);
    let watch = Watch {
        changes: state.changes.subscribe(),
        revocations: state.revocations.subscribe(),
        clinic: staff.session.clinic.id,
        person: staff.person(),
        session: staff.session.session_id,
        token: staff.token,
        check_at: next_look(staff.session.idle_expires_at - staff.at),
        state,
        over: false,
    };
    let events = stream::unfold(watch, |mut watch| async {
        let told = match watch.next().await? {
            Told::Changed => "today",
            Told::SignedOut => "signed_out",
        };
        Some((Ok(Event::default().event(told).data("{}")), watch))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(HEARTBEAT)))
}

/// When to look at a session that can end by itself after `left`.
fn next_look(left: time::Duration) -> Instant {
    let left = Duration::try_from(left).unwrap_or(Duration::ZERO);
    Instant::now() + CHECK_SESSION_EVERY.min(left + SOON)
}

struct Watch {
    changes: Receiver<ClinicId>,
    revocations: Receiver<Ended>,
    clinic: ClinicId,
    person: Person,
    session: SessionId,
    token: SessionToken,
    check_at: Instant,
    state: AppState,
    over: bool,
}

/// What a page is told.
enum Told {
    Changed,
    SignedOut,
}

impl Watch {
    /// What to tell next. `None`: the stream is over.
    async fn next(&mut self) -> Option<Told> {
        if self.over {
            return None;
        }
        loop {
            tokio::select! {
                change = self.changes.recv() => match change {
                    Ok(clinic) if clinic != self.clinic => {}
                    // What was missed may have been ours.
                    Ok(_) | Err(RecvError::Lagged(_)) => {
                        self.skip_what_is_queued();
                        return Some(Told::Changed);
                    }
                    Err(RecvError::Closed) => return None,
                },
                revoked = self.revocations.recv() => match revoked {
                    Ok(ended) if !ended.may_concern(self.person, self.session) => {}
                    Ok(_) | Err(RecvError::Lagged(_)) => self.look_at_session().await,
                    Err(RecvError::Closed) => return None,
                },
                () = sleep_until(self.check_at) => self.look_at_session().await,
            }
            if self.over {
                return Some(Told::SignedOut);
            }
        }
    }

    /// One event is enough for a burst of changes.
    fn skip_what_is_queued(&mut self) {
        while matches!(self.changes.try_recv(), Ok(_) | Err(TryRecvError::Lagged(_))) {}
    }

    /// Whether the session is still alive, and when to look again: no later than it can end by itself.
    async fn look_at_session(&mut self) {
        let now = self.state.clock.wall();
        match sessions::staff(&self.state.records, &self.token, Activity::Background, now).await {
            Ok(Some(session)) => {
                self.check_at = next_look(session.idle_expires_at - now);
            }
            Ok(None) | Err(_) => self.over = true,
        }
    }
}
