//! There are no durable subscriptions of services in the simulation, and no sources.

use async_trait::async_trait;
use bus_domain::consumer::redrive::{Redrive, Undeliverable};
use bus_domain::consumer::{Consumer, ConsumerId, ConsumerName, Standing};
use bus_domain::source::{Source, SourceId, SourceMove};
use bus_domain::{BareJid, NodeId, NodeName};
use bus_store::{
    Claim, ConsumerMoves, ConsumerProgress, ConsumerStore, ConsumerTransaction, CursorPlace, NewConsumer,
    SourceStore, SourceTransaction, StoreError,
};

use super::SimulatedStore;
use super::transaction::SimulatedTransaction;

#[async_trait]
impl ConsumerStore for SimulatedStore {
    async fn create_consumer(&self, _new: &NewConsumer) -> Result<Option<ConsumerId>, StoreError> {
        Ok(None)
    }

    async fn find_consumer(&self, _name: &ConsumerName) -> Result<Option<Consumer>, StoreError> {
        Ok(None)
    }

    async fn list_consumers(
        &self,
        _owner: Option<&BareJid>,
        _after: Option<&ConsumerName>,
        _consumers_max: u32,
    ) -> Result<Vec<Consumer>, StoreError> {
        Ok(Vec::new())
    }

    async fn count_consumers(&self, _owner: &BareJid) -> Result<u64, StoreError> {
        Ok(0)
    }

    async fn claim_consumer(&self, _consumer: ConsumerId, _claim: &Claim) -> Result<Option<u64>, StoreError> {
        Ok(None)
    }

    async fn renew_claims(
        &self,
        _claims: &[(ConsumerId, u64)],
        _until_ms: i64,
    ) -> Result<Vec<ConsumerId>, StoreError> {
        Ok(Vec::new())
    }

    async fn consumer_progress(&self, _consumer: ConsumerId) -> Result<ConsumerProgress, StoreError> {
        Ok(ConsumerProgress::default())
    }

    async fn move_consumers(&self, _moves: &[ConsumerMoves]) -> Result<Vec<ConsumerId>, StoreError> {
        Ok(Vec::new())
    }

    async fn seek_consumer(
        &self,
        _consumer: ConsumerId,
        _fence: u64,
        _cursors: &[CursorPlace],
    ) -> Result<bool, StoreError> {
        Ok(false)
    }

    async fn pause_consumer(
        &self,
        _consumer: ConsumerId,
        _fence: u64,
        _is_paused: bool,
    ) -> Result<bool, StoreError> {
        Ok(false)
    }

    async fn list_with_destinations(
        &self,
        _after: Option<&ConsumerName>,
        _consumers_max: u32,
    ) -> Result<Vec<Consumer>, StoreError> {
        Ok(Vec::new())
    }

    async fn set_standing(
        &self,
        _consumer: ConsumerId,
        _fence: Option<u64>,
        _standing: &Standing,
    ) -> Result<bool, StoreError> {
        Ok(false)
    }

    async fn delete_consumer(&self, _consumer: ConsumerId, _fence: u64) -> Result<bool, StoreError> {
        Ok(false)
    }

    async fn newest_node(&self) -> Result<Option<NodeId>, StoreError> {
        Ok(None)
    }

    async fn names_of_nodes(
        &self,
        _from: &str,
        _after: Option<&NodeName>,
        _nodes_max: u32,
    ) -> Result<Vec<(NodeId, NodeName)>, StoreError> {
        Ok(Vec::new())
    }
}

#[async_trait]
impl ConsumerTransaction for SimulatedTransaction {
    async fn settle_delivery(&mut self, _about: &Undeliverable) -> Result<bool, StoreError> {
        Ok(false)
    }

    async fn return_deliveries(&mut self, _redrive: &Redrive) -> Result<u64, StoreError> {
        Ok(0)
    }
}

#[async_trait]
impl SourceStore for SimulatedStore {
    async fn create_source(&self, _new: &Source) -> Result<Option<SourceId>, StoreError> {
        Ok(None)
    }

    async fn find_source(&self, _name: &ConsumerName) -> Result<Option<Source>, StoreError> {
        Ok(None)
    }

    async fn list_sources(
        &self,
        _owner: Option<&BareJid>,
        _after: Option<&ConsumerName>,
        _sources_max: u32,
    ) -> Result<Vec<Source>, StoreError> {
        Ok(Vec::new())
    }

    async fn count_sources(&self, _owner: &BareJid) -> Result<u64, StoreError> {
        Ok(0)
    }

    async fn claim_source(&self, _source: SourceId, _claim: &Claim) -> Result<Option<u64>, StoreError> {
        Ok(None)
    }

    async fn renew_source(&self, _source: SourceId, _fence: u64, _until_ms: i64) -> Result<bool, StoreError> {
        Ok(false)
    }

    async fn set_source_standing(
        &self,
        _source: SourceId,
        _fence: u64,
        _standing: &Standing,
    ) -> Result<bool, StoreError> {
        Ok(false)
    }

    async fn delete_source(&self, _source: SourceId) -> Result<bool, StoreError> {
        Ok(false)
    }
}

#[async_trait]
impl SourceTransaction for SimulatedTransaction {
    async fn move_source(&mut self, _to: &SourceMove) -> Result<bool, StoreError> {
        Ok(false)
    }
}
