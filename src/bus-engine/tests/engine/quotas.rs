//! How much everybody may have, and how fast they may publish.

use std::time::Duration;

use bus_domain::quota::{Counted, Quota, Quotas, Scope};
use bus_domain::{
    AccessModel, Actor, Affiliation, BusError, Durability, LimitKind, NodeConfig, Payload, Role, publish,
};
use bus_engine::{Command, EngineLimits, Settings, Verb};

use crate::fixture::{Bus, bare, jid, name, publish_verb, retract_verb};

fn settings(quotas: Quotas) -> Settings {
    Settings { quotas, ..Settings::default() }
}

/// Ten items a second for an address, and as many at once.
fn slow() -> Settings {
    settings(Quotas { publishes_per_second_per_jid_max: 10, publish_burst_ms: 1_000, ..Quotas::default() })
}

fn too_fast(retry_after_ms: u64) -> BusError {
    BusError::LimitReached(LimitKind::PublishRate { scope: Scope::Jid, retry_after_ms })
}

#[tokio::test]
async fn who_publishes_too_fast_is_told_how_long_to_wait_and_costs_nothing() {
    let bus = Bus::start_with(slow()).await;
    bus.create("n").await;
    bus.publish("n", &["a"; 6]).await;
    let before = bus.engine.statistics().snapshot();
    assert_eq!(bus.run("owner", "n", publish_verb(&["b"; 5])).await, Err(too_fast(100)), "all or nothing");
    assert_eq!(bus.run("owner", "unknown", publish_verb(&["b"; 5])).await, Err(too_fast(100)));
    let after = bus.engine.statistics().snapshot();
    assert_eq!((after.commits, after.facts_loaded), (before.commits, before.facts_loaded));
    let quota = Quota { counted: Counted::Publishes, scope: Scope::Jid };
    assert_eq!(after.refused_by(quota), 2);
    bus.publish("n", &["c"; 4]).await;
    assert_eq!(bus.run("owner", "n", publish_verb(&["d"])).await, Err(too_fast(100)));
    bus.clock.advance(100);
    assert_eq!(bus.publish("n", &["d"]).await.first_seq, 11, "what was refused is not there");
}

#[tokio::test]
async fn the_rate_holds_on_nodes_in_memory_and_only_for_publishes() {
    let bus = Bus::start_with(slow()).await;
    bus.create_with("n", NodeConfig { durability: Durability::Memory, ..NodeConfig::default() }).await;
    bus.publish("n", &["a"; 10]).await;
    assert_eq!(bus.run("owner", "n", publish_verb(&["a"])).await, Err(too_fast(100)));
    for node in ["b", "c"] {
        bus.create(node).await;
        bus.subscribe(node, "owner").await;
    }
}

#[tokio::test]
async fn admins_publish_as_fast_as_they_can() {
    let bus = Bus::start_with(slow()).await;
    bus.create("n").await;
    for _ in 0..10 {
        let actor = Actor::new(bare("admin"), Role::Admin);
        let verb: Verb = publish_verb(&["a"; 10]);
        let command = Command { actor, node: name("n"), verb };
        bus.engine.execute(command).await.expect("nothing bounds an admin");
    }
}

fn full(counted: Counted, scope: Scope) -> BusError {
    BusError::LimitReached(LimitKind::Quota(Quota { counted, scope }))
}

#[tokio::test]
async fn nodes_are_counted_by_their_creator_until_they_are_deleted() {
    let quotas = Quotas { nodes_per_jid_max: 2, nodes_per_domain_max: 3, nodes_max: 4, ..Quotas::default() };
    let bus = Bus::start_with(settings(quotas)).await;
    let create = async |user: &str, node: &str| {
        let actor = Actor::new(bare(user), Role::Creator);
        let command = Command { actor, node: name(node), verb: Verb::Create(NodeConfig::default()) };
        bus.engine.execute(command).await.err()
    };
    assert_eq!((create("owner", "a").await, create("owner", "b").await), (None, None));
    assert_eq!(create("owner", "c").await, Some(full(Counted::Nodes, Scope::Jid)));
    assert_eq!(create("owner", "a").await, Some(BusError::NodeExists), "which costs nothing");
    assert_eq!(create("user", "c").await, None);
    assert_eq!(create("user", "d").await, Some(full(Counted::Nodes, Scope::Domain)));
    bus.affiliate("a", "user", Affiliation::Owner).await;
    bus.run("user", "a", Verb::Delete(None)).await.expect("the end, by another owner");
    assert_eq!(create("owner", "d").await, None, "the creator has one less");
    assert_eq!(create("owner", "e").await, Some(full(Counted::Nodes, Scope::Jid)));
    let refused = Quota { counted: Counted::Nodes, scope: Scope::Jid };
    assert_eq!(bus.engine.statistics().snapshot().refused_by(refused), 2);
    assert_eq!(bus.stored("(SELECT count FROM usage WHERE counted = 'nodes' AND scope = 'total')").await, 3);
}

#[tokio::test]
async fn a_node_that_is_made_by_publishing_counts_too() {
    let quotas = Quotas { nodes_per_jid_max: 1, ..Quotas::default() };
    let bus = Bus::start_with(settings(quotas)).await;
    let publish = async |node: &str| {
        let request = publish::Request {
            items: vec![publish::NewItem {
                id: None,
                payload: Some(Payload::from_serialised("<a xmlns=''/>")),
            }],
            creates_node: true,
            ..publish::Request::default()
        };
        bus.run("owner", node, Verb::Publish(request)).await.err()
    };
    assert_eq!(publish("a").await, None);
    assert_eq!(publish("b").await, Some(full(Counted::Nodes, Scope::Jid)));
    assert_eq!(publish("a").await, None, "what is there is published on");
    assert_eq!(bus.stored("(SELECT count(*) FROM nodes)").await, 1);
}

#[tokio::test]
async fn subscriptions_are_counted_over_all_nodes_whatever_becomes_of_them() {
    let quotas = Quotas { subscriptions_per_jid_max: 2, subscriptions_max: 3, ..Quotas::default() };
    let bus = Bus::start_with(settings(quotas)).await;
    let approving = NodeConfig { access_model: AccessModel::Authorize, ..NodeConfig::default() };
    bus.create("a").await;
    bus.create("b").await;
    bus.create_with("asked", approving).await;
    let subscribe =
        async |user: &str, node: &str| bus.run(user, node, Verb::Subscribe(jid(user).into())).await.err();
    assert_eq!((subscribe("user", "a").await, subscribe("user", "asked").await), (None, None));
    assert_eq!(
        subscribe("user", "b").await,
        Some(full(Counted::Subscriptions, Scope::Jid)),
        "pending ones count"
    );
    assert_eq!(subscribe("user", "a").await, None, "it is there already");
    bus.affiliate("asked", "user", Affiliation::Member).await;
    assert_eq!(
        subscribe("user", "b").await,
        Some(full(Counted::Subscriptions, Scope::Jid)),
        "approved, it is one"
    );
    assert_eq!(subscribe("other", "b").await, None);
    assert_eq!(subscribe("third", "b").await, Some(full(Counted::Subscriptions, Scope::Total)));
    bus.run("user", "a", Verb::Unsubscribe(jid("user").into())).await.expect("an end");
    assert_eq!(subscribe("third", "b").await, None);

    let mut leg = bus.attach();
    leg.up().await;
    bus.run("owner", "b", Verb::Delete(None)).await.expect("the end");
    assert_eq!(leg.take(2).await.len(), 2, "both are told");
    leg.prove().await;
    bus.until_stored("(SELECT count FROM usage WHERE counted = 'subscriptions' AND scope = 'total')", 1)
        .await;
    assert_eq!((subscribe("third", "a").await, subscribe("other", "a").await), (None, None));
}

#[tokio::test]
async fn one_batch_takes_no_more_than_there_is() {
    let quotas = Quotas { subscriptions_per_jid_max: 3, nodes_per_domain_max: 20, ..Quotas::default() };
    let bus = Bus::start_with(settings(quotas)).await;
    let nodes: Vec<String> = (0..30).map(|number| format!("n{number}")).collect();
    let create = |node| bus.run("owner", node, Verb::Create(NodeConfig::default()));
    let made = futures::future::join_all(nodes.iter().map(|node| create(node))).await;
    assert_eq!(made.iter().filter(|it| it.is_ok()).count(), 20);
    let subscribe = |node| bus.run("user", node, Verb::Subscribe(jid("user").into()));
    let subscribed = futures::future::join_all(nodes[..20].iter().map(|node| subscribe(node))).await;
    assert_eq!(subscribed.iter().filter(|it| it.is_ok()).count(), 3);
}

#[tokio::test]
async fn admins_have_what_they_want_and_are_counted() {
    let quotas = Quotas { nodes_max: 1, subscriptions_max: 1, ..Quotas::default() };
    let bus = Bus::start_with(settings(quotas)).await;
    let run = async |node: &str, verb: Verb| {
        let command = Command { actor: Actor::new(bare("admin"), Role::Admin), node: name(node), verb };
        bus.engine.execute(command).await.expect("nothing bounds an admin")
    };
    for node in ["a", "b"] {
        run(node, Verb::Create(NodeConfig::default())).await;
        run(node, Verb::Subscribe(jid("admin").into())).await;
    }
    let refused = bus.run("owner", "c", Verb::Create(NodeConfig::default())).await;
    assert_eq!(refused, Err(full(Counted::Nodes, Scope::Total)));
}

/// Publishes until the answer is this one; the sums are made in the background.
async fn publish_until(bus: &Bus, node: &str, answer: &Result<(), BusError>) {
    let mut poll = tokio::time::interval(Duration::from_millis(5));
    let publishing = async {
        while bus.run("owner", node, publish_verb(&["x"])).await.map(drop) != *answer {
            poll.tick().await;
        }
    };
    tokio::time::timeout(Duration::from_mins(1), publishing).await.expect("the answer");
}

#[tokio::test]
async fn who_stores_too_much_makes_room_before_more_is_published_on_his_nodes() {
    let quotas = Quotas { stored_bytes_per_jid_max: 200, ..Quotas::default() };
    let engine = EngineLimits { retention_interval_ms: 1, ..EngineLimits::default() };
    let mut bus = Bus::start_with(Settings { quotas, engine, ..Settings::default() }).await;
    bus.create("n").await;
    bus.create("other").await;
    bus.create_with("memory", NodeConfig { durability: Durability::Memory, ..NodeConfig::default() }).await;
    let command = |actor, node, verb| Command { actor, node: name(node), verb };
    let creator = Actor::new(bare("user"), Role::Creator);
    let create = command(creator.clone(), "anothers", Verb::Create(NodeConfig::default()));
    bus.engine.execute(create).await.expect("a node");
    bus.affiliate("n", "user", Affiliation::Publisher).await;
    bus.retain();
    let full = full(Counted::StoredBytes, Scope::Jid);
    publish_until(&bus, "n", &Err(full.clone())).await;
    publish_until(&bus, "other", &Err(full.clone())).await;
    assert_eq!(bus.run("user", "n", publish_verb(&["x"])).await, Err(full), "whoever publishes");
    assert_eq!(bus.run("other", "n", publish_verb(&["x"])).await, Err(BusError::Forbidden));
    bus.engine.execute(command(creator, "anothers", publish_verb(&["x"]))).await.expect("his own");
    let admin = Actor::new(bare("admin"), Role::Admin);
    bus.engine.execute(command(admin, "n", publish_verb(&["x"]))).await.expect("nothing bounds an admin");
    bus.publish("memory", &["x"]).await;
    bus.run("owner", "n", retract_verb(&["x"], None)).await.expect("only publishing has to wait");

    bus.run("owner", "n", Verb::Delete(None)).await.expect("the end");
    publish_until(&bus, "other", &Ok(())).await;
}
