//! Paths that the documentation names exist.

use std::path::Path;

use crate::assert_none;

/// The documents that must exist and are checked.
const DOCUMENTS: &[&str] = &[
    "README.md",
    "bridges/README.md",
    "examples/compose/README.md",
    "examples/quickstart/README.md",
    "examples/systemd/README.md",
    "schemas/README.md",
    "src/README.md",
    "tests/README.md",
];

#[test]
fn documents_name_only_files_that_exist() {
    let files: Vec<_> = tidy::text_files().into_iter().map(|file| file.path).collect();
    let mut violations = Vec::new();
    for document in DOCUMENTS {
        match tidy::read(document) {
            Err(missing) => violations.push(missing),
            Ok(text) => violations.extend(stale_paths(document, &text, &files)),
        }
    }
    assert_none("documents", &violations);
}

#[test]
fn a_stale_path_is_found_and_other_code_is_not_taken_for_one() {
    let files = ["src/bus-domain/src/publish.rs".to_owned()];
    let stale = |text: &str| stale_paths("src/README.md", text, &files).len();
    assert_eq!(stale("see `src/bus-domain/src/no_such_file.rs`"), 1);
    assert_eq!(stale("see `bus-domain/no-such-folder`, beside this document"), 1);
    assert_eq!(stale("see `no_such_file.rs`"), 1);
    assert_eq!(stale("see `publish.rs` and `src/bus-domain` and `bus-domain/src`"), 0);
    assert_eq!(
        stale("`text/plain`, `127.0.0.1:80`, `cargo run`, `target/debug/stanzabus`, `src/bus-store-*`"),
        0
    );
}

fn stale_paths(document: &str, text: &str, files: &[String]) -> Vec<String> {
    let mut violations = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let stale = code_spans(line).filter(|span| !path_exists_or_is_none(document, span, files));
        violations.extend(stale.map(|span| format!("{document}:{}: `{span}` does not exist", index + 1)));
    }
    violations
}

/// What stands between single backticks.
fn code_spans(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2)
}

/// A span is a path of ours when its first folder stands at the root or beside the document; a bare name counts with
/// the extensions that only our own files have, and may stand anywhere.
fn path_exists_or_is_none(document: &str, span: &str, files: &[String]) -> bool {
    let plain = |character: char| character.is_ascii_alphanumeric() || "._-/".contains(character);
    if span.starts_with('/') || !span.chars().all(plain) {
        return true;
    }
    let Some((first, _)) = span.split_once('/') else {
        let ours = ["rs", "proto", "sql"].iter().any(|extension| tidy::has_extension(span, extension));
        return !ours || files.iter().any(|file| file.rsplit('/').next() == Some(span));
    };
    let beside = Path::new(document).parent().unwrap_or(Path::new(""));
    let mut bases = [Path::new(""), beside].into_iter().map(|base| tidy::root().join(base));
    first == "target"
        || bases.clone().all(|base| !base.join(first).is_dir())
        || bases.any(|base| base.join(span).exists())
}
