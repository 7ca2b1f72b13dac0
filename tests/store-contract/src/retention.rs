//! Retention: what goes, what stays, and that nothing stays for no reason.

use bus_domain::NodeId;
use bus_domain::retention::{LogState, LoggedEvent};
use bus_domain::retrieve::{ItemOrder, PageAt};
use bus_store::{CursorMove, HeadAdvance, ItemWindow, Leg, NodeRules, Position, RetainedNode, Store};

use crate::fixture::{EPOCH, FIRST_SECOND_MS, Fixture, advance, events, ids, item_id};

/// Bytes of a payload that is asked for with 100.
const PAYLOAD_BYTES: u64 = 100 + "<a xmlns=''></a>".len() as u64;

async fn log(store: &dyn Store, node: NodeId) -> Vec<u64> {
    let events = store.events_after(node, 0, 100, 100_000).await.expect("a page");
    events.iter().map(|event| event.seq).collect()
}

async fn retained(store: &dyn Store, node: NodeId) -> RetainedNode {
    let page = store.retained(None, 100).await.expect("a page");
    page.nodes.into_iter().find(|retained| retained.node == node).expect("the node")
}

/// Ids, number and first index of the node's items at a place, with what expired up to a second.
async fn items(
    store: &dyn Store,
    node: NodeId,
    at: PageAt,
    expired_second: Option<i64>,
) -> (Vec<String>, u64, Option<u64>) {
    let expired_through_ms = expired_second.map(|second| FIRST_SECOND_MS + second * 1_000);
    let window = ItemWindow {
        order: ItemOrder::Modification,
        at,
        items_max: 100,
        bytes_max: 100_000,
        expired_through_ms,
    };
    let page = store.list_items(node, window).await.expect("a page");
    (ids(&page.items).into_iter().map(str::to_owned).collect(), page.count, page.first_index)
}

fn listed(ids: &[&str], count: u64, first_index: Option<u64>) -> (Vec<String>, u64, Option<u64>) {
    (ids.iter().map(|id| (*id).to_owned()).collect(), count, first_index)
}

pub async fn trimming_keeps_what_items_point_at(store: &dyn Store) {
    let fixture = Fixture::new(store);
    let node = fixture.node("n").await.id;
    let other = fixture.node("other").await.id;
    fixture.publish(node, &["a", "b", "a", "c"], 100).await;
    fixture.publish(other, &["a"], 100).await;
    assert_eq!(retained(store, node).await.log.log_bytes, 4 * PAYLOAD_BYTES);
    let oldest = store.oldest_events(node, 2).await.expect("events");
    let oldest: Vec<_> = oldest.iter().map(|it| (it.seq, it.payload_bytes, it.published_at_ms)).collect();
    let second = |seq: i64| FIRST_SECOND_MS + seq * 1_000;
    assert_eq!(oldest, [(1, PAYLOAD_BYTES, second(1)), (2, PAYLOAD_BYTES, second(2))]);

    assert_eq!(store.trim_log(rules(node), 3, 100).await.expect("trim"), 3);
    assert_eq!(log(store, node).await, [4]);
    assert_eq!(store.head(node).await.expect("a read").expect("a head").trimmed_through_seq, 3);
    assert_eq!(store.oldest_events(node, 9).await.expect("events")[0].seq, 4);
    assert_eq!(retained(store, node).await.log.log_bytes, PAYLOAD_BYTES);
    assert_eq!(items(store, node, PageAt::First, None).await, listed(&["b", "a", "c"], 3, Some(0)));
    let found = store.find_items(node, &[item_id("b")], 9_000).await.expect("items");
    assert_eq!(ids(&found.items), ["b"]);
    assert_eq!(log(store, other).await, [1]);
}

pub async fn trimming_is_bounded_and_never_goes_back(store: &dyn Store) {
    let fixture = Fixture::new(store);
    let node = fixture.node("n").await.id;
    fixture.publish(node, &["a", "b", "c", "d", "e"], 100).await;
    for (through, events_max, trimmed, left) in [
        (4, 2, 2, &[3, 4, 5][..]),
        (1, 9, 0, &[3, 4, 5]),
        (4, 0, 1, &[4, 5]),
        (99, 9, 2, &[]),
        (99, 9, 0, &[]),
    ] {
        assert_eq!(
            store.trim_log(rules(node), through, events_max).await.expect("trim"),
            trimmed,
            "{through}"
        );
        assert_eq!(log(store, node).await, left, "{through}");
    }
    assert_eq!(retained(store, node).await.log.log_bytes, 0);
    assert_eq!(store.trim_log(rules(NodeId(i64::MAX)), 9, 9).await.expect("a node that is gone"), 0);
    fixture.publish(node, &["f"], 100).await;
    assert_eq!(log(store, node).await, [6], "the log goes on where it was");
}

pub async fn no_row_stays_behind_without_an_item(store: &dyn Store) {
    let fixture = Fixture::new(store);
    for way in ["overwrite", "retract", "items_max", "evict", "expire", "purge"] {
        let node = fixture.node("n").await.id;
        fixture.publish(node, &["a", "b"], 100).await;
        store.trim_log(rules(node), 2, 9).await.expect("trim");
        match way {
            "overwrite" => {
                let last = fixture.publish(node, &["a", "b"], 100).await;
                store.trim_log(rules(node), last, 9).await.expect("trim");
                fixture.purge(node).await;
                assert_eq!(store.sweep_purged(node, 9).await.expect("sweep"), 2);
            }
            "retract" => {
                fixture.retract(node, "a").await;
                let last = fixture.retract(node, "b").await;
                assert_eq!(store.blank_retracted(node, last, 9).await.expect("blank"), 2);
            }
            "items_max" => {
                let mut transaction = fixture.begin().await;
                transaction.remove_oldest_items(node, 2).await.expect("remove");
                transaction.commit().await.expect("commit");
            }
            "evict" => assert_eq!(store.evict_items(rules(node), 0, 9).await.expect("evict"), 2),
            "expire" => assert_eq!(store.expire_items(rules(node), i64::MAX, 9).await.expect("expire"), 2),
            _ => {
                fixture.purge(node).await;
                assert_eq!(store.sweep_purged(node, 9).await.expect("sweep"), 2);
            }
        }
        let last = fixture.delete(node).await;
        let deleted = NodeRules { node, rules_version: 2 };
        store.trim_log(deleted, last - 1, 9).await.expect("trim");
        let to = Position::behind(last);
        store.move_cursors(Leg::Xmpp, &[CursorMove { node, epoch: Some(EPOCH), to }]).await.expect("move");
        // The last event, the owner, the cursor, the head and the node.
        assert_eq!(store.reap_deleted(100).await.expect("reap"), 5, "{way}");
    }
}

pub async fn expired_items_are_hidden_and_then_removed(store: &dyn Store) {
    let fixture = Fixture::new(store);
    let node = fixture.node("n").await.id;
    fixture.publish(node, &["a", "b", "c", "d", "e"], 100).await;
    for (at, expected) in [
        (PageAt::First, listed(&["c", "d", "e"], 3, Some(0))),
        (PageAt::Last, listed(&["c", "d", "e"], 3, Some(0))),
        (PageAt::After(1), listed(&["c", "d", "e"], 3, Some(0))),
        (PageAt::After(3), listed(&["d", "e"], 3, Some(1))),
        (PageAt::Before(4), listed(&["c"], 3, Some(0))),
        (PageAt::Index(1), listed(&["d", "e"], 3, Some(1))),
    ] {
        assert_eq!(items(store, node, at, Some(2)).await, expected, "{at:?}");
    }
    assert_eq!(items(store, node, PageAt::First, Some(9)).await, listed(&[], 0, None));

    let through_ms = FIRST_SECOND_MS + 3_000;
    assert_eq!(store.expire_items(rules(node), through_ms, 2).await.expect("expire"), 2, "bounded");
    assert_eq!(items(store, node, PageAt::First, None).await, listed(&["c", "d", "e"], 3, Some(0)));
    assert_eq!(store.expire_items(rules(node), through_ms, 2).await.expect("expire"), 1);
    assert_eq!(store.expire_items(rules(node), through_ms, 2).await.expect("expire"), 0);
    assert_eq!(items(store, node, PageAt::First, None).await, listed(&["d", "e"], 2, Some(0)));
    assert_eq!(log(store, node).await, [1, 2, 3, 4, 5], "the log has its own bounds");
}

pub async fn items_over_a_lowered_bound_go_step_by_step(store: &dyn Store) {
    let fixture = Fixture::new(store);
    let node = fixture.node("n").await.id;
    fixture.publish(node, &["gone"], 100).await;
    fixture.purge(node).await;
    fixture.publish(node, &["a", "b", "c", "d", "e"], 100).await;
    let counted = store.retained(None, 9).await.expect("a read").nodes[0].item_count;
    assert_eq!(counted, 5);
    for (evicted, left) in [(2, &["c", "d", "e"][..]), (1, &["d", "e"]), (0, &["d", "e"])] {
        assert_eq!(store.evict_items(rules(node), 2, 2).await.expect("evict"), evicted, "bounded");
        let count = left.len() as u64;
        assert_eq!(items(store, node, PageAt::First, None).await, listed(left, count, Some(0)));
    }
    assert_eq!(log(store, node).await, [1, 2, 3, 4, 5, 6, 7], "the log has its own bounds");
}

pub async fn what_was_decided_on_other_rules_is_left_alone(store: &dyn Store) {
    let fixture = Fixture::new(store);
    let node = fixture.node("n").await.id;
    fixture.publish(node, &["a", "b"], 100).await;
    let mut transaction = fixture.begin().await;
    advance(&mut *transaction, HeadAdvance { rules_change: true, ..events(node, 0) }).await;
    transaction.commit().await.expect("commit");
    let (before, now) = (rules(node), NodeRules { node, rules_version: 2 });
    for (node, counts) in [(before, [0, 0, 0]), (now, [1, 1, 2])] {
        let evicted = store.evict_items(node, 1, 9).await.expect("evict");
        let expired = store.expire_items(node, i64::MAX, 9).await.expect("expire");
        let trimmed = store.trim_log(node, 2, 9).await.expect("trim");
        assert_eq!([evicted, expired, trimmed], counts, "{node:?}");
    }
    assert_eq!(store.retained(None, 9).await.expect("a read").nodes[0].rules(), now);
}

/// As a new node has them.
fn rules(node: NodeId) -> NodeRules {
    NodeRules { node, rules_version: 1 }
}

pub async fn a_purge_is_one_mark_that_every_read_honours(store: &dyn Store) {
    let fixture = Fixture::new(store);
    let node = fixture.node("n").await.id;
    let other = fixture.node("other").await.id;
    fixture.publish(node, &["a", "b", "c"], 100).await;
    fixture.publish(other, &["a"], 100).await;
    assert!(!retained(store, node).await.has_purged_items);
    assert_eq!(fixture.purge(node).await, 4);
    for at in [PageAt::First, PageAt::Last, PageAt::After(1), PageAt::Before(9), PageAt::Index(0)] {
        assert_eq!(items(store, node, at, None).await, listed(&[], 0, None), "{at:?}");
    }
    let ids_of_all = ["a", "b", "c"].map(item_id);
    assert_eq!(store.find_items(node, &ids_of_all, 9_000).await.expect("items").items, []);
    let mut transaction = fixture.begin().await;
    assert_eq!(transaction.find_items(node, &ids_of_all).await.expect("items"), []);
    drop(transaction);

    fixture.publish(node, &["a", "x"], 100).await;
    let all = listed(&["a", "x"], 2, Some(0));
    assert_eq!(items(store, node, PageAt::First, None).await, all, "what was purged counts no more");
    let mut transaction = fixture.begin().await;
    transaction.remove_oldest_items(node, 1).await.expect("remove");
    transaction.lower_item_counts(&[(node, 1)]).await.expect("lower");
    transaction.commit().await.expect("commit");
    assert_eq!(items(store, node, PageAt::After(2), None).await, listed(&["x"], 1, Some(0)));
    assert_eq!(store.expire_items(rules(node), FIRST_SECOND_MS + 5_000, 9).await.expect("expire"), 0);

    assert!(retained(store, node).await.has_purged_items);
    assert_eq!(
        store.sweep_purged(node, 1).await.expect("sweep"),
        1,
        "bounded; a had made room for the new a"
    );
    assert_eq!(store.sweep_purged(node, 0).await.expect("sweep"), 1);
    assert_eq!(store.sweep_purged(node, 1).await.expect("sweep"), 0);
    assert!(!retained(store, node).await.has_purged_items);
    assert_eq!(items(store, node, PageAt::First, None).await, listed(&["x"], 1, Some(0)));
    assert_eq!(log(store, node).await, [1, 2, 3, 4, 5, 6]);
    assert_eq!(items(store, other, PageAt::First, None).await, listed(&["a"], 1, Some(0)));
}

pub async fn retracted_payloads_are_blanked_once_asked_for(store: &dyn Store) {
    let fixture = Fixture::new(store);
    let node = fixture.node("n").await.id;
    fixture.publish(node, &["a", "b", "c"], 100).await;
    assert_eq!(retained(store, node).await.oldest_retraction_seq, None);
    assert_eq!((fixture.retract(node, "a").await, fixture.retract(node, "c").await), (4, 5));
    let payloads = async || {
        let events = store.events_after(node, 0, 9, 9_000).await.expect("a page");
        events
            .iter()
            .filter(|event| event.kind.payload().is_some())
            .map(|event| event.seq)
            .collect::<Vec<_>>()
    };
    assert_eq!(retained(store, node).await.oldest_retraction_seq, Some(4));
    assert_eq!(store.blank_retracted(node, 3, 9).await.expect("blank"), 0);
    assert_eq!(payloads().await, [1, 2, 3]);
    assert_eq!(store.blank_retracted(node, 4, 9).await.expect("blank"), 1);
    assert_eq!(payloads().await, [2, 3]);
    assert_eq!(retained(store, node).await.oldest_retraction_seq, Some(5));
    assert_eq!(retained(store, node).await.log.log_bytes, 2 * PAYLOAD_BYTES);
    store.trim_log(rules(node), 2, 9).await.expect("trim");
    assert_eq!(retained(store, node).await.log.log_bytes, PAYLOAD_BYTES, "a blank weighs nothing");
    store.trim_log(rules(node), 3, 9).await.expect("trim");
    assert_eq!(store.blank_retracted(node, 5, 9).await.expect("blank"), 1, "its row was trimmed before");
    let RetainedNode { log, oldest_retraction_seq, .. } = retained(store, node).await;
    assert_eq!((log.log_bytes, oldest_retraction_seq), (0, None));
}

pub async fn nodes_are_looked_at_in_pages(store: &dyn Store) {
    let fixture = Fixture::new(store);
    let page = async |after, nodes_max| {
        let page = store.retained(after, nodes_max).await.expect("a page");
        (page.nodes.iter().map(|node| node.node).collect::<Vec<_>>(), page.next_after)
    };
    assert_eq!(page(None, 2).await, (vec![], None));
    let mut nodes = Vec::new();
    for name in ["a", "b", "c"] {
        nodes.push(fixture.node(name).await.id);
    }
    let gone = fixture.node("gone").await.id;
    fixture.delete(gone).await;
    assert_eq!(page(None, 2).await, (nodes[..2].to_vec(), Some(nodes[1])));
    assert_eq!(page(Some(nodes[1]), 2).await, (nodes[2..].to_vec(), None));
    assert_eq!(page(None, 0).await, (nodes[..1].to_vec(), Some(nodes[0])), "at least one");

    fixture.publish(nodes[0], &["a", "b"], 100).await;
    let moves = [CursorMove { node: nodes[0], epoch: Some(EPOCH), to: Position::behind(1) }];
    store.move_cursors(Leg::Xmpp, &moves).await.expect("move");
    let expected = RetainedNode {
        node: nodes[0],
        config: fixture.facts("a").await.config,
        rules_version: 1,
        log: LogState {
            head_seq: 2,
            purged_through_seq: 0,
            delivered_through_seq: 1,
            lagging_through_seq: None,
            log_bytes: 2 * PAYLOAD_BYTES,
        },
        trimmed_through_seq: 0,
        oldest_event: Some(LoggedEvent {
            seq: 1,
            payload_bytes: PAYLOAD_BYTES,
            published_at_ms: FIRST_SECOND_MS + 1_000,
        }),
        item_count: 2,
        oldest_item_published_at_ms: None,
        has_purged_items: false,
        oldest_retraction_seq: None,
    };
    assert_eq!(retained(store, nodes[0]).await, expected);
}
