use bus_domain::collection::Placement;
use bus_domain::{
    AccessModel, Affiliation, BusError, Durability, NodeConfig, PublishModel, RelationWish, Setting,
};
use bus_engine::{TailFrame, TailStart, Verb};

use crate::fixture::{Bus, actor, name, publish_verb};

const B: &str = "b@example.org";

fn parent(node: &str) -> Placement {
    let relation = RelationWish { parent: Some(Some(name(node))), link: None };
    Placement { relation, ..Placement::default() }
}

fn link(node: &str) -> Placement {
    let relation = RelationWish { link: Some(Some(name(node))), parent: None };
    Placement { relation, ..Placement::default() }
}

fn open() -> NodeConfig {
    NodeConfig { publish_model: PublishModel::Open, ..NodeConfig::default() }
}

/// The node `top`, with `n` below it.
async fn bus(config: NodeConfig) -> Bus {
    let bus = Bus::start().await;
    bus.create_with("top", open()).await;
    bus.run("owner", "n", Verb::CreateAmong(config, Box::new(parent("top")))).await.expect("a node");
    bus
}

#[tokio::test]
async fn whoever_is_banned_above_publishes_nothing_more_on_disk_or_in_memory() {
    for durability in [Durability::Fsync, Durability::Relaxed, Durability::Memory] {
        let bus = bus(NodeConfig { durability, ..open() }).await;
        assert!(bus.run("guest", "n", publish_verb(&["a"])).await.is_ok());
        bus.affiliate("top", "guest", Affiliation::Outcast).await;
        let refused = bus.run("guest", "n", publish_verb(&["b"])).await;
        assert_eq!(refused, Err(BusError::Forbidden), "{durability:?}");
        bus.affiliate("top", "guest", Affiliation::None).await;
        assert!(bus.run("guest", "n", publish_verb(&["c"])).await.is_ok());
    }
}

#[tokio::test]
async fn what_waits_for_delivery_is_not_shown_to_who_was_banned_above() {
    let bus = bus(NodeConfig::default()).await;
    for user in ["a", "b"] {
        bus.subscribe("n", user).await;
    }
    bus.publish("n", &["1", "2"]).await;
    bus.affiliate("top", "a", Affiliation::Outcast).await;
    let mut leg = bus.attach();
    leg.up().await;
    assert_eq!(leg.take(2).await, [(1, 0, B.into()), (2, 1, B.into())]);
    bus.affiliate("top", "b", Affiliation::Outcast).await;
    bus.publish("n", &["3"]).await;
    bus.affiliate("top", "b", Affiliation::Member).await;
    bus.publish("n", &["4"]).await;
    assert_eq!(leg.take(1).await, [(4, 3, B.into())]);
}

#[tokio::test]
async fn what_waits_when_a_node_or_its_parent_goes_is_shown_to_whom_they_had_let_in() {
    for deleted in ["n", "top"] {
        let bus = bus(NodeConfig::default()).await;
        for user in ["a", "b"] {
            bus.subscribe("n", user).await;
        }
        bus.affiliate("top", "a", Affiliation::Outcast).await;
        bus.publish("n", &["1"]).await;
        bus.run("owner", deleted, Verb::Delete(None)).await.unwrap();
        bus.until_stored("(SELECT count(*) FROM nodes WHERE deleted_at_ms IS NULL AND name = 'n')", 0).await;
        let mut leg = bus.attach();
        leg.up().await;
        assert_eq!(leg.take(2).await, [(1, 0, B.into()), (2, 1, B.into())], "{deleted}");
        leg.prove().await;
        assert_eq!(leg.detach().await, []);
    }
}

#[tokio::test]
async fn a_listing_shows_what_can_be_seen_and_nothing_below_what_cannot() {
    let bus = bus(NodeConfig::default()).await;
    let listed = async |user| {
        let nodes = bus.engine.nodes(&actor(user), None, 9).await.unwrap().nodes;
        nodes.into_iter().map(|node| node.name.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(listed("guest").await, ["n", "top"]);
    bus.affiliate("top", "guest", Affiliation::Outcast).await;
    assert_eq!(listed("guest").await, Vec::<String>::new());
    assert_eq!(listed("owner").await, ["n", "top"]);
}

#[tokio::test]
async fn a_reader_who_is_shut_out_above_reads_no_further() {
    let bus = bus(NodeConfig::default()).await;
    let mut reader = bus.engine.tail(actor("guest"), &name("n"), TailStart::Earliest, None).await.unwrap();
    bus.publish("n", &["1"]).await;
    assert!(matches!(reader.next().await, Ok(Some(TailFrame::Event(_)))));
    let closed = Setting::AccessModel(AccessModel::Whitelist);
    bus.run("owner", "top", Verb::Configure(vec![closed])).await.unwrap();
    bus.publish("n", &["2"]).await;
    assert_eq!(reader.next().await.err(), Some(BusError::ClosedNode));
}

#[tokio::test]
async fn a_rule_above_holds_from_the_relation_on_and_until_its_end() {
    let bus = Bus::start().await;
    bus.create_with("top", NodeConfig { access_model: AccessModel::Whitelist, ..open() }).await;
    bus.create_with("n", open()).await;
    bus.run("owner", "linking", Verb::CreateAmong(open(), Box::new(link("n")))).await.unwrap();
    let guest = async |node| bus.engine.node(&actor("guest"), &name(node)).await.err();
    assert_eq!((guest("n").await, guest("linking").await), (None, None));
    bus.run("owner", "n", Verb::ConfigureAmong(Vec::new(), Box::new(parent("top")))).await.unwrap();
    let closed = Some(BusError::ClosedNode);
    assert_eq!((guest("n").await, guest("linking").await), (closed.clone(), closed));
    let nothing = RelationWish { parent: Some(None), link: Some(None) };
    let nothing = Box::new(Placement { relation: nothing, ..Placement::default() });
    bus.run("owner", "n", Verb::ConfigureAmong(Vec::new(), nothing)).await.unwrap();
    assert_eq!((guest("n").await, guest("linking").await), (None, None));
}

#[tokio::test]
async fn what_a_crash_has_left_below_a_deleted_node_goes_after_it() {
    let bus = bus(NodeConfig::default()).await;
    bus.run("owner", "linking", Verb::CreateAmong(open(), Box::new(link("n")))).await.unwrap();
    let bus = bus.stop().await;
    // As the process leaves it that ends right behind the commit of the deletion.
    bus.tamper("UPDATE nodes SET deleted_at_ms = 1 WHERE name = 'top'").await;
    let bus = bus.restart().await;
    bus.until_stored("(SELECT count(*) FROM nodes WHERE deleted_at_ms IS NULL)", 0).await;
    bus.until("both are counted", |counts| counts.orphans_deleted == 2).await;
    bus.create("linking").await;
    assert!(bus.run("guest", "linking", publish_verb(&["a"])).await.is_err(), "it is another node");
}

#[tokio::test]
async fn what_is_due_waits_until_the_rules_above_can_be_read() {
    let bus = bus(NodeConfig::default()).await;
    bus.subscribe("n", "b").await;
    bus.publish("n", &["1"]).await;
    let bus = bus.stop().await;
    bus.tamper("UPDATE nodes SET config = '{' || config WHERE name = 'top'").await;
    let bus = bus.restart().await;
    let leg = bus.attach();
    leg.up().await;
    bus.until("delivery has met it", |counts| counts.nodes_unreadable == 1).await;
    leg.detach().await;
    let bus = bus.stop().await;
    bus.tamper("UPDATE nodes SET config = substr(config, 2) WHERE name = 'top'").await;
    let bus = bus.restart().await;
    let mut leg = bus.attach();
    leg.up().await;
    assert_eq!(leg.take(1).await, [(1, 0, B.into())]);
}

#[tokio::test]
async fn trees_end_where_the_operator_says() {
    let settings = bus_engine::Settings {
        limits: bus_domain::Limits {
            node_relation_levels_max: 2,
            node_relatives_max: 3,
            ..Default::default()
        },
        ..Default::default()
    };
    let bus = Bus::start_with(settings).await;
    bus.create("top").await;
    let create =
        async |node, placement| bus.run("owner", node, Verb::CreateAmong(open(), Box::new(placement))).await;
    let is_refused = |result| matches!(result, Err(BusError::InvalidRelation { .. }));
    assert!(create("a", parent("top")).await.is_ok());
    assert!(create("b", parent("a")).await.is_ok());
    assert!(is_refused(create("deep", parent("b")).await), "a third level");
    assert!(create("c", parent("top")).await.is_ok());
    assert!(is_refused(create("wide", parent("top")).await), "a fourth node");
    assert!(create("free", Placement::default()).await.is_ok());
    assert!(is_refused(
        bus.run("owner", "top", Verb::ConfigureAmong(Vec::new(), Box::new(parent("free")))).await
    ));
    bus.run("owner", "c", Verb::Delete(None)).await.unwrap();
    assert!(create("wide", parent("top")).await.is_ok(), "there is room again");
}
