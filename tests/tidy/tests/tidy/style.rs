//! Habits that a reader would object to, found line by line.
//!
//! What is looked for is written with `concat!`, so that this file does not find itself.

use tidy::SourceFile;

use crate::assert_none;

/// Calls and attributes that have no place, each with what to do instead.
const BANNED_IN_RUST: &[(&str, &str)] = &[
    (concat!("#[ig", "nore"), "a test that does not run is deleted or mended"),
    (concat!("to", "do!("), "finish it, or leave it out"),
    (concat!("unbounded_", "channel("), "everything is bounded"),
    (concat!("#[al", "low("), "#[expect(…, reason = …)] dies when it is stale"),
];

/// Folders of one developer's machine.
const MACHINE_PATHS: &[&str] =
    &[concat!("/ho", "me/"), concat!("/ro", "ot/"), concat!("/wo", "rk/"), concat!("/Us", "ers/")];

#[test]
fn banned_calls_and_attributes_stay_out() {
    assert_none("banned", &findings(&tidy::rust_files(), banned));
}

#[test]
fn comments_have_no_banners() {
    assert_none("banner comments", &findings(&tidy::rust_files(), banner));
}

#[test]
fn code_is_deleted_instead_of_commented_out() {
    assert_none("commented-out code", &findings(&tidy::rust_files(), commented_out_code));
}

#[test]
fn nothing_names_a_path_of_one_machine() {
    assert_none("paths of one machine", &findings(&tidy::text_files(), machine_path));
}

#[test]
fn the_rules_themselves_catch_what_they_forbid() {
    let check = |rule: fn(&str) -> Option<&'static str>, line: &str, expected: bool| {
        assert_eq!(rule(line).is_some(), expected, "{line}");
    };
    check(banned, concat!("    #[ig", "nore = \"slow\"]"), true);
    check(banner, concat!("//", "=========="), true);
    check(banner, concat!("    // ", "---- helpers ----"), true);
    check(banner, "/// | column | column |", false);
    check(banner, "// a dash - or two -- in a sentence", false);
    check(commented_out_code, concat!("// let", " x = 1;"), true);
    check(commented_out_code, concat!("    // fn", " old(a: u8) {"), true);
    check(commented_out_code, concat!("// store.commit(batch)", ".await?;"), true);
    check(commented_out_code, "// let the server answer first;", false);
    check(commented_out_code, "// it is slow (24 µs), so it runs once;", false);
    check(commented_out_code, "/// let example = documented();", false);
    check(machine_path, concat!("see /ho", "me/someone/notes"), true);
    check(machine_path, concat!("see https://example.org/ho", "me/page"), false);
}

fn findings(files: &[SourceFile], rule: fn(&str) -> Option<&'static str>) -> Vec<String> {
    let lines =
        files.iter().flat_map(|file| file.numbered_lines().map(|(number, line)| (&file.path, number, line)));
    lines
        .filter_map(|(path, number, line)| {
            rule(line).map(|advice| format!("{path}:{number}: {} ({advice})", line.trim()))
        })
        .collect()
}

fn banned(line: &str) -> Option<&'static str> {
    BANNED_IN_RUST.iter().find(|(text, _)| line.contains(text)).map(|(_, advice)| *advice)
}

fn banner(line: &str) -> Option<&'static str> {
    let comment = line.trim_start().strip_prefix("//")?.trim_start_matches(['/', '!', ' ']);
    let first = comment.chars().next().filter(|first| "=-*#~+─═".contains(*first))?;
    let run = comment.chars().take_while(|character| *character == first).count();
    (run >= 4).then_some("a module or a function makes a better heading")
}

fn commented_out_code(line: &str) -> Option<&'static str> {
    let comment = line.trim_start().strip_prefix("// ")?.trim();
    let declaration =
        ["let ", "fn ", "pub ", "use ", "impl ", "mod "].iter().any(|word| comment.starts_with(word));
    let ends_like_code = comment.ends_with(';') || comment.ends_with('{');
    let reads_like_code = comment.contains(" = ") || comment.contains("::") || has_call(comment);
    let is_code = ends_like_code && reads_like_code
        || declaration && ends_like_code && !comment.contains(", ") && has_call(comment);
    is_code.then_some("version control remembers it")
}

/// Whether a name is followed by `(` without a space, as in no sentence.
fn has_call(text: &str) -> bool {
    text.as_bytes()
        .windows(2)
        .any(|pair| pair[1] == b'(' && (pair[0].is_ascii_alphanumeric() || pair[0] == b'_'))
}

fn machine_path(line: &str) -> Option<&'static str> {
    let starts_here = |at: usize| {
        !line[..at].ends_with(|before: char| before.is_alphanumeric() || "._-}/".contains(before))
    };
    let found = MACHINE_PATHS.iter().any(|path| line.match_indices(path).any(|(at, _)| starts_here(at)));
    found.then_some("it exists on one machine only")
}
