//! Sockets end with the session whose ticket opened them, however it ends.

use std::time::Duration;

use api::{AppState, Ended};
use records::SessionId;
use signaling::Signaling;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{MissedTickBehavior, interval};

use super::Live;

/// How often sessions behind open sockets are looked at: they idle out, grow too old, or are ended by another process.
const LOOK_EVERY: Duration = Duration::from_millis(500);

impl Live {
    /// Closes sockets whose session was ended by hand here, at once.
    pub async fn close_ended(self, state: AppState, signaling: Signaling<Self>) {
        let mut ended = state.revocations.subscribe();
        loop {
            match ended.recv().await {
                Ok(Ended::Person(person)) => signaling.revoke(person),
                Ok(Ended::Others { person, kept }) => {
                    for seated in self.0.people.of_person(person).into_iter().filter(|seated| seated.session != kept) {
                        signaling.revoke_in(seated.visit, seated.person);
                    }
                }
                Ok(Ended::Seat { visit, person }) => signaling.revoke_in(visit, person),
                Ok(Ended::Session(session)) => self.close_session(&signaling, session),
                // The look at all sessions closes what was missed.
                Err(RecvError::Lagged(missed)) => tracing::warn!(missed, "ends of sessions were missed"),
                Err(RecvError::Closed) => return,
            }
        }
    }

    /// Closes sockets whose session is over for any other reason, within [`LOOK_EVERY`] and a query.
    pub async fn close_expired(self, signaling: Signaling<Self>) {
        let mut ticks = interval(LOOK_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            for (clinic, sessions) in self.0.people.sessions() {
                match records::sessions::over(&self.0.records, clinic, &sessions, self.wall()).await {
                    Ok(over) => over.into_iter().for_each(|session| self.close_session(&signaling, session)),
                    Err(error) => tracing::warn!(%error, "sessions behind open sockets could not be looked at"),
                }
            }
        }
    }

    /// The seat stays on the list until its room closes: whoever says hello just now is closed at the next look.
    fn close_session(&self, signaling: &Signaling<Self>, session: SessionId) {
        for seated in self.0.people.of_session(session) {
            signaling.revoke_in(seated.visit, seated.person);
        }
    }
}
