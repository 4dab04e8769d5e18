//! A visit that has taken place, told to the record as the room machine tells it.

use records::demo::DemoVisit;
use records::facts;
use records::quality::{self, Direction, Measured, Sample};
use records::recordings::{self, Change};
use visit::fact::StopReason;
use visit::{Fact, Now, ParticipantId, Person, RecordingId, Role};

use crate::app::App;

/// What came of it.
pub struct Story {
    pub recording: RecordingId,
}

/// Patient and provider met, talked for a while and were recorded; nobody has ended the visit yet.
pub async fn recorded_visit(app: &App, of: &DemoVisit) -> Story {
    let (visit, clinic) = (of.visit_id, app.riverside.clinic.id);
    let (patient, staff) = (Person::Patient(app.patient_of(of)), Person::Staff(app.provider));
    let (guest, host) = (ParticipantId::of(visit, patient), ParticipantId::of(visit, staff));
    let recording = RecordingId::of(visit, 5);
    let text_version = "1".to_owned();
    let told = [
        (Fact::Joined { participant: guest, person: patient, role: Role::Patient }, Some(patient)),
        (Fact::Waiting { participant: guest }, Some(patient)),
        (Fact::Joined { participant: host, person: staff, role: Role::Provider }, Some(staff)),
        (Fact::Admitted { participant: guest, by: host }, Some(staff)),
        (Fact::RecordingAsked { recording, by: host, text_version: text_version.clone() }, Some(staff)),
        (Fact::RecordingAllowed { recording, participant: host, text_version: text_version.clone() }, Some(staff)),
        (Fact::RecordingAllowed { recording, participant: guest, text_version }, Some(patient)),
        (Fact::RecordingStarted { recording }, None),
        (
            Fact::ChatPosted { id: uuid::Uuid::from_u128(1), participant: guest, text: "I have a rash".to_owned() },
            Some(patient),
        ),
        (Fact::RecordingStopped { recording, why: StopReason::Stopped }, Some(staff)),
    ];
    let begun = app.state.clock.now();
    for ((fact, by), seq) in told.iter().zip(1_u64..) {
        let at = begun.plus(i64::try_from(seq).unwrap() * 1_000);
        facts::append(&app.state.records, clinic, visit, seq, at, fact, *by).await.unwrap();
    }
    let samples = [Direction::Up, Direction::Down].map(|direction| sample(of, guest, direction, begun));
    quality::insert(&app.state.records, clinic, &samples).await.unwrap();
    Story { recording }
}

/// The recording was composed: `file` can be played.
pub async fn composed(app: &App, recording: RecordingId, file: Vec<u8>) {
    let (records, clinic, at) = (&app.state.records, app.riverside.clinic.id, app.state.clock.wall());
    let ready = Change::Ready {
        duration_ms: 9_000,
        bytes: i64::try_from(file.len()).unwrap(),
        sha256: [7; 32],
        gaps: 0,
        manifest: serde_json::json!({}),
    };
    for change in [Change::Captured, Change::Composing, ready] {
        recordings::change(records, clinic, recording, &change, at).await.unwrap();
    }
    app.shelf.put(recording, file);
}

pub fn sample(of: &DemoVisit, participant: ParticipantId, direction: Direction, at: Now) -> Sample {
    let measured = Measured { round_trip_ms: Some(40.0), loss: Some(0.01), mos: Some(4.1), ..Measured::default() };
    Sample { visit: of.visit_id, participant, role: Role::Patient, direction, at, measured }
}
