use bus_domain::publish::Request as Publish;
use bus_domain::{AccessModel, Affiliation, BusError, LimitKind, Limits, NodeConfig, RedirectUri, Setting};
use bus_engine::{Outcome, Settings, Verb};

use crate::fixture::{Bus, actor, bare, jid, name, publish_verb};

#[tokio::test]
async fn nodes_are_made_once_and_gone_when_deleted() {
    let bus = Bus::start().await;
    let create = || Verb::Create(NodeConfig::default());
    assert_eq!(bus.run("user", "n", create()).await, Err(BusError::Forbidden), "not everyone may");
    bus.create("n").await;
    assert_eq!(bus.run("owner", "n", create()).await, Err(BusError::NodeExists));
    let first = bus.publish("n", &["a"]).await;
    assert_eq!(bus.run("user", "n", Verb::Delete(None)).await, Err(BusError::Forbidden));
    assert_eq!(bus.run("owner", "n", Verb::Delete(None)).await, Ok(Outcome::Deleted));
    assert_eq!(bus.run("owner", "n", publish_verb(&["a"])).await, Err(BusError::NodeNotFound));
    assert_eq!(bus.engine.node(&actor("owner"), &name("n")).await.err(), Some(BusError::NodeNotFound));
    bus.create("n").await;
    let second = bus.publish("n", &["b"]).await;
    assert_eq!(second.first_seq, 1);
    assert_ne!(first.epoch, second.epoch, "another life of the log");
    assert_eq!(bus.item_ids("n").await, ["b"], "it inherits nothing");
}

#[tokio::test]
async fn a_node_that_has_moved_says_where_until_its_name_is_taken_again() {
    let bus = Bus::start().await;
    bus.create("n").await;
    let to = RedirectUri::new("xmpp:other@example.org?;node=n").unwrap();
    bus.run("owner", "n", Verb::Delete(Some(to.clone()))).await.expect("the end");
    let bus = bus.restart().await;
    let moved = BusError::NodeMoved { to };
    assert_eq!(bus.engine.node(&actor("user"), &name("n")).await.err(), Some(moved.clone()));
    let Verb::Publish(request) = publish_verb(&["a"]) else { panic!("a publish") };
    let creating = Verb::Publish(Publish { creates_node: true, ..request });
    for verb in [publish_verb(&["a"]), creating, Verb::Subscribe(jid("owner").into()), Verb::Delete(None)] {
        assert_eq!(bus.run("owner", "n", verb.clone()).await, Err(moved.clone()));
        let verb =
            if matches!(verb, Verb::Subscribe(_)) { Verb::Subscribe(jid("user").into()) } else { verb };
        assert_eq!(bus.run("user", "n", verb).await, Err(moved.clone()), "whoever asks");
    }
    bus.create("n").await;
    bus.publish("n", &["a"]).await;
    bus.run("owner", "n", Verb::Delete(None)).await.expect("the end");
    assert_eq!(bus.run("owner", "n", Verb::Purge).await, Err(BusError::NodeNotFound), "it is nowhere now");
}

#[tokio::test]
async fn a_ban_acts_at_once_on_everything() {
    let bus = Bus::start().await;
    bus.create("n").await;
    bus.subscribe("n", "user").await;
    bus.affiliate("n", "user", Affiliation::Publisher).await;
    assert!(bus.run("user", "n", publish_verb(&["a"])).await.is_ok());
    bus.affiliate("n", "user", Affiliation::Outcast).await;
    assert_eq!(bus.run("user", "n", publish_verb(&["a"])).await, Err(BusError::Forbidden));
    assert_eq!(bus.run("user", "n", Verb::Subscribe(jid("user").into())).await, Err(BusError::Forbidden));
    assert_eq!(bus.engine.node(&actor("user"), &name("n")).await.err(), Some(BusError::Forbidden));
    assert!(
        bus.run("user", "n", Verb::Unsubscribe(jid("user").into())).await.is_ok(),
        "leaving is always allowed"
    );
}

#[tokio::test]
async fn a_change_of_rules_counts_for_what_was_sent_right_behind_it() {
    let bus = Bus::start().await;
    bus.create("n").await;
    bus.affiliate("n", "user", Affiliation::Publisher).await;
    for _ in 0..20 {
        let ban = Verb::Affiliate(vec![(bare("user"), Affiliation::Outcast)].into());
        let lift = Verb::Affiliate(vec![(bare("user"), Affiliation::Publisher)].into());
        let (banned, refused, lifted, allowed) = tokio::join!(
            biased;
            bus.run("owner", "n", ban),
            bus.run("user", "n", publish_verb(&[""])),
            bus.run("owner", "n", lift),
            bus.run("user", "n", publish_verb(&[""])),
        );
        assert!(banned.is_ok() && lifted.is_ok());
        assert_eq!(refused, Err(BusError::Forbidden));
        assert!(allowed.is_ok(), "{allowed:?}");
    }
    assert_eq!(bus.engine.statistics().snapshot().stale_decisions, 0, "decided when its turn came");
}

#[tokio::test]
async fn a_condition_is_about_the_node_as_it_is_when_the_items_are_stored() {
    let bus = Bus::start().await;
    bus.create("n").await;
    let model = |model| vec![Setting::AccessModel(model)];
    let publish_if_open = || {
        let Verb::Publish(request) = publish_verb(&[""]) else { unreachable!("it is a publish") };
        Verb::Publish(Publish { preconditions: model(AccessModel::Open), ..request })
    };
    for _ in 0..20 {
        let (closed, refused, opened, allowed) = tokio::join!(
            biased;
            bus.run("owner", "n", Verb::Configure(model(AccessModel::Whitelist))),
            bus.run("owner", "n", publish_if_open()),
            bus.run("owner", "n", Verb::Configure(model(AccessModel::Open))),
            bus.run("owner", "n", publish_if_open()),
        );
        assert!(closed.is_ok() && opened.is_ok());
        assert_eq!(refused, Err(BusError::PreconditionNotMet));
        assert!(allowed.is_ok(), "{allowed:?}");
    }
}

#[tokio::test]
async fn a_closed_node_is_closed_to_strangers_and_hidden() {
    let bus = Bus::start().await;
    bus.create_with("n", NodeConfig { access_model: AccessModel::Whitelist, ..NodeConfig::default() }).await;
    bus.create("open").await;
    assert_eq!(bus.run("user", "n", Verb::Subscribe(jid("user").into())).await, Err(BusError::ClosedNode));
    let listed = async |user| {
        let list = bus.engine.nodes(&actor(user), None, 10).await.unwrap();
        list.nodes.iter().map(|node| node.name.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(listed("user").await, ["open"]);
    bus.affiliate("n", "user", Affiliation::Member).await;
    assert_eq!(listed("user").await, ["n", "open"]);
    assert!(bus.run("user", "n", Verb::Subscribe(jid("user").into())).await.is_ok());
}

#[tokio::test]
async fn subscribing_twice_is_one_subscription() {
    let bus = Bus::start().await;
    bus.create("n").await;
    let first = bus.subscribe("n", "user").await;
    bus.publish("n", &["a"]).await;
    assert_eq!(bus.subscribe("n", "user").await, first, "with its old start");
    bus.run("user", "n", Verb::Unsubscribe(jid("user").into())).await.unwrap();
    let gone = bus.run("user", "n", Verb::Unsubscribe(jid("user").into())).await;
    assert_eq!(gone, Err(BusError::NotSubscribed));
    let again = bus.subscribe("n", "user").await;
    assert!(again.id > first.id);
    assert_eq!(again.since_seq, 1);
}

#[tokio::test]
async fn an_answer_that_changes_nothing_rests_on_the_rules_of_now_too() {
    let [here, elsewhere] = Bus::start_two().await;
    here.create("n").await;
    here.subscribe("n", "user").await;
    elsewhere.affiliate("n", "user", Affiliation::Outcast).await;
    let again = here.run("user", "n", Verb::Subscribe(jid("user").into())).await;
    assert_eq!(again, Err(BusError::Forbidden), "there is a subscription, and no right to it any more");
    elsewhere.run("owner", "n", Verb::Delete(None)).await.expect("the end");
    let gone = here.run("user", "n", Verb::Unsubscribe(jid("user").into())).await;
    assert_eq!(gone, Err(BusError::NodeNotFound));
}

#[tokio::test]
async fn subscriptions_are_bounded() {
    let limits = Limits { node_subscriptions_max: 2, ..Limits::default() };
    let bus = Bus::start_with(Settings { limits, ..Settings::default() }).await;
    bus.create("n").await;
    bus.subscribe("n", "a").await;
    bus.subscribe("n", "b").await;
    let refused = bus.run("c", "n", Verb::Subscribe(jid("c").into())).await;
    assert_eq!(refused, Err(BusError::LimitReached(LimitKind::Subscriptions)));
    bus.run("a", "n", Verb::Unsubscribe(jid("a").into())).await.unwrap();
    bus.subscribe("n", "c").await;
}

#[tokio::test]
async fn nodes_are_listed_page_by_page() {
    let bus = Bus::start().await;
    for node in ["a", "b", "c"] {
        bus.create(node).await;
    }
    let first = bus.engine.nodes(&actor("user"), None, 2).await.unwrap();
    assert_eq!(first.next_after, Some(name("b")));
    let second = bus.engine.nodes(&actor("user"), first.next_after, 2).await.unwrap();
    assert_eq!((second.nodes.len(), second.next_after), (1, None));
}

#[tokio::test]
async fn rules_that_were_read_are_kept_whatever_else_is_being_read() {
    const NODES: usize = 100;
    let bus = Bus::start().await;
    let names: Vec<String> = (0..NODES).map(|number| format!("n{number}")).collect();
    for node in &names {
        bus.create(node).await;
    }
    let bus = bus.restart().await;
    let publish_to_all = async || {
        let before = bus.engine.statistics().snapshot().facts_loaded;
        let publishes = names.iter().map(|node| bus.run("owner", node, publish_verb(&[""])));
        let unknown = bus.run("owner", "unknown", publish_verb(&[""]));
        let (answers, refused) = tokio::join!(futures::future::join_all(publishes), unknown);
        assert!(answers.iter().all(Result::is_ok));
        assert_eq!(refused, Err(BusError::NodeNotFound));
        bus.engine.statistics().snapshot().facts_loaded - before
    };
    assert_eq!(publish_to_all().await, NODES as u64 + 1);
    assert_eq!(publish_to_all().await, 1, "what is absent is never remembered");
}
