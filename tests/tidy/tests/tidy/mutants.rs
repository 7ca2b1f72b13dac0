//! What mutation testing has tried, and the list of changes to the code that no test notices (`tests/mutants`): each with a
//! reason, once, and of files that there are.

use std::collections::BTreeSet;

use crate::assert_none;

const SURVIVORS: &str = "tests/mutants/survivors.txt";
const TRIED: &str = "tests/mutants/tried.txt";

#[test]
fn each_survivor_is_judged() {
    let listed = tidy::read(SURVIVORS).expect("the list exists");
    assert_none("survivors of mutation testing", &check(&listed, |path| tidy::read(path).is_ok()));
}

#[test]
fn what_was_tried_is_told_of_each_file_once() {
    let tried = tidy::read(TRIED).expect("the list exists");
    assert_none("files tried by mutation testing", &check_tried(&tried, |path| tidy::read(path).is_ok()));
}

#[test]
fn a_survivor_is_a_file_a_change_and_a_reason() {
    let found = |line: &str| check(line, |path| path == "a.rs").len();
    assert_eq!(found("# a remark\n\na.rs: replace f -> bool with true  # nothing asks\n"), 0);
    assert_eq!(found("a.rs: replace f -> bool with true"), 1, "no reason");
    assert_eq!(found("a.rs: replace f -> bool with true  # "), 1, "an empty one");
    assert_eq!(found("b.rs: replace f -> bool with true  # nothing asks"), 1, "no such file");
    assert_eq!(found("a.rs:7:3: replace f -> bool with true  # nothing asks"), 1, "lines move");
    let twice =
        "a.rs: replace f -> bool with true  # nothing asks\na.rs: replace f -> bool with true  # nor here\n";
    assert_eq!(found(twice), 1, "twice");
}

#[test]
fn a_file_tried_is_a_hash_and_four_numbers() {
    let hash = "0123456789abcdef0123456789abcdef01234567";
    let found = |line: &str| check_tried(&line.replace("HASH", hash), |path| path == "a.rs").len();
    assert_eq!(found("# a remark\na.rs HASH 9 2 1 0\n"), 0);
    assert_eq!(found("a.rs 0123 9 2 1 0"), 1, "no hash of git's");
    assert_eq!(found("a.rs HASH 9 2 1"), 1, "a number too few");
    assert_eq!(found("a.rs HASH 9 2 1 2"), 1, "more that are not judged than there are");
    assert_eq!(found("a.rs HASH 9 2 8 0"), 1, "more than were tried");
    assert_eq!(found("b.rs HASH 9 2 1 0"), 1, "no such file");
    assert_eq!(found("a.rs HASH 9 2 1 0\na.rs HASH 9 2 1 0"), 1, "twice");
}

fn check(listed: &str, is_file: impl Fn(&str) -> bool) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let is_sound = |line: &&str| {
        let judged = line.split_once("  # ").filter(|(_, reason)| !reason.trim().is_empty());
        judged.is_some_and(|(change, _)| {
            change.split_once(": ").is_some_and(|(path, _)| is_file(path)) && seen.insert(change.to_owned())
        })
    };
    unsound(listed, is_sound)
}

fn check_tried(tried: &str, is_file: impl Fn(&str) -> bool) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let is_sound = |line: &&str| {
        let [path, hash, numbers @ ..] = &*line.split(' ').collect::<Vec<_>>() else { return false };
        let numbers: Vec<u32> = numbers.iter().filter_map(|number| number.parse().ok()).collect();
        let is_whole = |[changes, refused, missed, unjudged]: [u32; 4]| {
            refused + missed <= changes && unjudged <= missed
        };
        let is_hash = hash.len() == 40 && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_hash && is_file(path) && seen.insert((*path).to_owned()) && numbers.try_into().is_ok_and(is_whole)
    };
    unsound(tried, is_sound)
}

fn unsound(text: &str, mut is_sound: impl FnMut(&&str) -> bool) -> Vec<String> {
    let entries = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    entries.filter(|line| !is_sound(line)).map(str::to_owned).collect()
}
