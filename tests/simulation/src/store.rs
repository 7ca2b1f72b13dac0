//! A store in memory that fails when it is told to.

mod archive;
mod associations;
mod consumers;
mod cursors;
mod epochs;
mod idempotency;
mod lagging;
mod presence;
mod reads;
mod retention;
mod rows;
mod transaction;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bus_domain::idempotency::{KeptRequest, RequestName};
use bus_domain::quota::UsageKey;
use bus_domain::subscribe::Health;
use bus_domain::{NodeId, Redirect};
use bus_store::{
    BatchId, CommitLevel, LaggingRow, Position, Store, StoreError, SubscriptionKey, Transaction,
};

pub use rows::NodeRows;
use transaction::SimulatedTransaction;

/// A store in memory that fails when it is told to. No call ever waits; what a call sees and changes is what a
/// database at READ COMMITTED would show it: transactions change copies, and a head has one transaction at a time.
#[derive(Debug, Clone, Default)]
pub struct SimulatedStore(Arc<Mutex<Disk>>);

/// What is committed, and what is to go wrong.
#[derive(Debug, Default)]
pub struct Disk {
    /// Rows by node.
    pub nodes: BTreeMap<NodeId, NodeRows>,
    /// Delivery cursors, which are written apart from the nodes' rows.
    pub cursors: BTreeMap<NodeId, Position>,
    /// Rows of lagging subscriptions.
    pub lagging: BTreeMap<SubscriptionKey, LaggingRow>,
    /// What is known of failed deliveries.
    pub health: BTreeMap<SubscriptionKey, Health>,
    /// Where nodes have moved, the oldest first.
    pub redirects: Vec<Redirect>,
    /// Requests that are kept to recognise their repeats.
    pub kept_requests: BTreeMap<RequestName, KeptRequest>,
    /// What everybody has.
    pub usage: BTreeMap<UsageKey, i64>,
    /// What is to go wrong.
    pub faults: Faults,
    /// Whether several instances use it.
    pub is_shared: bool,
    /// Somebody uses the store, or has died doing so.
    in_use: bool,
    batches: BTreeSet<[u8; 16]>,
    last_node: i64,
    /// Which transaction holds a head.
    locks: BTreeMap<NodeId, u64>,
    /// Which transaction holds a number of what somebody has.
    usage_locks: BTreeMap<UsageKey, u64>,
    /// Names that uncommitted transactions have taken.
    reserved: BTreeMap<String, u64>,
    last_transaction: u64,
}

/// What is to go wrong.
#[derive(Debug, Default)]
pub struct Faults {
    /// Every call fails.
    pub is_down: bool,
    /// A call of a transaction fails: the one that comes after so many others.
    pub call: Option<(u32, Fault)>,
    /// What becomes of the next commit.
    pub commit: CommitFate,
    /// A wrong store: heads move whatever the version of their rules.
    pub ignores_rules_version: bool,
    /// A wrong store: what goes with its node is still counted as somebody's.
    pub counts_what_is_reaped: bool,
}

/// How a call fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Later it would work.
    Unavailable,
    /// It will never work.
    Refused,
}

/// What becomes of a commit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum CommitFate {
    /// It is on disk.
    #[default]
    Done,
    /// Nothing of it is there, and the caller hears so.
    Fails(Fault),
    /// The caller does not hear what became of it.
    Unknown {
        /// What did.
        is_there: bool,
    },
}

impl SimulatedStore {
    /// What is committed, and what is to go wrong. Every call leaves it whole, whoever panicked.
    pub fn disk(&self) -> MutexGuard<'_, Disk> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The disk, if the store is there.
    fn up(&self) -> Result<MutexGuard<'_, Disk>, StoreError> {
        let disk = self.disk();
        if disk.faults.is_down { Err(Fault::Unavailable.into()) } else { Ok(disk) }
    }
}

#[async_trait]
impl Store for SimulatedStore {
    /// Every level is kept alike: nothing here loses what was committed.
    async fn begin(&self, _level: CommitLevel) -> Result<Box<dyn Transaction>, StoreError> {
        let mut disk = self.up()?;
        disk.last_transaction += 1;
        let id = disk.last_transaction;
        drop(disk);
        Ok(Box::new(SimulatedTransaction::new(self.clone(), id)))
    }

    async fn find_batch(&self, id: BatchId) -> Result<bool, StoreError> {
        Ok(self.up()?.batches.contains(&id.0))
    }

    async fn id_key(&self) -> Result<[u8; 16], StoreError> {
        Ok([7; 16])
    }

    fn is_shared(&self) -> bool {
        self.disk().is_shared
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.up().map(drop)
    }
}

impl From<Fault> for StoreError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Unavailable => Self::Unavailable { message: "as told".to_owned(), source: None },
            Fault::Refused => Self::Refused { source: "as told".into() },
        }
    }
}
