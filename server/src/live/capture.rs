//! Running recordings: one task each, which starts the capture, ties the SFU's tap to it and tells the room what became of it.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use recorder::{Capture, CaptureEvent, CaptureEvents, CaptureSpec, ObjectKey, Participant};
use records::recordings::Change;
use sfu::{PeerKey, TapSink};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use visit::fact::StopReason;
use visit::room::{RecorderCommand, RecorderEvent};
use visit::{ClinicId, Fact, Now, ParticipantId, RecordingId, VisitId};

use super::{Live, media};

/// What a recording's task is told. Bounded by what people can press: the room machine refuses repeated commands.
enum Order {
    Pause { at: Now },
    Resume { participants: Vec<ParticipantId>, at: Now },
    Stop { at: Now },
    Answered(Answer),
}

#[derive(Debug, Clone)]
struct Answer {
    participant: ParticipantId,
    text_version: String,
    allowed: bool,
    at: Now,
}

/// What is known of one recording.
#[derive(Default)]
struct Known {
    orders: Option<UnboundedSender<Order>>,
    /// Answers given before the capture began.
    answers: Vec<Answer>,
    why: Option<StopReason>,
}

/// All recordings that are asked for or run.
#[derive(Default)]
pub struct Captures(Mutex<BTreeMap<RecordingId, Known>>);

impl Captures {
    /// Notes what the manifest has to say: who answered what, and why it ended.
    pub fn hear(&self, fact: &Fact, at: Now) {
        let (recording, participant, text_version, allowed) = match fact {
            Fact::RecordingAllowed { recording, participant, text_version } => {
                (*recording, *participant, text_version.clone(), true)
            }
            Fact::RecordingRefused { recording, participant, text_version } => {
                (*recording, *participant, text_version.clone(), false)
            }
            Fact::RecordingWithdrawn { recording, participant } => (*recording, *participant, String::new(), false),
            Fact::RecordingStopped { recording, why } => {
                let mut all = self.lock();
                // A recording that was refused before it began has no capture to end.
                match all.get_mut(recording) {
                    Some(known) if known.orders.is_some() => known.why = Some(*why),
                    _ => drop(all.remove(recording)),
                }
                return;
            }
            _ => return,
        };
        let answer = Answer { participant, text_version, allowed, at };
        let mut all = self.lock();
        let known = all.entry(recording).or_default();
        match &known.orders {
            Some(orders) => drop(orders.send(Order::Answered(answer))),
            None => known.answers.push(answer),
        }
    }

    /// Recordings that are being captured by this process.
    #[must_use]
    pub fn is_running(&self, recording: RecordingId) -> bool {
        self.lock().get(&recording).is_some_and(|known| known.orders.is_some())
    }

    fn order(&self, recording: RecordingId, order: Order) {
        if let Some(orders) = self.lock().get(&recording).and_then(|known| known.orders.as_ref()) {
            // A task that ended has told the room why.
            let _ = orders.send(order);
        }
    }

    fn begin(&self, recording: RecordingId) -> (UnboundedReceiver<Order>, Vec<Answer>) {
        let (orders, inbox) = unbounded_channel();
        let mut all = self.lock();
        let known = all.entry(recording).or_default();
        known.orders = Some(orders);
        (inbox, std::mem::take(&mut known.answers))
    }

    fn why(&self, recording: RecordingId) -> StopReason {
        self.lock().get(&recording).and_then(|known| known.why).unwrap_or(StopReason::Stopped)
    }

    fn end(&self, recording: RecordingId) {
        self.lock().remove(&recording);
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<RecordingId, Known>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Carries out what the room machine wants of the recorder. Stopping the tap is done before this returns.
pub fn command(live: &Live, clinic: ClinicId, visit: VisitId, command: RecorderCommand) {
    let inner = &live.0;
    let (room, at) = (media::room_key(visit), inner.clock.now());
    match command {
        RecorderCommand::Start { recording, participants } => {
            let (inbox, answers) = inner.captures.begin(recording);
            let task = Task { live: live.clone(), clinic, visit, recording };
            tokio::spawn(task.run(participants, answers, inbox, at));
        }
        RecorderCommand::Pause { recording } => {
            inner.sfu.untap(room);
            inner.captures.order(recording, Order::Pause { at });
        }
        RecorderCommand::Resume { recording, participants } => {
            inner.captures.order(recording, Order::Resume { participants, at });
        }
        RecorderCommand::Stop { recording } => {
            inner.sfu.untap(room);
            inner.captures.order(recording, Order::Stop { at });
        }
    }
}

struct Task {
    live: Live,
    clinic: ClinicId,
    visit: VisitId,
    recording: RecordingId,
}

impl Task {
    async fn run(
        self,
        participants: Vec<ParticipantId>,
        answers: Vec<Answer>,
        mut inbox: UnboundedReceiver<Order>,
        at: Now,
    ) {
        match self.start(&participants, at).await {
            Ok((capture, events)) => {
                for answer in answers {
                    capture.consent(answer.participant, answer.text_version, answer.allowed, answer.at);
                }
                self.tap(&capture, &participants);
                self.serve(capture, events, &mut inbox).await;
            }
            Err(why) => {
                tracing::error!(recording = %self.recording, visit = %self.visit, error = %why, "a recording did not begin");
                self.store(Change::Failed { reason: "did_not_begin" }).await;
                self.tell(RecorderEvent::Failed { recording: self.recording });
            }
        }
        self.live.0.captures.end(self.recording);
    }

    async fn start(&self, participants: &[ParticipantId], at: Now) -> Result<(Capture, CaptureEvents), String> {
        let inner = &self.live.0;
        let key = records::recordings::create_key(&inner.records, self.clinic, self.recording)
            .await
            .map_err(|error| error.to_string())?;
        let spec = CaptureSpec {
            dir: inner.folders.captures.join(self.recording.to_string()),
            recording: self.recording,
            visit: self.visit,
            key: ObjectKey::new(*key),
            participants: self.labelled(participants),
            started: at,
            min_free_bytes: recorder::MIN_FREE_BYTES,
        };
        tokio::task::spawn_blocking(move || Capture::start(spec))
            .await
            .map_err(|error| error.to_string())?
            .map_err(|error| error.to_string())
    }

    /// Orders and events until the capture is over.
    async fn serve(&self, capture: Capture, mut events: CaptureEvents, inbox: &mut UnboundedReceiver<Order>) {
        let mut open = true;
        loop {
            tokio::select! {
                order = inbox.recv(), if open => match order {
                    Some(Order::Pause { at }) => capture.pause(None, at),
                    Some(Order::Resume { participants, at }) => {
                        capture.resume(self.labelled(&participants), at);
                        self.tap(&capture, &participants);
                    }
                    Some(Order::Answered(answer)) => {
                        capture.consent(answer.participant, answer.text_version, answer.allowed, answer.at);
                    }
                    Some(Order::Stop { at }) => capture.stop(self.live.0.captures.why(self.recording), at),
                    None => open = false,
                },
                event = events.recv() => match event {
                    Some(CaptureEvent::FirstBytesDurable) => {
                        self.tell(RecorderEvent::Durable { recording: self.recording });
                    }
                    Some(CaptureEvent::Stopped { summary }) => {
                        tracing::info!(recording = %self.recording, visit = %self.visit, duration_ms = summary.duration_ms, packets = summary.packets, dropped = summary.dropped, "a recording was captured");
                        self.store(Change::Captured).await;
                        self.tell(RecorderEvent::Stopped { recording: self.recording });
                        break;
                    }
                    Some(CaptureEvent::Failed { why }) => {
                        tracing::error!(recording = %self.recording, visit = %self.visit, error = %why, "a recording ended by itself");
                        self.live.0.sfu.untap(media::room_key(self.visit));
                        // What was durable before is composed all the same.
                        self.store(Change::Interrupted).await;
                        self.tell(RecorderEvent::Failed { recording: self.recording });
                        break;
                    }
                    None => break,
                },
            }
        }
        self.live.0.captures.end(self.recording);
        self.live.0.compose.notify_one();
    }

    fn tap(&self, capture: &Capture, participants: &[ParticipantId]) {
        let sink = capture.sink();
        let peers: Vec<PeerKey> = participants.iter().copied().map(media::peer_key).collect();
        self.live.0.sfu.tap(media::room_key(self.visit), peers, TapSink::new(move |packet| sink.offer(packet)));
    }

    /// Roles, never names, go into the manifest.
    fn labelled(&self, participants: &[ParticipantId]) -> Vec<Participant> {
        let label = |id| self.live.0.people.get(id).map_or("participant", |seated| seated.role.as_str());
        participants.iter().map(|&id| Participant { id, label: label(id).to_owned() }).collect()
    }

    fn tell(&self, event: RecorderEvent) {
        self.live.signaling().recorder_event(self.visit, event);
    }

    async fn store(&self, change: Change) {
        let inner = &self.live.0;
        if let Err(error) =
            records::recordings::change(&inner.records, self.clinic, self.recording, &change, self.live.wall()).await
        {
            tracing::error!(recording = %self.recording, %error, "the state of a recording could not be stored; it is taken up at the next start");
        }
    }
}
