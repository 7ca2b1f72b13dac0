//! What every `Cargo.toml` has in common.

use tidy::SourceFile;

use crate::assert_none;

#[test]
fn every_crate_takes_the_lints_of_the_workspace() {
    let violations: Vec<_> = tidy::crate_manifests()
        .iter()
        .filter(|manifest| !section(&manifest.text, "lints").any(|(_, line)| line == "workspace = true"))
        .map(|manifest| manifest.path.clone())
        .collect();
    assert_none("`[lints] workspace = true` is missing", &violations);
}

/// A feature that one crate enables is enabled for all, or builds twice: so they all stand in one place.
#[test]
fn crates_take_their_dependencies_from_the_workspace() {
    let violations: Vec<_> = tidy::crate_manifests().iter().flat_map(own_dependencies).collect();
    assert_none("a version or features outside [workspace.dependencies]", &violations);
}

#[test]
fn every_external_dependency_says_why_it_is_here() {
    let manifest = tidy::read("Cargo.toml").expect("the workspace has a manifest");
    let violations: Vec<_> = section(&manifest, "workspace.dependencies")
        .filter(|(_, line)| line.contains('=') && !line.contains("path ="))
        .filter(|(_, line)| !line.contains(" # "))
        .map(|(number, line)| format!("Cargo.toml:{number}: {line}"))
        .collect();
    assert_none("a dependency without a comment that says why", &violations);
}

fn own_dependencies(manifest: &SourceFile) -> Vec<String> {
    ["dependencies", "dev-dependencies", "build-dependencies"]
        .into_iter()
        .flat_map(|name| section(&manifest.text, name))
        .filter(|(_, line)| {
            !line.is_empty() && !line.starts_with('#') && !line.ends_with(".workspace = true")
        })
        .map(|(number, line)| format!("{}:{number}: {line}", manifest.path))
        .collect()
}

/// The numbered lines below `[name]`, up to the next section.
fn section<'a>(manifest: &'a str, name: &str) -> impl Iterator<Item = (usize, &'a str)> {
    let heading = format!("[{name}]");
    let lines = manifest.lines().enumerate().map(|(index, line)| (index + 1, line.trim()));
    lines.skip_while(move |(_, line)| *line != heading).skip(1).take_while(|(_, line)| !line.starts_with('['))
}
