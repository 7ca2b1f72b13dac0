use std::sync::Arc;

use bus_domain::{BareJid, NodeId, NodeName, Roster};
use bus_store::{DeliveryTarget, StoreError};
use tokio::sync::watch;

use super::Driver;
use crate::engine::EngineShared;
use crate::rosters::OwnersRosters;

/// Word that rosters may be otherwise than they were.
#[derive(Debug, Default)]
pub(super) struct RosterChanges(Option<watch::Receiver<u64>>);

impl RosterChanges {
    /// Waits for the next word. Where nobody can read rosters when this is called, there is none.
    pub(super) async fn next(&mut self, shared: &EngineShared) {
        if self.0.is_none() {
            self.0 = shared.rosters.get().map(|rosters| rosters.changes());
        }
        let is_word = match &mut self.0 {
            Some(changes) => changes.changed().await.is_ok(),
            None => false,
        };
        if !is_word {
            std::future::pending::<()>().await;
        }
    }
}

impl Driver {
    /// The rosters that decide on a node; `None` if they cannot be had yet.
    pub(super) async fn rosters_of(&mut self, node: NodeId) -> Result<Option<Vec<Arc<Roster>>>, StoreError> {
        let Some(known) = self.dispatcher.node(node).cloned() else { return Ok(Some(Vec::new())) };
        let owners = match known.owners {
            Some(owners) => owners,
            None => self.owners_of(node, &known.name).await?,
        };
        Ok(all(self.shared.owners_rosters(&owners)))
    }

    /// As [`Self::rosters_of`], for one that lags.
    pub(super) async fn rosters_for(
        &mut self,
        target: Option<&DeliveryTarget>,
    ) -> Result<Option<Vec<Arc<Roster>>>, StoreError> {
        let Some(target) = target.filter(|target| target.config.access_model.asks_rosters()) else {
            return Ok(Some(Vec::new()));
        };
        let owners = self.owners_of(target.node, &target.name).await?;
        Ok(all(self.shared.owners_rosters(&owners)))
    }

    /// Nobody is left of a node that is gone: then its end is told to those with a standing of their own.
    async fn owners_of(&mut self, node: NodeId, name: &NodeName) -> Result<Arc<[BareJid]>, StoreError> {
        let facts = self.shared.store.find_node(name).await?.filter(|facts| facts.id == node);
        Ok(facts.map_or_else(Vec::new, |facts| facts.affiliations.owners()).into())
    }
}

fn all(rosters: OwnersRosters) -> Option<Vec<Arc<Roster>>> {
    match rosters {
        OwnersRosters::Known(rosters) => rosters.into_iter().collect(),
        OwnersRosters::Reading => None,
    }
}
