//! Items: windows, overwriting, trimming.

use bus_domain::NodeId;
use bus_domain::retract::StoredItem;
use bus_domain::retrieve::{ItemOrder, PageAt};
use bus_store::{ItemWindow, RemovedItem, Store};

use crate::fixture::{FIRST_SECOND_MS, Fixture, ids, item_id};

async fn window(
    store: &dyn Store,
    node: NodeId,
    at: PageAt,
    items_max: u32,
) -> (Vec<String>, u64, Option<u64>) {
    let window = ItemWindow {
        order: ItemOrder::Modification,
        at,
        items_max,
        bytes_max: 100_000,
        expired_through_ms: None,
    };
    let page = store.list_items(node, window).await.expect("a page");
    (ids(&page.items).into_iter().map(str::to_owned).collect(), page.count, page.first_index)
}

fn expected(ids: &[&str], count: u64, first_index: Option<u64>) -> (Vec<String>, u64, Option<u64>) {
    (ids.iter().map(|id| (*id).to_owned()).collect(), count, first_index)
}

pub async fn windows_lie_where_they_are_asked_for(store: &dyn Store) {
    let fixture = Fixture::new(store);
    let node = fixture.node("n").await.id;
    assert_eq!(window(store, node, PageAt::Last, 3).await, expected(&[], 0, None));
    fixture.publish(node, &["a", "b", "c", "d", "e"], 10).await;
    for (at, items_max, found, first_index) in [
        (PageAt::First, 2, &["a", "b"][..], Some(0)),
        (PageAt::Last, 2, &["d", "e"], Some(3)),
        (PageAt::Last, 9, &["a", "b", "c", "d", "e"], Some(0)),
        (PageAt::After(2), 2, &["c", "d"], Some(2)),
        (PageAt::After(5), 2, &[], None),
        (PageAt::Before(4), 2, &["b", "c"], Some(1)),
        (PageAt::Before(1), 2, &[], None),
        (PageAt::Index(3), 9, &["d", "e"], Some(3)),
        (PageAt::Index(5), 9, &[], None),
        (PageAt::First, 0, &[], None),
        (PageAt::IndexFromEnd(1), 2, &["c", "d"], Some(2)),
        (PageAt::IndexFromEnd(3), 9, &["a", "b"], Some(0)),
        (PageAt::IndexFromEnd(5), 2, &[], None),
    ] {
        let found = expected(found, 5, first_index);
        assert_eq!(window(store, node, at, items_max).await, found, "{at:?} {items_max}");
    }
}

pub async fn windows_are_bounded_in_bytes(store: &dyn Store) {
    let fixture = Fixture::new(store);
    let node = fixture.node("n").await.id;
    fixture.publish(node, &["a", "b", "c", "d"], 100).await;
    // What is next to the place stays, and at least one item.
    for (at, bytes_max, found, first_index) in [
        (PageAt::First, 200, &["a", "b"][..], 0),
        (PageAt::Last, 200, &["c", "d"], 2),
        (PageAt::Last, 1, &["d"], 3),
        (PageAt::After(1), 200, &["b", "c"], 1),
        (PageAt::Before(4), 200, &["b", "c"], 1),
        (PageAt::Before(4), 1, &["c"], 2),
        (PageAt::Index(1), 200, &["b", "c"], 1),
        (PageAt::IndexFromEnd(1), 200, &["b", "c"], 1),
    ] {
        let page = store
            .list_items(
                node,
                ItemWindow {
                    order: ItemOrder::Modification,
                    at,
                    items_max: 9,
                    bytes_max,
                    expired_through_ms: None,
                },
            )
            .await
            .expect("a page");
        assert_eq!((ids(&page.items), page.first_index), (found.to_vec(), Some(first_index)), "{at:?}");
    }
}

pub async fn an_overwritten_item_is_the_newest(store: &dyn Store) {
    let fixture = Fixture::new(store);
    let node = fixture.node("n").await.id;
    fixture.publish(node, &["a", "b", "a"], 10).await;
    assert_eq!(window(store, node, PageAt::First, 9).await, expected(&["b", "a"], 2, Some(0)));
    assert_eq!(store.events_after(node, 0, 9, 9_000).await.expect("the log").len(), 3, "the log keeps all");
}

/// The ids, the positions that the items are in the order of, and how many are in front.
async fn created(
    store: &dyn Store,
    node: NodeId,
    at: PageAt,
    items_max: u32,
    bytes_max: usize,
    expired_through_ms: Option<i64>,
) -> (String, Vec<u64>, Option<u64>) {
    let window = ItemWindow { order: ItemOrder::Creation, at, items_max, bytes_max, expired_through_ms };
    let page = store.list_items(node, window).await.expect("a page");
    (ids(&page.items).concat(), page.places, page.first_index)
}

pub async fn items_keep_their_places_by_creation_when_they_are_overwritten(store: &dyn Store) {
    let fixture = Fixture::new(store);
    let node = fixture.node("n").await.id;
    fixture.publish(fixture.node("other").await.id, &["a", "b", "a"], 10).await;
    let page = async |at, items_max| created(store, node, at, items_max, 100_000, None).await;
    assert_eq!(page(PageAt::First, 9).await, (String::new(), vec![], None));
    // The positions: a 1 and 7, b 2, c 3 and 6, d 4, e 5.
    fixture.publish(node, &["a", "b", "c", "d", "e", "c", "a"], 100).await;
    for (at, items_max, found, places, first_index) in [
        (PageAt::First, 9, "abcde", &[1, 2, 3, 4, 5][..], Some(0)),
        (PageAt::First, 2, "ab", &[1, 2], Some(0)),
        (PageAt::First, 0, "", &[], None),
        (PageAt::Last, 2, "de", &[4, 5], Some(3)),
        (PageAt::After(1), 2, "bc", &[2, 3], Some(1)),
        (PageAt::After(3), 9, "de", &[4, 5], Some(3)),
        (PageAt::Before(4), 2, "bc", &[2, 3], Some(1)),
        (PageAt::Before(1), 2, "", &[], None),
        (PageAt::Index(2), 2, "cd", &[3, 4], Some(2)),
        (PageAt::Index(u64::MAX), 2, "", &[], None),
        (PageAt::IndexFromEnd(1), 2, "cd", &[3, 4], Some(2)),
    ] {
        let expected = (found.to_owned(), places.to_vec(), first_index);
        assert_eq!(page(at, items_max).await, expected, "{at:?} {items_max}");
    }
    let bounded = async |at, bytes_max| created(store, node, at, 9, bytes_max, None).await.0;
    assert_eq!(bounded(PageAt::First, 200).await, "ab");
    assert_eq!(bounded(PageAt::Last, 200).await, "de");
    assert_eq!(bounded(PageAt::Last, 1).await, "e", "at least one");
    let expired = Some(FIRST_SECOND_MS + 5_000);
    assert_eq!(created(store, node, PageAt::First, 1, 9_999, expired).await, ("a".to_owned(), vec![1], None));
    assert_eq!(created(store, node, PageAt::First, 9, 9_999, expired).await.0, "ac");
}

pub async fn an_item_that_was_taken_away_is_created_anew(store: &dyn Store) {
    let fixture = Fixture::new(store);
    let node = fixture.node("n").await.id;
    fixture.publish(node, &["a", "b", "a"], 10).await;
    fixture.retract(node, "a").await;
    fixture.publish(node, &["a", "b"], 10).await;
    let page = async || created(store, node, PageAt::First, 9, 9_999, None).await;
    assert_eq!(page().await, ("ba".to_owned(), vec![2, 5], Some(0)));
    fixture.purge(node).await;
    assert_eq!(page().await.0, "");
    fixture.publish(node, &["b", "a", "b"], 10).await;
    assert_eq!(page().await, ("ba".to_owned(), vec![8, 9], Some(0)));
}

pub async fn the_oldest_items_go_first(store: &dyn Store) {
    let fixture = Fixture::new(store);
    let node = fixture.node("n").await.id;
    let other = fixture.node("other").await.id;
    fixture.publish(node, &["a", "b", "c"], 10).await;
    fixture.publish(other, &["a"], 10).await;
    let mut transaction = fixture.begin().await;
    transaction.remove_oldest_items(node, 2).await.expect("remove");
    transaction.lower_item_counts(&[(node, 2)]).await.expect("lower");
    transaction.commit().await.expect("commit");
    assert_eq!(window(store, node, PageAt::First, 9).await, expected(&["c"], 1, Some(0)));
    assert_eq!(window(store, other, PageAt::First, 9).await, expected(&["a"], 1, Some(0)));
}

pub async fn the_oldest_items_are_named_before_they_go(store: &dyn Store) {
    let fixture = Fixture::new(store);
    let (node, other) = (fixture.node("n").await.id, fixture.node("other").await.id);
    fixture.publish(node, &["a"], 10).await;
    fixture.purge(node).await;
    fixture.publish(node, &["b", "c'\"", "d", "b"], 10).await;
    fixture.publish(other, &["x"], 10).await;
    let mut transaction = fixture.begin().await;
    let oldest = transaction.oldest_items(node, 2).await.expect("items");
    let seqs: Vec<_> = oldest.iter().map(|item| (item.id.as_str(), item.seq)).collect();
    assert_eq!(seqs, [("c'\"", 4), ("d", 5)]);
    assert_eq!(
        oldest,
        transaction.find_items(node, &[item_id("d"), item_id("c'\"")]).await.map(sorted).expect("items")
    );
    assert_eq!(transaction.oldest_items(node, 9).await.expect("items").len(), 3);
}

fn sorted(mut items: Vec<StoredItem>) -> Vec<StoredItem> {
    items.sort_unstable_by_key(|item| item.seq);
    items
}

pub async fn items_are_found_by_id(store: &dyn Store) {
    let fixture = Fixture::new(store);
    let node = fixture.node("n").await.id;
    fixture.publish(node, &["a", "b'\"", "c"], 100).await;
    let wanted = ["c", "absent", "b'\""].map(item_id);
    let found = store.find_items(node, &wanted, 100_000).await.expect("items");
    assert_eq!(ids(&found.items), ["b'\"", "c"], "in the order of their positions");
    assert!(!found.truncated, "what is not there was not kept out");
    let found = store.find_items(node, &wanted, 1).await.expect("items");
    assert_eq!((ids(&found.items), found.truncated), (vec!["b'\""], true));
    let mut transaction = fixture.begin().await;
    let stored = transaction.find_items(node, &wanted).await.expect("items");
    let mut stored: Vec<_> = stored.iter().map(|item| (item.id.as_str(), item.seq)).collect();
    stored.sort_unstable();
    assert_eq!(stored, [("b'\"", 2), ("c", 3)]);
    let removed = transaction.remove_items(&[(node, item_id("c")), (node, item_id("absent"))]).await;
    let expected = RemovedItem { node, item_id: item_id("c"), created_seq: 3 };
    assert_eq!(removed.expect("remove"), [expected]);
}

pub async fn the_newest_item_is_found_in_a_transaction(store: &dyn Store) {
    let fixture = Fixture::new(store);
    let node = fixture.node("n").await.id;
    let found = async |expired_through_ms| {
        let mut transaction = fixture.begin().await;
        let newest = transaction.last_item(node, expired_through_ms).await.expect("a read");
        (newest.map(|event| event.seq), transaction.count_items(node).await.expect("a read"))
    };
    assert_eq!(found(None).await, (None, 0));
    fixture.publish(node, &["a", "b"], 10).await;
    assert_eq!(found(None).await, (Some(2), 2));
    let published_at_ms = store.events_after(node, 1, 1, 1).await.expect("a read")[0].published_at_ms;
    assert_eq!(found(Some(published_at_ms - 1)).await, (Some(2), 2));
    assert_eq!(found(Some(published_at_ms)).await, (None, 2), "expired");
    fixture.purge(node).await;
    assert_eq!(found(None).await, (None, 0));
}
