//! Transactions: all or nothing, on the version that was seen.

use bus_domain::NodeName;
use bus_store::{BatchId, HeadAdvance, ItemPointer, LockMode, Store};

use crate::fixture::{Fixture, advance, events, item_id, published, row};

pub async fn what_is_dropped_leaves_nothing_behind(store: &dyn Store) {
    let fixture = Fixture::new(store);
    let node = fixture.node("n").await.id;
    let mut transaction = fixture.begin().await;
    transaction.insert_node(&row("never")).await.expect("insert");
    advance(&mut *transaction, events(node, 1)).await;
    transaction.append_events(&[(node, published(1, "a", 10, 0))]).await.expect("append");
    drop(transaction);
    fixture.publish(node, &["a"], 10).await;
    assert_eq!(store.events_after(node, 0, 9, 9_000).await.expect("the log").len(), 1);
    let never = NodeName::new("never").expect("a name");
    assert_eq!(store.find_node(&never).await.expect("a read"), None);
}

pub async fn heads_move_only_on_the_version_that_was_seen(store: &dyn Store) {
    let fixture = Fixture::new(store);
    let stays = fixture.node("stays").await.id;
    let moves = fixture.node("moves").await.id;
    let mut transaction = fixture.begin().await;
    let head = advance(&mut *transaction, HeadAdvance { rules_change: true, ..events(moves, 0) }).await;
    assert_eq!((head.rules_version, head.recipients_version), (2, 1));
    transaction.commit().await.expect("commit");

    let mut transaction = fixture.begin().await;
    let gone = bus_domain::NodeId(i64::MAX);
    let advances = [events(stays, 1), events(moves, 1), events(gone, 1)];
    let heads = transaction.advance_heads(&advances).await.expect("advance");
    assert_eq!(heads.iter().map(|head| head.node).collect::<Vec<_>>(), [stays]);
    transaction.commit().await.expect("commit");
    assert_eq!(store.head(moves).await.expect("a read").expect("a head").seq, 0);
    assert_eq!(store.head(stays).await.expect("a read").expect("a head").seq, 1);
}

pub async fn committed_batches_are_found(store: &dyn Store) {
    let fixture = Fixture::new(store);
    let (committed, dropped) = (BatchId([1; 16]), BatchId([2; 16]));
    let mut transaction = fixture.begin().await;
    transaction.record_batch(committed, 5).await.expect("record");
    transaction.commit().await.expect("commit");
    let mut transaction = fixture.begin().await;
    transaction.record_batch(dropped, 5).await.expect("record");
    drop(transaction);
    assert!(store.find_batch(committed).await.expect("a read"));
    assert!(!store.find_batch(dropped).await.expect("a read"));
}

pub async fn batches_of_many_nodes_are_one_statement_each(store: &dyn Store) {
    let fixture = Fixture::new(store);
    let mut nodes = Vec::new();
    for index in 0..20 {
        nodes.push(fixture.node(&format!("n{index}")).await.id);
    }
    let mut transaction = fixture.begin().await;
    let locked = transaction.lock_heads(&nodes, LockMode::SkipHeld).await.expect("lock");
    assert_eq!(locked, nodes);
    let advances: Vec<_> = nodes.iter().map(|node| HeadAdvance { items: 1, ..events(*node, 1) }).collect();
    let heads = transaction.advance_heads(&advances).await.expect("advance");
    assert_eq!(heads.len(), nodes.len());
    let rows: Vec<_> = nodes.iter().map(|node| (*node, published(1, "a", 10, 0))).collect();
    transaction.append_events(&rows).await.expect("append");
    let pointer = |node| ItemPointer { node, item_id: item_id("a"), seq: 1, created_seq: None };
    transaction.place_items(&nodes.iter().copied().map(pointer).collect::<Vec<_>>()).await.expect("place");
    transaction.commit().await.expect("commit");
    for node in nodes {
        assert_eq!(store.events_after(node, 0, 9, 9_000).await.expect("the log").len(), 1);
    }
}

pub async fn a_node_that_is_gone_counts_as_locked_and_does_not_advance(store: &dyn Store) {
    let fixture = Fixture::new(store);
    let there = fixture.node("n").await.id;
    let gone = bus_domain::NodeId(i64::MAX);
    for mode in [LockMode::SkipHeld, LockMode::Wait] {
        let mut transaction = fixture.begin().await;
        assert_eq!(transaction.lock_heads(&[there, gone], mode).await.expect("lock"), [there, gone]);
        let heads = transaction.advance_heads(&[events(there, 0), events(gone, 0)]).await.expect("advance");
        assert_eq!(heads.iter().map(|head| head.node).collect::<Vec<_>>(), [there]);
        transaction.commit().await.expect("commit");
    }
}

pub async fn a_batch_may_be_big(store: &dyn Store) {
    const EVENTS: u64 = 5_000;
    let fixture = Fixture::new(store);
    let node = fixture.node("n").await.id;
    let ids: Vec<String> = (1..=EVENTS).map(|number| format!("item {number}")).collect();
    let rows: Vec<_> = (1..).zip(&ids).map(|(seq, id)| (node, published(seq, id, 400, seq - 1))).collect();
    let pointers: Vec<_> = (1..)
        .zip(&ids)
        .map(|(seq, id)| ItemPointer { node, item_id: item_id(id), seq, created_seq: None })
        .collect();
    let mut transaction = fixture.begin().await;
    advance(&mut *transaction, HeadAdvance { items: EVENTS, ..events(node, EVENTS) }).await;
    transaction.append_events(&rows).await.expect("append");
    transaction.place_items(&pointers).await.expect("place");
    transaction.commit().await.expect("commit");
    let all: Vec<_> = ids.iter().map(|id| (node, item_id(id))).collect();
    let mut transaction = fixture.begin().await;
    let found = transaction.find_items(node, &ids.iter().map(|id| item_id(id)).collect::<Vec<_>>()).await;
    assert_eq!(found.expect("items").len(), ids.len());
    assert_eq!(transaction.remove_items(&all).await.expect("remove").len(), ids.len());
    transaction.commit().await.expect("commit");
}
