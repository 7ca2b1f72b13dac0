use async_trait::async_trait;
use bus_domain::{Affiliation, BareJid, NodeId, NodeName, SendLastItem};
use bus_store::{EntitySubscription, PresenceStore, PresenceUses, StoreError, SubscriptionKey};

use super::reads::{live, subscriptions};
use super::{Disk, SimulatedStore};

#[async_trait]
impl PresenceStore for SimulatedStore {
    async fn subscriptions_on_presence(
        &self,
        entity: Option<&BareJid>,
        after: Option<SubscriptionKey>,
        subscriptions_max: u32,
    ) -> Result<Vec<EntitySubscription>, StoreError> {
        let disk = self.up()?;
        let found = subscriptions(&disk, None).filter(|one| {
            hangs_on_presence(&disk, one)
                && entity.is_none_or(|entity| one.subscription.jid.to_bare() == *entity)
                && after.is_none_or(|after| one.key() > after)
        });
        Ok(found.take(subscriptions_max as usize).collect())
    }

    async fn nodes_purged_on_presence(
        &self,
        publisher: &BareJid,
        after: Option<NodeId>,
        nodes_max: u32,
    ) -> Result<Vec<(NodeId, NodeName)>, StoreError> {
        let disk = self.up()?;
        let found = live(&disk, None).filter(|(id, rows)| {
            let standings = [Affiliation::Owner, Affiliation::Publisher, Affiliation::PublishOnly];
            rows.row.config.purge_when_publisher_goes
                && after.is_none_or(|after| *id > after)
                && standings.contains(&rows.affiliation(publisher))
        });
        Ok(found.map(|(id, rows)| (id, rows.row.name.clone())).take(nodes_max as usize).collect())
    }

    async fn presence_uses(&self) -> Result<PresenceUses, StoreError> {
        let disk = self.up()?;
        let is_purged = |(_, rows): (NodeId, &super::NodeRows)| rows.row.config.purge_when_publisher_goes;
        Ok(PresenceUses {
            by_subscriptions: live(&disk, None).any(|(node, _)| sends_or_ends(&disk, node))
                || subscriptions(&disk, None).any(|one| hangs_on_presence(&disk, &one)),
            by_purges: live(&disk, None).any(is_purged),
        })
    }
}

fn hangs_on_presence(disk: &Disk, one: &EntitySubscription) -> bool {
    one.subscription.options.is_temporary || sends_or_ends(disk, one.node)
}

fn sends_or_ends(disk: &Disk, node: NodeId) -> bool {
    disk.nodes.get(&node).is_some_and(|rows| {
        let config = &rows.row.config;
        config.temporary_subscriptions || config.send_last_item == SendLastItem::OnSubscribeAndPresence
    })
}
