//! The list of changes to the code that no test notices (`tests/mutants`): each with a reason, and of files that there are.

use crate::assert_none;

const SURVIVORS: &str = "tests/mutants/survivors.txt";

#[test]
fn each_survivor_is_judged() {
    let listed = tidy::read(SURVIVORS).expect("the list exists");
    assert_none("survivors of mutation testing", &check(&listed, |path| tidy::read(path).is_ok()));
}

#[test]
fn a_survivor_is_a_file_a_change_and_a_reason() {
    let found = |line: &str| check(line, |path| path == "a.rs").len();
    assert_eq!(found("# a remark\n\na.rs: replace f -> bool with true  # nothing asks\n"), 0);
    assert_eq!(found("a.rs: replace f -> bool with true"), 1, "no reason");
    assert_eq!(found("a.rs: replace f -> bool with true  # "), 1, "an empty one");
    assert_eq!(found("b.rs: replace f -> bool with true  # nothing asks"), 1, "no such file");
    assert_eq!(found("a.rs:7:3: replace f -> bool with true  # nothing asks"), 1, "lines move");
}

fn check(listed: &str, is_file: impl Fn(&str) -> bool) -> Vec<String> {
    let entries = listed.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let is_sound = |line: &&str| {
        let judged = line.split_once("  # ").filter(|(_, reason)| !reason.trim().is_empty());
        judged.and_then(|(change, _)| change.split_once(": ")).is_some_and(|(path, _)| is_file(path))
    };
    entries.filter(|line| !is_sound(line)).map(str::to_owned).collect()
}
