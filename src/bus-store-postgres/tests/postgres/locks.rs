//! Two transactions at once.

use bus_domain::bounce::Failures;
use bus_domain::quota::{Counted, UsageChange, UsageKey, moves};
use bus_domain::{BareJid, SubscriptionId};
use bus_store::{
    CommitLevel, FailureNote, LaggingStore as _, Leg, LockMode, NodeRules, RetentionStore as _, Store as _,
    StoreError, SubscriptionKey,
};
use harness::Postgres;

use crate::fixture::{IMPATIENT, advance, make_node, open, row};

#[tokio::test]
async fn a_head_that_is_held_is_skipped_or_waited_for_within_a_bound() {
    let url = Postgres::shared().await.create_database().await.unwrap();
    let store = open(&url, IMPATIENT).await;
    let (first, second, third) =
        (make_node(&store, "1").await, make_node(&store, "2").await, make_node(&store, "3").await);
    let mut holder = store.begin(CommitLevel::Fsync).await.unwrap();
    assert_eq!(holder.lock_heads(&[second], LockMode::SkipHeld).await.unwrap(), [second]);

    let mut other = store.begin(CommitLevel::Fsync).await.unwrap();
    let locked = other.lock_heads(&[second, third], LockMode::Wait).await.unwrap();
    assert_eq!(locked, [], "in vain, and the transaction goes on");
    let locked = other.lock_heads(&[first, second, third], LockMode::SkipHeld).await.unwrap();
    assert_eq!(locked, [first, third]);
    other.advance_heads(&[advance(first), advance(third)]).await.unwrap();
    other.commit().await.unwrap();
    holder.commit().await.unwrap();

    let mut last = store.begin(CommitLevel::Fsync).await.unwrap();
    assert_eq!(last.lock_heads(&[first, second, third], LockMode::Wait).await.unwrap().len(), 3);
    assert_eq!(store.ping().await.ok(), Some(()));
}

#[tokio::test]
async fn who_waits_gets_the_head_when_it_is_free_and_sees_what_was_committed() {
    let url = Postgres::shared().await.create_database().await.unwrap();
    let store = open(&url, bus_store_postgres::PostgresLimits::default()).await;
    let node = make_node(&store, "n").await;
    let mut holder = store.begin(CommitLevel::Fsync).await.unwrap();
    holder.lock_heads(&[node], LockMode::SkipHeld).await.unwrap();
    let waiter = async {
        let mut transaction = store.begin(CommitLevel::Fsync).await.unwrap();
        assert_eq!(transaction.lock_heads(&[node], LockMode::Wait).await.unwrap(), [node]);
        transaction.advance_heads(&[advance(node)]).await.unwrap()[0].seq
    };
    let commit = async {
        holder.advance_heads(&[advance(node)]).await.unwrap();
        holder.commit().await.unwrap();
    };
    let (seq, ()) = tokio::join!(waiter, commit);
    assert_eq!(seq, 2);
}

#[tokio::test]
async fn a_name_that_somebody_is_just_taking_is_waited_for() {
    let url = Postgres::shared().await.create_database().await.unwrap();
    let store = open(&url, IMPATIENT).await;
    let mut first = store.begin(CommitLevel::Fsync).await.unwrap();
    first.insert_node(&row("n")).await.unwrap().unwrap();
    let mut second = store.begin(CommitLevel::Fsync).await.unwrap();
    let held = second.insert_node(&row("n")).await;
    assert!(matches!(held, Err(StoreError::Unavailable { .. })), "{held:?}");
    let failed = second.commit().await;
    assert!(matches!(failed, Err(StoreError::Refused { .. })), "a commit would be none: {failed:?}");
    first.commit().await.unwrap();
    let mut third = store.begin(CommitLevel::Fsync).await.unwrap();
    assert_eq!(third.insert_node(&row("n")).await.unwrap(), None);
}

#[tokio::test]
async fn whoever_removes_rows_or_notes_failures_waits_for_the_head() {
    let url = Postgres::shared().await.create_database().await.unwrap();
    let store = open(&url, IMPATIENT).await;
    let node = make_node(&store, "n").await;
    let key = SubscriptionKey { node, subscription: SubscriptionId(1) };
    let now = Failures { since_ms: 1, through_seq: 1 };
    let failure = FailureNote { key, seen: None, now, lagging: None };
    let all = async || {
        [
            store.trim_log(NodeRules { node, rules_version: 1 }, 1, 1).await.err(),
            store.expire_items(NodeRules { node, rules_version: 1 }, 1, 1).await.err(),
            store.sweep_purged(node, 1).await.err(),
            store.blank_retracted(node, 1, 1).await.err(),
            store.note_failures(Leg::Xmpp, &[failure]).await.err(),
            store.move_lagging(Leg::Xmpp, &[], &[key]).await.err(),
        ]
    };
    let mut holder = store.begin(CommitLevel::Fsync).await.unwrap();
    holder.lock_heads(&[node], LockMode::SkipHeld).await.unwrap();
    for (number, held) in all().await.into_iter().enumerate() {
        assert!(matches!(held, Some(StoreError::Unavailable { .. })), "{number}: {held:?}");
    }
    holder.commit().await.unwrap();
    for (number, free) in all().await.into_iter().enumerate() {
        assert!(free.is_none(), "{number}: {free:?}");
    }
}

#[tokio::test]
async fn a_number_of_what_somebody_has_is_skipped_or_waited_for_within_a_bound() {
    let url = Postgres::shared().await.create_database().await.unwrap();
    let store = open(&url, IMPATIENT).await;
    let of = |owner| UsageChange { counted: Counted::Nodes, owner: BareJid::new(owner).unwrap(), by: 1 };
    let (alice, bob) = (of("alice@example.org"), of("bob@example.net"));
    let mut holder = store.begin(CommitLevel::Fsync).await.unwrap();
    assert_eq!(holder.lock_usage(&alice.keys(), LockMode::SkipHeld).await.unwrap().len(), 3);
    holder.move_usage(&moves([&alice]).into_iter().collect::<Vec<_>>()).await.unwrap();

    let mut other = store.begin(CommitLevel::Fsync).await.unwrap();
    let locked = other.lock_usage(&bob.keys(), LockMode::Wait).await.unwrap();
    assert_eq!(locked, [], "in vain, and the transaction goes on");
    let locked = other.lock_usage(&bob.keys(), LockMode::SkipHeld).await.unwrap();
    let names: Vec<_> = locked.iter().map(|(key, _)| key.owner.as_str()).collect();
    assert_eq!(names, ["example.net", "bob@example.net"], "the total is held");
    drop(other);

    // What somebody else is just adding is waited for, within the bound, too.
    let mut third = store.begin(CommitLevel::Fsync).await.unwrap();
    assert_eq!(third.lock_usage(&alice.keys(), LockMode::SkipHeld).await.unwrap(), []);
    holder.commit().await.unwrap();
    let locked = third.lock_usage(&alice.keys(), LockMode::SkipHeld).await.unwrap();
    assert!(locked.iter().all(|(_, count)| *count == 1) && locked.len() == 3, "{locked:?}");
}

/// Whoever locks at the same time never waits in a circle, whatever the order in which he names the keys.
#[tokio::test]
async fn numbers_are_locked_in_one_order() {
    const ROUNDS: usize = 40;
    let url = Postgres::shared().await.create_database().await.unwrap();
    let store = open(&url, bus_store_postgres::PostgresLimits::default()).await;
    let owners: Vec<BareJid> =
        (0..5).map(|number| BareJid::new(&format!("{number}@example.org")).unwrap()).collect();
    let changes = owners.into_iter().map(|owner| UsageChange { counted: Counted::Nodes, owner, by: 1 });
    let up: Vec<(UsageKey, i64)> = moves(&changes.collect::<Vec<_>>()).into_iter().collect();
    let work = async |is_reversed: bool, sign: i64| {
        for _ in 0..ROUNDS {
            let mut moves: Vec<_> = up.iter().map(|(key, by)| (key.clone(), by * sign)).collect();
            if is_reversed {
                moves.reverse();
            }
            let keys: Vec<_> = moves.iter().map(|(key, _)| key.clone()).collect();
            let mut transaction = store.begin(CommitLevel::Relaxed).await.unwrap();
            let locked = transaction.lock_usage(&keys, LockMode::Wait).await.unwrap();
            if locked.len() == keys.len() {
                transaction.move_usage(&moves).await.unwrap();
            }
            transaction.commit().await.unwrap();
        }
    };
    tokio::join!(work(false, 1), work(true, 1), work(false, -1), work(true, -1));
}
