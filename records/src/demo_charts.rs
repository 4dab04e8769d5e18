//! Charts of the demonstration's patients: plausible, complete, and of nobody.

use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use uuid::Uuid;
use visit::PatientId;

use crate::chart::entries::{self, Change, List, Listed};
use crate::chart::{Clinical, Coverage};
use crate::demo::DemoPatient;
use crate::patients::record;
use crate::patients::record::Change as RecordChange;
use crate::{Error, Tx};

/// Writes the charts of those whose demographics nobody has changed yet.
pub(crate) async fn fill(tx: &mut Tx, patients: &[DemoPatient]) -> Result<(), Error> {
    for patient in patients {
        let Some(chart) = chart_of(&patient.name) else { continue };
        let id = patient.patient_id;
        let version =
            sqlx::query_scalar!("SELECT version FROM patient WHERE patient_id = $1 AND merged_into IS NULL", id.0)
                .fetch_optional(tx.connection()?)
                .await?;
        // 0: put on record by an earlier version; 1: just now. Anything above is somebody's work.
        let Some(version) = version.filter(|version| *version <= 1) else { continue };
        let who = document(&chart["demographics"])?;
        record::replace(tx, id, version, who, RecordChange::Changed).await.map_err(|error| match error {
            record::SaveError::Failed(error) => error,
            _ => Error::UnknownValue("demonstration"),
        })?;
        let mut entries = Vec::new();
        for coverage in chart["insurance"].as_array().into_iter().flatten() {
            entries.push(checked::<Coverage>(tx, coverage)?);
        }
        for entry in chart["clinical"].as_array().into_iter().flatten() {
            entries.push(checked::<Clinical>(tx, entry)?);
        }
        if chart["no_known_allergies"] == true {
            entries.push((List::NoKnownAllergies, json!({ "none_known": true })));
        }
        enter(tx, id, entries).await?;
    }
    Ok(())
}

/// The entry in the form in which it is kept.
fn checked<T: Listed>(tx: &Tx, json: &Value) -> Result<(List, Value), Error> {
    let mut entry: T = document(json)?;
    entry.check(tx.context().at.date()).map_err(|_| Error::UnknownValue("demonstration"))?;
    let json = serde_json::to_value(&entry).map_err(|_| Error::UnknownValue("demonstration"))?;
    Ok((entry.list(), json))
}

/// All at once: a first start should not take longer for it.
async fn enter(tx: &mut Tx, patient: PatientId, entries: Vec<(List, Value)>) -> Result<(), Error> {
    let (clinic, at) = (tx.context().actor.clinic().0, tx.context().at);
    let keys = tx.patient_keys(patient).await?;
    let (mut ids, mut lists, mut bodies) = (Vec::new(), Vec::new(), Vec::new());
    for (list, json) in entries {
        let id = Uuid::now_v7();
        bodies.push(keys.seal(entries::body_place(id, 1), json.to_string().as_bytes())?);
        ids.push(id);
        lists.push(list.as_str().to_owned());
    }
    sqlx::query!(
        "INSERT INTO chart_entry (chart_entry_id, clinic_id, patient_id, list, version, created_at)
         SELECT e.id, $1, $2, e.list, 1, $3 FROM unnest($4::uuid[], $5::text[]) AS e (id, list)",
        clinic,
        patient.0,
        at,
        &ids,
        &lists,
    )
    .execute(tx.connection()?)
    .await?;
    sqlx::query!(
        "INSERT INTO chart_revision (chart_entry_id, version, clinic_id, change, body, at)
         SELECT e.id, 1, $1, $2, e.body, $3 FROM unnest($4::uuid[], $5::bytea[]) AS e (id, body)",
        clinic,
        Change::Created.as_str(),
        at,
        &ids,
        &bodies,
    )
    .execute(tx.connection()?)
    .await?;
    Ok(())
}

fn document<T: DeserializeOwned>(json: &Value) -> Result<T, Error> {
    serde_json::from_value(json.clone()).map_err(|_| Error::UnknownValue("demonstration"))
}

fn address(line: &str, city: &str, region: &str, postal_code: &str) -> Value {
    json!([{ "use": "home", "lines": [line], "city": city, "region": region, "postal_code": postal_code, "country": "US" }])
}

fn phone(number: &str) -> Value {
    json!([{ "number": number, "use": "mobile", "preferred": true }])
}

fn own(payer: &str, plan: &str, member_id: &str, group: &str) -> Value {
    json!([{
        "payer": payer, "plan": plan, "member_id": member_id, "group_number": group, "subscriber": { "relation": "oneself" },
        "order": "primary", "starts_on": "2025-01-01", "payer_phone": "+13125550199",
    }])
}

fn entry(list: &str, entry: Value) -> Value {
    json!({ "list": list, "entry": entry })
}

fn chart_of(name: &str) -> Option<Value> {
    let chart = match name {
        "Eleanor Whitfield" => json!({
            "demographics": {
                "name": { "given": "Eleanor", "middle": "Ruth", "family": "Whitfield" }, "preferred_name": "Ellie",
                "former_names": ["Eleanor Ruth Marsh"], "date_of_birth": "1958-03-14", "sex_at_birth": "female", "pronouns": "she/her",
                "languages": ["en"], "phones": [
                    { "number": "+13125550171", "use": "home", "preferred": true }, { "number": "+13125550172", "use": "mobile" }],
                "emails": [{ "address": "eleanor.whitfield@patients.example", "use": "home", "preferred": true }],
                "addresses": address("418 W Elm Street, Apt 3", "Chicago", "IL", "60610"), "time_zone": "America/Chicago",
                "emergency_contacts": [{ "name": "Paul Whitfield", "relation": "Husband", "phone": "+13125550173" }],
            },
            "insurance": [
                { "payer": "Medicare", "plan": "Part B", "member_id": "1EG4-TE5-MK72", "subscriber": { "relation": "oneself" }, "order": "primary", "starts_on": "2023-03-01" },
                { "payer": "Prairie Mutual", "plan": "Medigap G", "member_id": "PM-7740182", "subscriber": { "relation": "oneself" }, "order": "secondary", "starts_on": "2023-03-01" }],
            "clinical": [
                entry("allergy", json!({ "substance": "Penicillin", "reaction": "Hives and swelling of the face", "severity": "severe", "criticality": "high", "status": "active", "verification": "confirmed", "onset": "1974" })),
                entry("allergy", json!({ "substance": "Adhesive tape", "reaction": "Redness", "severity": "mild", "criticality": "low", "status": "active", "verification": "unconfirmed" })),
                entry("condition", json!({ "text": "Essential hypertension", "icd10": "I10", "status": "active", "onset": "2009", "note": "Home readings mostly below 135/85." })),
                entry("condition", json!({ "text": "Osteoarthritis of both knees", "icd10": "M17.0", "status": "active", "onset": "2016" })),
                entry("condition", json!({ "text": "Community-acquired pneumonia", "icd10": "J18.9", "status": "resolved", "onset": "2019-01", "abatement": "2019-02" })),
                entry("medication", json!({ "name": "Lisinopril 20 mg tablet", "rxnorm": "314077", "dose": "1 tablet", "route": "by mouth", "frequency": "once a day", "status": "active", "starts_on": "2012-05", "prescriber": "Dr. Maya Chen" })),
                entry("medication", json!({ "name": "Acetaminophen 500 mg tablet", "rxnorm": "198440", "dose": "1 to 2 tablets", "route": "by mouth", "frequency": "as needed, at most 6 a day", "status": "active" })),
                entry("medication", json!({ "name": "Hydrochlorothiazide 12.5 mg", "dose": "1 capsule", "route": "by mouth", "frequency": "once a day", "status": "stopped", "starts_on": "2009", "stops_on": "2012-05", "note": "Low sodium." })),
                entry("immunization", json!({ "vaccine": "Influenza, high dose", "cvx": "197", "given_on": "2025-10-06", "lot": "UT8021", "site": "left arm" })),
                entry("immunization", json!({ "vaccine": "Zoster, recombinant (dose 2)", "cvx": "187", "given_on": "2022-04-19", "lot": "9J4F2" })),
                entry("immunization", json!({ "vaccine": "Pneumococcal conjugate PCV20", "cvx": "216", "given_on": "2023-09-12" })),
                entry("procedure", json!({ "procedure": "Laparoscopic cholecystectomy", "performed_on": "2004-08", "note": "No complications." })),
                entry("procedure", json!({ "procedure": "Cataract surgery, right eye", "performed_on": "2021-11-03" })),
            ],
        }),
        "Marcus Bell" => json!({
            "demographics": {
                "name": { "given": "Marcus", "middle": "Anthony", "family": "Bell" }, "date_of_birth": "1984-11-02",
                "sex_at_birth": "male", "pronouns": "he/him", "languages": ["en"], "phones": phone("+17735550164"),
                "emails": [{ "address": "marcus.bell@patients.example", "use": "home", "preferred": true }],
                "addresses": address("2207 S Wabash Avenue", "Chicago", "IL", "60616"), "time_zone": "America/Chicago",
                "emergency_contacts": [{ "name": "Denise Bell", "relation": "Mother", "phone": "+17735550165", "note": "Works nights; call after noon." }],
            },
            "insurance": own("Lakeshore Health Plan", "PPO Select", "LHP 558 210 337", "LS-4471"),
            "clinical": [
                entry("condition", json!({ "text": "Asthma, mild intermittent", "icd10": "J45.20", "status": "active", "onset": "1996" })),
                entry("medication", json!({ "name": "Albuterol 90 mcg inhaler", "rxnorm": "745679", "dose": "2 puffs", "route": "inhaled", "frequency": "as needed", "status": "active", "prescriber": "Dr. Maya Chen" })),
                entry("immunization", json!({ "vaccine": "Tdap", "cvx": "115", "given_on": "2020-06-11", "lot": "C5812AA", "site": "right arm" })),
                entry("procedure", json!({ "procedure": "Repair of the left anterior cruciate ligament", "performed_on": "2011-03" })),
            ],
            "no_known_allergies": true,
        }),
        "Lucía Fernández" => json!({
            "demographics": {
                "name": { "given": "Lucía", "family": "Fernández" }, "former_names": ["Lucía Fernández Ortega"], "date_of_birth": "1991-07-23",
                "sex_at_birth": "female", "pronouns": "ella", "languages": ["es", "en"], "interpreter_needed": true, "phones": phone("+13125550148"),
                "emails": [{ "address": "lucia.fernandez@patients.example", "use": "home", "preferred": true }],
                "addresses": address("1530 W 18th Street, Unit 2", "Chicago", "IL", "60608"), "time_zone": "America/Chicago",
                "emergency_contacts": [{ "name": "Jorge Ramírez", "relation": "Esposo", "phone": "+13125550149" }],
            },
            "insurance": [{
                "payer": "Lakeshore Health Plan", "plan": "Family HMO", "member_id": "LHP 770 034 218-02", "group_number": "LS-2009",
                "subscriber": { "relation": "spouse", "name": "Jorge Ramírez", "date_of_birth": "1989-02-11" }, "order": "primary", "starts_on": "2024-06-01" }],
            "clinical": [
                entry("allergy", json!({ "substance": "Shellfish", "reaction": "Itching of the mouth", "severity": "mild", "criticality": "unable_to_assess", "status": "active", "verification": "unconfirmed", "onset": "2018" })),
                entry("condition", json!({ "text": "Migraine without aura", "icd10": "G43.009", "status": "active", "onset": "2013" })),
                entry("condition", json!({ "text": "Gestational diabetes", "icd10": "O24.410", "status": "resolved", "onset": "2020-03", "abatement": "2020-08", "note": "Glucose normal at 12 weeks after birth." })),
                entry("medication", json!({ "name": "Sumatriptan 50 mg tablet", "rxnorm": "313161", "dose": "1 tablet", "route": "by mouth", "frequency": "at onset, may repeat once after 2 hours", "status": "active", "starts_on": "2021" })),
                entry("medication", json!({ "name": "Propranolol 40 mg tablet", "dose": "1 tablet", "route": "by mouth", "frequency": "twice a day", "status": "on_hold", "starts_on": "2024-02", "note": "Paused while blood pressure is low." })),
                entry("immunization", json!({ "vaccine": "Influenza", "cvx": "150", "given_on": "2025-09-29", "lot": "P100640", "site": "left arm" })),
                entry("procedure", json!({ "procedure": "Cesarean section", "performed_on": "2020-08-14" })),
            ],
        }),
        "Amara Okafor" => json!({
            "demographics": {
                "name": { "given": "Amara", "middle": "Chiamaka", "family": "Okafor" }, "date_of_birth": "2001-01-09", "sex_at_birth": "female",
                "gender_identity": "nonbinary", "pronouns": "they/them", "languages": ["en", "ig"], "phones": phone("+18725550116"),
                "emails": [{ "address": "amara.okafor@patients.example", "use": "home", "preferred": true }],
                "addresses": address("5712 S Kimbark Avenue, Apt 9", "Chicago", "IL", "60637"), "time_zone": "America/Chicago",
                "emergency_contacts": [{ "name": "Ngozi Okafor", "relation": "Sister", "phone": "+18725550117" }],
            },
            "insurance": own("Midway University Student Plan", "Student Plus", "MU-20210944", "MU-STU"),
            "clinical": [
                entry("condition", json!({ "text": "Iron deficiency anemia", "icd10": "D50.9", "status": "active", "onset": "2024-10" })),
                entry("medication", json!({ "name": "Ferrous sulfate 325 mg tablet", "rxnorm": "310325", "dose": "1 tablet", "route": "by mouth", "frequency": "every other day", "status": "active", "starts_on": "2024-10-21" })),
                entry("immunization", json!({ "vaccine": "HPV, 9-valent (dose 3)", "cvx": "165", "given_on": "2019-08-02" })),
            ],
        }),
        "Walter Lindqvist" => json!({
            "demographics": {
                "name": { "given": "Walter", "family": "Lindqvist" }, "date_of_birth": "1949-09-30", "sex_at_birth": "male", "pronouns": "he/him",
                "languages": ["en"], "phones": phone("+14145550120"), "emails": [{ "address": "walter.lindqvist@patients.example", "use": "home", "preferred": true }],
                "addresses": address("77 N Prospect Avenue", "Milwaukee", "WI", "53202"),
                "emergency_contacts": [{ "name": "Karin Lindqvist", "relation": "Daughter", "phone": "+14145550121" }],
            },
            "insurance": own("Medicare", "Part B", "2WL9-KT1-QQ05", "none"),
            "clinical": [
                entry("allergy", json!({ "substance": "Sulfonamides", "reaction": "Rash", "severity": "moderate", "criticality": "low", "status": "active", "verification": "confirmed" })),
                entry("condition", json!({ "text": "Type 2 diabetes mellitus", "icd10": "E11.9", "status": "active", "onset": "2008" })),
                entry("medication", json!({ "name": "Metformin 1000 mg tablet", "rxnorm": "861004", "dose": "1 tablet", "route": "by mouth", "frequency": "twice a day with meals", "status": "active" })),
                entry("procedure", json!({ "procedure": "Total replacement of the right hip", "performed_on": "2017" })),
            ],
        }),
        "Naomi Tanaka" => json!({
            "demographics": {
                "name": { "given": "Naomi", "family": "Tanaka" }, "date_of_birth": "1979-05-17", "sex_at_birth": "female", "pronouns": "she/her",
                "languages": ["en", "ja"], "phones": phone("+14145550133"), "addresses": address("910 E Brady Street", "Milwaukee", "WI", "53202"),
                "emergency_contacts": [{ "name": "Ken Tanaka", "relation": "Brother", "phone": "+14145550134" }],
            },
            "insurance": own("Badger Health", "Silver 40", "BH-3391-0727", "BH-88"),
            "clinical": [
                entry("condition", json!({ "text": "Hypothyroidism", "icd10": "E03.9", "status": "active", "onset": "2015" })),
                entry("medication", json!({ "name": "Levothyroxine 75 mcg tablet", "rxnorm": "966222", "dose": "1 tablet", "route": "by mouth", "frequency": "every morning", "status": "active" })),
            ],
            "no_known_allergies": true,
        }),
        "Samuel Ortiz" => json!({
            "demographics": {
                "name": { "given": "Samuel", "family": "Ortiz" }, "date_of_birth": "1996-12-05", "sex_at_birth": "male", "languages": ["en", "es"],
                "phones": phone("+14145550151"), "addresses": address("2330 S 13th Street", "Milwaukee", "WI", "53215"),
                "emergency_contacts": [{ "name": "Rosa Ortiz", "relation": "Mother", "phone": "+14145550152" }],
            },
            "insurance": own("Badger Health", "Bronze 60", "BH-7710-4410", "BH-12"),
            "clinical": [entry("condition", json!({ "text": "Seasonal allergic rhinitis", "icd10": "J30.2", "status": "active" }))],
            "no_known_allergies": true,
        }),
        "Grace Adeyemi" => json!({
            "demographics": {
                "name": { "given": "Grace", "family": "Adeyemi" }, "date_of_birth": "2004-04-21", "sex_at_birth": "female", "pronouns": "she/her",
                "languages": ["en"], "phones": phone("+14145550160"), "addresses": address("1414 N Farwell Avenue", "Milwaukee", "WI", "53202"),
                "emergency_contacts": [{ "name": "Folake Adeyemi", "relation": "Mother", "phone": "+14145550161" }],
            },
            "insurance": own("Badger Health", "Family Gold", "BH-9004-2211", "BH-40"),
            "clinical": [entry("immunization", json!({ "vaccine": "Meningococcal ACWY", "cvx": "114", "given_on": "2021-07-15" }))],
        }),
        _ => return None,
    };
    Some(chart)
}
