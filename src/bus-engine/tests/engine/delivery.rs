use bus_domain::{AccessModel, Actor, Affiliation, NodeConfig, Role};
use bus_engine::{Command, DeliveryInput, EngineLimits, Settings, Verb};

use crate::fixture::{Bus, bare, jid, name, retract_verb};

fn to(user: &str) -> String {
    format!("{user}@example.org")
}

#[tokio::test]
async fn subscribers_hear_of_events_in_order_with_the_one_before() {
    let bus = Bus::start().await;
    bus.create("n").await;
    let mut leg = bus.attach();
    leg.up().await;
    bus.publish("n", &["before"]).await;
    bus.subscribe("n", "a").await;
    bus.subscribe("n", "b").await;
    bus.publish("n", &["1", "2"]).await;
    let expected = [(2, 1, to("a")), (2, 1, to("b")), (3, 2, to("a")), (3, 2, to("b"))];
    assert_eq!(leg.take(4).await, expected);
    assert_eq!(leg.detach().await, []);
}

#[tokio::test]
async fn a_silent_retract_leaves_no_gap_for_subscribers() {
    let bus = Bus::start().await;
    bus.create("n").await;
    bus.subscribe("n", "a").await;
    let mut leg = bus.attach();
    leg.up().await;
    bus.publish("n", &["1", "2"]).await;
    bus.run("owner", "n", retract_verb(&["1"], None)).await.unwrap();
    bus.publish("n", &["3"]).await;
    bus.run("owner", "n", retract_verb(&["2"], Some(true))).await.unwrap();
    let seen = leg.take(4).await;
    assert_eq!(seen, [(1, 0, to("a")), (2, 1, to("a")), (4, 2, to("a")), (5, 4, to("a"))]);
}

#[tokio::test]
async fn what_is_not_proven_comes_again_after_a_restart() {
    let bus = Bus::start().await;
    bus.create("n").await;
    bus.subscribe("n", "a").await;
    let mut leg = bus.attach();
    leg.up().await;
    bus.publish("n", &["1", "2"]).await;
    leg.take(2).await;
    leg.prove().await;
    bus.publish("n", &["3", "4"]).await;
    leg.take(2).await;
    leg.detach().await;

    let bus = bus.restart().await;
    let mut leg = bus.attach();
    leg.up().await;
    assert_eq!(leg.take(2).await, [(3, 2, to("a")), (4, 3, to("a"))]);
    bus.publish("n", &["5"]).await;
    assert_eq!(leg.take(1).await, [(5, 4, to("a"))]);
}

#[tokio::test]
async fn a_link_that_is_down_holds_nobody_up() {
    let engine = EngineLimits { recent_bytes_max: 1, log_page_events_max: 7, ..EngineLimits::default() };
    let bus = Bus::start_with(Settings { engine, ..Settings::default() }).await;
    bus.create("n").await;
    bus.subscribe("n", "a").await;
    let mut leg = bus.attach();
    leg.inputs.send(DeliveryInput::LinkDown).await.unwrap();
    for _ in 0..50 {
        bus.publish("n", &["", ""]).await;
    }
    leg.up().await;
    let seqs: Vec<u64> = leg.take(100).await.into_iter().map(|(seq, ..)| seq).collect();
    assert_eq!(seqs, (1..=100).collect::<Vec<_>>(), "read from the log: memory holds nothing");
}

#[tokio::test]
async fn the_banned_hear_nothing_and_the_gone_nothing_more() {
    let bus = Bus::start().await;
    bus.create("n").await;
    for user in ["a", "b", "c"] {
        bus.subscribe("n", user).await;
    }
    let mut leg = bus.attach();
    leg.up().await;
    bus.publish("n", &["1"]).await;
    leg.take(3).await;
    bus.affiliate("n", "a", Affiliation::Outcast).await;
    bus.run("b", "n", Verb::Unsubscribe(jid("b").into())).await.unwrap();
    bus.publish("n", &["2"]).await;
    assert_eq!(leg.take(1).await, [(2, 1, to("c"))]);
    assert_eq!(leg.detach().await, []);
}

#[tokio::test]
async fn a_deletion_is_told_and_then_leaves_nothing() {
    let bus = Bus::start().await;
    bus.create("n").await;
    bus.subscribe("n", "a").await;
    let mut leg = bus.attach();
    leg.up().await;
    bus.publish("n", &["1"]).await;
    bus.run("owner", "n", Verb::Delete(None)).await.unwrap();
    bus.create("n").await;
    bus.publish("n", &["1"]).await;
    assert_eq!(leg.take(2).await, [(1, 0, to("a")), (2, 1, to("a"))]);
    leg.prove().await;
    bus.until_reaped().await;
    assert_eq!(leg.detach().await, [], "the new node of that name has no subscribers");
}

#[tokio::test]
async fn an_admin_who_may_subscribe_to_a_closed_node_hears_of_it() {
    let settings = Settings { admins: [bare("admin")].into(), ..Settings::default() };
    let bus = Bus::start_with(settings).await;
    bus.create_with("n", NodeConfig { access_model: AccessModel::Whitelist, ..NodeConfig::default() }).await;
    let admin = Actor::new(bare("admin"), Role::Admin);
    let subscribe = Command { actor: admin, node: name("n"), verb: Verb::Subscribe(jid("admin").into()) };
    bus.engine.execute(subscribe).await.unwrap();
    let mut leg = bus.attach();
    leg.up().await;
    bus.publish("n", &["1"]).await;
    assert_eq!(leg.take(1).await, [(1, 0, to("admin"))]);
}
