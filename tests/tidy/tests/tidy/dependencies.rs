//! The direction of the edges between crates, and who may use which external crate.

use std::process::Command;

use serde_json::Value;

use crate::assert_none;

/// What each crate of ours may use of ours. `*` at the end of a name stands for any rest. Crates in `tests/` and
/// `examples/` may use anything; nothing else may use them.
const EDGES: &[(&str, &[&str])] = &[
    ("stanzabus", &["bridge-*", "bus-*", "outbound-http", "xmpp-*"]),
    ("bridge-*", &["bus-admission", "bus-cloudevents", "bus-engine", "bus-domain", "outbound-http"]),
    ("xmpp-pubsub", &["bus-engine", "bus-domain", "bus-xml"]),
    ("xmpp-component", &["bus-xml"]),
    ("bus-engine", &["bus-cloudevents", "bus-store", "bus-domain", "bus-xml"]),
    ("bus-store-*", &["bus-store", "bus-domain"]),
    ("bus-store", &["bus-domain"]),
    ("bus-cloudevents", &["bus-domain", "bus-xml"]),
    ("bus-admission", &["bus-engine", "bus-domain"]),
    ("bus-domain", &[]),
    ("bus-xml", &[]),
    ("outbound-http", &[]),
];

/// External crates that only these crates of ours may use.
const RESERVED: &[(&str, &[&str])] = &[
    ("anyhow", &["stanzabus"]),
    ("sqlx", &["bus-store-*"]),
    ("tokio-xmpp", &["stanzabus"]),
    ("tonic*", &["bridge-grpc", "stanzabus"]),
];

/// `bus-domain` holds rules: plain values in, a decision out.
const FORBIDDEN_IN_DOMAIN: &[&str] =
    &["getrandom", "minidom", "rxml", "sqlx", "tokio*", "tonic*", "tracing*"];

#[test]
fn crates_use_only_the_crates_below_them() {
    let metadata = cargo_metadata(&["--no-deps", "--offline"]);
    let violations: Vec<_> = crates(&metadata)
        .filter(|krate| !is_free(krate))
        .flat_map(|krate| check_edges(text(krate, "name"), &used(krate, Origin::Ours)))
        .collect();
    assert_none("edges that DESIGN and src/README.md do not allow", &violations);
}

#[test]
fn external_crates_stay_where_they_belong() {
    let metadata = cargo_metadata(&["--no-deps", "--offline"]);
    let violations: Vec<_> = crates(&metadata)
        .filter(|krate| !is_free(krate))
        .flat_map(|krate| check_external(text(krate, "name"), &used(krate, Origin::External)))
        .collect();
    assert_none("external crates out of their place", &violations);
}

/// The feature switches the default namespace of every stanza in the whole build to that of components.
#[test]
fn nothing_enables_the_component_feature() {
    let host = host_triple();
    let metadata = cargo_metadata(&["--locked", "--filter-platform", &host]);
    let nodes = metadata["resolve"]["nodes"].as_array().expect("cargo metadata resolves");
    let of_interest: Vec<_> = nodes
        .iter()
        .filter(|node| ["tokio-xmpp@", "xmpp-parsers@"].iter().any(|name| text(node, "id").contains(name)))
        .collect();
    assert_eq!(of_interest.len(), 2, "tokio-xmpp and xmpp-parsers are in the build, once each");
    let violations: Vec<_> = of_interest
        .into_iter()
        .filter(|node| strings(&node["features"]).contains(&"component"))
        .map(|node| format!("{} has `component`", text(node, "id")))
        .collect();
    assert_none("the `component` feature is enabled", &violations);
}

#[test]
fn the_rules_themselves_catch_what_they_forbid() {
    let edge = |name, uses: &[&str]| check_edges(name, uses).len();
    assert_eq!(edge("bus-domain", &["bus-store"]), 1);
    assert_eq!(edge("bus-engine", &["bus-store-sqlite"]), 1, "a concrete store");
    assert_eq!(edge("bridge-http", &["bridge-grpc", "bus-engine"]), 1, "a sibling");
    assert_eq!(edge("bus-store-postgres", &["bus-store", "bus-domain"]), 0);
    assert_eq!(edge("stanzabus", &["harness"]), 1, "a test crate");
    assert_eq!(edge("a-new-crate", &[]), 1, "a crate without a rule");

    let external = |name, uses: &[&str]| check_external(name, uses).len();
    assert_eq!(external("bus-engine", &["sqlx", "tonic-health", "anyhow"]), 3);
    assert_eq!(external("bus-domain", &["tokio-util", "serde"]), 1);
    assert_eq!(external("bus-store-sqlite", &["sqlx", "tokio"]), 0);
}

fn check_edges(name: &str, uses: &[&str]) -> Vec<String> {
    let Some((_, allowed)) = EDGES.iter().find(|(pattern, _)| matches(pattern, name)) else {
        return vec![format!("{name} has no rule in this test")];
    };
    let refused = uses.iter().filter(|used| !allowed.iter().any(|pattern| matches(pattern, used)));
    refused.map(|used| format!("{name} -> {used}")).collect()
}

fn check_external(name: &str, uses: &[&str]) -> Vec<String> {
    let refused = uses.iter().filter(|used| {
        let reserved_for = RESERVED.iter().find(|(pattern, _)| matches(pattern, used));
        reserved_for.is_some_and(|(_, allowed)| !allowed.iter().any(|pattern| matches(pattern, name)))
            || name == "bus-domain" && FORBIDDEN_IN_DOMAIN.iter().any(|pattern| matches(pattern, used))
    });
    refused.map(|used| format!("{name} -> {used}")).collect()
}

fn matches(pattern: &str, name: &str) -> bool {
    pattern.strip_suffix('*').map_or(pattern == name, |start| name.starts_with(start))
}

#[derive(Clone, Copy, PartialEq)]
enum Origin {
    Ours,
    External,
}

/// The names of a crate's normal and build dependencies; tests may use more.
fn used(krate: &Value, origin: Origin) -> Vec<&str> {
    let dependencies = krate["dependencies"].as_array().expect("cargo metadata lists dependencies");
    dependencies
        .iter()
        .filter(|dependency| dependency["kind"] != "dev")
        .filter(|dependency| dependency["path"].is_string() == (origin == Origin::Ours))
        .map(|dependency| text(dependency, "name"))
        .collect()
}

fn is_free(krate: &Value) -> bool {
    let manifest = text(krate, "manifest_path");
    ["tests", "examples"]
        .iter()
        .any(|folder| manifest.starts_with(&*tidy::root().join(folder).to_string_lossy()))
}

fn crates(metadata: &Value) -> impl Iterator<Item = &Value> {
    metadata["packages"].as_array().expect("cargo metadata lists packages").iter()
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_else(|| panic!("cargo metadata names a {key}"))
}

fn strings(value: &Value) -> Vec<&str> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

fn cargo_metadata(arguments: &[&str]) -> Value {
    let command = [&["metadata", "--format-version", "1"], arguments].concat();
    serde_json::from_str(&output_of(env!("CARGO"), &command)).expect("cargo metadata prints JSON")
}

fn host_triple() -> String {
    let version = output_of("rustc", &["-vV"]);
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    host.expect("rustc names its host").to_owned()
}

fn output_of(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program)
        .args(arguments)
        .current_dir(tidy::root())
        .output()
        .unwrap_or_else(|error| panic!("{program} does not start: {error}"));
    assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("cargo prints UTF-8")
}
