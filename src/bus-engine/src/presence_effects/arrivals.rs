use std::collections::HashSet;

use bus_domain::retrieve::Selection;
use bus_domain::{Actor, BareJid, Jid, NodeId, Role, Subscription, SubscriptionState};
use bus_store::{EntitySubscription, StoreError};

use super::ROWS_MAX;
use crate::{AvailableResource, DeliveryNode, Engine, LastItem, Notice, NoticeAbout};

/// Nodes of which somebody who comes is sent the newest item; from more he can fetch it.
const NODES_MAX: usize = 64;

/// Sends a resource that has become available the newest item of each node that wants it so (§12.2): once for each node,
/// whatever the number of subscriptions.
pub(super) async fn send_last_items(
    engine: &Engine,
    account: &BareJid,
    resource: &str,
) -> Result<(), StoreError> {
    let Some(there) = engine.presence().resources(account).into_iter().find(|it| it.resource == resource)
    else {
        return Ok(());
    };
    let Ok(address) = Jid::new(&format!("{account}/{resource}")) else { return Ok(()) };
    let (mut told, mut after) = (HashSet::<NodeId>::new(), None);
    loop {
        let page = engine.store().subscriptions_on_presence(Some(account), after, ROWS_MAX).await?;
        after = page.last().filter(|_| page.len() >= ROWS_MAX as usize).map(EntitySubscription::key);
        for entry in page {
            if wants(engine, &entry.subscription, &address, &there) && !told.contains(&entry.node) {
                told.extend(send(engine, &entry, &address).await.then_some(entry.node));
            }
        }
        if after.is_none() || told.len() >= NODES_MAX {
            return Ok(());
        }
    }
}

fn wants(engine: &Engine, subscription: &Subscription, address: &Jid, there: &AvailableResource) -> bool {
    let Subscription { jid, state, options, .. } = subscription;
    let is_meant = jid == address || jid.resource().is_none();
    let is_shown = options.show_values.allow(there.show);
    is_meant && *state == SubscriptionState::Subscribed && options.want_at(engine.now_ms()) && is_shown
}

/// Leaves word of the newest item, if the node sends it and the subscriber may have it.
async fn send(engine: &Engine, entry: &EntitySubscription, address: &Jid) -> bool {
    let Ok(facts) = engine.facts(&entry.name).await else { return false };
    if !facts.config.sends_last_item_on_presence() {
        return false;
    }
    let is_admin = engine.settings().admins.contains(&address.to_bare());
    let actor = Actor::new(address.clone(), if is_admin { Role::Admin } else { Role::User });
    let Ok(listing) = engine.items(&actor, &entry.name, Selection::Newest(Some(1))).await else {
        return false;
    };
    let Some(event) = listing.items.into_iter().next_back() else { return false };
    let subscription = Subscription { jid: address.clone(), ..entry.subscription.clone() };
    let last_item = LastItem { node: DeliveryNode::of(&listing.node), subscription, event };
    let about = NoticeAbout::LastItem(Box::new(last_item));
    let notice = Notice { node: entry.name.clone(), to: address.clone(), about };
    let dropped = engine.notices().put(vec![notice], engine.now_ms());
    engine.statistics().notices_dropped.add(dropped);
    true
}
