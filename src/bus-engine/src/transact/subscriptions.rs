use bus_domain::{BusError, Jid, NodeFacts, Subscription, SubscriptionId, SubscriptionState};
use bus_store::{HeadAfter, Recipient, StoreError, Transaction};

use super::Sources;
use super::apply::done;
use super::node_work::{Beginning, NewSubId, NodeWork};
use crate::committer::EntryResult;
use crate::dispatcher::{RecipientChange, RecipientDelta};
use crate::{Notice, NoticeAbout, Outcome};

/// Owners who are asked for one approval, or told of one subscriber: the first by name.
const OWNERS_ASKED_MAX: usize = 16;

/// Writes the subscriptions that end and begin, and leaves word of them; `first` is what changes beside them. Gives the
/// last one that began.
pub(super) async fn change(
    transaction: &mut dyn Transaction,
    work: &mut NodeWork,
    facts: &NodeFacts,
    head: HeadAfter,
    first: Option<RecipientChange>,
) -> Result<Option<Subscription>, StoreError> {
    let mut changes: Vec<_> = first.into_iter().collect();
    let ended = std::mem::take(&mut work.ended);
    if !ended.is_empty() {
        let ids: Vec<_> = ended.iter().map(|ended| ended.id).collect();
        transaction.remove_subscriptions(facts.id, &ids).await?;
        changes.extend(ids.into_iter().map(RecipientChange::Removed));
    }
    let begun = numbered(std::mem::take(&mut work.begun), head);
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
    Ok(begun.into_iter().next_back())
}

pub(super) async fn subscribed(
    transaction: &mut dyn Transaction,
    work: &mut NodeWork,
    facts: &NodeFacts,
    head: HeadAfter,
) -> Result<EntryResult, StoreError> {
    let subscription = match work.subscription.take() {
        Some(there) => Some(carried_on(transaction, work, facts, head, there).await?),
        None => change(transaction, work, facts, head, None).await?,
    };
    Ok(subscription.map_or(EntryResult::Refused(BusError::Internal), |it| done(Outcome::Subscribed(it))))
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
) -> Result<EntryResult, StoreError> {
    change(transaction, work, facts, head, None).await?;
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
    let begins = |(id, Beginning { jid, state, sub_id, options })| {
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
fn tell_owners(work: &mut NodeWork, facts: &NodeFacts, ended: &[Subscription], begun: &[Subscription]) {
    if !facts.config.notify_sub {
        return;
    }
    let is_subscribed = |it: &&Subscription| it.state == SubscriptionState::Subscribed;
    let has_it = |among: &[Subscription], one: &Subscription| {
        among.iter().filter(is_subscribed).any(|it| it.jid == one.jid && it.sub_id == one.sub_id)
    };
    let came = begun.iter().filter(is_subscribed).filter(|it| !has_it(ended, it));
    let left = ended.iter().filter(is_subscribed).filter(|it| !has_it(begun, it));
    let news = came.map(|it| (it, Some(it.state))).chain(left.map(|it| (it, None)));
    for (subscription, state) in news {
        let Subscription { jid, sub_id, .. } = subscription;
        work.notices.extend(asked_owners(facts).into_iter().map(|to| Notice {
            node: facts.name.clone(),
            to,
            about: NoticeAbout::State { jid: jid.clone(), sub_id: *sub_id, state },
        }));
    }
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
