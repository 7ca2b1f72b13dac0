use std::collections::HashMap;

use bus_domain::bounce::BounceClass::{self, Failing, Gone, Ignored, Retry};
use bus_domain::{Actor, Affiliation, Epoch, Jid, Role, SubscriptionId};
use bus_engine::{AdvisoryAbout, AdvisoryFrame, EngineLimits, EventRef, MessageRef, Settings};
use futures::FutureExt as _;

use crate::fixture::{Bus, Leg, bare, name};

const A: &str = "a@example.org";
const B: &str = "b@example.org";
const DAY_MS: i64 = 24 * 60 * 60 * 1_000;
const LAGGING: &str = "(SELECT count(*) FROM lagging)";
const FAILING: &str = "(SELECT count(*) FROM subscriptions WHERE failing_since_ms IS NOT NULL)";
const PARKED: &str = "(SELECT count(*) FROM subscriptions WHERE parked_at_ms IS NOT NULL)";

fn settings(backoff_ms: u64) -> Settings {
    let engine = EngineLimits {
        lagging_backoff_ms_min: backoff_ms,
        lagging_backoff_ms_max: backoff_ms,
        lagging_quiet_ms: 20,
        cursor_interval_ms: 20,
        ..EngineLimits::default()
    };
    Settings { engine, ..Settings::default() }
}

/// A node with the subscribers a and b, and a leg that is up.
async fn bus(backoff_ms: u64) -> (Bus, Leg) {
    let bus = Bus::start_with(settings(backoff_ms)).await;
    bus.create("n").await;
    bus.subscribe("n", "a").await;
    bus.subscribe("n", "b").await;
    let leg = bus.attach();
    leg.up().await;
    (bus, leg)
}

/// (seq, after) per recipient of the next so many, each proven at once.
async fn take(leg: &mut Leg, count: usize) -> HashMap<String, Vec<(u64, u64)>> {
    let mut taken: HashMap<String, Vec<(u64, u64)>> = HashMap::new();
    for _ in 0..count {
        let (_, seq, after, recipient) = leg.next().await;
        leg.prove().await;
        taken.entry(recipient).or_default().push((seq, after));
    }
    taken
}

#[tokio::test]
async fn what_is_not_now_is_sent_again_in_order_and_without_a_hole() {
    let (bus, mut leg) = bus(50).await;
    bus.publish("n", &["1", "2", "3"]).await;
    leg.take(6).await;
    leg.bounce(2, A, Retry).await;
    leg.bounce(3, A, Retry).await;
    leg.prove().await;
    bus.until_stored(LAGGING, 1).await;
    bus.publish("n", &["4"]).await;
    let taken = take(&mut leg, 4).await;
    assert_eq!(taken[A], [(2, 1), (3, 2), (4, 3)]);
    assert_eq!(taken[B], [(4, 3)]);
    leg.prove().await;
    bus.until_stored(LAGGING, 0).await;
    bus.publish("n", &["5"]).await;
    assert_eq!(take(&mut leg, 2).await.len(), 2, "both follow the cursor");
    assert_eq!(bus.engine.statistics().snapshot().bounces_retried, 2);
}

#[tokio::test]
async fn who_lags_goes_on_lagging_after_a_restart() {
    // Nothing is sent again before the restart.
    let (bus, mut leg) = bus(60_000).await;
    bus.publish("n", &["1", "2"]).await;
    leg.take(4).await;
    leg.bounce(2, A, Retry).await;
    leg.prove().await;
    bus.until_stored("(SELECT seq FROM cursors)", 2).await;
    bus.publish("n", &["3"]).await;
    assert_eq!(take(&mut leg, 1).await[B], [(3, 2)]);
    leg.prove().await;
    leg.detach().await;
    assert_eq!(bus.stored("(SELECT seq FROM lagging)").await, 1, "through 1");
    assert_eq!(bus.stored("(SELECT seq FROM cursors)").await, 3);

    // The clock goes back by a year: the wait is none the longer for it.
    bus.clock.advance(-365 * DAY_MS);
    let bus = bus.restart_with(settings(100)).await;
    let mut leg = bus.attach();
    leg.up().await;
    assert_eq!(take(&mut leg, 2).await[A], [(2, 1), (3, 2)]);
    bus.publish("n", &["4"]).await;
    assert_eq!(take(&mut leg, 2).await.len(), 2);
    leg.prove().await;
    bus.until_stored(LAGGING, 0).await;
    assert_eq!(leg.detach().await, []);
}

#[tokio::test]
async fn a_ban_holds_for_who_lags_too() {
    // The ban comes before anything is sent again.
    let (bus, mut leg) = bus(2_000).await;
    bus.publish("n", &["1"]).await;
    leg.take(2).await;
    leg.bounce(1, A, Retry).await;
    bus.until_stored(LAGGING, 1).await;
    bus.affiliate("n", "a", Affiliation::Outcast).await;
    leg.prove_until(&bus, LAGGING, 0).await;
    bus.publish("n", &["2"]).await;
    assert_eq!(take(&mut leg, 1).await[B], [(2, 1)]);
    assert_eq!(leg.detach().await, []);
}

#[tokio::test]
async fn over_the_bound_nothing_is_sent_again_and_the_gap_is_seen() {
    let mut settings = settings(60_000);
    settings.engine.lagging_subscriptions_max = 1;
    let bus = Bus::start_with(settings).await;
    bus.create("n").await;
    bus.subscribe("n", "a").await;
    bus.subscribe("n", "b").await;
    let mut leg = bus.attach();
    leg.up().await;
    bus.publish("n", &["1"]).await;
    leg.take(2).await;
    leg.bounce(1, A, Retry).await;
    bus.until_stored(LAGGING, 1).await;
    leg.bounce(1, B, Retry).await;
    bus.until_stored(FAILING, 2).await;
    assert_eq!(bus.stored(LAGGING).await, 1);
    bus.publish("n", &["2"]).await;
    assert_eq!(take(&mut leg, 1).await[B], [(2, 1)]);
}

/// What a leg sends back on one day, and whether the subscription is parked then.
async fn fail(bus: &Bus, leg: &mut Leg, class: BounceClass, days: i64) {
    bus.clock.advance(days * DAY_MS);
    let seq = bus.publish("n", &[""]).await.first_seq;
    take(leg, 2).await;
    leg.bounce(seq, A, class).await;
    let seq = i64::try_from(seq).expect("a small number");
    bus.until_stored("(SELECT coalesce(max(failed_seq), 0) FROM subscriptions)", seq).await;
}

#[tokio::test]
async fn failures_of_a_week_park_and_subscribing_again_revives() {
    let (bus, mut leg) = bus(50).await;
    let before = bus.subscribe("n", "a").await;
    for days in [0, 3, 3] {
        fail(&bus, &mut leg, Failing, days).await;
        assert_eq!(bus.stored(PARKED).await, 0);
    }
    fail(&bus, &mut leg, Failing, 1).await;
    bus.until_stored(PARKED, 1).await;
    assert_eq!(bus.engine.next_notice().now_or_never(), None, "no message follows one that came back");
    let admin = Actor::new(bare("admin"), Role::Admin);
    let mut advisories = bus.engine.advisories(&admin, true).unwrap();
    let AdvisoryFrame::Advisory(told) = advisories.next().await else { panic!("operators are told") };
    assert_eq!(told.about, AdvisoryAbout::SubscriptionParked { node: name("n"), jid: before.jid.clone() });
    bus.publish("n", &["5"]).await;
    assert_eq!(take(&mut leg, 1).await[B], [(5, 4)]);

    assert_eq!(bus.subscribe("n", "a").await, before, "subscribed as before");
    bus.publish("n", &["6"]).await;
    assert_eq!(take(&mut leg, 2).await[A], [(6, 5)], "5 is missing, and that shows");
    bus.until_stored(PARKED, 0).await;
    assert_eq!(bus.stored(FAILING).await, 0);
    assert_eq!(leg.detach().await, []);
}

#[tokio::test]
async fn a_delivery_in_between_ends_the_failures() {
    let (bus, mut leg) = bus(50).await;
    fail(&bus, &mut leg, Failing, 0).await;
    bus.publish("n", &["delivered"]).await;
    take(&mut leg, 2).await;
    fail(&bus, &mut leg, Failing, 30).await;
    fail(&bus, &mut leg, Gone, 0).await;
    assert_eq!(bus.stored(PARKED).await, 0);
    fail(&bus, &mut leg, Gone, 1).await;
    bus.until_stored(PARKED, 1).await;
}

#[tokio::test]
async fn a_sign_of_life_ends_the_failures() {
    let (bus, mut leg) = bus(50).await;
    fail(&bus, &mut leg, Failing, 0).await;
    bus.subscribe("n", "a").await;
    assert_eq!(bus.stored(FAILING).await, 0);
    fail(&bus, &mut leg, Failing, 30).await;
    assert_eq!(bus.stored(PARKED).await, 0);
}

#[tokio::test]
async fn who_is_not_now_for_a_week_is_parked_and_holds_nothing_back() {
    let (bus, mut leg) = bus(50).await;
    bus.publish("n", &["1"]).await;
    take(&mut leg, 2).await;
    leg.bounce(1, A, Retry).await;
    bus.until_stored(LAGGING, 1).await;
    bus.clock.advance(7 * DAY_MS);
    assert_eq!(take(&mut leg, 1).await[A], [(1, 0)], "again");
    leg.bounce(1, A, Retry).await;
    bus.until_stored(PARKED, 1).await;
    bus.until_stored(LAGGING, 0).await;
}

#[tokio::test]
async fn what_does_not_fit_its_subscription_is_forged_and_changes_nothing() {
    let (bus, mut leg) = bus(50).await;
    bus.publish("n", &["1"]).await;
    take(&mut leg, 2).await;
    let own = leg.message(1, A);
    let event = own.event;
    let jid = |text: &str| Jid::new(text).unwrap();
    for (message, from) in [
        (own, jid(B)),
        (own, jid("example.org")),
        (leg.message(1, B), jid(A)),
        (MessageRef { event: EventRef { epoch: Epoch(event.epoch.0 ^ 1), ..event }, ..own }, jid(A)),
    ] {
        leg.bounce_as(message, from, Retry).await;
    }
    let beyond_the_log = MessageRef { event: EventRef { seq: 2, ..event }, ..own };
    leg.bounce_as(beyond_the_log, jid(A), Retry).await;
    let unknown = MessageRef { subscription: SubscriptionId(99), ..own };
    leg.bounce_as(unknown, jid(A), Retry).await;
    leg.bounce_as(own, jid("a@example.org/phone"), Failing).await;
    leg.bounce(1, A, Ignored).await;
    leg.bounce(1, B, Failing).await;
    bus.until_stored(FAILING, 1).await;
    assert_eq!(bus.stored(LAGGING).await, 0);
    let counted = bus.engine.statistics().snapshot();
    assert_eq!((counted.bounces_forged, counted.bounces_ignored, counted.bounces_failing), (5, 3, 1));
    assert_eq!(leg.detach().await, []);
}

#[tokio::test]
async fn the_same_bounce_again_and_again_counts_once() {
    let (bus, mut leg) = bus(60_000).await;
    bus.publish("n", &["1"]).await;
    take(&mut leg, 2).await;
    for _ in 0..1_000 {
        leg.bounce(1, A, Retry).await;
    }
    bus.until_stored(LAGGING, 1).await;
    leg.bounce(1, A, Retry).await;
    bus.publish("n", &["2"]).await;
    assert_eq!(take(&mut leg, 1).await[B], [(2, 1)], "nobody waits for it");
    leg.detach().await;
    assert_eq!(bus.stored("(SELECT max(attempts) FROM lagging)").await, 1);
}
