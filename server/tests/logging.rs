//! What our code logs is on the one page that lists it (`docs/logging.md`), and no message is put together from values.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

fn sources(dir: &Path, into: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, into);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            into.push(path);
        }
    }
}

/// What stands between the brackets of each call of a logging macro, with its file.
fn calls() -> Vec<(PathBuf, String)> {
    let mut files = Vec::new();
    for part in ["visit", "signaling", "sfu/core", "sfu", "recorder", "records", "api", "server"] {
        sources(&root().join(part).join("src"), &mut files);
    }
    files.sort();
    files.dedup();
    let mut calls = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        // Tests may log what they like.
        let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
        for level in ["error", "warn", "info", "debug", "trace"] {
            for call in text.split(&format!("tracing::{level}!(")).skip(1) {
                let mut depth = 1;
                let mut in_text = false;
                let mut before = ' ';
                let end = call
                    .find(|char| {
                        if char == '"' && before != '\\' {
                            in_text = !in_text;
                        }
                        before = char;
                        if !in_text {
                            depth += i32::from(char == '(') - i32::from(char == ')');
                        }
                        depth == 0
                    })
                    .unwrap();
                calls.push((file.clone(), call[..end].to_owned()));
            }
        }
    }
    calls
}

/// Splits at commas outside of brackets and texts.
fn arguments(call: &str) -> Vec<String> {
    let (mut depth, mut in_text, mut before) = (0, false, ' ');
    let mut arguments = vec![String::new()];
    for char in call.chars() {
        if char == '"' && before != '\\' {
            in_text = !in_text;
        }
        before = char;
        if !in_text {
            depth += i32::from("([{".contains(char)) - i32::from(")]}".contains(char));
            if char == ',' && depth == 0 {
                arguments.push(String::new());
                continue;
            }
        }
        arguments.last_mut().unwrap().push(char);
    }
    arguments.into_iter().map(|argument| argument.trim().to_owned()).filter(|argument| !argument.is_empty()).collect()
}

fn listed() -> BTreeSet<String> {
    let page = std::fs::read_to_string(root().join("docs/logging.md")).unwrap();
    let names = page.lines().filter_map(|line| line.strip_prefix("| `")).flat_map(|line| {
        let (names, _) = line.split_once(" |").unwrap();
        names.split(", ").map(|name| name.trim_matches('`').to_owned()).collect::<Vec<_>>()
    });
    names.collect()
}

#[test]
fn every_logged_field_is_on_the_page_and_every_message_is_fixed_words() {
    let listed = listed();
    let calls = calls();
    assert!(calls.len() > 30, "{}", calls.len());
    let mut wrong = Vec::new();
    for (file, call) in &calls {
        for argument in arguments(call) {
            if let Some(message) = argument.strip_prefix('"') {
                if message.contains('{') {
                    wrong.push(format!("{}: a message with a value in it: {argument}", file.display()));
                }
                continue;
            }
            if argument.starts_with("target:") {
                continue;
            }
            let name = argument.split(" = ").next().unwrap().trim_start_matches(['%', '?']);
            if !listed.contains(name) {
                wrong.push(format!("{}: `{name}` is not in docs/logging.md", file.display()));
            }
            if argument.starts_with('?') || argument.contains("= ?") {
                wrong.push(format!("{}: `{name}` by its Debug form, which may show anything", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
