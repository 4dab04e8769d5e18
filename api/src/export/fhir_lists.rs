//! Insurance and clinical lists as FHIR R4 resources.

use records::chart::allergies::Known;
use records::chart::{
    Allergy, AllergyStatus, Clinical, Condition, ConditionStatus, Coverage, Entry, Immunization, Medication,
    MedicationStatus, Order, Procedure, Relation, Severity, Verification,
};
use records::patients::export::Everything;
use serde_json::{Value, json};
use uuid::Uuid;

use super::fhir::{coded, given, instant, to};

const IN_ERROR: &str = "entered-in-error";

/// One resource per entry, and one that says that there are no known allergies.
pub(super) fn lists(everything: &Everything) -> Vec<(Uuid, Value)> {
    let patient = everything.record.patient_id.0;
    let coverages = everything.coverages.iter().map(|entry| (entry.id, coverage(entry, patient)));
    let clinical = everything.clinical.iter().map(|entry| {
        let (error, changed) = (entry.entered_in_error, instant(entry.changed_at));
        let resource = match entry.document.expose() {
            Clinical::Allergy(allergy) => allergy_intolerance(allergy, error, patient),
            Clinical::Condition(condition) => condition_resource(condition, error, patient),
            Clinical::Medication(medication) => medication_statement(medication, error, patient),
            Clinical::Immunization(immunization) => immunization_resource(immunization, error, patient),
            Clinical::Procedure(procedure) => procedure_resource(procedure, error, patient),
        };
        let mut resource = given(resource);
        resource["meta"] = json!({ "lastUpdated": changed });
        (entry.id, resource)
    });
    let mut all: Vec<_> = coverages.chain(clinical).collect();
    if everything.allergies.known == Known::None {
        let mut none = json!({
            "resourceType": "AllergyIntolerance",
            "clinicalStatus": coded("http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical", "active"),
            "verificationStatus": coded("http://terminology.hl7.org/CodeSystem/allergyintolerance-verification", "unconfirmed"),
            "code": { "coding": [{ "system": "http://snomed.info/sct", "code": "716186003", "display": "No known allergy" }] },
        });
        none["patient"] = to(patient);
        all.push((Uuid::new_v5(&patient, b"no known allergies"), none));
    }
    all
}

/// A form's word with hyphens, as FHIR writes words.
fn hyphened(word: impl serde::Serialize) -> String {
    let word = serde_json::to_value(word).ok();
    word.as_ref().and_then(Value::as_str).unwrap_or_default().replace('_', "-")
}

fn note(text: Option<&String>) -> Vec<Value> {
    text.map(|text| json!({ "text": text })).into_iter().collect()
}

fn coverage(entry: &Entry<Coverage>, patient: Uuid) -> Value {
    let coverage = entry.document.expose();
    let relation = match coverage.subscriber.relation {
        Relation::Oneself => "self",
        Relation::Spouse => "spouse",
        Relation::Child => "child",
        Relation::Parent => "parent",
        Relation::Other => "other",
    };
    let order = match coverage.order {
        Order::Primary => 1,
        Order::Secondary => 2,
        Order::Tertiary => 3,
    };
    let class = |kind: &str, value: &String| json!({ "type": coded("http://terminology.hl7.org/CodeSystem/coverage-class", kind), "value": value });
    let classes = [
        coverage.group_number.as_ref().map(|value| class("group", value)),
        coverage.plan.as_ref().map(|value| class("plan", value)),
    ];
    let subscriber = match &coverage.subscriber.name {
        Some(name) => json!({ "display": name }),
        None => to(patient),
    };
    given(json!({
        "resourceType": "Coverage",
        "meta": { "lastUpdated": instant(entry.changed_at) },
        "status": if entry.entered_in_error { IN_ERROR } else { "active" },
        "subscriber": subscriber,
        "subscriberId": coverage.member_id,
        "beneficiary": to(patient),
        "relationship": coded("http://terminology.hl7.org/CodeSystem/subscriber-relationship", relation),
        "period": given(json!({ "start": coverage.starts_on, "end": coverage.ends_on })),
        "payor": [{ "display": coverage.payer }],
        "class": classes.into_iter().flatten().collect::<Vec<_>>(),
        "order": order,
    }))
}

fn allergy_intolerance(allergy: &Allergy, error: bool, patient: Uuid) -> Value {
    let clinical = match allergy.status {
        AllergyStatus::Active => "active",
        AllergyStatus::Inactive => "inactive",
        AllergyStatus::Resolved => "resolved",
    };
    let verification = match allergy.verification {
        _ if error => IN_ERROR,
        Verification::Unconfirmed => "unconfirmed",
        Verification::Confirmed => "confirmed",
        Verification::Refuted => "refuted",
    };
    let severity = allergy.severity.map(|severity| match severity {
        Severity::Mild => "mild",
        Severity::Moderate => "moderate",
        Severity::Severe => "severe",
    });
    let reaction = (allergy.reaction.is_some() || severity.is_some()).then(|| {
        let manifestation = allergy.reaction.as_deref().unwrap_or("not stated");
        given(json!({ "manifestation": [{ "text": manifestation }], "severity": severity }))
    });
    let status = (!error).then(|| coded("http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical", clinical));
    json!({
        "resourceType": "AllergyIntolerance",
        "clinicalStatus": status,
        "verificationStatus": coded("http://terminology.hl7.org/CodeSystem/allergyintolerance-verification", verification),
        "criticality": allergy.criticality.map(hyphened),
        "code": { "text": allergy.substance },
        "patient": to(patient),
        "onsetDateTime": allergy.onset,
        "note": note(allergy.note.as_ref()),
        "reaction": reaction.into_iter().collect::<Vec<_>>(),
    })
}

fn condition_resource(condition: &Condition, error: bool, patient: Uuid) -> Value {
    let clinical = match condition.status {
        ConditionStatus::Active => "active",
        ConditionStatus::Recurrence => "recurrence",
        ConditionStatus::Relapse => "relapse",
        ConditionStatus::Inactive => "inactive",
        ConditionStatus::Remission => "remission",
        ConditionStatus::Resolved => "resolved",
    };
    let mut code = json!({ "text": condition.text });
    if let Some(icd10) = &condition.icd10 {
        code["coding"] = json!([{ "system": "http://hl7.org/fhir/sid/icd-10-cm", "code": icd10 }]);
    }
    let status = (!error).then(|| coded("http://terminology.hl7.org/CodeSystem/condition-clinical", clinical));
    let verification = if error { IN_ERROR } else { "confirmed" };
    json!({
        "resourceType": "Condition",
        "clinicalStatus": status,
        "verificationStatus": coded("http://terminology.hl7.org/CodeSystem/condition-ver-status", verification),
        "category": [coded("http://terminology.hl7.org/CodeSystem/condition-category", "problem-list-item")],
        "code": code,
        "subject": to(patient),
        "onsetDateTime": condition.onset,
        "abatementDateTime": condition.abatement,
        "note": note(condition.note.as_ref()),
    })
}

fn medication_statement(medication: &Medication, error: bool, patient: Uuid) -> Value {
    let status = match medication.status {
        _ if error => IN_ERROR,
        MedicationStatus::Active => "active",
        MedicationStatus::Completed => "completed",
        MedicationStatus::Stopped => "stopped",
        MedicationStatus::OnHold => "on-hold",
        MedicationStatus::Intended => "intended",
    };
    let mut code = json!({ "text": medication.name });
    if let Some(rxnorm) = &medication.rxnorm {
        code["coding"] = json!([{ "system": "http://www.nlm.nih.gov/research/umls/rxnorm", "code": rxnorm }]);
    }
    let words = [&medication.dose, &medication.route, &medication.frequency];
    let text = words.into_iter().flatten().map(String::as_str).collect::<Vec<_>>().join(", ");
    let route = medication.route.as_ref().map(|text| json!({ "text": text }));
    let dosage = (!text.is_empty()).then(|| given(json!({ "text": text, "route": route })));
    json!({
        "resourceType": "MedicationStatement",
        "status": status,
        "medicationCodeableConcept": code,
        "subject": to(patient),
        "effectivePeriod": given(json!({ "start": medication.starts_on, "end": medication.stops_on })),
        "informationSource": medication.prescriber.as_ref().map(|name| json!({ "display": name })),
        "note": note(medication.note.as_ref()),
        "dosage": dosage.into_iter().collect::<Vec<_>>(),
    })
}

fn immunization_resource(immunization: &Immunization, error: bool, patient: Uuid) -> Value {
    let mut code = json!({ "text": immunization.vaccine });
    if let Some(cvx) = &immunization.cvx {
        code["coding"] = json!([{ "system": "http://hl7.org/fhir/sid/cvx", "code": cvx }]);
    }
    json!({
        "resourceType": "Immunization",
        "status": if error { IN_ERROR } else { "completed" },
        "vaccineCode": code,
        "patient": to(patient),
        "occurrenceDateTime": immunization.given_on,
        "lotNumber": immunization.lot,
        "site": immunization.site.as_ref().map(|text| json!({ "text": text })),
        "note": note(immunization.note.as_ref()),
    })
}

fn procedure_resource(procedure: &Procedure, error: bool, patient: Uuid) -> Value {
    json!({
        "resourceType": "Procedure",
        "status": if error { IN_ERROR } else { "completed" },
        "code": { "text": procedure.procedure },
        "subject": to(patient),
        "performedDateTime": procedure.performed_on,
        "note": note(procedure.note.as_ref()),
    })
}
