use std::sync::Arc;

use async_trait::async_trait;
use bus_domain::retrieve::{ItemOrder, PageAt};
use bus_domain::{
    Affiliation, BareJid, Event, ItemId, NodeFacts, NodeId, NodeName, Payload, RedirectUri, Seq,
    Subscription, SubscriptionId, SubscriptionState,
};
use bus_store::{
    EntityAffiliation, EntityStore, EntitySubscription, EventStore, FoundItems, Head, ItemPage, ItemStore,
    ItemWindow, LeaseOver, Leg, NodeListing, NodeStore, NodeSummary, Recipient, RecipientPage, StoreError,
    SubscriptionKey, SubscriptionStore,
};

use super::{Disk, NodeRows, SimulatedStore};

#[async_trait]
impl NodeStore for SimulatedStore {
    async fn find_node(&self, name: &NodeName) -> Result<Option<NodeFacts>, StoreError> {
        let disk = self.up()?;
        let found =
            disk.nodes.iter().find(|(_, rows)| rows.deleted_at_ms.is_none() && rows.row.name == *name);
        Ok(found.map(|(node, rows)| facts(*node, rows)))
    }

    async fn find_deleted(&self, node: NodeId) -> Result<Option<NodeFacts>, StoreError> {
        let disk = self.up()?;
        let found = disk.nodes.get(&node).filter(|rows| rows.deleted_at_ms.is_some());
        Ok(found.map(|rows| facts(node, rows)))
    }

    async fn find_redirect(&self, name: &NodeName) -> Result<Option<RedirectUri>, StoreError> {
        let disk = self.up()?;
        Ok(disk.redirects.iter().find(|redirect| redirect.name == *name).map(|redirect| redirect.to.clone()))
    }

    async fn list_nodes(&self, listing: NodeListing) -> Result<Vec<NodeSummary>, StoreError> {
        let disk = self.up()?;
        let NodeListing { viewer, open_models, types, children_of: _, after, nodes_max } = listing;
        let is_listed = |rows: &&NodeRows| {
            rows.deleted_at_ms.is_none()
                && after.as_ref().is_none_or(|after| rows.row.name > *after)
                && (rows.affiliations.contains_key(&viewer)
                    || open_models.contains(&rows.row.config.access_model))
                && types.as_ref().is_none_or(|types| types.takes(&rows.row.config.about))
        };
        let mut nodes: Vec<NodeSummary> = disk
            .nodes
            .values()
            .filter(is_listed)
            .map(|rows| NodeSummary {
                name: rows.row.name.clone(),
                config: rows.row.config.clone(),
                affiliation: rows.affiliation(&viewer),
            })
            .collect();
        nodes.sort_unstable_by(|one, other| one.name.cmp(&other.name));
        nodes.truncate(nodes_max as usize);
        Ok(nodes)
    }
}

#[async_trait]
impl EventStore for SimulatedStore {
    async fn head(&self, node: NodeId) -> Result<Option<Head>, StoreError> {
        Ok(self.up()?.nodes.get(&node).map(|rows| rows.head))
    }

    async fn heads(&self, nodes: &[NodeId]) -> Result<Vec<(NodeId, Head)>, StoreError> {
        let disk = self.up()?;
        Ok(nodes.iter().filter_map(|node| Some((*node, disk.nodes.get(node)?.head))).collect())
    }

    async fn events_after(
        &self,
        node: NodeId,
        after_seq: Seq,
        events_max: u32,
        bytes_max: usize,
    ) -> Result<Vec<Event>, StoreError> {
        let disk = self.up()?;
        let Some(rows) = disk.nodes.get(&node) else { return Ok(Vec::new()) };
        let behind = rows.log().filter(|event| event.seq > after_seq).map(|event| Event::clone(event));
        Ok(bounded(behind.take(events_max as usize), bytes_max).0)
    }
}

#[async_trait]
impl ItemStore for SimulatedStore {
    async fn list_items(&self, node: NodeId, window: ItemWindow) -> Result<ItemPage, StoreError> {
        let disk = self.up()?;
        let items = |rows: &NodeRows| {
            let items = rows.items_in_order(window.expired_through_ms).into_iter();
            let mut items: Vec<_> = items.map(|item| (rows.place(&item, window.order), item)).collect();
            items.sort_unstable_by_key(|(place, _)| *place);
            items
        };
        let all = disk.nodes.get(&node).map(items).unwrap_or_default();
        let count = all.len() as u64;
        let (from, to) = match window.at {
            PageAt::After(seq) => (all.partition_point(|(place, _)| *place <= seq), all.len()),
            PageAt::Index(index) => (usize::try_from(index).unwrap_or(usize::MAX).min(all.len()), all.len()),
            PageAt::Before(seq) => (0, all.partition_point(|(place, _)| *place < seq)),
            PageAt::IndexFromEnd(index) => {
                (0, all.len().saturating_sub(usize::try_from(index).unwrap_or(usize::MAX)))
            }
            PageAt::First | PageAt::Last => (0, all.len()),
        };
        let is_at_the_end = window.at.is_from_end();
        let mut items = all[from..to].to_vec();
        if is_at_the_end {
            items.reverse();
        }
        items.truncate(window.items_max as usize);
        let mut places: Vec<Seq> = items.iter().map(|(place, _)| *place).collect();
        let (mut items, _) = bounded(items.into_iter().map(|(_, item)| item), window.bytes_max);
        places.truncate(items.len());
        if is_at_the_end {
            items.reverse();
            places.reverse();
        }
        let is_known = window.order == ItemOrder::Modification || window.expired_through_ms.is_none();
        let before = |first: &Seq| all.partition_point(|(place, _)| place < first) as u64;
        let first_index = places.first().filter(|_| is_known).map(before);
        Ok(ItemPage { items, places, count, first_index })
    }

    async fn find_items(
        &self,
        node: NodeId,
        ids: &[ItemId],
        bytes_max: usize,
    ) -> Result<FoundItems, StoreError> {
        let disk = self.up()?;
        let all = disk.nodes.get(&node).map(|rows| rows.items_in_order(None)).unwrap_or_default();
        let wanted = all.into_iter().filter(|item| item.kind.item_id().is_some_and(|id| ids.contains(id)));
        let (items, truncated) = bounded(wanted, bytes_max);
        Ok(FoundItems { items, truncated })
    }
}

#[async_trait]
impl SubscriptionStore for SimulatedStore {
    async fn subscriptions(
        &self,
        node: NodeId,
        state: SubscriptionState,
        after: Option<SubscriptionId>,
        subscriptions_max: u32,
    ) -> Result<Vec<Subscription>, StoreError> {
        let disk = self.up()?;
        let behind = after.map_or(SubscriptionId(i64::MIN), |after| SubscriptionId(after.0 + 1));
        let rows = disk.nodes.get(&node).into_iter().flat_map(|rows| rows.subscriptions.range(behind..));
        let of_state = rows.map(|(_, subscription)| subscription).filter(|it| it.state == state);
        Ok(of_state.take(subscriptions_max as usize).cloned().collect())
    }

    async fn count_subscriptions(&self, node: NodeId) -> Result<u64, StoreError> {
        Ok(self.up()?.nodes.get(&node).map_or(0, |rows| rows.subscription_count))
    }

    async fn count_subscribers(&self, node: NodeId) -> Result<u64, StoreError> {
        let disk = self.up()?;
        let all = disk.nodes.get(&node).map(|rows| rows.subscriptions.values()).into_iter().flatten();
        Ok(all.filter(|it| it.state == SubscriptionState::Subscribed).count() as u64)
    }

    async fn recipients(
        &self,
        node: NodeId,
        after: Option<SubscriptionId>,
        recipients_max: u32,
    ) -> Result<RecipientPage, StoreError> {
        let disk = self.up()?;
        let Some(rows) = disk.nodes.get(&node) else {
            return Ok(RecipientPage { recipients_version: 0, recipients: Vec::new() });
        };
        let behind = after.map_or(SubscriptionId(i64::MIN), |after| SubscriptionId(after.0 + 1));
        let is_parked = |id: SubscriptionId| disk.is_parked(SubscriptionKey { node, subscription: id });
        let is_subscribed = |it: &Subscription| it.state == SubscriptionState::Subscribed;
        let behind = rows
            .subscriptions
            .range(behind..)
            .filter(|(id, subscription)| is_subscribed(subscription) && !is_parked(**id));
        let recipients = behind.map(|(_, subscription)| Recipient {
            affiliation: rows.affiliation(&subscription.jid.to_bare()),
            subscription: subscription.clone(),
        });
        Ok(RecipientPage {
            recipients_version: rows.head.recipients_version,
            recipients: recipients.take(recipients_max as usize).collect(),
        })
    }
}

#[async_trait]
impl EntityStore for SimulatedStore {
    async fn subscriptions_of(
        &self,
        entity: &BareJid,
        node: Option<NodeId>,
        after: Option<SubscriptionKey>,
        subscriptions_max: u32,
    ) -> Result<Vec<EntitySubscription>, StoreError> {
        let disk = self.up()?;
        let found = subscriptions(&disk, node).filter(|one| {
            one.subscription.jid.to_bare() == *entity && after.is_none_or(|after| one.key() > after)
        });
        Ok(found.take(subscriptions_max as usize).collect())
    }

    async fn leases_over(
        &self,
        _leg: Leg,
        through_ms: i64,
        after: Option<(i64, SubscriptionKey)>,
        subscriptions_max: u32,
    ) -> Result<Vec<LeaseOver>, StoreError> {
        let disk = self.up()?;
        let over = |entry: EntitySubscription| {
            let expired_at_ms =
                entry.subscription.options.expires_at_ms.filter(|at_ms| *at_ms <= through_ms)?;
            let cursor = disk.position(entry.node).through_seq;
            let next = disk.nodes.get(&entry.node).and_then(|rows| rows.events.range(cursor + 1..).next());
            let is_through = next.is_none_or(|(_, event)| event.published_at_ms >= expired_at_ms);
            let is_delivered = is_through && !disk.lagging.contains_key(&entry.key());
            Some(LeaseOver { entry, expired_at_ms, is_delivered })
        };
        let mut found: Vec<_> = subscriptions(&disk, None).filter_map(over).collect();
        found.sort_by_key(LeaseOver::place);
        found.retain(|one| after.is_none_or(|after| one.place() > after));
        found.truncate(subscriptions_max as usize);
        Ok(found)
    }

    async fn affiliations_of(
        &self,
        entity: &BareJid,
        node: Option<NodeId>,
        after: Option<NodeId>,
        affiliations_max: u32,
    ) -> Result<Vec<EntityAffiliation>, StoreError> {
        let disk = self.up()?;
        let found = live(&disk, node).filter(|(id, _)| after.is_none_or(|after| *id > after)).filter_map(
            |(node, rows)| {
                let affiliation = *rows.affiliations.get(entity)?;
                Some(EntityAffiliation { node, name: rows.row.name.clone(), affiliation })
            },
        );
        Ok(found.take(affiliations_max as usize).collect())
    }

    async fn pending_nodes(
        &self,
        owner: Option<&BareJid>,
        after: Option<NodeId>,
        nodes_max: u32,
    ) -> Result<Vec<(NodeId, NodeName)>, StoreError> {
        let disk = self.up()?;
        let waits = |it: &Subscription| it.state == SubscriptionState::Pending;
        let found = live(&disk, None).filter(|(id, rows)| {
            after.is_none_or(|after| *id > after)
                && owner.is_none_or(|owner| rows.affiliation(owner) == Affiliation::Owner)
                && rows.subscriptions.values().any(waits)
        });
        Ok(found.map(|(id, rows)| (id, rows.row.name.clone())).take(nodes_max as usize).collect())
    }

    async fn owns_a_node(&self, entity: &BareJid) -> Result<bool, StoreError> {
        let disk = self.up()?;
        Ok(live(&disk, None).any(|(_, rows)| rows.affiliation(entity) == Affiliation::Owner))
    }
}

pub(super) fn live(disk: &Disk, only: Option<NodeId>) -> impl Iterator<Item = (NodeId, &NodeRows)> {
    let nodes = disk.nodes.iter().map(|(id, rows)| (*id, rows));
    nodes.filter(move |(id, rows)| rows.deleted_at_ms.is_none() && only.is_none_or(|only| only == *id))
}

pub(super) fn subscriptions(disk: &Disk, only: Option<NodeId>) -> impl Iterator<Item = EntitySubscription> {
    live(disk, only).flat_map(|(node, rows)| {
        rows.subscriptions.values().map(move |subscription| EntitySubscription {
            node,
            name: rows.row.name.clone(),
            subscription: subscription.clone(),
        })
    })
}

fn facts(id: NodeId, rows: &NodeRows) -> NodeFacts {
    let affiliations = rows.affiliations.iter().map(|(jid, affiliation)| (jid.clone(), *affiliation));
    NodeFacts {
        id,
        name: rows.row.name.clone(),
        epoch: rows.head.epoch,
        creator: rows.row.owner.clone(),
        created_at_ms: rows.row.created_at_ms,
        config: rows.row.config.clone(),
        affiliations: Arc::new(affiliations.collect()),
        rules_version: rows.head.rules_version,
        above: None,
        is_orphan: false,
    }
}

/// Events until their payloads reach the bound, and at least one; and whether there are more.
pub(super) fn bounded(events: impl Iterator<Item = Event>, bytes_max: usize) -> (Vec<Event>, bool) {
    let mut taken = Vec::new();
    let mut bytes = 0;
    for event in events {
        if bytes >= bytes_max && !taken.is_empty() {
            return (taken, true);
        }
        bytes += event.kind.payload().map_or(0, Payload::len_bytes);
        taken.push(event);
    }
    (taken, false)
}
