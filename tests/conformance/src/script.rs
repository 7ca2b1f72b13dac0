//! The files in `scripts/`.

use std::fs;
use std::path::{Path, PathBuf};

/// One case of a script: a title and what happens, in order.
#[derive(Debug, Clone)]
pub struct Case {
    /// The file, without its folder and its ending.
    pub script: String,
    /// What it shows, as a sentence.
    pub title: String,
    /// What happens.
    pub steps: Vec<Step>,
}

/// One thing that happens.
#[derive(Debug, Clone)]
pub struct Step {
    /// Where it stands in the file, from 1.
    pub line: usize,
    /// Who sends or gets something.
    pub actor: String,
    /// What.
    pub action: Action,
}

/// What an actor does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Sends this stanza.
    Sends(String),
    /// Gets this stanza, which proves these requirements.
    Gets {
        /// Their ids.
        proves: Vec<String>,
        /// The stanza.
        stanza: String,
        /// Whether nothing else may come before it.
        is_next: bool,
    },
    /// Gets nothing more.
    GetsNothing {
        /// The ids of the requirements that this proves.
        proves: Vec<String>,
    },
    /// Makes a node of this name: what most cases begin with, and none is about.
    Owns(String),
}

impl Case {
    /// The ids of the requirements that it proves.
    pub fn proves(&self) -> impl Iterator<Item = &str> {
        self.steps.iter().flat_map(|step| step.action.proves()).map(String::as_str)
    }

    /// Everybody who does something in it, each once.
    pub fn actors(&self) -> Vec<&str> {
        let mut actors: Vec<&str> = self.steps.iter().map(|step| step.actor.as_str()).collect();
        actors.sort_unstable();
        actors.dedup();
        actors
    }
}

/// All cases of all scripts, in the order of their names.
///
/// # Panics
/// When a script cannot be read, with its line.
pub fn all() -> Vec<Case> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts");
    let files = fs::read_dir(&folder).expect("the folder of the scripts");
    let mut paths: Vec<PathBuf> = files.map(|file| file.expect("a script").path()).collect();
    paths.sort();
    let cases = paths.iter().flat_map(|path| {
        let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
        let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        parse(&name, &text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    });
    cases.collect()
}

/// A script that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("line {line}: {problem}")]
pub struct ScriptError {
    line: usize,
    problem: &'static str,
}

/// Reads the cases of one script.
pub fn parse(script: &str, text: &str) -> Result<Vec<Case>, ScriptError> {
    let mut cases: Vec<Case> = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let problem = |problem| ScriptError { line: number, problem };
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(title) = line.strip_prefix("== ") {
            cases.push(Case { script: script.to_owned(), title: title.to_owned(), steps: Vec::new() });
            continue;
        }
        let case = cases.last_mut().ok_or_else(|| problem("a case begins with `== ` and its title"))?;
        if line.starts_with(' ') {
            let stanza = case.steps.last_mut().and_then(|step| step.action.stanza_mut());
            let stanza = stanza.ok_or_else(|| problem("an indented line goes on with a stanza"))?;
            stanza.push_str(line.trim());
        } else {
            let (actor, action) = step(line).ok_or_else(|| problem("no such step; see README.md"))?;
            case.steps.push(Step { line: number, actor, action });
        }
    }
    Ok(cases)
}

fn step(line: &str) -> Option<(String, Action)> {
    let (actor, rest) = line.split_once([' ', ':'])?;
    let actor = actor.to_owned();
    if line[actor.len()..].starts_with(':') {
        return Some((actor, Action::Sends(rest.trim().to_owned())));
    }
    if let Some(node) = rest.strip_prefix("owns ") {
        return Some((actor, Action::Owns(node.trim().to_owned())));
    }
    if let Some(proves) = rest.strip_prefix("gets nothing") {
        return Some((actor, Action::GetsNothing { proves: ids(proves) }));
    }
    let rest = rest.strip_prefix("gets")?;
    let next = rest.strip_prefix(" next");
    let (proves, stanza) = next.unwrap_or(rest).split_once(':')?;
    Some((
        actor,
        Action::Gets { proves: ids(proves), stanza: stanza.trim().to_owned(), is_next: next.is_some() },
    ))
}

fn ids(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

impl Action {
    fn proves(&self) -> &[String] {
        match self {
            Self::Gets { proves, .. } | Self::GetsNothing { proves } => proves,
            Self::Sends(_) | Self::Owns(_) => &[],
        }
    }

    fn stanza_mut(&mut self) -> Option<&mut String> {
        match self {
            Self::Sends(stanza) | Self::Gets { stanza, .. } => Some(stanza),
            Self::GetsNothing { .. } | Self::Owns(_) => None,
        }
    }
}
