use std::collections::HashMap;

use bus_domain::affiliate::{self, Approval};
use bus_domain::{
    BareJid, BusError, Jid, NodeId, Subscription, SubscriptionId, SubscriptionOptions, SubscriptionState,
    expire, manage_subscriptions, options, park, subscribe, unsubscribe,
};
use bus_store::{StoreError, Transaction};

use super::super::Sources;
use super::super::node_work::{Beginning, NewSubId, NodeWork};
use super::super::subscriptions::ask_owners;
use super::answer;
use crate::committer::{EntryResult, Work};
use crate::{Notice, NoticeAbout, Outcome};

/// What is about subscriptions, by those that there are.
pub(super) async fn settle(
    transaction: &mut dyn Transaction,
    sources: &Sources<'_>,
    work: &mut NodeWork,
    id: NodeId,
    what: &Work,
) -> Result<Option<EntryResult>, StoreError> {
    match what {
        Work::ManageSubscriptions(managing) => return manage(transaction, work, id, managing).await,
        Work::Subscribe(subscribing) => {
            let existing = transaction.existing_subscriptions(id, &subscribing.request.jid.to_bare()).await?;
            return Ok(subscribe(work, subscribing, &existing, sources.now_ms));
        }
        Work::Unsubscribe(unsubscribing) => {
            let existing = transaction.existing_subscriptions(id, &unsubscribing.jid.to_bare()).await?;
            match unsubscribe::settle(unsubscribing, &existing.of_bare, sources.now_ms) {
                Err(error) => return Ok(Some(EntryResult::Refused(error))),
                Ok(subscription) => work.ended.push(subscription),
            }
        }
        Work::SetOptions(opting) => {
            let existing = transaction.existing_subscriptions(id, &opting.request.jid.to_bare()).await?;
            return Ok(set_options(work, opting, &existing, sources.now_ms));
        }
        Work::Expire(expiry) => {
            let existing = transaction.existing_subscriptions(id, &expiry.jid.to_bare()).await?;
            return Ok(expire(work, expiry, &existing, sources.now_ms));
        }
        Work::Park(parking) => {
            let existing = transaction.existing_subscriptions(id, &parking.jid.to_bare()).await?;
            let Some(subscription) = park::settle(parking, existing) else {
                return Ok(Some(EntryResult::Refused(BusError::NotSubscribed)));
            };
            work.changes.recipients = true;
            work.subscription = Some(subscription);
        }
        // Nothing else is sent here.
        _ => return Ok(Some(EntryResult::Refused(BusError::Internal))),
    }
    Ok(None)
}

pub(super) fn subscribe(
    work: &mut NodeWork,
    subscribing: &subscribe::Subscribing,
    existing: &subscribe::Existing,
    now_ms: i64,
) -> Option<EntryResult> {
    match subscribe::settle(subscribing, existing, now_ms) {
        Err(error) => {
            if error == BusError::SubscriptionPending {
                ask_again(work, subscribing, existing);
            }
            return Some(EntryResult::Refused(error));
        }
        Ok(subscribe::Settled::Already(there)) => {
            return Some(answer(Outcome::Subscribed { subscription: there, last_item: None }));
        }
        Ok(subscribe::Settled::Continued(there)) => carry_on(work, there),
        Ok(subscribe::Settled::Replaced { ended, state, options }) => replace(work, ended, state, options),
        Ok(subscribe::Settled::New(options)) => {
            let sub_id = if subscribing.multi_subscribe { NewSubId::Own } else { NewSubId::None };
            let (jid, state) = (subscribing.request.jid.clone(), subscribing.state);
            work.begun.push(Beginning { jid, state, sub_id, options, is_news: false });
        }
    }
    None
}

/// `Some` if there is nothing to change.
pub(super) fn set_options(
    work: &mut NodeWork,
    opting: &options::Opting,
    existing: &subscribe::Existing,
    now_ms: i64,
) -> Option<EntryResult> {
    match options::settle(opting, existing, now_ms) {
        Err(error) => return Some(EntryResult::Refused(error)),
        Ok(options::Settled::Same) => return Some(answer(Outcome::OptionsSet)),
        Ok(options::Settled::Changed(there)) => carry_on(work, there),
        Ok(options::Settled::Resumed(there)) => {
            let Subscription { state, options, .. } = there;
            replace(work, there, state, options);
        }
    }
    None
}

/// `Some` if it goes on, or has ended otherwise.
pub(super) fn expire(
    work: &mut NodeWork,
    expiry: &expire::Expiry,
    existing: &subscribe::Existing,
    now_ms: i64,
) -> Option<EntryResult> {
    let config = work.facts.as_ref().map(|facts| &facts.config);
    match config.and_then(|config| expire::settle(expiry, config, &existing.of_bare, now_ms)) {
        None => Some(EntryResult::Refused(BusError::NotSubscribed)),
        Some(over) => {
            end(work, over);
            None
        }
    }
}

/// Ends a subscription whose subscriber has not asked for it, and tells so.
fn end(work: &mut NodeWork, subscription: Subscription) {
    tell(work, &subscription, Approval::Denied);
    work.ended.push(subscription);
}

fn carry_on(work: &mut NodeWork, there: Subscription) {
    work.changes.recipients = true;
    work.subscription = Some(there);
}

/// The owners may not have got the request, or may have lost it.
fn ask_again(work: &mut NodeWork, subscribing: &subscribe::Subscribing, existing: &subscribe::Existing) {
    let pending = existing.of_bare.iter().find(|it| it.jid == subscribing.request.jid);
    if let (Some(facts), Some(pending)) = (&work.facts, pending) {
        work.notices.extend(ask_owners(facts, pending));
    }
}

fn approve(work: &mut NodeWork, pending: Subscription) {
    let options = pending.options;
    replace(work, pending, SubscriptionState::Subscribed, options);
}

/// What there is ends, and another subscription begins where the log is now: nothing from before is due.
fn replace(work: &mut NodeWork, ended: Subscription, state: SubscriptionState, options: SubscriptionOptions) {
    let sub_id = ended.sub_id.map_or(NewSubId::None, NewSubId::Kept);
    work.begun.push(Beginning { jid: ended.jid.clone(), state, sub_id, options, is_news: false });
    work.ended.push(ended);
}

/// New standings may say what becomes of those who wait for approval.
pub(super) async fn settle_pending(
    transaction: &mut dyn Transaction,
    work: &mut NodeWork,
    id: NodeId,
    change: &affiliate::Change,
) -> Result<(), StoreError> {
    let entries = change.entries.iter();
    let approvals: HashMap<BareJid, Approval> = entries
        .filter_map(|(jid, affiliation)| Some((jid.clone(), affiliate::settles_pending(*affiliation)?)))
        .collect();
    if approvals.is_empty() {
        return Ok(());
    }
    let subscribers: Vec<_> = approvals.keys().cloned().collect();
    let subscriptions = transaction.subscriptions_among(id, &subscribers).await?;
    for pending in subscriptions.into_iter().filter(|it| it.state == SubscriptionState::Pending) {
        let Some(approval) = approvals.get(&pending.jid.to_bare()) else { continue };
        tell(work, &pending, *approval);
        match approval {
            Approval::Granted => approve(work, pending),
            Approval::Denied => work.ended.push(pending),
        }
    }
    Ok(())
}

/// `Some` if there is nothing to change.
pub(super) async fn manage(
    transaction: &mut dyn Transaction,
    work: &mut NodeWork,
    id: NodeId,
    managing: &manage_subscriptions::Managing,
) -> Result<Option<EntryResult>, StoreError> {
    let subscribers: Vec<_> = managing.entries.iter().map(|it| it.jid.to_bare()).collect();
    let existing = transaction.subscriptions_among(id, &subscribers).await?;
    let in_all = match subscribers.first().filter(|_| managing.may_add) {
        Some(first) => transaction.existing_subscriptions(id, first).await?.in_all,
        None => 0,
    };
    let managed = manage_subscriptions::settle(managing, &existing, in_all);
    let manage_subscriptions::Managed { ended, approved, added, rejected } = managed;
    if ended.is_empty() && approved.is_empty() && added.is_empty() {
        return Ok(Some(answer(Outcome::SubscriptionsManaged { rejected })));
    }
    for subscription in ended {
        end(work, subscription);
    }
    for pending in approved {
        tell(work, &pending, Approval::Granted);
        approve(work, pending);
    }
    let gives_sub_ids = work.facts.as_ref().is_some_and(|facts| facts.config.multi_subscribe);
    for jid in added {
        let sub_id = if gives_sub_ids { NewSubId::Own } else { NewSubId::None };
        let (state, options) = (SubscriptionState::Subscribed, SubscriptionOptions::default());
        work.begun.push(Beginning { jid, state, sub_id, options, is_news: true });
    }
    work.rejected_subscriptions = rejected;
    Ok(None)
}

fn tell(work: &mut NodeWork, subscription: &Subscription, approval: Approval) {
    let state = match approval {
        Approval::Granted => Some(SubscriptionState::Subscribed),
        Approval::Denied => None,
    };
    work.notices.extend(notice(work, &subscription.jid, subscription.sub_id, state));
}

fn notice(
    work: &NodeWork,
    jid: &Jid,
    sub_id: Option<SubscriptionId>,
    state: Option<SubscriptionState>,
) -> Option<Notice> {
    let node = work.facts.as_ref()?.name.clone();
    Some(Notice { node, to: jid.clone(), about: NoticeAbout::State { jid: jid.clone(), sub_id, state } })
}
