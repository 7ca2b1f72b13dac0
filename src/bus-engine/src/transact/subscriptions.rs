use bus_domain::{BusError, Jid, NodeFacts, Subscription, SubscriptionId, SubscriptionState};
use bus_store::{HeadAfter, Recipient, StoreError, Transaction};

use super::Sources;
use super::apply::done;
use super::node_work::NodeWork;
use crate::committer::EntryResult;
use crate::dispatcher::{RecipientChange, RecipientDelta};
use crate::{Notice, NoticeAbout, Outcome};

/// Owners who are asked for one approval: the first by name.
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
    let ended: Vec<_> = std::mem::take(&mut work.ended).into_iter().map(|ended| ended.id).collect();
    if !ended.is_empty() {
        transaction.remove_subscriptions(facts.id, &ended).await?;
        changes.extend(ended.into_iter().map(RecipientChange::Removed));
    }
    let begun = numbered(std::mem::take(&mut work.begun), head);
    if !begun.is_empty() {
        transaction.insert_subscriptions(facts.id, &begun).await?;
    }
    for subscription in &begun {
        match subscription.state {
            SubscriptionState::Subscribed => {
                let affiliation = facts.affiliations.of(&subscription.jid.to_bare());
                let recipient = Recipient { subscription: subscription.clone(), affiliation };
                changes.push(RecipientChange::Added(recipient));
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
        Some(revived) => {
            transaction.revive_subscription(facts.id, revived.id).await?;
            let affiliation = facts.affiliations.of(&revived.jid.to_bare());
            let recipient = Recipient { subscription: revived.clone(), affiliation };
            let changes = vec![RecipientChange::Added(recipient)];
            work.delta = Some(RecipientDelta { recipients_version: head.recipients_version, changes });
            Some(revived)
        }
        None => change(transaction, work, facts, head, None).await?,
    };
    Ok(subscription.map_or(EntryResult::Refused(BusError::Internal), |it| done(Outcome::Subscribed(it))))
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
fn numbered(begun: Vec<(Jid, SubscriptionState)>, head: HeadAfter) -> Vec<Subscription> {
    let first_id = head.last_subscription.0 - i64::try_from(begun.len()).unwrap_or(i64::MAX) + 1;
    let begins =
        |(id, (jid, state))| Subscription { id: SubscriptionId(id), jid, state, since_seq: head.seq };
    (first_id..).zip(begun).map(begins).collect()
}

/// Requests to the owners to decide on a subscription that waits for them.
pub(super) fn ask_owners(facts: &NodeFacts, pending: &Subscription) -> Vec<Notice> {
    let mut owners = facts.affiliations.owners();
    owners.truncate(OWNERS_ASKED_MAX);
    let ask = |owner: Jid| Notice {
        node: facts.name.clone(),
        to: owner,
        about: NoticeAbout::Approval(pending.clone()),
    };
    owners.into_iter().map(|owner| ask(owner.into())).collect()
}
