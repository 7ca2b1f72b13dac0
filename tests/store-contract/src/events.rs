//! The log.

use bus_domain::{Event, EventKind, RedirectUri};
use bus_store::{HeadAdvance, Store};

use crate::fixture::{Fixture, advance, events, item_id, published};

pub async fn events_come_back_as_they_were_appended(store: &dyn Store) {
    let fixture = Fixture::new(store);
    let node = fixture.node("n").await;
    let other = fixture.node("other").await;
    let retracted = EventKind::Retracted { item_id: item_id("ä'\"\n") };
    let log = [
        published(1, "ä'\"\n", 10, 0),
        published(2, "empty", 0, 1),
        Event { kind: retracted, due_after_seq: None, ..published(3, "x", 0, 2) },
        Event { kind: EventKind::Purged, ..published(4, "x", 0, 2) },
        Event { kind: EventKind::Configured, ..published(5, "x", 0, 4) },
        Event {
            kind: EventKind::Deleted {
                redirect: Some(RedirectUri::new("xmpp:ä@example.org?;node='").expect("a URI")),
            },
            ..published(6, "x", 0, 5)
        },
    ];
    let mut transaction = fixture.begin().await;
    advance(&mut *transaction, events(node.id, 6)).await;
    let rows: Vec<_> = log.iter().map(|event| (node.id, event.clone())).collect();
    transaction.append_events(&rows).await.expect("append");
    transaction.commit().await.expect("commit");
    assert_eq!(store.events_after(node.id, 0, 10, 10_000).await.expect("a page"), log);
    assert_eq!(store.events_after(node.id, 2, 10, 10_000).await.expect("a page"), log[2..]);
    assert_eq!(store.events_after(node.id, 6, 10, 10_000).await.expect("a page"), []);
    assert_eq!(store.events_after(other.id, 0, 10, 10_000).await.expect("a page"), []);
}

pub async fn pages_of_the_log_are_bounded_in_count_and_bytes(store: &dyn Store) {
    let fixture = Fixture::new(store);
    let node = fixture.node("n").await;
    fixture.publish(node.id, &["1", "2", "3", "4", "5"], 100).await;
    let page = async |after, events_max, bytes_max| {
        let events = store.events_after(node.id, after, events_max, bytes_max).await.expect("a page");
        events.iter().map(|event| event.seq).collect::<Vec<_>>()
    };
    assert_eq!(page(0, 2, 10_000).await, [1, 2]);
    assert_eq!(page(2, 10, 10_000).await, [3, 4, 5]);
    assert_eq!(page(0, 10, 200).await, [1, 2], "a page ends with the event that reaches the bound");
    assert_eq!(page(0, 10, 1).await, [1], "at least one");
}

pub async fn heads_of_many_nodes_are_one_read(store: &dyn Store) {
    let fixture = Fixture::new(store);
    let first = fixture.node("first").await.id;
    let second = fixture.node("second").await.id;
    fixture.publish(second, &["a", "b"], 10).await;
    let gone = bus_domain::NodeId(i64::MAX);
    let mut heads = store.heads(&[second, gone, first]).await.expect("a read");
    heads.sort_unstable_by_key(|(node, _)| *node);
    assert_eq!(
        heads.iter().map(|(node, head)| (*node, head.seq)).collect::<Vec<_>>(),
        [(first, 0), (second, 2)]
    );
    assert_eq!(Some(heads[1].1), store.head(second).await.expect("a read"));
    assert_eq!(store.heads(&[]).await.expect("a read"), []);
}

pub async fn due_events_are_chained(store: &dyn Store) {
    let fixture = Fixture::new(store);
    let node = fixture.node("n").await.id;
    // (events, which of them is the last due, what was due before)
    for (count, last_due, before) in [(2, 2, 0), (1, 0, 2), (3, 1, 2), (1, 1, 4)] {
        let mut transaction = fixture.begin().await;
        let step = HeadAdvance { last_due_event: last_due, ..events(node, count) };
        let head = advance(&mut *transaction, step).await;
        assert_eq!(head.due_before_seq, before);
        transaction.commit().await.expect("commit");
    }
}
