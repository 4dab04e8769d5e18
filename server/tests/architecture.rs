//! The house stays as ARCHITECTURE.md draws it: which crate may use which, where SQL may be written,
//! what the call code of the web client may know, how long a file may grow, what we may link against.

#[path = "architecture/doors.rs"]
mod doors;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// Our crates, each with those of ours that it may use.
const EDGES: &[(&str, &[&str])] = &[
    ("visit", &[]),
    ("sfu-core", &[]),
    ("sfu", &["sfu-core"]),
    ("recorder", &["sfu-core", "visit"]),
    ("records", &["visit"]),
    ("signaling", &["visit"]),
    ("api", &["visit", "records"]),
    ("server", &["visit", "sfu-core", "sfu", "recorder", "records", "signaling", "api"]),
    ("loadtest", &["visit"]),
];

/// Libraries that only these crates of ours may link (tests of others may use them).
const RESERVED: &[(&str, &[&str])] = &[
    ("sqlx", &["records"]),
    ("str0m", &["sfu-core"]),
    ("webrtc", &["loadtest"]),
    ("quinn-udp", &["sfu"]),
    ("opus", &["recorder"]),
];

/// What a crate without clock, randomness and I/O must not link.
const IMPURE: &[&str] =
    &["tokio", "axum", "sqlx", "rand", "reqwest", "socket2", "rustix", "libc", "governor", "metrics"];
const PURE: &[&str] = &["visit", "sfu-core"];

/// A file this long is hard to read top-down.
const MAX_LINES: usize = 500;

/// Longer files, each with why it is one file.
const LONG_FILES: &[(&str, &str)] = &[];

/// Licences that allow giving the binary away under Apache-2.0.
const LICENCES: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MIT-0",
    "OpenSSL",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("server/ lies in the checkout").to_path_buf()
}

/// What cargo says about the workspace and all that it links.
fn metadata() -> Value {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let said = Command::new(cargo)
        .args(["metadata", "--offline", "--locked", "--format-version", "1"])
        .current_dir(root())
        .output()
        .expect("cargo runs");
    assert!(said.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&said.stderr));
    serde_json::from_slice(&said.stdout).expect("cargo metadata is JSON")
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn ours(metadata: &Value) -> Vec<&Value> {
    let members: BTreeSet<&str> = metadata["workspace_members"].as_array().expect("members").iter().map(text).collect();
    metadata["packages"]
        .as_array()
        .expect("packages")
        .iter()
        .filter(|package| members.contains(text(&package["id"])))
        .collect()
}

/// Every file below `dir` with one of these endings, without build output and generated code.
fn sources(dir: &Path, endings: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![dir.to_path_buf()];
    while let Some(dir) = open.pop() {
        let Ok(entries) = std::fs::read_dir(&dir) else {
            continue;
        };
        for entry in entries {
            let path = entry.expect("a readable folder").path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if path.is_dir() {
                if !name.starts_with('.')
                    && !["target", "node_modules", "dist", "generated", "data"].contains(&name.as_str())
                {
                    open.push(path);
                }
            } else if endings.iter().any(|ending| name.ends_with(ending)) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// The lines of `path` that hold `needle`, as `path:line: text`, comments left out.
fn mentions(path: &Path, needles: &[&str]) -> Vec<String> {
    let content = std::fs::read_to_string(path).expect("a source file is text");
    let shown = path.strip_prefix(root()).unwrap_or(path).display().to_string();
    content
        .lines()
        .enumerate()
        .filter(|(_, line)| !line.trim_start().starts_with("//"))
        .filter(|(_, line)| needles.iter().any(|needle| line.contains(needle)))
        .map(|(number, line)| format!("{shown}:{}: {}", number + 1, line.trim()))
        .collect()
}

#[test]
fn crates_use_only_what_the_architecture_allows() {
    let metadata = metadata();
    let allowed: BTreeMap<&str, &[&str]> = EDGES.iter().copied().collect();
    let packages = ours(&metadata);
    let names: BTreeSet<&str> = packages.iter().map(|package| text(&package["name"])).collect();
    assert_eq!(
        names,
        allowed.keys().copied().collect(),
        "a crate was added or removed: write its edges down here and in ARCHITECTURE.md"
    );

    let mut wrong = Vec::new();
    for package in packages {
        let name = text(&package["name"]);
        for dependency in package["dependencies"].as_array().expect("dependencies") {
            let on = text(&dependency["name"]);
            // A crate may name itself to switch on a feature of its own in its tests.
            if names.contains(on) && on != name && !allowed[name].contains(&on) {
                wrong.push(format!("{name} -> {on}"));
            }
        }
    }
    assert!(wrong.is_empty(), "edges that ARCHITECTURE.md does not have: {wrong:?}");
}

#[test]
fn pure_crates_link_nothing_with_a_clock_randomness_or_io() {
    let metadata = metadata();
    let mut wrong = Vec::new();
    for package in ours(&metadata) {
        let name = text(&package["name"]);
        for dependency in package["dependencies"].as_array().expect("dependencies") {
            let on = text(&dependency["name"]);
            let for_tests = text(&dependency["kind"]) == "dev";
            if PURE.contains(&name) && !for_tests && IMPURE.contains(&on) {
                wrong.push(format!("{name} -> {on}"));
            }
            if !for_tests && RESERVED.iter().any(|(library, users)| *library == on && !users.contains(&name)) {
                wrong.push(format!("{name} -> {on}"));
            }
        }
    }
    assert!(wrong.is_empty(), "libraries where they do not belong: {wrong:?}");
}

#[test]
fn sql_is_written_in_records_only() {
    let records = root().join("records");
    let found: Vec<String> = sources(&root(), &[".rs"])
        .iter()
        .filter(|path| !path.starts_with(&records) && !path.ends_with("server/tests/architecture.rs"))
        .flat_map(|path| mentions(path, &["sqlx::", "query!(", "query_as!(", "query_scalar!("]))
        .collect();
    assert!(found.is_empty(), "SQL belongs to records:\n{}", found.join("\n"));
}

#[test]
fn one_file_of_the_sfu_core_knows_the_webrtc_library() {
    let found: Vec<String> = sources(&root().join("sfu/core/src"), &[".rs"])
        .iter()
        .filter(|path| {
            !path.ends_with("peer.rs")
                && !path.components().any(|part| part.as_os_str() == "tests" || part.as_os_str() == "peer")
        })
        .flat_map(|path| mentions(path, &["str0m::Rtc", "Rtc::", "RtcConfig", ": Rtc", "&mut Rtc"]))
        .collect();
    assert!(found.is_empty(), "only peer.rs names `Rtc`:\n{}", found.join("\n"));
}

#[test]
fn the_call_code_of_the_web_client_knows_no_view() {
    let call = root().join("web-client/src/call");
    let found: Vec<String> = sources(&call, &[".ts", ".tsx"])
        .iter()
        .flat_map(|path| {
            mentions(path, &["from \"react", "from 'react", "@tanstack/react", "react-aria", "/features/", "/app/"])
        })
        .filter(|line| line.contains("import") || line.contains("from"))
        .collect();
    assert!(found.is_empty(), "call/ is plain TypeScript that any view may use:\n{}", found.join("\n"));
    assert!(sources(&call, &[".tsx"]).is_empty(), "call/ has no views");
}

#[test]
fn files_are_short_enough_to_be_read() {
    let mut long = Vec::new();
    for path in sources(&root(), &[".rs", ".ts", ".tsx", ".mjs", ".css"]) {
        let lines = std::fs::read_to_string(&path).expect("a source file is text").lines().count();
        let shown = path.strip_prefix(root()).expect("below the checkout").display().to_string();
        if lines > MAX_LINES && !LONG_FILES.iter().any(|(known, _)| *known == shown) {
            long.push(format!("{shown}: {lines}"));
        }
    }
    assert!(
        long.is_empty(),
        "over {MAX_LINES} lines: split them by topic, or say in this test why not:\n{}",
        long.join("\n")
    );
}

/// Libraries that must not come in, not even through others.
const BANNED: &[(&str, &str)] =
    &[("openssl-sys", "TLS and cryptography are rustls and aws-lc-rs"), ("native-tls", "TLS is rustls")];

#[test]
fn libraries_come_from_the_public_registry_and_none_brings_another_tls() {
    let metadata = metadata();
    let mut wrong = Vec::new();
    for package in metadata["packages"].as_array().expect("packages") {
        let (name, source) = (text(&package["name"]), text(&package["source"]));
        if let Some((_, why)) = BANNED.iter().find(|(banned, _)| *banned == name) {
            wrong.push(format!("{name}: {why}"));
        }
        let is_ours = package["source"].is_null();
        if !is_ours && source != "registry+https://github.com/rust-lang/crates.io-index" {
            wrong.push(format!("{name} comes from {source}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_linked_library_may_be_given_away() {
    let metadata = metadata();
    let mut wrong = Vec::new();
    for package in metadata["packages"].as_array().expect("packages") {
        let licence = text(&package["license"]).replace('/', " OR ");
        let fine = may_be_given_away(&licence);
        if !fine {
            wrong.push(format!("{} {}: {licence:?}", text(&package["name"]), text(&package["version"])));
        }
    }
    assert!(wrong.is_empty(), "licences that are not on the list:\n{}", wrong.join("\n"));
}

/// Whether an SPDX expression leaves a choice made of [`LICENCES`] alone.
fn may_be_given_away(expression: &str) -> bool {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace(" WITH ", "~WITH~");
    let mut words = spaced.split_whitespace().peekable();
    let fine = any_of(&mut words);
    fine && words.next().is_none()
}

type Words<'a> = std::iter::Peekable<std::str::SplitWhitespace<'a>>;

fn any_of(words: &mut Words<'_>) -> bool {
    let mut fine = all_of(words);
    while words.next_if_eq(&"OR").is_some() {
        fine |= all_of(words);
    }
    fine
}

fn all_of(words: &mut Words<'_>) -> bool {
    let mut fine = one(words);
    while words.next_if_eq(&"AND").is_some() {
        fine &= one(words);
    }
    fine
}

fn one(words: &mut Words<'_>) -> bool {
    match words.next() {
        Some("(") => {
            let fine = any_of(words);
            words.next_if_eq(&")").is_some() && fine
        }
        Some(name) => LICENCES.contains(&name.replace("~WITH~", " WITH ").as_str()),
        None => false,
    }
}

#[test]
fn a_licence_expression_is_read_with_its_choices_and_its_duties() {
    for (expression, fine) in [
        ("MIT", true),
        ("GPL-3.0-only", false),
        ("MIT OR GPL-3.0-only", true),
        ("MIT AND GPL-3.0-only", false),
        ("(MIT OR Apache-2.0) AND Unicode-3.0", true),
        ("(MIT OR Apache-2.0) AND AGPL-3.0-only", false),
        ("Apache-2.0 WITH LLVM-exception OR MIT", true),
        ("", false),
    ] {
        assert_eq!(may_be_given_away(expression), fine, "{expression}");
    }
}
