//! Rings between sessions.

use std::time::Duration;

use bus_store::{Doorbell, Store as _, StoreError};
use bus_store_postgres::PostgresStore;
use harness::Postgres;

use crate::fixture::{IMPATIENT, database, open};

async fn doorbell(store: &PostgresStore) -> Box<dyn Doorbell> {
    store.doorbell().await.expect("a connection").expect("others may write to the database")
}

async fn hears(doorbell: &mut dyn Doorbell, patience_ms: u64) -> bool {
    tokio::time::timeout(Duration::from_millis(patience_ms), doorbell.heard())
        .await
        .is_ok_and(|heard| heard.is_ok())
}

#[tokio::test]
async fn a_ring_is_heard_by_the_others_once_however_often_it_was_rung() {
    let store = open(&Postgres::shared().await.create_database().await.unwrap(), IMPATIENT).await;
    let (mut first, mut second) = (doorbell(&store).await, doorbell(&store).await);
    for _ in 0..20 {
        first.ring().await.unwrap();
    }
    assert!(hears(&mut *second, 60_000).await);
    assert!(!hears(&mut *first, 200).await, "not by the one who rings");
    second.ring().await.unwrap();
    assert!(hears(&mut *first, 60_000).await);
}

#[tokio::test]
async fn instances_are_counted_per_database_while_they_live() {
    let postgres = Postgres::shared().await;
    let store = open(&postgres.create_database().await.unwrap(), IMPATIENT).await;
    let other = open(&postgres.create_database().await.unwrap(), IMPATIENT).await;
    let _elsewhere = doorbell(&other).await;
    let mut first = doorbell(&store).await;
    assert_eq!(first.instances().await.unwrap(), 1);
    let second = doorbell(&store).await;
    assert_eq!(first.instances().await.unwrap(), 2);
    drop(second);
    let gone = harness::wait_until("the other to be gone", Duration::from_mins(1), async || {
        (first.instances().await.ok()? == 1).then_some(())
    });
    gone.await.unwrap();
}

#[tokio::test]
async fn a_lost_connection_is_an_error_and_not_a_silence() {
    let postgres = Postgres::shared().await;
    let url = postgres.create_database().await.unwrap();
    let mut doorbell = doorbell(&open(&url, IMPATIENT).await).await;
    let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
               WHERE datname = current_database() AND pid <> pg_backend_pid()";
    postgres.sql(database(&url), end).await.unwrap();
    let lost = doorbell.heard().await;
    assert!(matches!(lost, Err(StoreError::Unavailable { .. })), "{lost:?}");
}
