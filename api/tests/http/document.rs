//! Compares answers with the OpenAPI document. Whether the document itself is sound is looked at in `tests/openapi.rs`.

use axum::http::{Method, StatusCode};
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
        let paths = self.0["paths"].as_object().unwrap();
        let operations = |(path, item): (&String, &Value)| {
            let methods: Vec<String> = item.as_object().unwrap().keys().map(|method| method.to_uppercase()).collect();
            methods.into_iter().map(|method| (method, path.clone())).collect::<Vec<_>>()
        };
        paths.iter().flat_map(operations).collect()
    }

    /// Every operation that takes a JSON body: method, path template and the body's schema.
    pub fn bodies(&self) -> Vec<(String, String, Value)> {
        let body = |(method, path): (String, String)| {
            let schema =
                &self.0["paths"][&path][method.to_lowercase()]["requestBody"]["content"]["application/json"]["schema"];
            schema.is_object().then(|| (method, path, self.resolve(schema).clone()))
        };
        self.operations().into_iter().filter_map(body).collect()
    }

    /// What a schema refers to, if it refers to another one.
    pub fn resolve<'a>(&'a self, schema: &'a Value) -> &'a Value {
        match schema.get("$ref").and_then(Value::as_str) {
            Some(name) => self.resolve(self.0.pointer(name.strip_prefix('#').unwrap()).unwrap()),
            None => schema,
        }
    }

    /// Asserts that the document announces this answer: its status, its content type, the members of its body.
    #[track_caller]
    pub fn knows(&self, answer: &Answer) {
        // HEAD is GET without the body.
        let is_head = answer.method == Method::HEAD;
        let method = if is_head { "get".to_owned() } else { answer.method.as_str().to_lowercase() };
        let templates = self.0["paths"].as_object().unwrap();
        let Some(item) = templates.iter().find(|(template, _)| matches(template, &answer.path)).map(|(_, item)| item)
        else {
            let refused = [StatusCode::NOT_FOUND, StatusCode::TOO_MANY_REQUESTS].contains(&answer.status);
            assert!(refused || answer.path == "/api/openapi.json", "{}", answer.path);
            return;
        };
        let Some(operation) = item.get(&method) else {
            let refusals = [StatusCode::METHOD_NOT_ALLOWED, StatusCode::TOO_MANY_REQUESTS, StatusCode::FORBIDDEN];
            assert!(refusals.contains(&answer.status), "{method} {}: {}", answer.path, answer.status);
            return;
        };
        let status = answer.status.as_str();
        // What no page of ours sends has answers of its own, on every route.
        if matches!(status, "414" | "431") {
            return;
        }
        let said = &operation["responses"][status];
        assert!(said.is_object(), "{method} {}: {status} is not in the document", answer.path);
        let Some(content) = said.get("content").and_then(Value::as_object) else {
            assert!(answer.bytes.is_empty(), "{method} {}: {status} is documented without a body", answer.path);
            return;
        };
        let kind = answer.header("content-type");
        let media = content
            .get(kind)
            .unwrap_or_else(|| panic!("{method} {}: {status} as {kind} is not in the document", answer.path));
        if kind == "application/json" && !is_head {
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
            Value::Number(_) => {
                assert!(may_be(schema, "number") || may_be(schema, "integer"), "{at}: a number is not in the document")
            }
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

#[tokio::test]
async fn anyone_can_read_the_document() {
    let app = App::start().await;
    let answer = app.browser().get("/api/openapi.json").await.is(StatusCode::OK);
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(answer.bytes, api::openapi_json().into_bytes());
}
