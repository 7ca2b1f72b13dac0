use std::time::Duration;

use harness::RawStream;
use tokio::net::TcpListener;

const PATIENCE: Duration = Duration::from_mins(1);

async fn pair() -> (RawStream, RawStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let ours = RawStream::connect(listener.local_addr().expect("bound").port()).await.expect("it listens");
    let (accepted, _) = listener.accept().await.expect("a connection");
    (ours, RawStream::new(accepted))
}

#[tokio::test]
async fn a_read_takes_all_that_came_and_the_next_one_waits_for_more() {
    let (mut ours, mut theirs) = pair().await;
    theirs.send("<a/><b/>").await.unwrap();
    assert_eq!(ours.read_until_contains(PATIENCE, "<b/>").await.unwrap(), "<a/><b/>");
    theirs.send([b'<', b'c', 0xFF]).await.unwrap();
    assert_eq!(ours.read_until(PATIENCE, |text| text.chars().count() == 3).await.unwrap(), "<c\u{FFFD}");
}

#[tokio::test]
async fn what_came_is_shown_when_the_wait_ends() {
    let (mut ours, mut theirs) = pair().await;
    theirs.send("<half").await.unwrap();
    let late = ours.read_until_contains(Duration::from_millis(100), "</half>").await.unwrap_err();
    assert!(format!("{late:#}").contains("received: <half"), "{late:#}");
    drop(theirs);
    let closed = ours.read_until_contains(PATIENCE, "</half>").await.unwrap_err();
    assert!(format!("{closed:#}").contains("the peer closed; received: <half"), "{closed:#}");
}

#[tokio::test]
async fn the_close_of_the_peer_is_seen() {
    let (mut ours, mut theirs) = pair().await;
    assert!(ours.read_to_close(Duration::from_millis(50)).await.is_err(), "still open");
    theirs.send("bye").await.unwrap();
    drop(theirs);
    assert_eq!(ours.read_to_close(PATIENCE).await.unwrap(), "bye");
}
