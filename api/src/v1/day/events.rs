//! `GET /events`: tells a clinic's open pages that the day's list has changed, and nothing else; they fetch it again.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::response::Sse;
use axum::response::sse::{Event, KeepAlive};
use futures_util::stream::{self, Stream};
use records::SessionToken;
use records::action::ReadSchedule;
use records::sessions::{self, Activity};
use tokio::sync::broadcast::{Receiver, error::RecvError, error::TryRecvError};
use tokio::time::{Instant, sleep_until};
use visit::{ClinicId, Person};

use crate::AppState;
use crate::document::{Anyone, SignedIn};
use crate::problem::Problem;
use crate::session::WatchingStaff;

/// How often a stream looks whether its session is still alive.
const CHECK_SESSION_EVERY: Duration = Duration::from_secs(15);
/// How often a line is sent when there is nothing to tell, so that proxies keep the connection.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// Changes of the day's list, as server-sent events
///
/// `event: today` with empty data: fetch `/today` again. Ends when the session does; watching does not keep it alive.
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
        token: staff.token,
        check_at: Instant::now() + CHECK_SESSION_EVERY,
        state,
    };
    let events = stream::unfold(watch, |mut watch| async {
        watch.next_change().await.then(|| (Ok(Event::default().event("today").data("{}")), watch))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(HEARTBEAT)))
}

struct Watch {
    changes: Receiver<ClinicId>,
    revocations: Receiver<Person>,
    clinic: ClinicId,
    person: Person,
    token: SessionToken,
    check_at: Instant,
    state: AppState,
}

impl Watch {
    /// True: the list has changed. False: the stream is over.
    async fn next_change(&mut self) -> bool {
        loop {
            tokio::select! {
                change = self.changes.recv() => match change {
                    Ok(clinic) if clinic != self.clinic => {}
                    // What was missed may have been ours.
                    Ok(_) | Err(RecvError::Lagged(_)) => {
                        self.skip_what_is_queued();
                        return true;
                    }
                    Err(RecvError::Closed) => return false,
                },
                revoked = self.revocations.recv() => match revoked {
                    Ok(person) if person != self.person => {}
                    Ok(_) | Err(RecvError::Lagged(_)) => {
                        if !self.session_is_alive().await {
                            return false;
                        }
                    }
                    Err(RecvError::Closed) => return false,
                },
                () = sleep_until(self.check_at) => {
                    if !self.session_is_alive().await {
                        return false;
                    }
                    self.check_at = Instant::now() + CHECK_SESSION_EVERY;
                }
            }
        }
    }

    /// One event is enough for a burst of changes.
    fn skip_what_is_queued(&mut self) {
        while matches!(self.changes.try_recv(), Ok(_) | Err(TryRecvError::Lagged(_))) {}
    }

    async fn session_is_alive(&self) -> bool {
        let now = self.state.clock.wall();
        matches!(sessions::staff(&self.state.records, &self.token, Activity::Background, now).await, Ok(Some(_)))
    }
}
