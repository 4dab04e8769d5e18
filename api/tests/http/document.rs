//! The OpenAPI document is served, kept fresh in the repository, and says all that the API answers.

use std::collections::BTreeMap;
use std::path::Path;

use axum::http::StatusCode;
use serde_json::Value;

use crate::app::{Answer, App};

/// The document, to compare answers with.
pub struct Document(Value);

impl Document {
    pub fn served() -> Self {
        Self(serde_json::from_str(&api::openapi_json()).unwrap())
    }

    /// Every operation: method and path template.
    pub fn operations(&self) -> Vec<(String, String)> {
        let mut all = Vec::new();
        for (path, item) in self.0["paths"].as_object().unwrap() {
            for method in ["get", "put", "post", "delete", "patch"] {
                if item.get(method).is_some() {
                    all.push((method.to_uppercase(), path.clone()));
                }
            }
        }
        all
    }

    /// Asserts that the document announces this answer: its status, its content type, the members of its body.
    #[track_caller]
    pub fn knows(&self, answer: &Answer) {
        let method = answer.method.as_str().to_lowercase();
        let templates = self.0["paths"].as_object().unwrap();
        let Some(item) = templates.iter().find(|(template, _)| matches(template, &answer.path)).map(|(_, item)| item) else {
            assert!(answer.status == StatusCode::NOT_FOUND || answer.path == "/api/openapi.json", "{}", answer.path);
            return;
        };
        let Some(operation) = item.get(&method) else {
            assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED, "{method} {}", answer.path);
            return;
        };
        let status = answer.status.as_str();
        let said = &operation["responses"][status];
        assert!(said.is_object(), "{method} {}: {status} is not in the document", answer.path);
        let Some(content) = said.get("content").and_then(Value::as_object) else {
            assert!(answer.bytes.is_empty(), "{method} {}: {status} is documented without a body", answer.path);
            return;
        };
        let kind = answer.header("content-type");
        let media = content.get(kind).unwrap_or_else(|| panic!("{method} {}: {status} as {kind} is not in the document", answer.path));
        if kind == "application/json" {
            self.fits(&media["schema"], &answer.json(), &format!("{method} {}", answer.path));
        }
    }

    /// Asserts that an object has exactly the members that its schema names, all the way down.
    #[track_caller]
    fn fits(&self, schema: &Value, value: &Value, at: &str) {
        if let Some(name) = schema.get("$ref").and_then(Value::as_str) {
            let pointer = name.strip_prefix('#').unwrap();
            return self.fits(self.0.pointer(pointer).unwrap_or_else(|| panic!("{at}: {name}")), value, at);
        }
        if let Some(choices) = schema.get("oneOf").and_then(Value::as_array) {
            if !value.is_null() {
                let some = choices.iter().find(|choice| choice["type"] != "null").unwrap();
                self.fits(some, value, at);
            }
            return;
        }
        if let Some(words) = schema.get("enum").and_then(Value::as_array) {
            assert!(words.contains(value), "{at}: {value} is none of {words:?}");
        }
        match value {
            Value::Object(members) => {
                let Some(known) = schema.get("properties").and_then(Value::as_object) else { return };
                for (name, member) in members {
                    let schema = known.get(name).unwrap_or_else(|| panic!("{at}: {name} is not in the document"));
                    self.fits(schema, member, &format!("{at} .{name}"));
                }
                for name in schema.get("required").and_then(Value::as_array).into_iter().flatten() {
                    assert!(members.contains_key(name.as_str().unwrap()), "{at}: {name} is missing");
                }
            }
            Value::Array(items) => items.iter().for_each(|item| self.fits(&schema["items"], item, at)),
            Value::Null => assert!(may_be(schema, "null"), "{at}: null is not in the document"),
            Value::String(_) => assert!(may_be(schema, "string"), "{at}: a string is not in the document"),
            Value::Number(_) => assert!(may_be(schema, "number") || may_be(schema, "integer"), "{at}: a number is not in the document"),
            Value::Bool(_) => assert!(may_be(schema, "boolean"), "{at}: a boolean is not in the document"),
        }
    }
}

fn may_be(schema: &Value, kind: &str) -> bool {
    match &schema["type"] {
        Value::String(only) => only == kind,
        Value::Array(kinds) => kinds.iter().any(|one| one == kind),
        _ => false,
    }
}

fn matches(template: &str, path: &str) -> bool {
    let (template, path): (Vec<&str>, Vec<&str>) = (template.split('/').collect(), path.split('/').collect());
    template.len() == path.len()
        && template.iter().zip(&path).all(|(expected, part)| expected.starts_with('{') || expected == part)
}

#[test]
fn the_document_in_the_repository_is_fresh() {
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi.json");
    let fresh = api::openapi_json();
    if std::env::var_os("BEDSIDE_BLESS").is_some() {
        std::fs::write(&kept, &fresh).unwrap();
    }
    let kept = std::fs::read_to_string(kept).unwrap_or_default();
    assert!(kept == fresh, "api/openapi.json is stale: run BEDSIDE_BLESS=1 cargo nextest run -p api, and look at the difference");
}

#[test]
fn the_document_is_openapi_3_1_and_every_operation_has_an_id_a_tag_and_all_its_errors() {
    let document = Document::served();
    assert!(document.0["openapi"].as_str().unwrap().starts_with("3.1"));
    let mut ids = BTreeMap::new();
    for (method, path) in document.operations() {
        let operation = &document.0["paths"][&path][method.to_lowercase()];
        let at = format!("{method} {path}");
        let id = operation["operationId"].as_str().unwrap_or_else(|| panic!("{at}: no operationId")).to_owned();
        assert_eq!(ids.insert(id.clone(), at.clone()), None, "{at}: {id} is taken");
        assert_eq!(operation["tags"].as_array().map(Vec::len), Some(1), "{at}");
        let responses = operation["responses"].as_object().unwrap();
        for status in ["429", "500", "503"] {
            assert!(responses.contains_key(status), "{at}: {status}");
        }
        if method != "GET" {
            assert!(responses.contains_key("403"), "{at}: 403, for a foreign origin");
        }
        if path.contains("{id}") {
            assert!(responses.contains_key("404"), "{at}: 404");
        }
        if operation.get("requestBody").is_some() {
            for status in ["400", "413", "415", "422"] {
                assert!(responses.contains_key(status), "{at}: {status}");
            }
        }
        for (status, said) in responses {
            let problem = status.starts_with('4') || status.starts_with('5');
            assert_eq!(said["content"].get("application/problem+json").is_some(), problem, "{at}: {status}");
        }
    }
}

#[tokio::test]
async fn anyone_can_read_the_document() {
    let app = App::start().await;
    let answer = app.browser().get("/api/openapi.json").await.is(StatusCode::OK);
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(answer.bytes, api::openapi_json().into_bytes());
}
