use bus_domain::bounce::BounceClass::Retry;
use bus_domain::collection::Placement;
use bus_domain::retention::History;
use bus_domain::subscribe::Request;
use bus_domain::{
    Affiliation, BusError, Durability, NodeConfig, NodeType, OptionSetting, RedirectUri, SubscriptionType,
};
use bus_engine::{EngineLimits, Settings, Verb};

use crate::fixture::{Bus, jid, name, publish_verb};

const TAKEN: &str = "(SELECT count(*) FROM events WHERE node_id = 1 AND origin IS NOT NULL)";
const DISTINCT: &str =
    "(SELECT count(DISTINCT origin || kind) FROM events WHERE node_id = 1 AND origin IS NOT NULL)";
const FEEDS: &str = "(SELECT count(*) FROM associations)";
const LAGGING: &str = "(SELECT count(*) FROM lagging)";
const B: &str = "b@example.org";

fn collection() -> NodeConfig {
    NodeConfig { node_type: NodeType::Collection, ..NodeConfig::default() }
}

/// Makes a node below a collection.
fn create_below(collection: &str, config: NodeConfig) -> Verb {
    let placement =
        Placement { collections: Some(vec![name(collection)]), children: None, ..Placement::default() };
    Verb::CreateAmong(config, Box::new(placement))
}

impl Bus {
    async fn create_below(&self, above: &str, node: &str, config: NodeConfig) {
        self.run("owner", node, create_below(above, config)).await.expect("a node");
    }

    async fn subscribe_to_items(&self, node: &str, user: &str) {
        let options = vec![OptionSetting::Type(SubscriptionType::Items), OptionSetting::Depth(None)];
        let request = Request { jid: jid(user), options };
        self.run(user, node, Verb::Subscribe(request)).await.expect("a subscription");
    }

    /// Waits until the collection has taken so many events, and sees that it has taken none twice.
    async fn until_taken(&self, events: i64) {
        self.until_stored(TAKEN, events).await;
        assert_eq!(self.stored(DISTINCT).await, events);
    }
}

/// The collection `top`, which is the first node of the store, with the leaf `leaf`.
async fn bus() -> Bus {
    bus_with(Settings::default()).await
}

async fn bus_with(settings: Settings) -> Bus {
    let bus = Bus::start_with(settings).await;
    bus.create_with("top", collection()).await;
    bus.create_below("top", "leaf", NodeConfig::default()).await;
    bus
}

#[tokio::test]
async fn each_event_gets_to_its_collection_once_whenever_the_process_ends() {
    let mut bus = bus().await;
    bus.create_below("top", "other", NodeConfig::default()).await;
    for round in 0..8 {
        // The feed may or may not have come to it.
        bus.publish("leaf", &["a", "b"]).await;
        bus.publish("other", &["c"]).await;
        if round % 2 == 0 {
            tokio::task::yield_now().await;
        }
        bus = bus.restart().await;
    }
    bus.until_taken(2 + 8 * 3).await;
    assert_eq!(bus.stored("(SELECT min(through_seq) FROM associations)").await, 8);
}

#[tokio::test]
async fn what_is_told_below_is_told_through_the_collection_and_nothing_else() {
    let bus = bus().await;
    bus.subscribe_to_items("top", "b").await;
    bus.until_taken(1).await;
    let mut leg = bus.attach();
    leg.up().await;
    bus.publish("leaf", &["a"]).await;
    bus.publish("leaf", &["b"]).await;
    assert_eq!(leg.take(2).await, [(2, 1, B.to_owned()), (3, 2, B.to_owned())]);
    // Nobody is told of a retraction by default, and so the collection does not take it.
    bus.run("owner", "leaf", crate::fixture::retract_verb(&["a"], None)).await.unwrap();
    bus.publish("leaf", &["c"]).await;
    assert_eq!(leg.take(1).await, [(4, 3, B.to_owned())]);
}

#[tokio::test]
async fn a_ban_on_the_child_acts_on_what_lags_through_the_collection() {
    // The ban comes before anything is sent again.
    let engine = EngineLimits {
        lagging_backoff_ms_min: 2_000,
        lagging_backoff_ms_max: 2_000,
        lagging_quiet_ms: 20,
        cursor_interval_ms: 20,
        ..EngineLimits::default()
    };
    let bus = bus_with(Settings { engine, ..Settings::default() }).await;
    bus.create_below("top", "other", NodeConfig::default()).await;
    bus.subscribe_to_items("top", "b").await;
    bus.until_taken(2).await;
    let mut leg = bus.attach();
    leg.up().await;
    bus.publish("leaf", &["a"]).await;
    bus.until_taken(3).await;
    bus.publish("other", &["a"]).await;
    let sent = leg.take(2).await;
    assert_eq!(sent.iter().map(|(seq, ..)| *seq).collect::<Vec<_>>(), [3, 4]);
    leg.bounce(3, B, Retry).await;
    leg.bounce(4, B, Retry).await;
    leg.prove().await;
    bus.until_stored(LAGGING, 1).await;
    bus.affiliate("leaf", "b", Affiliation::Outcast).await;
    assert_eq!(leg.take(1).await, [(4, 3, B.to_owned())], "that of the other one");
}

#[tokio::test]
async fn a_leaf_keeps_what_its_collection_has_not_taken() {
    let history = History { events_max: Some(1), ..History::default() };
    let bus = Bus::start().await;
    bus.create_with("top", collection()).await;
    let config = NodeConfig { history, persist_items: false, ..NodeConfig::default() };
    bus.create_below("top", "leaf", config).await;
    let mut bus = bus.restart().await;
    bus.retain();
    for _ in 0..20 {
        bus.publish("leaf", &["", "", ""]).await;
    }
    bus.until_taken(1 + 60).await;
}

#[tokio::test]
async fn a_new_life_of_a_child_goes_on_where_the_old_one_ended() {
    let bus = Bus::start().await;
    bus.create_with("top", collection()).await;
    let relaxed = NodeConfig { durability: Durability::Relaxed, ..NodeConfig::default() };
    bus.create_below("top", "leaf", relaxed).await;
    bus.publish("leaf", &["a", "b"]).await;
    bus.until_taken(3).await;
    let bus = bus.restart().await;
    bus.publish("leaf", &["c"]).await;
    bus.until_taken(4).await;
}

#[tokio::test]
async fn an_association_that_ends_still_takes_what_came_before() {
    let bus = bus().await;
    bus.publish("leaf", &["a", "b"]).await;
    bus.run("owner", "top", Verb::Dissociate(name("leaf"))).await.unwrap();
    bus.publish("leaf", &["c"]).await;
    bus.until_stored(FEEDS, 0).await;
    bus.until_taken(4).await;
    assert_eq!(bus.stored("(SELECT kind FROM events WHERE node_id = 1 AND seq = 4)").await, 7);
    bus.publish("leaf", &["d"]).await;
    bus.run("owner", "top", Verb::Associate(name("leaf"))).await.unwrap();
    bus.publish("leaf", &["e"]).await;
    bus.until_taken(6).await;
}

#[tokio::test]
async fn a_child_that_is_gone_goes_with_its_rows_and_a_collection_leaves_its_children() {
    let bus = bus().await;
    bus.create_below("top", "other", NodeConfig::default()).await;
    let leg = bus.attach();
    leg.up().await;
    bus.run("owner", "leaf", Verb::Delete(None)).await.unwrap();
    bus.until_stored(FEEDS, 1).await;
    bus.until_reaped().await;
    bus.run("owner", "top", Verb::Delete(None)).await.unwrap();
    assert_eq!(bus.stored(FEEDS).await, 0);
    bus.publish("other", &["a"]).await;
    bus.until_reaped().await;
}

#[tokio::test]
async fn what_was_published_on_an_open_child_is_told_though_the_child_is_gone_by_then() {
    let bus = bus().await;
    bus.subscribe_to_items("top", "b").await;
    bus.until_taken(1).await;
    bus.publish("leaf", &["a"]).await;
    let redirect = RedirectUri::new("xmpp:elsewhere.example.org?;node=leaf").unwrap();
    bus.run("owner", "leaf", Verb::Delete(Some(redirect))).await.unwrap();
    bus.until_taken(3).await;
    let mut leg = bus.attach();
    leg.up().await;
    assert_eq!(leg.take(1).await, [(2, 1, B.to_owned())]);
}

#[tokio::test]
async fn what_is_kept_of_children_that_have_moved_is_counted_as_it_is_removed() {
    let mut bus = Bus::start().await;
    let history = History { events_max: Some(1), ..History::default() };
    bus.create_with("top", NodeConfig { history, ..collection() }).await;
    for number in 0..3 {
        let leaf = format!("leaf {number}");
        bus.create_below("top", &leaf, NodeConfig::default()).await;
        let redirect = RedirectUri::new(&format!("xmpp:elsewhere.example.org?;node={number}")).unwrap();
        bus.run("owner", &leaf, Verb::Delete(Some(redirect))).await.unwrap();
    }
    bus.until_stored(FEEDS, 0).await;
    let leg = bus.attach();
    leg.up().await;
    bus.retain();
    bus.until_stored("(SELECT count(*) FROM events WHERE node_id = 1)", 1).await;
    let kept = "(SELECT log_bytes - (SELECT sum(length(payload)) FROM events WHERE node_id = 1) FROM heads WHERE node_id = 1)";
    assert_eq!(bus.stored(kept).await, 0);
}

#[tokio::test]
async fn what_is_refused_leaves_nothing_and_holds_up_nobody_of_its_batch() {
    let bus = bus().await;
    let plain = || Verb::Create(NodeConfig::default());
    let below = |collection| create_below(collection, NodeConfig::default());
    let answers = tokio::join!(
        bus.run("owner", "a", plain()),
        bus.run("owner", "b", below("nowhere")),
        bus.run("owner", "c", plain()),
        bus.run("owner", "d", below("leaf")),
        bus.run("owner", "e", below("top")),
    );
    assert!(answers.0.is_ok() && answers.2.is_ok() && answers.4.is_ok());
    assert_eq!(answers.1, Err(BusError::NodeNotFound));
    assert!(matches!(answers.3, Err(BusError::InvalidAssociation { .. })), "{:?}", answers.3);
    assert_eq!(bus.stored("(SELECT count(*) FROM nodes)").await, 5);
    assert_eq!(bus.stored("(SELECT count(*) FROM heads)").await, 5);
    assert_eq!(bus.stored(FEEDS).await, 2);
    let counted = "(SELECT count FROM usage WHERE counted = 'nodes' AND scope = 'total')";
    assert_eq!(bus.stored(counted).await, 5);
    // Half of a form is nothing, too.
    let both = Placement {
        collections: Some(vec![name("top"), name("nowhere")]),
        children: None,
        ..Placement::default()
    };
    let refused = bus.run("owner", "a", Verb::ConfigureAmong(Vec::new(), Box::new(both))).await;
    assert_eq!(refused, Err(BusError::NodeNotFound));
    assert_eq!(bus.stored(FEEDS).await, 2);
}

#[tokio::test]
async fn a_publish_waits_for_no_collection() {
    let bus = bus().await;
    bus.until_taken(1).await;
    let verbs = (0..50).map(|_| bus.run("owner", "leaf", publish_verb(&[""])));
    let answers = futures::future::join_all(verbs).await;
    assert!(answers.iter().all(Result::is_ok));
    bus.until_taken(51).await;
    let moved = bus.engine.statistics().snapshot().feeds_moved;
    assert!(moved < 40, "feeds move in stretches: {moved}");
}
