use std::time::Duration;

use harness::{wait_until, whole_lines};

#[tokio::test]
async fn the_answer_is_returned_as_soon_as_it_is_there() {
    let mut asked = 0;
    let answer = wait_until("three", Duration::from_mins(1), async || {
        asked += 1;
        (asked == 3).then_some(asked)
    });
    assert_eq!(answer.await.unwrap(), 3);
}

#[tokio::test]
async fn the_wait_is_bounded_and_says_for_what_it_was() {
    let error = wait_until("godot", Duration::from_millis(100), async || None::<()>).await.unwrap_err();
    assert!(error.to_string().contains("godot"), "{error}");
}

#[test]
fn a_line_is_there_once_its_end_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lines");
    assert_eq!(whole_lines(&path), [""; 0], "there is no such file");
    for (written, whole) in [("", &[][..]), ("a", &[]), ("a\n", &["a"]), ("a\nb\nc", &["a", "b"])] {
        std::fs::write(&path, written).unwrap();
        assert_eq!(whole_lines(&path), whole, "{written:?}");
    }
}
