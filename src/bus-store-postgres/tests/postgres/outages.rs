//! A server that is stopped, gone, restarted or full: every call ends, says that waiting helps, and works again after.

use bus_store::{BatchId, CommitLevel, EventStore as _, Store as _, StoreError};
use bus_store_postgres::PostgresStore;
use harness::Postgres;

use crate::fixture::{IMPATIENT, commit, make_node, open, try_open};

/// Every way into the store; at once, because each may take its time.
async fn check_unavailable(store: &PostgresStore, node: bus_domain::NodeId) {
    let (pinged, read, begun, found) = tokio::join!(
        store.ping(),
        store.head(node),
        store.begin(CommitLevel::Fsync),
        store.find_batch(BatchId([9; 16])),
    );
    for answer in [pinged.err(), read.err(), begun.err(), found.err()] {
        assert!(matches!(answer, Some(StoreError::Unavailable { .. })), "{answer:?}");
    }
}

#[tokio::test]
async fn a_server_that_is_stopped_and_goes_on_costs_only_time() {
    let postgres = Postgres::start().await.unwrap();
    let store = open(&postgres.create_database().await.unwrap(), IMPATIENT).await;
    let node = make_node(&store, "n").await;
    let open_transaction = store.begin(CommitLevel::Fsync).await.unwrap();
    postgres.suspend().unwrap();
    check_unavailable(&store, node).await;
    drop(open_transaction);
    check_unavailable(&store, node).await;
    postgres.resume().unwrap();
    commit(&store, node, BatchId([1; 16])).await.unwrap();
}

#[tokio::test]
async fn a_server_that_is_killed_or_restarted_is_found_again() {
    let mut postgres = Postgres::start().await.unwrap();
    let url = postgres.create_database().await.unwrap();
    let store = open(&url, IMPATIENT).await;
    let node = make_node(&store, "n").await;
    for (number, kill) in [(1, true), (2, false)] {
        commit(&store, node, BatchId([number; 16])).await.unwrap();
        if kill { postgres.kill9().await } else { postgres.stop().await }.unwrap();
        check_unavailable(&store, node).await;
        assert!(matches!(try_open(&url, IMPATIENT).await, Err(StoreError::Unavailable { .. })));
        postgres.start_again().await.unwrap();
        commit(&store, node, BatchId([number + 10; 16])).await.unwrap();
    }
    assert_eq!(store.head(node).await.unwrap().unwrap().seq, 4, "nothing that was committed is lost");
}

#[tokio::test]
async fn a_full_disk_refuses_writes_until_there_is_room() {
    let postgres = Postgres::start_on_small_disk(128 << 20).await.unwrap();
    let url = postgres.create_database().await.unwrap();
    let store = open(&url, IMPATIENT).await;
    let node = make_node(&store, "n").await;
    postgres.fill_disk().unwrap();
    let mut committed = 0;
    let refused = loop {
        // The room that is left in files that are there already is used up first.
        match commit_payload(&store, node, committed + 1).await {
            Ok(()) => committed += 1,
            Err(error) => break error,
        }
        assert!(committed < 1_000, "it gets full");
    };
    assert!(refused.is_transient(), "{refused:?}");
    postgres.free_disk().unwrap();
    let recovered =
        harness::wait_until("the server to take writes", std::time::Duration::from_mins(1), async || {
            commit_payload(&store, node, committed + 1).await.ok()
        });
    recovered.await.unwrap();
    assert_eq!(store.head(node).await.unwrap().unwrap().seq, committed + 1);
}

async fn commit_payload(store: &PostgresStore, node: bus_domain::NodeId, seq: u64) -> Result<(), StoreError> {
    let event = bus_domain::Event {
        seq,
        kind: bus_domain::EventKind::Published {
            item_id: bus_domain::ItemId::new("a").expect("an id"),
            payload: Some(bus_domain::Payload::from_serialised(incompressible(200_000, seq))),
        },
        publisher: bus_domain::Jid::new("a@example.org").expect("a JID"),
        published_at_ms: 0,
        recipients_version: 1,
        due_after_seq: Some(seq - 1),
    };
    let mut transaction = store.begin(CommitLevel::Fsync).await?;
    transaction.advance_heads(&[crate::fixture::advance(node)]).await?;
    transaction.append_events(&[(node, event)]).await?;
    transaction.commit().await
}

/// Text that takes its length on disk.
fn incompressible(bytes: usize, seed: u64) -> String {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        char::from(b' ' + u8::try_from(state % 95).expect("below 95"))
    };
    std::iter::repeat_with(next).take(bytes).collect()
}
