//! No request assigns what it was not asked for: on every route with a body, a clinic, a role, a consent or a reviewer that
//! the form does not have is refused, not ignored.

use axum::http::{Method, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Clinic, rows};
use crate::document::Document;

/// What an attacker would like to set.
const WISHES: [&str; 6] = ["clinic_id", "role", "consent", "staff_id", "patient_id", "is_admin"];

#[tokio::test]
async fn no_body_may_name_a_clinic_a_role_or_a_consent_that_its_form_does_not_have() {
    let clinic = Clinic::open().await;
    let document = Document::served();
    let mut tried = 0;
    for (method, template, schema) in document.bodies() {
        let route = format!("{method} {template}");
        let row = rows().find(|row| row.route == route).unwrap_or_else(|| panic!("{route} has no row"));
        // Whoever is not signed out there; for routes that are open to everyone, nobody; else it is the portal's.
        let others = if row.cells == "*" { "nobody" } else { "portal" };
        let actor = super::ACTORS.iter().zip(row.cells.chars()).find(|(_, cell)| !matches!(cell, 's' | '*'));
        let path = template
            .replace("{id}", &(row.id)(&clinic.ids).to_string())
            .replace("{entry}", &clinic.ids.entry(&template).to_string());
        for wish in WISHES.iter().filter(|wish| schema["properties"].get(**wish).is_none()) {
            let mut browser = clinic.browser(actor.map_or(others, |(actor, _)| actor)).await;
            let mut body = (row.body)(&clinic.app, &clinic.ids).unwrap_or(json!({}));
            body[*wish] = json!(Uuid::nil());
            let body = body.to_string();
            let headers = [("if-match", "\"0\""), ("idempotency-key", "wish")];
            let mut answer = browser.send(method.parse::<Method>().unwrap(), &path, &headers, Some(body.clone())).await;
            // Open to everyone who is signed in.
            if answer.status == StatusCode::UNAUTHORIZED && row.cells == "*" {
                let mut browser = clinic.browser("provider").await;
                answer = browser.send(method.parse::<Method>().unwrap(), &path, &headers, Some(body)).await;
            }
            let said = answer.refuses(StatusCode::UNPROCESSABLE_ENTITY, "request.invalid").json();
            let why = said["invalid"].as_str().unwrap();
            // serde says it in other words where a form is told apart by one of its fields.
            let told_apart = why.contains("expected \"list\" or \"entry\"");
            assert!(told_apart || why.contains(&format!("unknown field `{wish}`")), "{route}: {why}");
            tried += 1;
        }
    }
    assert!(tried > 40, "only {tried} wishes were tried");
}

#[test]
fn every_form_says_that_it_has_no_further_fields_also_inside() {
    let document = Document::served();
    let mut loose = Vec::new();
    for (method, template, schema) in document.bodies() {
        look(&document, &schema, &format!("{method} {template}"), &mut loose);
    }
    assert!(loose.is_empty(), "serde(deny_unknown_fields) is missing:\n{}", loose.join("\n"));
}

fn look(document: &Document, schema: &Value, at: &str, loose: &mut Vec<String>) {
    let schema = document.resolve(schema);
    if let Some(properties) = schema["properties"].as_object() {
        if schema["additionalProperties"] != json!(false) {
            loose.push(at.to_owned());
        }
        for (name, property) in properties {
            look(document, property, &format!("{at} .{name}"), loose);
        }
    }
    for choices in ["oneOf", "allOf", "anyOf"] {
        for choice in schema[choices].as_array().into_iter().flatten() {
            look(document, choice, at, loose);
        }
    }
    if schema["items"].is_object() {
        look(document, &schema["items"], &format!("{at} []"), loose);
    }
}
