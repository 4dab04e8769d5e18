//! `bedside.v1` as documents: a JSON Schema for programs and a page for people, both made from [`crate::wire`].

use schemars::generate::SchemaSettings;
use schemars::transform::RecursiveTransform;
use schemars::{JsonSchema, Schema};
use serde_json::Value;

use crate::wire::{ClientMessage, ServerMessage};

/// What the types can't say.
const PREFACE: &str = include_str!("document/preface.md");

/// Both directions of the protocol, so that one schema holds every type.
#[derive(JsonSchema)]
#[schemars(title = "bedside.v1", extend("$id" = "https://bedside.invalid/signaling.schema.json"))]
#[expect(dead_code, reason = "only its schema is used")]
struct Protocol {
    /// What a client says.
    client: ClientMessage,
    /// What the server says.
    server: ServerMessage,
}

/// JSON Schema (2020-12) of the protocol: `properties.client` and `properties.server`, all types under `$defs`.
#[must_use]
pub fn schema() -> Schema {
    SchemaSettings::draft2020_12()
        .with_transform(RecursiveTransform(name_the_tagged_type))
        .into_generator()
        .into_root_schema_for::<Protocol>()
}

/// A `$ref` beside the tag becomes `allOf`: generators of types read past one of the two otherwise.
fn name_the_tagged_type(schema: &mut Schema) {
    if schema.get("properties").is_some()
        && let Some(reference) = schema.remove("$ref")
    {
        schema.insert("allOf".into(), serde_json::json!([{ "$ref": reference }]));
    }
}

/// The page for people, Markdown.
#[must_use]
pub fn page() -> String {
    let schema = schema();
    let types = &schema.as_value()["$defs"];
    let mut page = PREFACE.to_owned();
    for (title, name) in [("What a client says", "ClientMessage"), ("What the server says", "ServerMessage")] {
        page.push_str(&format!("\n## {title}\n"));
        for message in variants(&types[name]) {
            let tag = message["properties"]["type"]["const"].as_str().unwrap_or_default();
            page.push_str(&format!("\n### `{tag}`\n\n{}\n", described(message)));
            page.push_str(&fields(message, "type"));
        }
    }
    page.push_str("\n## Types\n");
    for (name, shape) in types.as_object().into_iter().flatten() {
        if name != "ClientMessage" && name != "ServerMessage" {
            page.push_str(&format!("\n### {name}\n\n{}\n", described(shape)));
            page.push_str(&type_body(shape));
        }
    }
    page
}

fn type_body(shape: &Value) -> String {
    let choices = variants(shape);
    if choices.is_empty() {
        return fields(shape, "");
    }
    let mut list = String::from("\n");
    for choice in choices {
        if let Some(value) = choice["const"].as_str() {
            list.push_str(&format!("- `\"{value}\"`: {}\n", described(choice)));
        } else {
            let tag = choice["properties"]["is"]["const"].as_str().unwrap_or_default();
            let described = described(choice);
            let with = named_fields(choice, "is");
            list.push_str(&format!("- `{{\"is\":\"{tag}\"}}`: {described}{with}\n"));
        }
    }
    list
}

fn named_fields(shape: &Value, tag: &str) -> String {
    let named: Vec<_> = properties(shape, tag)
        .map(|(name, field)| format!("`{name}` ({}: {})", type_name(field), described(field).trim_end_matches('.')))
        .collect();
    if named.is_empty() { String::new() } else { format!(" With {}.", named.join(", ")) }
}

fn fields(shape: &Value, tag: &str) -> String {
    let mut table = String::new();
    for (name, field) in properties(shape, tag) {
        if table.is_empty() {
            table.push_str("\n| Field | Type | |\n|---|---|---|\n");
        }
        table.push_str(&format!("| `{name}` | {} | {} |\n", type_name(field), described(field)));
    }
    if let Some(whole) = shape["allOf"][0]["$ref"].as_str() {
        table.push_str(&format!("\nWith all fields of {}.\n", link(whole)));
    }
    table
}

fn properties<'a>(shape: &'a Value, tag: &'a str) -> impl Iterator<Item = (&'a String, &'a Value)> {
    shape["properties"].as_object().into_iter().flatten().filter(move |(name, _)| *name != tag)
}

fn variants(shape: &Value) -> Vec<&Value> {
    shape["oneOf"].as_array().map(|choices| choices.iter().collect()).unwrap_or_default()
}

/// The doc comment on one line, without Rust's links.
fn described(shape: &Value) -> String {
    let text = shape["description"].as_str().unwrap_or_default();
    text.replace('\n', " ").replace("[`", "`").replace("`]", "`").replace("crate::", "")
}

fn type_name(field: &Value) -> String {
    if let Some(reference) = field["$ref"].as_str() {
        return link(reference);
    }
    if let Some(choices) = field["anyOf"].as_array() {
        return choices.iter().map(type_name).collect::<Vec<_>>().join(" or ");
    }
    match &field["type"] {
        Value::Array(names) => names.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" or "),
        Value::String(name) if name == "array" => format!("list of {}", type_name(&field["items"])),
        Value::String(name) => match field["format"].as_str() {
            Some(format) => format!("{name} ({format})"),
            None => name.clone(),
        },
        _ => "value".into(),
    }
}

fn link(reference: &str) -> String {
    let name = reference.rsplit('/').next().unwrap_or(reference);
    format!("[{name}](#{})", name.to_lowercase())
}
