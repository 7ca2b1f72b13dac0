//! What the store commits by itself: the real schema, the same statements, batches of a thousand, and no engine.

use std::sync::Arc;

use bus_domain::{BareJid, Epoch, Event, EventKind, ItemId, Jid, NodeConfig, NodeId, NodeName, Payload};
use bus_engine::{Clock as _, IdSource as _, SystemClock, SystemIds};
use bus_store::{BatchId, CommitLevel, EpochStore as _, HeadAdvance, ItemPointer, LockMode, NodeRow, Store};
use bus_store_sqlite::SqliteStore;
use tokio::time::Instant;

use super::publish::per_second;
use super::target::Target;
use crate::config::{self, StoreAddress};
use crate::failure::Failure;
use crate::store as opened;

const BATCH_EVENTS: u64 = 1_000;
const OWNER: &str = "bench@events.example.org";

/// Events a second. An SQLite file of its own lies beside the daemon's while this runs; PostgreSQL is shared anyway.
pub(super) async fn commit(target: &Target) -> Result<f64, Failure> {
    let loaded = config::load(&target.config)?;
    if let StoreAddress::Postgres(_) = loaded.config.store.address(&loaded.folder)? {
        let store = opened::open(&loaded).await?.store;
        return commit_to(&*store, target).await;
    }
    let folder = loaded.folder.join(format!(".bench-{:032x}", u128::from_be_bytes(SystemIds.random_bytes())));
    std::fs::create_dir(&folder).map_err(|source| Failure::Unwritable { path: folder.clone(), source })?;
    let measured = async {
        let store = Arc::new(SqliteStore::open(&folder.join("bench.db")).await?);
        let measured = commit_to(&*store, target).await;
        store.close().await?;
        measured
    };
    let measured = measured.await;
    std::fs::remove_dir_all(&folder).map_err(|source| Failure::Unwritable { path: folder, source })?;
    measured
}

async fn commit_to(store: &dyn Store, target: &Target) -> Result<f64, Failure> {
    let node = make_node(store).await?;
    let batches = target.events.div_ceil(BATCH_EVENTS);
    let began = Instant::now();
    for batch in 0..batches {
        commit_batch(store, node, batch * BATCH_EVENTS, target).await?;
    }
    let took = began.elapsed();
    let mut transaction = store.begin(CommitLevel::Fsync).await?;
    transaction.retire_node(node, SystemClock.now_ms()).await?;
    transaction.commit().await?;
    Ok(per_second(batches * BATCH_EVENTS, took))
}

async fn make_node(store: &dyn Store) -> Result<NodeId, Failure> {
    let row = NodeRow {
        name: NodeName::new(&format!("bench {:032x}", u128::from_be_bytes(SystemIds.random_bytes())))
            .expect("short and plain"),
        epoch: Epoch(1),
        owner: BareJid::new(OWNER).expect("an address"),
        config: NodeConfig::default(),
        created_at_ms: SystemClock.now_ms(),
    };
    let mut transaction = store.begin(CommitLevel::Fsync).await?;
    let node = transaction.insert_node(&row).await?.expect("nobody else makes up the same name");
    transaction.commit().await?;
    Ok(node)
}

/// As the engine writes a batch of warm publishes (`bus-engine/src/transact.rs`).
async fn commit_batch(store: &dyn Store, node: NodeId, before: u64, target: &Target) -> Result<(), Failure> {
    let now_ms = SystemClock.now_ms();
    let publisher = Jid::new(OWNER).expect("an address");
    let payload = Payload::from_serialised(target.payload.clone());
    let item_id =
        |seq: u64| ItemId::new(&format!("019abcde-0000-7000-8000-{seq:012}")).expect("short and plain");
    let events = (before + 1..=before + BATCH_EVENTS).map(|seq| {
        let event = Event {
            seq,
            kind: EventKind::Published { item_id: item_id(seq), payload: Some(payload.clone()) },
            publisher: publisher.clone(),
            published_at_ms: now_ms,
            recipients_version: 1,
            due_after_seq: Some(seq - 1),
        };
        (node, event)
    });
    let events: Vec<_> = events.collect();
    let pointers = events.iter().map(|(_, event)| ItemPointer {
        node,
        item_id: item_id(event.seq),
        seq: event.seq,
        created_seq: None,
    });
    let pointers: Vec<_> = pointers.collect();
    let advance = HeadAdvance {
        node,
        rules_version: 1,
        events: BATCH_EVENTS,
        last_due_event: BATCH_EVENTS,
        payload_bytes: BATCH_EVENTS * payload.len_bytes() as u64,
        items: BATCH_EVENTS,
        purge: false,
        rules_change: false,
        recipients_change: false,
        new_subscriptions: 0,
        ended_subscriptions: 0,
    };
    let mut transaction = store.begin(CommitLevel::Fsync).await?;
    transaction.lock_heads(&[node], LockMode::SkipHeld).await?;
    transaction.advance_heads(&[advance]).await?;
    transaction.append_events(&events).await?;
    transaction.place_items(&pointers).await?;
    transaction.record_batch(BatchId(SystemIds.random_bytes()), now_ms).await?;
    Ok(transaction.commit().await?)
}
