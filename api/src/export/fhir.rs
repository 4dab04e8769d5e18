//! The record as a FHIR R4 (4.0.1) Bundle: <https://hl7.org/fhir/R4/>. Lists are in [`super::fhir_lists`].

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use records::attachments::Opened;
use records::patients::demographics::{Demographics, SexAtBirth, Use};
use records::patients::export::{Access, Consent, Everything, Visit};
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use uuid::Uuid;

use super::{document_file, fhir_lists};

/// All resources, each with a `urn:uuid` of its own by which the others refer to it.
pub(super) fn bundle(everything: &Everything, notes: &[(String, usize)]) -> Value {
    let patient = everything.record.patient_id.0;
    let mut resources = vec![(patient, patient_resource(everything))];
    resources.extend(fhir_lists::lists(everything));
    for visit in &everything.visits {
        resources.push((visit.appointment_id, appointment(visit, patient)));
        resources.push((visit.visit_id.0, encounter(visit, patient)));
    }
    for (file, nth) in notes {
        let id = Uuid::new_v5(&everything.notes[*nth].0.0, b"note");
        resources.push((id, note(everything, *nth, file, patient)));
    }
    for document in &everything.documents {
        resources.push((document.attachment.attachment_id.0, uploaded(document, patient)));
    }
    resources.extend(everything.consents.iter().map(|consent| (consent.id, consent_resource(consent, patient))));
    for access in &everything.accesses {
        let id = Uuid::new_v5(&everything.clinic.id, format!("audit {}", access.seq).as_bytes());
        resources.push((id, audit_event(access, everything, patient)));
    }
    let entries: Vec<Value> = resources
        .into_iter()
        .map(|(id, mut resource)| {
            resource["id"] = json!(id.to_string());
            json!({ "fullUrl": format!("urn:uuid:{id}"), "resource": resource })
        })
        .collect();
    json!({
        "resourceType": "Bundle",
        "id": Uuid::new_v5(&patient, instant(everything.at).as_bytes()).to_string(),
        "type": "collection",
        "timestamp": instant(everything.at),
        "entry": entries,
    })
}

pub(super) fn to(id: Uuid) -> Value {
    json!({ "reference": format!("urn:uuid:{id}") })
}

pub(super) fn coded(system: &str, code: &str) -> Value {
    json!({ "coding": [{ "system": system, "code": code }] })
}

/// Leaves out what is not there, since FHIR knows neither null nor empty lists.
pub(super) fn given(mut resource: Value) -> Value {
    if let Some(members) = resource.as_object_mut() {
        members.retain(|_, value| {
            !(value.is_null()
                || value.as_array().is_some_and(Vec::is_empty)
                || value.as_object().is_some_and(serde_json::Map::is_empty))
        });
    }
    resource
}

pub(super) fn instant(at: OffsetDateTime) -> String {
    // Whole seconds: more is noise here, and every reader takes it.
    at.replace_nanosecond(0).unwrap_or(at).format(&Rfc3339).expect("a year of four digits")
}

fn patient_resource(everything: &Everything) -> Value {
    let who = everything.record.demographics.expose();
    let system = format!("urn:uuid:{}", everything.clinic.id);
    let number = |mrn: &str, used: &str| {
        json!({
            "use": used, "system": system, "value": mrn,
            "type": coded("http://terminology.hl7.org/CodeSystem/v2-0203", "MR"),
        })
    };
    let mut identifiers = vec![number(everything.record.mrn.expose(), "usual")];
    identifiers.extend(everything.record.aliases.iter().map(|alias| number(alias.mrn.expose(), "old")));
    let languages = who
        .languages
        .iter()
        .enumerate()
        .map(|(nth, tag)| json!({ "language": coded("urn:ietf:bcp:47", tag), "preferred": nth == 0 }));
    let contacts = who.emergency_contacts.iter().map(|contact| {
        let relation = contact.relation.as_ref().map(|text| json!({ "text": text }));
        let emergency = coded("http://terminology.hl7.org/CodeSystem/v2-0131", "C");
        let relationship: Vec<Value> = [Some(emergency), relation].into_iter().flatten().collect();
        json!({
            "relationship": relationship,
            "name": { "text": contact.name },
            "telecom": [{ "system": "phone", "value": contact.phone }],
        })
    });
    given(json!({
        "resourceType": "Patient",
        "extension": extensions(who),
        "identifier": identifiers,
        "active": true,
        "name": names(who),
        "telecom": telecom(who),
        "gender": who.sex_at_birth.map(gender),
        "birthDate": who.date_of_birth,
        "address": who.addresses.iter().map(address).collect::<Vec<_>>(),
        "contact": contacts.collect::<Vec<_>>(),
        "communication": languages.collect::<Vec<_>>(),
        "managingOrganization": { "display": everything.clinic.name },
    }))
}

fn names(who: &Demographics) -> Vec<Value> {
    let given_names: Vec<&str> = [Some(who.name.given.as_str()), who.name.middle.as_deref()]
        .into_iter()
        .flatten()
        .filter(|one| !one.is_empty())
        .collect();
    let mut names = vec![given(json!({
        "use": "official", "family": who.name.family, "given": given_names,
        "suffix": who.name.suffix.iter().collect::<Vec<_>>(),
    }))];
    names.extend(who.preferred_name.iter().map(|name| json!({ "use": "usual", "text": name })));
    names.extend(who.former_names.iter().map(|name| json!({ "use": "old", "text": name })));
    names
}

fn telecom(who: &Demographics) -> Vec<Value> {
    let point = |system: &str, value: &str, used: Use, preferred: bool| {
        let rank = preferred.then_some(1);
        given(json!({ "system": system, "value": value, "use": used_as(used), "rank": rank }))
    };
    let phones = who.phones.iter().map(|one| point("phone", &one.number, one.used, one.preferred));
    let emails = who.emails.iter().map(|one| point("email", &one.address, one.used, one.preferred));
    phones.chain(emails).collect()
}

fn used_as(used: Use) -> &'static str {
    match used {
        Use::Home | Use::Mailing => "home",
        Use::Mobile => "mobile",
        Use::Work => "work",
        Use::Temporary => "temp",
    }
}

fn address(address: &records::patients::demographics::Address) -> Value {
    let (used, kind) = match address.used {
        Use::Mailing => ("home", Some("postal")),
        Use::Work => ("work", None),
        Use::Temporary => ("temp", None),
        Use::Home | Use::Mobile => ("home", None),
    };
    given(json!({
        "use": used, "type": kind, "line": address.lines, "city": address.city, "state": address.region,
        "postalCode": address.postal_code, "country": address.country,
    }))
}

/// FHIR's administrative gender; what was assigned at birth is the nearest thing that is asked for here.
fn gender(sex: SexAtBirth) -> &'static str {
    match sex {
        SexAtBirth::Female => "female",
        SexAtBirth::Male => "male",
        SexAtBirth::Intersex => "other",
        SexAtBirth::Unknown => "unknown",
    }
}

fn extensions(who: &Demographics) -> Vec<Value> {
    let birth_sex = who.sex_at_birth.map(|sex| match sex {
        SexAtBirth::Female => "F",
        SexAtBirth::Male => "M",
        SexAtBirth::Intersex => "OTH",
        SexAtBirth::Unknown => "UNK",
    });
    let mut all = Vec::new();
    all.extend(birth_sex.map(
        |code| json!({ "url": "http://hl7.org/fhir/us/core/StructureDefinition/us-core-birthsex", "valueCode": code }),
    ));
    all.extend(who.gender_identity.as_ref().map(|text| {
        json!({ "url": "http://hl7.org/fhir/StructureDefinition/patient-genderIdentity", "valueCodeableConcept": { "text": text } })
    }));
    all.extend(who.pronouns.as_ref().map(|text| {
        json!({
            "url": "http://hl7.org/fhir/StructureDefinition/individual-pronouns",
            "extension": [{ "url": "value", "valueCodeableConcept": { "text": text } }],
        })
    }));
    if who.interpreter_needed {
        all.push(json!({ "url": "http://hl7.org/fhir/StructureDefinition/patient-interpreterRequired", "valueBoolean": true }));
    }
    all
}

fn appointment(visit: &Visit, patient: Uuid) -> Value {
    let status = match (visit.appointment_state.as_str(), visit.state.as_str()) {
        ("cancelled", _) | (_, "cancelled") => "cancelled",
        (_, "ended") => "fulfilled",
        (_, "checking_in" | "waiting" | "in_visit") => "arrived",
        _ => "booked",
    };
    let mut with_patient = json!({ "status": "accepted" });
    with_patient["actor"] = to(patient);
    json!({
        "resourceType": "Appointment",
        "status": status,
        "reasonCode": [{ "text": visit.reason.expose() }],
        "start": instant(visit.starts_at),
        "end": instant(visit.ends_at),
        "participant": [with_patient, { "actor": { "display": visit.provider }, "status": "accepted" }],
    })
}

fn encounter(visit: &Visit, patient: Uuid) -> Value {
    let status = match (visit.appointment_state.as_str(), visit.state.as_str()) {
        ("cancelled", _) | (_, "cancelled") => "cancelled",
        (_, "ended") => "finished",
        (_, "in_visit") => "in-progress",
        (_, "checking_in" | "waiting") => "arrived",
        _ => "planned",
    };
    let class = if visit.visit_type == "in_person" { "AMB" } else { "VR" };
    let period = given(json!({ "start": visit.started_at.map(instant), "end": visit.ended_at.map(instant) }));
    given(json!({
        "resourceType": "Encounter",
        "status": status,
        "class": { "system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": class },
        "subject": to(patient),
        "participant": [{ "individual": { "display": visit.provider } }],
        "appointment": [to(visit.appointment_id)],
        "period": period,
        "reasonCode": [{ "text": visit.reason.expose() }],
    }))
}

fn note(everything: &Everything, nth: usize, file: &str, patient: Uuid) -> Value {
    let (visit, by, note) = &everything.notes[nth];
    let mut text = note.body.expose().clone();
    for addendum in &note.addenda {
        text.push_str(&format!("\n\n[{} {}]\n{}", instant(addendum.at), addendum.author, addendum.body.expose()));
    }
    let signed = note.signed_at.map(instant);
    let text = json!({ "contentType": "text/plain; charset=utf-8", "data": STANDARD.encode(text), "creation": signed });
    let page = json!({ "contentType": "application/pdf", "url": file, "creation": signed });
    let mut resource = given(json!({
        "resourceType": "DocumentReference",
        "status": "current",
        "docStatus": if note.addenda.is_empty() { "final" } else { "amended" },
        "type": coded("http://loinc.org", "34109-9"),
        "subject": to(patient),
        "date": signed,
        "author": [{ "display": by.expose() }],
        "content": [{ "attachment": given(text) }, { "attachment": given(page) }],
    }));
    resource["context"] = json!({ "encounter": [to(visit.0)] });
    resource
}

/// A document that somebody sent. FHIR R4 has room for SHA-1 only; the SHA-256 stands in `SHA256SUMS`.
fn uploaded(document: &Opened, patient: Uuid) -> Value {
    let attachment = &document.attachment;
    let at = instant(attachment.uploaded_at);
    let author = attachment.uploaded_by.as_ref().map(|name| json!([{ "display": name }]));
    given(json!({
        "resourceType": "DocumentReference",
        "status": "current",
        "type": { "text": attachment.category.as_str().replace('_', " ") },
        "subject": to(patient),
        "date": at,
        "author": author.unwrap_or_else(|| json!([to(patient)])),
        "content": [{ "attachment": {
            "contentType": attachment.media_type, "url": document_file(document), "size": attachment.bytes,
            "title": attachment.file_name.expose(), "creation": at,
        } }],
    }))
}

fn consent_resource(consent: &Consent, patient: Uuid) -> Value {
    let status = match consent.decision.as_str() {
        "accepted" => "active",
        "withdrawn" => "inactive",
        _ => "rejected",
    };
    let scope = if consent.kind == "telehealth_consent" { "treatment" } else { "patient-privacy" };
    json!({
        "resourceType": "Consent",
        "status": status,
        "scope": coded("http://terminology.hl7.org/CodeSystem/consentscope", scope),
        "category": [coded("http://loinc.org", "59284-0")],
        "patient": to(patient),
        "dateTime": instant(consent.at),
        "policyRule": { "text": format!("{} {} ({})", consent.kind, consent.text_version, consent.lang) },
    })
}

fn audit_event(access: &Access, everything: &Everything, patient: Uuid) -> Value {
    let action = match access.action.rsplit('.').next().unwrap_or_default() {
        "create" | "book" | "created" => "C",
        "read" | "search" | "list" | "read_all" => "R",
        "write" | "saved" | "signed" | "merge" | "unmerge" => "U",
        _ => "E",
    };
    let outcome = match access.outcome.as_str() {
        "allowed" => "0",
        "denied" => "4",
        _ => "8",
    };
    let name = access.actor_name.clone().unwrap_or_else(|| access.role.clone());
    let identifier =
        access.actor_id.map(|id| json!({ "system": "urn:ietf:rfc:3986", "value": format!("urn:uuid:{id}") }));
    json!({
        "resourceType": "AuditEvent",
        "type": { "system": "http://terminology.hl7.org/CodeSystem/audit-event-type", "code": "rest" },
        "subtype": [{ "system": "urn:bedside:action", "code": access.action }],
        "action": action,
        "recorded": instant(access.at),
        "outcome": outcome,
        "agent": [given(json!({
            "role": [{ "text": access.role }],
            "who": given(json!({ "display": name, "identifier": identifier })),
            "requestor": true,
        }))],
        "source": { "observer": { "display": everything.clinic.name } },
        "entity": [{ "what": to(patient) }],
    })
}
