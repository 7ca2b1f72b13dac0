use bus_domain::options::Request as SetOptions;
use bus_domain::subscribe::Request as Subscribe;
use bus_domain::unsubscribe::Unsubscribing;
use bus_domain::{
    AccessModel, Affiliation, BusError, Durability, Expire, Jid, NodeConfig, OptionSetting, Setting,
    SubscriptionState,
};
use bus_engine::{Clock as _, EngineLimits, Notice, NoticeAbout, Outcome, Settings, Verb};

use crate::fixture::{Bus, actor, bare, jid, name};

fn set_options(user: &str, setting: OptionSetting) -> Verb {
    Verb::SetOptions(SetOptions { jid: jid(user), sub_id: None, settings: vec![setting] })
}

fn leased(user: &str, expires_at_ms: i64) -> Verb {
    let options = vec![OptionSetting::Expire(Expire::AtMs(expires_at_ms))];
    Verb::Subscribe(Subscribe { jid: jid(user), options })
}

async fn next_state(bus: &Bus) -> (Jid, Option<SubscriptionState>) {
    match bus.engine.next_notice().await {
        Notice { to, about: NoticeAbout::State { state, .. }, .. } => (to, state),
        other => panic!("{other:?}"),
    }
}

/// The recipients of an event, as (position, position before it).
async fn delivered(bus: &Bus, leg: &mut crate::fixture::Leg, item: &str) -> Vec<(u64, u64, String)> {
    bus.publish("n", &[item]).await;
    leg.take(1).await
}

fn to(user: &str) -> String {
    jid(user).to_string()
}

#[tokio::test]
async fn who_is_silent_gets_nothing_and_sees_no_gap_afterwards() {
    for durability in [Durability::Fsync, Durability::Memory] {
        let bus = Bus::start().await;
        let persist_items = durability != Durability::Memory;
        bus.create_with("n", NodeConfig { durability, persist_items, ..NodeConfig::default() }).await;
        bus.subscribe("n", "a").await;
        bus.subscribe("n", "b").await;
        let mut leg = bus.attach();
        leg.up().await;
        bus.publish("n", &["1"]).await;
        assert_eq!(leg.take(2).await, [(1, 0, to("a")), (1, 0, to("b"))], "{durability:?}");
        bus.run("a", "n", set_options("a", OptionSetting::Deliver(false))).await.unwrap();
        assert_eq!(delivered(&bus, &mut leg, "2").await, [(2, 1, to("b"))], "{durability:?}");
        bus.run("a", "n", set_options("a", OptionSetting::Deliver(true))).await.unwrap();
        bus.publish("n", &["3"]).await;
        let mut seen = leg.take(2).await;
        seen.sort();
        assert_eq!(seen, [(3, 2, to("a")), (3, 2, to("b"))], "{durability:?}: 2 was not wanted");
        assert_eq!(leg.detach().await, []);
    }
}

#[tokio::test]
async fn a_lease_that_is_renewed_loses_nothing() {
    for durability in [Durability::Fsync, Durability::Memory] {
        let bus = Bus::start().await;
        let persist_items = durability != Durability::Memory;
        bus.create_with("n", NodeConfig { durability, persist_items, ..NodeConfig::default() }).await;
        let now_ms = bus.clock.now_ms();
        bus.run("a", "n", leased("a", now_ms + 60_000)).await.unwrap();
        bus.subscribe("n", "b").await;
        bus.publish("n", &["1"]).await;
        let renewal = OptionSetting::Expire(Expire::AtMs(now_ms + 120_000));
        bus.run("a", "n", set_options("a", renewal)).await.unwrap();
        let mut leg = bus.attach();
        leg.up().await;
        assert_eq!(leg.take(2).await, [(1, 0, to("a")), (1, 0, to("b"))], "{durability:?}");
    }
}

#[tokio::test]
async fn a_lease_that_is_over_ends_the_subscription_and_is_told() {
    let engine = EngineLimits { retention_interval_ms: 1, ..EngineLimits::default() };
    let mut bus = Bus::start_with(Settings { engine, ..Settings::default() }).await;
    bus.create("n").await;
    bus.run("a", "n", leased("a", bus.clock.now_ms() + 60_000)).await.unwrap();
    bus.run("b", "n", leased("b", bus.clock.now_ms() + 600_000)).await.unwrap();
    let mut leg = bus.attach();
    leg.up().await;
    bus.clock.jump(60);
    assert_eq!(delivered(&bus, &mut leg, "1").await, [(1, 0, to("b"))], "over, whether or not it was ended");
    let options = bus
        .engine
        .subscription(&actor("a"), &name("n"), &jid("a"), &None)
        .await
        .map(|(_, subscription)| subscription);
    assert_eq!(options, Err(BusError::NoOptions));
    bus.retain();
    assert_eq!(next_state(&bus).await, (jid("a"), None));
    bus.until("one lease ended", |read| read.leases_ended == 1).await;
    assert_eq!(bus.stored("(SELECT subscription_count FROM heads)").await, 1);
    assert_eq!(bus.stored("(SELECT count(*) FROM subscriptions)").await, 1);
    let again = bus.run("a", "n", Verb::Subscribe(jid("a").into())).await.unwrap();
    let Outcome::Subscribed { subscription: again, .. } = again else { panic!("{again:?}") };
    assert_eq!((again.since_seq, again.options.expires_at_ms), (1, None));
}

#[tokio::test]
async fn one_address_gets_an_event_once_for_all_of_its_subscriptions() {
    let bus = Bus::start().await;
    bus.create_with("n", NodeConfig { multi_subscribe: true, ..NodeConfig::default() }).await;
    let first = bus.subscribe("n", "a").await;
    bus.publish("n", &["1"]).await;
    let second = bus.subscribe("n", "a").await;
    assert_ne!((first.sub_id, first.id), (second.sub_id, second.id));
    bus.publish("n", &["2"]).await;
    let unsubscribe = |sub_id: bus_domain::SubscriptionId| {
        Verb::Unsubscribe(Unsubscribing { jid: jid("a"), sub_id: Some(sub_id.0.to_string()) })
    };
    bus.run("a", "n", unsubscribe(first.sub_id.unwrap())).await.unwrap();
    bus.publish("n", &["3"]).await;
    let mut leg = bus.attach();
    leg.up().await;
    // What came before the first one ended was still due to it, and it is gone.
    assert_eq!(leg.take(2).await, [(2, 1, to("a")), (3, 2, to("a"))]);
    bus.subscribe("n", "a").await;
    bus.publish("n", &["4"]).await;
    assert_eq!(leg.take(1).await, [(4, 3, to("a"))]);
    // A node that gives no more of them keeps those that it gave.
    let settings = vec![Setting::MultiSubscribe(false)];
    bus.run("owner", "n", Verb::Configure(settings)).await.unwrap();
    assert_eq!(bus.subscribe("n", "a").await.sub_id, second.sub_id);
    bus.publish("n", &["5"]).await;
    assert_eq!(leg.take(1).await, [(6, 4, to("a"))]);
    assert_eq!(leg.detach().await, []);
}

#[tokio::test]
async fn what_came_before_the_end_of_a_lease_is_delivered_first() {
    let engine = EngineLimits { retention_interval_ms: 1, cursor_interval_ms: 1, ..EngineLimits::default() };
    let mut bus = Bus::start_with(Settings { engine, ..Settings::default() }).await;
    bus.create("n").await;
    bus.create("quiet").await;
    bus.run("a", "n", leased("a", bus.clock.now_ms() + 60_000)).await.unwrap();
    bus.run("b", "quiet", leased("b", bus.clock.now_ms() + 60_000)).await.unwrap();
    bus.publish("n", &["1"]).await;
    bus.clock.jump(60);
    bus.retain();
    bus.until("the lease without events ended", |read| read.leases_ended == 1).await;
    let mut leg = bus.attach();
    leg.up().await;
    assert_eq!(leg.take(1).await, [(1, 0, to("a"))]);
    leg.prove().await;
    bus.until("the other one, too", |read| read.leases_ended == 2).await;
}

#[tokio::test]
async fn owners_hear_of_whom_they_have_approved() {
    let bus = Bus::start().await;
    let config =
        NodeConfig { access_model: AccessModel::Authorize, notify_sub: true, ..NodeConfig::default() };
    bus.create_with("n", config).await;
    bus.run("a", "n", Verb::Subscribe(jid("a").into())).await.unwrap();
    assert!(matches!(bus.engine.next_notice().await.about, NoticeAbout::Approval(_)));
    bus.affiliate("n", "a", Affiliation::Member).await;
    let state = Some(SubscriptionState::Subscribed);
    assert_eq!(next_state(&bus).await, (jid("a"), state));
    assert_eq!(next_state(&bus).await, (bare("owner").into(), state));
}
