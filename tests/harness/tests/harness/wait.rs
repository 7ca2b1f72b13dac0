use std::time::Duration;

use harness::wait_until;

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
