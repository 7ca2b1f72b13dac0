//! What everybody has.

use bus_domain::quota::{Counted, UsageChange, UsageKey, moves};
use bus_store::{CursorMove, Leg, LockMode, Position, Store, Transaction};

use crate::fixture::{EPOCH, Fixture, bare};

pub async fn numbers_begin_at_zero_and_move(store: &dyn Store) {
    let fixture = Fixture::new(store);
    let (alice, bob) = (nodes_of("alice@example.org", 2), nodes_of("bob@example.org", 1));
    assert_eq!(counts(&fixture, &alice).await, [0, 0, 0]);
    count(&fixture, &alice).await;
    count(&fixture, &bob).await;
    assert_eq!(counts(&fixture, &alice).await, [2, 3, 3]);
    assert_eq!(counts(&fixture, &bob).await, [1, 3, 3]);
    let subscriptions = UsageChange { counted: Counted::Subscriptions, ..alice.clone() };
    assert_eq!(counts(&fixture, &subscriptions).await, [0, 0, 0], "each kind is counted by itself");
    count(&fixture, &UsageChange { by: -2, ..alice.clone() }).await;
    assert_eq!(counts(&fixture, &alice).await, [0, 1, 1]);
    count(&fixture, &UsageChange { by: 0, ..alice.clone() }).await;
    assert_eq!(counts(&fixture, &alice).await, [0, 1, 1]);
}

pub async fn what_is_dropped_is_not_counted(store: &dyn Store) {
    let fixture = Fixture::new(store);
    let alice = nodes_of("alice@example.org", 2);
    let mut transaction = fixture.begin().await;
    lock_and_move(&mut *transaction, &alice).await;
    drop(transaction);
    assert_eq!(counts(&fixture, &alice).await, [0, 0, 0]);
}

pub async fn subscriptions_that_go_with_their_node_are_taken_off(store: &dyn Store) {
    let fixture = Fixture::new(store);
    let gone = fixture.node("gone").await.id;
    let kept = fixture.node("kept").await.id;
    fixture.subscribe(gone, "alice@example.org").await;
    fixture.subscribe(gone, "alice@example.org/phone").await;
    fixture.subscribe(gone, "bob@example.net").await;
    fixture.subscribe(kept, "alice@example.org").await;
    let of = |owner| UsageChange { counted: Counted::Subscriptions, ..nodes_of(owner, 0) };
    assert_eq!(counts(&fixture, &of("alice@example.org")).await, [3, 3, 4]);
    assert_eq!(counts(&fixture, &nodes_of("owner@example.org", 0)).await, [2, 2, 2]);
    let to = Position::behind(fixture.delete(gone).await);
    assert_eq!(counts(&fixture, &nodes_of("owner@example.org", 0)).await, [1, 1, 1]);
    assert_eq!(counts(&fixture, &of("alice@example.org")).await, [3, 3, 4], "until the rows go");
    store.move_cursors(Leg::Xmpp, &[CursorMove { node: gone, epoch: Some(EPOCH), to }]).await.expect("move");
    while store.reap_deleted(2).await.expect("reap") > 0 {}
    assert_eq!(counts(&fixture, &of("alice@example.org")).await, [1, 1, 1]);
    assert_eq!(counts(&fixture, &of("bob@example.net")).await, [0, 0, 1]);
}

fn nodes_of(owner: &str, by: i64) -> UsageChange {
    UsageChange { counted: Counted::Nodes, owner: bare(owner), by }
}

/// Where the numbers stand, in the order of the change's keys.
pub(crate) async fn counts(fixture: &Fixture<'_>, change: &UsageChange) -> [u64; 3] {
    let keys = change.keys();
    let mut transaction = fixture.begin().await;
    let found = transaction.lock_usage(&keys, LockMode::Wait).await.expect("a lock");
    assert_eq!(found.len(), keys.len(), "all of them, once");
    keys.map(|key| found.iter().find(|(found, _)| *found == key).expect("the key that was asked for").1)
}

/// Counts in a transaction of its own.
async fn count(fixture: &Fixture<'_>, change: &UsageChange) {
    let mut transaction = fixture.begin().await;
    lock_and_move(&mut *transaction, change).await;
    transaction.commit().await.expect("commit");
}

/// What the engine does with a change, in a transaction.
pub(crate) async fn lock_and_move(transaction: &mut dyn Transaction, change: &UsageChange) {
    let keys: Vec<UsageKey> = change.keys().into();
    transaction.lock_usage(&keys, LockMode::Wait).await.expect("a lock");
    let moves: Vec<_> = moves([change]).into_iter().collect();
    transaction.move_usage(&moves).await.expect("a move");
}
