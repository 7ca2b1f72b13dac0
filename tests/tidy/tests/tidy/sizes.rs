//! The size of files. The length of functions is clippy's business (`too_many_lines`).

use std::collections::BTreeMap;

use tidy::SourceFile;

use crate::assert_none;

const LINES_MAX: usize = 450;
const EXCEPTIONS: &str = "tests/tidy/size-exceptions.txt";

#[test]
fn files_stay_small() {
    let files = tidy::rust_files();
    println!("{} Rust files, median {} lines", files.len(), median(&files));
    let exceptions = parse_exceptions(&tidy::read(EXCEPTIONS).expect("the list of exceptions exists"));
    let lines_of = files.iter().map(|file| (file.path.as_str(), file.text.lines().count())).collect();
    assert_none("file sizes", &check(&lines_of, &exceptions));
}

#[test]
fn the_ratchet_only_tightens() {
    let found = |lines, exception: Option<usize>| {
        let exceptions = exception.map(|lines| ("a.rs".to_owned(), lines)).into_iter().collect();
        check(&BTreeMap::from([("a.rs", lines)]), &exceptions).len()
    };
    assert_eq!(found(LINES_MAX, None), 0);
    assert_eq!(found(LINES_MAX + 1, None), 1, "too long");
    assert_eq!(found(500, Some(500)), 0, "a known exception");
    assert_eq!(found(501, Some(500)), 1, "an exception that grew");
    assert_eq!(found(499, Some(500)), 1, "an exception that shrank lowers its number");
    assert_eq!(found(LINES_MAX, Some(500)), 1, "an exception that fits leaves the list");
    assert_eq!(check(&BTreeMap::new(), &BTreeMap::from([("gone.rs".to_owned(), 500)])).len(), 1);
}

fn check(lines_of: &BTreeMap<&str, usize>, exceptions: &BTreeMap<String, usize>) -> Vec<String> {
    let too_long =
        lines_of.iter().filter(|(path, lines)| **lines > LINES_MAX && !exceptions.contains_key(**path));
    let too_long = too_long.map(|(path, lines)| format!("{path}: {lines} lines, the cap is {LINES_MAX}"));
    let stale = exceptions.iter().filter_map(|(path, &listed)| match lines_of.get(path.as_str()) {
        None => Some(format!("{EXCEPTIONS}: {path} is gone, remove its line")),
        Some(&lines) if lines <= LINES_MAX => Some(format!("{EXCEPTIONS}: {path} fits, remove its line")),
        Some(&lines) if lines != listed => Some(format!("{path}: {lines} lines, {EXCEPTIONS} says {listed}")),
        Some(_) => None,
    });
    too_long.chain(stale).collect()
}

/// Lines of `PATH LINES REASON`.
fn parse_exceptions(text: &str) -> BTreeMap<String, usize> {
    let lines = text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#'));
    lines
        .map(|line| {
            let mut words = line.splitn(3, ' ');
            let path = words.next().unwrap_or_default().to_owned();
            let lines = words.next().and_then(|lines| lines.parse().ok());
            let reason = words.next().is_some_and(|reason| reason.len() > 10);
            assert!(reason, "{EXCEPTIONS}: no reason in: {line}");
            (path, lines.unwrap_or_else(|| panic!("{EXCEPTIONS}: no number of lines in: {line}")))
        })
        .collect()
}

fn median(files: &[SourceFile]) -> usize {
    let mut sizes: Vec<_> = files.iter().map(|file| file.text.lines().count()).collect();
    sizes.sort_unstable();
    sizes.get(sizes.len() / 2).copied().unwrap_or_default()
}
