//! `GET /join/events`: tells a patient where they stand in line, whenever that changes.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::Sse;
use axum::response::sse::{Event, KeepAlive};
use futures_util::stream::{self, Stream};
use records::action::CheckIn;
use records::queue::Lines;
use records::sessions::{self, Activity};
use records::{SessionId, SessionToken};
use serde::Serialize;
use tokio::sync::broadcast::{Receiver, error::RecvError};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use utoipa::ToSchema;
use visit::{PatientId, Person, VisitId};

use crate::document::{Anyone, SignedIn};
use crate::problem::Problem;
use crate::session::WatchingPatient;
use crate::v1::shapes::WaitMinutes;
use crate::{AppState, Ended};

/// How often a stream looks whether its session is still alive.
const CHECK_SESSION_EVERY: Duration = Duration::from_secs(15);
/// How often a line is sent when there is nothing to tell, so that proxies keep the connection.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// Where a patient stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct LinePlace {
    /// From 1; null on hold, or while not in line.
    #[schema(required)]
    place: Option<u32>,
    /// Null if there is nothing to learn from yet.
    #[schema(required)]
    wait: Option<WaitMinutes>,
    /// How late the provider runs, minutes; null if not late.
    #[schema(required)]
    late_min: Option<u32>,
    /// Asked to wait aside.
    held: bool,
    /// Another number: something else is said in `/join/waiting`.
    words: i64,
}

/// One's place in line, as server-sent events
///
/// `event: line` with a `LinePlace`, at once and after every change; `event: signed_out`: the session has ended, and so
/// does the stream. Watching does not keep a session alive.
#[utoipa::path(
    get,
    path = "/join/events",
    operation_id = "watch_line",
    tag = "join",
    security(("patient" = [])),
    responses((status = 200, body = LinePlace, content_type = "text/event-stream"), SignedIn, Anyone)
)]
pub(crate) async fn events(
    State(state): State<AppState>,
    WatchingPatient(patient): WatchingPatient,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Problem> {
    let mut tx = state.records.begin(patient.context()).await?;
    tx.authorize(CheckIn(patient.session.visit_id)).await?;
    drop(tx);
    let mut lines = state.lines.watch(patient.session.clinic.id);
    lines.mark_changed();
    let watch = Watch {
        lines,
        revocations: state.revocations.subscribe(),
        visit: patient.session.visit_id,
        patient: patient.session.patient_id,
        session: patient.session.session_id,
        token: patient.token,
        check_at: Instant::now() + CHECK_SESSION_EVERY,
        told: None,
        state,
        over: false,
    };
    let events = stream::unfold(watch, |mut watch| async {
        let event = match watch.next().await? {
            Told::Line(place) => {
                Event::default().event("line").data(serde_json::to_string(&place).expect("numbers and booleans"))
            }
            Told::SignedOut => Event::default().event("signed_out").data("{}"),
        };
        Some((Ok(event), watch))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(HEARTBEAT)))
}

struct Watch {
    lines: watch::Receiver<Option<Arc<Lines>>>,
    revocations: Receiver<Ended>,
    visit: VisitId,
    patient: PatientId,
    session: SessionId,
    token: SessionToken,
    check_at: Instant,
    told: Option<LinePlace>,
    state: AppState,
    over: bool,
}

/// What a page is told.
enum Told {
    Line(LinePlace),
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
                changed = self.lines.changed() => {
                    changed.ok()?;
                    let place = self.lines.borrow_and_update().as_deref().map(|lines| place(lines, self.visit));
                    if place.is_some() && place != self.told {
                        self.told.clone_from(&place);
                        return place.map(Told::Line);
                    }
                }
                revoked = self.revocations.recv() => match revoked {
                    Ok(ended) if !ended.may_concern(Person::Patient(self.patient), self.session) => {}
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

    /// Whether the session is still alive, and when to look again.
    async fn look_at_session(&mut self) {
        let now = self.state.clock.wall();
        match sessions::patient(&self.state.records, &self.token, Activity::Background, now).await {
            Ok(Some(_)) => self.check_at = Instant::now() + CHECK_SESSION_EVERY,
            Ok(None) | Err(_) => self.over = true,
        }
    }
}

fn place(lines: &Lines, visit: VisitId) -> LinePlace {
    let stand = lines.visits.get(&visit);
    LinePlace {
        place: stand.and_then(|stand| stand.standing?.place),
        wait: stand.and_then(|stand| stand.wait_min()).map(WaitMinutes::from),
        late_min: stand.and_then(|stand| lines.late_min.get(&stand.provider).copied()),
        held: stand.is_some_and(|stand| stand.held),
        words: stand.map_or(0, |stand| stand.words),
    }
}
