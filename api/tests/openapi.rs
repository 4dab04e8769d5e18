//! The OpenAPI document is kept fresh in the repository, and announces every error.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

fn served() -> Value {
    serde_json::from_str(&api::openapi_json()).unwrap()
}

fn operations(document: &Value) -> Vec<(String, &String, &Value)> {
    let paths = document["paths"].as_object().unwrap();
    let of_path = |(path, item)| {
        let item: &Value = item;
        item.as_object().unwrap().iter().map(move |(method, operation)| (method.to_uppercase(), path, operation))
    };
    paths.iter().flat_map(of_path).collect()
}

#[test]
fn the_document_in_the_repository_is_fresh() {
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi.json");
    let fresh = api::openapi_json();
    if std::env::var_os("BEDSIDE_BLESS").is_some() {
        std::fs::write(&kept, &fresh).unwrap();
    }
    let kept = std::fs::read_to_string(kept).unwrap_or_default();
    assert!(
        kept == fresh,
        "api/openapi.json is stale: run BEDSIDE_BLESS=1 cargo nextest run -p api, and look at the difference"
    );
}

#[test]
fn the_document_is_openapi_3_1_and_every_operation_has_an_id_a_tag_and_all_its_errors() {
    let document = served();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    let mut ids = BTreeMap::new();
    for (method, path, operation) in operations(&document) {
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
            // What is not JSON is a file.
            if let Some(json) = operation["requestBody"]["content"].get("application/json") {
                let body = json["schema"]["$ref"].as_str().unwrap();
                let schema = document.pointer(body.strip_prefix('#').unwrap()).unwrap();
                let closed = |schema: &Value| schema["additionalProperties"] == false;
                let each =
                    schema["oneOf"].as_array().is_some_and(|forms| !forms.is_empty() && forms.iter().all(closed));
                assert!(closed(schema) || each, "{at}: takes members that it does not know");
            }
        }
        for (status, said) in responses {
            let problem = status.starts_with('4') || status.starts_with('5');
            assert_eq!(said["content"].get("application/problem+json").is_some(), problem, "{at}: {status}");
        }
    }
}
