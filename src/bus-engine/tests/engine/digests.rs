//! Digests: several events in one message (XEP-0060 §16.4.2).

use bus_domain::bounce::BounceClass;
use bus_domain::{OptionSetting, subscribe};
use bus_engine::{EngineLimits, Settings, Verb};

use crate::fixture::{Bus, jid};

const B: &str = "b@example.org";
const LAGGING: &str = "(SELECT count(*) FROM lagging)";
const CURSOR: &str = "(SELECT coalesce(max(seq), 0) FROM cursors)";

/// A node with the subscriber a, and b who wants digests, after a time in which all of a test is published.
async fn bus() -> Bus {
    let engine = EngineLimits {
        lagging_backoff_ms_min: 50,
        lagging_backoff_ms_max: 50,
        lagging_quiet_ms: 20,
        cursor_interval_ms: 20,
        ..EngineLimits::default()
    };
    let bus = Bus::start_with(Settings { engine, ..Settings::default() }).await;
    bus.create("n").await;
    bus.subscribe("n", "a").await;
    let options = vec![OptionSetting::Digest(true), OptionSetting::DigestFrequencyMs(Some(4_000))];
    let request = subscribe::Request { jid: jid("b"), options };
    bus.run("b", "n", Verb::Subscribe(request)).await.expect("a subscription");
    bus
}

#[tokio::test]
async fn fifty_events_within_the_time_are_one_message_and_one_row() {
    let bus = bus().await;
    let mut leg = bus.attach();
    leg.up().await;
    for number in 0..50 {
        bus.publish("n", &[&number.to_string()]).await;
    }
    assert!(leg.take(50).await.iter().all(|(_, _, recipient)| recipient != B), "a's come first");
    bus.until_stored(LAGGING, 1).await;
    assert_eq!(leg.take(1).await, [(50, 0, B.to_owned())]);
    assert_eq!(bus.engine.statistics().snapshot().notifications_sent, 51);
    leg.prove().await;
    bus.until_stored(LAGGING, 0).await;
    bus.until_stored(CURSOR, 50).await;
    assert_eq!(leg.detach().await, []);
}

#[tokio::test]
async fn a_digest_that_was_not_sent_outlives_the_process() {
    let bus = bus().await;
    let mut leg = bus.attach();
    leg.up().await;
    bus.publish("n", &["1", "2"]).await;
    leg.take(2).await;
    leg.prove().await;
    bus.until_stored(CURSOR, 2).await;
    assert_eq!(bus.stored(LAGGING).await, 1, "it was there before the cursor");
    drop(leg.detach().await);
    let bus = bus.restart().await;
    let mut leg = bus.attach();
    leg.up().await;
    assert_eq!(leg.take(1).await, [(2, 0, B.to_owned())]);
    leg.prove().await;
    bus.until_stored(LAGGING, 0).await;
}

#[tokio::test]
async fn a_digest_that_comes_back_is_sent_again_whole() {
    let bus = bus().await;
    let mut leg = bus.attach();
    leg.up().await;
    bus.publish("n", &["1", "2", "3"]).await;
    assert_eq!(leg.take(4).await[3], (3, 0, B.to_owned()));
    leg.bounce(3, B, BounceClass::Retry).await;
    leg.prove().await;
    assert_eq!(leg.take(1).await, [(3, 0, B.to_owned())]);
    leg.prove().await;
    bus.until_stored(LAGGING, 0).await;
}
