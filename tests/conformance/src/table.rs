//! The table of README.md: which requirement is proven where, and why others are not.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::Case;
use crate::rows::{self, Open, Row};

/// The table, and what is wrong with the claims of scripts and of `open.txt`.
#[derive(Debug)]
pub struct Coverage {
    /// As it is to stand in README.md.
    pub table: String,
    /// Ids that there are not, rows that nobody speaks of, and rows that are called open although they are proven.
    pub problems: Vec<String>,
}

/// Compares what the cases prove with what there is to prove.
pub fn coverage(cases: &[Case]) -> Coverage {
    let (rows, open) = (rows::all(), rows::open());
    let mut proven: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for case in cases {
        for id in case.proves() {
            let scripts = proven.entry(id).or_default();
            if !scripts.contains(&case.script.as_str()) {
                scripts.push(&case.script);
            }
        }
    }
    let mut problems = Vec::new();
    problems.extend(
        proven
            .keys()
            .filter(|id| !rows.iter().any(|row| row.id == **id))
            .map(|id| format!("there is no {id}")),
    );
    for Open { id, .. } in &open {
        if proven.contains_key(id) {
            problems.push(format!("{id} is proven, and open.txt says that it is not"));
        }
        if !rows.iter().any(|row| Open { id, reason: "" }.is_about(row.id)) {
            problems.push(format!("open.txt: there is no {id}"));
        }
    }
    let mut table = summary(&rows, &proven);
    table.push_str("\n| id | level | section | proven by, or why not |\n|---|---|---|---|\n");
    for Row { id, level, section } in &rows {
        let says = match proven.get(id) {
            Some(scripts) => format!("**{}**", scripts.join(", ")),
            None => reason(&open, id).unwrap_or_else(|| {
                problems.push(format!("no script proves {id}, and open.txt says nothing of it"));
                String::new()
            }),
        };
        writeln!(table, "| {id} | {level} | {section} | {says} |").expect("a String takes everything");
    }
    Coverage { table, problems }
}

/// The most exact reason.
fn reason(open: &[Open], id: &str) -> Option<String> {
    let about = open.iter().filter(|one| one.is_about(id));
    about.max_by_key(|one| one.id.len()).map(|one| one.reason.to_owned())
}

fn summary(rows: &[Row], proven: &BTreeMap<&str, Vec<&str>>) -> String {
    let mut levels: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for row in rows {
        let (of, all) = levels.entry(row.level).or_default();
        *all += 1;
        *of += usize::from(proven.contains_key(row.id));
    }
    let mut summary = String::from("| level | proven | of |\n|---|---|---|\n");
    for (level, (of, all)) in levels {
        writeln!(summary, "| {level} | {of} | {all} |").expect("a String takes everything");
    }
    summary
}
