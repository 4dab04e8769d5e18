//! `bedside.v1` as documents: a JSON Schema for programs and a page for people, both made from [`crate::wire`].

use schemars::generate::SchemaSettings;
use schemars::transform::RecursiveTransform;
use schemars::{JsonSchema, Schema};

use crate::wire::{ClientMessage, ServerMessage};

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
