use harness::Daemon;

use crate::peers::{
    TO_US, XmppPeer, attached, impatient, init, metric, on_prosody, prosody, wait_for_log, wait_not_ready,
};

#[tokio::test]
async fn a_second_daemon_of_the_domain_says_that_it_is_one_and_takes_over_when_the_first_leaves() {
    let (prosody, mut first) = on_prosody().await;
    let mut second = init(prosody.component_port()).await;
    impatient(&mut second);
    second.start().unwrap();
    let reason = wait_not_ready(&second, "conflict").await;
    assert!(reason.contains("another connection holds the domain"), "what can be done: {reason}");

    let mut alice = XmppPeer::user(&prosody, "alice").await;
    assert_eq!(alice.ask("", TO_US).await, []);
    assert_eq!(reconnects(&first).await, 0, "the first goes on");

    assert!(first.terminate().await.unwrap().success());
    second.wait_ready().await.unwrap();
    assert_eq!(alice.ask("", TO_US).await, []);
}

#[tokio::test]
async fn a_daemon_that_is_replaced_says_so_and_does_not_push_back_at_once() {
    let mut prosody = prosody().global_options("component_conflict_resolve = \"kick_old\"");
    prosody.start().await.unwrap();
    let mut first = init(prosody.component_port()).await;
    // Only the replaced one waits as long as this.
    first.set_env("STANZABUS_LIMITS__LINK_BACKOFF_MS_MIN", "1");
    first.set_env("STANZABUS_LIMITS__LINK_BACKOFF_MS_MAX", "4000");
    first.start().unwrap();
    first.wait_ready().await.unwrap();

    let mut second = attached(prosody.component_port()).await;
    wait_for_log(&first, "Replaced by a new connection", 1).await;
    let mut alice = XmppPeer::user(&prosody, "alice").await;
    assert_eq!(alice.ask("", TO_US).await, []);

    second.kill9().await.unwrap();
    first.wait_ready().await.unwrap();
    assert_eq!(reconnects(&first).await, 1, "it has come back once");
    assert_eq!(alice.ask("", TO_US).await, []);
}

async fn reconnects(daemon: &Daemon) -> u64 {
    metric(daemon, "stanzabus_link_reconnects_total").await
}
