//! Commits whose outcome is not known at once.

use bus_store::{BatchId, EventStore as _, Store as _, StoreError};
use harness::Postgres;

use crate::fixture::{IMPATIENT, advance, commit, make_node, open};

const BATCH: BatchId = BatchId([7; 16]);

#[tokio::test]
async fn a_batch_that_is_still_under_way_is_neither_found_nor_absent() {
    let url = Postgres::shared().await.create_database().await.unwrap();
    let store = open(&url, IMPATIENT).await;
    let mut transaction = store.begin().await.unwrap();
    transaction.record_batch(BATCH, 5).await.unwrap();
    let asked = store.find_batch(BATCH).await;
    assert!(matches!(asked, Err(StoreError::Unavailable { .. })), "{asked:?}");
    transaction.commit().await.unwrap();
    assert!(store.find_batch(BATCH).await.unwrap());
}

#[tokio::test]
async fn an_answer_waits_for_the_end_of_the_transaction_that_it_is_about() {
    for commits in [true, false] {
        let url = Postgres::shared().await.create_database().await.unwrap();
        let store = open(&url, bus_store_postgres::PostgresLimits::default()).await;
        let mut transaction = store.begin().await.unwrap();
        transaction.record_batch(BATCH, 5).await.unwrap();
        let end = async {
            if commits {
                transaction.commit().await.unwrap();
            }
        };
        let (found, ()) = tokio::join!(store.find_batch(BATCH), end);
        assert_eq!(found.unwrap(), commits);
        assert_eq!(store.find_batch(BATCH).await.unwrap(), commits, "asking leaves nothing behind");
    }
}

#[tokio::test]
async fn a_commit_without_an_answer_is_looked_up_and_found() {
    let postgres = Postgres::start().await.unwrap();
    let store = open(&postgres.create_database().await.unwrap(), IMPATIENT).await;
    let node = make_node(&store, "n").await;
    let mut transaction = store.begin().await.unwrap();
    transaction.advance_heads(&[advance(node)]).await.unwrap();
    transaction.record_batch(BATCH, 5).await.unwrap();
    postgres.suspend().unwrap();
    let unknown = transaction.commit().await;
    assert!(matches!(unknown, Err(StoreError::OutcomeUnknown { .. })), "{unknown:?}");
    let asked = store.find_batch(BATCH).await;
    assert!(matches!(asked, Err(StoreError::Unavailable { .. })), "{asked:?}");
    postgres.resume().unwrap();
    assert!(store.find_batch(BATCH).await.unwrap(), "the server had been told, and does it");
    assert_eq!(store.head(node).await.unwrap().unwrap().seq, 1);
}

#[tokio::test]
async fn whatever_a_crash_leaves_of_a_commit_is_what_is_said_of_it() {
    let mut postgres = Postgres::start().await.unwrap();
    let store = open(&postgres.create_database().await.unwrap(), IMPATIENT).await;
    let node = make_node(&store, "n").await;
    let mut transaction = store.begin().await.unwrap();
    transaction.advance_heads(&[advance(node)]).await.unwrap();
    transaction.record_batch(BATCH, 5).await.unwrap();
    postgres.suspend().unwrap();
    let unknown = transaction.commit().await;
    assert!(matches!(unknown, Err(StoreError::OutcomeUnknown { .. })), "{unknown:?}");
    postgres.kill9().await.unwrap();
    postgres.start_again().await.unwrap();
    assert!(!store.find_batch(BATCH).await.unwrap(), "it was killed before it read COMMIT");
    assert_eq!(store.head(node).await.unwrap().unwrap().seq, 0);
    commit(&store, node, BATCH).await.unwrap();
    assert!(store.find_batch(BATCH).await.unwrap());
}

#[tokio::test]
async fn old_batches_go_in_bounded_number() {
    let postgres = Postgres::shared().await;
    let url = postgres.create_database().await.unwrap();
    let store = open(&url, IMPATIENT).await;
    let database = crate::fixture::database(&url);
    let old = "INSERT INTO batches (batch_id, committed_at_ms)
               SELECT uuid_send(gen_random_uuid()), 0 FROM generate_series(1, 22527)";
    postgres.sql(database, old).await.unwrap();
    let node = make_node(&store, "n").await;
    commit(&store, node, BATCH).await.unwrap();
    let left = postgres.sql(database, "SELECT count(*) FROM batches").await.unwrap();
    assert_eq!(left, "20000", "the 22,528th is a multiple of 1,024");
    assert!(store.find_batch(BATCH).await.unwrap());
}
