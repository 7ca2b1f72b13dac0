//! Commits that do not wait for their sync, and when they may be lost.

use std::time::Duration;

use bus_domain::{Durability, NodeConfig};
use bus_store::{CommitLevel, EpochStore as _, EventStore as _, NodeRow, RetentionStore as _, Store as _};
use harness::Postgres;

use crate::fixture::{IMPATIENT, advance, database, make_node, open, row};

#[tokio::test]
async fn only_an_end_of_the_database_without_a_sync_is_told_until_epochs_are_renewed() {
    let mut postgres = Postgres::start().await.unwrap();
    let url = postgres.create_database().await.unwrap();
    let is_told = async || open(&url, IMPATIENT).await.mark_in_use().await.unwrap();
    assert!(!is_told().await, "a new store");
    assert!(!is_told().await, "a process that ends loses nothing");

    postgres.stop().await.unwrap();
    postgres.start_again().await.unwrap();
    assert!(!is_told().await, "everything was synced before the server ended");

    postgres.kill9().await.unwrap();
    postgres.start_again().await.unwrap();
    assert!(is_told().await);
    let store = open(&url, IMPATIENT).await;
    store.close().await.unwrap();
    assert!(is_told().await, "whoever was told may have died over it");
    for _ in 0..2 {
        store.note_renewed().await.unwrap();
        assert!(!is_told().await);
    }
}

#[tokio::test]
async fn a_crash_of_one_process_of_the_server_is_a_crash_of_the_database() {
    let postgres = Postgres::start().await.unwrap();
    let url = postgres.create_database().await.unwrap();
    let store = open(&url, IMPATIENT).await;
    let writer = "SELECT pid FROM pg_stat_activity WHERE backend_type = 'walwriter'";
    let writer = postgres.sql(database(&url), writer).await.unwrap();
    let kill = std::process::Command::new("kill").args(["-9", &writer]).status().unwrap();
    assert!(kill.success());
    let is_told = async || store.mark_in_use().await.is_ok_and(|is_told| is_told).then_some(());
    harness::wait_until("the database", Duration::from_secs(30), is_told).await.unwrap();
}

#[tokio::test]
async fn the_level_is_that_of_the_transaction_and_of_no_other() {
    let postgres = Postgres::shared().await;
    let url = postgres.create_database().await.unwrap();
    let store = open(&url, IMPATIENT).await;
    let node = make_node(&store, "n").await;
    let trigger = "CREATE TABLE levels (seq bigint, level text);
                CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                    INSERT INTO levels VALUES (NEW.seq, current_setting('synchronous_commit')); RETURN NEW; END $$;
                CREATE TRIGGER note BEFORE UPDATE ON heads FOR EACH ROW EXECUTE FUNCTION note()";
    postgres.sql(database(&url), trigger).await.unwrap();
    for level in [CommitLevel::Fsync, CommitLevel::Relaxed, CommitLevel::Fsync] {
        let mut transaction = store.begin(level).await.unwrap();
        transaction.advance_heads(&[advance(node)]).await.unwrap();
        transaction.commit().await.unwrap();
    }
    drop(store.begin(CommitLevel::Relaxed).await.unwrap());
    assert_eq!(store.head(node).await.unwrap().unwrap().seq, 3);
    let levels = "SELECT string_agg(level, ' ' ORDER BY seq) FROM levels";
    assert_eq!(postgres.sql(database(&url), levels).await.unwrap(), "on off on");
}

#[tokio::test]
async fn a_configuration_that_cannot_be_read_is_in_nobodys_way() {
    let postgres = Postgres::shared().await;
    let url = postgres.create_database().await.unwrap();
    let store = open(&url, IMPATIENT).await;
    let mut nodes = Vec::new();
    for name in ["a", "b", "c"] {
        let config = NodeConfig { durability: Durability::Relaxed, ..NodeConfig::default() };
        let mut transaction = store.begin(CommitLevel::Fsync).await.unwrap();
        let node = transaction.insert_node(&NodeRow { config, ..row(name) }).await.unwrap().unwrap();
        transaction.commit().await.unwrap();
        nodes.push(node);
    }
    for damaged in ["1", "\"relaxed\"", "{\"item_expire_seconds\": \"soon\"}"] {
        let damage = format!("UPDATE nodes SET config = '{damaged}' WHERE name = 'b'");
        postgres.sql(database(&url), &damage).await.unwrap();
        let page = store.retained(None, 9).await.unwrap();
        let seen: Vec<_> = page.nodes.iter().map(|node| node.node).collect();
        assert_eq!(seen, [nodes[0], nodes[2]], "{damaged}");
        assert_eq!(store.relaxed_nodes(None, 9).await.unwrap(), [nodes[0], nodes[2]], "{damaged}");
    }
}
