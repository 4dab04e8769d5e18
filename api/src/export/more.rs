//! `more.json`: what FHIR's resources have no place for: every version of demographics, chats, where the patient was,
//! the list of recordings.

use records::chart::entries::Author;
use records::patients::export::Everything;
use serde_json::{Value, json};

use super::fhir::instant;

pub(super) fn more(everything: &Everything) -> Value {
    let history = everything.history.iter().map(|revision| {
        let by = match &revision.by {
            Some(Author::Staff(name)) => name.clone(),
            Some(Author::Patient) => "patient or guardian".to_owned(),
            None => "system".to_owned(),
        };
        json!({
            "version": revision.version, "change": revision.change, "at": instant(revision.at), "by": by,
            "demographics": revision.demographics.expose(),
        })
    });
    let aliases = everything.record.aliases.iter().map(|alias| {
        json!({
            "record_number": alias.mrn.expose(), "name": alias.name.expose(), "date_of_birth": alias.date_of_birth.expose(),
            "merged_at": instant(alias.merged_at), "merged_by": alias.merged_by,
        })
    });
    let in_error = everything.clinical.iter().filter(|entry| entry.entered_in_error).map(
        |entry| json!({ "entry": entry.id, "reason": entry.reason.as_ref().map(|reason| reason.expose().clone()) }),
    );
    let locations = everything.visits.iter().filter_map(|visit| {
        let [region, phone, address] = visit.location.as_ref()?;
        Some(json!({
            "visit": visit.visit_id, "region": region.expose(), "callback_phone": phone.expose(), "emergency_address": address.expose(),
        }))
    });
    let chat = everything.chat.iter().map(
        |line| json!({ "visit": line.visit_id, "at": instant(line.at), "by": line.by, "text": line.text.expose() }),
    );
    let recordings = everything.recordings.iter().map(|recording| {
        json!({
            "recording": recording.id, "visit": recording.visit_id, "state": recording.state, "started_at": instant(recording.started_at),
            "duration_ms": recording.duration_ms, "bytes": recording.bytes, "sha256": recording.sha256,
        })
    });
    json!({
        "demographics": everything.record.demographics.expose(),
        "allergies": everything.allergies.known,
        "history_of_demographics": history.collect::<Vec<_>>(),
        "merged_records": aliases.collect::<Vec<_>>(),
        "entered_in_error": in_error.collect::<Vec<_>>(),
        "stated_locations": locations.collect::<Vec<_>>(),
        "chat": chat.collect::<Vec<_>>(),
        "recordings": recordings.collect::<Vec<_>>(),
    })
}
