//! Levels of commits, unclean ends, and new lives of logs.

use bus_domain::bounce::Failures;
use bus_domain::{Durability, Epoch, NodeId, Subscription, SubscriptionId};
use bus_store::{
    CommitLevel, CursorMove, EpochRenewal, FailureNote, HeadAdvance, LaggingRow, Leg, Position, Store,
    SubscriptionKey,
};

use crate::fixture::{EPOCH, Fixture, advance, events, row};

pub async fn an_end_without_closing_is_told_to_whoever_comes_next(store: &dyn Store) {
    let mark = async || store.mark_in_use().await.expect("a mark");
    assert!(!mark().await, "a new store");
    assert_eq!(
        mark().await,
        !store.is_shared(),
        "nobody has closed it; a shared database outlives its users"
    );
    store.close().await.expect("closed");
    assert!(!mark().await);
}

pub async fn commits_of_every_level_are_seen_at_once(store: &dyn Store) {
    let fixture = Fixture::new(store);
    let node = fixture.node("n").await.id;
    let levels = [CommitLevel::Relaxed, CommitLevel::Fsync, CommitLevel::Relaxed, CommitLevel::Relaxed];
    for (seq, level) in (1..).zip(levels) {
        let mut transaction = store.begin(level).await.expect("a transaction");
        advance(&mut *transaction, events(node, 1)).await;
        transaction.commit().await.expect("commit");
        assert_eq!(store.head(node).await.expect("a read").expect("a head").seq, seq, "{level:?}");
    }
}

pub async fn relaxed_nodes_are_found_page_by_page(store: &dyn Store) {
    let fixture = Fixture::new(store);
    let mut relaxed = Vec::new();
    for (name, durability) in [
        ("a", Durability::Relaxed),
        ("b", Durability::Fsync),
        ("c", Durability::Memory),
        ("d", Durability::Relaxed),
        ("e", Durability::Relaxed),
    ] {
        let mut row = row(name);
        row.config.durability = durability;
        let mut transaction = fixture.begin().await;
        let node = transaction.insert_node(&row).await.expect("insert").expect("a free name");
        transaction.commit().await.expect("commit");
        if durability == Durability::Relaxed {
            relaxed.push(node);
        }
    }
    fixture.delete(relaxed.pop().expect("e")).await;
    let page = async |after, nodes_max| store.relaxed_nodes(after, nodes_max).await.expect("a page");
    assert_eq!(page(None, 9).await, relaxed, "and none that is deleted");
    assert_eq!(page(None, 1).await, relaxed[..1]);
    assert_eq!(page(Some(relaxed[0]), 9).await, relaxed[1..]);
}

pub async fn a_renewed_epoch_moves_both_versions_and_nothing_else_of_the_head(store: &dyn Store) {
    let fixture = Fixture::new(store);
    let node = fixture.node("n").await.id;
    let other = fixture.node("other").await.id;
    fixture.publish(node, &["a", "b"], 10).await;
    let before = store.head(node).await.expect("a read").expect("a head");
    let other_before = store.head(other).await.expect("a read");
    let gone = EpochRenewal { node: NodeId(i64::MAX), epoch: Epoch(1), last_seq: 0 };
    let mut transaction = fixture.begin().await;
    let renewals = [EpochRenewal { node, epoch: Epoch(u64::MAX), last_seq: 1 }, gone];
    let renewed = transaction.renew_epochs(&renewals).await.expect("renew");
    transaction.commit().await.expect("commit");
    let after = store.head(node).await.expect("a read").expect("a head");
    assert_eq!(after.epoch, Epoch(u64::MAX), "all 64 bits");
    assert_eq!((after.seq, after.trimmed_through_seq), (2, 0));
    let versions = (before.rules_version + 1, before.recipients_version + 1);
    assert_eq!((after.rules_version, after.recipients_version), versions);
    assert_eq!(renewed.len(), 1, "a node that is gone is left out");
    assert_eq!((renewed[0].node, renewed[0].rules_version, renewed[0].recipients_version), {
        (node, versions.0, versions.1)
    });
    assert_eq!(store.head(other).await.expect("a read"), other_before);
    assert_eq!(fixture.facts("n").await.epoch, Epoch(u64::MAX));
}

pub async fn what_lies_beyond_a_life_that_ended_is_set_back_to_its_end(store: &dyn Store) {
    let fixture = Fixture::new(store);
    // (cursor before, last of the old life, cursor after); each head is at 3.
    let partly = |seq| Position { through_seq: seq, through_subscription: SubscriptionId(7) };
    for (number, (before, last_seq, after)) in [
        (Position::behind(3), 1, Position::behind(1)),
        (partly(1), 1, Position::behind(1)),
        (partly(1), 2, partly(1)),
        (Position::behind(9), u64::MAX, Position::behind(3)),
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("n{number}");
        let node = fixture.node(&name).await.id;
        fixture.publish(node, &["a", "b", "c"], 10).await;
        fixture.subscribe(node, "a@example.org").await;
        let to = CursorMove { node, epoch: Some(EPOCH), to: before };
        store.move_cursors(Leg::Xmpp, &[to]).await.expect("move");
        let mut transaction = fixture.begin().await;
        let renewal = EpochRenewal { node, epoch: Epoch(5), last_seq };
        transaction.renew_epochs(&[renewal]).await.expect("renew");
        // So that every node has something that is not delivered.
        let step = HeadAdvance { rules_version: 2, ..events(node, 1) };
        assert_eq!(advance(&mut *transaction, step).await.seq, 4);
        transaction.commit().await.expect("commit");
        let page = store.undelivered(Leg::Xmpp, Some(NodeId(node.0 - 1)), 1).await.expect("a page");
        assert_eq!(page.nodes[0].position, after, "{name}");
        let recipients = store.recipients(node, None, 9).await.expect("a page").recipients;
        assert_eq!(recipients[0].subscription.since_seq, last_seq.min(3), "{name}");
    }
}

pub async fn where_another_life_had_come_says_nothing_of_this_one(store: &dyn Store) {
    let fixture = Fixture::new(store);
    let node = fixture.node("n").await.id;
    fixture.publish(node, &["a", "b", "c"], 10).await;
    let (lagging, failing) =
        (fixture.subscribe(node, "a@example.org").await, fixture.subscribe(node, "b@example.org").await);
    let lagging_at = |subscription: &Subscription, epoch, through_seq| {
        let key = SubscriptionKey { node, subscription: subscription.id };
        LaggingRow { key, epoch, through_seq, attempts: 1, due_at_ms: 0 }
    };
    let failed = |row: LaggingRow| {
        let now = Failures { since_ms: 0, through_seq: row.through_seq + 1 };
        FailureNote { key: row.key, seen: None, now, lagging: Some(row) }
    };
    let (before, after) = (EPOCH, Epoch(5));
    store.note_failures(Leg::Xmpp, &[failed(lagging_at(&lagging, before, 2))]).await.expect("a note");
    let mut transaction = fixture.begin().await;
    let renewal = EpochRenewal { node, epoch: after, last_seq: 1 };
    transaction.renew_epochs(&[renewal]).await.expect("renew");
    transaction.commit().await.expect("commit");

    let old = [lagging_at(&lagging, before, 3)];
    store.move_lagging(Leg::Xmpp, &old, &[]).await.expect("a write");
    for (epoch, seq) in [(Some(before), 9), (Some(after), 2), (None, 3)] {
        let to = CursorMove { node, epoch, to: Position::behind(seq) };
        store.move_cursors(Leg::Xmpp, &[to]).await.expect("a move");
    }
    let positions = store.positions(Leg::Xmpp, &[node]).await.expect("a read");
    assert_eq!(positions, [(node, Position::behind(3))]);
    store.note_failures(Leg::Xmpp, &[failed(lagging_at(&failing, before, 7))]).await.expect("a note");
    let rows = store.lagging(Leg::Xmpp, None, 9).await.expect("a page");
    assert_eq!(
        rows,
        [lagging_at(&lagging, after, 1), lagging_at(&failing, after, 3)],
        "no further than the cursor"
    );
    let moved = [lagging_at(&lagging, after, 2)];
    store.move_lagging(Leg::Xmpp, &moved, &[]).await.expect("a write");
    assert_eq!(store.lagging(Leg::Xmpp, None, 1).await.expect("a page"), moved);
}
