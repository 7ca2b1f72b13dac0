use bus_domain::retrieve::{ItemOrder, PageAt};
use bus_domain::{Actor, BareJid, Jid, NodeName, Role, presence};
use bus_store::{EntitySubscription, ItemWindow, StoreError};

use super::agenda::Leaving;
use super::{ROWS_MAX, end_if_temporary};
use crate::{Availability, Command, Engine, Verb};

/// Where somebody is who has left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Whereabouts {
    /// Another resource is there, or it is back.
    There,
    Gone,
    /// Word of it is awaited.
    Unknown,
}

/// Does what follows from somebody's leaving. False if it is not known yet whether another resource is there.
pub(super) async fn settle(
    engine: &Engine,
    account: &BareJid,
    leaving: &Leaving,
) -> Result<bool, StoreError> {
    let uses = engine.shared().presence_uses.get();
    let mut is_settled = true;
    if let Leaving::Went(resources) = leaving
        && uses.by_subscriptions
    {
        let is_meant = |jid: &Jid| jid.resource().is_none_or(|it| resources.contains(it.as_str()));
        for entry in subscriptions(engine, account).await? {
            if is_meant(&entry.subscription.jid) && ends(engine, &entry).await {
                match whereabouts(engine, &entry.subscription.jid, leaving) {
                    Whereabouts::Gone => end_if_temporary(engine, entry).await,
                    Whereabouts::There => {}
                    Whereabouts::Unknown => is_settled = false,
                }
            }
        }
    }
    if uses.by_purges {
        is_settled &= purge_behind(engine, account, leaving).await?;
    }
    Ok(is_settled)
}

/// Purges the nodes that go with this publisher. Nobody is asked for his presence of whom there is none.
async fn purge_behind(engine: &Engine, account: &BareJid, leaving: &Leaving) -> Result<bool, StoreError> {
    let whereabouts = || whereabouts(engine, &Jid::from(account.clone()), leaving);
    if *leaving == Leaving::InDoubt && whereabouts() != Whereabouts::Gone {
        return Ok(whereabouts() == Whereabouts::There);
    }
    let nodes = published_nodes(engine, account).await?;
    if nodes.is_empty() {
        return Ok(true);
    }
    match whereabouts() {
        Whereabouts::Gone => purge(engine, account, nodes).await,
        Whereabouts::There => {}
        Whereabouts::Unknown => return Ok(false),
    }
    Ok(true)
}

/// A resource that has said that it goes has gone. An account may have other resources, and is asked.
fn whereabouts(engine: &Engine, jid: &Jid, leaving: &Leaving) -> Whereabouts {
    let table = engine.presence();
    let there = table.resources(&jid.to_bare());
    let is_there = match jid.resource() {
        Some(resource) => there.iter().any(|it| it.resource == resource.as_str()),
        None => !there.is_empty(),
    };
    let is_gone = || match (leaving, jid.resource()) {
        (Leaving::Went(_), Some(_)) => true,
        (Leaving::Went(_), None) => table.look(jid) != Availability::Unknown,
        (Leaving::InDoubt, _) => table.is_gone(jid),
    };
    match is_there {
        true => Whereabouts::There,
        false if is_gone() => Whereabouts::Gone,
        false => Whereabouts::Unknown,
    }
}

async fn subscriptions(engine: &Engine, account: &BareJid) -> Result<Vec<EntitySubscription>, StoreError> {
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let page = engine.store().subscriptions_on_presence(Some(account), after, ROWS_MAX).await?;
        after = page.last().filter(|_| page.len() >= ROWS_MAX as usize).map(EntitySubscription::key);
        found.extend(page);
        if after.is_none() {
            return Ok(found);
        }
    }
}

async fn ends(engine: &Engine, entry: &EntitySubscription) -> bool {
    let facts = engine.facts(&entry.name).await;
    facts.is_ok_and(|facts| presence::ends_subscription(&facts.config, &entry.subscription.options))
}

/// The nodes that go with this publisher, whose newest item is his.
async fn published_nodes(engine: &Engine, account: &BareJid) -> Result<Vec<NodeName>, StoreError> {
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let page = engine.store().nodes_purged_on_presence(account, after, ROWS_MAX).await?;
        after = page.last().filter(|_| page.len() >= ROWS_MAX as usize).map(|(id, _)| *id);
        for (id, name) in page {
            let (order, at) = (ItemOrder::Modification, PageAt::Last);
            let window = ItemWindow { order, at, items_max: 1, bytes_max: 1, expired_through_ms: None };
            let newest = engine.store().list_items(id, window).await?.items.pop();
            if newest.is_some_and(|newest| newest.publisher.to_bare() == *account) {
                found.push(name);
            }
        }
        if after.is_none() {
            return Ok(found);
        }
    }
}

async fn purge(engine: &Engine, account: &BareJid, nodes: Vec<NodeName>) {
    for node in nodes {
        let (actor, verb) = (Actor::new(account.clone(), Role::User), Verb::PurgeBehind(account.clone()));
        if let Err(error) = engine.submit(Command { actor, node, verb }).await {
            tracing::debug!(%error, "a node is not purged behind its publisher");
        }
    }
}
