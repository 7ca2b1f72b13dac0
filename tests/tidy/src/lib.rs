//! Reads the workspace as files, for the checks in `tests/tidy/`.

use std::fs;
use std::path::{Path, PathBuf};

/// Folders that hold what people write; a dotfile or a folder that is made by tools is none of them.
const FOLDERS: [&str; 6] = [".ci", "bridges", "examples", "schemas", "src", "tests"];
/// Folders below them whose content is made by tools.
const MADE_BY_TOOLS: [&str; 3] = ["generated", "target", "__pycache__"];

/// A text file of the workspace.
#[derive(Debug)]
pub struct SourceFile {
    /// Relative to the workspace's root, with `/` between folders.
    pub path: String,
    /// The whole content.
    pub text: String,
}

impl SourceFile {
    /// Lines with their number, from 1, as editors count.
    pub fn numbered_lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text.lines().enumerate().map(|(index, line)| (index + 1, line))
    }
}

/// The workspace's root.
///
/// # Panics
/// Never, as long as this crate stands two folders below it.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("this crate stands in tests/tidy")
}

/// Reads a file of the workspace, or says which one is missing.
pub fn read(path: &str) -> Result<String, String> {
    fs::read_to_string(root().join(path)).map_err(|error| format!("{path}: {error}"))
}

/// Every Rust file that people write, generated ones left out.
pub fn rust_files() -> Vec<SourceFile> {
    text_files().into_iter().filter(|file| has_extension(&file.path, "rs")).collect()
}

/// Every text file that people write, in the order of their paths. Binary files are left out.
pub fn text_files() -> Vec<SourceFile> {
    let mut paths = Vec::new();
    collect_plain_files(root(), &mut paths);
    for folder in FOLDERS {
        collect_tree(&root().join(folder), &mut paths);
    }
    paths.sort();
    paths.into_iter().filter_map(|path| read_text(&path)).collect()
}

/// Every crate's manifest, the workspace's own left out.
pub fn crate_manifests() -> Vec<SourceFile> {
    text_files().into_iter().filter(|file| file.path.ends_with("/Cargo.toml")).collect()
}

/// Whether a path ends in `.extension`.
pub fn has_extension(path: &str, extension: &str) -> bool {
    Path::new(path).extension().is_some_and(|found| found == extension)
}

fn read_text(path: &Path) -> Option<SourceFile> {
    let text = fs::read_to_string(path).ok()?;
    let relative = path.strip_prefix(root()).expect("the walk starts at the root");
    Some(SourceFile { path: relative.to_string_lossy().replace('\\', "/"), text })
}

fn collect_tree(folder: &Path, paths: &mut Vec<PathBuf>) {
    collect_plain_files(folder, paths);
    for entry in entries(folder) {
        let made_by_tools = MADE_BY_TOOLS.iter().any(|name| entry.ends_with(name));
        if entry.is_dir() && !made_by_tools {
            collect_tree(&entry, paths);
        }
    }
}

fn collect_plain_files(folder: &Path, paths: &mut Vec<PathBuf>) {
    paths.extend(entries(folder).into_iter().filter(|entry| entry.is_file()));
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    entries.filter_map(Result::ok).map(|entry| entry.path()).collect()
}
