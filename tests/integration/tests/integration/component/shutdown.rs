use crate::peers::{FROM_ALICE, PATIENCE, on_script, wait_for_log};

#[tokio::test]
async fn a_terminated_daemon_closes_its_stream_and_ends_with_status_0() {
    let (_server, mut daemon, mut peer) = on_script().await;
    assert_eq!(peer.ask("", FROM_ALICE).await, []);
    let mut stream = peer.into_stream();
    let farewell = async {
        stream.read_until_contains(PATIENCE, "</stream:stream>").await.unwrap();
        stream.send("</stream:stream>").await.unwrap();
        stream.read_to_close(PATIENCE).await.unwrap()
    };
    let (status, rest) = tokio::join!(daemon.terminate(), farewell);
    assert!(status.unwrap().success());
    assert_eq!(rest, "", "nothing follows the end of the stream");
}

#[tokio::test]
async fn a_daemon_that_is_terminated_while_the_server_is_away_ends_with_status_0() {
    let (server, mut daemon, peer) = on_script().await;
    drop((server, peer));
    wait_for_log(&daemon, "no XMPP link: ", 1).await;
    assert!(daemon.terminate().await.unwrap().success());
}
