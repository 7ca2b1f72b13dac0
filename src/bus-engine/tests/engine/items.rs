use bus_domain::retrieve::{ItemOrder, Page, PageAt, Selection};
use bus_domain::{BusError, ItemId, NodeConfig, WhenItemsFull};
use bus_engine::Verb;

use crate::fixture::{Bus, actor, name, publish_verb, retract_verb};

#[tokio::test]
async fn items_are_numbered_without_gaps_and_listed_oldest_first() {
    let bus = Bus::start().await;
    bus.create("n").await;
    let first = bus.publish("n", &["a", "b"]).await;
    let second = bus.publish("n", &["", "c"]).await;
    assert_eq!((first.first_seq, second.first_seq), (1, 3));
    assert_eq!(first.epoch, second.epoch);
    let made = second.item_ids[0].as_str();
    assert_eq!(made.len(), 36, "a UUID");
    assert_eq!(bus.item_ids("n").await, ["a", "b", made, "c"]);
}

#[tokio::test]
async fn an_item_published_again_is_the_newest_and_counts_once() {
    let bus = Bus::start().await;
    bus.create("n").await;
    bus.publish("n", &["a", "b"]).await;
    bus.publish("n", &["a"]).await;
    bus.publish("n", &["c", "c"]).await;
    let listing = bus.engine.items(&actor("owner"), &name("n"), Selection::Newest(None)).await.unwrap();
    let seqs: Vec<_> = listing.items.iter().map(|item| item.seq).collect();
    assert_eq!((seqs, listing.count), (vec![2, 3, 5], 3));
}

#[tokio::test]
async fn an_item_keeps_its_place_by_creation_until_it_is_taken_away() {
    let bus = Bus::start().await;
    bus.create_with("n", NodeConfig { items_max: 4, ..NodeConfig::default() }).await;
    let created = async || {
        let (reader, newest) = (actor("owner"), Selection::Newest(None));
        let listing = bus.engine.items_by(&reader, &name("n"), newest, ItemOrder::Creation).await.unwrap();
        let ids = listing.items.iter().filter_map(|item| item.kind.item_id()).map(ItemId::as_str);
        (ids.collect::<String>(), listing.places)
    };
    for ids in [&["a", "b"][..], &["a"], &["c", "d", "c"]] {
        bus.publish("n", ids).await;
    }
    assert_eq!(created().await, ("abcd".to_owned(), vec![1, 2, 4, 5]), "c was made by the first of two");
    bus.publish("n", &["c"]).await;
    bus.run("owner", "n", retract_verb(&["a"], None)).await.unwrap();
    bus.publish("n", &["a"]).await;
    assert_eq!(created().await, ("bcda".to_owned(), vec![2, 4, 5, 9]));
    bus.publish("n", &["e"]).await;
    assert_eq!(created().await, ("cdae".to_owned(), vec![4, 5, 9, 10]), "b had to go");
    bus.run("owner", "n", Verb::Purge).await.unwrap();
    bus.publish("n", &["d", "c", "d"]).await;
    assert_eq!(created().await, ("dc".to_owned(), vec![12, 13]));
}

#[tokio::test]
async fn a_node_keeps_exactly_its_newest_items() {
    let bus = Bus::start().await;
    bus.create_with("n", NodeConfig { items_max: 3, ..NodeConfig::default() }).await;
    for ids in [&["a", "b"][..], &["c", "d"], &["a"], &["b"], &["b"]] {
        bus.publish("n", ids).await;
    }
    assert_eq!(bus.item_ids("n").await, ["d", "a", "b"]);
    bus.run("owner", "n", retract_verb(&["a"], None)).await.unwrap();
    assert_eq!(bus.item_ids("n").await, ["d", "b"], "what had to go does not come back");
    bus.publish("n", &["e", "f"]).await;
    assert_eq!(bus.item_ids("n").await, ["b", "e", "f"]);
}

#[tokio::test]
async fn what_has_expired_makes_room_on_a_node_that_refuses() {
    let bus = Bus::start().await;
    for (node, when_items_full) in [("r", WhenItemsFull::Reject), ("t", WhenItemsFull::RetractOldest)] {
        let item_expire_seconds = Some(10);
        let config =
            NodeConfig { items_max: 2, when_items_full, item_expire_seconds, ..NodeConfig::default() };
        bus.create_with(node, config).await;
        bus.publish(node, &["a"]).await;
    }
    bus.clock.jump(9);
    for node in ["r", "t"] {
        bus.publish(node, &["b"]).await;
    }
    assert_eq!(bus.run("owner", "r", publish_verb(&["c"])).await, Err(BusError::NodeFull));
    bus.clock.jump(1);
    for node in ["r", "t"] {
        assert_eq!(bus.publish(node, &["c"]).await.first_seq, 3);
        assert_eq!(bus.item_ids(node).await, ["b", "c"]);
    }
    assert_eq!(bus.run("owner", "r", publish_verb(&["d"])).await, Err(BusError::NodeFull));
    assert_eq!(bus.publish("t", &["d"]).await.first_seq, 4, "expiry is not told");
}

#[tokio::test]
async fn a_retract_takes_all_items_or_none() {
    let bus = Bus::start().await;
    bus.create("n").await;
    bus.publish("n", &["a", "b"]).await;
    let missing = bus.run("owner", "n", retract_verb(&["a", "x"], None)).await;
    assert_eq!(missing, Err(BusError::ItemNotFound));
    assert_eq!(bus.item_ids("n").await, ["a", "b"]);
    bus.run("owner", "n", retract_verb(&["a"], None)).await.unwrap();
    assert_eq!(bus.item_ids("n").await, ["b"]);
    let again = bus.run("owner", "n", retract_verb(&["a"], None)).await;
    assert_eq!(again, Err(BusError::ItemNotFound));
    assert_eq!(bus.publish("n", &["a"]).await.first_seq, 4, "a retract has a position too");
}

#[tokio::test]
async fn pages_are_stable_while_items_come_and_move() {
    let bus = Bus::start().await;
    bus.create("n").await;
    bus.publish("n", &["a", "b", "c", "d"]).await;
    let page = async |at| {
        let selection = Selection::Page(Page { at, items_max: 2 });
        bus.engine.items(&actor("reader"), &name("n"), selection).await.unwrap()
    };
    let first = page(PageAt::First).await;
    assert_eq!((first.items.last().unwrap().seq, first.first_index), (2, Some(0)));
    bus.publish("n", &["a", "e"]).await;
    let second = page(PageAt::After(2)).await;
    assert_eq!(second.items.iter().map(|item| item.seq).collect::<Vec<_>>(), [3, 4]);
    assert_eq!((second.count, second.first_index), (5, Some(1)), "a has moved to the end");
    let by_id = Selection::ById(["e", "x", "b"].map(|id| ItemId::new(id).unwrap()).to_vec());
    let by_id = bus.engine.items(&actor("reader"), &name("n"), by_id).await.unwrap();
    assert_eq!(by_id.items.iter().map(|item| item.seq).collect::<Vec<_>>(), [2, 6]);
}

#[tokio::test]
async fn publishers_at_once_share_transactions_and_stay_in_order() {
    let bus = Bus::start().await;
    bus.create("n").await;
    let before = bus.engine.statistics().snapshot().commits;
    let ids: Vec<String> = (0..200).map(|number| format!("{number:03}")).collect();
    let verbs = ids.iter().map(|id| bus.run("owner", "n", publish_verb(&[id])));
    let published = futures::future::join_all(verbs).await;
    assert!(published.iter().all(Result::is_ok), "{published:?}");
    let listing = Selection::Page(Page { at: PageAt::First, items_max: 100 });
    let listing = bus.engine.items(&actor("owner"), &name("n"), listing).await.unwrap();
    let found: Vec<_> =
        listing.items.iter().filter_map(|item| item.kind.item_id()).map(ItemId::as_str).collect();
    assert_eq!(found, ids[..100], "decided in the order in which they were submitted");
    let commits = bus.engine.statistics().snapshot().commits - before;
    assert!(commits < 20, "{commits} transactions for 200 publishes at once");
}
