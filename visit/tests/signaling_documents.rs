//! The documents of the protocol are what the types say. `BEDSIDE_BLESS=1` writes them anew.

use std::path::PathBuf;

fn compare_or_bless(name: &str, made: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs").join(name);
    if std::env::var_os("BEDSIDE_BLESS").is_some() {
        std::fs::write(&path, made).expect("docs/ is writable");
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(kept == made, "docs/{name} is stale: run `BEDSIDE_BLESS=1 cargo test -p visit --test signaling_documents`");
}

#[test]
fn the_schema_is_what_the_types_say() {
    let mut made = serde_json::to_string_pretty(&visit::document::schema()).expect("a schema is JSON");
    made.push('\n');
    compare_or_bless("signaling.schema.json", &made);
}

#[test]
fn the_page_is_what_the_types_say() {
    compare_or_bless("signaling.md", &visit::document::page());
}
