//! What the compiler does not check about this repository.

mod dependencies;
mod docs;
mod generated;
mod manifests;
mod mutants;
mod proto_rules;
mod protos;
mod sizes;
mod style;

/// Fails with every violation at once, so that one run shows all there is to mend.
#[track_caller]
fn assert_none(rule: &str, violations: &[String]) {
    assert!(violations.is_empty(), "{rule}:\n  {}", violations.join("\n  "));
}
