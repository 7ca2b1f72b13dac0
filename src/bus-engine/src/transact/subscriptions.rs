use std::collections::HashSet;

use bus_domain::{
    BusError, Jid, NodeFacts, Role, Subscription, SubscriptionId, SubscriptionState, access, presence,
    retention,
};
use bus_store::{HeadAfter, Recipient, StoreError, Transaction};

use super::Sources;
use super::apply::done;
use super::node_work::{Beginning, NewSubId, NodeWork};
use crate::committer::EntryResult;
use crate::dispatcher::{RecipientChange, RecipientDelta};
use crate::{Availability, DeliveryNode, LastItem, Notice, NoticeAbout, Outcome};

/// Owners who are asked for one approval, or told of one subscriber: the first by name.
const OWNERS_ASKED_MAX: usize = 16;
/// Subscribers of whom owners hear by one request; of more, they see the list.
const NEWS_MAX: usize = 64;
/// Subscribers who are sent the newest item by one request; of more, the others fetch it.
const LAST_ITEMS_MAX: usize = 256;

/// Writes the subscriptions that end and begin, and leaves word of them; `first` is what changes beside them. Gives
/// those that began.
pub(super) async fn change(
    transaction: &mut dyn Transaction,
    work: &mut NodeWork,
    facts: &NodeFacts,
    head: HeadAfter,
    first: Option<RecipientChange>,
) -> Result<Vec<Subscription>, StoreError> {
    let mut changes: Vec<_> = first.into_iter().collect();
    let ended = std::mem::take(&mut work.ended);
    if !ended.is_empty() {
        let ids: Vec<_> = ended.iter().map(|ended| ended.id).collect();
        transaction.remove_subscriptions(facts.id, &ids).await?;
        changes.extend(ids.into_iter().map(RecipientChange::Removed));
    }
    let beginnings = std::mem::take(&mut work.begun);
    let are_news: Vec<_> = beginnings.iter().map(|beginning| beginning.is_news).collect();
    let begun = numbered(beginnings, head);
    for subscription in begun.iter().zip(are_news).filter_map(|(it, is_news)| is_news.then_some(it)) {
        work.notices.push(state_of(facts, subscription, Some(subscription.state), subscription.jid.clone()));
    }
    tell_owners(work, facts, &ended, &begun);
    if !begun.is_empty() {
        transaction.insert_subscriptions(facts.id, &begun).await?;
    }
    for subscription in &begun {
        match subscription.state {
            SubscriptionState::Subscribed => {
                changes.push(RecipientChange::Added(recipient(facts, subscription)));
            }
            SubscriptionState::Pending => work.notices.extend(ask_owners(facts, subscription)),
        }
    }
    work.delta = Some(RecipientDelta { recipients_version: head.recipients_version, changes });
    Ok(begun)
}

/// Looks for the newest item for those who have become subscribers. Who did so by a decision of somebody else's gets it
/// behind word of that.
pub(super) async fn send_last_item(
    transaction: &mut dyn Transaction,
    work: &mut NodeWork,
    facts: &NodeFacts,
    begun: &[Subscription],
    sources: &Sources<'_>,
) -> Result<(), StoreError> {
    for last_item in last_items(transaction, facts, begun, sources).await? {
        let to = last_item.subscription.jid.clone();
        let about = NoticeAbout::LastItem(Box::new(last_item));
        work.notices.push(Notice { node: facts.name.clone(), to, about });
    }
    Ok(())
}

async fn last_items(
    transaction: &mut dyn Transaction,
    facts: &NodeFacts,
    begun: &[Subscription],
    sources: &Sources<'_>,
) -> Result<Vec<LastItem>, StoreError> {
    let is_there = |it: &Subscription| {
        !presence::decides_delivery(&facts.config, &it.options)
            || sources.presence.look_for(&it.jid, it.options.show_values) == Availability::Online
    };
    let wants_it = |it: &&Subscription| {
        let is_wanted = it.state == SubscriptionState::Subscribed && it.options.want_at(sources.now_ms);
        is_wanted && is_there(it) && access::may_receive_below(facts, &it.jid.to_bare(), Role::User)
    };
    let mut wanted = begun.iter().filter(wants_it).take(LAST_ITEMS_MAX).peekable();
    if !facts.config.sends_last_item() || wanted.peek().is_none() {
        return Ok(Vec::new());
    }
    let expired_through_ms = retention::expired_through_ms(&facts.config, sources.now_ms);
    let Some(event) = transaction.last_item(facts.id, expired_through_ms).await? else {
        return Ok(Vec::new());
    };
    let node = DeliveryNode::of(facts);
    let of = |subscription: &Subscription| LastItem {
        node: node.clone(),
        subscription: subscription.clone(),
        event: event.clone(),
    };
    Ok(wanted.map(of).collect())
}

pub(super) async fn subscribed(
    transaction: &mut dyn Transaction,
    work: &mut NodeWork,
    facts: &NodeFacts,
    head: HeadAfter,
    sources: &Sources<'_>,
) -> Result<EntryResult, StoreError> {
    let mut last_item = None;
    let subscription = if let Some(there) = work.subscription.take() {
        Some(carried_on(transaction, work, facts, head, there).await?)
    } else {
        let begun = change(transaction, work, facts, head, None).await?;
        last_item = last_items(transaction, facts, &begun, sources).await?.pop().map(Box::new);
        begun.into_iter().next_back()
    };
    let subscribed = |subscription| done(Outcome::Subscribed { subscription, last_item });
    Ok(subscription.map_or(EntryResult::Refused(BusError::Internal), subscribed))
}

pub(super) async fn options_set(
    transaction: &mut dyn Transaction,
    work: &mut NodeWork,
    facts: &NodeFacts,
    head: HeadAfter,
) -> Result<EntryResult, StoreError> {
    match work.subscription.take() {
        Some(there) => drop(carried_on(transaction, work, facts, head, there).await?),
        None => drop(change(transaction, work, facts, head, None).await?),
    }
    Ok(done(Outcome::OptionsSet))
}

async fn carried_on(
    transaction: &mut dyn Transaction,
    work: &mut NodeWork,
    facts: &NodeFacts,
    head: HeadAfter,
    there: Subscription,
) -> Result<Subscription, StoreError> {
    transaction.continue_subscription(facts.id, &there).await?;
    let changes = match there.state {
        SubscriptionState::Subscribed => vec![RecipientChange::Changed(recipient(facts, &there))],
        SubscriptionState::Pending => Vec::new(),
    };
    work.delta = Some(RecipientDelta { recipients_version: head.recipients_version, changes });
    Ok(there)
}

pub(super) async fn expired(
    transaction: &mut dyn Transaction,
    work: &mut NodeWork,
    facts: &NodeFacts,
    head: HeadAfter,
) -> Result<EntryResult, StoreError> {
    let over = work.ended.first().cloned();
    change(transaction, work, facts, head, None).await?;
    Ok(over.map_or(EntryResult::Refused(BusError::NotSubscribed), |it| done(Outcome::Expired(it))))
}

pub(super) async fn unsubscribed(
    transaction: &mut dyn Transaction,
    work: &mut NodeWork,
    facts: &NodeFacts,
    head: HeadAfter,
) -> Result<EntryResult, StoreError> {
    let Some(subscription) = work.ended.first().cloned() else {
        return Ok(EntryResult::Refused(BusError::NotSubscribed));
    };
    change(transaction, work, facts, head, None).await?;
    Ok(done(Outcome::Unsubscribed(subscription)))
}

pub(super) async fn managed(
    transaction: &mut dyn Transaction,
    work: &mut NodeWork,
    facts: &NodeFacts,
    head: HeadAfter,
    sources: &Sources<'_>,
) -> Result<EntryResult, StoreError> {
    let begun = change(transaction, work, facts, head, None).await?;
    send_last_item(transaction, work, facts, &begun, sources).await?;
    let rejected = std::mem::take(&mut work.rejected_subscriptions);
    Ok(done(Outcome::SubscriptionsManaged { rejected }))
}

pub(super) async fn parked(
    transaction: &mut dyn Transaction,
    work: &mut NodeWork,
    facts: &NodeFacts,
    head: HeadAfter,
    sources: &Sources<'_>,
) -> Result<EntryResult, StoreError> {
    let Some(subscription) = work.subscription.take() else {
        return Ok(EntryResult::Refused(BusError::NotSubscribed));
    };
    transaction.park_subscription(facts.id, subscription.id, sources.now_ms).await?;
    let changes = vec![RecipientChange::Removed(subscription.id)];
    work.delta = Some(RecipientDelta { recipients_version: head.recipients_version, changes });
    Ok(done(Outcome::Parked(subscription)))
}

/// Subscriptions that begin where the log is now, under the next ids.
fn numbered(begun: Vec<Beginning>, head: HeadAfter) -> Vec<Subscription> {
    let first_id = head.last_subscription.0 - i64::try_from(begun.len()).unwrap_or(i64::MAX) + 1;
    let begins = |(id, Beginning { jid, state, sub_id, options, .. })| {
        let id = SubscriptionId(id);
        let sub_id = match sub_id {
            NewSubId::None => None,
            NewSubId::Own => Some(id),
            NewSubId::Kept(before) => Some(before),
        };
        Subscription { id, jid, state, since_seq: head.seq, sub_id, options }
    };
    (first_id..).zip(begun).map(begins).collect()
}

fn recipient(facts: &NodeFacts, subscription: &Subscription) -> Recipient {
    let affiliation = facts.affiliations.of(&subscription.jid.to_bare());
    Recipient { subscription: subscription.clone(), affiliation }
}

/// Tells owners who want to know it who has become a subscriber, and who is none any more (`pubsub#notify_sub`).
fn tell_owners<'a>(
    work: &mut NodeWork,
    facts: &NodeFacts,
    ended: &'a [Subscription],
    begun: &'a [Subscription],
) {
    if !facts.config.notify_sub {
        return;
    }
    let subscribed = |among: &'a [Subscription]| -> HashSet<(&'a Jid, Option<SubscriptionId>)> {
        let subscribed = among.iter().filter(|it| it.state == SubscriptionState::Subscribed);
        subscribed.map(|it| (&it.jid, it.sub_id)).collect()
    };
    let (before, after) = (subscribed(ended), subscribed(begun));
    let is_in = |among: &HashSet<_>, it: &Subscription| among.contains(&(&it.jid, it.sub_id));
    let came = begun.iter().filter(|it| is_in(&after, it) && !is_in(&before, it));
    let left = ended.iter().filter(|it| is_in(&before, it) && !is_in(&after, it));
    let news = came.map(|it| (it, Some(it.state))).chain(left.map(|it| (it, None)));
    for (subscription, state) in news.take(NEWS_MAX) {
        let owners = asked_owners(facts).into_iter();
        work.notices.extend(owners.map(|to| state_of(facts, subscription, state, to)));
    }
}

fn state_of(
    facts: &NodeFacts,
    subscription: &Subscription,
    state: Option<SubscriptionState>,
    to: Jid,
) -> Notice {
    let Subscription { jid, sub_id, .. } = subscription;
    let about = NoticeAbout::State { jid: jid.clone(), sub_id: *sub_id, state };
    Notice { node: facts.name.clone(), to, about }
}

/// Requests to the owners to decide on a subscription that waits for them.
pub(super) fn ask_owners(facts: &NodeFacts, pending: &Subscription) -> Vec<Notice> {
    let ask = |to| Notice { node: facts.name.clone(), to, about: NoticeAbout::Approval(pending.clone()) };
    asked_owners(facts).into_iter().map(ask).collect()
}

fn asked_owners(facts: &NodeFacts) -> Vec<Jid> {
    let mut owners = facts.affiliations.owners();
    owners.truncate(OWNERS_ASKED_MAX);
    owners.into_iter().map(Jid::from).collect()
}
