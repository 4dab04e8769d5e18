//! Patients and their charts.

use serde_json::{Value, json};

use super::row::{Ids, Row};
use crate::app::App;

fn somebody(_: &App, _: &Ids) -> Option<Value> {
    Some(demographics())
}

fn demographics() -> Value {
    json!({"name": {"given": "Ines", "family": "Novak"}, "date_of_birth": "1990-05-04"})
}

fn coverage(_: &App, _: &Ids) -> Option<Value> {
    Some(
        json!({"payer": "Prairie Mutual", "member_id": "1", "subscriber": {"relation": "oneself"}, "order": "primary"}),
    )
}

fn procedure(_: &App, _: &Ids) -> Option<Value> {
    Some(json!({"list": "procedure", "entry": {"procedure": "Appendectomy"}}))
}

fn mark(_: &App, _: &Ids) -> Option<Value> {
    Some(json!({"entered_in_error": true, "reason": "wrong patient"}))
}

/// A row about the patient of the visit that took place.
const fn chart(route: &'static str, cells: &'static str) -> Row {
    Row::new(route, cells).of(|ids| ids.patient)
}

pub const ROWS: &[Row] = &[
    Row::new("GET /api/v1/patients", "ssss++++++r+"),
    Row::new("POST /api/v1/patients/search", "ssss++++++r+").sends(|_, _| Some(json!({"name": "wh"}))),
    Row::new("POST /api/v1/patients", "ssss++++rrr+")
        .sends(|_, _| Some(json!({"demographics": demographics(), "despite_duplicates": true}))),
    Row::new("POST /api/v1/patients/duplicates", "ssss++++++r+")
        .sends(|_, _| Some(json!({"name": "Ines Novak", "date_of_birth": "1990-05-04"}))),
    Row::new("PUT /api/v1/patients/numbers", "ssssrrrr+rrr").sends(|_, _| Some(json!({"prefix": "RF"}))),
    chart("GET /api/v1/patients/{id}", "ssss++++++rh"),
    chart("PUT /api/v1/patients/{id}", "ssss+h++rrrh").sends(somebody),
    chart("GET /api/v1/patients/{id}/history", "ssss++++++rh"),
    chart("GET /api/v1/patients/{id}/insurance", "ssss+h++r+rh"),
    chart("PUT /api/v1/patients/{id}/insurance/{entry}", "ssssrrr+rrrr").sends(coverage),
    chart("PUT /api/v1/patients/{id}/insurance/{entry}/error", "ssssrrr+rrrr").sends(mark),
    chart("GET /api/v1/patients/{id}/insurance/{entry}/history", "ssss+h++r+rh"),
    chart("GET /api/v1/patients/{id}/clinical", "ssss+h+rr+rh"),
    chart("PUT /api/v1/patients/{id}/clinical/{entry}", "ssss+h+rrrrh").sends(procedure),
    chart("PUT /api/v1/patients/{id}/clinical/{entry}/error", "ssss+h+rrrrh").sends(mark),
    chart("GET /api/v1/patients/{id}/clinical/{entry}/history", "ssss+h+rr+rh"),
    chart("PUT /api/v1/patients/{id}/allergies/none-known", "ssss+h+rrrrh")
        .sends(|_, _| Some(json!({"none_known": true}))),
    chart("GET /api/v1/patients/{id}/duplicates", "ssssrrr+rrrr"),
    chart("POST /api/v1/patients/{id}/merge", "ssssrrr+rrrr").sends(|_, ids| {
        Some(json!({"merged_id": ids.patient, "merged_version": 1, "version": 1, "demographics": demographics()}))
    }),
    chart("POST /api/v1/patients/{id}/unmerge", "ssssrrr+rrrr").sends(|_, ids| Some(json!({"merged_id": ids.patient}))),
    chart("POST /api/v1/patients/{id}/export", "ssss+h+rr+rh").sends(|_, _| Some(json!({"lang": "en"}))),
];
