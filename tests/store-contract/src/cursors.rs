//! Delivery cursors and what deleted nodes leave.

use bus_domain::{NodeId, SubscriptionId};
use bus_store::{CursorMove, Leg, Position, Store};

use crate::fixture::{EPOCH, Fixture};

async fn undelivered(
    store: &dyn Store,
    after: Option<NodeId>,
    nodes_max: u32,
) -> Vec<(NodeId, u64, Position)> {
    let page = store.undelivered(Leg::Xmpp, after, nodes_max).await.expect("a page");
    page.nodes.into_iter().map(|node| (node.node, node.head.seq, node.position)).collect()
}

pub async fn cursors_name_what_is_undelivered_and_never_move_back(store: &dyn Store) {
    let fixture = Fixture::new(store);
    let first = fixture.node("first").await.id;
    let second = fixture.node("second").await.id;
    fixture.node("quiet").await;
    fixture.publish(first, &["a", "b"], 10).await;
    fixture.publish(second, &["a"], 10).await;
    let all = [(first, 2, Position::START), (second, 1, Position::START)];
    assert_eq!(undelivered(store, None, 9).await, all);
    assert_eq!(undelivered(store, None, 1).await, all[..1]);
    assert_eq!(undelivered(store, Some(first), 9).await, all[1..]);

    let halfway = Position { through_seq: 1, through_subscription: SubscriptionId(7) };
    let moves = [
        CursorMove { node: first, epoch: Some(EPOCH), to: halfway },
        CursorMove { node: second, epoch: Some(EPOCH), to: Position::behind(1) },
    ];
    store.move_cursors(Leg::Xmpp, &moves).await.expect("move");
    assert_eq!(undelivered(store, None, 9).await, [(first, 2, halfway)]);
    let unmoved = fixture.node("unmoved").await.id;
    let mut positions = store.positions(Leg::Xmpp, &[unmoved, second, first]).await.expect("a read");
    positions.sort_unstable_by_key(|(node, _)| *node);
    assert_eq!(positions, [(first, halfway), (second, Position::behind(1))]);
    let back = CursorMove { node: first, epoch: Some(EPOCH), to: Position::behind(1) };
    store.move_cursors(Leg::Xmpp, &[back]).await.expect("move");
    assert_eq!(undelivered(store, None, 9).await, [(first, 2, halfway)], "never back");
    let unknown = CursorMove { node: NodeId(i64::MAX), epoch: Some(EPOCH), to: halfway };
    store.move_cursors(Leg::Xmpp, &[unknown]).await.expect("a node that was reaped is no error");
}

pub async fn deleted_nodes_are_reaped_once_handed_over(store: &dyn Store) {
    let fixture = Fixture::new(store);
    let kept = fixture.node("kept").await.id;
    let gone = fixture.node("gone").await.id;
    fixture.publish(kept, &["a"], 10).await;
    fixture.publish(gone, &["a", "b", "c", "d", "e"], 10).await;
    fixture.subscribe(gone, "a@example.org").await;
    let last = fixture.delete(gone).await;
    assert_eq!(store.reap_deleted(3).await.expect("reap"), 0, "its last notification is still due");
    assert_eq!(store.recipients(gone, None, 9).await.expect("a page").recipients.len(), 1);

    store
        .move_cursors(Leg::Xmpp, &[CursorMove { node: gone, epoch: Some(EPOCH), to: Position::behind(last) }])
        .await
        .expect("move");
    let mut steps = 0;
    while store.reap_deleted(3).await.expect("reap") > 0 {
        steps += 1;
        assert!(steps < 20, "it comes to an end");
    }
    assert!(steps >= 4, "13 rows and more, 3 at a time");
    assert_eq!(store.head(gone).await.expect("a read"), None);
    assert_eq!(store.events_after(gone, 0, 9, 9_000).await.expect("a page"), []);
    assert_eq!(store.recipients(gone, None, 9).await.expect("a page").recipients, []);
    assert_eq!(store.events_after(kept, 0, 9, 9_000).await.expect("a page").len(), 1);
}

pub async fn pages_of_undelivered_nodes_say_where_the_next_one_starts(store: &dyn Store) {
    let fixture = Fixture::new(store);
    let page = async |after, nodes_max| {
        let page = store.undelivered(Leg::Xmpp, after, nodes_max).await.expect("a page");
        (page.nodes.iter().map(|node| node.node).collect::<Vec<_>>(), page.next_after)
    };
    assert_eq!(page(None, 2).await, (vec![], None));
    let mut nodes = Vec::new();
    for name in ["a", "b", "c"] {
        nodes.push(fixture.node(name).await.id);
        fixture.publish(nodes[nodes.len() - 1], &["item"], 10).await;
    }
    assert_eq!(page(None, 2).await, (nodes[..2].to_vec(), Some(nodes[1])));
    assert_eq!(page(Some(nodes[1]), 2).await, (nodes[2..].to_vec(), None));
    assert_eq!(page(None, 0).await, (nodes[..1].to_vec(), Some(nodes[0])), "at least one");
}

pub async fn reaping_comes_to_an_end_with_every_budget(store: &dyn Store) {
    let fixture = Fixture::new(store);
    // 2 items, 3 events, a subscription, an affiliation, the cursor, the head and the node itself make 10 rows.
    for rows_max in 0..=12 {
        let node = fixture.node("gone").await.id;
        fixture.publish(node, &["a", "b"], 10).await;
        fixture.subscribe(node, "a@example.org").await;
        let to = Position::behind(fixture.delete(node).await);
        store.move_cursors(Leg::Xmpp, &[CursorMove { node, epoch: Some(EPOCH), to }]).await.expect("move");
        let mut reaped = 0;
        for step in 0.. {
            assert!(step < 20, "{rows_max}: it comes to an end");
            match store.reap_deleted(rows_max).await.expect("reap") {
                0 => break,
                rows => reaped += rows,
            }
        }
        assert_eq!(reaped, 10, "{rows_max}: all rows, each counted once");
        assert_eq!(store.head(node).await.expect("a read"), None, "{rows_max}");
        assert_eq!(undelivered(store, None, 9).await, [], "{rows_max}");
    }
}
